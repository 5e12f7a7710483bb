//! Exact Wasserstein distance of order p between persistence diagrams.

use super::assignment::PartialAssignment;
use super::bottleneck::finite_bottleneck;
use super::diagram_pair::DiagramPair;
use super::matching::{GroundNorm, MatchedPair, Matching, Point};
use super::monotone::{PairCost, monotone_partners};
use crate::error::{Error, Result};

/// Computes the exact Wasserstein distance of order `p` between two diagrams, with an optimal matching.
///
/// ```text
/// W_p = min over all matchings of (sum of length^p over the pairs)^(1/p),   p = order
/// ```
///
/// In a matching, bars may also be paired with the diagonal; the ground norm defines the length of a pair.
/// Essential bars are matched with each other in ascending order of birth; if their numbers differ, the
/// distance is `+inf` and the matching has no pairs. Bars of persistence 0 cost nothing. The result is
/// deterministic: ties are broken in favour of the lowest index.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] unless `order` is finite and at least 1.
/// [`Error::is_invalid_diagram`] if a bar has a NaN, an infinite birth, a death before its birth,
/// or a persistence that overflows.
///
/// # Cost
///
/// For n and m finite bars O(n m) if all births are equal, else O(n^2 m) in the worst case;
/// O(n m) memory in both.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{BarPair, GroundNorm, wasserstein};
///
/// let first = [[0.0, 1.0], [0.0, 10.0]];
/// let second = [[0.0, 10.0], [0.0, 30.0]];
/// let matching = wasserstein(&first, &second, 1.0, GroundNorm::Infinity)?;
/// assert_eq!(matching.distance, 15.5);
/// assert_eq!(matching.pairs[1].bars, BarPair::Bars(1, 0));
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn wasserstein(
    first: &[Point],
    second: &[Point],
    order: f64,
    ground_norm: GroundNorm,
) -> Result<Matching> {
    check_order(order)?;
    let Some(diagrams) = DiagramPair::new(first, second)? else {
        return Ok(Matching::infinite());
    };
    let pairs = diagrams.pairs(&partners(&diagrams, order, ground_norm), ground_norm);
    let cost = pairs
        .iter()
        .map(|pair| length_power(pair.length, order))
        .sum();
    Ok(Matching {
        distance: norm(&pairs, order),
        cost,
        pairs,
    })
}

/// Checks that the order of a Wasserstein distance is finite and at least 1.
pub(super) fn check_order(order: f64) -> Result<()> {
    if !(order.is_finite() && order >= 1.0) {
        return Err(Error::invalid_parameter(format!(
            "wasserstein order is {order}, expected a finite number of at least 1; \
             for the limit of large orders use the bottleneck distance"
        )));
    }
    Ok(())
}

/// Returns `length^order`.
///
/// Small whole orders are multiplied out: `powf` is many times slower, and it is called once per entry of
/// the cost matrix.
pub(super) fn length_power(length: f64, order: f64) -> f64 {
    if order == 1.0 {
        length
    } else if order == 2.0 {
        length * length
    } else if order == 3.0 {
        length * length * length
    } else if order == 4.0 {
        let square = length * length;
        square * square
    } else {
        length.powf(order)
    }
}

/// Returns `(sum of length^order)^(1/order)` over the pairs.
///
/// Lengths are divided by the longest first, so that their powers neither overflow nor underflow.
fn norm(pairs: &[MatchedPair], order: f64) -> f64 {
    if order == 1.0 {
        return pairs.iter().map(|pair| pair.length).sum();
    }
    let longest = pairs.iter().map(|pair| pair.length).fold(0.0, f64::max);
    if longest == 0.0 || longest.is_infinite() {
        return longest;
    }
    let sum: f64 = pairs
        .iter()
        .map(|pair| length_power(pair.length / longest, order))
        .sum();
    longest
        * if order == 2.0 {
            sum.sqrt()
        } else {
            sum.powf(order.recip())
        }
}

/// Fraction of the largest cost below which rounding may have hidden differences between small costs.
///
/// The solver adds and subtracts costs of all sizes; an `f64` then keeps ten digits of a total that is
/// this much smaller than the largest of them.
const LOST_IN_ROUNDING: f64 = 1e-6;

/// Partners of the finite bars of the first diagram in an optimal matching; `None` for the diagonal.
///
/// Costs are taken relative to that of the bar farthest from the diagonal. If the optimum turns out to be
/// tiny compared with it (at a large order, or for two nearly equal diagrams), a second pass solves the
/// problem again: the bottleneck distance bounds the length of every pair of an optimal matching, and costs
/// relative to that bound are of about the size of the optimum.
fn partners(diagrams: &DiagramPair<'_>, order: f64, ground_norm: GroundNorm) -> Vec<Option<usize>> {
    let bars = || diagrams.first().iter().chain(diagrams.second());
    let farthest = bars()
        .map(|&bar| ground_norm.to_diagonal(bar))
        .fold(0.0, f64::max);
    // All bars lie on the diagonal, and cost nothing there.
    if farthest == 0.0 {
        return vec![None; diagrams.first().len()];
    }
    let cost = ScaledPower::new(order, farthest);
    let partners = solve(diagrams, ground_norm, &cost);
    let lengths = diagrams.finite_lengths(&partners, ground_norm);
    let total: f64 = lengths.iter().map(|&length| cost.pair_cost(length)).sum();
    // A matching of length zero is optimal whatever was rounded.
    if total >= LOST_IN_ROUNDING * cost.pair_cost(farthest) || lengths.iter().all(|&l| l == 0.0) {
        return partners;
    }
    let bottleneck = finite_bottleneck(diagrams, ground_norm);
    let longest = diagrams
        .finite_lengths(&bottleneck, ground_norm)
        .into_iter()
        .fold(0.0, f64::max);
    if longest == 0.0 {
        return bottleneck;
    }
    // The bottleneck matching has at most as many pairs as there are bars, none longer than `longest`, so
    // the optimal W_p, and with it each of its pairs, is at most this long.
    let ceiling = longest * (bars().count() as f64).powf(order.recip());
    solve(
        diagrams,
        ground_norm,
        &ScaledPower::new(order, ceiling).capped_at(ceiling),
    )
}

/// Partners of the finite bars of the first diagram in a matching of least total cost.
fn solve(
    diagrams: &DiagramPair<'_>,
    ground_norm: GroundNorm,
    cost: &ScaledPower,
) -> Vec<Option<usize>> {
    let (first, second) = (diagrams.first(), diagrams.second());
    if diagrams.has_equal_births() {
        return monotone_partners(first, second, ground_norm, cost);
    }
    let alone = |bars: &[Point]| -> Vec<f64> {
        bars.iter()
            .map(|&bar| cost.pair_cost(ground_norm.to_diagonal(bar)))
            .collect()
    };
    PartialAssignment::new(&alone(first), &alone(second), |i, j| {
        cost.pair_cost(ground_norm.distance(first[i], second[j]))
    })
    .solve()
}

/// Cost `(length / scale)^order` of a pair, at most `cap`; the scale avoids overflow and underflow.
#[derive(Debug, Clone, Copy)]
struct ScaledPower {
    order: f64,
    scale: f64,
    cap: f64,
}

impl ScaledPower {
    /// Costs relative to that of a pair of this `length`, without a cap.
    ///
    /// For low orders the scale is rounded to a power of two. Dividing by it is exact, so that sums of
    /// lengths that tie still tie, and the lowest index wins as documented.
    fn new(order: f64, length: f64) -> Self {
        // The exponent bits alone: `length` rounded down to a power of two.
        let power_of_two = f64::from_bits(length.to_bits() & f64::INFINITY.to_bits());
        let scale = if order <= 8.0 {
            power_of_two.max(f64::MIN_POSITIVE)
        } else {
            length
        };
        Self {
            order,
            scale,
            cap: f64::INFINITY,
        }
    }

    /// Caps the costs at twice that of `length`.
    ///
    /// The cost of `length` must be an upper bound of the total cost of an optimal matching. No optimal
    /// matching then contains a pair that is capped, and no cost is so large that small ones vanish beside
    /// it in rounding.
    fn capped_at(self, length: f64) -> Self {
        Self {
            cap: 2.0 * self.pair_cost(length),
            ..self
        }
    }
}

impl PairCost for ScaledPower {
    fn pair_cost(&self, length: f64) -> f64 {
        length_power(length / self.scale, self.order).min(self.cap)
    }

    fn join(&self, a: f64, b: f64) -> f64 {
        a + b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMS: [GroundNorm; 2] = [GroundNorm::L2, GroundNorm::Infinity];

    #[test]
    fn orders_below_one_or_not_finite_are_errors() {
        for order in [0.5, f64::NAN, f64::INFINITY] {
            let error = wasserstein(&[], &[], order, GroundNorm::L2).unwrap_err();
            assert!(error.is_invalid_parameter());
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("wasserstein order is {order}, "))
            );
        }
    }

    #[test]
    fn large_orders_still_distinguish_short_pairs() {
        // At order 500 the cost of any of these pairs underflows relative to that of a whole bar.
        for births in [[0.0, 0.0], [0.0, 0.25]] {
            let first = [[births[0], 100.0], [births[1], 101.0]];
            let second = [[births[1], 101.5], [births[0], 100.5]];
            for norm in NORMS {
                let matching = wasserstein(&first, &second, 500.0, norm).unwrap();
                let expected = 0.5 * 2f64.powf(1.0 / 500.0);
                assert!((matching.distance - expected).abs() < 1e-12, "{matching:?}");
            }
        }
    }

    #[test]
    fn distance_is_exact_if_the_cost_underflows_or_overflows() {
        for scale in [1e-200, 1e200] {
            let (first, second) = (
                [[0.0, 4.0 * scale]],
                [[0.0, 5.0 * scale], [scale, 2.0 * scale]],
            );
            let matching = wasserstein(&first, &second, 2.0, GroundNorm::Infinity).unwrap();
            assert!((matching.distance / scale - 1.25f64.sqrt()).abs() < 1e-15);
        }
    }

    #[test]
    fn distance_of_essential_bars_that_overflows_is_infinite() {
        let (first, second) = ([[-1e308, f64::INFINITY]], [[1e308, f64::INFINITY]]);
        for order in [1.0, 2.0, 3.0] {
            let matching = wasserstein(&first, &second, order, GroundNorm::L2).unwrap();
            assert_eq!(matching.distance, f64::INFINITY);
        }
    }

    #[test]
    fn solver_for_equal_births_agrees_with_the_general_one() {
        let first: Vec<Point> = (0..40)
            .map(|i| [0.0, f64::from(i * i % 37) / 37.0])
            .collect();
        let second: Vec<Point> = (0..35)
            .map(|i| [0.0, f64::from(i * i * i % 41) / 29.0])
            .collect();
        let diagrams = DiagramPair::new(&first, &second).unwrap().unwrap();
        for norm in NORMS {
            for order in [1.0, 1.5, 2.0, 3.0] {
                let monotone = wasserstein(&first, &second, order, norm).unwrap().cost;
                let alone = |bars: &[Point]| -> Vec<f64> {
                    bars.iter()
                        .map(|&bar| length_power(norm.to_diagonal(bar), order))
                        .collect()
                };
                let general = PartialAssignment::new(&alone(&first), &alone(&second), |i, j| {
                    length_power(norm.distance(first[i], second[j]), order)
                })
                .solve();
                let lengths = diagrams.finite_lengths(&general, norm);
                let general: f64 = lengths
                    .iter()
                    .map(|&length| length_power(length, order))
                    .sum();
                assert!((monotone - general).abs() < 1e-12, "{monotone} {general}");
            }
        }
    }
}
