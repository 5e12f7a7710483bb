//! `config`: all problems in one answer, files to start from, several files, standard input, studies, absurd sizes.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use crate::util::{TestDir, program, refusal, succeeds};

/// Standard error of a command that must fail with exit code 2.
fn refused(directory: &TestDir, arguments: &[&str]) -> String {
    refusal(directory.path(), arguments)
}

/// Standard output of a command that must succeed.
fn printed(directory: &TestDir, arguments: &[&str]) -> String {
    succeeds(directory.path(), arguments).0
}

/// Runs a command with a text on its standard input.
fn with_input(directory: &TestDir, arguments: &[&str], text: &str) -> Output {
    let mut child = program(directory.path(), arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

/// Writes images of two classes into `train` and `test`, and into `val` if asked for.
fn write_images(folder: &Path, splits: &[&str]) {
    for split in splits {
        for class in ["circle", "two rings"] {
            let class_folder = folder.join(split).join(class);
            std::fs::create_dir_all(&class_folder).unwrap();
            for index in 0..6_u8 {
                let pixel = |x: u32, y: u32| image::Luma([(x * 3 + y * 5) as u8 ^ index]);
                let image = image::GrayImage::from_fn(20, 20, pixel);
                image
                    .save(class_folder.join(format!("{index}.png")))
                    .unwrap();
            }
        }
    }
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let directory = TestDir::new();
    let text = r#"[run]
nme = "a"

[data]
kind = "digits"

[model]
kind = "vit"
n_layers = "two"
patch_size = 2

[training]
epochs = 3
optimizer = { kind = "adamw", lr = 1e-3, weight_decays = 0.1 }

[[topology]]
between = "layer"
weight = 0.1
"#;
    std::fs::write(directory.path().join("a.toml"), text).unwrap();
    let expected = [
        "burn-topology: a.toml:2:1: unknown key `nme` in [run] (did you mean `name`?); expected one of `name`, `seed`",
        "a.toml:7:1: missing keys in [model], here with usual values: `d_model = 64`, `n_heads = 4`",
        "a.toml:9:1: `model.n_layers`: expected a non-negative whole number, found string \"two\"",
        "a.toml:12:1: missing key `batch_size` in [training], for example `batch_size = 64`",
        "a.toml:14:42: unknown key `weight_decays` in [training.optimizer] (did you mean `weight_decay`?); expected one of \
         `lr`, `weight_decay`, `l2_sp`, `layer_decay`",
        "a.toml:16:1: missing key `homology_dim` in [[topology]], for example `homology_dim = 1`",
        "a.toml:17:1: unknown value `layer` for `topology.0.between` (did you mean `layers`?); expected one of `layers`, \
         `frames`, `views`, `reference`, `truth`, `change`, `volume`",
    ];
    for command in [&["config", "check", "a.toml"][..], &["train", "a.toml"]] {
        let message = refused(&directory, command);
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines, expected, "{message}");
    }
    assert_eq!(directory.names(), ["a.toml"]);
}

#[test]
fn values_that_do_not_fit_are_told_at_once_too() {
    let directory = TestDir::new();
    let digits = printed(&directory, &["config", "init", "digits"]);
    let wrong = digits
        .replace("n_heads = 4", "n_heads = 5")
        .replace("patch_size = 2", "patch_size = 3")
        .replace("epochs = 40", "epochs = 0")
        .replace("lr = 2e-3", "lr = -1.0");
    std::fs::write(directory.path().join("a.toml"), wrong).unwrap();
    let message = refused(&directory, &["config", "check", "a.toml"]);
    assert_eq!(message.lines().count(), 4, "{message}");
    for key in [
        "model.n_heads",
        "model.patch_size",
        "training.epochs",
        "training.optimizer.lr",
    ] {
        assert!(message.contains(&format!("`{key}`: ")), "{message}");
    }
}

#[test]
fn an_empty_table_is_answered_with_all_that_it_needs() {
    let directory = TestDir::new();
    std::fs::write(directory.path().join("a.toml"), "[data]\n").unwrap();
    let message = refused(&directory, &["config", "check", "a.toml"]);
    assert!(message.lines().count() == 2, "{message}");
    for part in [
        "missing key `kind` in [data], expected one of `digits`, `mnist`",
        "missing keys at the top level",
        "`run = { name = \"my_run\" }`",
        "epochs = 100, batch_size = 64",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_file_that_is_no_configuration_has_a_short_answer() {
    let directory = TestDir::new();
    let many: String = (0..2000).map(|n| format!("key{n} = {n}\n")).collect();
    std::fs::write(directory.path().join("a.toml"), many).unwrap();
    let message = refused(&directory, &["config", "check", "a.toml"]);
    assert_eq!(message.lines().count(), 13, "{message}");
    assert!(message.contains("\nand more problems"), "{message}");
}

#[test]
fn every_file_to_start_from_is_valid() {
    let directory = TestDir::new();
    write_images(
        &directory.path().join("my images"),
        &["train", "val", "test"],
    );
    write_images(&directory.path().join("no val"), &["train", "test"]);
    for kind in ["digits", "image_folder", "clips", "finetune", "study"] {
        let file = format!("{kind}.toml");
        let init = ["config", "init", kind, "--output", &file];
        assert_eq!(printed(&directory, &init), "");
        let again = refused(&directory, &init);
        assert!(again.contains("already exists; pass --force"), "{again}");
        printed(&directory, &[&init[..], &["--force"]].concat());
        let checked = printed(&directory, &["config", "check", &file]);
        assert!(checked.starts_with(&format!("{file}: valid")), "{checked}");
        let text = std::fs::read_to_string(directory.path().join(&file)).unwrap();
        assert_eq!(text, printed(&directory, &["config", "init", kind]));
        assert!(!text.contains('@'), "{text}");
    }
    for (kind, folder, set) in [
        ("image_folder", "my images", "# validation_fraction"),
        ("clips", "no val", "\nvalidation_fraction"),
        ("finetune", "my images", "# validation_fraction"),
    ] {
        let text = printed(&directory, &["config", "init", kind, folder]);
        assert!(text.contains("n_classes = 2 "), "{text}");
        assert!(text.contains(&format!("path = \"{folder}\"")), "{text}");
        assert!(text.contains(set), "{text}");
    }
    let message = refused(
        &directory,
        &["config", "init", "image_folder", "digits.toml"],
    );
    assert!(message.contains("digits.toml/train"), "{message}");
    let message = refused(&directory, &["config", "init", "digits", "my images"]);
    assert!(
        message.contains("config init image_folder my images"),
        "{message}"
    );
    let message = refused(&directory, &["config", "init", "study", "none.toml"]);
    assert!(message.contains("none.toml: no such file"), "{message}");
}

#[test]
fn files_to_start_from_train() {
    let directory = TestDir::new();
    write_images(&directory.path().join("images"), &["train", "test"]);
    for (kind, path) in [("digits", None), ("image_folder", Some("images"))] {
        let file = format!("{kind}.toml");
        let init: Vec<&str> = ["config", "init", kind, "--output", &file]
            .into_iter()
            .chain(path)
            .collect();
        printed(&directory, &init);
        let small = [
            "--set",
            "training.batch_size=4",
            "--set",
            "model.n_layers=2",
        ];
        let dry_run = [&["train", &file, "--dry-run"][..], &small].concat();
        let overview = printed(&directory, &dry_run);
        assert!(overview.contains("h0_layers"), "{overview}");
    }
    // The folders are counted where the file leaves n_classes out, and the run has the number.
    let file = directory.path().join("image_folder.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("n_classes"))
        .unwrap();
    std::fs::write(&file, text.replace(line, "")).unwrap();
    let resolved = printed(&directory, &["config", "print", "image_folder.toml"]);
    assert!(resolved.contains("\nn_classes = 2\n"), "{resolved}");
}

#[test]
fn a_configuration_can_come_from_standard_input() {
    let directory = TestDir::new();
    let digits = printed(&directory, &["config", "init", "digits"]);
    let output = with_input(&directory, &["config", "check", "-"], &digits);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "-: valid\n");
    let output = with_input(&directory, &["config", "print", "-"], &digits);
    assert!(output.status.success());
    let resolved = String::from_utf8(output.stdout).unwrap();
    let dry_run = ["train", "-", "--dry-run", "--set", "model.n_layers=2"];
    assert!(with_input(&directory, &dry_run, &resolved).status.success());
    let output = with_input(
        &directory,
        &["train", "-"],
        &digits.replace("epochs", "epoch"),
    );
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    let expected = "burn-topology: standard input:24:1: unknown key `epoch` in [training]";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(directory.names(), [""; 0]);
}

#[test]
fn studies_are_recognised_by_check_and_print() {
    let directory = TestDir::new();
    for kind in ["digits", "study"] {
        let file = format!("{kind}.toml");
        printed(&directory, &["config", "init", kind, "--output", &file]);
    }
    assert_eq!(
        printed(
            &directory,
            &["config", "check", "digits.toml", "study.toml"]
        ),
        "digits.toml: valid\nstudy.toml: valid study of 20 cells\n"
    );
    let resolved = printed(&directory, &["config", "print", "study.toml"]);
    std::fs::write(directory.path().join("again.toml"), &resolved).unwrap();
    assert_eq!(
        printed(&directory, &["config", "print", "again.toml"]),
        resolved
    );
    assert!(
        resolved.contains("levels = [[0.03], [0.1], [0.3]]"),
        "{resolved}"
    );
    let message = refused(
        &directory,
        &["config", "print", "study.toml", "--set", "run.seed=1"],
    );
    assert!(message.contains("this is a study"), "{message}");

    let study = std::fs::read_to_string(directory.path().join("study.toml")).unwrap();
    let wrong = study
        .replace("seeds =", "seed =")
        .replace("arms = [", "arm = [");
    std::fs::write(directory.path().join("study.toml"), wrong).unwrap();
    let message = refused(
        &directory,
        &["config", "check", "digits.toml", "study.toml"],
    );
    assert_eq!(message.lines().count(), 2, "{message}");
    assert!(message.contains("unknown key `seed`") && message.contains("unknown key `arm`"));
    let limited = study.replace("n_layers = 2", "n_layers = 3");
    std::fs::write(directory.path().join("study.toml"), limited).unwrap();
    let message = refused(
        &directory,
        &["config", "check", "study.toml", "--memory-limit", "1kB"],
    );
    assert!(
        message.contains("--memory-limit allows 1.0 kB"),
        "{message}"
    );
}

/// Runs a command that must be refused within a second and 500 MB of address space.
fn refused_at_once(directory: &TestDir, arguments: &[&str]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "ulimit -v 2000000; exec '{}' {}",
        env!("CARGO_BIN_EXE_burn-topology"),
        words.join(" ")
    );
    let started = Instant::now();
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    // A second on a machine of its own; tests share theirs with others.
    let seconds = started.elapsed().as_secs_f64();
    assert!(seconds < 10.0, "{arguments:?}: {seconds} s");
    message
}

#[test]
fn absurd_sizes_are_refused_at_once_and_without_memory() {
    let directory = TestDir::new();
    for kind in ["digits", "image_folder", "clips"] {
        let file = format!("{kind}.toml");
        printed(&directory, &["config", "init", kind, "--output", &file]);
    }
    let before = directory.names();
    let cases: [(&str, &[&str]); 8] = [
        ("digits.toml", &["model.d_model=1000000000"]),
        ("digits.toml", &["model.d_model=400000"]),
        (
            "digits.toml",
            &["model.n_layers=10000", "model.d_model=4000"],
        ),
        ("digits.toml", &["training.epochs=18446744073709551615"]),
        ("clips.toml", &["data.n_frames=1000000"]),
        (
            "image_folder.toml",
            &["data.image_size=2048", "model.patch_size=8"],
        ),
        ("image_folder.toml", &["data.image_size=100000"]),
        (
            "digits.toml",
            &["training.batch_size=10000000", "model.d_model=4096"],
        ),
    ];
    for (file, overrides) in cases {
        let set: Vec<&str> = overrides.iter().flat_map(|set| ["--set", *set]).collect();
        for dry_run in [&[][..], &["--dry-run"]] {
            let arguments = [&["train", file][..], &set, dry_run].concat();
            let message = refused_at_once(&directory, &arguments);
            assert!(
                message.contains("too large")
                    || message.contains("expected")
                    || message.contains("memory"),
                "{message}"
            );
        }
    }
    assert_eq!(directory.names(), before);
    let message = refused_at_once(
        &directory,
        &[
            "train",
            "digits.toml",
            "--set",
            "training.epochs=18446744073709551615",
        ],
    );
    assert!(
        message.contains("is too large, expected at most 9223372036854775807"),
        "{message}"
    );
}
