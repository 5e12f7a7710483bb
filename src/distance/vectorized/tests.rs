//! Every kernel for every extension of this processor against a plain formula, for all lengths around those of vectors.
//!
//! Slices lie at the very end of their memory or between guards. `scripts/miri.sh` runs these tests under Miri too.

use super::*;
use crate::distance::jensen_shannon_f32::BLOCK;

/// Lengths from 0 to beyond two vectors of 16 numbers; beyond one under Miri, which is slow.
const MAX_LENGTH: usize = if cfg!(miri) { 18 } else { 35 };

/// Value around the memory that a kernel may write to.
const GUARD: f64 = 12345.0;

/// Distribution of `n` outcomes; some have no mass.
fn distribution(n: usize, seed: usize) -> Vec<f32> {
    let weights: Vec<f32> = (0..n).map(|k| ((k * 5 + seed * 3) % 7) as f32).collect();
    let sum: f32 = weights.iter().sum::<f32>().max(1.0);
    weights.iter().map(|weight| weight / sum).collect()
}

/// Sum over the outcomes of what each adds to a Jensen-Shannon divergence.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let term = |mass: f64, sum: f64| {
        if mass > 0.0 {
            0.5 * mass * (2.0 * mass / sum).ln()
        } else {
            0.0
        }
    };
    let pairs = p.iter().zip(q);
    let pairs = pairs.map(|(p, q)| (f64::from(*p), f64::from(*q)));
    pairs.map(|(p, q)| term(p, p + q) + term(q, p + q)).sum()
}

fn lanes(row: &[f32]) -> Vec<F32Lanes> {
    let chunks = row.chunks(F32_LANES);
    chunks.map(|chunk| F32Lanes::new(chunk, 1.0)).collect()
}

fn assert_close(actual: f64, expected: f64, what: &str) {
    assert!(
        (actual - expected).abs() <= 1e-5 * expected.abs().max(0.01),
        "{what}: {actual}, expected {expected}"
    );
}

#[test]
fn divergences_equal_their_definition_for_every_number_of_lanes() {
    let edges = [0, 1, 15, 16, 17, 31, 32, 33];
    let blocks: &[usize] = if cfg!(miri) {
        &[]
    } else {
        &[BLOCK - 1, BLOCK, BLOCK + 1].map(|n| n * F32_LANES)
    };
    for extension in Extension::available() {
        for n in edges.into_iter().chain(blocks.iter().copied()) {
            let rows: Vec<Vec<f32>> = (0..4).map(|seed| distribution(n, seed)).collect();
            let [p, a, b, c] = [0, 1, 2, 3].map(|row| lanes(&rows[row]));
            let actual = divergences_f32(extension, &p, [&a, &b, &c]);
            for (row, actual) in actual.into_iter().enumerate() {
                let expected = divergence(&rows[0], &rows[row + 1]);
                assert_close(actual, expected, &format!("{extension:?}, {n} outcomes"));
            }
            for (p, a) in p.iter().zip(&a) {
                let sum: f32 = terms_f32(extension, p, a).iter().sum();
                assert!(sum.is_finite() && sum >= -1e-5);
            }
        }
    }
}

#[test]
fn an_outcome_is_added_to_the_points_before_and_to_nothing_else() {
    for extension in Extension::available() {
        for i in 0..MAX_LENGTH {
            // Of one outcome, the masses of the points up to `i`.
            let masses = distribution(i + 1, 4);
            let outcome = lanes(&masses);
            let mut memory = vec![GUARD; i + 2 * F32_LANES];
            memory[F32_LANES..][..i].fill(0.0);
            add_outcome_f32(extension, i, &outcome, &mut memory[F32_LANES..][..i]);
            for (j, value) in memory.iter().enumerate() {
                match j.checked_sub(F32_LANES).filter(|&point| point < i) {
                    Some(point) => {
                        let expected = divergence(&masses[i..], &masses[point..=point]);
                        assert_close(*value, expected, &format!("{extension:?}, point {i}"));
                    }
                    None => assert_eq!(*value, GUARD, "{extension:?}, point {i}"),
                }
            }
        }
    }
}

#[test]
fn inner_products_of_panels_equal_loops() {
    // Small whole numbers, whose sums of products are exact in any order.
    let panel = |n: usize, seed: usize| -> Vec<[f32; PANEL]> {
        let value = |column, row| ((column * 3 + row * 5 + seed) % 9) as f32 - 4.0;
        (0..n)
            .map(|column| std::array::from_fn(|row| value(column, row)))
            .collect()
    };
    for extension in Extension::available() {
        for n_columns in [0, 1, 2, 15, 16, 17, 33] {
            let (rows, columns) = (panel(n_columns, 1), panel(n_columns, 2));
            let block = inner_products(extension, &rows, &columns);
            for (row, line) in block.iter().enumerate() {
                for (column, product) in line.iter().enumerate() {
                    let pairs = rows.iter().zip(&columns);
                    let expected: f32 = pairs.map(|(a, b)| a[row] * b[column]).sum();
                    assert_eq!(*product, expected, "{extension:?}, {n_columns} columns");
                }
            }
        }
    }
}

#[test]
fn distances_of_vectors_equal_loops() {
    let vector = |n: usize, seed: usize| -> Vec<f64> {
        (0..n).map(|k| ((k * 7 + seed) % 13) as f64).collect()
    };
    for extension in Extension::available() {
        for n in 0..MAX_LENGTH {
            let (u, v, w) = (vector(n, 0), vector(n, 4), vector(n, 9));
            let expected = |length: fn(f64) -> f64| {
                [&v, &w].map(|other| u.iter().zip(other).map(|(a, b)| length(a - b)).sum::<f64>())
            };
            let squares = squared_distances(extension, &u, [&v, &w]);
            assert_eq!(squares, expected(|x| x * x), "{extension:?}, {n} numbers");
            let sums = sums_of_differences(extension, &u, [&v, &w]);
            assert_eq!(sums, expected(f64::abs), "{extension:?}, {n} numbers");
        }
    }
}

#[test]
fn gradients_are_added_to_their_rows_and_to_nothing_else() {
    const N_GUARDS: usize = 16;
    for extension in Extension::available() {
        for n in 0..MAX_LENGTH {
            let (p, q) = (distribution(n, 1), distribution(n, 2));
            let mut memory = vec![[GUARD as f32; 2]; n + 2 * N_GUARDS];
            let (mut first, mut second): (Vec<f32>, Vec<f32>) =
                memory.drain(..).map(|[a, b]| (a, b)).unzip();
            first[N_GUARDS..][..n].fill(0.0);
            second[N_GUARDS..][..n].fill(0.0);
            let gradients = [&mut first[N_GUARDS..][..n], &mut second[N_GUARDS..][..n]];
            add_log_ratios_f32(extension, [&p, &q], 1.0, gradients);
            for memory in [&first, &second] {
                let guards = memory[..N_GUARDS].iter().chain(&memory[N_GUARDS + n..]);
                assert!(guards.into_iter().all(|value| *value == GUARD as f32));
                assert!(memory.iter().all(|value| value.is_finite()));
            }
        }
    }
}
