//! Training with a second, perturbed view of every batch.

use super::tiny_config;
use crate::util::{TestDir, assert_refused, run_program};

const PENALTY: &str = r#"
[[topology]]
between = "views"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
weight = { kind = "WEIGHT" }
"#;

/// Trains, and returns the lines of `metrics.jsonl`; without a view and a penalty if `view` is empty.
fn train(directory: &TestDir, view: &str, weight: &str, out: &str) -> Vec<String> {
    let config = tiny_config(directory.path(), None);
    let path = directory.path().join(&config);
    let mut text = std::fs::read_to_string(&path).unwrap();
    if !view.is_empty() {
        text = text.replace("epochs = 1", &format!("epochs = 1\nview = {view}"));
        text += &PENALTY.replace(r#"kind = "WEIGHT""#, weight);
    }
    std::fs::write(&path, text).unwrap();
    let output = run_program(directory.path(), &["train", &config, "--output", out]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metrics = directory.path().join(out).join("metrics.jsonl");
    let metrics = std::fs::read_to_string(metrics).unwrap();
    metrics.lines().map(str::to_owned).collect()
}

const FIXED: &str = r#"kind = "fixed", value = 0.5"#;

/// Logged values of a metric, in order.
fn values(metrics: &[String], name: &str) -> Vec<f64> {
    let quoted = format!("\"name\":\"{name}\"");
    let lines = metrics.iter().filter(|line| line.contains(&quoted));
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["value"].as_f64().unwrap()
        })
        .collect()
}

#[test]
fn views_are_penalised_reproducibly_and_leave_the_task_alone() {
    let directory = TestDir::new();
    let plain = train(&directory, "", "", "plain");
    let off = train(
        &directory,
        r#"{ kind = "noise", severity = 3 }"#,
        r#"kind = "fixed", value = 0.0"#,
        "off",
    );
    assert_eq!(plain, off);
    for (name, view) in [
        ("noise", r#"{ kind = "noise", severity = 3 }"#),
        ("fgsm", r#"{ kind = "fgsm", epsilon = 0.1 }"#),
        ("pgd", r#"{ kind = "pgd", epsilon = 0.1, steps = 2 }"#),
    ] {
        let metrics = train(&directory, view, FIXED, name);
        assert_eq!(
            metrics,
            train(&directory, view, FIXED, &format!("{name}_again"))
        );
        let penalties = values(&metrics, "penalty/h0_views/value");
        assert!(
            !penalties.is_empty() && penalties.iter().all(|&value| value > 0.0),
            "{name}: {penalties:?}"
        );
        let difference = (values(&metrics, "loss_topology")[0] - 0.5 * penalties[0]).abs();
        assert!(difference < 1e-9, "{name}: {difference}");
    }
    let larger = train(
        &directory,
        r#"{ kind = "noise", severity = 5 }"#,
        FIXED,
        "larger",
    );
    let smaller = train(
        &directory,
        r#"{ kind = "noise", severity = 1 }"#,
        FIXED,
        "smaller",
    );
    assert!(
        values(&larger, "penalty/h0_views/value")[0]
            > values(&smaller, "penalty/h0_views/value")[0]
    );
    let shared = r#"kind = "gradient_share", share = 0.2"#;
    let shared = train(
        &directory,
        r#"{ kind = "random", epsilon = 0.1 }"#,
        shared,
        "shared",
    );
    assert!(values(&shared, "penalty/h0_views/full_weight")[0] > 0.0);
}

#[test]
fn missing_and_invalid_views_give_one_clear_message() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let path = directory.path().join(&config);
    let text =
        std::fs::read_to_string(&path).unwrap() + &PENALTY.replace(r#"kind = "WEIGHT""#, FIXED);
    for (view, expected) in [
        ("", "set training.view to make a second one"),
        (
            r#"view = { kind = "noise", severity = 9 }"#,
            "severity is 9, expected 1 to 5",
        ),
        (
            r#"view = { kind = "fgsm", epsilon = 0.0 }"#,
            "epsilon is 0, expected a number above 0 and at most 1",
        ),
        (
            r#"view = { kind = "pgd", epsilon = 0.1, steps = 0 }"#,
            "steps is 0, expected at least 1",
        ),
    ] {
        let text = text.replace("epochs = 1", &format!("epochs = 1\n{view}"));
        std::fs::write(&path, text).unwrap();
        assert_refused(directory.path(), &["config", "check", &config], expected);
    }
}
