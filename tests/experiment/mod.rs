//! Tests of studies: study files, cells, worker processes and results.

use std::error::Error as _;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use burn_topology::Error;
use burn_topology::config::ConfigError;
use burn_topology::experiment::{Study, collect, write_report};
use serde_json::Value;

use crate::train::tiny_config;
use crate::util::{TestDir, in_own_mounts, io_kind, program, run_program};

const STUDY: &str = r#"
question = "Does it matter?"
base = "tiny.toml"
seeds = [0, 1]
baseline = "plain"
primary = ["test_accuracy"]
secondary = ["test_loss"]
margin = 0.5

[[arm]]
name = "plain"

[[arm]]
name = "slow"
set = ["training.optimizer.lr=1e-5"]
"#;

/// Writes a study file and its tiny base configuration.
fn write(directory: &Path, study: &str) {
    tiny_config(directory, None);
    std::fs::write(directory.join("study.toml"), study).unwrap();
}

/// Writes and reads a study.
fn read(directory: &Path, study: &str) -> Result<Study, Error> {
    write(directory, study);
    Study::read(&directory.join("study.toml"))
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
    let one_cell = ["--out", "one", "--cell", "0"];
    let processes: Vec<_> = (0..3).map(|_| start(&one_cell)).collect();
    processes.into_iter().for_each(finish);
    // A finished cell whose files are damaged is an error, and is not waited for.
    let cell = std::fs::read_dir(root.join("one/cells")).unwrap().next();
    std::fs::write(cell.unwrap().unwrap().path().join("summary.json"), "{").unwrap();
    let output = start(&one_cell).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let all = ["--out", "all", "--jobs", "2"];
    let processes: Vec<_> = (0..2).map(|_| start(&all)).collect();
    processes.into_iter().for_each(finish);
    let cells = std::fs::read_dir(root.join("all/cells")).unwrap();
    assert_eq!(cells.count(), 4);
}

#[test]
fn names_that_would_spoil_tables_or_paths_are_refused() {
    let directory = TestDir::new();
    for name in [
        "",
        " ",
        "a/b",
        "..",
        "a\\nb",
        "=1+2",
        "a|b",
        "\u{202e}abc",
        "@x",
    ] {
        let study = STUDY.replace("name = \"slow\"", &format!("name = \"{name}\""));
        let error = read(directory.path(), &study).unwrap_err().to_string();
        assert!(
            error.contains("study.toml:") && error.contains("name"),
            "{name}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let study = STUDY.replace("name = \"slow\"", "name = \"größer 2.0 (H0 + H1)\"");
    assert!(read(directory.path(), &study).is_ok());
}

#[test]
fn studies_of_a_billion_cells_are_refused_before_they_are_expanded() {
    let directory = TestDir::new();
    let levels: Vec<String> = (0..10).map(|level| format!("[{level}]")).collect();
    let factor = |k: usize| {
        format!(
            "\n[[factor]]\nname = \"f{k}\"\nkeys = [\"training.warmup{k}\"]\nlevels = [{}]\n",
            levels.join(", ")
        )
    };
    let factors: String = (0..9).map(factor).collect();
    let error = read(directory.path(), &format!("{STUDY}{factors}")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("make 4.000e9 cells, expected at most 100000"),
        "{error}"
    );
}

#[test]
fn factors_are_crossed_and_compared_at_their_own_level() {
    let directory = TestDir::new();
    let factors = r#"
[[factor]]
name = "size"
keys = ["training.batch_size", "training.epochs"]
levels = [[64, 1], [128, 2]]
names = ["small", "large"]

[[factor]]
name = "decay"
keys = ["training.optimizer.weight_decay"]
levels = [[0.0], [0.1], [0.2]]
arms = ["slow"]
"#;
    let study = read(directory.path(), &format!("{STUDY}{factors}")).unwrap();
    let names: Vec<&str> = study
        .variants
        .iter()
        .map(|variant| &*variant.name)
        .collect();
    assert_eq!(
        names[..3],
        [
            "plain size=small",
            "plain size=large",
            "slow decay=0.0 size=small"
        ]
    );
    assert_eq!(names.len(), 2 + 6);
    for variant in &study.variants[2..] {
        let baseline = &study.variants[variant.baseline.unwrap()];
        assert_eq!(baseline.arm, "plain");
        assert_eq!(baseline.levels["size"], variant.levels["size"]);
    }
    assert_eq!(study.cells.len(), 8 * 2);
    let cell = &study.cells[3];
    assert_eq!((cell.seed, cell.config.spec.seed), (1, 1));
    assert_eq!(cell.config.spec.training.epochs, 2);

    // The id of a cell is a digest of its configuration: an additional arm does not change the ids of the others.
    let arm = "[[arm]]\nname = \"plain\"\n";
    let more = format!("[[arm]]\nname = \"warm\"\nset = [\"training.optimizer.lr=0.1\"]\n\n{arm}");
    let with_more = read(directory.path(), &STUDY.replace(arm, &more)).unwrap();
    let ids =
        |study: &Study| -> Vec<String> { study.cells.iter().map(|cell| cell.id.clone()).collect() };
    let (before, after) = (
        ids(&read(directory.path(), STUDY).unwrap()),
        ids(&with_more),
    );
    assert_eq!(before[..], after[2..]);
}

#[test]
fn invalid_studies_give_one_sentence() {
    let directory = TestDir::new();
    let cases = [
        (
            STUDY.replace("seeds = [0, 1]", "seeds = []"),
            "`seeds`: is an empty list",
        ),
        (
            STUDY.replace("seeds = [0, 1]", "seeds = [0, 1, 0]"),
            "seed 0 is listed twice",
        ),
        (
            STUDY.replace("baseline = \"plain\"", "baseline = \"pain\""),
            "no arm is called `pain`, expected one of plain, slow",
        ),
        (
            STUDY.replace("name = \"slow\"", "name = \"plain\""),
            "two arms are called `plain`",
        ),
        (
            STUDY.replace("training.optimizer.lr=1e-5", "training.optimiser.lr=1e-5"),
            "unknown key",
        ),
        (
            STUDY.replace("set = [\"training.optimizer.lr=1e-5\"]", ""),
            "`plain` and `slow` have the same configuration with seed 0",
        ),
        (
            STUDY.replace("test_accuracy", "test_accuracies"),
            "no run logs `test_accuracies`, expected one of",
        ),
        (
            STUDY.replace("margin = 0.5", "margin = -1.0"),
            "expected a positive number",
        ),
        (STUDY.replace("question", "quest"), "unknown key `quest`"),
        (
            STUDY.replace("tiny.toml", "none.toml"),
            "none.toml: no such file",
        ),
        (
            format!("{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = []\n"),
            "`factor.0.levels`: is an empty list",
        ),
        (
            format!("{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1, 2]]\n"),
            "a level has 2 values, expected 1: one for each key",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1], [2]]\nnames = [\"x\"]\n"
            ),
            "`factor.0.names`: 1 name for 2 levels, expected a name for each level",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1], [2]]\nnames = [\"x\", \"x\"]\n"
            ),
            "two levels are called `x`",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"training.epochs\"]\nlevels = [[1], [2]]\narms = [\"plain\"]\n"
            ),
            "the baseline `plain` has 0 variants at the levels of `slow`",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1]]\narms = [\"who\"]\n"
            ),
            "no arm is called `who`",
        ),
    ];
    for (study, expected) in cases {
        let error = read(directory.path(), &study).unwrap_err();
        let is_missing = expected.ends_with("no such file");
        assert_eq!(error.is_file_error(), is_missing, "{error}");
        assert_eq!(error.is_invalid_format(), !is_missing, "{error}");
        let message = error.to_string();
        assert!(message.contains(expected), "{expected}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn errors_of_studies_keep_their_cause() {
    let directory = TestDir::new();
    let file = directory.path().join("study.toml");
    let error = Study::read(&file).unwrap_err();
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    assert_eq!(
        error.to_string(),
        format!("{}: no such file", file.display())
    );
    // The base of the study is missing.
    std::fs::write(&file, STUDY).unwrap();
    let error = Study::read(&file).unwrap_err();
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    assert!(error.to_string().starts_with("arm plain: "));
    let error = read(directory.path(), &STUDY.replace("[0, 1]", "[]")).unwrap_err();
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    let location = cause.map(ConfigError::location);
    assert_eq!(location, Some(&*format!("{}:4:1", file.display())));
    let study = read(directory.path(), STUDY).unwrap();
    assert!(
        study
            .find_cell("no-cell")
            .unwrap_err()
            .is_invalid_parameter()
    );
}

#[test]
fn results_that_cannot_be_written_are_errors_of_files() {
    let directory = TestDir::new();
    let study = read(directory.path(), STUDY).unwrap();
    let out = directory.path().join("out");
    let collected = collect(&study, &out).unwrap();
    // A file in place of the output directory.
    let out = directory.path().join("file");
    std::fs::write(&out, "").unwrap();
    let error = write_report(&study, &collected, &out, "", false).unwrap_err();
    assert!(error.is_file_error(), "{error}");
    assert!(io_kind(&error).is_some(), "{error}");
    assert!(
        error.to_string().contains(": cannot be written: "),
        "{error}"
    );
}

/// Returns the contents of `results.csv` and `summary.json`.
fn results(directory: &Path, out: &str) -> [String; 2] {
    ["results.csv", "summary.json"]
        .map(|name| std::fs::read_to_string(directory.join(out).join(name)).unwrap())
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
    let (code, table, stderr) = run(&["study.toml", "--out", "whole", "--jobs", "2"]);
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
            &["ablate", "study.toml", "--out", "killed", "--jobs", "2"],
        )
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
        sleep(Duration::from_millis(moment));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let (code, _, stderr) = run(&["study.toml", "--out", "killed", "--jobs", "2"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(results(root, "killed"), expected);
    let (_, table, _) = run(&["status", "study.toml", "--out", "killed"]);
    assert_eq!(table.matches("finished").count(), 4, "{table}");

    // Single cells, as a scheduler runs them: in any order, and one of them twice.
    for cell in ["2", "0", "3", "1", "0"] {
        let (code, _, stderr) = run(&["study.toml", "--out", "single", "--cell", cell]);
        assert_eq!(code, Some(0), "{stderr}");
    }
    let (code, _, stderr) = run(&["collect", "study.toml", "--out", "single"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(results(root, "single"), expected);
    let (code, _, stderr) = run(&["study.toml", "--out", "single", "--cell", "4"]);
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
        summary["metrics"]["test_accuracy"] = (0.9 + 0.08 * cell.seed as f64 + gain).into();
        std::fs::write(&path, summary.to_string()).unwrap();
    }
    let (code, table, stderr) = run(&["collect", "study.toml", "--out", "single"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(table.contains("[no interval]"), "{table}");
    let text = std::fs::read_to_string(root.join("single/report.md")).unwrap();
    assert!(text.contains(" 0.0100 [no interval] "), "{text}");
    let page = std::fs::read_to_string(root.join("single/report.html")).unwrap();
    assert!(page.contains("no interval") && !page.contains("[0.01"));
    assert!(page.contains("With 2 pairs of seeds, no p-value can be below 0.5"));
    let plot = std::fs::read_to_string(root.join("single/plots/test_accuracy.svg")).unwrap();
    assert!(plot.contains("0.010, no interval"), "{plot}");
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
    let (code, table, stderr) = run(&["collect", "study.toml", "--out", "nothing"]);
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

/// Arm whose loss becomes NaN at the second step.
const DIVERGING: &str = r#"
[[arm]]
name = "diverging"
set = ['training.optimizer.lr=1e30', 'training.schedule={ kind = "constant" }']
"#;

#[test]
fn failed_cells_are_shown_with_their_reason() {
    let directory = TestDir::new();
    let root = directory.path();
    let study = STUDY.replace("seeds = [0, 1]", "seeds = [0]") + DIVERGING;
    write(root, &study);
    let id = read(root, &study).unwrap().cells[2].id.clone();
    let run = |arguments: &[&str]| {
        let output = run_program(root, &[&["ablate"][..], arguments].concat());
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), out, err)
    };
    let reason = "became NaN at step 1 (epoch 1 of 1, learning rate 1.00e30); no checkpoint yet";
    let (code, _, stderr) = run(&["study.toml", "--out", "pool"]);
    assert_eq!(code, Some(1), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(
        last.starts_with("burn-topology: 1 of 3 cells failed"),
        "{last}"
    );
    // The name of the program is not repeated, and the log is named by its path.
    assert_eq!(last.matches("burn-topology").count(), 1, "{last}");
    assert!(
        last.contains(reason) && last.ends_with(&format!("; see pool/logs/{id}.txt")),
        "{last}"
    );
    let (_, table, _) = run(&["status", "study.toml", "--out", "pool"]);
    assert_eq!(table.matches("finished").count(), 2, "{table}");
    assert!(
        table.contains("failed: ") && table.contains(reason),
        "{table}"
    );

    // A cell that was run by a scheduler.
    let (code, _, stderr) = run(&["study.toml", "--out", "single", "--cell", "2"]);
    assert_eq!(code, Some(1), "{stderr}");
    let (_, table, _) = run(&["status", "study.toml", "--out", "single"]);
    assert_eq!(table.matches("not started").count(), 2, "{table}");
    assert!(
        table.contains("failed: ") && table.contains(reason),
        "{table}"
    );

    // A cell that was stopped has not failed, nor has one that was killed while it was resumed after a failure.
    let log = root.join("single/logs").join(format!("{id}.txt"));
    for (line, expected) in [
        (
            "burn-topology: stopped at step 3, with a checkpoint",
            " stopped ",
        ),
        ("started by `ablate --cell`", " stopped "),
        ("burn-topology: no space", " failed: no space "),
    ] {
        std::fs::write(&log, format!("burn-topology: earlier\n{line}\n")).unwrap();
        let (_, table, _) = run(&["status", "study.toml", "--out", "single"]);
        assert!(table.contains(expected), "{table}");
    }
}

#[test]
fn a_table_of_hyperparameters_stays_if_the_next_one_cannot_be_written() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let run = |arguments: &[&str]| {
        let all = [&["ablate"][..], arguments, &["study.toml", "--out", "out"]].concat();
        run_program(root, &all).status.code()
    };
    // Cells of two arms.
    assert_eq!(run(&["--cell", "0"]), Some(0));
    assert_eq!(run(&["collect"]), Some(0));
    assert_eq!(run(&["--cell", "2"]), Some(0));
    let row = |variant: &str| root.join("out/tensorboard").join(variant).join("seed0");
    assert!(row("plain").is_dir() && !row("slow").exists());
    // The table has a directory for each variant, and no directory can have a name of this length.
    let long = format!("name = \"{}\"", "slow".repeat(100));
    write(root, &STUDY.replace("name = \"slow\"", &long));
    assert_eq!(run(&["collect"]), Some(2));
    assert!(row("plain").is_dir(), "the earlier table was removed");
    write(root, STUDY);
    assert_eq!(run(&["collect"]), Some(0));
    assert!(row("plain").is_dir() && row("slow").is_dir());
    let n_events = || std::fs::read_dir(row("plain")).unwrap().count();
    assert_eq!(n_events(), 1, "those of earlier tables are removed");
    // Files of the user's own stay, and are not replaced.
    let notes = root.join("out/tensorboard/plain/notes.txt");
    std::fs::write(&notes, "mine").unwrap();
    assert_eq!(run(&["collect"]), Some(0));
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "mine");
    assert_eq!(n_events(), 1);
    let names = std::fs::read_dir(root.join("out")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    let is_partial = |name: &std::ffi::OsString| name.to_str().unwrap().ends_with(".partial");
    assert!(!names.iter().any(is_partial), "{names:?}");
    let list = root.join("out/written_by_burn_topology.json");
    std::fs::remove_file(list).unwrap();
    let page = std::fs::read(root.join("out/report.html")).unwrap();
    assert_eq!(run(&["collect"]), Some(2));
    assert!(page == std::fs::read(root.join("out/report.html")).unwrap());
    assert_eq!(run(&["collect", "--force"]), Some(0));
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "mine");
}

#[test]
fn studies_are_refused_before_any_cell_is_started() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    std::fs::create_dir(root.join("my images")).unwrap();
    std::fs::write(root.join("my images/cat.png"), "mine").unwrap();
    for (arguments, expected) in [
        (
            &["--out", "my images"][..],
            "burn-topology: my images: this directory has files that no earlier `ablate` wrote, such as cat.png; pass a \
             new one, as in my images/ablate, or pass --force to write into this one\n",
        ),
        #[cfg(not(feature = "cuda"))]
        (
            &["--device", "flex,cuda", "--out", "out"],
            "burn-topology: this program was built without the device `cuda`; build it with `--features cuda`\n",
        ),
    ] {
        let output = run_program(root, &[&["ablate", "study.toml"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    }
    assert!(!root.join("out").exists());
    assert_eq!(
        std::fs::read_dir(root.join("my images")).unwrap().count(),
        1
    );
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
        let arguments = ["ablate", "study.toml", "--out", "out", "--jobs", "2"];
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

#[test]
fn dry_runs_use_the_device_and_name_jobs_only_if_there_are_several() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let run = |arguments: &[&str]| {
        let start = ["ablate", "study.toml", "--dry-run"];
        run_program(root, &[&start[..], arguments].concat())
    };
    let stdout = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = stdout(&[]);
    assert!(
        text.ends_with(" of training steps one after another\n") && text.contains(" variant "),
        "{text}"
    );
    let text = stdout(&["--jobs", "2"]);
    assert!(
        text.ends_with(" with --jobs 2 if each has its own cores\n"),
        "{text}"
    );
    let output = run(&["--device", "abacus"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
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
    let output = run_program(root, &["ablate", "study.toml", "--out", "whole"]);
    assert!(output.status.success());
    let process = program(
        root,
        &["ablate", "study.toml", "--out", "killed", "--jobs", "2"],
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
    let output = run_program(root, &["ablate", "study.toml", "--out", "whole"]);
    assert!(output.status.success());
    let script = "
        mkdir disk && mount -t tmpfs -o size=4m none disk
        head -c 4060000 /dev/zero > disk/ballast
        # At the end of a cell, a full disk is waited for: after 30 seconds the study is stopped.
        for size in 4060000 3800000; do
            truncate -s $size disk/ballast
            timeout --preserve-status 30 $PROGRAM ablate study.toml --out disk/study --jobs 2 > /dev/null || echo code $?
        done
        rm disk/ballast
        mount -o remount,size=100m disk
        $PROGRAM ablate study.toml --out disk/study --jobs 2 >&2
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

#[test]
fn missing_slurm_and_misplaced_options_are_reported() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let refused = |arguments: &[&str], path: &str| {
        let output = program(root, arguments).env("PATH", path).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let stderr = refused(&["ablate", "study.toml", "--launcher", "slurm"], "/nowhere");
    assert!(
        stderr.contains("`scontrol` cannot be run") && stderr.lines().count() == 1,
        "{stderr}"
    );
    let stderr = refused(&["ablate", "study.toml", "--", "--time=5"], "/nowhere");
    assert!(
        stderr.contains("are passed to sbatch; use them with --launcher slurm only"),
        "{stderr}"
    );
    let two = [
        "ablate",
        "study.toml",
        "--launcher",
        "slurm",
        "--device",
        "flex,ndarray",
    ];
    assert!(refused(&two, "/nowhere").contains("expected one with --launcher slurm"));
}

#[test]
fn factor_plots_include_a_baseline_without_the_factor() {
    let directory = TestDir::new();
    let factor = r#"
[[factor]]
name = "rate"
keys = ["training.optimizer.lr"]
levels = [[1e-5], [1e-4]]
names = ["slower", "faster"]
arms = ["slow"]
"#;
    write(directory.path(), &format!("{STUDY}{factor}"));
    let output = run_program(directory.path(), &["ablate", "study.toml", "--out", "out"]);
    assert!(output.status.success());
    let plot = |name: &str| {
        let path = directory.path().join("out/plots").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let means = plot("test_accuracy_by_rate.svg");
    assert!(
        means.contains(">slower<") && means.contains(">faster<"),
        "{means}"
    );
    assert!(
        means.contains("plain: ") && means.contains("slow: "),
        "{means}"
    );
    let differences = plot("test_accuracy_by_rate_difference_from_baseline.svg");
    assert!(differences.contains("slow: ") && !differences.contains("plain: "));
}

#[test]
fn changes_of_an_arm_can_be_a_table() {
    let directory = TestDir::new();
    let penalty = r#"between = "layers", homology_dim = 0, normalize = "spanning_tree", penalty = { kind = "rtd_lite" }, weight = { kind = "fixed", value = 0.1 }"#;
    let list = STUDY.replace(
        "set = [\"training.optimizer.lr=1e-5\"]",
        &format!("set = [\"training.epochs=3\", 'training.schedule={{ kind = \"cosine\", warmup_steps = 2 }}', 'topology=[{{ {penalty} }}]']"),
    );
    let table = STUDY.replace(
        "set = [\"training.optimizer.lr=1e-5\"]",
        r#"[arm.set.training]
epochs = 3
schedule = { kind = "cosine", warmup_steps = 2 }

[[arm.set.topology]]
between = "layers"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "rtd_lite" }
weight = { kind = "fixed", value = 0.1 }
"#,
    );
    let ids = |study: &str| -> Vec<String> {
        let study = read(directory.path(), study).unwrap();
        study.cells.iter().map(|cell| cell.id.clone()).collect()
    };
    assert_eq!(ids(&table), ids(&list));
    let refusal = |set: &str| {
        let study = STUDY.replace("set = [\"training.optimizer.lr=1e-5\"]", set);
        read(directory.path(), &study).unwrap_err().to_string()
    };
    let misspelt = refusal("set = { training = { epoch = 3 } }");
    assert!(
        misspelt.contains("--set training.epoch=3: unknown key `epoch` in [training]"),
        "{misspelt}"
    );
    let entry = refusal("set = [1]");
    assert!(
        entry.contains("`arm.1.set.0`: expected a string, found integer 1"),
        "{entry}"
    );
    let word = refusal("set = \"training.epochs=3\"");
    assert!(
        word.contains("expected a list of changes as after --set, or a table of settings, found"),
        "{word}"
    );
}

#[test]
fn a_factor_addresses_a_penalty_by_name() {
    let directory = TestDir::new();
    let weight = r#"{ kind = "gradient_share", share = 0.1 }"#;
    tiny_config(directory.path(), Some(weight));
    let read_with_key = |key: &str| {
        let factor = format!(
            "\n[[factor]]\nname = \"share\"\nkeys = [\"{key}\"]\nlevels = [[0.2], [0.3]]\n"
        );
        let path = directory.path().join("study.toml");
        std::fs::write(&path, format!("{STUDY}{factor}")).unwrap();
        Study::read(&path)
    };
    let by_name = read_with_key("topology.h0_layers.weight.share").unwrap();
    let by_index = read_with_key("topology.0.weight.share").unwrap();
    let ids =
        |study: &Study| -> Vec<String> { study.cells.iter().map(|cell| cell.id.clone()).collect() };
    assert_eq!(ids(&by_name), ids(&by_index));
    let error = read_with_key("topology.h1_layers.weight.share").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no penalty is named `h1_layers`"), "{error}");
    assert!(
        error.contains("expected one of `h0_layers`, or an index"),
        "{error}"
    );
}

#[test]
fn arms_can_keep_what_pretraining_built() {
    let directory = TestDir::new();
    let arms = r#"
[[arm]]
name = "topology"
set = ["model.init_from=weights", '''topology=[{ between = "reference", homology_dim = 0, normalize = "spanning_tree", penalty = { kind = "wasserstein", order = 2.0, ground_norm = "infinity", power = "p" }, weight = { kind = "fixed", value = 1.0 } }]''']

[[arm]]
name = "all_distances"
set = ["model.init_from=weights", '''topology=[{ between = "reference", normalize = "spanning_tree", penalty = { kind = "distance_matrix", order = 2.0 }, weight = { kind = "fixed", value = 1.0 } }]''']

[[arm]]
name = "l2_sp"
set = ["model.init_from=weights", "training.optimizer.l2_sp=0.1"]
"#;
    let study = read(directory.path(), &format!("{STUDY}{arms}")).unwrap();
    let spec = |cell: usize| &study.cells[cell].config.spec;
    assert_eq!(spec(4).penalty_names(), ["h0_reference"]);
    assert_eq!(spec(6).penalty_names(), ["distance_matrix_reference"]);
    assert_eq!(spec(8).training.l2_sp, Some(0.1));
    let from_random = arms.replace("\"model.init_from=weights\", ", "");
    let error = read(directory.path(), &format!("{STUDY}{from_random}")).unwrap_err();
    assert!(error.to_string().contains("set model.init_from"), "{error}");
}
