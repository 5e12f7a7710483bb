use std::process::Command;

use burn_topology::mask_metrics::{
    Mask, betti_errors, betti_matching_error, centerline_dice, dice, hausdorff_distance, skeleton,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::util::{TestDir, assert_refused, run_program};

fn mask(rows: &Value) -> Mask {
    let rows: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_str().unwrap())
        .collect();
    let pixels = rows.concat().chars().map(|c| c == '#').collect();
    Mask::new(pixels, [rows.len(), rows[0].len()])
}

#[test]
fn metrics_agree_with_opencv_and_scipy() {
    let text = include_str!("data_files/masks.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let [truth, predicted] = [&case["truth"], &case["predicted"]].map(mask);
        let close = |value: f64, key: &str| {
            let expected = case[key].as_f64().unwrap();
            assert!(
                (value - expected).abs() < 1e-12,
                "{key}: {value}, not {expected}"
            );
        };
        assert_eq!(skeleton(&truth), mask(&case["skeleton"]));
        close(dice(&predicted, &truth), "dice");
        close(centerline_dice(&predicted, &truth), "centerline_dice");
        close(hausdorff_distance(&predicted, &truth), "hausdorff");
        let betti = |key: &str| [0, 1].map(|dim| case[key][dim].as_u64().unwrap() as usize);
        let [truth_betti, predicted_betti] = [betti("betti"), betti("betti_of_predicted")];
        let expected = [0, 1].map(|dim| truth_betti[dim].abs_diff(predicted_betti[dim]));
        assert_eq!(betti_errors(&predicted, &truth), expected);
        // Unmatched components and holes are at least those that one mask has more than the other.
        let error = betti_matching_error(&predicted, &truth);
        assert!(error >= expected[0] + expected[1]);
        let n_all: usize = truth_betti.iter().chain(&predicted_betti).sum();
        assert!(error <= n_all && (error + n_all).is_multiple_of(2));
    }
}

/// Pairs of masks of one shape.
fn pairs() -> impl Strategy<Value = [Mask; 2]> {
    (1_usize..12, 1_usize..12).prop_flat_map(|(height, width)| {
        let pixels = || prop::collection::vec(any::<bool>(), height * width);
        (pixels(), pixels())
            .prop_map(move |pair| <[_; 2]>::from(pair).map(|p| Mask::new(p, [height, width])))
    })
}

proptest! {
    #[test]
    fn metrics_are_symmetric_and_bounded([a, b] in pairs()) {
        prop_assert_eq!(dice(&a, &b), dice(&b, &a));
        prop_assert_eq!(centerline_dice(&a, &b), centerline_dice(&b, &a));
        prop_assert_eq!(hausdorff_distance(&a, &b), hausdorff_distance(&b, &a));
        prop_assert_eq!(betti_errors(&a, &b), betti_errors(&b, &a));
        prop_assert_eq!(betti_matching_error(&a, &b), betti_matching_error(&b, &a));
        for coefficient in [dice(&a, &b), centerline_dice(&a, &b)] {
            prop_assert!((0.0..=1.0).contains(&coefficient));
        }
        let [height, width] = a.shape().map(|side| side as f64);
        prop_assert!(hausdorff_distance(&a, &b) <= height.hypot(width));
    }

    #[test]
    fn a_mask_has_no_error_against_itself([a, _] in pairs()) {
        prop_assert_eq!(dice(&a, &a), 1.0);
        prop_assert_eq!(hausdorff_distance(&a, &a), 0.0);
        prop_assert_eq!(betti_matching_error(&a, &a), 0);
    }

    #[test]
    fn a_skeleton_is_part_of_its_mask_and_cannot_be_thinned_further([a, _] in pairs()) {
        let line = skeleton(&a);
        prop_assert!(line.pixels().iter().zip(a.pixels()).all(|(line, mask)| !line || *mask));
        prop_assert_eq!(skeleton(&line), line);
    }
}

/// Small model of masks, and penalties of its attention.
const CONFIG: &str = r#"
    data = { kind = "damaged_glyphs", side = 24, n_train = 39, n_test = 13 }
    model = { kind = "vit", head = "mask", d_model = 8, n_layers = 2, n_heads = 2, patch_size = 4 }
    [run]
    name = "masks"
    seed = 1
    [training]
    epochs = 3
    batch_size = 13
    optimizer = { kind = "adamw", lr = 1e-2 }
    early_stopping = { patience = 3 }
    augment = { shift = 1 }
    [logging]
    topology_images = 4
    [checkpoint]
    every_steps = 4
    [[topology]]
    between = "layers"
    homology_dim = 0
    weight = { kind = "fixed", value = 0.1 }
"#;

fn train(directory: &TestDir, output: &str, changes: &[&str]) {
    std::fs::write(directory.path().join("config.toml"), CONFIG).unwrap();
    let mut arguments = vec!["train", "config.toml", "--output", output];
    for change in changes {
        arguments.extend(["--set", change]);
    }
    assert_succeeds(directory, &arguments);
}

/// Runs the program, which must succeed, and returns what it printed.
fn assert_succeeds(directory: &TestDir, arguments: &[&str]) -> String {
    let output = run_program(directory.path(), arguments);
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    String::from_utf8(output.stdout).unwrap()
}

fn read_json(directory: &TestDir, file: &str) -> Value {
    let text = std::fs::read_to_string(directory.path().join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_model_of_masks_trains_and_is_evaluated() {
    let directory = TestDir::new();
    train(&directory, "run", &[]);
    let summary = read_json(&directory, "run/summary.json");
    let metric = |name: &str| {
        let value = summary[name].as_f64();
        value.unwrap_or_else(|| panic!("no {name} in {summary}"))
    };
    for name in ["test_dice", "test_centerline_dice", "test_dice_of_input"] {
        assert!((0.0..=1.0).contains(&metric(name)), "{name}");
    }
    assert!(metric("test_dice_of_input") > 0.2);
    for name in [
        "test_h0_betti_error",
        "test_betti_matching_error",
        "test_hausdorff_distance",
    ] {
        assert!(metric(name) >= 0.0, "{name}");
    }
    // The loss of equal probabilities is ln 2; the model has learned at least how rare the foreground is.
    assert!(metric("test_loss") < 0.6, "{summary}");
    let evaluated = assert_succeeds(&directory, &["evaluate", "run", "--json"]);
    let evaluated: Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(evaluated["metrics"]["dice"], summary["test_dice"]);
    assert_eq!(evaluated["confusion"], Value::Null);
    // The attention of the damaged picture is inspected like that of any image.
    assert_succeeds(
        &directory,
        &[
            "analyze",
            "run",
            "--split",
            "test",
            "--n-samples",
            "2",
            "--output",
            "inside",
        ],
    );
}

#[test]
fn a_resumed_training_of_masks_ends_like_an_uninterrupted_one() {
    let directory = TestDir::new();
    train(&directory, "whole", &[]);
    let copied = Command::new("cp")
        .args(["-r", "whole", "cut"])
        .current_dir(directory.path())
        .status();
    assert!(copied.unwrap().success());
    let cut = directory.path().join("cut");
    std::fs::remove_file(cut.join("summary.json")).unwrap();
    let checkpoints = TestDir::names_in(&cut.join("checkpoints"));
    let last = checkpoints.last().unwrap();
    std::fs::remove_dir_all(cut.join("checkpoints").join(last)).unwrap();
    assert_succeeds(&directory, &["train", "--resume", "cut"]);
    let [whole, resumed] = ["whole", "cut"].map(|run| {
        let mut summary = read_json(&directory, &format!("{run}/summary.json"));
        for clock in ["seconds", "topology_share"] {
            summary.as_object_mut().unwrap().remove(clock);
        }
        summary
    });
    assert_eq!(whole, resumed);
}

#[test]
fn commands_for_classes_and_clips_refuse_a_model_of_masks() {
    let directory = TestDir::new();
    train(&directory, "run", &["training.epochs=1"]);
    for (arguments, expected) in [
        (
            &["predict", "run", "--split", "test"][..],
            "found a model that predicts masks",
        ),
        (&["robustness", "run"], "found a model that predicts masks"),
        (&["coherence", "run"], "predicts masks of single images"),
    ] {
        assert_refused(directory.path(), arguments, expected);
    }
}

#[test]
fn mistakes_about_masks_are_named() {
    let directory = TestDir::new();
    std::fs::write(directory.path().join("config.toml"), CONFIG).unwrap();
    for (change, expected) in [
        ("data={ kind = \"digits\" }", "the data have no masks"),
        ("model.head=\"class\"", "expected the head `mask`"),
        (
            "model={ kind = \"timesformer\", head = \"next_frame\", size = \"tiny\", patch_size = 4 }",
            "pictures with masks",
        ),
        ("model.init_from=\"weights\"", "leave init_from out"),
        ("model.distillation=\"token\"", "leave distillation out"),
        ("data.side=20", "side is 20, expected 24 to 1024"),
        (
            "data.noise=1.5",
            "noise is 1.5, expected a standard deviation from 0 to 1",
        ),
        ("data.n_test=5", "n_test is 5, expected 13"),
        ("training.mixup_alpha=0.2", "predicts masks has no classes"),
        (
            "training.early_stopping.metric=\"accuracy\"",
            "expected \"dice\" or \"loss\"",
        ),
        (
            "training.augment.erasing_probability=0.5",
            "would change the mask too",
        ),
        ("topology.0.between=\"frames\"", "frames"),
    ] {
        assert_refused(
            directory.path(),
            &["train", "config.toml", "--dry-run", "--set", change],
            expected,
        );
    }
}
