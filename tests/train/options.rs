//! Early stopping, averaged weights, optimisers and schedules: their effect, and resuming with them.

use std::path::Path;

use super::extension::undo_after;
use super::resume::{Finished, expect_success, resume, stderr, summary};
use super::tiny_config;
use crate::util::{TestDir, assert_refused, copy, run_program};

const SGD: &str =
    "training.optimizer={ kind = \"sgd\", lr = 0.1, weight_decay = 1e-4, nesterov = true }";
const LION: &str = "training.optimizer={ kind = \"lion\", lr = 3e-3, weight_decay = 0.1 }";

/// Settings of short runs: nine steps in an epoch, few images for the topology, a checkpoint every four steps.
const SHORT: [&str; 4] = [
    "training.batch_size=32",
    "training.samples_per_class=28",
    "logging.topology_images=16",
    "checkpoint={ every_steps = 4, keep_last = 20 }",
];

/// Trains the tiny configuration with overrides, with short epochs; returns standard output and error.
fn train(directory: &TestDir, out: &str, overrides: &[&str]) -> (String, String) {
    let config = tiny_config(directory.path(), None);
    let mut arguments = vec!["train", &config, "--output", out];
    for set in [&SHORT[..], overrides].concat() {
        arguments.extend(["--set", set]);
    }
    let output = run_program(directory.path(), &arguments);
    expect_success(&output);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    (stdout, stderr(&output))
}

/// Values of one name in the metrics of a run, by step.
fn logged(run: &Path, name: &str) -> Vec<f64> {
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["name"] == name)
        .map(|record| record["value"].as_f64().unwrap())
        .collect()
}

/// Asserts that a run that is resumed from each of these steps ends as it did.
fn assert_resumes(directory: &TestDir, run: &str, steps: &[usize]) {
    let expected = Finished::read(&directory.path().join(run));
    for step in steps {
        let killed = format!("{run}_killed_{step}");
        copy(&directory.path().join(run), &directory.path().join(&killed));
        undo_after(&directory.path().join(&killed), *step);
        let output = resume(directory, &killed);
        expect_success(&output);
        assert!(stderr(&output).contains(&format!("resuming from step {step}")));
        assert!(
            Finished::read(&directory.path().join(&killed)) == expected,
            "{run} resumed from step {step} ends differently"
        );
    }
}

#[test]
fn early_stopping_ends_training_and_is_resumed() {
    let directory = TestDir::new();
    // No accuracy is better than another by more than 1.
    let stopping = "training.early_stopping={ patience = 2, min_delta = 1.0 }";
    let (stdout, stderr) = train(&directory, "run", &["training.epochs=9", stopping]);
    let message = "early stopping after epoch 3 of 9: validation accuracy has not improved by more than 1 in the last \
                   2 epochs";
    assert!(stderr.contains(message), "{stderr}");
    assert!(
        stdout.contains("early stopping ended training after 3 epochs\n"),
        "{stdout}"
    );
    let run = directory.path().join("run");
    assert_eq!(summary(&run)["steps"], 27);
    assert_eq!(summary(&run)["stopped_after_epochs"], 3);
    // Within the second epoch, after it, and at the end.
    assert_resumes(&directory, "run", &[16, 18, 27]);
    // The count begins again when the run is extended.
    let arguments = ["train", "--resume", "run", "--set", "training.epochs=10"];
    expect_success(&run_program(directory.path(), &arguments));
    assert_eq!(summary(&run)["stopped_after_epochs"], 5);
    // Early stopping that has not acted changes nothing.
    let patient = "training.early_stopping={ patience = 5, metric = \"loss\" }";
    train(&directory, "patient", &["training.epochs=2", patient]);
    train(&directory, "absent", &["training.epochs=2"]);
    let [patient, absent] =
        ["patient", "absent"].map(|out| Finished::read(&directory.path().join(out)));
    assert!(patient == absent);
    let summary = summary(&directory.path().join("patient"));
    assert!(summary.get("stopped_after_epochs").is_none(), "{summary}");
}

#[test]
fn averaged_weights_are_validated_and_resumed() {
    let directory = TestDir::new();
    train(&directory, "plain", &["training.epochs=2"]);
    train(
        &directory,
        "averaged",
        &["training.epochs=2", "training.ema_decay=0.9"],
    );
    let [plain, averaged] = ["plain", "averaged"].map(|out| directory.path().join(out));
    // Training itself is the same; validation is not.
    assert_eq!(logged(&plain, "loss_task"), logged(&averaged, "loss_task"));
    let validation = |run: &Path| logged(run, "topology/mean_distance/layer00");
    assert_ne!(validation(&plain), validation(&averaged));
    let file =
        |run: &Path, name: &str| std::fs::read(run.join("checkpoints/18").join(name)).unwrap();
    assert!(file(&plain, "model.bpk") == file(&averaged, "unaveraged.bpk"));
    assert!(file(&plain, "model.bpk") != file(&averaged, "model.bpk"));
    assert!(!plain.join("checkpoints/18/unaveraged.bpk").exists());
    assert_resumes(&directory, "averaged", &[9, 12]);
    // `evaluate` uses the weights that were validated and tested.
    let evaluated = run_program(directory.path(), &["evaluate", "averaged"]);
    let accuracy = summary(&averaged)["test_accuracy"].as_f64().unwrap();
    let stdout = String::from_utf8_lossy(&evaluated.stdout).into_owned();
    assert!(
        stdout.starts_with(&format!("test: accuracy {accuracy:.4}, ")),
        "{stdout}"
    );
}

#[test]
fn every_optimiser_trains_and_is_resumed() {
    let directory = TestDir::new();
    let sgd_without_momentum = SGD
        .replace("nesterov = true", "momentum = 0.0")
        .replace("0.1", "0.5");
    for (name, optimizer) in [
        ("sgd", SGD),
        ("plain_sgd", &sgd_without_momentum),
        ("lion", LION),
    ] {
        train(&directory, name, &["training.epochs=2", optimizer]);
        let losses = logged(&directory.path().join(name), "loss_task");
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        assert!(
            mean(&losses[9..]) < mean(&losses[..9]),
            "{name}: {losses:?}"
        );
        assert_resumes(&directory, name, &[12]);
    }
}

#[test]
fn schedules_give_their_learning_rates() {
    let directory = TestDir::new();
    // Two epochs of nine steps, at a rate of 1e-3.
    let schedules = [
        (
            "linear",
            "{ kind = \"linear\", warmup_steps = 2 }",
            [(0, 5e-4), (1, 1e-3), (2, 1e-3), (10, 5e-4), (17, 6.25e-5)],
        ),
        (
            "step",
            "{ kind = \"step\", every_epochs = 1, factor = 0.1 }",
            [(0, 1e-3), (8, 1e-3), (9, 1e-4), (10, 1e-4), (17, 1e-4)],
        ),
        (
            "one_cycle",
            "{ kind = \"one_cycle\", rise = 0.0, start_divisor = 10.0, end_divisor = 10.0 }",
            [
                (0, 1e-3),
                (17, 1e-5),
                (1, 9.916e-4),
                (16, 1.843e-5),
                (8, 5.507e-4),
            ],
        ),
    ];
    for (name, schedule, expected) in schedules {
        let schedule = format!("training.schedule={schedule}");
        train(&directory, name, &["training.epochs=2", &schedule]);
        let rates = logged(&directory.path().join(name), "learning_rate");
        assert_eq!(rates.len(), 18);
        for (step, rate) in expected {
            let actual = rates[step];
            assert!(
                (actual - rate).abs() < 1e-3 * rate,
                "{name}, step {step}: {actual}"
            );
        }
    }
}

#[test]
fn one_thread_gives_the_same_results_and_is_recorded() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    for (out, threads) in [("one", "1"), ("three", "3")] {
        let arguments = ["train", &config, "--output", out, "--threads", threads];
        expect_success(&run_program(directory.path(), &arguments));
    }
    let [one, three] = ["one", "three"].map(|out| Finished::read(&directory.path().join(out)));
    assert!(one == three);
    let manifest = std::fs::read_to_string(directory.path().join("three/manifest.json")).unwrap();
    assert!(manifest.contains("\"threads\": 3"), "{manifest}");
    // The option may also stand before the command.
    let devices = run_program(directory.path(), &["--threads", "2", "devices"]);
    let stdout = String::from_utf8_lossy(&devices.stdout).into_owned();
    assert!(stdout.contains("2 threads"), "{stdout}");
    let refused = run_program(directory.path(), &["devices", "--threads", "0"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn augmented_and_mixed_runs_are_resumed() {
    let directory = TestDir::new();
    let augment = "training.augment={ shift = 1, flip = true, erasing_probability = 0.5, \
                   rand_augment = { n_operations = 2, magnitude = 5.0 }, \
                   color_jitter = { brightness = 0.4, contrast = 0.4 } }";
    let mixing = ["training.mixup_alpha=0.2", "training.cutmix_alpha=1.0"];
    train(
        &directory,
        "run",
        &["training.epochs=2", augment, mixing[0], mixing[1]],
    );
    assert_resumes(&directory, "run", &[12]);
    let losses = logged(&directory.path().join("run"), "loss_task");
    train(&directory, "plain", &["training.epochs=2"]);
    assert_ne!(losses, logged(&directory.path().join("plain"), "loss_task"));
    assert!(losses.iter().all(|loss| loss.is_finite()));
}

#[test]
fn a_learning_rate_is_found_and_nothing_is_left_but_the_page() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let small = "training.batch_size=8";
    let arguments = [
        "train",
        &config,
        "--set",
        small,
        "--find-lr",
        "--output",
        "lr.html",
    ];
    let output = run_program(directory.path(), &arguments);
    expect_success(&output);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = stdout.split("suggested training.optimizer.lr: ").nth(1);
    let rate: f64 = rate
        .unwrap_or_else(|| panic!("{stdout}"))
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    // The tiny model is trained at 1e-3; the range of the test is 1e-7 to 10.
    assert!((1e-5..1.0).contains(&rate), "{stdout}");
    assert!(stdout.contains("smoothed loss") && stdout.contains("the configuration has 1.0e-3"));
    assert_eq!(directory.names(), ["lr.html", "tiny.toml"]);
    let page = std::fs::read_to_string(directory.path().join("lr.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    for text in [
        "Loss while the learning rate grows",
        "suggestion: ",
        "configuration: 1.0e-3",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_refused(directory.path(), &arguments, "lr.html already exists");
}
