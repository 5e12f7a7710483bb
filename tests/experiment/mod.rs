//! Tests of studies: study files, cells, worker processes and results.

mod interruptions;
mod study_files;

use std::path::Path;

use burn_topology::Error;
use burn_topology::experiment::{Study, collect, write_report};
use serde_json::Value;

use crate::train::tiny_config;
use crate::util::{TestDir, io_kind, program, run_program};

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
    let (code, _, stderr) = run(&["study.toml", "--output", "pool"]);
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
    let (_, table, _) = run(&["status", "study.toml", "--output", "pool"]);
    assert_eq!(table.matches("finished").count(), 2, "{table}");
    assert!(
        table.contains("failed: ") && table.contains(reason),
        "{table}"
    );

    // A cell that was run by a scheduler.
    let (code, _, stderr) = run(&["study.toml", "--output", "single", "--cell", "2"]);
    assert_eq!(code, Some(1), "{stderr}");
    let (_, table, _) = run(&["status", "study.toml", "--output", "single"]);
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
        let (_, table, _) = run(&["status", "study.toml", "--output", "single"]);
        assert!(table.contains(expected), "{table}");
    }
}

#[test]
fn a_table_of_hyperparameters_stays_if_the_next_one_cannot_be_written() {
    let directory = TestDir::new();
    let root = directory.path();
    write(root, STUDY);
    let run = |arguments: &[&str]| {
        let all = [
            &["ablate"][..],
            arguments,
            &["study.toml", "--output", "out"],
        ]
        .concat();
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
            &["--output", "my images"][..],
            "burn-topology: my images: this directory has files that no earlier `ablate` wrote, such as cat.png; pass a \
             new one, as in my images/ablate, or pass --force to write into this one\n",
        ),
        #[cfg(not(feature = "cuda"))]
        (
            &["--device", "flex,cuda", "--output", "out"],
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
    let plan: Value = serde_json::from_str(&stdout(&["--json"])).unwrap();
    let cells = plan["cells"].as_array().unwrap();
    let seconds = cells.iter().map(|cell| cell["seconds"].as_f64().unwrap());
    assert!(cells.len() == 4 && seconds.clone().all(|seconds| seconds > 0.0));
    let total = plan["seconds"].as_f64().unwrap();
    assert!((seconds.sum::<f64>() - total).abs() < 1e-9, "{plan}");
    assert_eq!(cells[0]["variant"], "plain");
    let output = run(&["--device", "abacus"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
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
    let output = run_program(
        directory.path(),
        &["ablate", "study.toml", "--output", "out"],
    );
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
