//! Properties of distances of diagrams: agreement with brute force, the axioms of a metric, and gradients
//! equal to difference quotients.

use burn_topology::topology::{
    BarPair, DiagramDistance, GroundNorm, Matching, Point, Power, bottleneck, wasserstein,
};
use proptest::prelude::*;

const NORMS: [GroundNorm; 3] = [GroundNorm::Infinity, GroundNorm::L2, GroundNorm::L1];

fn wasserstein_distance(order: f64, ground_norm: GroundNorm, power: Power) -> DiagramDistance {
    DiagramDistance::Wasserstein {
        order,
        ground_norm,
        power,
    }
}

/// Smallest cost over all matchings of the bars `first[start..]` with the bars `free` of the second diagram.
///
/// `join` combines the costs of two parts of a matching.
fn brute_force(
    problem: &Problem<'_>,
    start: usize,
    free: &mut Vec<usize>,
    join: fn(f64, f64) -> f64,
) -> f64 {
    let cost = |length: f64| length.powf(problem.order);
    let alone = |x: Point| cost(problem.norm.to_diagonal(x));
    let Some(&x) = problem.first.get(start) else {
        return free
            .iter()
            .map(|&j| alone(problem.second[j]))
            .fold(0.0, join);
    };
    let mut best = join(alone(x), brute_force(problem, start + 1, free, join));
    for index in 0..free.len() {
        let j = free.remove(index);
        let pair = cost(problem.norm.distance(x, problem.second[j]));
        best = best.min(join(pair, brute_force(problem, start + 1, free, join)));
        free.insert(index, j);
    }
    best
}

struct Problem<'a> {
    first: &'a [Point],
    second: &'a [Point],
    order: f64,
    norm: GroundNorm,
}

/// Asserts that every bar is in exactly one pair, and that every length is that in the norm.
fn assert_consistent(matching: &Matching, first: &[Point], second: &[Point], norm: GroundNorm) {
    let bars = |side: fn(BarPair<usize>) -> Option<usize>| {
        let mut indices: Vec<_> = matching
            .pairs
            .iter()
            .filter_map(|pair| side(pair.bars))
            .collect();
        indices.sort_unstable();
        indices
    };
    assert_eq!(bars(BarPair::first), (0..first.len()).collect::<Vec<_>>());
    assert_eq!(bars(BarPair::second), (0..second.len()).collect::<Vec<_>>());
    for pair in &matching.pairs {
        assert_eq!(pair.length, pair.bars.points(first, second).length(norm));
    }
}

/// Up to `max_bars` bars on a coarse grid, where ties, repeated bars and bars of persistence 0 are common.
fn tied(max_bars: usize) -> impl Strategy<Value = Vec<Point>> {
    let bar = (0..4_i32, 0..5_i32).prop_map(|(birth, persistence)| {
        [f64::from(birth) / 2.0, f64::from(birth + persistence) / 2.0]
    });
    prop::collection::vec(bar, 0..=max_bars)
}

/// Up to `max_bars` bars in general position.
fn generic(max_bars: usize) -> impl Strategy<Value = Vec<Point>> {
    let bar = (0.0..2.0, 0.01..2.0).prop_map(|(birth, persistence)| [birth, birth + persistence]);
    prop::collection::vec(bar, 0..=max_bars)
}

/// Diagrams in general position or with ties, either with different births or with all births equal to 0.
fn diagrams<const N: usize>(max_bars: usize) -> impl Strategy<Value = [Vec<Point>; N]> {
    let one = prop_oneof![tied(max_bars), generic(max_bars)];
    (prop::collection::vec(one, N), any::<bool>()).prop_map(|(mut diagrams, equal)| {
        for bar in diagrams.iter_mut().flatten().filter(|_| equal) {
            *bar = [0.0, bar[1] - bar[0]];
        }
        diagrams.try_into().expect("N diagrams")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn distances_are_minimal_over_all_matchings([first, second] in diagrams::<2>(5)) {
        for norm in NORMS {
            let mut free: Vec<usize> = (0..second.len()).collect();
            for order in [1.0, 1.5, 2.0, 3.0] {
                let matching = wasserstein(&first, &second, order, norm).unwrap();
                let problem = Problem { first: &first, second: &second, order, norm };
                let least = brute_force(&problem, 0, &mut free, |a, b| a + b);
                prop_assert!((matching.cost - least).abs() <= 1e-9 * least, "{matching:?} {least}");
                prop_assert!((matching.distance.powf(order) - least).abs() <= 1e-9 * least);
                assert_consistent(&matching, &first, &second, norm);
            }
            let matching = bottleneck(&first, &second, norm).unwrap();
            let problem = Problem { first: &first, second: &second, order: 1.0, norm };
            prop_assert_eq!(matching.distance, brute_force(&problem, 0, &mut free, f64::max));
            assert_consistent(&matching, &first, &second, norm);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bottleneck_is_the_limit_of_large_orders([first, second] in diagrams::<2>(12)) {
        let bars = (first.len() + second.len()) as f64;
        for norm in NORMS {
            let limit = bottleneck(&first, &second, norm).unwrap().distance;
            for order in [60.0, 1000.0] {
                let actual = wasserstein(&first, &second, order, norm).unwrap().distance;
                prop_assert!(actual >= limit * (1.0 - 1e-12), "{actual} {limit}");
                prop_assert!(actual <= limit * bars.powf(1.0 / order) * (1.0 + 1e-12));
            }
        }
    }

    #[test]
    fn distances_are_metrics([a, b, c] in diagrams::<3>(8)) {
        for ground_norm in NORMS {
            let longest = DiagramDistance::Bottleneck { ground_norm };
            let orders = [1.0, 1.5, 2.0, 3.0, 20.0];
            let sums = orders.map(|order| wasserstein_distance(order, ground_norm, Power::One));
            for distance in sums.into_iter().chain([longest]) {
                let between = |x: &[Point], y: &[Point]| distance.value_and_gradient(x, y).unwrap().value;
                let (ab, bc, ac) = (between(&a, &b), between(&b, &c), between(&a, &c));
                prop_assert_eq!(between(&a, &a), 0.0);
                prop_assert!((ab - between(&b, &a)).abs() <= 1e-12 * ab);
                prop_assert!(ac <= (ab + bc) * (1.0 + 1e-12), "{distance:?}: {ac} {ab} {bc}");
            }
        }
    }

    #[test]
    fn bars_on_the_diagonal_do_not_change_distances([first, second] in diagrams::<2>(6), at in 0.0..3.0) {
        let mut longer = first.clone();
        longer.insert(first.len() / 2, [at, at]);
        for norm in NORMS {
            for order in [1.0, 2.0] {
                let actual = wasserstein(&longer, &second, order, norm).unwrap().cost;
                let expected = wasserstein(&first, &second, order, norm).unwrap().cost;
                prop_assert!((actual - expected).abs() <= 1e-12 * expected);
            }
            // A bar matched to `[at, at]` has the length to the diagonal up to rounding only.
            let actual = bottleneck(&longer, &second, norm).unwrap().distance;
            let expected = bottleneck(&first, &second, norm).unwrap().distance;
            prop_assert!((actual - expected).abs() <= 1e-12 * expected);
        }
    }

    #[test]
    fn gradient_equals_difference_quotients_away_from_kinks(
        (first, second) in (generic(5), generic(5)),
        order in prop_oneof![Just(1.0), Just(1.5), Just(2.0), Just(3.0)],
    ) {
        const STEP: f64 = 1e-6;
        for ground_norm in NORMS {
            let powers = [Power::P, Power::One].map(|power| wasserstein_distance(order, ground_norm, power));
            let longest = DiagramDistance::Bottleneck { ground_norm };
            let sliced = [Power::P, Power::One].map(|power| DiagramDistance::SlicedWasserstein {
                order,
                n_directions: 5,
                power,
            });
            for distance in powers.into_iter().chain(sliced).chain([longest]) {
                let at = |bars: &[Point]| distance.value_and_gradient(bars, &second).unwrap();
                let here = at(&first);
                for (i, side) in (0..first.len()).flat_map(|i| [(i, 0), (i, 1)]) {
                    let mut moved = first.clone();
                    moved[i][side] = first[i][side] + STEP;
                    let ahead = (at(&moved).value - here.value) / STEP;
                    moved[i][side] = first[i][side] - STEP;
                    let behind = (here.value - at(&moved).value) / STEP;
                    // At a kink the two one-sided slopes differ.
                    if (ahead - behind).abs() < 1e-4 {
                        let slope = (ahead + behind) / 2.0;
                        let actual = here.first[i][side];
                        prop_assert!((actual - slope).abs() < 1e-4, "{actual} {slope}");
                    }
                }
            }
        }
    }
}
