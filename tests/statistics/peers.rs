//! Agreement with scipy and statsmodels on fixed cases, which `scripts/make_statistics_fixtures.py` writes.

use burn_topology::statistics::{
    Bootstrap, EffectSize, PairedComparison, PairedDifferences, PowerAnalysis, equivalence_test,
    holm, interval_of_mean, sign_flip_test, t_interval,
};
use serde_json::Value;

/// Reads a list of cases from the file of fixtures.
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

fn assert_close(actual: f64, expected: f64, name: &str) {
    let error = (actual - expected).abs();
    assert!(
        error <= 1e-9 * expected.abs().max(1e-6),
        "{name}: {actual}, not {expected}"
    );
}

#[test]
fn tests_agree_with_scipy_and_statsmodels() {
    for case in cases("tables", 12) {
        let differences = table(&case);
        let size = EffectSize::from_differences(&differences).expect("seeds that differ");
        assert_close(differences.mean(), number(&case["mean"]), "mean");
        assert_close(size.d_z, number(&case["d_z"]), "d_z");
        match (size.corrected, case["corrected"].as_f64()) {
            (Some(actual), Some(expected)) => assert_close(actual, expected, "corrected"),
            (actual, expected) => assert_eq!(actual, expected),
        }
        let p_value = sign_flip_test(&differences).p_value;
        assert_close(p_value, number(&case["sign_flip"]), "sign flips");
        let margin = number(&case["margin"]);
        let test = equivalence_test(&differences, margin, 0.05)
            .expect("a margin")
            .expect("seeds that differ");
        assert_close(test.p_value, number(&case["equivalence"]), "equivalence");
        for interval in case["t_intervals"].as_array().expect("a list") {
            let confidence = number(&interval["confidence"]);
            let actual = t_interval(&differences, confidence)
                .expect("a confidence")
                .expect("seeds that differ");
            // Relative to the width: an end near 0 is a difference of larger numbers.
            let ends = numbers(&interval["ends"]);
            let width = ends[1] - ends[0];
            assert!((actual.low - ends[0]).abs() < 1e-9 * width, "{interval}");
            assert!((actual.high - ends[1]).abs() < 1e-9 * width, "{interval}");
            if confidence == 0.9 {
                assert!((test.interval.low - ends[0]).abs() < 1e-9 * width);
            }
        }
    }
}

#[test]
fn adjusted_p_values_agree_with_statsmodels() {
    for case in cases("holm", 7) {
        let actual = holm(&numbers(&case["p_values"])).expect("p-values");
        for (actual, expected) in actual.into_iter().zip(numbers(&case["adjusted"])) {
            assert_close(actual, expected, "adjusted");
        }
    }
}

#[test]
fn power_agrees_with_statsmodels() {
    for case in cases("powers", N_POWERS) {
        let [d_z, alpha] = [number(&case["d_z"]), number(&case["alpha"])];
        let n_seeds = case["n_seeds"].as_u64().expect("a number of seeds") as usize;
        let actual = PowerAnalysis { d_z, alpha }.power(n_seeds).expect("a test");
        assert_close(actual, number(&case["power"]), &case.to_string());
    }
    for case in cases("seeds", 16) {
        let [d_z, power] = [number(&case["d_z"]), number(&case["power"])];
        let experiment = PowerAnalysis { d_z, alpha: 0.05 };
        let actual = experiment.seeds_needed(power).expect("a test");
        let expected = case["seeds"].as_u64().map(|n_seeds| n_seeds as usize);
        assert_eq!(actual, expected, "{case}");
    }
}

const N_POWERS: usize = 80;

/// The random numbers differ, so the ends agree only within a few standard errors of two percentiles,
/// each at most half a per cent of the width.
#[test]
fn bootstrap_agrees_with_scipy() {
    for case in cases("bootstrap", 5) {
        let bootstrap = Bootstrap {
            n_resamples: 40_000,
            ..Bootstrap::default()
        };
        let actual = bootstrap
            .interval(&table(&case))
            .expect("parameters")
            .expect("several seeds");
        let ends = numbers(&case["ends"]);
        let tolerance = 0.02 * (ends[1] - ends[0]);
        for (actual, expected) in [actual.low, actual.high].into_iter().zip(ends) {
            assert!(
                (actual - expected).abs() < tolerance,
                "{actual}, not {expected}"
            );
        }
    }
}

#[test]
fn comparison_contains_the_results_of_its_parts() {
    for case in cases("tables", 12) {
        let differences = table(&case);
        let comparison = PairedComparison::new(&differences, Some(0.5)).expect("a margin");
        let size = EffectSize::from_differences(&differences).expect("seeds that differ");
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
