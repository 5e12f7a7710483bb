//! Fine-tuning: trainings that start from pretrained weights.

use std::path::Path;

use burn_topology::burn::prelude::*;
use burn_topology::config::Config;
use burn_topology::model::{Network, Vit};

use super::TINY;
use crate::util::{TestDir, run_program};

/// Runs the program, asserts success, and returns its messages.
fn expect_success(directory: &TestDir, arguments: &[&str]) -> String {
    let output = run_program(directory.path(), arguments);
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{messages}");
    messages
}

/// Trains a tiny model, exports it for timm to `weights`, and writes a configuration `tuned.toml` that starts from
/// these weights.
fn pretrained(model: &str, optimizer: &str) -> TestDir {
    let directory = TestDir::new();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("tiny.toml", TINY);
    expect_success(&directory, &["train", "tiny.toml", "--out", "first"]);
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
    let messages = expect_success(&directory, &["train", "tuned.toml", "--out", "tuned"]);
    assert!(messages.contains("starting from weights"), "{messages}");
    let root = directory.path();
    let before = model(&root.join("first"), None);
    let after = model(&root.join("tuned"), None);
    assert_eq!(equal_parts(&before, &after), [true, true, false, false]);

    // A resumed run does not need the pretrained weights, and ends like an uninterrupted one.
    let reference = model(&root.join("tuned"), None);
    let metrics = std::fs::read(root.join("tuned/metrics.jsonl")).unwrap();
    for step in 9..100 {
        let _ = std::fs::remove_dir_all(root.join(format!("tuned/checkpoints/{step}")));
    }
    std::fs::remove_file(root.join("tuned/summary.json")).unwrap();
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
    expect_success(&directory, &["train", "tuned.toml", "--out", "tuned"]);
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
