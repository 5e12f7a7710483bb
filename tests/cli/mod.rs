//! Error messages for bad input, and the output of commands that need no long training.

mod changed_data;
mod configuration;
mod exit_codes;
mod image_persistence;
mod looking;
mod outputs;
mod persistence;
mod reference;
mod reports;
mod samples;

use burn_topology::experiment::Study;

use burn_topology::run::sha256_hex;

use crate::train::tiny_config;
use crate::util::{TestDir, program, run_program};

/// Error message of `train` on a modified tiny configuration; asserts exit code 2 and a single line.
fn error_message(change: impl Fn(&str) -> String, arguments: &[&str]) -> String {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), Some(r#"{ kind = "fixed", value = 0.1 }"#));
    let path = directory.path().join(&config);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(&text)).unwrap();
    let before = directory.names();
    let output = run_program(
        directory.path(),
        &[&["train", &config][..], arguments].concat(),
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(directory.names(), before, "something was left behind");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
        .trim_end()
        .strip_prefix("burn-topology: ")
        .expect("the program's name")
        .to_owned()
}

/// Error message of `train` if `from` is replaced by `to` in the configuration.
fn error_with(from: &'static str, to: &'static str) -> String {
    error_message(
        |text| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        },
        &[],
    )
}

#[test]
fn bad_configurations_give_one_clear_message() {
    let cases = [
        (
            error_with("weight = {", "wieght = {"),
            "tiny.toml:30:1: unknown key `wieght` in [[topology]] (did you mean `weight`?)",
        ),
        (
            error_with("epochs = 1", "epochs = \"many\""),
            "tiny.toml:16:1: `training.epochs`: expected a non-negative whole number, found ",
        ),
        (
            error_with("epochs = 1", "epochs = -1"),
            "tiny.toml:16:1: `training.epochs`: expected a non-negative whole number, found ",
        ),
        (
            error_with("batch_size = 128", "batch_size = 0"),
            "tiny.toml:17:1: `training.batch_size`: batch_size is 0, expected 1 to 10000000",
        ),
        (
            error_with("patch_size = 4", "patch_size = 3"),
            "tiny.toml:12:1: `model.patch_size`: patch_size is 3, expected a divisor of height and width, 8 and 8 pixels",
        ),
        (
            error_with("n_heads = 2", "n_heads = 3"),
            "tiny.toml:11:1: `model.n_heads`: n_heads is 3, expected a divisor of d_model 8",
        ),
    ];
    assert_start(cases);
}

/// Asserts that each message starts with the expected text.
fn assert_start<const N: usize>(cases: [(String, &str); N]) {
    for (actual, expected) in cases {
        assert!(
            actual.starts_with(expected),
            "\n  actual {actual}\nexpected {expected}"
        );
    }
}

/// Error message of `train` with another `[data]` table in place of `kind = "digits"`.
fn error_with_data(table: &'static str) -> String {
    error_with("kind = \"digits\"", table)
}

#[test]
fn bad_data_tables_give_one_clear_message() {
    assert_start([
        (
            error_with_data("kind = \"digits\"\npath = \"x\""),
            "tiny.toml:7:1: unknown key `path` in [data]; expected one of `mean`, `std`",
        ),
        (
            error_with_data("kind = \"mnits\""),
            "tiny.toml:6:1: unknown kind `mnits` in [data] (did you mean `mnist`?); expected one of `digits`, `mnist`, `cifar10`, `cifar100`, `image_folder`",
        ),
        (
            error_with_data("kind = \"image_folder\"\npath = \"x\"\nimage_size = 8"),
            "tiny.toml:5:1: missing key `n_classes` in [data], and the classes cannot be counted: x/train: no such folder",
        ),
        (
            error_with_data("kind = \"cifar10\"\nvalidation_fraction = 0.1"),
            "tiny.toml:5:1: missing key `path` in [data], for example `path = \"data/images\"`",
        ),
        (
            error_with_data("kind = \"cifar100\"\npath = \"x\"\nvalidation_fraction = 1"),
            "tiny.toml:8:1: `data.validation_fraction`: validation_fraction is 1, expected a fraction above 0 and below 1",
        ),
        (
            error_with_data("kind = \"cifar10\"\npath = \"\"\nvalidation_fraction = 0.1"),
            "tiny.toml:7:1: `data.path`: path is empty, expected the directory of the data",
        ),
        (
            error_with_data("kind = \"image_folder\"\npath = \"x\"\nimage_size = 0\nn_classes = 2"),
            "tiny.toml:8:1: `data.image_size`: image_size is 0, expected 1 to 16384 pixels",
        ),
        (
            error_with_data("kind = \"image_folder\"\npath = \"x\"\nimage_size = 8\nn_classes = 1"),
            "tiny.toml:9:1: `data.n_classes`: n_classes is 1, expected 2 to 1000000",
        ),
        (
            error_with_data(
                "kind = \"image_folder\"\npath = \"x\"\nimage_size = 30\nn_classes = 2",
            ),
            "tiny.toml:15:1: `model.patch_size`: patch_size is 4, expected a divisor of height and width, 30 and 30 pixels",
        ),
    ]);
}

#[test]
fn models_that_fit_into_no_memory_are_refused_before_anything_is_allocated() {
    let out_of_range = [
        ("n_heads = 2", "n_heads = 2000000", "model.n_heads"),
        ("n_layers = 2", "n_layers = 4000000000", "model.n_layers"),
        (
            "d_model = 8",
            "d_model = 9223372036854775807",
            "model.d_model",
        ),
        (
            "epochs = 1",
            "epochs = 9223372036854775807",
            "training.epochs",
        ),
    ];
    for (from, to, key) in out_of_range {
        let message = error_with(from, to);
        let name = key.rsplit('.').next().unwrap();
        assert!(
            message.contains(&format!("`{key}`: {name} is ")),
            "{message}"
        );
        assert!(message.contains(", expected 1 to "), "{message}");
    }
    // Each number is possible alone, and far too large together with the others.
    let huge = |text: &str| text.replace("d_model = 8", "d_model = 1000000");
    let message = error_message(huge, &[]);
    let expected = "tiny.toml: training needs at least 384 TB of memory, ";
    assert!(message.starts_with(expected), "{message}");
    assert!(message.contains("pass --memory-limit"), "{message}");
    let limited = error_message(str::to_owned, &["--memory-limit", "1kB"]);
    assert!(
        limited.contains("but --memory-limit allows 1.0 kB"),
        "{limited}"
    );

    // A model for another machine is valid where its memory is stated.
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let path = directory.path().join(&config);
    let text = huge(&std::fs::read_to_string(&path).unwrap());
    std::fs::write(&path, text).unwrap();
    for (limit, code) in [("1000TB", 0), ("1TB", 2)] {
        let arguments = ["config", "check", &config, "--memory-limit", limit];
        let output = run_program(directory.path(), &arguments);
        assert_eq!(output.status.code(), Some(code), "{limit}");
    }
    let dry_run = run_program(directory.path(), &["train", &config, "--dry-run"]);
    assert_eq!(dry_run.status.code(), Some(2));
}

#[cfg(not(feature = "download"))]
#[test]
fn mnist_without_a_path_explains_how_to_get_it() {
    assert_eq!(
        error_with_data("kind = \"mnist\"\nvalidation_fraction = 0.1"),
        "tiny.toml:5:1: `data`: missing key `path` in [data]; set `path` to the directory of the MNIST files, or build with `--features download` to fetch them"
    );
}

#[test]
fn bad_training_keys_give_one_clear_message() {
    let with = |line: &'static str| error_with("epochs = 1", line);
    let augment = |table: &'static str| error_with("{ shift = 1, rotation = 5.0 }", table);
    assert_start([
        (
            with("epochs = 1\nlabel_smoothing = 1.0"),
            "tiny.toml:17:1: `training.label_smoothing`: label_smoothing is 1, expected a fraction of at least 0 and below 1",
        ),
        (
            with("epochs = 1\nmixup_alpha = -0.1"),
            "tiny.toml:17:1: `training.mixup_alpha`: mixup_alpha is -0.1, expected a finite number of at least 0; 0 is off",
        ),
        (
            with("epochs = 1\nmixup_alpha = inf"),
            "tiny.toml:17:1: `training.mixup_alpha`: mixup_alpha is inf, ",
        ),
        (
            with("epochs = 1\ngradient_accumulation = 0"),
            "tiny.toml:17:1: `training.gradient_accumulation`: gradient_accumulation is 0, expected 1 to 128, the batch_size",
        ),
        (
            with("epochs = 1\ngradient_accumulation = 129"),
            "tiny.toml:17:1: `training.gradient_accumulation`: gradient_accumulation is 129, expected 1 to 128, the batch_size",
        ),
        (
            augment("{ shift = 8 }"),
            "tiny.toml:19:13: `training.augment.shift`: shift is 8, which can move the whole image out of its frame; expected less than 8 pixels",
        ),
        (
            augment("{ min_crop_area = 0.0 }"),
            "tiny.toml:19:13: `training.augment.min_crop_area`: min_crop_area is 0, expected a fraction above 0 and at most 1; 1 is off",
        ),
        (
            augment("{ flip = 1 }"),
            "tiny.toml:19:13: `training.augment.flip`: expected true or false, found integer 1",
        ),
        (
            error_with("kind = \"cosine\", warmup", "kind = \"constant\", warmup"),
            "tiny.toml:21:33: unknown key `warmup_steps` in [training.schedule]; nothing is allowed here",
        ),
    ]);
}

#[test]
fn unknown_devices_give_the_list_of_devices() {
    let message = error_message(str::to_owned, &["--device", "gpu9"]);
    assert!(
        message.starts_with("unknown device `gpu9`, expected one of flex"),
        "{message}"
    );
    #[cfg(not(feature = "cuda"))]
    assert_eq!(
        error_message(str::to_owned, &["--device", "cuda"]),
        "this program was built without the device `cuda`; build it with `--features cuda`"
    );
}

#[test]
fn missing_and_empty_files_have_different_messages() {
    let directory = TestDir::new();
    std::fs::write(directory.path().join("empty.toml"), "# nothing\n").unwrap();
    for (file, expected) in [
        (
            "missing.toml",
            "burn-topology: missing.toml: no such file\n",
        ),
        (
            "empty.toml",
            "burn-topology: empty.toml: holds no key (empty, or comments only), expected TOML: `[table]` headers and `key = value` lines\n",
        ),
    ] {
        let output = run_program(directory.path(), &["train", file]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
        assert_eq!(directory.names(), ["empty.toml"]);
    }
}

#[test]
fn existing_run_directories_are_not_overwritten() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    std::fs::create_dir_all(directory.path().join("runs/tiny")).unwrap();
    std::fs::write(directory.path().join("runs/tiny/precious"), "x").unwrap();
    let output = run_program(directory.path(), &["train", &config]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "burn-topology: run directory runs/tiny already exists; resume it with `--resume runs/tiny` or choose another with `--output`\n"
    );
    assert_eq!(
        std::fs::read_dir(directory.path().join("runs/tiny"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn output_directories_may_end_with_a_slash() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let arguments = ["train", &config, "--output", "new/run/"];
    let output = run_program(directory.path(), &arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(directory.path().join("new/run/summary.json").is_file());
}

#[test]
fn old_names_of_keys_are_accepted_with_one_warning() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let path = directory.path().join(&config);
    let text = std::fs::read_to_string(&path).unwrap() + "pictures_every_epochs = 5\n";
    std::fs::write(&path, &text).unwrap();
    let line = text.lines().count();
    let warning = format!(
        "{config}:{line}:1: `logging.pictures_every_epochs` is now called `logging.images_every_epochs`"
    );
    let output = run_program(directory.path(), &["train", &config, "--output", "run"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches(&warning).count(), 1, "{stderr}");

    // As in a run directory of an earlier version.
    let resolved = directory.path().join("run/config.toml");
    let text = std::fs::read_to_string(&resolved).unwrap();
    assert!(text.contains("images_every_epochs = 5"), "{text}");
    let old = text.replace("images_every_epochs", "pictures_every_epochs");
    std::fs::write(&resolved, &old).unwrap();
    // Its checkpoints have the digest of that file.
    for checkpoint in std::fs::read_dir(directory.path().join("run/checkpoints")).unwrap() {
        let checkpoint = checkpoint.unwrap().path();
        let replace = |name: &str, from: &[u8], to: &[u8]| {
            let before = std::fs::read_to_string(checkpoint.join(name)).unwrap();
            let after = before.replace(&sha256_hex(from), &sha256_hex(to));
            std::fs::write(checkpoint.join(name), &after).unwrap();
            (before, after)
        };
        let (before, after) = replace("state.json", text.as_bytes(), old.as_bytes());
        replace("SHA256SUMS", before.as_bytes(), after.as_bytes());
    }
    let output = run_program(directory.path(), &["evaluate", "run"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("is now called"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_pipe_succeeds_and_a_full_disk_fails() {
    use std::process::Stdio;
    let directory = TestDir::new();
    let run = |stdout: Stdio| {
        let mut command = program(directory.path(), &["config", "schema"]);
        let child = command.stdout(stdout).stderr(Stdio::piped()).spawn();
        child.unwrap().wait_with_output().unwrap()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = run(writer.into());
    assert!(output.status.success() && output.stderr.is_empty());
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = run(full.into());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "burn-topology: the results cannot be written: No space left on device (os error 28)\n"
    );
}

#[test]
fn dry_runs_print_costs_and_leave_no_files() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), Some(r#"{ kind = "fixed", value = 0.1 }"#));
    let before = directory.names();
    let output = run_program(directory.path(), &["train", &config, "--dry-run"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    for expected in ["1,077 training", "blocks (2)", "on penalties", "9 steps"] {
        assert!(stdout.contains(expected), "{expected} is not in {stdout}");
    }
    assert_eq!(directory.names(), before);
}

#[test]
fn predictions_agree_with_the_evaluation() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    assert!(
        run_program(directory.path(), &["train", &config, "--output", "run"])
            .status
            .success()
    );
    let predicted = run_program(directory.path(), &["predict", "run", "--split", "test"]);
    let lines = String::from_utf8(predicted.stdout).unwrap();
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("image,label,class,probability"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 360);
    let n_correct = rows.iter().filter(|row| row[1] == row[2]).count();
    let evaluated = run_program(directory.path(), &["evaluate", "run"]);
    let stdout = String::from_utf8(evaluated.stdout).unwrap();
    let accuracy = format!("test: accuracy {:.4}, ", n_correct as f64 / 360.0);
    assert!(stdout.starts_with(&accuracy), "{stdout}");
    let nothing = run_program(directory.path(), &["predict", "run", "nothing.png"]);
    assert_eq!(nothing.status.code(), Some(2));
    let no_class = ["predict", "run", "--split", "test", "--top", "0"];
    let no_class = run_program(directory.path(), &no_class);
    assert_eq!(no_class.status.code(), Some(2));
    assert!(no_class.stdout.is_empty());
}

#[test]
fn every_configuration_is_checked_and_reported() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let text = std::fs::read_to_string(directory.path().join(&config)).unwrap();
    for (name, epochs) in [("first.toml", "epochs = 0"), ("last.toml", "epochs = -1")] {
        let bad = text.replace("epochs = 1", epochs);
        std::fs::write(directory.path().join(name), bad).unwrap();
    }
    let arguments = ["config", "check", "first.toml", &config, "last.toml"];
    let output = run_program(directory.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout, "tiny.toml: valid\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(
        lines[0].starts_with("burn-topology: first.toml:"),
        "{stderr}"
    );
    assert!(
        lines[1].starts_with("burn-topology: last.toml:"),
        "{stderr}"
    );
}

#[test]
fn shipped_configurations_are_valid_and_round_trip() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut n_files = 0;
    for entry in std::fs::read_dir(root.join("configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        if Study::is_study(&path) {
            continue;
        }
        n_files += 1;
        let path = path.to_str().unwrap();
        let printed = run_program(
            root,
            &["config", "print", path, "--set", "training.epochs=7"],
        );
        assert!(printed.status.success());
        let directory = TestDir::new();
        let again = directory.path().join("again.toml");
        std::fs::write(&again, &printed.stdout).unwrap();
        let again = again.to_str().unwrap();
        let reprinted = run_program(root, &["config", "print", again]);
        assert_eq!(printed.stdout, reprinted.stdout);
        assert!(
            String::from_utf8(printed.stdout)
                .unwrap()
                .contains("epochs = 7")
        );
        let checked = run_program(root, &["config", "check", path]);
        let message = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{message}");
    }
    assert!(n_files >= 7, "only {n_files} files were checked");
}
