//! Training runs, small and whole.

mod resume;

use std::path::Path;

use crate::util::{TestDir, run_program};

const TINY: &str = r#"
[run]
name = "tiny"
seed = 3
[data]
kind = "digits"
[model]
kind = "vit"
d_model = 8
n_layers = 2
n_heads = 2
patch_size = 4
dropout = 0.1
drop_path = 0.1
[training]
epochs = 1
batch_size = 128
clip_norm = 1.0
augment = { shift = 1, rotation = 5.0 }
optimizer = { kind = "adamw", lr = 1e-3, weight_decay = 0.05 }
schedule = { kind = "cosine", warmup_steps = 2 }
[logging]
log_every_steps = 1
"#;

const PENALTY: &str = r#"
[[topology]]
between = "layers"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
"#;

pub fn tiny_config(directory: &Path, weight: Option<&str>) -> String {
    let table = weight.map_or(String::new(), |weight| {
        format!("{PENALTY}weight = {weight}\n")
    });
    let name = "tiny.toml".to_owned();
    std::fs::write(directory.join(&name), format!("{TINY}{table}")).unwrap();
    name
}

/// Trains, and returns the metrics.
fn train(directory: &TestDir, weight: Option<&str>, out: &str) -> Vec<String> {
    let config = tiny_config(directory.path(), weight);
    let output = run_program(directory.path(), &["train", &config, "--out", out]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metrics =
        std::fs::read_to_string(directory.path().join(out).join("metrics.jsonl")).unwrap();
    metrics.lines().map(str::to_owned).collect()
}

#[test]
fn a_run_leaves_what_it_promises_and_can_be_evaluated() {
    let directory = TestDir::new();
    let metrics = train(
        &directory,
        Some(r#"{ kind = "gradient_share", share = 0.1 }"#),
        "run",
    );
    let run = TestDirNames(directory.path().join("run"));
    assert_eq!(
        run.names(),
        [
            "checkpoints",
            "config.toml",
            "lock",
            "log.txt",
            "manifest.json",
            "metrics.jsonl",
            "summary.json",
            "tensorboard"
        ]
    );
    for name in [
        "loss",
        "loss_task",
        "loss_topology",
        "learning_rate",
        "gradient_norm",
        "penalty0_full_weight",
        "accuracy",
        "topology/h0_n_bars/layer00",
        "topology/h0_total_persistence/layer01",
        "topology/h1_largest_persistence/layer00",
        "topology/h1_wasserstein_next/layer00",
        "topology/mean_distance/layer01",
        "attention/entropy/layer01",
        "tokens/effective_rank/layer00",
        "topology/tied_distances/layer01",
        "topology/h1_empty/layer00",
        "topology/gated_pairs/layer00",
        "collapse/n_layers",
    ] {
        let quoted = format!("\"name\":\"{name}\"");
        assert!(
            metrics.iter().any(|line| line.contains(&quoted)),
            "{name} was not logged"
        );
    }
    let evaluated = run_program(directory.path(), &["evaluate", "run"]);
    assert!(evaluated.status.success());
    let shown = String::from_utf8(evaluated.stdout).unwrap();
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.path().join("run/summary.json")).unwrap())
            .unwrap();
    let accuracy = summary["test_accuracy"].as_f64().unwrap();
    assert!(
        shown.starts_with(&format!("test: accuracy {accuracy:.4}, ")),
        "{shown}"
    );
    // The resolved configuration repeats the run.
    let again = run_program(
        directory.path(),
        &["train", "run/config.toml", "--out", "again"],
    );
    assert!(again.status.success());
    let repeated = std::fs::read_to_string(directory.path().join("again/metrics.jsonl")).unwrap();
    let repeated: Vec<&str> = repeated.lines().collect();
    assert_eq!(repeated, metrics);
}

#[test]
fn weight_zero_equals_no_penalty_bit_for_bit() {
    let directory = TestDir::new();
    let zero = train(
        &directory,
        Some(r#"{ kind = "fixed", value = 0.0 }"#),
        "zero",
    );
    let absent = train(&directory, None, "absent");
    assert_eq!(zero, absent);
    let with = train(
        &directory,
        Some(r#"{ kind = "fixed", value = 0.5 }"#),
        "with",
    );
    assert_ne!(with, absent);
}

#[test]
fn a_loss_that_is_not_finite_stops_with_the_step() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let settings = [
        "--set",
        "training.optimizer.lr=1e30",
        "--set",
        "training.schedule={kind=\"constant\"}",
    ];
    let output = run_program(
        directory.path(),
        &[&["train", &config, "--out", "run"][..], &settings].concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains(" at step "), "{message}");
    assert!(
        message.contains("last good checkpoint: none yet"),
        "{message}"
    );
}

struct TestDirNames(std::path::PathBuf);

impl TestDirNames {
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
