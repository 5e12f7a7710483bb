//! Files of a run that are removed while it trains, runs that begin again, and full disks.

use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use super::resume::stderr;
use super::{TINY, tiny_config};
use crate::util::{TestDir, in_own_mounts, program, run_program};

/// Starts a training that goes on until it is stopped.
fn start_long(directory: &Path) -> Child {
    let text =
        format!("{TINY}[checkpoint]\nevery_steps = 4\n").replace("epochs = 1", "epochs = 100000");
    std::fs::write(directory.join("long.toml"), text).unwrap();
    let mut command = program(directory, &["train", "long.toml", "--output", "run"]);
    let child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let child = child.unwrap();
    wait_for(|| directory.join("run/checkpoints/4").exists());
    child
}

fn wait_for(is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn stop(child: Child) -> Output {
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(sent.unwrap().success());
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn metrics_that_are_removed_while_a_run_trains_are_written_again() {
    let directory = TestDir::new();
    let child = start_long(directory.path());
    let metrics = directory.path().join("run/metrics.jsonl");
    std::fs::remove_file(&metrics).unwrap();
    wait_for(|| metrics.exists());
    let output = stop(child);
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    let message = "metrics.jsonl had been removed, and was written again";
    assert_eq!(stderr(&output).matches(message).count(), 1);
    let text = std::fs::read_to_string(metrics).unwrap();
    assert!(text.starts_with("{\"step\":1,"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_run_ends_without_writing_when_its_lock_was_removed() {
    let directory = TestDir::new();
    let child = start_long(directory.path());
    std::fs::remove_file(directory.path().join("run/lock")).unwrap();
    let output = child.wait_with_output().unwrap();
    let messages = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{messages}");
    let last = messages.lines().last().unwrap();
    assert!(
        last.starts_with(
            "burn-topology: run: the file `lock` was removed while the run was training"
        ),
        "{messages}"
    );
    assert!(!directory.path().join("run/lock").exists());
    // It goes on from its newest checkpoint.
    let newest = || {
        let names = TestDir::names_in(&directory.path().join("run/checkpoints"));
        names
            .iter()
            .filter_map(|name| name.parse::<usize>().ok())
            .max()
    };
    let last = newest();
    let resumed = program(directory.path(), &["train", "--resume", "run"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| newest() > last);
    assert_eq!(stop(resumed).status.code(), Some(75));
}

#[cfg(unix)]
#[test]
fn a_run_whose_configuration_was_removed_does_not_end_as_finished() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let arguments = [
        "train",
        &config,
        "--output",
        "run",
        "--set",
        "training.epochs=8",
    ];
    let child = program(directory.path(), &arguments)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let run = directory.path().join("run");
    let checkpoints = run.join("checkpoints");
    wait_for(|| std::fs::read_dir(&checkpoints).is_ok_and(|entries| entries.count() > 0));
    let kept = std::fs::read(run.join("config.toml")).unwrap();
    std::fs::remove_file(run.join("config.toml")).unwrap();
    let output = child.unwrap().wait_with_output().unwrap();
    let messages = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{messages}");
    assert!(!run.join("summary.json").exists());
    assert!(
        messages
            .contains("config.toml: this file was removed or changed while the run was training"),
        "{messages}"
    );
    std::fs::write(run.join("config.toml"), kept).unwrap();
    let output = run_program(directory.path(), &["train", "--resume", "run"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_run_that_ended_before_its_first_checkpoint_begins_again() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let train = |arguments: &[&str]| {
        run_program(
            directory.path(),
            &[&["train", &config][..], arguments].concat(),
        )
    };
    let diverging = [
        "--set",
        "training.optimizer.lr=1e30",
        "--set",
        "training.schedule={kind=\"constant\"}",
    ];
    for code in [1, 1] {
        let output = train(&[&["--output", "run"][..], &diverging].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    }
    let output = train(&["--output", "run/"]);
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    assert!(
        messages.contains(
            "run/: the earlier run here ended before its first checkpoint; starting it again"
        ),
        "{messages}"
    );
    // Now there is something to keep.
    let output = train(&["--output", "run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("already exists"));
    let output = train(&["--output", "run", "--numbered"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = train(&["--output", "run/", "--numbered"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(directory.names(), ["run", "run-2", "run-3", "tiny.toml"]);
}

#[test]
fn a_dry_run_leaves_nothing_and_creates_no_directory_for_temporary_files() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let dry_run = |temporary: &Path| {
        let arguments = ["train", &config, "--dry-run"];
        let mut command = program(directory.path(), &arguments);
        command.env("TMPDIR", temporary).output().unwrap()
    };
    let missing = directory.path().join("missing/temporary");
    let output = dry_run(&missing);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(
        message.contains("set TMPDIR to another one") && message.lines().count() == 1,
        "{message}"
    );
    assert_eq!(directory.names(), ["tiny.toml"]);
    let temporary = directory.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let output = dry_run(&temporary);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_disk_that_is_full_at_the_last_step_is_waited_for() {
    let directory = TestDir::new();
    tiny_config(directory.path(), None);
    // The only checkpoint is that of the end. Once the training waits, room is made.
    let script = "
        mkdir disk && mount -t tmpfs -o size=4m none disk
        head -c 4140000 /dev/zero > disk/ballast
        $PROGRAM train tiny.toml --output disk/run 2> messages &
        process=$!
        for _ in $(seq 600); do
            grep -q 'waiting for room on the disk' messages && break
            sleep 0.1
        done
        rm disk/ballast
        wait $process
        cp -r disk/run rescued
        rm -r disk/run
        $PROGRAM train tiny.toml --output reference
        cmp rescued/metrics.jsonl reference/metrics.jsonl
        head -c 4140000 /dev/zero > disk/ballast
        $PROGRAM train tiny.toml --output disk/other 2> stopped &
        process=$!
        for _ in $(seq 600); do
            grep -q 'waiting for room on the disk' stopped && break
            sleep 0.1
        done
        kill -TERM $process
        wait $process || echo code $?";
    let Some(output) = in_own_mounts(directory.path(), script) else {
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |file: &str| std::fs::read_to_string(directory.path().join(file)).unwrap();
    let messages = read("messages");
    let n_messages = messages
        .matches(
            "No space left on device (os error 28); waiting for room on the disk, up to 60 minutes",
        )
        .count();
    assert_eq!(n_messages, 1, "{messages}");
    assert!(directory.path().join("rescued/summary.json").is_file());
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.ends_with("code 2\n"), "{stdout} {}", read("stopped"));
}
