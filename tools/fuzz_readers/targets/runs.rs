//! Runs with their checkpoints, results of studies, and models of normal images.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use burn_topology::analysis::anomaly::AnomalyFit;
use burn_topology::burn::prelude::*;
use burn_topology::config::Config;
use burn_topology::evaluate::LoadedRun;
use burn_topology::experiment::{Study, cell_state, collect};
use burn_topology::run::{Checkpoints, Manifest, RunDirectory, RunLock, Session};
use burn_topology::train::{Job, SilentObserver, train};

use super::super::case::Case;
use super::configs;

/// Configuration of a run of four steps.
const TINY: &str = r#"
[run]
name = "tiny"
seed = 3
[data]
kind = "digits"
[model]
kind = "vit"
d_model = 4
n_layers = 1
n_heads = 1
patch_size = 4
[training]
epochs = 2
batch_size = 20
samples_per_class = 4
optimizer = { kind = "adamw", lr = 1e-3, weight_decay = 0.05 }
schedule = { kind = "cosine", warmup_steps = 2 }
[[topology]]
between = "views"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
weight = { kind = "gradient_share", share = 0.1 }
[training.view]
kind = "noise"
severity = 1
"#;

/// New temporary directory, for a corpus that is made by running something.
fn temporary() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!(
        "burn-topology-corpus-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path).expect("a temporary directory");
    path
}

/// Trains, or goes on training, a run for one step or to its end.
fn train_run(run: &RunDirectory, lock: &RunLock, config: &Config, to_end: bool) -> bool {
    let (stop, devices) = (AtomicBool::new(!to_end), [Device::flex()]);
    let Ok(data) = config.spec.open_data() else {
        return false;
    };
    let job = Job {
        config,
        data: &data,
        run,
        lock,
        devices: &devices,
        profiles: false,
        stop: &stop,
    };
    train(&job, &mut SilentObserver).is_ok()
}

/// Runs of two epochs: a finished one, and one that was stopped after its first step.
pub(super) fn run_corpus() -> Vec<Case> {
    let directory = temporary();
    let file = directory.join("tiny.toml");
    std::fs::write(&file, TINY).expect("a writable directory");
    let config = Config::read(&file, &[]).expect("a configuration");
    let cases = [true, false].map(|to_end| {
        let manifest = Manifest {
            seed: 3,
            sessions: vec![Session::gather("flex")],
            ..Manifest::default()
        };
        let root = directory.join(to_end.to_string());
        let created = RunDirectory::create(&root, &config.to_toml(), &manifest);
        let (run, lock) = created.expect("a run");
        assert!(
            train_run(&run, &lock, &config, to_end),
            "the tiny run fails"
        );
        Case::read(&root, |name| !name.starts_with("tensorboard")).expect("a run")
    });
    let _ = std::fs::remove_dir_all(directory);
    cases.into()
}

/// Reads a run as `train --resume` and `evaluate` do, and takes a step from its newest checkpoint.
pub(super) fn read_run(root: &Path) {
    // Event files are written only, and are no part of the cases.
    let _ = std::fs::create_dir(root.join("tensorboard"));
    let Ok(run) = RunDirectory::open(root) else {
        return;
    };
    let _ = Manifest::read(&run.manifest());
    let Ok(loaded) = LoadedRun::open(root, Device::flex()) else {
        return;
    };
    // A configuration changed to a larger model is another target's concern.
    let least = loaded.config.spec.least_memory().total();
    if least > 1e8 || loaded.config.spec.training.batch_size > 1000 {
        return;
    }
    let keep_last = loaded.config.spec.checkpoint.keep_last;
    if let Ok((checkpoints, _)) = Checkpoints::open(&run, keep_last) {
        let _ = checkpoints.best();
    }
    let _ = loaded.best_model();
    if let Ok(lock) = run.lock() {
        train_run(&run, &lock, &loaded.config, false);
    }
}

/// A study with the summaries of its cells.
pub(super) fn study_corpus() -> Vec<Case> {
    let directory = temporary();
    let mut case = configs::study_corpus().remove(0);
    case.write(&directory).expect("a writable directory");
    let study = Study::read(&directory.join("study.toml")).expect("a study");
    for (index, cell) in study.cells.iter().enumerate() {
        let name = |file: &str| format!("cells/{}/{file}", cell.id);
        let summary = format!(
            r#"{{"best_step": 3, "steps": 4, "seconds": 1.5, "topology_share": 0.25, "test_accuracy": 0.9{index}, "test_loss": 0.{index}5}}"#
        );
        case.files
            .push((name("config.toml"), cell.config.to_toml().into()));
        case.files.push((name("summary.json"), summary.into()));
    }
    let _ = std::fs::remove_dir_all(directory);
    vec![case]
}

/// Collects the results of a study.
pub(super) fn collect_study(directory: &Path) {
    let Ok(study) = Study::read(&directory.join("study.toml")) else {
        return;
    };
    if study.cells.len() > 50 {
        return;
    }
    for cell in &study.cells {
        let _ = cell_state(directory, cell);
    }
    let _ = collect(&study, directory);
}

/// Models of normal images: one of two layers and dimensions, and one without layers.
pub(super) fn anomaly_corpus() -> Vec<Case> {
    let image = |k: usize| {
        let bars = |n: usize| (0..n).map(|i| [0.0, 1.0 + (i * k % 5) as f64]).collect();
        vec![vec![bars(3), bars(1)], vec![bars(2), bars(0)]]
    };
    let images: Vec<_> = (0..8).map(image).collect();
    let fits = [
        AnomalyFit::new(vec![0, 3], &images),
        AnomalyFit::new(vec![], &vec![vec![]; 8]),
    ];
    fits.into_iter()
        .map(|fit| serde_json::to_vec_pretty(&fit.expect("a fit")).expect("JSON"))
        .map(|bytes| Case::one("fit.json", bytes))
        .collect()
}

/// Reads a model of normal images, and scores an image with it.
pub(super) fn read_anomaly(directory: &Path) {
    let bytes = std::fs::read(directory.join("fit.json")).unwrap_or_default();
    let Ok(fit) = serde_json::from_slice::<AnomalyFit>(&bytes) else {
        return;
    };
    let bars = vec![[0.0, 1.0], [0.0, 2.5]];
    let _ = fit.score(&vec![vec![bars; 2]; 2]);
}
