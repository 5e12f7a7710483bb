//! Numbers that are not finite: in the weights of a checkpoint, and in the gradient of a penalty.

use std::path::Path;

use burn_topology::run::sha256_hex;

use super::resume::{reference, stderr};
use super::{PENALTY, TINY};
use crate::util::{TestDir, run_program};

/// Replaces the last weights of a checkpoint by NaN, and writes the right checksums.
fn spoil(checkpoint: &Path) {
    let path = checkpoint.join("model.bpk");
    let mut weights = std::fs::read(&path).unwrap();
    let start = weights.len() - 64;
    for weight in weights[start..].chunks_exact_mut(4) {
        weight.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    std::fs::write(path, weights).unwrap();
    let sums = checkpoint.join("SHA256SUMS");
    let lines: String = std::fs::read_to_string(&sums)
        .unwrap()
        .lines()
        .map(|line| {
            let (_, name) = line.split_once("  ").unwrap();
            let bytes = std::fs::read(checkpoint.join(name)).unwrap();
            format!("{}  {name}\n", sha256_hex(&bytes))
        })
        .collect();
    std::fs::write(sums, lines).unwrap();
}

#[test]
fn checkpoints_with_weights_that_are_not_finite_are_refused_by_every_command() {
    let (directory, _) = reference();
    let root = directory.path();
    for checkpoint in std::fs::read_dir(root.join("reference/checkpoints")).unwrap() {
        spoil(&checkpoint.unwrap().path());
    }
    image::RgbImage::new(8, 8).save(root.join("a.png")).unwrap();
    let before = directory.names();
    for command in [
        "evaluate reference",
        "predict reference a.png",
        "weights reference",
        "robustness reference --n-samples 4",
        "analyze reference --images a.png --output out",
        "anomaly fit reference --split val --label 1 --output fit.json",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let output = run_program(root, &words);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{command}: {message}");
        assert!(
            message.contains("model.bpk: parameter ")
                && message.contains(" holds NaN, expected finite numbers"),
            "{command}: {message}"
        );
        assert!(message.lines().count() <= 3, "{message}");
    }
    assert_eq!(directory.names(), before);
}

#[test]
fn a_penalty_whose_gradient_is_not_finite_ends_the_training() {
    let directory = TestDir::new();
    let penalty = PENALTY.replace("order = 2", "order = 1e6");
    let weight = "weight = { kind = \"gradient_share\", share = 0.1 }\n";
    let path = directory.path().join("a.toml");
    std::fs::write(path, format!("{TINY}{penalty}{weight}")).unwrap();
    let output = run_program(directory.path(), &["train", "a.toml", "--output", "run"]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let last = message.lines().last().unwrap();
    assert!(
        last.contains("the gradient of penalty h0_layers became NaN at step 0")
            && last.contains("change topology.h0_layers, such as a smaller order"),
        "{message}"
    );
}
