//! Laws of the statistics, under random tables.

use burn_topology::statistics::{
    Bootstrap, EffectSize, Interval, PairedDifferences, holm, sign_flip_test,
};
use proptest::prelude::*;

/// Rows of differences; whole numbers among them, so that there are ties.
fn rows() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let difference = || prop_oneof![3 => -2.0..3.0f64, 1 => (-2i8..3).prop_map(f64::from)];
    (1usize..9, 1usize..5).prop_flat_map(move |(n_seeds, n_units)| {
        prop::collection::vec(prop::collection::vec(difference(), n_units), n_seeds)
    })
}

/// The same rows, and the same with seeds and units in another order.
fn shuffled_rows() -> impl Strategy<Value = [Vec<Vec<f64>>; 2]> {
    let with_orders = |rows: Vec<Vec<f64>>| {
        let seeds = Just((0..rows.len()).collect::<Vec<_>>()).prop_shuffle();
        let units = Just((0..rows[0].len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(rows), seeds, units)
    };
    rows()
        .prop_flat_map(with_orders)
        .prop_map(|(rows, seeds, units)| {
            let row = |&seed: &usize| units.iter().map(|&unit| rows[seed][unit]).collect();
            let shuffled = seeds.iter().map(row).collect();
            [rows, shuffled]
        })
}

fn table(rows: &[Vec<f64>]) -> PairedDifferences {
    PairedDifferences::new(rows).expect("finite differences")
}

fn scaled(rows: &[Vec<f64>], factor: f64) -> PairedDifferences {
    let row = |row: &Vec<f64>| row.iter().map(|x| factor * x).collect();
    table(&rows.iter().map(row).collect::<Vec<_>>())
}

fn interval(differences: &PairedDifferences) -> Option<Interval> {
    let few = Bootstrap {
        n_resamples: 300,
        ..Bootstrap::default()
    };
    few.interval(differences).expect("parameters in range")
}

/// Whether the order of seeds and units, and the sign of all, settle what is resampled.
fn is_generic(rows: &[Vec<f64>]) -> bool {
    let sorted = |mut list: Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list
    };
    let all_differ = |lists: Vec<Vec<f64>>| {
        let mut lists: Vec<_> = lists.into_iter().map(sorted).collect();
        lists.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        lists.windows(2).all(|pair| pair[0] != pair[1])
    };
    let unit = |unit: usize| rows.iter().map(|row| row[unit]).collect();
    let columns: Vec<Vec<f64>> = (0..rows[0].len()).map(unit).collect();
    table(rows).mean().abs() > 1e-9 && all_differ(rows.to_vec()) && all_differ(columns)
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn negated_differences_have_the_negated_interval_and_the_same_p(rows in rows()) {
        let (found, negated) = (table(&rows), scaled(&rows, -1.0));
        prop_assert_eq!(negated.mean(), -found.mean());
        prop_assert_eq!(sign_flip_test(&negated), sign_flip_test(&found));
        if is_generic(&rows) {
            let mirrored = interval(&negated).map(|interval| Interval {
                low: -interval.high,
                high: -interval.low,
                ..interval
            });
            prop_assert_eq!(mirrored, interval(&found));
        }
    }

    #[test]
    fn order_of_seeds_and_units_does_not_matter([rows, shuffled] in shuffled_rows()) {
        let (found, other) = (table(&rows), table(&shuffled));
        prop_assert!(near(found.mean(), other.mean()));
        prop_assert_eq!(sign_flip_test(&found), sign_flip_test(&other));
        match (EffectSize::of(&found), EffectSize::of(&other)) {
            (Some(found), Some(other)) => prop_assert!(near(found.d_z, other.d_z)),
            (found, other) => prop_assert_eq!(found, other),
        }
        if is_generic(&rows) {
            prop_assert_eq!(interval(&found), interval(&other));
        }
    }

    #[test]
    fn effect_size_and_p_do_not_depend_on_the_unit_of_measurement(
        rows in rows(), exponent in -200..200i32
    ) {
        let factor = 1.7 * 10f64.powi(exponent);
        let (found, other) = (table(&rows), scaled(&rows, factor));
        prop_assert_eq!(sign_flip_test(&found), sign_flip_test(&other));
        match (EffectSize::of(&found), EffectSize::of(&other)) {
            (Some(found), Some(other)) => prop_assert!(near(found.d_z, other.d_z)),
            (found, other) => prop_assert_eq!(found, other),
        }
    }

    #[test]
    fn interval_lies_within_the_range_of_the_differences(rows in rows()) {
        if let Some(found) = interval(&table(&rows)) {
            let all = || rows.iter().flatten().copied();
            let low = all().fold(f64::INFINITY, f64::min);
            let high = all().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(low - 1e-12 <= found.low && found.high <= high + 1e-12);
            prop_assert!(found.low <= found.high);
        }
    }

    #[test]
    fn sign_flips_are_those_of_all_assignments(by_seed in prop::collection::vec(-4i8..5, 1..11)) {
        let by_seed: Vec<f64> = by_seed.into_iter().map(f64::from).collect();
        let sum = |assignment: u32| {
            let sign = |k| if assignment >> k & 1 == 1 { -1.0 } else { 1.0 };
            let signed = by_seed.iter().enumerate().map(|(k, x)| sign(k) * x);
            signed.sum::<f64>().abs()
        };
        let n_assignments = 1u32 << by_seed.len();
        let n_far = (0..n_assignments).filter(|&other| sum(other) >= sum(0)).count();
        let expected = n_far as f64 / f64::from(n_assignments);
        // In tenths, which are not exact, the ties must remain.
        let tenths: Vec<f64> = by_seed.iter().map(|x| x / 10.0).collect();
        for by_seed in [&by_seed, &tenths] {
            prop_assert_eq!(sign_flip_test(&super::of_seeds(by_seed)).p_value, expected);
        }
    }

    #[test]
    fn adjusted_p_values_are_larger_and_in_the_same_order(
        p_values in prop::collection::vec(0.0..=1.0f64, 0..12)
    ) {
        let adjusted = holm(&p_values).expect("p-values");
        prop_assert_eq!(adjusted.len(), p_values.len());
        for (p, raised) in p_values.iter().zip(&adjusted) {
            prop_assert!(p <= raised && *raised <= 1.0);
            for (other, other_raised) in p_values.iter().zip(&adjusted) {
                prop_assert!(p > other || raised <= other_raised);
            }
        }
    }
}
