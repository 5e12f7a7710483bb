//! Tests of the regulariser in Burn's own training loop, from end to end.

use burn_topology::burn::prelude::Device;

use crate::burn_train;
use crate::util::TestDir;

#[test]
fn the_example_trains_and_logs_the_topology() {
    let directory = TestDir::new();
    let devices = vec![Device::flex().autodiff()];
    let weight = burn_train::train(directory.path(), devices).expect("a measured weight");
    assert!(weight > 0.0 && weight.is_finite());
    for (split, tags) in [
        (
            "train",
            ["Loss", "Topology loss", "Topology penalty h0_layers"],
        ),
        ("valid", ["Loss", "Accuracy", "Topology loss"]),
    ] {
        let run = directory.path().join("tensorboard").join(split);
        let file = std::fs::read_dir(run).unwrap().next().unwrap().unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        for tag in tags {
            let n_values = bytes
                .windows(tag.len())
                .filter(|window| *window == tag.as_bytes())
                .count();
            // Training has four steps in each of two epochs; validation has one value per epoch.
            let expected = if split == "train" { 8 } else { 2 };
            assert_eq!(n_values, expected, "{split}: {tag}");
        }
    }
    // Burn's own logger is registered too, since the event files cannot be read back.
    assert!(directory.path().join("valid").join("epoch-2").is_dir());
    assert!(directory.path().join("checkpoint/model-2.bpk").is_file());
}

#[test]
fn the_example_trains_on_two_devices() {
    let directory = TestDir::new();
    let devices = vec![Device::flex().autodiff(); 2];
    let weight = burn_train::train(directory.path(), devices).expect("a measured weight");
    assert!(weight > 0.0 && weight.is_finite());
    assert!(directory.path().join("checkpoint/model-2.bpk").is_file());
}
