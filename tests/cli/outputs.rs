//! Where commands write: only into directories that are new or their own, and only files that they made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::train::tiny_config;
use crate::util::{TestDir, in_own_mounts, refusal, run_program, succeeds};

/// Contents of all files under a directory, by path.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Trains a tiny model, and returns the commands that write a directory, each without its last argument, the directory.
fn commands(directory: &TestDir) -> Vec<(&'static str, Vec<&'static str>)> {
    let root = directory.path();
    let config = tiny_config(root, None);
    succeeds(root, &["train", &config, "--output", "run"]);
    let study = r#"
        question = "Does it matter?"
        base = "tiny.toml"
        seeds = [3]
        baseline = "plain"
        primary = ["test_accuracy"]
        [[arm]]
        name = "plain"
    "#;
    std::fs::write(root.join("study.toml"), study).unwrap();
    let analyze = ["analyze", "run", "--split", "test", "--n-samples"];
    let robustness = ["robustness", "run", "--n-samples", "4", "--epsilons", "0.1"];
    let steps = ["--pgd-steps", "1", "--pgd-starts", "1", "--output"];
    vec![
        ("analyze", [&analyze[..], &["1", "--output"]].concat()),
        ("robustness", [&robustness[..], &steps].concat()),
        ("weights", vec!["weights", "run", "--output"]),
        ("ablate", vec!["ablate", "study.toml", "--output"]),
    ]
}

#[test]
fn folders_of_the_user_are_refused_and_their_files_stay() {
    let directory = TestDir::new();
    let root = directory.path();
    for (name, command) in commands(&directory) {
        let folder = root.join("my images");
        std::fs::create_dir_all(folder.join("cats")).unwrap();
        std::fs::write(folder.join("cats/tom.png"), "mine").unwrap();
        std::fs::write(folder.join("dog.png"), "mine").unwrap();
        let before = contents(root);
        let arguments = [&command[..], &["my images"]].concat();
        let expected = format!(
            "burn-topology: my images: this directory has files that no earlier `{name}` wrote, such as cats/tom.png; pass \
             a new one, as in my images/{name}, or pass --force to write into this one"
        );
        assert_refused_at_the_end(root, &arguments, &expected);
        assert_eq!(contents(root), before, "{name}");
        // A file of the user at the place of a report.
        let new = ["report.html", "config.json"].map(|file| folder.join(file));
        for file in &new {
            std::fs::write(file, "mine").unwrap();
        }
        let arguments = [&arguments[..], &["--force"]].concat();
        succeeds(root, &arguments);
        let after = contents(root);
        let n_replaced = new.iter().filter(|file| after[*file] != b"mine").count();
        assert_eq!(n_replaced, 1, "{name}");
        for (file, bytes) in &before {
            assert!(after[file] == *bytes, "{name}: {}", file.display());
        }
        std::fs::remove_dir_all(&folder).unwrap();
        // Nothing is left beside it.
        let is_partial = |name: &String| name.ends_with(".partial");
        assert!(!directory.names().iter().any(is_partial));
    }
}

/// Asserts that a command ends with exit code 2, and that its last line on stderr is `expected`.
fn assert_refused_at_the_end(directory: &Path, arguments: &[&str], expected: &str) {
    let stderr = refusal(directory, arguments);
    assert_eq!(stderr.lines().last(), Some(expected));
}

#[test]
fn a_report_leaves_nothing_of_an_earlier_one_and_nobody_elses_is_replaced() {
    let directory = TestDir::new();
    let root = directory.path();
    let commands = commands(&directory);
    let (_, one_image) = &commands[0];
    let three_images: Vec<&str> = one_image
        .iter()
        .map(|argument| if *argument == "1" { "3" } else { argument })
        .collect();
    succeeds(root, &[&three_images[..], &["report"]].concat());
    assert!(root.join("report/matrices/2.npz").exists());
    std::fs::write(root.join("report/matrices/mine.npz"), "mine").unwrap();
    succeeds(root, &[&one_image[..], &["report"]].concat());
    let matrices = TestDir::names_in(&root.join("report/matrices"));
    assert_eq!(matrices, ["0.npz", "mine.npz"]);
    std::fs::remove_file(root.join("report/matrices/mine.npz")).unwrap();
    succeeds(root, &[&three_images[..], &["report"]].concat());
    succeeds(root, &[&one_image[..], &["report"]].concat());
    assert_eq!(TestDir::names_in(&root.join("report/matrices")), ["0.npz"]);
    let before = contents(root);
    for (name, command) in &commands[1..] {
        let expected = format!(
            "burn-topology: report: this directory has files that `analyze` wrote; pass a new one, as in report/{name}, \
             or pass --force to write into this one"
        );
        assert_refused_at_the_end(root, &[&command[..], &["report"]].concat(), &expected);
        assert_eq!(contents(root), before, "{name}");
    }
    succeeds(root, &["ablate", "study.toml", "--output", "study"]);
    let before = contents(root);
    for (_, command) in &commands[..3] {
        let expected = "burn-topology: study: this is the directory of a study; pass another directory, or a new one in it, \
                        as in study/report";
        assert_refused_at_the_end(
            root,
            &[&command[..], &["study", "--force"]].concat(),
            expected,
        );
        assert_eq!(contents(root), before);
    }
}

#[test]
fn commands_that_cannot_write_end_with_code_2_and_leave_the_earlier_files() {
    let directory = TestDir::new();
    let commands = commands(&directory);
    let mut script = "
        mkdir disk && mount -t tmpfs -o size=6m none disk
        "
    .to_owned();
    for (name, command) in &commands {
        let command = command.join(" ");
        script += &format!("$PROGRAM {command} disk/{name}\n");
    }
    // What the disk has no room for, then what it does not take at all.
    script += "find disk -type f | sort | xargs sha256sum > before; head -c 8000000 /dev/zero > disk/ballast || true\n";
    for (name, command) in &commands[..3] {
        let force = if *name == "weights" { " --force" } else { "" };
        let command = command.join(" ");
        script += &format!("$PROGRAM {command} disk/{name}{force} || echo {name} $?\n");
    }
    script +=
        "rm disk/ballast; find disk -type f | sort | xargs sha256sum > after; cmp before after
        mount -o remount,ro disk\n";
    for (name, command) in &commands {
        let force = if *name == "weights" { " --force" } else { "" };
        let command = command.join(" ");
        script += &format!("$PROGRAM {command} disk/{name}{force} || echo {name} $?\n");
        script += &format!("$PROGRAM {command} disk/new_{name} || echo {name} $?\n");
    }
    let Some(output) = in_own_mounts(directory.path(), &script) else {
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    for (name, _) in &commands {
        let codes: Vec<&str> = stdout
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .filter(|code| code.len() == 1)
            .collect();
        let n_attempts = if *name == "ablate" { 2 } else { 3 };
        assert_eq!(codes, vec!["2"; n_attempts], "{name}: {stdout}\n{stderr}");
    }
}

#[test]
fn files_are_not_written_to_stdout() {
    let directory = TestDir::new();
    let root = directory.path();
    for arguments in [
        &["persistence", "a.npy", "--output", "-"][..],
        &[
            "anomaly", "fit", "run", "--images", "a.png", "--output", "-",
        ],
        &["coherence", "run", "--output", "-"],
        &["robustness", "run", "--output", "-"],
        &["analyze", "run", "--split", "test", "--output", "-"],
        &["weights", "run", "--output", "-"],
        &["ablate", "study.toml", "--output", "-"],
        &["ablate", "collect", "study.toml", "--output", "-"],
        &["train", "a.toml", "--output", "-"],
    ] {
        let output = run_program(root, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.contains("files are not written to stdout"),
            "{stderr}"
        );
    }
    assert!(directory.names().is_empty());
}

#[test]
fn a_file_in_the_way_of_an_output_is_named() {
    let directory = TestDir::new();
    let root = directory.path();
    // Trains `run` and writes `study.toml`.
    commands(&directory);
    let other = ["--set", "run.seed=4", "--output", "other"];
    succeeds(root, &[&["train", "tiny.toml"], &other[..]].concat());
    std::fs::write(root.join("file"), "").unwrap();
    let expected = "file/x: cannot be written, since file is a file, expected a directory";
    for command in [
        "train tiny.toml",
        "train tiny.toml --find-lr",
        "evaluate run",
        "compare run other",
        "robustness run",
        "analyze run --split test",
        "anomaly fit run --split test --label 3",
        "weights run",
        "ablate study.toml",
        "ablate study.toml --launcher slurm",
        "config init digits",
        "persistence points.npy --input points --max-homology-dim 1",
        "coherence run --clips builtin",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--output", "file/x"]).collect();
        let before = directory.names();
        let stderr = refusal(root, &words);
        assert!(stderr.contains(expected), "{command}: {stderr}");
        assert_eq!(directory.names(), before, "{command}");
    }
}
