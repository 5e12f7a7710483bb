//! Attacks and corruptions: their strength, the metrics in the summary, and the command `robustness`.

use burn_topology::analysis::robustness::topology_distances;
use burn_topology::burn::prelude::*;
use burn_topology::data::{Attack, Corruption, DIGITS_SPEC, Perturbation, SampleBatcher, digits};
use burn_topology::evaluate::{LoadedRun, PerturbedSettings};
use burn_topology::model::{Capture, NetworkConfig, VitConfig};

use crate::util::{TestDir, assert_refused, run_program};

const CONFIG: &str = r#"
[run]
name = "robust"
seed = 0
[data]
kind = "digits"
[model]
kind = "vit"
d_model = 16
n_layers = 2
n_heads = 2
patch_size = 4
pooling = "mean"
dropout = 0.1
[training]
epochs = 8
batch_size = 32
clip_norm = 1.0
optimizer = { kind = "adamw", lr = 5e-3, weight_decay = 0.0 }
schedule = { kind = "constant" }
[robustness]
epsilon = 0.1
pgd_steps = 5
"#;

/// Trains a model to an accuracy far above chance.
fn train_model(directory: &TestDir) {
    std::fs::write(directory.path().join("robust.toml"), CONFIG).unwrap();
    let output = run_program(
        directory.path(),
        &["train", "robust.toml", "--output", "run"],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn attacks_have_the_expected_strength_and_are_summarised() {
    let directory = TestDir::new();
    train_model(&directory);
    let loaded = LoadedRun::open(&directory.path().join("run"), Device::flex()).unwrap();
    let run = &loaded.run;
    let data = loaded.data().unwrap();
    let model = loaded.attacked_model().unwrap().model;
    let evaluate = |perturbation, n_topology_samples| {
        let settings = PerturbedSettings {
            n_topology_samples,
            ..PerturbedSettings::new(perturbation)
        };
        let result = model.evaluate(&data.test, settings, &mut |_| {});
        result.unwrap()
    };
    let scores = |perturbation| evaluate(perturbation, 0).predictions.calibration().unwrap();
    let attacked = |attack, epsilon| scores(Perturbation::Attack { attack, epsilon });
    let pgd = Attack::Pgd {
        n_steps: 5,
        n_starts: 2,
    };
    let clean = scores(Perturbation::None);
    assert!(clean.accuracy > 0.7, "{clean:?}");
    let [fgsm, strong, random] =
        [Attack::Fgsm, pgd, Attack::Random].map(|attack| attacked(attack, 0.1));
    assert!(
        strong.nll >= fgsm.nll && strong.accuracy <= fgsm.accuracy,
        "{strong:?} {fgsm:?}"
    );
    assert!(random.accuracy > fgsm.accuracy + 0.1, "{random:?} {fgsm:?}");
    // Gradients are not masked: with a large epsilon, PGD finds an error for nearly every sample.
    assert!(attacked(pgd, 0.5).accuracy < 0.02);
    assert!(attacked(pgd, 1e-6).accuracy == clean.accuracy);
    let attacked = Perturbation::Attack {
        attack: pgd,
        epsilon: 0.1,
    };
    let [clean_topology, attacked] =
        [Perturbation::None, attacked].map(|perturbation| evaluate(perturbation, 130).topology);
    // Topology of exactly the first 130 samples, more than one batch.
    assert!(attacked.len() == 2 && attacked.iter().all(|layer| layer.len() == 130));
    let changes = topology_distances(&clean_topology, &attacked, 0).unwrap();
    assert!(changes.iter().all(|layer| layer[0] > 0.0), "{changes:?}");
    let same = topology_distances(&clean_topology, &clean_topology, 0).unwrap();
    assert!(same.iter().all(|layer| layer[0] == 0.0), "{same:?}");
    assert!(topology_distances(&clean_topology, &attacked[..1], 0).is_err());

    let summary = std::fs::read_to_string(run.summary()).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let noise = Perturbation::Corrupt {
        corruption: Corruption::Noise,
        severity: 3,
    };
    for (name, expected) in [
        ("test_accuracy", clean.accuracy),
        ("test_brier", clean.brier),
        ("test_calibration_error", clean.calibration_error),
        ("test_fgsm_accuracy", fgsm.accuracy),
        ("test_pgd_accuracy", strong.accuracy),
        ("test_random_accuracy", random.accuracy),
        ("test_noise_accuracy", scores(noise).accuracy),
    ] {
        let actual = summary[name].as_f64().unwrap();
        assert!(
            (actual - expected).abs() < 1e-12,
            "{name}: {actual}, expected {expected}"
        );
    }
    let nll = summary["test_loss"].as_f64().unwrap();
    assert!((nll - clean.nll).abs() < 1e-5, "{nll} {}", clean.nll);
}

#[test]
fn attacks_are_bounded_and_follow_the_gradient() {
    let device = Device::flex().autodiff();
    let config = VitConfig::new([8, 8], 1, 10, 4, 8, 1, 2);
    let model = NetworkConfig::Vit(config).init(&device).no_grad();
    let samples: Vec<_> = (0..6)
        .map(|index| digits().test.get(index).unwrap())
        .collect();
    let clips = SampleBatcher { spec: DIGITS_SPEC }.clips(&samples, &device);
    // Score of the first class, for each sample.
    let losses = |clips: Tensor<5>| {
        let scores = model.forward(clips, Capture::Logits).output;
        scores.slice_dim(1, 0..1).squeeze_dim::<1>(1)
    };
    let values =
        |tensor: Tensor<1>| -> Vec<f64> { tensor.without_autodiff().try_into_vec_as().unwrap() };
    let clean = values(losses(clips.clone()));
    let pgd = Attack::Pgd {
        n_steps: 4,
        n_starts: 3,
    };
    for attack in [Attack::Fgsm, pgd, Attack::Random] {
        let changed = attack.apply(&clips, 0.05, 3, 10, &losses);
        let pixels: Vec<f64> = changed
            .clone()
            .without_autodiff()
            .try_into_vec_as()
            .unwrap();
        let before: Vec<f64> = clips.clone().without_autodiff().try_into_vec_as().unwrap();
        assert!(pixels.iter().all(|pixel| (-1.0..=1.0).contains(pixel)));
        assert!(
            pixels
                .iter()
                .zip(&before)
                .all(|(a, b)| (a - b).abs() <= 0.1 + 1e-6)
        );
        let after = values(losses(changed));
        let rises = after.iter().zip(&clean).all(|(after, clean)| after > clean);
        assert_eq!(
            rises,
            attack != Attack::Random,
            "{attack:?}: {after:?} from {clean:?}"
        );
    }
    // The perturbation of a clip does not depend on its batch.
    let all = pgd.apply(&clips, 0.05, 3, 10, &losses);
    let last = pgd.apply(&clips.clone().slice_dim(0, 4..6), 0.05, 3, 14, &losses);
    let gap = (all.slice_dim(0, 4..6) - last)
        .abs()
        .max()
        .into_scalar::<f64>();
    assert!(gap < 1e-6, "{gap}");
    // The gradient is that of the losses: the slope along it equals its squared norm.
    let tracked = clips.clone().require_grad();
    let gradient = tracked
        .grad(&losses(tracked.clone()).sum().backward())
        .unwrap();
    let gradient: Tensor<5> = Tensor::from_data(gradient.into_data(), &device);
    let norm = gradient.clone().square().sum().into_scalar::<f64>();
    let step = 1e-2;
    let total_loss = |clips: Tensor<5>| values(losses(clips)).iter().sum::<f64>();
    let slope = (total_loss(clips.clone() + gradient.clone() * step)
        - total_loss(clips - gradient * step))
        / (2.0 * step);
    assert!(
        (slope - norm).abs() < 2e-3 * norm,
        "{slope}, expected {norm}"
    );
}

#[test]
fn invalid_robustness_tables_give_one_clear_message() {
    let directory = TestDir::new();
    for (from, to, expected) in [
        (
            "epsilon = 0.1",
            "epsilon = 0.0",
            "epsilon is 0, expected a number above 0 and at most 1",
        ),
        (
            "pgd_steps = 5",
            "pgd_steps = 0",
            "pgd_steps is 0, expected at least 1",
        ),
        (
            "pgd_steps = 5",
            "pgd_steps = 5\nseverity = 6",
            "severity is 6, expected 1 to 5",
        ),
        (
            "epochs = 8",
            "epochs = 8\nsamples_per_class = 0",
            "samples_per_class is 0, expected at least 1",
        ),
    ] {
        std::fs::write(directory.path().join("bad.toml"), CONFIG.replace(from, to)).unwrap();
        assert_refused(directory.path(), &["config", "check", "bad.toml"], expected);
    }
}

#[test]
fn the_command_measures_every_condition_and_rejects_bad_input() {
    let directory = TestDir::new();
    train_model(&directory);
    let run = |arguments: &[&str]| {
        let mut all = vec!["robustness", "run", "--n-samples", "60", "--pgd-steps", "4"];
        all.extend(arguments);
        run_program(directory.path(), &all)
    };
    let output = run(&[
        "--epsilons",
        "0.05,0.5",
        "--transfer-from",
        "run",
        "--output",
        "report",
    ]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(stdout.contains("between different images"), "{stdout}");
    let numbers = std::fs::read(directory.path().join("report/robustness.json")).unwrap();
    let numbers: serde_json::Value = serde_json::from_slice(&numbers).unwrap();
    let conditions = numbers["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 1 + 2 * 4 + 1 + 20);
    let accuracy = |name: &str| {
        let condition = conditions.iter().find(|c| c["condition"] == name);
        condition.unwrap()["accuracy"].clone()
    };
    // Attacks transferred from the model itself have the strength of direct attacks.
    let white_box = accuracy("PGD, epsilon 0.05");
    assert_eq!(
        white_box,
        accuracy("PGD against the other model, epsilon 0.05")
    );
    let interval = white_box["interval"].as_array().unwrap();
    let value = white_box["value"].as_f64().unwrap();
    assert!(interval[0].as_f64().unwrap() < value && value < interval[1].as_f64().unwrap());
    assert!(accuracy("PGD, epsilon 0.5")["value"].as_f64().unwrap() < 0.1);
    for check in numbers["checks"].as_array().unwrap() {
        assert_eq!(check["holds"], true, "{check}");
    }
    let page = std::fs::read_to_string(directory.path().join("report/report.html")).unwrap();
    assert!(page.contains("Accuracy under attack"));
    // The same again, with the report in the run directory.
    let again = run(&["--epsilons", "0.05,0.5", "--transfer-from", "run"]);
    assert_eq!(stdout, String::from_utf8(again.stdout).unwrap());
    for (arguments, expected) in [
        (
            &["--epsilons", "0.5,0.05"][..],
            "expected numbers above 0 and at most 1 in increasing order",
        ),
        (
            &["--epsilons", "0.1,1.5"],
            "expected numbers above 0 and at most 1 in increasing order",
        ),
        (
            &["--epsilons", "nan"],
            "expected numbers above 0 and at most 1 in increasing order",
        ),
        (&["--pgd-starts", "0"], "20 steps and 0 starts"),
        (&["--transfer-from", "nowhere"], "nowhere"),
        (
            &["--output", "robust.toml/report"],
            "robust.toml/report: cannot be written",
        ),
    ] {
        let arguments = [&["robustness", "run"], arguments].concat();
        assert_refused(directory.path(), &arguments, expected);
    }
}
