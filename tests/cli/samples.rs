//! Which samples the commands use: files, folders and patterns of `predict`, choices of N samples, and warnings.

use std::path::Path;

use crate::data::files::write_image_folder;
use crate::train::tiny_config;
use crate::util::{TestDir, run_program};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Trains the tiny configuration, with these settings, as `run`; returns what it says.
fn train(root: &Path, settings: &[&str]) -> String {
    let config = tiny_config(root, None);
    let mut arguments = vec!["train", &config, "--output", "run"];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let output = run_program(root, &arguments);
    assert!(output.status.success(), "{output:?}");
    text(&output.stderr)
}

#[test]
fn predict_takes_files_folders_and_patterns_and_names_what_it_cannot_read() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root, &[]);
    write_image_folder(&root.join("images"));
    std::fs::write(root.join("images/notes.txt"), "x").unwrap();
    let predict = |paths: &[&str]| {
        let output = run_program(root, &[&["predict", "run"][..], paths].concat());
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, all, message) = predict(&["images"]);
    assert_eq!((code, all.lines().count()), (Some(0), 1 + 26), "{message}");
    assert!(
        message.contains("1 entry not read as images: 1 .txt"),
        "{message}"
    );
    let (code, cats, _) = predict(&["images/**/cat/*.png"]);
    assert_eq!((code, cats.lines().count()), (Some(0), 1 + 13));
    assert!(cats.lines().all(|line| all.contains(line)), "{cats}");

    // One bad file of three: the others are predicted, and it is named.
    std::fs::write(root.join("bad.png"), "x").unwrap();
    let good = ["images/test/cat/0.png", "images/test/dog/1.JPG"];
    let (code, predicted, message) = predict(&[good[0], "bad.png", good[1]]);
    assert_eq!((code, predicted.lines().count()), (Some(1), 3), "{message}");
    assert!(message.contains("bad.png: cannot be decoded"), "{message}");
    assert!(message.ends_with(
        "burn-topology: 1 path could not be read, named above; 2 images were predicted\n"
    ));
    let (code, predicted, message) = predict(&[good[0], "missing.png", "miss*.png"]);
    assert_eq!((code, predicted.lines().count()), (Some(1), 2), "{message}");
    assert!(
        message.contains("missing.png: no such file or folder\n"),
        "{message}"
    );
    assert!(
        message.contains("miss*.png: there are no images\n"),
        "{message}"
    );
    // Nothing at all: the command could not run.
    for (paths, expected) in [
        (
            vec!["missing.png"],
            "burn-topology: missing.png: no such file or folder\n",
        ),
        (
            vec!["bad.png", "missing.png"],
            "burn-topology: 2 paths could not be read, named above; nothing was predicted\n",
        ),
        (vec!["run"], "burn-topology: run: there are no images\n"),
    ] {
        let (code, predicted, message) = predict(&paths);
        assert_eq!((code, &*predicted), (Some(2), ""), "{message}");
        assert!(message.ends_with(expected), "{message}");
    }
    let none = run_program(root, &["predict", "run", good[0], "--top", "0"]);
    assert_eq!(
        (none.status.code(), none.stdout.is_empty()),
        (Some(2), true)
    );

    // Other commands that read files say the same of a missing one.
    let analyze = [
        "analyze",
        "run",
        "--images",
        "missing.png",
        "--output",
        "report",
    ];
    let message = text(&run_program(root, &analyze).stderr);
    assert!(message.contains("missing.png: no such file\n"), "{message}");
}

#[test]
fn a_few_samples_are_of_every_class() {
    let directory = TestDir::new();
    let root = directory.path();
    // More epochs, so that the classes differ in their accuracy.
    train(root, &["training.epochs=4", "training.optimizer.lr=1e-2"]);
    let arguments = [
        "robustness",
        "run",
        "--n-samples",
        "60",
        "--pgd-steps",
        "1",
        "--epsilons",
        "0.1",
    ];
    let output = run_program(root, &arguments);
    assert!(output.status.success(), "{output:?}");
    let clean = |name: &str| -> f64 {
        let json = std::fs::read(root.join(name)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        json["conditions"][0]["accuracy"]["value"].as_f64().unwrap()
    };
    let few = clean("run/robustness/robustness.json");
    let evaluated = text(&run_program(root, &["evaluate", "run"]).stdout);
    let all: f64 = evaluated["test: accuracy ".len()..]
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    // The first 60 are of two classes; 60 spread ones estimate the accuracy within three standard errors.
    assert!((few - all).abs() < 3.0 * 0.5 / 60f64.sqrt(), "{few} {all}");
}

#[test]
fn settings_that_do_not_fit_the_data_are_told_before_and_while_training() {
    let directory = TestDir::new();
    let root = directory.path();
    let config = tiny_config(root, Some(r#"{ kind = "gradient_share", share = 5.0 }"#));
    let path = root.join(&config);
    let changed = std::fs::read_to_string(&path)
        .unwrap()
        .replace(
            "batch_size = 128",
            "batch_size = 2000\nsamples_per_class = 110",
        )
        .replace("warmup_steps = 2", "warmup_steps = 50")
        .replace("[logging]", "[logging]\ntopology_images = 5000")
        .replace(
            "homology_dim = 0",
            "homology_dim = 0\nschedule = { warmup_steps = 9 }",
        );
    std::fs::write(&path, changed).unwrap();
    let expected = [
        "penalty h0_layers has a gradient share of 5, so its gradient is larger than that of the task; shares are usually below 0.1",
        "training.batch_size is 2000, but there are only 1076 training samples, so every epoch has one step",
        "training.samples_per_class is 110, but ",
        "training.schedule.warmup_steps is 50, but training has only 1 step, so the learning rate never reaches 0.001",
        "penalty h0_layers has a warm-up of 9 steps, but only 1 step of training is left after its start, so it never has its full weight",
        "logging.topology_images is 5000, but no split has more than 360 images, which are all measured",
    ];
    for arguments in [
        vec!["config", "check", &config],
        vec!["train", &config, "--dry-run"],
        vec!["train", &config, "--output", "run"],
    ] {
        let output = run_program(root, &arguments);
        let message = text(&output.stderr);
        assert!(output.status.success(), "{message}");
        for expected in expected {
            assert_eq!(
                message.matches(expected).count(),
                1,
                "{arguments:?}: {expected}\n{message}"
            );
        }
    }
    // A penalty that is never on, as before; and no warning where everything fits.
    let never = ["config", "check", &config];
    let text_of_file = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text_of_file.replace(
            "schedule = { warmup_steps = 9 }",
            "schedule = { start_epoch = 3 }",
        ),
    )
    .unwrap();
    let message = text(&run_program(root, &never).stderr);
    assert!(message.contains("penalty h0_layers starts in epoch 3, but training has only 1 epoch (0), so it has no effect"), "{message}");
    let fitting = tiny_config(root, Some(r#"{ kind = "gradient_share", share = 0.05 }"#));
    let output = run_program(root, &["config", "check", &fitting]);
    assert_eq!(text(&output.stderr), "");
}
