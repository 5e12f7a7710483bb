//! Position embeddings that are computed, and those of one grid of patches made to fit another.

use burn::module::Param;
use burn::prelude::*;

/// How the embeddings of a grid are made to fit another: as the library does whose weights they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resampling {
    /// Cubic convolution over the four nearest places, with a = -0.75.
    Bicubic,
    /// The same with a = -0.5, widened where the new grid is coarser.
    BicubicAntialiased,
    /// The place at the same share of the side.
    Nearest,
}

/// Sines and cosines of the number of a token, which are not learned: `[1, n_tokens, d_model]`.
///
/// # Source
///
/// Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
pub(super) fn sinusoidal(n_tokens: usize, d_model: usize, device: &Device) -> Param<Tensor<3>> {
    let value = |token: usize, channel: usize| {
        let exponent = (2 * (channel / 2)) as f64 / d_model as f64;
        let angle = token as f64 / 10000_f64.powf(exponent);
        match channel % 2 {
            0 => angle.sin() as f32,
            _ => angle.cos() as f32,
        }
    };
    let values: Vec<f32> = (0..n_tokens)
        .flat_map(|token| (0..d_model).map(move |channel| value(token, channel)))
        .collect();
    let table = Tensor::from_data(TensorData::new(values, [1, n_tokens, d_model]), device);
    Param::from_tensor(table).set_require_grad(false)
}

/// The embeddings of `from` rows and columns at `to` rows and columns, row by row, `d_model` numbers each.
///
/// # Source
///
/// Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981; edges, constants and the
/// wider kernel as in PyTorch's `interpolate(mode="bicubic", align_corners=False)`.
pub(super) fn resample(
    embeddings: &[f32],
    d_model: usize,
    from: [usize; 2],
    to: [usize; 2],
    how: Resampling,
) -> Vec<f32> {
    if from == to {
        return embeddings.to_vec();
    }
    let over_columns = taps(from[1], to[1], how);
    let over_rows = taps(from[0], to[0], how);
    let mut narrowed = vec![0.0_f64; from[0] * to[1] * d_model];
    for row in 0..from[0] {
        for (column, taps) in over_columns.iter().enumerate() {
            let target = &mut narrowed[(row * to[1] + column) * d_model..][..d_model];
            for &(source, weight) in taps {
                let source = &embeddings[(row * from[1] + source) * d_model..][..d_model];
                for (sum, &value) in target.iter_mut().zip(source) {
                    *sum += weight * f64::from(value);
                }
            }
        }
    }
    let width = to[1] * d_model;
    let mut output = Vec::with_capacity(to[0] * width);
    for taps in &over_rows {
        output.extend((0..width).map(|index| {
            let term = |&(row, weight): &(usize, f64)| weight * narrowed[row * width + index];
            taps.iter().map(term).sum::<f64>() as f32
        }));
    }
    output
}

/// For every new place the old ones that it is made of, and their weights.
fn taps(n_from: usize, n_to: usize, how: Resampling) -> Vec<Vec<(usize, f64)>> {
    let scale = n_from as f64 / n_to as f64;
    let of_place = |place: usize| match how {
        Resampling::Nearest => vec![(((place as f64 * scale) as usize).min(n_from - 1), 1.0)],
        Resampling::Bicubic => {
            let centre = (place as f64 + 0.5) * scale - 0.5;
            let first = centre.floor();
            let tap = |offset: i32| {
                let source = first + f64::from(offset);
                let weight = cubic(source - centre, -0.75);
                (source.clamp(0.0, (n_from - 1) as f64) as usize, weight)
            };
            (-1..=2).map(tap).collect()
        }
        Resampling::BicubicAntialiased => {
            let widening = scale.max(1.0);
            let centre = (place as f64 + 0.5) * scale;
            let start = (centre - 2.0 * widening + 0.5).max(0.0) as usize;
            let end = ((centre + 2.0 * widening + 0.5) as usize).min(n_from);
            let weight = |source| cubic((source as f64 - centre + 0.5) / widening, -0.5);
            let sum: f64 = (start..end).map(weight).sum();
            let tap = |source| (source, weight(source) / sum);
            (start..end).map(tap).collect()
        }
    };
    (0..n_to).map(of_place).collect()
}

/// The kernel of cubic convolution.
fn cubic(distance: f64, a: f64) -> f64 {
    let x = distance.abs();
    match x {
        _ if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
        _ => 0.0,
    }
}
