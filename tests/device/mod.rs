//! Other devices: losses, gradients and resuming, compared with `flex`, which they equal up to rounding.

use std::path::Path;

use burn_topology::burn::module::Module;
use burn_topology::burn::nn::loss::CrossEntropyLossConfig;
use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::Distribution;
use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
use burn_topology::model::{Capture, Vit, VitConfig};
use burn_topology::nn::gradient_norm;
use burn_topology::run::open_device;

use crate::train::tiny_config;
use crate::util::{TestDir, run_program};

/// Devices to compare with `flex`.
const OTHERS: &[&str] = &[
    #[cfg(feature = "ndarray")]
    "ndarray",
    #[cfg(feature = "wgpu")]
    "wgpu",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "cuda")]
    "cuda",
];

fn config() -> VitConfig {
    VitConfig::new([8, 8], 1, 10, 2, 8, 3, 2)
}

/// Task loss, both penalties, and gradient norms in different parts of the model.
fn losses_and_gradient_norms(name: &str, weights: &Path, pixels: &TensorData) -> Vec<f64> {
    let device = open_device(name).unwrap().autodiff();
    let vit: Vit = config().init(&device).try_load_file(weights).unwrap();
    let output = vit.forward(
        Tensor::from_data(pixels.clone(), &device),
        Capture::Attention,
    );
    let labels = Tensor::<1, Int>::from_data([3, 7], &device);
    let task = CrossEntropyLossConfig::new()
        .init(&device)
        .forward(output.output, labels);
    let penalties = vec![TopologyPenalty::new(0), TopologyPenalty::new(1)];
    let topology = TopologyRegularizer::new(penalties)
        .unwrap()
        .forward(
            &Activations::from_attention(output.attention.clone(), 1),
            Clock::default(),
        )
        .unwrap();
    assert!(topology.terms.iter().all(|term| term.n_gated == 0));
    let mut numbers = vec![task.clone().into_scalar::<f32>().into()];
    numbers.extend(topology.terms.iter().map(|term| term.value));
    let gradients = (task + topology.loss).backward();
    numbers.push(gradient_norm(&vit, &gradients));
    numbers.push(gradient_norm(&vit.patch_embed, &gradients));
    numbers.push(gradient_norm(&vit.blocks[1].attn, &gradients));
    numbers
}

#[test]
fn every_device_has_the_losses_and_gradients_of_flex() {
    let directory = TestDir::new();
    let weights = directory.path().join("model.bpk");
    let device = Device::flex();
    device.seed(4);
    let vit = config().init(&device);
    vit.into_record().save(&weights).unwrap();
    let pixels = Tensor::<4>::random([2, 1, 8, 8], Distribution::Normal(0.0, 1.0), &device);
    let pixels = pixels.into_data();
    let expected = losses_and_gradient_norms("flex", &weights, &pixels);
    assert!(expected.iter().all(|number| *number > 1e-4), "{expected:?}");
    assert!(!OTHERS.is_empty());
    for name in OTHERS {
        let actual = losses_and_gradient_norms(name, &weights, &pixels);
        for (actual, expected) in actual.iter().zip(&expected) {
            assert!(
                (actual - expected).abs() < 2e-4 * expected,
                "{name}: {actual}, expected {expected}"
            );
        }
    }
}

#[test]
fn every_device_trains_and_resumes() {
    let directory = TestDir::new();
    let weight = r#"{ kind = "gradient_share", share = 0.1 }"#;
    let config = tiny_config(directory.path(), Some(weight));
    let run = |arguments: &[&str]| {
        let output = run_program(directory.path(), arguments);
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{messages}");
        messages
    };
    for name in ["flex"].iter().chain(OTHERS) {
        let settings = ["--set", "checkpoint.every_steps=4"];
        let arguments = ["train", &config, "--output", name, "--device", name];
        run(&[&arguments[..], &settings].concat());
        let path = directory.path().join(name);
        let metrics = std::fs::read(path.join("metrics.jsonl")).unwrap();
        std::fs::remove_file(path.join("summary.json")).unwrap();
        std::fs::remove_dir_all(path.join("checkpoints/9")).unwrap();
        let messages = run(&["train", "--resume", name]);
        assert!(messages.contains("resuming from step 8"), "{messages}");
        let again = std::fs::read(path.join("metrics.jsonl")).unwrap();
        assert!(again == metrics, "{name}: a resumed run differs");
    }
}
