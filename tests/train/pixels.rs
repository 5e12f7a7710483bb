//! Training with penalties on predicted frames.

use burn_topology::burn::prelude::*;
use burn_topology::loss::{Activations, Clock, PixelComparison, PixelPenalty, TopologyRegularizer};
use burn_topology::model::{Capture, VideoConfig, VideoHead};

use super::assert_all_documented;
use super::video::{FOLDER, config, write_clips};
use crate::util::{TestDir, numbers, run_program, values};

/// Names and tables of penalties of every kind.
const TABLES: [(&str, &str); 9] = [
    ("h0_pixels_truth", "homology_dim = 0"),
    (
        "h0_pixels_frames",
        "homology_dim = 0\nbetween = \"frames\"\npairs = \"all\"",
    ),
    (
        "h0_pixels_change",
        "homology_dim = 0\nbetween = \"change\"\nmin_persistence = 0.02",
    ),
    ("h0_pixels_volume", "homology_dim = 0\nbetween = \"volume\""),
    (
        "matching",
        "name = \"matching\"\nhomology_dim = 0\npenalty = { kind = \"betti_matching\" }",
    ),
    (
        "worst",
        "name = \"worst\"\nhomology_dim = 0\npenalty = { kind = \"bottleneck\" }\nfiltration = \"sublevel\"",
    ),
    (
        "h0_pixels_summary",
        "homology_dim = 0\npenalty = { kind = \"total_persistence\", order = 2.0 }",
    ),
    (
        "h0_pixels_betti_number",
        "homology_dim = 0\npenalty = { kind = \"betti_number\", number = 1 }",
    ),
    (
        "control",
        "name = \"control\"\nhomology_dim = 0\npixels = \"random\"\npartners = \"shuffled\"",
    ),
];

/// `[[topology]]` tables of all kinds with one weight.
fn tables(weight: &str) -> String {
    let table = |(_, keys): (&str, &str)| {
        format!("\n[[topology]]\nsource = \"prediction\"\n{keys}\nweight = {weight}\n")
    };
    TABLES.map(table).concat()
}

/// Trains a predictor with changes to its configuration; returns the lines of `metrics.jsonl`.
fn train(directory: &TestDir, tables: &str, out: &str, overrides: &[&str]) -> Vec<String> {
    let text = config(FOLDER, "timesformer", "next_frame", tables);
    std::fs::write(directory.path().join("run.toml"), text).unwrap();
    let mut arguments = vec!["train", "run.toml", "--out", out];
    for change in overrides {
        arguments.extend(["--set", change]);
    }
    expect_success(directory, &arguments);
    metrics(directory, out)
}

fn expect_success(directory: &TestDir, arguments: &[&str]) {
    let output = run_program(directory.path(), arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

fn metrics(directory: &TestDir, out: &str) -> Vec<String> {
    let file = directory.path().join(out).join("metrics.jsonl");
    let metrics = std::fs::read_to_string(file).unwrap();
    metrics.lines().map(str::to_owned).collect()
}

/// Logged values of a metric, in order.
fn logged(metrics: &[String], name: &str) -> Vec<f64> {
    let quoted = format!("\"name\":\"{name}\"");
    let lines = metrics.iter().filter(|line| line.contains(&quoted));
    let value = |line: &String| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["value"].as_f64().unwrap()
    };
    lines.map(value).collect()
}

#[test]
fn every_comparison_trains_and_resumes_bit_for_bit() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let share = "{ kind = \"gradient_share\", share = 0.05 }";
    let all = train(&directory, &tables(share), "run", &[]);
    assert_all_documented(all.iter().map(String::as_str));
    for (name, _) in TABLES {
        let values = logged(&all, &format!("penalty/{name}/value"));
        // Two epochs of three steps.
        assert_eq!(values.len(), 6, "{name}");
        assert!(values.iter().all(|x| x.is_finite()), "{name}: {values:?}");
        assert!(values.iter().any(|x| *x > 0.0), "{name}: {values:?}");
        let weights = logged(&all, &format!("penalty/{name}/weight"));
        assert!(weights.iter().any(|x| *x > 0.0), "{name}: {weights:?}");
    }
    // Back to the checkpoint of the first epoch, as if killed in the second.
    let run = directory.path().join("run");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let checkpoints = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let newest = checkpoints
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    std::fs::remove_dir_all(newest).unwrap();
    expect_success(&directory, &["train", "--resume", "run"]);
    assert_eq!(metrics(&directory, "run"), all);
}

#[test]
fn a_penalty_of_weight_0_changes_nothing() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let plain = train(&directory, "", "plain", &[]);
    let off = train(&directory, &tables("0.0"), "off", &[]);
    assert_eq!(off, plain);
}

#[test]
fn an_accumulated_gradient_is_that_of_the_whole_batch() {
    let directory = TestDir::new();
    write_clips(directory.path());
    // Only penalties whose value is a mean over clips: shuffled partners and random pixels depend on the part.
    let mean = TABLES[..TABLES.len() - 1].iter();
    let tables: String = mean
        .map(|(_, keys)| format!("\n[[topology]]\nsource = \"prediction\"\n{keys}\nweight = 0.1\n"))
        .collect();
    let one = train(&directory, &tables, "one", &["training.epochs=1"]);
    let set = ["training.epochs=1", "training.gradient_accumulation=2"];
    let two = train(&directory, &tables, "two", &set);
    for name in ["gradient_norm", "loss_topology", "penalty/matching/value"] {
        let [one, two] = [&one, &two].map(|metrics| logged(metrics, name));
        assert_eq!(one.len(), two.len());
        for (one, two) in one.iter().zip(&two) {
            // Sums in 32 bits, in another order.
            assert!(
                (one - two).abs() <= 1e-3 * one.abs(),
                "{name}: {one}, {two}"
            );
        }
    }
}

#[test]
fn the_gradient_through_the_model_is_a_central_difference() {
    let device = Device::flex().autodiff();
    device.seed(1);
    let config = VideoConfig::new(3, [8, 8], 1, 2, 4, 8, 1, 2).with_head(VideoHead::NextFrame);
    let model = config.init(&device);
    // Numbers between 0 and 1, as in a clip.
    let pixels = |seed| numbers([2, 3, 1, 8, 8], seed).abs();
    let [input, truth] = [pixels(1), pixels(2)].map(|clip| {
        let values: Vec<f32> = values(clip).into_iter().map(|x| x as f32).collect();
        Tensor::<5>::from_data(TensorData::new(values, [2, 3, 1, 8, 8]), &device)
    });
    let truth = truth.reshape([2, 3, 8, 8]);
    for comparison in [PixelComparison::truth(), PixelComparison::change()] {
        let penalties = [0, 1].map(|dim| PixelPenalty::new(dim, comparison).into());
        let regularizer = TopologyRegularizer::new(penalties.to_vec()).unwrap();
        let loss = |input: Tensor<5>| {
            // The input is read at the scale of the model, so that its gradient passes through every layer.
            let output = model.forward(input * 2.0 - 1.0, Capture::Logits).output;
            let prediction = (output * 0.5 + 0.5).reshape([2, 3, 8, 8]);
            let activations = Activations::from_frames(prediction, Some(truth.clone()));
            let loss = regularizer.forward(&activations, Clock::default()).unwrap();
            (
                loss.terms.iter().map(|term| term.value).sum::<f64>(),
                loss.loss,
            )
        };
        let tracked = input.clone().require_grad();
        let gradient = tracked.grad(&loss(tracked.clone()).1.backward()).unwrap();
        let gradient = values(gradient);
        let norm = gradient.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Along the gradient, where the rounding of 32 bits matters least.
        let direction: Vec<f32> = gradient.iter().map(|x| (x / norm) as f32).collect();
        let direction =
            Tensor::<5>::from_data(TensorData::new(direction, [2, 3, 1, 8, 8]), &device);
        let step = 1e-3;
        let at = |sign: f64| loss(input.clone() + direction.clone() * (sign * step)).0;
        let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
        assert!((slope - norm).abs() <= 2e-2 * norm, "{slope}, {norm}");
    }
}
