//! Entropy of rows that are probability distributions.

use burn::prelude::*;

#[cfg(feature = "cli")]
use crate::real::Real;

/// Entropies of rows, in nats, over the last dimension, whose size becomes 1.
///
/// ```text
/// entropy(row) = -sum over j of row[j] ln row[j]      0 ln 0 = 0
/// ```
///
/// The gradient is that of the formula, and finite at 0.
pub(crate) fn row_entropies<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    // The clamp keeps the logarithm finite at 0.
    let terms = rows.clone() * rows.clamp_min(f32::MIN_POSITIVE).log();
    -terms.sum_dim(D - 1)
}

/// Entropy of one row, in nats.
#[cfg(feature = "cli")]
pub(crate) fn row_entropy<T: Real>(row: &[T]) -> f64 {
    row.iter()
        .map(|x| x.to_f64_exact())
        .filter(|x| *x > 0.0)
        .map(|x| -x * x.ln())
        .sum()
}

/// Entropy of a uniform row in nats, to divide by: positive even for a single outcome, whose entropy is 0.
pub(crate) fn uniform_entropy(n_outcomes: usize) -> f64 {
    (n_outcomes as f64).ln().max(f64::MIN_POSITIVE)
}

#[cfg(all(test, feature = "cli", feature = "flex"))]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;

    #[test]
    fn tensors_and_slices_have_the_same_entropy() {
        let rows = [[0.5_f64, 0.25, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0], [0.25; 4]];
        let tensor = Tensor::<2>::from_data(rows.map(|row| row.map(|x| x as f32)), &Device::flex());
        let entropies: Vec<f64> = row_entropies(tensor).try_into_vec_as().unwrap();
        for (row, entropy) in rows.iter().zip(entropies) {
            assert!((row_entropy(row) - entropy).abs() < 1e-6, "{row:?}");
        }
        assert_eq!(row_entropy(&rows[2]), uniform_entropy(4));
        // A single outcome has entropy 0, and 0 divided by this is 0, not NaN.
        assert_eq!(row_entropy(&[1.0]) / uniform_entropy(1), 0.0);
    }
}
