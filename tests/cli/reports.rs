//! Commands on runs: what they refuse, before anything in a run directory is replaced.

use std::path::Path;

use crate::train::tiny_config;
use crate::util::{TestDir, refusal, run_program};

/// Trains the tiny configuration into `run`.
fn train(directory: &TestDir) {
    let config = tiny_config(directory.path(), None);
    let output = run_program(directory.path(), &["train", &config, "--output", "run"]);
    assert!(output.status.success(), "{output:?}");
}

/// Last line on stderr of a command that must end with exit code 2.
fn refused(directory: &Path, arguments: &[&str]) -> String {
    refusal(directory, arguments)
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

/// Names of all files under a directory, with their sizes.
fn files(directory: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let length = path.metadata().unwrap().len();
            found.push((path.display().to_string(), length));
        }
    }
    found.sort();
    found
}

#[test]
fn reports_do_not_replace_the_files_of_a_run() {
    let directory = TestDir::new();
    let root = directory.path();
    train(&directory);
    let study = r#"
        question = "Does it matter?"
        base = "tiny.toml"
        seeds = [0]
        baseline = "plain"
        primary = ["test_accuracy"]
        [[arm]]
        name = "plain"
    "#;
    std::fs::write(root.join("study.toml"), study).unwrap();
    let before = files(&root.join("run"));
    for arguments in [
        &["coherence", "run", "--output", "run"][..],
        &["robustness", "run", "--output", "run/"],
        &["analyze", "run", "--split", "test", "--output", "run"],
        &["ablate", "study.toml", "--output", "run"],
    ] {
        assert_eq!(
            refused(root, arguments),
            "burn-topology: run: this is the directory of a run, whose files would be replaced; pass another directory, or a \
             new one in it, as in run/report"
        );
    }
    let arguments = ["ablate", "collect", "study.toml", "--output", "run"];
    let message = refused(root, &arguments);
    assert!(message.contains("there is nothing to collect"), "{message}");
    assert_eq!(files(&root.join("run")), before);
    // A directory in that of the run is none of its files.
    let arguments = [
        "analyze",
        "run",
        "--split",
        "test",
        "--n-samples",
        "1",
        "--output",
        "run/report",
    ];
    let output = run_program(root, &arguments);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn layers_heads_and_classes_that_do_not_exist_are_refused() {
    let directory = TestDir::new();
    train(&directory);
    let analyze = [
        "analyze",
        "run",
        "--split",
        "test",
        "--n-samples",
        "1",
        "--output",
        "out",
    ];
    let fit = [
        "anomaly", "fit", "run", "--split", "test", "--output", "fit.json",
    ];
    for (command, options, expected) in [
        (
            &analyze[..],
            &["--layers", "7"][..],
            "there is no layer 7, expected layers from 0 to 1",
        ),
        (
            &analyze,
            &["--heads", "9"],
            "there is no head 9, expected heads from 0 to 1",
        ),
        (
            &fit,
            &["--label", "1", "--layers", "8"],
            "there is no layer 8, expected layers from 0 to 1",
        ),
        (
            &fit,
            &["--label", "30"],
            "there is no class 30, expected 0 to 9",
        ),
    ] {
        let message = refused(directory.path(), &[command, options].concat());
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_model_without_attention_has_no_tokens_and_is_not_inspected() {
    let directory = TestDir::new();
    let config = r#"
        data = { kind = "moving_digits", clips = ["constant"], n_frames = 4, side = 16 }
        model = { kind = "linear_probe", head = "frames" }
        [run]
        name = "probe"
        seed = 0
        [training]
        epochs = 1
        batch_size = 256
        optimizer = { kind = "adamw", lr = 1e-3, weight_decay = 0.05 }
        schedule = { kind = "constant" }
        [logging]
        topology_images = 1
    "#;
    std::fs::write(directory.path().join("probe.toml"), config).unwrap();
    let output = run_program(
        directory.path(),
        &["train", "probe.toml", "--output", "run"],
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("\ntokens     none\n"), "{stderr}");
    let arguments = ["analyze", "run", "--split", "test", "--output", "out"];
    let message = refused(directory.path(), &arguments);
    assert!(message.contains("has no attention to inspect"), "{message}");
}
