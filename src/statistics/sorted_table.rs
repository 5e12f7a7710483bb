//! The table that is resampled.

use rand::{Rng, RngExt};

use super::PairedDifferences;
use super::seed_moments::ROUNDING;

/// Differences in an order that does not depend on the order given, nor on the sign of all of them.
pub(super) struct SortedTable {
    /// Row by row, one row for each seed.
    values: Vec<f64>,
    n_seeds: usize,
    n_units: usize,
    pub(super) is_negated: bool,
}

impl SortedTable {
    pub(super) fn new(differences: &PairedDifferences) -> Self {
        let is_negated = differences.mean() < 0.0;
        let sign = if is_negated { -1.0 } else { 1.0 };
        let signed = |row: &[f64]| row.iter().map(|x| sign * x + 0.0).collect();
        let mut rows: Vec<Vec<f64>> = differences.rows().map(signed).collect();
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

    /// Whether all differences are equal but for rounding.
    pub(super) fn is_constant(&self) -> bool {
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self
            .values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        high - low <= ROUNDING * high.abs().max(low.abs())
    }

    /// The mean of seeds and units drawn with replacement, as many of each as there are.
    pub(super) fn resampled_mean(&self, random: &mut impl Rng) -> f64 {
        let seeds = multiplicities(self.n_seeds, random);
        let units = multiplicities(self.n_units, random);
        let of_row = |row: &[f64]| {
            let products = row.iter().zip(&units).map(|(x, n_times)| x * n_times);
            products.sum::<f64>() / self.n_units as f64
        };
        let rows = self.values.chunks_exact(self.n_units).zip(&seeds);
        let chosen = rows.filter(|(_, n_times)| **n_times > 0.0);
        let sum: f64 = chosen.map(|(row, n_times)| n_times * of_row(row)).sum();
        sum / self.n_seeds as f64
    }
}

/// Sorts lists by their sorted members.
fn sort_by_content(lists: &mut [Vec<f64>]) {
    lists.sort_by_cached_key(|list| {
        let mut members: Vec<OrderedBits> = list.iter().copied().map(OrderedBits::of).collect();
        members.sort_unstable();
        members
    });
}

/// A number that compares as `f64::total_cmp` does.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct OrderedBits(i64);

impl OrderedBits {
    fn of(value: f64) -> Self {
        let bits = value.to_bits() as i64;
        Self(bits ^ (((bits >> 63) as u64) >> 1) as i64)
    }
}

/// How often each of `n` is drawn in `n` draws with replacement.
fn multiplicities(n: usize, random: &mut impl Rng) -> Vec<f64> {
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
    fn differences_equal_but_for_rounding_are_no_variation() {
        let is_constant = |rows: &[[f64; 2]]| {
            SortedTable::new(&PairedDifferences::new(rows).unwrap()).is_constant()
        };
        assert!(is_constant(&[[0.0, 0.0], [0.0, -0.0]]));
        assert!(is_constant(&[[-0.3, -0.3], [-0.3, -0.1 - 0.2]]));
        assert!(!is_constant(&[[0.3, 0.3], [0.3, 0.3 + 1e-9]]));
    }

    #[test]
    fn tables_are_sorted_whatever_their_order_and_sign() {
        let sorted =
            |rows: &[[f64; 3]]| SortedTable::new(&PairedDifferences::new(rows).unwrap()).values;
        let expected = [-1.0, 2.0, 3.0, 0.0, 5.0, 4.0];
        assert_eq!(sorted(&[[0.0, 5.0, 4.0], [-1.0, 2.0, 3.0]]), expected);
        assert_eq!(sorted(&[[-3.0, -2.0, 1.0], [-4.0, -5.0, 0.0]]), expected);
    }
}
