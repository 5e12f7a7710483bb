//! Sign-flip test, the permutation test of a paired mean difference.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::PairedDifferences;

/// Largest number of seeds for which all assignments of signs are enumerated.
pub const MAX_EXACT_SEEDS: usize = 32;

/// Number of random assignments of signs for more seeds than [`MAX_EXACT_SEEDS`].
pub const N_RANDOM_DRAWS: usize = 100_000;

/// Tolerance within which two sums count as tied, relative to the sum of absolute values.
const TIE: f64 = 1e-12;

/// Number of draws that share a stream of random numbers.
///
/// Chunks, not threads, own the streams, so results do not depend on the number of threads.
const CHUNK: usize = 1000;

/// Result of [`sign_flip_test`].
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, sign_flip_test};
///
/// let test = sign_flip_test(&PairedDifferences::new(&[[1.0], [2.0], [3.0]])?);
/// // Three seeds of one sign are no evidence at 5 %, however large the difference.
/// assert_eq!((test.p_value, test.smallest_p_value), (0.25, 0.25));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlipTest {
    /// Two-sided p-value.
    pub p_value: f64,
    /// Smallest p-value that can be reached with this number of seeds.
    ///
    /// It is `2^(1 - n_seeds)`, or `1 / (N_RANDOM_DRAWS + 1)` with more than [`MAX_EXACT_SEEDS`] seeds.
    pub smallest_p_value: f64,
}

/// Two-sided sign-flip test of the null hypothesis that the arms do not differ.
///
/// ```text
/// p = #{ s in {-1, 1}^n : |sum_i s_i x_i| >= |sum_i x_i| } / 2^n    x_i: mean difference of seed i
/// ```
///
/// The test is exact for any number of seeds if the mean difference of each seed is symmetric around 0
/// under the null hypothesis, as it is if the arms are then exchangeable; nothing else is assumed. With
/// more than [`MAX_EXACT_SEEDS`] seeds, [`N_RANDOM_DRAWS`] random assignments of signs are drawn, always
/// the same ones. The observed assignment is counted with them, which keeps the test valid.
///
/// Assignments that are tied with the observed one up to rounding are counted. Neither the order of the
/// seeds nor the sign of all differences matters.
///
/// # Cost
///
/// O(n 2^(n / 2)) for n seeds, or O(n) for each draw.
///
/// # Source
///
/// Fisher, "The Design of Experiments", 1935; Phipson and Smyth, "Permutation P-values Should Never
/// Be Zero", 2010; the enumeration is that of Horowitz and Sahni, "Computing Partitions with
/// Applications to the Knapsack Problem", 1974.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, sign_flip_test};
///
/// let differences = PairedDifferences::new(&[[1.0], [2.0], [-1.0], [4.0], [3.0]])?;
/// assert_eq!(sign_flip_test(&differences).p_value, 6.0 / 32.0);
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn sign_flip_test(differences: &PairedDifferences) -> SignFlipTest {
    let n_seeds = differences.n_seeds();
    let by_seed = differences.by_seed();
    // Sorted in descending order, so that the order of the input does not matter.
    let mut sizes: Vec<f64> = by_seed.iter().map(|x| x.abs()).collect();
    sizes.sort_unstable_by(|a, b| b.total_cmp(a));
    // Sums stand for means, which differ from them by a constant factor. A tie within rounding counts
    // as reaching the observed sum, which can only raise the p-value.
    let sum = by_seed.iter().sum::<f64>().abs();
    let threshold = sum - TIE * sizes.iter().sum::<f64>();
    let smallest_p_value = if n_seeds <= MAX_EXACT_SEEDS {
        // Both the observed assignment and its negative reach the observed sum.
        2.0 * 0.5f64.powf(n_seeds as f64)
    } else {
        1.0 / (N_RANDOM_DRAWS + 1) as f64
    };
    // Every assignment reaches a sum of 0. The two tails overlap there, so doubling one would be wrong.
    let p_value = if threshold <= 0.0 {
        1.0
    } else if n_seeds <= MAX_EXACT_SEEDS {
        // Counts one tail; `smallest_p_value` has the factor 2 for the other one.
        count_sums(&sizes, threshold) as f64 * smallest_p_value
    } else {
        (count_random_sums(&sizes, threshold) + 1) as f64 * smallest_p_value
    };
    SignFlipTest {
        p_value,
        smallest_p_value,
    }
}

/// Number of assignments of signs whose sum is at least `threshold`.
///
/// Meet in the middle: for each sum of one half of the numbers, in ascending order, the number of sums of
/// the other half that are large enough grows, so that one pass over both lists counts all pairs.
fn count_sums(sizes: &[f64], threshold: f64) -> u64 {
    let (first, second) = sizes.split_at(sizes.len() / 2);
    let (first, second) = (sorted_sums(first), sorted_sums(second));
    let mut n_sums = 0;
    let mut n_too_small = second.len();
    for sum in first {
        while n_too_small > 0 && sum + second[n_too_small - 1] >= threshold {
            n_too_small -= 1;
        }
        n_sums += (second.len() - n_too_small) as u64;
    }
    n_sums
}

/// Sums under all assignments of signs, in ascending order: `2^n` numbers.
fn sorted_sums(sizes: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for size in sizes {
        sums = sums
            .iter()
            .flat_map(|sum| [sum - size, sum + size])
            .collect();
    }
    sums.sort_unstable_by(f64::total_cmp);
    sums
}

/// Number of random assignments of signs whose sum is at least `threshold` in absolute value.
fn count_random_sums(sizes: &[f64], threshold: f64) -> usize {
    let count_in_chunk = |chunk: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        random.set_stream(chunk as u64);
        let is_extreme = |_: &usize| random_sum(sizes, &mut random).abs() >= threshold;
        (0..CHUNK).filter(is_extreme).count()
    };
    // `CHUNK` divides the number of draws, so none is lost.
    (0..N_RANDOM_DRAWS / CHUNK)
        .into_par_iter()
        .map(count_in_chunk)
        .sum()
}

/// Sum of the numbers with random signs.
fn random_sum(sizes: &[f64], random: &mut impl Rng) -> f64 {
    let mut sum = 0.0;
    // One draw of 64 bits gives the signs of 64 numbers.
    for sizes in sizes.chunks(64) {
        let mut signs = random.next_u64();
        for size in sizes {
            sum += if signs & 1 == 1 { *size } else { -size };
            signs >>= 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p_value(by_seed: &[f64]) -> f64 {
        let rows: Vec<[f64; 1]> = by_seed.iter().map(|&x| [x]).collect();
        sign_flip_test(&PairedDifferences::new(&rows).unwrap()).p_value
    }

    #[test]
    fn seeds_of_one_sign_reach_the_smallest_p_value() {
        for n_seeds in [1, 2, 5, 20, 31, MAX_EXACT_SEEDS] {
            // None of these numbers is exact in binary, so ties are subject to rounding.
            let by_seed: Vec<f64> = (0..n_seeds).map(|k| 0.1 + 0.3 * k as f64).collect();
            assert_eq!(
                p_value(&by_seed),
                2f64.powi(1 - n_seeds as i32),
                "{n_seeds}"
            );
        }
        assert_eq!(p_value(&vec![0.1; 200]), 1.0 / 100_001.0);
    }

    #[test]
    fn zero_mean_has_p_value_1() {
        assert_eq!(p_value(&[0.0; 3]), 1.0);
        assert_eq!(p_value(&[0.1, 0.2, -0.3]), 1.0);
    }

    #[test]
    fn random_signs_agree_with_enumeration() {
        let sizes: Vec<f64> = (0..20).map(|k| (2 * k) as f64).collect();
        let exact = 2.0 * count_sums(&sizes, 200.0) as f64 / 2f64.powi(20);
        let drawn = count_random_sums(&sizes, 200.0) as f64 / N_RANDOM_DRAWS as f64;
        let noise = (exact * (1.0 - exact) / N_RANDOM_DRAWS as f64).sqrt();
        assert!((drawn - exact).abs() < 4.0 * noise, "{drawn}, {exact}");
    }
}
