//! Small training runs from start to end: files, logged numbers, reproducibility and errors.

mod extension;
mod files;
mod finetune;
mod generator;
mod options;
mod pixels;
mod resume;
mod robustness;
mod statistics;
mod video;
mod views;
mod wrong_values;

use std::path::Path;

use burn_topology::config::Config;
use burn_topology::train::RunSummary;
use serde_json::Value;

use crate::data::files::{Spelling, write_image_folder, write_mnist};
use crate::util::{TestDir, run_program};

const TINY: &str = r#"
[run]
name = "tiny"
seed = 3
[data]
kind = "digits"
[model]
kind = "vit"
d_model = 8
n_layers = 2
n_heads = 2
patch_size = 4
dropout = 0.1
drop_path = 0.1
[training]
epochs = 1
batch_size = 128
clip_norm = 1.0
augment = { shift = 1, rotation = 5.0 }
optimizer = { kind = "adamw", lr = 1e-3, weight_decay = 0.05 }
schedule = { kind = "cosine", warmup_steps = 2 }
[logging]
log_every_steps = 1
"#;

const PENALTY: &str = r#"
[[topology]]
between = "layers"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
"#;

/// Writes `tiny.toml`, with one penalty if a weight is given; returns its name.
pub fn tiny_config(directory: &Path, weight: Option<&str>) -> String {
    let table = weight.map_or(String::new(), |weight| {
        format!("{PENALTY}weight = {weight}\n")
    });
    let name = "tiny.toml".to_owned();
    std::fs::write(directory.join(&name), format!("{TINY}{table}")).unwrap();
    name
}

/// Trains the tiny configuration; returns the lines of `metrics.jsonl`.
fn train(directory: &TestDir, weight: Option<&str>, out: &str) -> Vec<String> {
    let config = tiny_config(directory.path(), weight);
    let output = run_program(directory.path(), &["train", &config, "--output", out]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metrics =
        std::fs::read_to_string(directory.path().join(out).join("metrics.jsonl")).unwrap();
    metrics.lines().map(str::to_owned).collect()
}

#[test]
fn a_run_writes_its_files_and_can_be_evaluated() {
    let directory = TestDir::new();
    let metrics = train(
        &directory,
        Some(r#"{ kind = "gradient_share", share = 0.1 }"#),
        "run",
    );
    assert_eq!(
        entry_names(&directory.path().join("run")),
        [
            "checkpoints",
            "config.toml",
            "lock",
            "log.txt",
            "manifest.json",
            "metrics.jsonl",
            "summary.json",
            "tensorboard"
        ]
    );
    for name in [
        "loss",
        "loss_task",
        "loss_topology",
        "learning_rate",
        "gradient_norm",
        "penalty/h0_layers/full_weight",
        "accuracy",
        "topology/h0_n_bars/layer00",
        "topology/h0_total_persistence/layer01",
        "topology/h1_largest_persistence/layer00",
        "topology/h1_wasserstein_next/layer00",
        "topology/mean_distance/layer01",
        "attention/entropy/layer01",
        "tokens/effective_rank/layer00",
        "topology/tied_distances/layer01",
        "topology/h1_empty/layer00",
        "topology/gated_pairs/layer00",
        "collapse/n_layers",
    ] {
        let quoted = format!("\"name\":\"{name}\"");
        assert!(
            metrics.iter().any(|line| line.contains(&quoted)),
            "{name} was not logged"
        );
    }
    let evaluated = run_program(directory.path(), &["evaluate", "run"]);
    assert!(evaluated.status.success());
    let stdout = String::from_utf8(evaluated.stdout).unwrap();
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.path().join("run/summary.json")).unwrap())
            .unwrap();
    let accuracy = summary["test_accuracy"].as_f64().unwrap();
    assert!(
        stdout.starts_with(&format!("test: accuracy {accuracy:.4}, ")),
        "{stdout}"
    );
    // The resolved configuration repeats the run.
    let again = run_program(
        directory.path(),
        &["train", "run/config.toml", "--output", "again"],
    );
    assert!(again.status.success());
    let repeated = std::fs::read_to_string(directory.path().join("again/metrics.jsonl")).unwrap();
    let repeated: Vec<&str> = repeated.lines().collect();
    assert_eq!(repeated, metrics);
}

#[test]
fn tags_and_messages_have_the_names_of_penalties() {
    let directory = TestDir::new();
    let weight = r#"{ kind = "gradient_share", share = 0.1 }"#;
    let config = tiny_config(directory.path(), Some(weight));
    let path = directory.path().join(&config);
    let mut text = std::fs::read_to_string(&path).unwrap();
    let table = text[text.find("[[topology]]").unwrap()..].to_owned();
    text += &table;
    text += &table.replace("homology_dim", "name = \"clusters\"\nhomology_dim");
    std::fs::write(&path, text).unwrap();
    let output = run_program(directory.path(), &["train", &config, "--output", "run"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("h0_layers, h0_layers_2, clusters"),
        "{stderr}"
    );
    let message = "penalty clusters: weight set to ";
    assert!(stderr.contains(message), "{stderr}");
    let metrics = std::fs::read_to_string(directory.path().join("run/metrics.jsonl")).unwrap();
    for name in ["h0_layers", "h0_layers_2", "clusters"] {
        for number in ["value", "weight", "gated", "full_weight"] {
            let tag = format!("\"name\":\"penalty/{name}/{number}\"");
            assert!(metrics.contains(&tag), "{tag}");
        }
    }
    let resolved = std::fs::read_to_string(directory.path().join("run/config.toml")).unwrap();
    assert_eq!(
        resolved.matches("name = ").count(),
        2,
        "run and clusters: {resolved}"
    );
}

#[test]
fn weight_zero_equals_no_penalty_bit_for_bit() {
    let directory = TestDir::new();
    let zero = train(
        &directory,
        Some(r#"{ kind = "fixed", value = 0.0 }"#),
        "zero",
    );
    let absent = train(&directory, None, "absent");
    assert_eq!(zero, absent);
    let with = train(
        &directory,
        Some(r#"{ kind = "fixed", value = 0.5 }"#),
        "with",
    );
    assert_ne!(with, absent);
}

#[test]
fn a_collapse_gives_a_warning_or_stops_the_training() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    // With fraction 1, any decrease below the peak counts as collapse, which happens soon.
    let settings = ["training.epochs=4", "collapse.fraction_of_peak=1.0"];
    for (action, code) in [("off", 0), ("warn", 0), ("stop", 1)] {
        let action_key = format!("collapse.action=\"{action}\"");
        let mut arguments = vec!["train", &config, "--output", action, "--set", &action_key];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let output = run_program(directory.path(), &arguments);
        assert_eq!(output.status.code(), Some(code), "{action}");
        let messages = String::from_utf8(output.stderr).unwrap();
        let warning = "attention is collapsing at step ";
        assert_eq!(messages.contains(warning), action != "off", "{messages}");
        if action == "stop" {
            let last = messages.lines().last().unwrap();
            assert!(
                last.starts_with(&format!("burn-topology: {warning}")),
                "{last}"
            );
            assert!(last.contains("between attention rows fell below 1 times its peak in layer "));
            let checkpoints = directory.path().join("stop/checkpoints");
            assert!(std::fs::read_dir(checkpoints).unwrap().count() > 0);
        }
        let metrics = directory.path().join(action).join("metrics.jsonl");
        let metrics = std::fs::read_to_string(metrics).unwrap();
        let is_collapsed =
            |line: &str| line.contains("collapse/n_layers") && !line.ends_with(":0.0}");
        assert!(
            metrics.lines().any(is_collapsed),
            "{action}: nothing was recorded"
        );
    }
}

/// Tag as written in docs/tensorboard.md: `<k>` for a layer, `<d>` for a dimension, `<name>` for a penalty.
fn as_documented(tag: &str) -> String {
    if let Some((_, number)) = tag
        .strip_prefix("penalty/")
        .and_then(|rest| rest.split_once('/'))
    {
        return format!("penalty/<name>/{number}");
    }
    let mut out = String::new();
    let mut rest = tag;
    'tag: while let Some(next) = rest.chars().next() {
        for (before, name) in [("layer", "k"), ("h", "d"), ("pair", "t")] {
            let Some(after) = rest.strip_prefix(before) else {
                continue;
            };
            let number = after.trim_start_matches(|c: char| c.is_ascii_digit());
            if number.len() < after.len() {
                out.push_str(&format!("{before}<{name}>"));
                rest = number;
                continue 'tag;
            }
        }
        out.push(next);
        rest = &rest[next.len_utf8()..];
    }
    out
}

/// Asserts that a tag is documented in docs/tensorboard.md.
fn assert_documented(tag: &str) {
    let documented = format!("`{}`", as_documented(tag));
    assert!(
        include_str!("../../docs/tensorboard.md").contains(&documented),
        "{documented} is not in docs/tensorboard.md"
    );
}

/// Asserts that the tags of all numbers in a `metrics.jsonl` are documented in docs/tensorboard.md; returns their
/// number.
fn assert_all_documented<'a>(metrics: impl Iterator<Item = &'a str>) -> usize {
    let tags = metrics.map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = record["name"].as_str().unwrap();
        if name.contains('/') {
            name.to_owned()
        } else {
            format!("{}/{name}", record["split"].as_str().unwrap())
        }
    });
    tags.map(|tag| assert_documented(&tag)).count()
}

#[test]
fn every_tag_is_documented() {
    let directory = TestDir::new();
    let weight = r#"{ kind = "gradient_share", share = 0.1 }"#;
    let metrics = train(&directory, Some(weight), "run");
    assert!(assert_all_documented(metrics.iter().map(String::as_str)) > 50);
    for config in [
        "digits_vit",
        "moving_digits_frames",
        "moving_digits_predict",
        "reference",
    ] {
        let path = format!("{}/configs/{config}.toml", env!("CARGO_MANIFEST_DIR"));
        let set = match config {
            "moving_digits_frames" => {
                vec!["robustness={ epsilon = 0.1, pgd_steps = 10 }".to_owned()]
            }
            _ => Vec::new(),
        };
        for tag in RunSummary::tags(&Config::read(Path::new(&path), &set).unwrap()) {
            assert_documented(&tag);
        }
    }
}

/// First logged value of a number.
fn first_value(metrics: &[String], name: &str) -> f64 {
    let quoted = format!("\"name\":\"{name}\"");
    let line = metrics.iter().find(|line| line.contains(&quoted)).unwrap();
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    record["value"].as_f64().unwrap()
}

#[test]
fn gradient_accumulation_equals_one_large_batch() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), Some(r#"{ kind = "fixed", value = 0.5 }"#));
    let metrics = |parts: &str| -> Vec<String> {
        let parts_key = format!("training.gradient_accumulation={parts}");
        let mixed = "training.mixup_alpha=0.4";
        let smoothed = "training.label_smoothing=0.1";
        let settings = [
            "model.dropout=0",
            "model.drop_path=0",
            mixed,
            smoothed,
            &parts_key,
        ];
        let mut arguments = vec!["train", &config, "--output", parts];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let output = run_program(directory.path(), &arguments);
        assert!(output.status.success());
        let path = directory.path().join(parts).join("metrics.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    // 128 images in 3 parts: 43, 43 and 42.
    let (whole, in_parts) = (metrics("1"), metrics("3"));
    for name in [
        "loss_task",
        "loss_topology",
        "gradient_norm",
        "penalty/h0_layers/value",
    ] {
        let (expected, actual) = (first_value(&whole, name), first_value(&in_parts, name));
        assert!(
            (actual - expected).abs() < 1e-4 * expected.abs(),
            "{name}: {actual} in parts, {expected} as a whole"
        );
    }
}

/// There is one processor, so its device is named more than once. The copies of the model and the way of the
/// gradients are those of several graphics cards; only the transfers between two memories are not tested.
#[test]
fn several_devices_equal_one_with_as_many_parts() {
    let directory = TestDir::new();
    let config = tiny_config(
        directory.path(),
        Some(r#"{ kind = "gradient_share", share = 0.1 }"#),
    );
    let run = |out: &str, devices: &str, parts: usize| {
        let parts = format!("training.gradient_accumulation={parts}");
        let arguments = [
            "train", &config, "--output", out, "--device", devices, "--set", &parts,
        ];
        let output = run_program(directory.path(), &arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let read =
        |out: &str, file: &str| std::fs::read(directory.path().join(out).join(file)).unwrap();
    // Dropout and drop path are on, and 128 images make 6 parts of 22 images and a smaller one of 18.
    run("one", "flex", 6);
    for (out, devices, parts) in [("two", "flex,flex", 3), ("three", "flex,flex,flex", 2)] {
        run(out, devices, parts);
        assert!(
            read("one", "metrics.jsonl") == read(out, "metrics.jsonl"),
            "{out}"
        );
    }
    // A resumed run keeps its devices: the last session is the same as the first.
    std::fs::remove_file(directory.path().join("two/summary.json")).unwrap();
    let output = run_program(directory.path(), &["train", "--resume", "two"]);
    assert!(output.status.success());
    let manifest: serde_json::Value =
        serde_json::from_slice(&read("two", "manifest.json")).unwrap();
    let devices: Vec<_> = manifest["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["device"])
        .collect();
    assert_eq!(devices, ["flex,flex"; 2]);
    let mixed = [
        "train",
        &config,
        "--output",
        "mixed",
        "--device",
        "flex,cuda:1",
    ];
    let output = run_program(directory.path(), &mixed);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("devices of different kinds"), "{message}");
}

#[test]
fn a_diverged_loss_stops_with_the_step() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    let settings = [
        "--set",
        "training.optimizer.lr=1e30",
        "--set",
        "training.schedule={kind=\"constant\"}",
    ];
    let output = run_program(
        directory.path(),
        &[&["train", &config, "--output", "run"][..], &settings].concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    // `clip_norm` is set, so that setting it is no advice.
    assert!(
        message.ends_with(
            " became NaN at step 1 (epoch 1 of 1, learning rate 1.00e30); no checkpoint yet; lower \
             training.optimizer.lr\n"
        ),
        "{message}"
    );
    // The records before the end are not lost, although there are too few of them to fill a buffer.
    let metrics = std::fs::read_to_string(directory.path().join("run/metrics.jsonl")).unwrap();
    assert!(
        metrics.contains("\"step\":1,") && metrics.contains("\"name\":\"gradient_norm\""),
        "{metrics}"
    );

    // A penalty, which cannot be computed either, does not hide the message.
    tiny_config(directory.path(), Some(r#"{ kind = "fixed", value = 0.1 }"#));
    let text = std::fs::read_to_string(directory.path().join(&config)).unwrap();
    let text = text.replace("clip_norm = 1.0\n", "");
    std::fs::write(directory.path().join(&config), text).unwrap();
    let output = run_program(
        directory.path(),
        &[&["train", &config, "--output", "unclipped"][..], &settings].concat(),
    );
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.ends_with("lower training.optimizer.lr or set training.clip_norm\n"),
        "{message}"
    );
}

#[test]
fn a_penalty_without_a_gradient_is_reported_once_and_at_the_end() {
    let directory = TestDir::new();
    // A single patch has no diagram with bars.
    let config = tiny_config(
        directory.path(),
        Some(r#"{ kind = "gradient_share", share = 0.1 }"#),
    );
    let late = "topology.h0_layers.schedule={start_epoch=5}";
    for (out, settings, n_reports, end) in [
        (
            "empty",
            &["model.patch_size=8"][..],
            1,
            "penalty h0_layers never acted: no weight could be set, because a gradient was zero whenever it was on",
        ),
        (
            "late",
            &[late],
            0,
            "penalty h0_layers never acted: its schedule begins after the last step",
        ),
    ] {
        let mut arguments = vec!["train", &config, "--output", out];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let output = run_program(directory.path(), &arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let reports = stderr.matches("no weight yet, because a gradient is zero");
        assert_eq!(reports.count(), n_reports, "{stderr}");
        assert_eq!(stderr.matches(end).count(), 1, "{stderr}");
        // Sums over no bars are not displayed as -0.
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(!(stderr + &stdout).contains("-0.0000"), "{stdout}");
        assert!(
            stdout.contains("\ntest H0 distance to next layer "),
            "{stdout}"
        );
        let evaluated = run_program(directory.path(), &["evaluate", out]);
        let stdout = String::from_utf8(evaluated.stdout).unwrap();
        assert!(
            evaluated.status.success() && !stdout.contains("-0.00000"),
            "{stdout}"
        );
    }
}

#[test]
fn no_samples_have_no_predictions() {
    use burn_topology::burn::tensor::Device;
    use burn_topology::evaluate::LoadedRun;

    let directory = TestDir::new();
    train(&directory, None, "run");
    let run = LoadedRun::open(&directory.path().join("run"), Device::flex()).unwrap();
    let best = run.best_model().unwrap();
    assert_eq!(best.problems, Vec::<String>::new());
    assert_eq!(best.model.predict(&[]).unwrap(), Vec::<Vec<f64>>::new());
}

#[test]
fn the_batch_size_is_free_but_not_zero() {
    let directory = TestDir::new();
    train(&directory, None, "run");
    let stdout = |command: &str, size: &str, option: &[&str]| {
        let arguments = [&[command, "run", "--batch-size", size], option].concat();
        let output = run_program(directory.path(), &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let accuracy = |size| {
        let line = stdout("evaluate", size, &[]);
        line.split_once(", loss").unwrap().0.to_owned()
    };
    assert_eq!(accuracy("7"), accuracy("1000"));
    let classes = |size| -> Vec<String> {
        let csv = stdout("predict", size, &["--split", "validation"]);
        let line_without_probability = |line: &str| line.rsplit_once(',').unwrap().0.to_owned();
        csv.lines().map(line_without_probability).collect()
    };
    assert!(classes("50").len() > 100);
    assert_eq!(classes("50"), classes("1000"));
    let refused = run_program(
        directory.path(),
        &["predict", "run", "a.png", "--batch-size", "0"],
    );
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr.contains("'--batch-size <N>': expected a whole number of at least 1"),
        "{stderr}"
    );
}

const MNIST: &str = r#"data={ kind = "mnist", path = "mnist", validation_fraction = 0.2 }"#;
const FOLDER: &str = r#"data={ kind = "image_folder", path = "images", image_size = 8, n_classes = 2, validation_fraction = 0.2 }"#;

#[test]
fn models_train_on_data_from_files() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), Some(r#"{ kind = "fixed", value = 0.1 }"#));
    write_mnist(&directory.path().join("mnist"), Spelling::DotCompressed);
    write_image_folder(&directory.path().join("images"));
    for (name, data, extra, n_test) in [
        ("on_mnist", MNIST, "model.patch_size=14", 10),
        ("on_images", FOLDER, "model.n_registers=2", 6),
    ] {
        let augment = "training.augment={ shift = 1, min_crop_area = 0.3, flip = true }";
        let arguments = ["train", &config, "--output", name, "--set", data];
        let settings = ["--set", augment, "--set", extra];
        let trained = run_program(directory.path(), &[&arguments[..], &settings].concat());
        let message = String::from_utf8_lossy(&trained.stderr);
        assert!(trained.status.success(), "{message}");
        let evaluated = run_program(directory.path(), &["evaluate", name]);
        let stdout = String::from_utf8(evaluated.stdout).unwrap();
        assert!(
            stdout.contains(&format!(", {n_test} images (checkpoint of step 1)")),
            "{stdout}"
        );
    }
    // The prediction of files needs no data set.
    std::fs::remove_dir_all(directory.path().join("images/train")).unwrap();
    let arguments = ["predict", "on_images", "images/test/cat/0.png"];
    let predicted = run_program(directory.path(), &arguments);
    let stdout = String::from_utf8(predicted.stdout).unwrap();
    assert!(
        predicted.status.success() && stdout.contains("\nimages/test/cat/0.png,,"),
        "{stdout}"
    );
}

#[test]
fn what_is_not_read_in_a_data_set_is_told_and_recorded() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    write_image_folder(&directory.path().join("images"));
    std::fs::write(directory.path().join("images/train/cat/notes.txt"), "x").unwrap();
    let cut = directory.path().join("images/train/dog/3.JPG");
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    let arguments = ["train", &config, "--output", "run", "--set", FOLDER];
    let refused = run_program(directory.path(), &arguments);
    let message = String::from_utf8(refused.stderr).unwrap();
    let damage = "images/train/dog/3.JPG: cannot be decoded (the file ends too early), expected a complete JPEG file";
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains(damage), "{message}");

    std::fs::remove_dir_all(directory.path().join("run")).unwrap();
    let skip = ["--set", "data.unreadable=skip"];
    let trained = run_program(directory.path(), &[&arguments[..], &skip].concat());
    let message = String::from_utf8(trained.stderr).unwrap();
    assert!(trained.status.success(), "{message}");
    let notes = [
        "images: 1 entry not read as images: 1 .txt; the first: train/cat/notes.txt".to_owned(),
        format!("left out 1 image that cannot be read; the first: {damage}"),
    ];
    let manifest = std::fs::read(directory.path().join("run/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["data_notes"], serde_json::json!(notes));
    let evaluated = run_program(directory.path(), &["evaluate", "run"]);
    let again = String::from_utf8(evaluated.stderr).unwrap();
    for note in notes {
        assert!(message.contains(&format!("{note}\n")), "{message}");
        assert!(again.contains(&format!("{note}\n")), "{again}");
    }
}

#[test]
fn unreadable_data_creates_no_run_directory() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), None);
    write_mnist(&directory.path().join("mnist"), Spelling::Dash);
    write_image_folder(&directory.path().join("images"));
    let labels = directory.path().join("mnist/train-labels-idx1-ubyte");
    let bytes = std::fs::read(&labels).unwrap();
    std::fs::write(&labels, &bytes[..20]).unwrap();
    std::fs::remove_dir_all(directory.path().join("images/test")).unwrap();
    let before = directory.names();
    for (data, expected) in [
        (
            MNIST,
            "burn-topology: mnist/train-labels-idx1-ubyte: 12 bytes after the header, expected 20 for the sizes [20] in it\n",
        ),
        (
            FOLDER,
            "burn-topology: images/test: no such folder, expected images in `train/<class>/`, `test/<class>/` and, unless data.validation_fraction is set, `val/<class>/`\n",
        ),
    ] {
        let arguments = ["train", &config, "--output", "run", "--set", data];
        let output = run_program(directory.path(), &arguments);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
        assert_eq!(directory.names(), before, "something was left behind");
    }
}

/// Sorted names of the entries of a directory.
fn entry_names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
