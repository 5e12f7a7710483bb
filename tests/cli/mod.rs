//! What a person sees on bad input.

use crate::train::tiny_config;
use crate::util::{TestDir, run_program};

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
    for (found, expected) in cases {
        assert!(
            found.starts_with(expected),
            "\n   found {found}\nexpected {expected}"
        );
    }
}

#[test]
fn an_unknown_device_is_named_with_the_known_ones() {
    let message = refused(str::to_owned, &["--device", "gpu9"]);
    assert!(
        message.starts_with("unknown device `gpu9`, expected one of flex"),
        "{message}"
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
fn shipped_configurations_are_valid_and_print_themselves() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["digits_vit.toml", "digits_vit_plain.toml"] {
        let path = root.join("configs").join(name);
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
        assert!(
            run_program(root, &["config", "check", path])
                .status
                .success()
        );
    }
}
