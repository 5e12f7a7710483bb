//! Fine-tuning: trainings that start from pretrained weights.

use std::path::{Path, PathBuf};

use burn_topology::burn::prelude::*;
use burn_topology::config::Config;
use burn_topology::model::{Network, Vit};

use super::TINY;
use super::extension::undo_after;
use crate::util::{TestDir, run_program, succeeds};

/// Runs the program, asserts success, and returns its messages.
fn expect_success(directory: &TestDir, arguments: &[&str]) -> String {
    succeeds(directory.path(), arguments).1
}

/// Trains a tiny model, exports it for timm to `weights`, and writes a configuration `tuned.toml` that starts from
/// these weights.
fn pretrained(model: &str, optimizer: &str) -> TestDir {
    let directory = TestDir::new();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("tiny.toml", TINY);
    expect_success(&directory, &["train", "tiny.toml", "--output", "first"]);
    expect_success(&directory, &["weights", "first", "--output", "weights"]);
    let tuned = TINY
        .replace("drop_path = 0.1\n", &format!("drop_path = 0.1\n{model}\n"))
        .replace(
            "weight_decay = 0.05",
            &format!("weight_decay = 0.05{optimizer}"),
        )
        .replace("epochs = 1", "epochs = 2");
    let checkpoints = "[checkpoint]\nevery_steps = 4\nkeep_last = 9\n";
    write("tuned.toml", &format!("{tuned}{checkpoints}"));
    directory
}

/// Model of a run's checkpoint: of a step, or the newest one.
fn model(run: &Path, step: Option<usize>) -> Vit {
    let config = Config::read(&run.join("config.toml"), &[]).unwrap();
    let steps = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let steps = steps.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let step = step.or_else(|| steps.max()).unwrap();
    let file = run.join(format!("checkpoints/{step}/model.bpk"));
    let network = config.spec.model.init(&Device::flex());
    match network.try_load_file(file).unwrap() {
        Network::Vit(vit) => vit,
        _ => panic!("no vision transformer"),
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Equality of two models, part by part: embedding, first block, second block, classifier.
fn equal_parts(a: &Vit, b: &Vit) -> [bool; 4] {
    let block = |layer: usize| {
        values(a.blocks[layer].mlp.fc1.weight.val()) == values(b.blocks[layer].mlp.fc1.weight.val())
            && values(a.blocks[layer].norm2.gamma.val())
                == values(b.blocks[layer].norm2.gamma.val())
            && values(a.blocks[layer].attn.qkv.weight.val())
                == values(b.blocks[layer].attn.qkv.weight.val())
    };
    [
        values(a.pos_embed.val()) == values(b.pos_embed.val())
            && values(a.patch_embed.proj.weight.val()) == values(b.patch_embed.proj.weight.val()),
        block(0),
        block(1),
        values(a.head.weight.val()) == values(b.head.weight.val()),
    ]
}

#[test]
fn frozen_parameters_do_not_change_and_others_do() {
    let directory = pretrained("init_from = \"weights\"\nfreeze = 1", "");
    let messages = expect_success(&directory, &["train", "tuned.toml", "--output", "tuned"]);
    assert!(messages.contains("starting from weights"), "{messages}");
    let root = directory.path();
    let before = model(&root.join("first"), None);
    let after = model(&root.join("tuned"), None);
    assert_eq!(equal_parts(&before, &after), [true, true, false, false]);

    // A resumed run does not need the pretrained weights, and ends like an uninterrupted one.
    let reference = model(&root.join("tuned"), None);
    let metrics = std::fs::read(root.join("tuned/metrics.jsonl")).unwrap();
    undo_after(&root.join("tuned"), 8);
    std::fs::remove_dir_all(root.join("weights")).unwrap();
    let messages = expect_success(&directory, &["train", "--resume", "tuned"]);
    assert!(messages.contains("resuming from step 8"), "{messages}");
    let resumed = model(&root.join("tuned"), None);
    assert_eq!(equal_parts(&reference, &resumed), [true; 4]);
    assert!(metrics == std::fs::read(root.join("tuned/metrics.jsonl")).unwrap());
}

#[test]
fn layer_decay_slows_down_earlier_blocks() {
    let directory = pretrained("init_from = \"weights\"", ", layer_decay = 0.01");
    expect_success(&directory, &["train", "tuned.toml", "--output", "tuned"]);
    let before = model(&directory.path().join("first"), None);
    let after = model(&directory.path().join("tuned"), None);
    assert_eq!(equal_parts(&before, &after), [false; 4]);
    let distance = |a: Vec<f32>, b: Vec<f32>| {
        let squares = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2));
        (squares.sum::<f32>() / a.len() as f32).sqrt()
    };
    let change = |part: fn(&Vit) -> Vec<f32>| distance(part(&before), part(&after));
    let distances = [
        change(|vit| values(vit.patch_embed.proj.weight.val())),
        change(|vit| values(vit.blocks[0].attn.qkv.weight.val())),
        change(|vit| values(vit.blocks[1].attn.qkv.weight.val())),
        change(|vit| values(vit.head.weight.val())),
    ];
    for pair in distances.windows(2) {
        assert!(pair[0] < 0.05 * pair[1], "{distances:?}");
    }
}

#[test]
fn weights_of_another_architecture_are_rejected() {
    let directory = pretrained("init_from = \"weights\"", "");
    let settings = ["model.n_registers=2", "model.block.norm_epsilon=1e-12"];
    let arguments = [
        "train",
        "tuned.toml",
        "--set",
        settings[0],
        "--set",
        settings[1],
    ];
    let output = run_program(directory.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(!directory.path().join("runs").exists());
    let messages = String::from_utf8_lossy(&output.stderr);
    let last = messages.lines().last().unwrap();
    assert_eq!(
        last,
        "burn-topology: weights: the architecture in the file differs from the table [model]: \
         n_registers is 0 in the file and 2 in [model], block.norm_epsilon is 1e-6 in the file and 1e-12 in [model]"
    );
}

const REFERENCE: &str = r#"
[[topology]]
between = "reference"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
weight = { kind = "fixed", value = 3.0 }
"#;

/// Like [`pretrained`], for training with a penalty on the distance to the weights that it starts from.
fn with_reference() -> TestDir {
    let directory = pretrained("init_from = \"weights\"", "");
    let file = directory.path().join("tuned.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    // Without dropout the model equals its reference at the first step.
    let text = text.replace("drop_path = 0.1", "drop_path = 0.0");
    let text = text.replace("dropout = 0.1", "dropout = 0.0");
    // Little is measured at validation, which takes most of the time.
    let text = text.replace(
        "log_every_steps = 1",
        "log_every_steps = 1\ntopology_images = 8",
    ) + REFERENCE;
    std::fs::write(file, text).unwrap();
    directory
}

/// Trains for one epoch, and returns the run directory.
fn train_briefly(directory: &TestDir, out: &str, arguments: &[&str]) -> PathBuf {
    let train = [
        "train",
        "tuned.toml",
        "--set",
        "training.epochs=1",
        "--output",
        out,
    ];
    expect_success(directory, &[&train, arguments].concat());
    directory.path().join(out)
}

/// Logged values of a metric of a run, in order.
fn logged(run: &Path, name: &str) -> Vec<f64> {
    let quoted = format!("\"name\":\"{name}\"");
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().filter(|line| line.contains(&quoted));
    lines
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["value"].as_f64().unwrap()
        })
        .collect()
}

#[test]
fn a_penalty_keeps_the_model_close_to_its_reference() {
    let directory = with_reference();
    let run = |out: &str, weight: &str| {
        let set = format!("topology.h0_reference.weight.value={weight}");
        train_briefly(&directory, out, &["--set", &set])
    };
    let (strong, weak) = (run("strong", "30"), run("weak", "1e-6"));
    let name = "penalty/h0_reference/value";
    let [strong, weak] = [&strong, &weak].map(|run| logged(run, name));
    assert_eq!((strong[0], weak[0]), (0.0, 0.0));
    let last = strong.len() - 1;
    assert!(
        strong[last] > 0.0 && strong[last] < 0.5 * weak[last],
        "{strong:?} {weak:?}"
    );
    // A penalty of weight 0 is no penalty.
    let off = run("off", "0.0");
    let plain = train_briefly(&directory, "plain", &["--set", "topology=[]"]);
    let metrics = |run: &Path| std::fs::read(run.join("metrics.jsonl")).unwrap();
    assert!(metrics(&off) == metrics(&plain));
    assert!(!plain.join("reference").exists());
}

#[test]
fn a_resumed_run_has_the_same_reference() {
    let directory = with_reference();
    let (root, run) = (directory.path(), train_briefly(&directory, "tuned", &[]));
    let before = model(&root.join("first"), None);
    let stored = Config::read(&run.join("config.toml"), &[])
        .unwrap()
        .spec
        .model;
    let stored = stored.init(&Device::flex());
    let Ok(Network::Vit(stored)) = stored.try_load_file(run.join("reference/model.bpk")) else {
        panic!("no vision transformer");
    };
    assert_eq!(equal_parts(&before, &stored), [true; 4]);

    let (tuned, metrics) = (
        model(&run, None),
        std::fs::read(run.join("metrics.jsonl")).unwrap(),
    );
    let assert_same = || {
        expect_success(&directory, &["train", "--resume", "tuned"]);
        assert_eq!(equal_parts(&tuned, &model(&run, None)), [true; 4]);
        assert!(metrics == std::fs::read(run.join("metrics.jsonl")).unwrap());
    };
    // Killed before the first checkpoint: training starts again from the pretrained weights.
    undo_after(&run, 0);
    assert_same();
    // Killed later: the pretrained weights are no longer needed.
    std::fs::remove_dir_all(root.join("weights")).unwrap();
    undo_after(&run, 8);
    assert_same();

    undo_after(&run, 8);
    let file = run.join("reference/model.bpk");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let refused = |expected: &str| {
        let output = run_program(root, &["train", "--resume", "tuned"]);
        assert_eq!(output.status.code(), Some(2));
        let messages = String::from_utf8_lossy(&output.stderr);
        let last = messages.lines().last().unwrap();
        assert!(
            last.starts_with("burn-topology: the reference of this run") && last.contains(expected),
            "{messages}"
        );
    };
    refused("model.bpk has changed since it was written");
    std::fs::remove_dir_all(run.join("reference")).unwrap();
    refused("reference/SHA256SUMS");
}

#[test]
fn every_part_of_a_batch_is_compared_with_the_reference() {
    let directory = with_reference();
    let parts = ["--set", "training.gradient_accumulation=2"];
    let [parts, devices] = [parts, ["--device", "flex,flex"]].map(|arguments| {
        let run = train_briefly(&directory, arguments[1], &arguments);
        logged(&run, "penalty/h0_reference/value")
    });
    assert!(parts == devices && parts.iter().sum::<f64>() > 0.0);
    // The forward pass of the reference has a line of its own.
    let profiled = ["train", "tuned.toml", "--output", "profiled", "--profile"];
    let messages = expect_success(&directory, &profiled);
    let line = messages
        .lines()
        .find(|line| line.contains("reference "))
        .unwrap();
    assert!(!line.contains(" 0.000 ms"), "{messages}");
}

#[test]
fn l2_sp_keeps_all_but_the_classifier_close_to_the_start() {
    let directory = pretrained("init_from = \"weights\"", "");
    let root = directory.path();
    let run = |out: &str, l2_sp: &str| {
        let set = format!("training.optimizer.l2_sp={l2_sp}");
        train_briefly(&directory, out, &["--set", &set]);
    };
    // At a learning rate of 1e-3 the strong decay halves the distance at every step.
    run("strong", "500.0");
    run("weak", "1e-6");
    let start = model(&root.join("first"), None);
    let distances = |run: &str| {
        let model = model(&root.join(run), None);
        let distance = |part: fn(&Vit) -> Tensor<2>| {
            let difference = part(&model) - part(&start);
            values(difference.square().sum())[0].sqrt()
        };
        [
            distance(|vit| vit.blocks[0].attn.qkv.weight.val()),
            distance(|vit| vit.blocks[1].mlp.fc1.weight.val()),
            distance(|vit| vit.head.weight.val()),
        ]
    };
    let (strong, weak) = (distances("strong"), distances("weak"));
    assert!(
        strong[0] < 0.5 * weak[0] && strong[1] < 0.5 * weak[1],
        "{strong:?} {weak:?}"
    );
    assert!(strong[2] > 0.5 * weak[2], "{strong:?} {weak:?}");

    // A resumed run decays towards the same weights.
    let strong = root.join("strong");
    let (tuned, metrics) = (
        model(&strong, None),
        std::fs::read(strong.join("metrics.jsonl")).unwrap(),
    );
    std::fs::remove_dir_all(root.join("weights")).unwrap();
    undo_after(&strong, 8);
    expect_success(&directory, &["train", "--resume", "strong"]);
    assert_eq!(equal_parts(&tuned, &model(&strong, None)), [true; 4]);
    assert!(metrics == std::fs::read(strong.join("metrics.jsonl")).unwrap());
}

#[test]
fn pretrained_weights_are_trained_at_another_image_size() {
    let directory = pretrained("init_from = \"weights\"\nimage_size = 12\nfreeze = 2", "");
    expect_success(&directory, &["train", "tuned.toml", "--output", "tuned"]);
    let root = directory.path();
    let (before, after) = (
        model(&root.join("first"), None),
        model(&root.join("tuned"), None),
    );
    // 2 by 2 patches become 3 by 3; frozen layers keep their weights.
    assert_eq!(
        (before.token_layout().grid, after.token_layout().grid),
        ([2, 2], [3, 3])
    );
    assert_eq!(equal_parts(&before, &after)[1..3], [true, true]);
    // The run is used like any other.
    expect_success(&directory, &["evaluate", "tuned"]);
    let analyze = ["analyze", "tuned", "--split", "test", "--output", "out"];
    expect_success(&directory, &analyze);
    expect_success(&directory, &["weights", "tuned", "--output", "larger"]);
}
