//! Resuming: interrupted, killed and damaged runs end like an uninterrupted one.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::{PENALTY, TINY};
use crate::util::{TestDir, copy, in_own_mounts, program, run_program};

const SETTINGS: &str = "
[checkpoint]
every_steps = 4
keep_last = 4
[collapse]
fraction_of_peak = 0.5
";

/// Directory with a configuration of 27 steps, a checkpoint every four, and its finished reference run, which is
/// trained once for all tests.
pub fn reference() -> (TestDir, Finished) {
    static TRAINED: LazyLock<TestDir> = LazyLock::new(train_reference);
    let directory = TestDir::new();
    for name in ["tiny.toml", "reference"] {
        copy(&TRAINED.path().join(name), &directory.path().join(name));
    }
    let finished = Finished::read(&directory.path().join("reference"));
    (directory, finished)
}

/// Trains the reference run.
fn train_reference() -> TestDir {
    let directory = TestDir::new();
    let weight = "weight = { kind = \"gradient_share\", share = 0.1 }";
    let text = format!("{TINY}{SETTINGS}{PENALTY}{weight}\nschedule = {{ start_epoch = 1 }}\n");
    let text = text.replace("epochs = 1", "epochs = 3");
    std::fs::write(directory.path().join("tiny.toml"), text).unwrap();
    expect_success(&train(&directory, "reference"));
    directory
}

fn train(directory: &TestDir, out: &str) -> Output {
    run_program(directory.path(), &["train", "tiny.toml", "--output", out])
}

pub fn resume(directory: &TestDir, run: &str) -> Output {
    run_program(directory.path(), &["train", "--resume", run])
}

pub fn expect_success(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn summary(run: &Path) -> serde_json::Value {
    let bytes = std::fs::read(run.join("summary.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Results of a finished run that must not depend on interruptions.
#[derive(Debug, PartialEq)]
pub struct Finished {
    pub metrics: String,
    test_accuracy: f64,
    checkpoints: Vec<(String, Vec<u8>)>,
}

impl Finished {
    pub fn read(run: &Path) -> Self {
        let summary = summary(run);
        let mut checkpoints: Vec<_> = std::fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .filter(|(name, _)| name.parse::<usize>().is_ok())
            .map(|(name, path)| {
                let files = ["model.bpk", "optimizer.bpk"];
                let bytes = files.map(|file| std::fs::read(path.join(file)).unwrap());
                (name, bytes.concat())
            })
            .collect();
        checkpoints.sort();
        Self {
            metrics: std::fs::read_to_string(run.join("metrics.jsonl")).unwrap(),
            test_accuracy: summary["test_accuracy"].as_f64().unwrap(),
            checkpoints,
        }
    }
}

/// Starts a training, and sends it a signal once it has a checkpoint.
fn train_and_signal(directory: &TestDir, out: &str, signal: &str) -> Output {
    let child = program(directory.path(), &["train", "tiny.toml", "--output", out])
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

/// Waits until a path exists.
fn wait_for(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "no {path:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn interrupted_runs_end_like_uninterrupted_ones() {
    let (directory, expected) = reference();
    for (signal, code) in [("TERM", Some(75)), ("USR1", Some(75)), ("KILL", None)] {
        let output = train_and_signal(&directory, signal, signal);
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
    // A finished run is not changed, and its metrics are printed again.
    let before = std::fs::metadata(directory.path().join("TERM/metrics.jsonl")).unwrap();
    let again = resume(&directory, "TERM");
    expect_success(&again);
    assert!(stderr(&again).contains("TERM is already finished"));
    assert!(String::from_utf8_lossy(&again.stdout).starts_with("test accuracy "));
    let after = std::fs::metadata(directory.path().join("TERM/metrics.jsonl")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
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
    let messages = stderr(&output);
    let damaged = "checkpoint not used: reference/checkpoints/27/model.bpk has changed since it was written (its SHA-256 differs)";
    assert!(messages.contains(damaged), "{messages}");
    assert!(messages.contains("resuming from step 24"), "{messages}");
    assert_eq!(Finished::read(&run), expected);
    assert!(run.join("checkpoints/27.unusable").is_dir(), "set aside");
    let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log.contains(damaged));
}

#[test]
fn evaluation_reports_a_damaged_best_checkpoint() {
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
        let messages = stderr(&output);
        assert!(
            messages.starts_with(&format!(
                "checkpoint not used: {model} has changed since it was written"
            )),
            "{messages}"
        );
    }
}

#[test]
fn missing_files_are_recreated_or_reported() {
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
    let messages = stderr(&output);
    let last = messages.lines().last().unwrap();
    assert!(
        last.starts_with("burn-topology: reference/metrics.jsonl: No such file"),
        "{messages}"
    );
}

#[test]
fn a_truncated_log_falls_back_to_an_earlier_checkpoint() {
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
fn runs_that_cannot_be_resumed_give_one_clear_message() {
    let (directory, _) = reference();
    let run = directory.path().join("reference");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let assert_error = |expected: &str| {
        let output = resume(&directory, "reference");
        assert_eq!(output.status.code(), Some(2));
        let messages = stderr(&output);
        let last = messages.lines().last().unwrap();
        assert!(
            last.contains(expected),
            "\n  actual {messages}\nexpected {expected}"
        );
    };
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    std::fs::write(run.join("config.toml"), config.replace("0.001", "0.002")).unwrap();
    assert_error(
        "reference/checkpoints/27 was written with a configuration other than reference/config.toml: its line",
    );
    assert_error(
        "was `lr = 0.001` and is `lr = 0.002` now; restore the file, or start a new run with `--output DIR`",
    );
    // Commands that evaluate a run say the same.
    let evaluated = run_program(directory.path(), &["evaluate", "reference"]);
    assert_eq!(evaluated.status.code(), Some(2));
    let message = stderr(&evaluated);
    assert!(message.contains("`lr = 0.002` now; restore"), "{message}");
    std::fs::write(run.join("config.toml"), config).unwrap();

    let manifest = std::fs::read_to_string(run.join("manifest.json")).unwrap();
    let other_data = manifest.replacen("\"data_sha256\": \"", "\"data_sha256\": \"0", 1);
    std::fs::write(run.join("manifest.json"), other_data).unwrap();
    assert_error("the data set has changed since reference was started");
    std::fs::write(run.join("manifest.json"), manifest).unwrap();

    for checkpoint in std::fs::read_dir(run.join("checkpoints")).unwrap() {
        std::fs::write(checkpoint.unwrap().path().join("state.json"), "{").unwrap();
    }
    assert_error(
        "reference/checkpoints: no checkpoint can be used; start a new run in another directory with `--output DIR`",
    );

    let lock = std::fs::File::open(run.join("lock")).unwrap();
    lock.try_lock().unwrap();
    assert_error("reference: another process is training in this directory");
    drop(lock);
    let nothing = resume(&directory, "nowhere");
    assert_eq!(
        stderr(&nothing),
        "burn-topology: nowhere: no such run directory\n"
    );
}

#[test]
fn a_deleted_run_directory_stops_the_training() {
    let (directory, _) = reference();
    let child = program(
        directory.path(),
        &[
            "train",
            "tiny.toml",
            "--output",
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
    let messages = stderr(&output);
    let last = messages.lines().last().unwrap();
    assert!(last.starts_with("burn-topology: gone: the run directory no longer exists, so nothing more can be saved; stopped at step "), "{messages}");
    assert!(!run.exists(), "it must not be created again");
}

#[test]
fn a_full_disk_is_reported_once_and_training_continues() {
    let (directory, expected) = reference();
    // Training fills the disk; once there is room again, resuming must give the same results.
    let script = "
        mkdir disk && mount -t tmpfs -o size=4m none disk
        head -c 4060000 /dev/zero > disk/ballast
        $PROGRAM train tiny.toml --output disk/run 2> messages &
        process=$!
        for _ in $(seq 600); do
            grep -q 'waiting for room on the disk' messages && break
            sleep 0.1
        done
        kill -TERM $process
        wait $process || echo code $?
        cat messages >&2
        rm disk/ballast
        $PROGRAM train --resume disk/run >&2
        cp -r disk/run rescued";
    let Some(output) = in_own_mounts(directory.path(), script) else {
        return;
    };
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, "code 2\n", "{messages}");
    assert!(
        messages.contains("cannot write the checkpoint of step ")
            || messages.contains("metrics.jsonl cannot be written"),
        "{messages}"
    );
    assert!(messages.contains("No space left on device"), "{messages}");
    assert!(!messages.contains("panicked"), "{messages}");
    let n_reports = messages
        .matches("training continues, and tries again at the next checkpoint")
        .count();
    assert_eq!(n_reports, 1, "{messages}");
    let warnings = messages
        .matches("the TensorBoard event file cannot be written")
        .count();
    assert!(warnings <= 2, "once per process: {messages}");
    assert_eq!(Finished::read(&directory.path().join("rescued")), expected);
}

#[test]
fn a_read_only_directory_gives_one_clear_message() {
    let (directory, _) = reference();
    let script = "
        rm reference/summary.json
        mkdir disk && mount -t tmpfs none disk && cp -r reference disk/run && mount -o remount,ro disk
        $PROGRAM train tiny.toml --output disk/new || echo code $?
        $PROGRAM train --resume disk/run || echo code $?";
    let Some(output) = in_own_mounts(directory.path(), script) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "code 2\ncode 2\n");
    let messages = stderr(&output);
    let lines: Vec<&str> = messages.lines().collect();
    assert_eq!(
        lines,
        [
            "burn-topology: disk/new: cannot be written: Read-only file system (os error 30)",
            "burn-topology: cannot write in disk/run: Read-only file system (os error 30)",
        ]
    );
}
