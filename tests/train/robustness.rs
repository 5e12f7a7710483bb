//! Attacks, corruptions and what the summary says of them.

use std::sync::atomic::AtomicBool;

use burn_topology::burn::prelude::*;
use burn_topology::config::Config;
use burn_topology::data::{Attack, Corruption, DIGITS_SPEC, Perturbation, SampleBatcher, digits};
use burn_topology::model::{Capture, NetworkConfig, VitConfig};
use burn_topology::run::RunDirectory;
use burn_topology::train::{Job, Silent, load_to_attack, predictions, topology_distances};

use crate::util::{TestDir, program, run_program};

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

/// A model that has learned something.
fn trained(directory: &TestDir) {
    std::fs::write(directory.path().join("robust.toml"), CONFIG).unwrap();
    let output = run_program(directory.path(), &["train", "robust.toml", "--out", "run"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn attacks_are_as_strong_as_they_say_and_the_summary_has_them() {
    let directory = TestDir::new();
    trained(&directory);
    let run = RunDirectory::open(&directory.path().join("run")).unwrap();
    let config = Config::read(&run.config(), &[]).unwrap();
    let job = Job {
        config: &config,
        data: &config.spec.open_data().unwrap(),
        run: &run,
        device: &Device::flex(),
        profiles: false,
        stop: &AtomicBool::new(false),
    };
    let model = load_to_attack(&job, &mut Silent).unwrap();
    let found = |perturbation| {
        let found = predictions(&job, &model, None, &job.data.test, perturbation)
            .unwrap()
            .unwrap();
        found.calibration().unwrap()
    };
    let attacked = |attack, epsilon| found(Perturbation::Attack { attack, epsilon });
    let pgd = Attack::Pgd {
        n_steps: 5,
        n_starts: 2,
    };
    let clean = found(Perturbation::None);
    assert!(clean.accuracy > 0.7, "{clean:?}");
    let [fgsm, strong, random] =
        [Attack::Fgsm, pgd, Attack::Random].map(|attack| attacked(attack, 0.1));
    assert!(
        strong.nll >= fgsm.nll && strong.accuracy <= fgsm.accuracy,
        "{strong:?} {fgsm:?}"
    );
    assert!(random.accuracy > fgsm.accuracy + 0.1, "{random:?} {fgsm:?}");
    // Nothing is hidden from the gradient: with room enough the model is beaten everywhere.
    assert!(attacked(pgd, 0.5).accuracy < 0.02);
    assert!(attacked(pgd, 1e-6).accuracy == clean.accuracy);
    let distances = topology_distances(
        &job,
        &model,
        &job.data.test,
        Perturbation::Attack {
            attack: pgd,
            epsilon: 0.1,
        },
    );
    let distances = distances.unwrap();
    assert!(
        distances.len() == 2 && distances.iter().all(|layer| layer[0] > 0.0),
        "{distances:?}"
    );
    let same = topology_distances(&job, &model, &job.data.test, Perturbation::None).unwrap();
    assert!(same.iter().all(|layer| layer[0] == 0.0), "{same:?}");

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
        ("test_noise_accuracy", found(noise).accuracy),
    ] {
        let found = summary[name].as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-12,
            "{name}: {found}, expected {expected}"
        );
    }
    let nll = summary["test_loss"].as_f64().unwrap();
    assert!((nll - clean.nll).abs() < 1e-5, "{nll} {}", clean.nll);
}

#[test]
fn a_change_of_pixels_is_bounded_and_follows_the_gradient() {
    let device = Device::flex().autodiff();
    let config = VitConfig::new([8, 8], 1, 10, 4, 8, 1, 2);
    let model = NetworkConfig::Vit(config).init(&device).no_grad();
    let samples: Vec<_> = (0..6)
        .map(|place| digits().test.get(place).unwrap())
        .collect();
    let clips = SampleBatcher { spec: DIGITS_SPEC }.clips(&samples, &device);
    // Of the first class, by sample.
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
    // A clip is changed in the same way whatever batch it is in.
    let all = pgd.apply(&clips, 0.05, 3, 10, &losses);
    let last = pgd.apply(&clips.clone().slice_dim(0, 4..6), 0.05, 3, 14, &losses);
    let gap = (all.slice_dim(0, 4..6) - last)
        .abs()
        .max()
        .into_scalar::<f64>();
    assert!(gap < 1e-6, "{gap}");
    // The gradient is that of the losses: along it, a small step raises the loss by its norm.
    let tracked = clips.clone().require_grad();
    let gradient = tracked
        .grad(&losses(tracked.clone()).sum().backward())
        .unwrap();
    let gradient: Tensor<5> = Tensor::from_data(gradient.into_data(), &device);
    let norm = gradient.clone().square().sum().into_scalar::<f64>();
    let step = 1e-2;
    let sum = |at: Tensor<5>| values(losses(at)).iter().sum::<f64>();
    let slope = (sum(clips.clone() + gradient.clone() * step) - sum(clips - gradient * step))
        / (2.0 * step);
    assert!(
        (slope - norm).abs() < 2e-3 * norm,
        "{slope}, expected {norm}"
    );
}

#[test]
fn a_section_that_makes_no_sense_is_one_sentence() {
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
        let output = program(directory.path(), &["config", "check", "bad.toml"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains(expected),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
