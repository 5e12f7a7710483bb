//! Exact p-Wasserstein distance of persistence diagrams.

use super::assignment::PartialAssignment;
use super::bottleneck::finite_bottleneck;
use super::diagram_pair::DiagramPair;
use super::matching::{GroundNorm, MatchedPair, Matching, Point};
use super::monotone::{PairCost, monotone_partners};
use crate::error::{Error, Result};

/// Exact `order`-Wasserstein distance of two diagrams, with an optimal matching.
///
/// `W_p` is the least value of `(sum of length^p)^(1/p)` over all matchings in which bars may go
/// to the diagonal. Essential bars are matched with each other in the order of their births; if
/// their numbers differ, the distance is `+inf` and the matching has no pairs. Bars of length 0
/// cost nothing. The result is deterministic: ties fall to the lowest index.
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
/// use burn_topology::topology::{GroundNorm, Pairing, wasserstein};
///
/// let first = [[0.0, 1.0], [0.0, 10.0]];
/// let second = [[0.0, 10.0], [0.0, 30.0]];
/// let matching = wasserstein(&first, &second, 1.0, GroundNorm::Infinity)?;
/// assert_eq!(matching.distance, 15.5);
/// assert_eq!(matching.pairs[1].bars, Pairing::Bars(1, 0));
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
        return Ok(Matching::impossible());
    };
    let pairs = diagrams.pairs(&partners(&diagrams, order, ground_norm), ground_norm);
    let cost = pairs.iter().map(|pair| power(pair.length, order)).sum();
    Ok(Matching {
        distance: norm(&pairs, order),
        cost,
        pairs,
    })
}

pub(super) fn check_order(order: f64) -> Result<()> {
    if !(order.is_finite() && order >= 1.0) {
        return Err(Error::invalid_parameter(format!(
            "wasserstein order is {order}, expected a finite number of at least 1; \
             the limit of large orders is the bottleneck distance"
        )));
    }
    Ok(())
}

/// `length^order`, without a library call where none is needed.
pub(super) fn power(length: f64, order: f64) -> f64 {
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

/// `(sum of length^order)^(1/order)` of lengths taken relative to the longest.
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
        .map(|pair| power(pair.length / longest, order))
        .sum();
    longest
        * if order == 2.0 {
            sum.sqrt()
        } else {
            sum.powf(order.recip())
        }
}

/// Share of the largest cost below which a sum of costs may have lost its small terms.
const LOST_IN_ROUNDING: f64 = 1e-6;

/// Partners of the finite bars of the first diagram.
///
/// Costs are taken relative to the bar farthest from the diagonal. Where the optimum turns out
/// tiny against it (a large order, or two nearly equal diagrams), the bottleneck distance bounds
/// all useful lengths, and a second pass works relative to that bound.
fn partners(diagrams: &DiagramPair<'_>, order: f64, ground_norm: GroundNorm) -> Vec<Option<usize>> {
    let bars = || diagrams.first().iter().chain(diagrams.second());
    let farthest = bars()
        .map(|&bar| ground_norm.to_diagonal(bar))
        .fold(0.0, f64::max);
    if farthest == 0.0 {
        return vec![None; diagrams.first().len()];
    }
    let cost = ScaledPower::new(order, farthest);
    let found = solve(diagrams, ground_norm, &cost);
    let lengths = diagrams.finite_lengths(&found, ground_norm);
    let total: f64 = lengths.iter().map(|&length| cost.of_length(length)).sum();
    if total >= LOST_IN_ROUNDING * cost.of_length(farthest) || lengths.iter().all(|&l| l == 0.0) {
        return found;
    }
    let bottleneck = finite_bottleneck(diagrams, ground_norm);
    let longest = diagrams
        .finite_lengths(&bottleneck, ground_norm)
        .into_iter()
        .fold(0.0, f64::max);
    if longest == 0.0 {
        return bottleneck;
    }
    let ceiling = longest * (bars().count() as f64).powf(order.recip());
    solve(
        diagrams,
        ground_norm,
        &ScaledPower::new(order, ceiling).capped_at(ceiling),
    )
}

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
            .map(|&bar| cost.of_length(ground_norm.to_diagonal(bar)))
            .collect()
    };
    PartialAssignment::new(&alone(first), &alone(second), |i, j| {
        cost.of_length(ground_norm.distance(first[i], second[j]))
    })
    .solve(first.len())
}

/// Powers of lengths relative to a scale, so that they neither underflow nor overflow.
#[derive(Debug, Clone, Copy)]
struct ScaledPower {
    order: f64,
    scale: f64,
    cap: f64,
}

impl ScaledPower {
    /// For low orders the scale is a power of two, so that equal sums of lengths stay equal.
    fn new(order: f64, length: f64) -> Self {
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

    /// Costs cut off above that of `length`, at a value that no optimal matching pays.
    ///
    /// `length^order` must bound the cost of an optimal matching: longer pairs then stay out of
    /// it, without costs so large that they swallow the small ones.
    fn capped_at(self, length: f64) -> Self {
        Self {
            cap: 2.0 * self.of_length(length),
            ..self
        }
    }
}

impl PairCost for ScaledPower {
    fn of_length(&self, length: f64) -> f64 {
        power(length / self.scale, self.order).min(self.cap)
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
    fn order_below_one_or_not_finite_is_an_error() {
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
    fn large_orders_keep_short_pairs_apart_from_each_other() {
        // At order 500 the cost of any of these pairs vanishes against that of a whole bar.
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
    fn distance_survives_where_the_cost_underflows_or_overflows() {
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
    fn essential_bars_too_far_apart_for_a_number_are_infinitely_far_apart() {
        let (first, second) = ([[-1e308, f64::INFINITY]], [[1e308, f64::INFINITY]]);
        for order in [1.0, 2.0, 3.0] {
            let matching = wasserstein(&first, &second, order, GroundNorm::L2).unwrap();
            assert_eq!(matching.distance, f64::INFINITY);
        }
    }

    #[test]
    fn programme_for_equal_births_agrees_with_the_general_solver() {
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
                        .map(|&bar| power(norm.to_diagonal(bar), order))
                        .collect()
                };
                let general = PartialAssignment::new(&alone(&first), &alone(&second), |i, j| {
                    power(norm.distance(first[i], second[j]), order)
                })
                .solve(first.len());
                let lengths = diagrams.finite_lengths(&general, norm);
                let general: f64 = lengths.iter().map(|&length| power(length, order)).sum();
                assert!((monotone - general).abs() < 1e-12, "{monotone} {general}");
            }
        }
    }
}
