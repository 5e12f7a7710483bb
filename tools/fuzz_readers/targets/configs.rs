//! Configurations, overrides, studies and command lines.

use std::path::Path;

use burn_topology::config::Config;
use burn_topology::experiment::Study;

use super::super::case::Case;
use super::{repository, stored};

/// Largest number of cells of a study whose settings are compared.
const MAX_CELLS: usize = 50;

/// File of the overrides of a configuration, one on each line.
const OVERRIDES: &str = "overrides.txt";

fn config(name: &str, overrides: &str) -> Case {
    Case {
        files: vec![
            ("config.toml".to_owned(), stored(name)),
            (OVERRIDES.to_owned(), overrides.into()),
        ],
    }
}

/// All configurations of this repository, without overrides.
pub(super) fn config_corpus() -> Vec<Case> {
    let entries = std::fs::read_dir(repository("configs")).expect("configurations");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    // Listed in any order, but the same seed must give the same cases.
    names.sort();
    let path = |name: &String| format!("configs/{name}");
    names.iter().map(|name| config(&path(name), "")).collect()
}

/// Configurations with overrides: the lines after `# or` of the references, which are written as for `--set`.
pub(super) fn override_corpus() -> Vec<Case> {
    ["configs/reference.toml", "configs/reference_video.toml"]
        .iter()
        .flat_map(|name| {
            let text = String::from_utf8(stored(name)).expect("text");
            let lines = text.lines().filter_map(|line| line.strip_prefix("# or "));
            let short = "configs/digits_vit.toml";
            lines
                .map(|line| config(short, &format!("{line}\nrun.seed=7\n")))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Reads a configuration; a valid one must be read again from what it is written as.
pub(super) fn read_config(directory: &Path) {
    let path = directory.join("config.toml");
    let overrides = std::fs::read(directory.join(OVERRIDES)).unwrap_or_default();
    let overrides: Vec<String> = String::from_utf8_lossy(&overrides)
        .lines()
        .map(str::to_owned)
        .collect();
    let Ok(config) = Config::read(&path, &overrides) else {
        return;
    };
    assert!(config.spec.least_memory().total() >= 0.0);
    let _ = config.settings();
    let identity = config.identity();
    std::fs::write(&path, config.to_toml()).expect("a writable directory");
    match Config::read(&path, &[]) {
        Ok(again) => assert_eq!(
            again.identity(),
            identity,
            "the resolved configuration differs"
        ),
        Err(error) => panic!("the resolved configuration is refused: {error}"),
    }
}

/// Studies of this repository, and one with factors.
pub(super) fn study_corpus() -> Vec<Case> {
    let factors = br#"question = "Does the weight matter?"
base = "base.toml"
seeds = [0, 1]
baseline = "plain"
primary = ["test_accuracy"]
secondary = ["test_loss"]
margin = 0.1
[[arm]]
name = "plain"
set = ["topology=[]", "training.epochs=2", "model.d_model=8"]
[[arm]]
name = "topology"
set = ["training.epochs=2"]
[[factor]]
name = "share"
keys = ["topology.h0_layers.weight.share"]
levels = [[0.1], [0.3]]
arms = ["topology"]
"#;
    // Not in the published package.
    let controls = repository("experiments/2026-11-25-digits_controls/study.toml");
    let controls = std::fs::read_to_string(controls).unwrap_or_default();
    let controls = controls.replace("../../configs/digits_vit.toml", "base.toml");
    [factors.to_vec(), controls.into_bytes()]
        .into_iter()
        .filter(|study| !study.is_empty())
        .map(|study| Case {
            files: vec![
                ("base.toml".to_owned(), stored("configs/digits_vit.toml")),
                ("study.toml".to_owned(), study),
            ],
        })
        .collect()
}

/// Reads a study and looks its cells up.
pub(super) fn read_study(directory: &Path) {
    let Ok(study) = Study::read(&directory.join("study.toml")) else {
        return;
    };
    for cell in study.cells.iter().take(MAX_CELLS) {
        assert_eq!(study.find_cell(&cell.id).expect("a cell").id, cell.id);
        let _ = cell.config.to_toml();
    }
    assert!(study.metrics().next().is_some());
}

/// Command lines, one word on each line.
pub(super) fn argument_corpus() -> Vec<Case> {
    [
        "train a.toml --output runs/a --set training.epochs=5 --device flex --memory-limit 80GB",
        "train --resume runs/a --profile",
        "evaluate runs/a --split test --batch-size 4",
        "ablate study.toml --launcher slurm --jobs 2 --dry-run -- --time=5",
        "ablate study.toml --cell 3",
        "coherence runs/a runs/b --clips builtin --n-samples 20 --output c",
        "analyze --weights w --images a.png b.jpg --output out --tokens all --max-homology-dim 2",
        "robustness runs/a --attack pgd --pgd-steps 2 --n-samples 60",
        "persistence m.npy --input distances --max-homology-dim 1 --output d.npz",
        "diagram-distance a.npz b.npz --metric wasserstein --order 2 --ground-norm infinity",
        "anomaly fit runs/a --split train --label 1 --output fit.json",
        "predict runs/a a.png",
        "weights w --image-size 224",
        "config check a.toml --memory-limit 1.5GiB",
        "completions bash",
    ]
    .map(|line| Case::one("words.txt", line.replace(' ', "\n")))
    .into()
}

/// Parses a command line; nothing is run.
pub(super) fn read_arguments(directory: &Path) {
    let text = std::fs::read(directory.join("words.txt")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let words = std::iter::once("burn-topology").chain(text.lines());
    if let Err(error) = burn_topology::cli::command().try_get_matches_from(words) {
        assert!(!error.to_string().is_empty());
    }
}
