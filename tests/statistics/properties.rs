//! Properties of the statistics, checked on random tables.

use burn_topology::statistics::{
    Bootstrap, EffectSize, Interval, PairedDifferences, holm, sign_flip_test,
};
use proptest::prelude::*;

/// Random rows of differences, some of them whole numbers, so that there are ties.
fn rows() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let difference = || prop_oneof![3 => -2.0..3.0f64, 1 => (-2i8..3).prop_map(f64::from)];
    (1usize..9, 1usize..5).prop_flat_map(move |(n_seeds, n_units)| {
        prop::collection::vec(prop::collection::vec(difference(), n_units), n_seeds)
    })
}

/// Random rows, and the same rows with seeds and units in another order.
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
    let bootstrap = Bootstrap {
        n_resamples: 300,
        ..Bootstrap::default()
    };
    bootstrap
        .interval(differences)
        .expect("parameters in range")
}

/// True if sorting and the sign of the mean determine the resampled table uniquely.
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
    fn negation_negates_the_interval_and_keeps_the_p_value(rows in rows()) {
        let (original, negated) = (table(&rows), scaled(&rows, -1.0));
        prop_assert_eq!(negated.mean(), -original.mean());
        prop_assert_eq!(sign_flip_test(&negated), sign_flip_test(&original));
        if is_generic(&rows) {
            let mirrored = interval(&negated).map(|interval| Interval {
                low: -interval.high,
                high: -interval.low,
                ..interval
            });
            prop_assert_eq!(mirrored, interval(&original));
        }
    }

    #[test]
    fn order_of_seeds_and_units_does_not_matter([rows, shuffled] in shuffled_rows()) {
        let (original, other) = (table(&rows), table(&shuffled));
        prop_assert!(near(original.mean(), other.mean()));
        prop_assert_eq!(sign_flip_test(&original), sign_flip_test(&other));
        match (EffectSize::from_differences(&original), EffectSize::from_differences(&other)) {
            (Some(original), Some(other)) => prop_assert!(near(original.d_z, other.d_z)),
            (original, other) => prop_assert_eq!(original, other),
        }
        if is_generic(&rows) {
            prop_assert_eq!(interval(&original), interval(&other));
        }
    }

    #[test]
    fn effect_size_and_p_value_are_scale_invariant(
        rows in rows(), exponent in -200..200i32
    ) {
        let factor = 1.7 * 10f64.powi(exponent);
        let (original, other) = (table(&rows), scaled(&rows, factor));
        prop_assert_eq!(sign_flip_test(&original), sign_flip_test(&other));
        match (EffectSize::from_differences(&original), EffectSize::from_differences(&other)) {
            (Some(original), Some(other)) => prop_assert!(near(original.d_z, other.d_z)),
            (original, other) => prop_assert_eq!(original, other),
        }
    }

    #[test]
    fn interval_lies_within_the_range_of_differences(rows in rows()) {
        if let Some(original) = interval(&table(&rows)) {
            let all = || rows.iter().flatten().copied();
            let low = all().fold(f64::INFINITY, f64::min);
            let high = all().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(low - 1e-12 <= original.low && original.high <= high + 1e-12);
            prop_assert!(original.low <= original.high);
        }
    }

    #[test]
    fn sign_flip_test_agrees_with_full_enumeration(by_seed in prop::collection::vec(-4i8..5, 1..11)) {
        let by_seed: Vec<f64> = by_seed.into_iter().map(f64::from).collect();
        let sum = |assignment: u32| {
            let sign = |k| if assignment >> k & 1 == 1 { -1.0 } else { 1.0 };
            let signed = by_seed.iter().enumerate().map(|(k, x)| sign(k) * x);
            signed.sum::<f64>().abs()
        };
        let n_assignments = 1u32 << by_seed.len();
        let n_far = (0..n_assignments).filter(|&other| sum(other) >= sum(0)).count();
        let expected = n_far as f64 / f64::from(n_assignments);
        // Tenths are not exact in binary; ties must be found among them all the same.
        let tenths: Vec<f64> = by_seed.iter().map(|x| x / 10.0).collect();
        for by_seed in [&by_seed, &tenths] {
            prop_assert_eq!(sign_flip_test(&super::one_unit_table(by_seed)).p_value, expected);
        }
    }

    #[test]
    fn adjusted_p_values_are_larger_and_keep_their_order(
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
