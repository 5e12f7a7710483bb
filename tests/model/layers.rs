//! Layers of a transformer as plain loops in double precision, the reference for the tests.

use burn::nn::{LayerNorm, Linear};
use burn::prelude::*;
use burn_topology::model::{Block, Mlp};
use burn_topology::nn::SelfAttention;

/// Matrix as a list of rows, such as tokens.
pub type Rows = Vec<Vec<f64>>;

/// Applies a block; returns the tokens and the attention weights of every head.
///
/// `is_visible(query, key)` is false where attention is masked.
pub fn apply_block(
    tokens: &Rows,
    block: &Block,
    n_heads: usize,
    is_visible: impl Fn(usize, usize) -> bool,
) -> (Rows, Vec<Rows>) {
    let (mixed, weights) = attend(
        &normalize(tokens, &block.norm1),
        &block.attn,
        n_heads,
        is_visible,
    );
    let tokens = sum(tokens, &mixed);
    let update = mlp(&normalize(&tokens, &block.norm2), &block.mlp);
    (sum(&tokens, &update), weights)
}

/// Applies self-attention; returns the projected tokens and the attention weights of every head.
pub fn attend(
    tokens: &Rows,
    attention: &SelfAttention,
    n_heads: usize,
    is_visible: impl Fn(usize, usize) -> bool,
) -> (Rows, Vec<Rows>) {
    let qkv = linear(tokens, &attention.qkv);
    let (n_tokens, d_model) = (tokens.len(), tokens[0].len());
    let d_head = d_model / n_heads;
    let mut mixed = vec![vec![0.0; d_model]; n_tokens];
    let mut weights = Vec::new();
    for head in 0..n_heads {
        let mut head_weights = Vec::new();
        for query in 0..n_tokens {
            let mut row = vec![0.0; n_tokens];
            for key in (0..n_tokens).filter(|key| is_visible(query, *key)) {
                let mut score = 0.0;
                for x in head * d_head..(head + 1) * d_head {
                    score += qkv[query][x] * qkv[key][d_model + x];
                }
                row[key] = (score / (d_head as f64).sqrt()).exp();
            }
            let total: f64 = row.iter().sum();
            for key in 0..n_tokens {
                row[key] /= total;
                for x in head * d_head..(head + 1) * d_head {
                    mixed[query][x] += row[key] * qkv[key][2 * d_model + x];
                }
            }
            head_weights.push(row);
        }
        weights.push(head_weights);
    }
    (linear(&mixed, &attention.proj), weights)
}

/// Applies a linear layer to every token.
pub fn linear(tokens: &Rows, layer: &Linear) -> Rows {
    let weight: Rows = matrix(layer.weight.val());
    let bias = numbers(layer.bias.as_ref().unwrap().val());
    let apply = |token: &Vec<f64>| {
        let mut output = bias.clone();
        for (x, row) in token.iter().zip(&weight) {
            for (output, weight) in output.iter_mut().zip(row) {
                *output += x * weight;
            }
        }
        output
    };
    tokens.iter().map(apply).collect()
}

/// Applies a layer norm with epsilon 1e-6 to every token.
pub fn normalize(tokens: &[Vec<f64>], norm: &LayerNorm) -> Rows {
    let gamma = numbers(norm.gamma.val());
    let beta = numbers(norm.beta.as_ref().unwrap().val());
    let apply = |token: &Vec<f64>| {
        let n = token.len() as f64;
        let mean = token.iter().sum::<f64>() / n;
        let variance = token.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let parameters = gamma.iter().zip(&beta);
        let scaled = token
            .iter()
            .zip(parameters)
            .map(|(x, (gamma, beta))| (x - mean) / (variance + 1e-6).sqrt() * gamma + beta);
        scaled.collect()
    };
    tokens.iter().map(apply).collect()
}

/// Applies an MLP with GELU to every token.
pub fn mlp(tokens: &Rows, mlp: &Mlp) -> Rows {
    let mut inner = linear(tokens, &mlp.fc1);
    for x in inner.iter_mut().flatten() {
        *x *= 0.5 * (1.0 + error_function(*x / 2.0_f64.sqrt()));
    }
    linear(&inner, &mlp.fc2)
}

/// Error function by its series at 0, which converges for the small arguments of a small model.
fn error_function(x: f64) -> f64 {
    if x.abs() > 4.0 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    for n in 1..100 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// Sum of two matrices.
pub fn sum(left: &[Vec<f64>], right: &[Vec<f64>]) -> Rows {
    assert_eq!(left.len(), right.len());
    let mut rows = left.to_vec();
    for (row, other) in rows.iter_mut().zip(right) {
        add_to(row, other);
    }
    rows
}

/// Adds a row to another one in place.
pub fn add_to(row: &mut [f64], other: &[f64]) {
    for (x, y) in row.iter_mut().zip(other) {
        *x += y;
    }
}

/// Rows of a tensor `[1, n_rows, n_columns]`.
pub fn rows(tensor: Tensor<3>) -> Rows {
    matrix(tensor.squeeze_dim(0))
}

fn matrix(tensor: Tensor<2>) -> Rows {
    let n_columns = tensor.dims()[1];
    let numbers = numbers(tensor);
    numbers.chunks(n_columns).map(<[f64]>::to_vec).collect()
}

/// Numbers of a tensor in row-major order.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
