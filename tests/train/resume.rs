//! Runs that are stopped, damaged and taken up again.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::{PENALTY, TINY};
use crate::util::{TestDir, in_own_mounts, program, run_program};

const SETTINGS: &str = "
[checkpoint]
every_steps = 4
keep_last = 4
[collapse]
fraction_of_peak = 0.5
";

/// A configuration of 27 steps with a checkpoint every four, and its reference run, trained once
/// for all tests.
fn reference() -> (TestDir, Finished) {
    static TRAINED: LazyLock<TestDir> = LazyLock::new(trained);
    let directory = TestDir::new();
    for name in ["tiny.toml", "reference"] {
        copy(&TRAINED.path().join(name), &directory.path().join(name));
    }
    let finished = Finished::read(&directory.path().join("reference"));
    (directory, finished)
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn trained() -> TestDir {
    let directory = TestDir::new();
    let weight = "weight = { kind = \"gradient_share\", share = 0.1 }";
    let text = format!("{TINY}{SETTINGS}{PENALTY}{weight}\nschedule = {{ start_epoch = 1 }}\n");
    let text = text.replace("epochs = 1", "epochs = 3");
    std::fs::write(directory.path().join("tiny.toml"), text).unwrap();
    expect_success(&train(&directory, "reference"));
    directory
}

fn train(directory: &TestDir, out: &str) -> Output {
    run_program(directory.path(), &["train", "tiny.toml", "--out", out])
}

fn resume(directory: &TestDir, run: &str) -> Output {
    run_program(directory.path(), &["train", "--resume", run])
}

fn expect_success(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn summary(run: &Path) -> serde_json::Value {
    let bytes = std::fs::read(run.join("summary.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// What a run must end with, however it came there.
#[derive(Debug, PartialEq)]
struct Finished {
    metrics: String,
    test_accuracy: f64,
    checkpoints: Vec<(String, Vec<u8>)>,
}

impl Finished {
    fn read(run: &Path) -> Self {
        let summary = summary(run);
        let mut checkpoints: Vec<_> = std::fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .filter(|(name, _)| name.parse::<usize>().is_ok())
            .map(|(name, path)| (name, std::fs::read(path.join("model.bpk")).unwrap()))
            .collect();
        checkpoints.sort();
        Self {
            metrics: std::fs::read_to_string(run.join("metrics.jsonl")).unwrap(),
            test_accuracy: summary["test_accuracy"].as_f64().unwrap(),
            checkpoints,
        }
    }
}

/// Starts a training and sends it a signal once it has checkpoints.
fn stopped(directory: &TestDir, out: &str, signal: &str) -> Output {
    let child = program(directory.path(), &["train", "tiny.toml", "--out", out])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&directory.path().join(out).join("checkpoints/4"));
    let signalled = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status();
    assert!(signalled.unwrap().success());
    child.wait_with_output().unwrap()
}

fn wait_for(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "no {path:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_that_was_stopped_ends_like_one_that_was_not() {
    let (directory, expected) = reference();
    for (signal, code) in [("TERM", Some(75)), ("USR1", Some(75)), ("KILL", None)] {
        let output = stopped(&directory, signal, signal);
        assert_eq!(output.status.code(), code, "{}", stderr(&output));
        if code.is_some() {
            let message = stderr(&output);
            let last = message.lines().last().unwrap();
            assert!(
                last.starts_with("burn-topology: stopped at step "),
                "{last}"
            );
            assert!(
                last.ends_with(&format!("`train --resume {signal}`")),
                "{last}"
            );
        }
        assert!(!directory.path().join(signal).join("summary.json").exists());
        expect_success(&resume(&directory, signal));
        assert_eq!(Finished::read(&directory.path().join(signal)), expected);
    }
    // A finished run is left alone and told again.
    let before = std::fs::metadata(directory.path().join("TERM/metrics.jsonl")).unwrap();
    let again = resume(&directory, "TERM");
    expect_success(&again);
    assert!(stderr(&again).contains("TERM is finished, nothing is left to do"));
    assert!(String::from_utf8_lossy(&again.stdout).starts_with("test accuracy "));
    let after = std::fs::metadata(directory.path().join("TERM/metrics.jsonl")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn a_damaged_newest_checkpoint_falls_back_to_the_one_before() {
    let (directory, expected) = reference();
    let run = directory.path().join("reference");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let model = run.join("checkpoints/27/model.bpk");
    let mut bytes = std::fs::read(&model).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    let output = resume(&directory, "reference");
    expect_success(&output);
    let told = stderr(&output);
    let damaged = "checkpoint not used: reference/checkpoints/27/model.bpk is not what was written (its SHA-256 differs)";
    assert!(told.contains(damaged), "{told}");
    assert!(told.contains("going on from step 24"), "{told}");
    assert_eq!(Finished::read(&run), expected);
    assert!(run.join("checkpoints/27.unusable").is_dir(), "set aside");
    let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log.contains(damaged));
}

#[test]
fn a_damaged_best_checkpoint_is_told_of_when_evaluating() {
    let (directory, _) = reference();
    let best = summary(&directory.path().join("reference"))["best_step"].clone();
    let model = format!("reference/checkpoints/{best}/model.bpk");
    std::fs::write(directory.path().join(&model), "x").unwrap();
    for command in [
        &["evaluate", "reference"][..],
        &["predict", "reference", "--split", "test"],
    ] {
        let output = run_program(directory.path(), command);
        expect_success(&output);
        let told = stderr(&output);
        assert!(
            told.starts_with(&format!("checkpoint not used: {model} is not what")),
            "{told}"
        );
    }
}

#[test]
fn missing_files_are_made_anew_or_named() {
    let (directory, expected) = reference();
    let run = directory.path().join("reference");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    std::fs::remove_file(run.join("log.txt")).unwrap();
    std::fs::remove_dir_all(run.join("tensorboard")).unwrap();
    expect_success(&resume(&directory, "reference/"));
    assert_eq!(Finished::read(&run), expected);
    assert!(run.join("log.txt").is_file() && run.join("tensorboard").is_dir());
    std::fs::remove_file(run.join("summary.json")).unwrap();
    std::fs::remove_file(run.join("metrics.jsonl")).unwrap();
    let output = resume(&directory, "reference");
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    let last = told.lines().last().unwrap();
    assert!(
        last.starts_with("burn-topology: reference/metrics.jsonl: No such file"),
        "{told}"
    );
}

#[test]
fn lines_that_were_lost_fall_back_too() {
    let (directory, expected) = reference();
    let run = directory.path().join("reference");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let metrics = run.join("metrics.jsonl");
    let length = std::fs::metadata(&metrics).unwrap().len();
    let file = std::fs::File::options().write(true).open(&metrics).unwrap();
    file.set_len(length - 10).unwrap();
    let output = resume(&directory, "reference");
    expect_success(&output);
    assert!(
        stderr(&output).contains("metrics.jsonl has "),
        "{}",
        stderr(&output)
    );
    assert_eq!(Finished::read(&run), expected);
}

#[test]
fn what_cannot_be_resumed_is_refused_with_one_sentence() {
    let (directory, _) = reference();
    let run = directory.path().join("reference");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let refused = |expected: &str| {
        let output = resume(&directory, "reference");
        assert_eq!(output.status.code(), Some(2));
        let told = stderr(&output);
        let last = told.lines().last().unwrap();
        assert!(
            last.contains(expected),
            "\n   found {told}\nexpected {expected}"
        );
    };
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    std::fs::write(run.join("config.toml"), config.replace("0.001", "0.002")).unwrap();
    refused(
        "reference/checkpoints/27 was taken under another configuration than reference/config.toml, expected the same; put the file back, or train anew with `--out DIR`",
    );
    std::fs::write(run.join("config.toml"), config).unwrap();

    let manifest = std::fs::read_to_string(run.join("manifest.json")).unwrap();
    let other_data = manifest.replacen("\"data_sha256\": \"", "\"data_sha256\": \"0", 1);
    std::fs::write(run.join("manifest.json"), other_data).unwrap();
    refused("the data set is not the one that reference was begun with");
    std::fs::write(run.join("manifest.json"), manifest).unwrap();

    for checkpoint in std::fs::read_dir(run.join("checkpoints")).unwrap() {
        std::fs::write(checkpoint.unwrap().path().join("state.json"), "{").unwrap();
    }
    refused(
        "reference/checkpoints: no checkpoint can be used; start over in another directory with `--out DIR`",
    );

    let lock = std::fs::File::open(run.join("lock")).unwrap();
    lock.try_lock().unwrap();
    refused("reference: another process is training in this directory");
    drop(lock);
    let nothing = resume(&directory, "nowhere");
    assert_eq!(
        stderr(&nothing),
        "burn-topology: nowhere: no such run directory\n"
    );
}

#[test]
fn a_run_directory_that_goes_away_stops_the_training() {
    let (directory, _) = reference();
    let child = program(
        directory.path(),
        &[
            "train",
            "tiny.toml",
            "--out",
            "gone",
            "--set",
            "training.epochs=400",
        ],
    )
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let run = directory.path().join("gone");
    wait_for(&run.join("checkpoints/4"));
    std::fs::rename(&run, directory.path().join("elsewhere")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("burn-topology: gone: the run directory is gone, so nothing more can be kept; stopped at step "), "{told}");
    assert!(!run.exists(), "it must not be made anew");
}

#[test]
fn a_full_disk_is_told_once_and_training_goes_on_until_there_is_room() {
    let (directory, expected) = reference();
    // Training fills the disk; the results are looked at once there is room again.
    let script = "
        mkdir disk && mount -t tmpfs -o size=4m none disk
        head -c 4060000 /dev/zero > disk/ballast
        $PROGRAM train tiny.toml --out disk/run || echo code $?
        rm disk/ballast
        $PROGRAM train --resume disk/run >&2
        cp -r disk/run rescued";
    let Some(output) = in_own_mounts(directory.path(), script) else {
        return;
    };
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shown, "code 2\n", "{told}");
    assert!(
        told.contains("cannot write the checkpoint of step ")
            || told.contains("metrics.jsonl cannot be written"),
        "{told}"
    );
    assert!(told.contains("No space left on device"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    let n_told = told.matches("training goes on, and tries again").count();
    assert_eq!(n_told, 1, "{told}");
    let warnings = told
        .matches("the TensorBoard event file cannot be written")
        .count();
    assert!(warnings <= 2, "once a process: {told}");
    assert_eq!(Finished::read(&directory.path().join("rescued")), expected);
}

#[test]
fn a_read_only_directory_is_refused_with_one_sentence() {
    let (directory, _) = reference();
    let script = "
        rm reference/summary.json
        mkdir disk && mount -t tmpfs none disk && cp -r reference disk/run && mount -o remount,ro disk
        $PROGRAM train tiny.toml --out disk/new || echo code $?
        $PROGRAM train --resume disk/run || echo code $?";
    let Some(output) = in_own_mounts(directory.path(), script) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "code 2\ncode 2\n");
    let told = stderr(&output);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "burn-topology: cannot make the run directory disk/new: Read-only file system (os error 30)",
            "burn-topology: cannot write in disk/run: Read-only file system (os error 30)",
        ]
    );
}
