//! Runs whose model normalises the pixels: `data.mean` and `data.std`.

use burn_topology::burn::prelude::*;
use burn_topology::config::Config;
use burn_topology::evaluate::starting_weights;
use burn_topology::model::pretrained::{ModelOverrides, open};
use burn_topology::model::{Capture, Network};
use serde_json::Value;

use super::TINY;
use super::extension::undo_after;
use super::resume::{Finished, expect_success, resume};
use crate::util::{TestDir, succeeds};

const STATISTICS: &str = "kind = \"digits\"\nmean = [0.305]\nstd = [0.376]\n";

/// Directory with a configuration that has the statistics of the digits and a checkpoint every four steps.
fn directory() -> TestDir {
    let directory = TestDir::new();
    let text = TINY.replace("kind = \"digits\"\n", STATISTICS);
    let text = text.replace("epochs = 1", "epochs = 2");
    let text = format!("{text}[checkpoint]\nevery_steps = 4\nkeep_last = 9\n");
    std::fs::write(directory.path().join("a.toml"), text).unwrap();
    directory
}

fn run(directory: &TestDir, arguments: &[&str]) -> String {
    succeeds(directory.path(), arguments).0
}

fn predictions(network: &Network) -> Vec<f32> {
    let pixels = (0..3 * 64).map(|index| (index % 17) as f32 / 8.0 - 1.0);
    let data = TensorData::new(pixels.collect::<Vec<f32>>(), [3, 1, 1, 8, 8]);
    let images = Tensor::from_data(data, &Device::flex());
    let output = network.forward(images, Capture::Logits).output;
    output.into_data().try_into_vec().unwrap()
}

fn assert_close(actual: &[f32], expected: &[f32]) {
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-4, "{actual} {expected}");
    }
}

#[test]
fn a_run_with_statistics_resumes_and_is_exported_with_them() {
    let directory = directory();
    let root = directory.path();
    run(&directory, &["train", "a.toml", "--output", "run"]);
    let whole = Finished::read(&root.join("run"));
    undo_after(&root.join("run"), 4);
    expect_success(&resume(&directory, "run"));
    assert!(Finished::read(&root.join("run")) == whole);

    let without = [
        "train",
        "a.toml",
        "--set",
        "data={kind=\"digits\"}",
        "--output",
        "plain",
    ];
    run(&directory, &without);
    assert!(Finished::read(&root.join("plain")) != whole);

    // The exported weights are those of the run, and the files state the normalisation.
    run(&directory, &["weights", "run", "--output", "exported"]);
    let described: Value =
        serde_json::from_str(&run(&directory, &["weights", "exported", "--json"])).unwrap();
    assert_eq!(
        described["preprocessing"]["mean"],
        serde_json::json!([0.305])
    );
    assert_eq!(
        described["preprocessing"]["std"],
        serde_json::json!([0.376])
    );
    let config = Config::read(&root.join("run/config.toml"), &[]).unwrap();
    let device = Device::flex();
    let of_run = starting_weights(&root.join("run"), &config.spec.model, &device).unwrap();
    let exported = open(&root.join("exported"), &ModelOverrides::default(), &device).unwrap();
    assert_close(
        &predictions(&exported.network),
        &predictions(&of_run.network),
    );

    // A model without statistics that starts from the run computes the same.
    let plain = config.spec.model.clone().with_statistics(None);
    let converted = starting_weights(&root.join("run"), &plain, &device).unwrap();
    assert_close(
        &predictions(&converted.network),
        &predictions(&of_run.network),
    );
    let tuned = [
        "train",
        "a.toml",
        "--set",
        "model.init_from=\"run\"",
        "--output",
        "tuned",
    ];
    run(&directory, &tuned);
    // Attacks, too, see the same pixels as without statistics.
    run(
        &directory,
        &[
            "robustness",
            "run",
            "--n-samples",
            "8",
            "--output",
            "robustness",
        ],
    );
}

#[test]
fn mistakes_in_statistics_are_told() {
    let directory = TestDir::new();
    std::fs::write(directory.path().join("a.toml"), TINY).unwrap();
    let message = |mean: &str, std: &str| {
        let settings = [("mean", mean), ("std", std)];
        let settings = settings.iter().filter(|(_, value)| !value.is_empty());
        let settings: Vec<String> = settings
            .map(|(key, value)| format!("data.{key}={value}"))
            .collect();
        let error = Config::read(&directory.path().join("a.toml"), &settings).unwrap_err();
        error.to_string()
    };
    let cases = [
        (
            message("[0.5, 0.5, 0.5]", "[0.5]"),
            "--set data.mean=[0.5, 0.5, 0.5]: `data.mean`: mean has 3 numbers, expected 1, since the pixels are grey",
        ),
        (
            message("[0.5]", "[0.0]"),
            "--set data.std=[0.0]: `data.std`: std has 0, expected numbers above 0 and at most 1, since pixels are from 0 to \
             1 here",
        ),
        (
            message("[nan]", "[0.5]"),
            "--set data.mean=[nan]: `data.mean`: mean has NaN, expected numbers from 0 to 1, since pixels are from 0 to 1 here",
        ),
        (
            message("[123.7]", "[0.5]"),
            "--set data.mean=[123.7]: `data.mean`: mean has 123.7, expected numbers from 0 to 1, since pixels are from 0 to 1 \
             here",
        ),
        (
            message("[0.5]", ""),
            "--set data.mean=[0.5]: `data.mean`: `mean` is set and `std` is not, expected both, each with one number per \
             channel",
        ),
        (
            message("", "[0.5]"),
            "--set data.std=[0.5]: `data.std`: `std` is set and `mean` is not, expected both, each with one number per channel",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
    let colours = [
        "data.kind=\"cifar10\"",
        "data.path=\"x\"",
        "data.mean=[0.5]",
        "data.std=[0.5]",
    ];
    let colours = colours.map(str::to_owned);
    let error = Config::read(&directory.path().join("a.toml"), &colours).unwrap_err();
    let expected = "mean has 1 number, expected 3, one per channel";
    assert!(error.to_string().contains(expected), "{error}");
}
