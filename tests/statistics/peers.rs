//! Agreement with scipy and statsmodels on literal cases, written by
//! `scripts/make_statistics_fixtures.py`.

use burn_topology::statistics::{
    Bootstrap, EffectSize, PairedComparison, PairedDifferences, PowerAnalysis, equivalence_test,
    holm, interval_of_mean, sign_flip_test, t_interval,
};
use serde_json::Value;

fn cases(list: &str, n_expected: usize) -> Vec<Value> {
    let text = include_str!("../data_files/statistics.json");
    let file: Value = serde_json::from_str(text).expect("JSON");
    let cases = file[list].as_array().expect("a list").clone();
    assert_eq!(cases.len(), n_expected);
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

fn table(case: &Value) -> PairedDifferences {
    let rows = case["differences"].as_array().expect("rows");
    let rows: Vec<Vec<f64>> = rows.iter().map(numbers).collect();
    PairedDifferences::new(&rows).expect("finite differences")
}

fn assert_close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-9 * expected.abs().max(1e-6),
        "{what}: {found}, not {expected}"
    );
}

#[test]
fn tests_and_sizes_are_those_of_scipy_and_statsmodels() {
    for case in cases("tables", 12) {
        let differences = table(&case);
        let size = EffectSize::of(&differences).expect("seeds that differ");
        assert_close(differences.mean(), number(&case["mean"]), "mean");
        assert_close(size.d_z, number(&case["d_z"]), "d_z");
        match (size.corrected, case["corrected"].as_f64()) {
            (Some(found), Some(expected)) => assert_close(found, expected, "corrected"),
            (found, expected) => assert_eq!(found, expected),
        }
        let p_value = sign_flip_test(&differences).p_value;
        assert_close(p_value, number(&case["sign_flip"]), "sign flips");
        let margin = number(&case["margin"]);
        let test = equivalence_test(&differences, margin, 0.05).expect("a margin");
        let test = test.expect("seeds that differ");
        assert_close(test.p_value, number(&case["equivalence"]), "equivalence");
        for interval in case["t_intervals"].as_array().expect("a list") {
            let confidence = number(&interval["confidence"]);
            let found = t_interval(&differences, confidence).expect("a confidence");
            let found = found.expect("seeds that differ");
            // An end near 0 is a difference of larger numbers.
            let ends = numbers(&interval["ends"]);
            let width = ends[1] - ends[0];
            assert!((found.low - ends[0]).abs() < 1e-9 * width, "{interval}");
            assert!((found.high - ends[1]).abs() < 1e-9 * width, "{interval}");
            if confidence == 0.9 {
                assert!((test.interval.low - ends[0]).abs() < 1e-9 * width);
            }
        }
    }
}

#[test]
fn adjusted_p_values_are_those_of_statsmodels() {
    for case in cases("holm", 7) {
        let found = holm(&numbers(&case["p_values"])).expect("p-values");
        for (found, expected) in found.into_iter().zip(numbers(&case["adjusted"])) {
            assert_close(found, expected, "adjusted");
        }
    }
}

#[test]
fn power_and_seeds_needed_are_those_of_statsmodels() {
    for case in cases("powers", N_POWERS) {
        let [d_z, alpha] = [number(&case["d_z"]), number(&case["alpha"])];
        let n_seeds = case["n_seeds"].as_u64().expect("a number of seeds") as usize;
        let found = PowerAnalysis { d_z, alpha }.power(n_seeds).expect("a test");
        assert_close(found, number(&case["power"]), &case.to_string());
    }
    for case in cases("seeds", 16) {
        let [d_z, power] = [number(&case["d_z"]), number(&case["power"])];
        let experiment = PowerAnalysis { d_z, alpha: 0.05 };
        let found = experiment.seeds_needed(power).expect("a test");
        let expected = case["seeds"].as_u64().map(|n_seeds| n_seeds as usize);
        assert_eq!(found, expected, "{case}");
    }
}

const N_POWERS: usize = 80;

/// Other random numbers, so the ends agree within a few standard errors of the two percentiles,
/// each half a per cent of the width or less.
#[test]
fn bootstrap_is_near_that_of_scipy_and_of_indices() {
    for case in cases("bootstrap", 5) {
        let bootstrap = Bootstrap {
            n_resamples: 40_000,
            ..Bootstrap::default()
        };
        let found = bootstrap.interval(&table(&case)).expect("parameters");
        let found = found.expect("several seeds");
        let ends = numbers(&case["ends"]);
        let tolerance = 0.02 * (ends[1] - ends[0]);
        for (found, expected) in [found.low, found.high].into_iter().zip(ends) {
            assert!(
                (found - expected).abs() < tolerance,
                "{found}, not {expected}"
            );
        }
    }
}

#[test]
fn comparison_holds_what_its_parts_find() {
    for case in cases("tables", 12) {
        let differences = table(&case);
        let comparison = PairedComparison::new(&differences, Some(0.5)).expect("a margin");
        let size = EffectSize::of(&differences).expect("seeds that differ");
        let needed = |d_z| {
            let experiment = PowerAnalysis { d_z, alpha: 0.05 };
            experiment.seeds_needed(0.8).expect("a test")
        };
        let expected = PairedComparison {
            n_seeds: differences.n_seeds(),
            n_units: differences.n_units(),
            mean: differences.mean(),
            interval: interval_of_mean(&differences).expect("95 %"),
            p_value: sign_flip_test(&differences).p_value,
            smallest_p_value: 2f64.powi(1 - differences.n_seeds() as i32),
            effect_size: Some(size),
            n_seeds_for_80_percent_power: size.corrected.and_then(needed),
            equivalence: equivalence_test(&differences, 0.5, 0.05).expect("a margin"),
        };
        assert_eq!(comparison, expected);
    }
}
