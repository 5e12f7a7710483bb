//! Resuming a run for more epochs.

use std::path::Path;

use serde_json::Value;

use super::resume::{Finished, expect_success, reference, resume, stderr, summary};
use super::tiny_config;
use crate::util::{TestDir, assert_refused, copy, run_program};

/// Trains the run for more epochs.
fn extend(directory: &TestDir, run: &str, epochs: &str) -> std::process::Output {
    let set = format!("training.epochs={epochs}");
    let arguments = ["train", "--resume", run, "--set", &set];
    run_program(directory.path(), &arguments)
}

/// Removes the summary and the checkpoints after a step, as if the process had been killed then.
pub fn undo_after(run: &Path, step: usize) {
    std::fs::remove_file(run.join("summary.json")).unwrap();
    for entry in std::fs::read_dir(run.join("checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.parse::<usize>().is_ok_and(|other| other > step) {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_finished_run_goes_on_for_more_epochs() {
    let (directory, before) = reference();
    let run = directory.path().join("reference");
    let old_summary = summary(&run);
    let output = extend(&directory, "reference", "4");
    expect_success(&output);
    let message = "this run now has 4 epochs instead of 3: the learning rate follows its schedule over all of them, and \
                   goes on at 1.63e-4 (the last step had 3.94e-6)";
    assert!(stderr(&output).contains(message), "{}", stderr(&output));
    let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log.contains(message));

    // What was there before is kept, and what was done is recorded.
    let after = Finished::read(&run);
    assert!(after.metrics.starts_with(&before.metrics));
    assert!(after.metrics.len() > before.metrics.len());
    assert_eq!(summary(&run)["steps"], 36);
    assert_eq!(json(&run.join("summary_of_3_epochs.json")), old_summary);
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("epochs = 4\n"), "{config}");
    let extensions = &json(&run.join("manifest.json"))["extensions"];
    assert_eq!(extensions.as_array().unwrap().len(), 1);
    assert_eq!(extensions[0]["from_epochs"], 3);
    assert_eq!(extensions[0]["to_epochs"], 4);

    // Killed after a checkpoint of the extended run, and before the first one.
    for step in [32, 27] {
        let again = format!("again_{step}");
        copy(&run, &directory.path().join(&again));
        undo_after(&directory.path().join(&again), step);
        expect_success(&resume(&directory, &again));
        assert_eq!(Finished::read(&directory.path().join(&again)), after);
    }

    // The same command again is no other extension.
    let output = extend(&directory, "reference", "4");
    expect_success(&output);
    assert!(stderr(&output).contains("reference is already finished"));
}

#[test]
fn with_a_constant_learning_rate_an_extended_run_equals_a_longer_one() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let schedule = "training.schedule={ kind = \"constant\" }";
    for (out, epochs) in [
        ("long", "training.epochs=2"),
        ("short", "training.epochs=1"),
    ] {
        let arguments = [
            "train", &config, "--output", out, "--set", schedule, "--set", epochs,
        ];
        expect_success(&run_program(directory.path(), &arguments));
    }
    expect_success(&extend(&directory, "short", "2"));
    let [long, short] = ["long", "short"].map(|out| {
        let run = directory.path().join(out);
        let checkpoint = ["model.bpk", "optimizer.bpk"]
            .map(|file| std::fs::read(run.join("checkpoints/18").join(file)).unwrap());
        let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        (checkpoint, metrics)
    });
    assert!(long.0 == short.0, "the checkpoints differ");
    assert_eq!(long.1, short.1);
}

#[test]
fn an_extension_that_was_killed_is_completed_by_the_same_command() {
    let (directory, _) = reference();
    let run = directory.path().join("reference");
    let [config, manifest] =
        ["config.toml", "manifest.json"].map(|name| std::fs::read(run.join(name)).unwrap());
    expect_success(&extend(&directory, "reference", "4"));
    let expected = Finished::read(&run);
    // Killed when the manifest was written, and the configuration was not.
    let (killed, _) = reference();
    let run = killed.path().join("reference");
    std::fs::write(run.join("config.toml"), config).unwrap();
    let mut recorded: Value = serde_json::from_slice(&manifest).unwrap();
    let done = json(&directory.path().join("reference/manifest.json"));
    recorded["extensions"] = done["extensions"].clone();
    std::fs::write(run.join("manifest.json"), recorded.to_string()).unwrap();
    // Without the option it is the run that it was.
    let output = resume(&killed, "reference");
    expect_success(&output);
    assert!(stderr(&output).contains("reference is already finished"));
    expect_success(&extend(&killed, "reference", "4"));
    assert_eq!(Finished::read(&run), expected);
    let extensions = &json(&run.join("manifest.json"))["extensions"];
    assert_eq!(extensions.as_array().unwrap().len(), 1);
}

#[test]
fn nothing_but_more_epochs_can_be_set() {
    let (directory, before) = reference();
    let refused = |set: &str, expected: &str| {
        let arguments = ["train", "--resume", "reference", "--set", set];
        assert_refused(directory.path(), &arguments, expected);
    };
    refused(
        "training.optimizer.lr=0.1",
        "`--set training.optimizer.lr=0.1`: a resumed run keeps its configuration, and only training.epochs can be \
         set, to train for more epochs; start a new run to change `training.optimizer.lr`",
    );
    refused(
        "training.epochs=2",
        "reference has 3 epochs, and a run can only be extended: training.epochs is 2, expected more than 3",
    );
    refused(
        "training.epochs=many",
        "expected a non-negative whole number",
    );
    assert_eq!(Finished::read(&directory.path().join("reference")), before);
}
