//! Table of differences in a canonical order and sign, which the bootstrap resamples.

use rand::{Rng, RngExt};

use super::PairedDifferences;
use super::seed_moments::ROUNDING;

/// Differences in a canonical order and with a mean of at least 0.
///
/// The table does not depend on the order of seeds and units in the input, nor on the sign of all
/// differences together; so neither does a resampled mean (up to `is_negated`).
pub(super) struct SortedTable {
    /// Differences in row-major order, one row per seed: `[n_seeds, n_units]`.
    values: Vec<f64>,
    n_seeds: usize,
    n_units: usize,
    /// True if every difference was negated.
    pub(super) is_negated: bool,
}

impl SortedTable {
    /// Sorts seeds and units, and negates the differences if their mean is below 0.
    pub(super) fn new(differences: &PairedDifferences) -> Self {
        let is_negated = differences.mean() < 0.0;
        let sign = if is_negated { -1.0 } else { 1.0 };
        // Adding 0 turns -0 into 0: the two would be sorted apart.
        let signed = |row: &[f64]| row.iter().map(|x| sign * x + 0.0).collect();
        let mut rows: Vec<Vec<f64>> = differences.rows().map(signed).collect();
        // Rows are compared by their sorted elements, because the units are still in the order of the input.
        sort_by_content(&mut rows);
        let unit = |unit: usize| rows.iter().map(|row| row[unit]).collect();
        let mut columns: Vec<Vec<f64>> = (0..differences.n_units()).map(unit).collect();
        sort_by_content(&mut columns);
        let row = |seed: usize| columns.iter().map(move |column| column[seed]);
        Self {
            values: (0..rows.len()).flat_map(row).collect(),
            n_seeds: rows.len(),
            n_units: columns.len(),
            is_negated,
        }
    }

    /// True if all differences are equal up to rounding.
    pub(super) fn is_constant(&self) -> bool {
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self
            .values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        high - low <= ROUNDING * high.abs().max(low.abs())
    }

    /// Mean of one resample: seeds and units drawn with replacement, as many of each as there are.
    ///
    /// ```text
    /// mean = sum_ij a_i b_j x_ij / (n_seeds n_units)   a_i, b_j: number of times drawn
    /// ```
    pub(super) fn resampled_mean(&self, random: &mut impl Rng) -> f64 {
        // Counts instead of indices: rows that were not drawn are skipped, repeated ones summed once.
        // Seeds are drawn before units; the other order would give other intervals.
        let seed_counts = draw_counts(self.n_seeds, random);
        let unit_counts = draw_counts(self.n_units, random);
        let row_mean = |row: &[f64]| {
            let products = row.iter().zip(&unit_counts).map(|(x, count)| x * count);
            products.sum::<f64>() / self.n_units as f64
        };
        let sum: f64 = self
            .values
            .chunks_exact(self.n_units)
            .zip(&seed_counts)
            .filter(|(_, count)| **count > 0.0)
            .map(|(row, count)| count * row_mean(row))
            .sum();
        sum / self.n_seeds as f64
    }
}

/// Sorts lists by their elements in ascending order, so that the order within a list does not matter.
fn sort_by_content(lists: &mut [Vec<f64>]) {
    lists.sort_by_cached_key(|list| {
        let mut elements: Vec<OrderedBits> = list.iter().copied().map(OrderedBits::from).collect();
        elements.sort_unstable();
        elements
    });
}

/// Sort key of an `f64` that orders like `f64::total_cmp`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct OrderedBits(i64);

impl From<f64> for OrderedBits {
    fn from(value: f64) -> Self {
        let bits = value.to_bits() as i64;
        // Flips all bits but the sign of a negative number, since its bits grow as the number falls.
        Self(bits ^ (((bits >> 63) as u64) >> 1) as i64)
    }
}

/// Number of times that each of `n` indices is drawn in `n` draws with replacement.
fn draw_counts(n: usize, random: &mut impl Rng) -> Vec<f64> {
    let mut counts = vec![0.0; n];
    for _ in 0..n {
        counts[random.random_range(0..n)] += 1.0;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_equal_up_to_rounding_are_constant() {
        let is_constant = |rows: &[[f64; 2]]| {
            SortedTable::new(&PairedDifferences::new(rows).unwrap()).is_constant()
        };
        assert!(is_constant(&[[0.0, 0.0], [0.0, -0.0]]));
        assert!(is_constant(&[[-0.3, -0.3], [-0.3, -0.1 - 0.2]]));
        assert!(!is_constant(&[[0.3, 0.3], [0.3, 0.3 + 1e-9]]));
    }

    #[test]
    fn tables_are_sorted_for_any_order_and_sign() {
        let sorted =
            |rows: &[[f64; 3]]| SortedTable::new(&PairedDifferences::new(rows).unwrap()).values;
        let expected = [-1.0, 2.0, 3.0, 0.0, 5.0, 4.0];
        assert_eq!(sorted(&[[0.0, 5.0, 4.0], [-1.0, 2.0, 3.0]]), expected);
        assert_eq!(sorted(&[[-3.0, -2.0, 1.0], [-4.0, -5.0, 0.0]]), expected);
    }
}
