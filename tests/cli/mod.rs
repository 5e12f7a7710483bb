//! What a person sees on bad input.

mod persistence;
mod reference;

use crate::train::tiny_config;
use crate::util::{TestDir, program, run_program};

/// Runs `train` on the tiny configuration with a change, and expects one sentence and exit code 2.
fn refused(change: impl Fn(&str) -> String, arguments: &[&str]) -> String {
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

fn replaced(from: &'static str, to: &'static str) -> String {
    refused(
        |text| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        },
        &[],
    )
}

#[test]
fn bad_configurations_give_one_clear_sentence() {
    let cases = [
        (
            replaced("weight = {", "wieght = {"),
            "tiny.toml:30:1: unknown key `wieght` in [[topology]] (did you mean `weight`?)",
        ),
        (
            replaced("epochs = 1", "epochs = \"many\""),
            "tiny.toml:16:1: `training.epochs`: expected a non-negative whole number, found ",
        ),
        (
            replaced("epochs = 1", "epochs = -1"),
            "tiny.toml:16:1: `training.epochs`: expected a non-negative whole number, found ",
        ),
        (
            replaced("batch_size = 128", "batch_size = 0"),
            "tiny.toml:17:1: `training.batch_size`: batch_size is 0, expected at least 1",
        ),
        (
            replaced("patch_size = 4", "patch_size = 3"),
            "tiny.toml:12:1: `model.patch_size`: patch_size 3 does not divide the images, 8 by 8 pixels",
        ),
        (
            replaced("n_heads = 2", "n_heads = 3"),
            "tiny.toml:11:1: `model.n_heads`: n_heads 3 does not divide d_model 8",
        ),
    ];
    assert_start(cases);
}

fn assert_start<const N: usize>(cases: [(String, &str); N]) {
    for (found, expected) in cases {
        assert!(
            found.starts_with(expected),
            "\n   found {found}\nexpected {expected}"
        );
    }
}

/// What is said of another `[data]` table on the line of `kind = "digits"`.
fn data(table: &'static str) -> String {
    replaced("kind = \"digits\"", table)
}

#[test]
fn bad_data_tables_give_one_clear_sentence() {
    assert_start([
        (
            data("kind = \"digits\"\npath = \"x\""),
            "tiny.toml:7:1: unknown key `path` in [data]; nothing is allowed here",
        ),
        (
            data("kind = \"mnits\""),
            "tiny.toml:6:1: unknown kind `mnits` in [data] (did you mean `mnist`?); expected one of `digits`, `mnist`, `cifar10`, `cifar100`, `image_folder`",
        ),
        (
            data("kind = \"mnist\"\npath = \"x\""),
            "tiny.toml:5:1: missing key `validation_fraction` in [data]",
        ),
        (
            data("kind = \"cifar10\"\nvalidation_fraction = 0.1"),
            "tiny.toml:5:1: missing key `path` in [data]",
        ),
        (
            data("kind = \"cifar100\"\npath = \"x\"\nvalidation_fraction = 1"),
            "tiny.toml:8:1: `data.validation_fraction`: validation_fraction is 1, expected a fraction above 0 and below 1",
        ),
        (
            data("kind = \"cifar10\"\npath = \"\"\nvalidation_fraction = 0.1"),
            "tiny.toml:7:1: `data.path`: path is empty, expected the directory of the data",
        ),
        (
            data("kind = \"image_folder\"\npath = \"x\"\nimage_size = 0\nn_classes = 2"),
            "tiny.toml:8:1: `data.image_size`: image_size is 0, expected at least 1 pixel",
        ),
        (
            data("kind = \"image_folder\"\npath = \"x\"\nimage_size = 8\nn_classes = 1"),
            "tiny.toml:9:1: `data.n_classes`: n_classes is 1, expected at least 2",
        ),
        (
            data("kind = \"image_folder\"\npath = \"x\"\nimage_size = 30\nn_classes = 2"),
            "tiny.toml:15:1: `model.patch_size`: patch_size 4 does not divide the images, 30 by 30 pixels",
        ),
    ]);
}

#[cfg(not(feature = "download"))]
#[test]
fn mnist_without_a_path_says_how_to_get_it() {
    assert_eq!(
        data("kind = \"mnist\"\nvalidation_fraction = 0.1"),
        "tiny.toml:5:1: `data`: missing key `path` in [data]; set `path` to the directory of the MNIST files, or build with `--features download` to fetch them"
    );
}

#[test]
fn bad_training_keys_give_one_clear_sentence() {
    let with = |line: &'static str| replaced("epochs = 1", line);
    let augment = |table: &'static str| replaced("{ shift = 1, rotation = 5.0 }", table);
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
            "tiny.toml:17:1: `training.gradient_accumulation`: gradient_accumulation is 0, expected from 1 to batch_size 128",
        ),
        (
            with("epochs = 1\ngradient_accumulation = 129"),
            "tiny.toml:17:1: `training.gradient_accumulation`: gradient_accumulation is 129, expected from 1 to batch_size 128",
        ),
        (
            augment("{ shift = 8 }"),
            "tiny.toml:19:13: `training.augment.shift`: shift 8 can move the whole image out of its frame, expected below 8",
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
            replaced("kind = \"cosine\", warmup", "kind = \"constant\", warmup"),
            "tiny.toml:21:33: unknown key `warmup_steps` in [training.schedule]; nothing is allowed here",
        ),
    ]);
}

#[test]
fn an_unknown_device_is_named_with_the_known_ones() {
    let message = refused(str::to_owned, &["--device", "gpu9"]);
    assert!(
        message.starts_with("unknown device `gpu9`, expected one of flex"),
        "{message}"
    );
    #[cfg(not(feature = "cuda"))]
    assert_eq!(
        refused(str::to_owned, &["--device", "cuda"]),
        "this program was built without the device `cuda`; build it with `--features cuda`"
    );
}

#[test]
fn a_missing_and_an_empty_file_are_told_apart() {
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
fn an_existing_run_directory_is_left_alone() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    std::fs::create_dir_all(directory.path().join("runs/tiny")).unwrap();
    std::fs::write(directory.path().join("runs/tiny/precious"), "x").unwrap();
    let output = run_program(directory.path(), &["train", &config]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "burn-topology: runs/tiny exists already, and runs are never overwritten; go on with it by `--resume runs/tiny`, or choose another place with `--out DIR`\n"
    );
    assert_eq!(
        std::fs::read_dir(directory.path().join("runs/tiny"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_slash_at_the_end_of_a_new_directory_is_fine() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let arguments = ["train", &config, "--out", "new/run/"];
    let output = run_program(directory.path(), &arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(directory.path().join("new/run/summary.json").is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_to_read_is_no_failure_and_a_full_disk_is_one_sentence() {
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
fn a_dry_run_tells_the_cost_and_leaves_nothing() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), Some(r#"{ kind = "fixed", value = 0.1 }"#));
    let before = directory.names();
    let output = run_program(directory.path(), &["train", &config, "--dry-run"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for expected in ["1,077 training", "blocks (2)", "of it topology", "9 steps"] {
        assert!(shown.contains(expected), "{expected} is not in {shown}");
    }
    assert_eq!(directory.names(), before);
}

#[test]
fn predictions_are_one_line_an_image_and_agree_with_the_evaluation() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    assert!(
        run_program(directory.path(), &["train", &config, "--out", "run"])
            .status
            .success()
    );
    let predicted = run_program(directory.path(), &["predict", "run", "--split", "test"]);
    let lines = String::from_utf8(predicted.stdout).unwrap();
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("image,label,class,probability"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 360);
    let n_right = rows.iter().filter(|row| row[1] == row[2]).count();
    let evaluated = run_program(directory.path(), &["evaluate", "run"]);
    let shown = String::from_utf8(evaluated.stdout).unwrap();
    let accuracy = format!("test: accuracy {:.4}, ", n_right as f64 / 360.0);
    assert!(shown.starts_with(&accuracy), "{shown}");
    let nothing = run_program(directory.path(), &["predict", "run", "nothing.png"]);
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn shipped_configurations_are_valid_and_print_themselves() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut n_files = 0;
    for entry in std::fs::read_dir(root.join("configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
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
    assert!(n_files >= 7, "only {n_files} files were looked at");
}
