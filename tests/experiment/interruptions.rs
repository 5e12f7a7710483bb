//! Studies whose processes are killed, or that several processes run, end like those that nothing happened to.

use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::{STUDY, read, write};
use crate::util::{TestDir, in_own_mounts, program, run_program};

/// Returns the contents of `results.csv` and `summary.json`.
fn results(directory: &Path, out: &str) -> [String; 2] {
    ["results.csv", "summary.json"]
        .map(|name| std::fs::read_to_string(directory.join(out).join(name)).unwrap())
}

#[test]
fn processes_that_run_one_study_at_once_all_succeed() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let start = |arguments: &[&str]| {
        let mut command = program(root, &[&["ablate", "study.toml"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let finish = |process: std::process::Child| {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let one_cell = ["--output", "one", "--cell", "0"];
    let processes: Vec<_> = (0..3).map(|_| start(&one_cell)).collect();
    processes.into_iter().for_each(finish);
    // A finished cell whose files are damaged is an error, and is not waited for.
    let cell = std::fs::read_dir(root.join("one/cells")).unwrap().next();
    std::fs::write(cell.unwrap().unwrap().path().join("summary.json"), "{").unwrap();
    let output = start(&one_cell).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let all = ["--output", "all", "--jobs", "2"];
    let processes: Vec<_> = (0..2).map(|_| start(&all)).collect();
    processes.into_iter().for_each(finish);
    let cells = std::fs::read_dir(root.join("all/cells")).unwrap();
    assert_eq!(cells.count(), 4);
}

#[test]
fn a_killed_study_gives_the_same_results() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = ["ablate"].iter().chain(arguments).copied().collect();
        let output = run_program(root, &all);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            stderr,
        )
    };
    let (code, table, stderr) = run(&["study.toml", "--output", "whole", "--jobs", "2"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        table.contains("4 of 4 cells finished") && table.contains("difference from the baseline"),
        "{table}"
    );
    let expected = results(root, "whole");
    assert!(expected[0].starts_with("cell,arm,seed,split,metric,value\n"));
    assert!(expected[0].contains(",plain,0,test,accuracy,"));

    // The parent process is killed three times. Its children outlive it and keep the locks of their cells.
    for moment in [300, 700, 1500] {
        let mut process = program(
            root,
            &["ablate", "study.toml", "--output", "killed", "--jobs", "2"],
        )
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
        sleep(Duration::from_millis(moment));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let (code, _, stderr) = run(&["study.toml", "--output", "killed", "--jobs", "2"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(results(root, "killed"), expected);
    let (_, table, _) = run(&["status", "study.toml", "--output", "killed"]);
    assert_eq!(table.matches("finished").count(), 4, "{table}");

    // Single cells, as a scheduler runs them: in any order, and one of them twice.
    for cell in ["2", "0", "3", "1", "0"] {
        let (code, _, stderr) = run(&["study.toml", "--output", "single", "--cell", cell]);
        assert_eq!(code, Some(0), "{stderr}");
    }
    let (code, _, stderr) = run(&["collect", "study.toml", "--output", "single"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(results(root, "single"), expected);
    // Nothing is left to run; the numbers are printed as JSON.
    let (code, text, stderr) = run(&["study.toml", "--output", "single", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(json(&text), json(&results(root, "single")[1]));
    let (code, _, stderr) = run(&["study.toml", "--output", "single", "--cell", "4"]);
    assert!(
        code == Some(2)
            && stderr.contains("there is no cell 4, expected a number from 0 to 3, or an id"),
        "{stderr}"
    );

    // The report of a study that was run cell by cell is complete; there is none of one without any cell.
    let page = std::fs::read_to_string(root.join("single/report.html")).unwrap();
    assert!(page.contains("Does it matter?") && page.contains("Training curves"));
    let text = std::fs::read_to_string(root.join("single/report.md")).unwrap();
    assert!(
        text.contains("4 of 4 cells") && text.contains("| slow | "),
        "{text}"
    );
    let plot = std::fs::read_to_string(root.join("single/plots/test_accuracy.svg")).unwrap();
    assert!(plot.contains("slow"));
    // Both seeds gain the same: there is no interval, which looks the same everywhere. Those of accuracies stay in 0 to 1.
    for cell in &read(root, STUDY).unwrap().cells {
        let path = root
            .join("single/cells")
            .join(&cell.id)
            .join("summary.json");
        let mut summary: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let gain = if cell.variant == 0 { 0.0 } else { 0.01 };
        summary["test_accuracy"] = (0.9 + 0.08 * cell.seed as f64 + gain).into();
        std::fs::write(&path, summary.to_string()).unwrap();
    }
    let (code, table, stderr) = run(&["collect", "study.toml", "--output", "single"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(table.contains("[no interval]"), "{table}");
    let text = std::fs::read_to_string(root.join("single/report.md")).unwrap();
    assert!(text.contains(" 0.0100 [no interval] "), "{text}");
    let page = std::fs::read_to_string(root.join("single/report.html")).unwrap();
    assert!(page.contains("no interval") && !page.contains("[0.01"));
    assert!(page.contains("With 2 pairs of seeds, no p-value can be below 0.5"));
    let plot = std::fs::read_to_string(root.join("single/plots/test_accuracy.svg")).unwrap();
    assert!(plot.contains("0.0100, no interval"), "{plot}");
    let summary = std::fs::read(root.join("single/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let arms = summary["metrics"][0]["arms"].as_array().unwrap();
    assert!(
        arms[1]["difference_from_baseline"]["interval"].is_null(),
        "{summary}"
    );
    for arm in arms {
        let ends: Vec<f64> = serde_json::from_value(arm["interval"].clone()).unwrap();
        assert!(0.0 < ends[0] && ends[1] < 1.0, "{ends:?}");
    }
    let (code, table, stderr) = run(&["collect", "study.toml", "--output", "nothing"]);
    assert_eq!((code, &*table), (Some(2), ""), "{stderr}");
    assert!(
        stderr.ends_with(
            "no cell of this study is finished in nothing, so there is nothing to collect; run the study with `ablate \
             study.toml`\n"
        ),
        "{stderr}"
    );
    assert!(!root.join("nothing").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn cells_that_a_killed_study_left_running_count_as_jobs() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let config = std::fs::read_to_string(root.join("tiny.toml")).unwrap();
    let config = config.replace("epochs = 1", "epochs = 100000");
    std::fs::write(root.join("tiny.toml"), config).unwrap();
    let start = || {
        let arguments = ["ablate", "study.toml", "--output", "out", "--jobs", "2"];
        let mut command = program(root, &arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let signal = |name: &str, process: u32| {
        let id = process.to_string();
        let sent = std::process::Command::new("kill")
            .args([name, &id])
            .status();
        assert!(sent.unwrap().success());
    };
    let wait_until = |is_true: &dyn Fn() -> bool| {
        for _ in 0..600 {
            if is_true() {
                return true;
            }
            sleep(Duration::from_millis(50));
        }
        false
    };
    let cells = root.join("out/cells");
    let n_trained = || {
        let cells = std::fs::read_dir(&cells).into_iter().flatten().flatten();
        let is_trained = |cell: &std::fs::DirEntry| {
            let checkpoints = std::fs::read_dir(cell.path().join("checkpoints"));
            checkpoints.is_ok_and(|entries| entries.count() > 0)
        };
        cells.filter(is_trained).count()
    };
    let mut first = start();
    assert!(wait_until(&|| n_trained() == 2));
    let orphans = children(first.id());
    assert_eq!(orphans.len(), 2);
    first.kill().unwrap();
    first.wait().unwrap();
    let second = start();
    sleep(Duration::from_secs(2));
    assert!(children(second.id()).is_empty(), "two cells run already");
    signal("-KILL", orphans[0]);
    assert!(wait_until(&|| children(second.id()).len() == 1));
    signal("-KILL", orphans[1]);
    assert!(wait_until(&|| children(second.id()).len() == 2));
    signal("-TERM", second.id());
    let output = second.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75));
}

/// Returns the child processes of a process that are still running.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The state and the parent's id follow the name, which is in brackets and may contain spaces.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let is_running = fields.next().is_some_and(|state| state != "Z");
        is_running && fields.next() == Some(&parent.to_string())
    };
    ids.filter(is_child).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn killed_workers_do_not_change_the_results() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let output = run_program(root, &["ablate", "study.toml", "--output", "whole"]);
    assert!(output.status.success());
    let process = program(
        root,
        &["ablate", "study.toml", "--output", "killed", "--jobs", "2"],
    )
    .stderr(std::process::Stdio::piped())
    .stdout(std::process::Stdio::null())
    .spawn()
    .unwrap();
    // A cell is resumed after each of up to three kills, so three kills are survived whichever processes they hit.
    let mut n_kills = 0;
    // Random moments, so that repeated test runs cover different phases of a run.
    let clock = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    for n in 0..3 {
        let moment = 150 + (clock.subsec_nanos() as u64 / 7 + 311 * n) % 400;
        sleep(Duration::from_millis(moment));
        if let Some(child) = children(process.id()).first() {
            let killed = std::process::Command::new("kill")
                .args(["-KILL", &child.to_string()])
                .status();
            n_kills += usize::from(killed.unwrap().success());
        }
    }
    assert!(n_kills > 0);
    let output = process.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(
        stderr
            .matches("was killed; resuming it from its checkpoint")
            .count(),
        n_kills,
        "{stderr}"
    );
    assert_eq!(results(root, "killed"), results(root, "whole"));
}

#[test]
fn a_full_disk_does_not_change_the_results() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let output = run_program(root, &["ablate", "study.toml", "--output", "whole"]);
    assert!(output.status.success());
    let script = "
        mkdir disk && mount -t tmpfs -o size=4m none disk
        head -c 4060000 /dev/zero > disk/ballast
        # At the end of a cell, a full disk is waited for: after 30 seconds the study is stopped.
        for size in 4060000 3800000; do
            truncate -s $size disk/ballast
            timeout --preserve-status 30 $PROGRAM ablate study.toml --output disk/study --jobs 2 > /dev/null || echo code $?
        done
        rm disk/ballast
        mount -o remount,size=100m disk
        $PROGRAM ablate study.toml --output disk/study --jobs 2 >&2
        cp -r disk/study rescued";
    let Some(output) = in_own_mounts(root, script) else {
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let codes: Vec<&str> = stdout.lines().collect();
    assert!(!codes.is_empty(), "{stdout} {stderr}");
    assert!(
        codes
            .iter()
            .all(|code| ["code 1", "code 2", "code 75"].contains(code)),
        "{stdout} {stderr}"
    );
    assert!(
        stderr.contains("No space left on device") && !stderr.contains("panicked"),
        "{stderr}"
    );
    assert_eq!(results(root, "rescued"), results(root, "whole"));
}
