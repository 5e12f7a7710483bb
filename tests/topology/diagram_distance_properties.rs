//! Distances of persistence diagrams against brute force, the axioms and their own slopes.

use burn_topology::topology::{
    DiagramDistance, GroundNorm, Matching, Pairing, Point, Power, bottleneck, wasserstein,
};
use proptest::prelude::*;

const NORMS: [GroundNorm; 3] = [GroundNorm::Infinity, GroundNorm::L2, GroundNorm::L1];

fn power_of(order: f64, ground_norm: GroundNorm, power: Power) -> DiagramDistance {
    DiagramDistance::Wasserstein {
        order,
        ground_norm,
        power,
    }
}

/// Least cost over all partial matchings of `first[from..]`, where `join` adds up costs.
fn brute_force(
    problem: &Problem<'_>,
    from: usize,
    free: &mut Vec<usize>,
    join: fn(f64, f64) -> f64,
) -> f64 {
    let cost = |length: f64| length.powf(problem.order);
    let alone = |x: Point| cost(problem.norm.to_diagonal(x));
    let Some(&x) = problem.first.get(from) else {
        return free
            .iter()
            .map(|&j| alone(problem.second[j]))
            .fold(0.0, join);
    };
    let mut best = join(alone(x), brute_force(problem, from + 1, free, join));
    for place in 0..free.len() {
        let j = free.remove(place);
        let pair = cost(problem.norm.distance(x, problem.second[j]));
        best = best.min(join(pair, brute_force(problem, from + 1, free, join)));
        free.insert(place, j);
    }
    best
}

struct Problem<'a> {
    first: &'a [Point],
    second: &'a [Point],
    order: f64,
    norm: GroundNorm,
}

/// Every bar in one pair, every length as the norm has it.
fn assert_consistent(matching: &Matching, first: &[Point], second: &[Point], norm: GroundNorm) {
    let bars = |side: fn(Pairing<usize>) -> Option<usize>| {
        let mut found: Vec<_> = matching
            .pairs
            .iter()
            .filter_map(|pair| side(pair.bars))
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(bars(Pairing::first), (0..first.len()).collect::<Vec<_>>());
    assert_eq!(bars(Pairing::second), (0..second.len()).collect::<Vec<_>>());
    for pair in &matching.pairs {
        assert_eq!(pair.length, pair.bars.points(first, second).length(norm));
    }
}

/// Up to `bars` bars on a coarse grid: ties, repeated bars and bars of length zero are common.
fn tied(bars: usize) -> impl Strategy<Value = Vec<Point>> {
    let bar = (0..4_i32, 0..5_i32).prop_map(|(birth, persistence)| {
        [f64::from(birth) / 2.0, f64::from(birth + persistence) / 2.0]
    });
    prop::collection::vec(bar, 0..=bars)
}

/// Up to `bars` bars in general position.
fn generic(bars: usize) -> impl Strategy<Value = Vec<Point>> {
    let bar = (0.0..2.0, 0.01..2.0).prop_map(|(birth, persistence)| [birth, birth + persistence]);
    prop::collection::vec(bar, 0..=bars)
}

/// Bars in general position or tied, with their own births or with equal ones.
fn diagrams<const N: usize>(bars: usize) -> impl Strategy<Value = [Vec<Point>; N]> {
    let one = prop_oneof![tied(bars), generic(bars)];
    (prop::collection::vec(one, N), any::<bool>()).prop_map(|(mut diagrams, equal)| {
        for bar in diagrams.iter_mut().flatten().filter(|_| equal) {
            *bar = [0.0, bar[1] - bar[0]];
        }
        diagrams.try_into().expect("as many diagrams as asked for")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn distances_are_least_over_all_matchings([first, second] in diagrams::<2>(5)) {
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
                let found = wasserstein(&first, &second, order, norm).unwrap().distance;
                prop_assert!(found >= limit * (1.0 - 1e-12), "{found} {limit}");
                prop_assert!(found <= limit * bars.powf(1.0 / order) * (1.0 + 1e-12));
            }
        }
    }

    #[test]
    fn distances_are_metrics([a, b, c] in diagrams::<3>(8)) {
        for ground_norm in NORMS {
            let longest = DiagramDistance::Bottleneck { ground_norm };
            let orders = [1.0, 1.5, 2.0, 3.0, 20.0];
            let sums = orders.map(|order| power_of(order, ground_norm, Power::One));
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
    fn diagonal_bars_change_nothing([first, second] in diagrams::<2>(6), at in 0.0..3.0) {
        let mut longer = first.clone();
        longer.insert(first.len() / 2, [at, at]);
        for norm in NORMS {
            for order in [1.0, 2.0] {
                let found = wasserstein(&longer, &second, order, norm).unwrap().cost;
                let expected = wasserstein(&first, &second, order, norm).unwrap().cost;
                prop_assert!((found - expected).abs() <= 1e-12 * expected);
            }
            // A bar matched to `[at, at]` has the length to the diagonal up to rounding only.
            let found = bottleneck(&longer, &second, norm).unwrap().distance;
            let expected = bottleneck(&first, &second, norm).unwrap().distance;
            prop_assert!((found - expected).abs() <= 1e-12 * expected);
        }
    }

    #[test]
    fn gradient_is_the_slope_away_from_kinks(
        (first, second) in (generic(5), generic(5)),
        order in prop_oneof![Just(1.0), Just(1.5), Just(2.0), Just(3.0)],
    ) {
        const STEP: f64 = 1e-6;
        for ground_norm in NORMS {
            let powers = [Power::P, Power::One].map(|power| power_of(order, ground_norm, power));
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
                        let found = here.first[i][side];
                        prop_assert!((found - slope).abs() < 1e-4, "{found} {slope}");
                    }
                }
            }
        }
    }
}
