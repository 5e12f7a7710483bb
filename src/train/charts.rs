//! TensorBoard output other than scalars: the configuration, hyperparameters, the layout of the custom
//! scalars page, histograms of persistences, and plots of diagrams and barcodes.

use std::io;

use serde_json::Value;

use super::summary::RunSummary;
use crate::config::Config;
use crate::evaluate::LayerMonitor;
use crate::model::Task;
use crate::report::{EncodedImage, barcode, persistence_diagram};
use crate::run::{Chart, EventWriter, HparamValue, RunDirectory, sha256_hex};

/// Layout of the custom scalars page: groups of charts that are best read side by side.
const LAYOUT: &[(&str, &[Chart])] = &[
    (
        "training",
        &[
            Chart {
                title: "losses",
                tags: &["train/loss", "train/loss_task", "train/loss_topology"],
            },
            Chart {
                title: "penalties",
                tags: &["penalty/.+/value"],
            },
            Chart {
                title: "accuracy",
                tags: &["validation/accuracy", "summary/test_accuracy"],
            },
            Chart {
                title: "error of predicted frames",
                tags: &["validation/mse.*"],
            },
            Chart {
                title: "error of velocities",
                tags: &["validation/flow_loss.*"],
            },
            Chart {
                title: "overlap of predicted masks",
                tags: &["validation/dice.*", "validation/centerline_dice"],
            },
            Chart {
                title: "topological errors of predicted masks",
                tags: &[
                    "validation/h\\d_betti_error",
                    "validation/betti_matching_error.*",
                ],
            },
        ],
    ),
    (
        "topology, layer by layer",
        &[
            Chart {
                title: "H0 distance to the next layer",
                tags: &["topology/h0_wasserstein_next_normalized/layer\\d+"],
            },
            Chart {
                title: "H1 distance to the next layer",
                tags: &["topology/h1_wasserstein_next_normalized/layer\\d+"],
            },
            Chart {
                title: "H1 total persistence",
                tags: &["topology/h1_total_persistence/layer\\d+"],
            },
        ],
    ),
    (
        "topology, frame by frame",
        &[
            Chart {
                title: "H0 distance to the next frame",
                tags: &["frames/h0_wasserstein_next_normalized/layer\\d+"],
            },
            Chart {
                title: "H1 distance to the next frame",
                tags: &["frames/h1_wasserstein_next_normalized/layer\\d+"],
            },
        ],
    ),
    (
        "collapse, layer by layer",
        &[
            Chart {
                title: "mean distance between attention rows",
                tags: &["topology/mean_distance/layer\\d+"],
            },
            Chart {
                title: "entropy of attention over that of uniform attention",
                tags: &["attention/entropy/layer\\d+"],
            },
            Chart {
                title: "effective rank of the tokens",
                tags: &["tokens/effective_rank/layer\\d+"],
            },
        ],
    ),
];

/// Configuration sections logged as hyperparameters, most interesting first; other sections change no result.
const HPARAM_SECTIONS: [&str; 5] = ["topology", "training", "model", "data", "run"];

/// Logs the configuration as text and as hyperparameters, and the layout of the custom scalars page.
///
/// A cell of a study has no hyperparameters of its own: the study logs them with the names of its arms and levels.
pub(super) fn start(
    events: &mut EventWriter,
    config: &Config,
    run: &RunDirectory,
) -> io::Result<()> {
    extended(events, config, 0)?;
    let categories = categories(config);
    let categories: Vec<(&str, &[Chart])> = categories
        .iter()
        .map(|(title, charts)| (*title, &charts[..]))
        .collect();
    events.layout(&categories)?;
    if run.is_cell() {
        return Ok(());
    }
    let settings = config.settings();
    let penalties = penalties(&config.spec.penalty_names(), &settings);
    let mut hparams = vec![(PENALTIES.to_owned(), HparamValue::Text(penalties))];
    let sections = HPARAM_SECTIONS.iter();
    hparams.extend(sections.flat_map(|section| section_hparams(&settings, section)));
    let first: Vec<String> = hparams
        .iter()
        .map(|(name, _)| name.clone())
        .filter(|name| is_first(name))
        .collect();
    let tags = RunSummary::tags(config);
    events.hparams_start(&hparams, &first, &tags, &trial(&run.name(), &settings))
}

/// Column with the penalties of a run in words. All runs have it, whereas the keys of a penalty are missing from the table
/// if the first run has no such penalty: TensorBoard takes the columns from one of the runs.
const PENALTIES: &str = "penalties";

/// Names of the penalties with their weights, as in `h0_layers (share 0.1)`; `none` without any.
fn penalties(names: &[String], settings: &[(String, Value)]) -> String {
    let in_words = |name: &String| {
        let weight = ["share", "value"].iter().find_map(|kind| {
            let key = format!("topology.{name}.weight.{kind}");
            let (_, value) = settings.iter().find(|(path, _)| *path == key)?;
            Some(format!(" ({kind} {value})"))
        });
        format!("{name}{}", weight.unwrap_or_default())
    };
    match names {
        [] => "none".to_owned(),
        names => names.iter().map(in_words).collect::<Vec<_>>().join(", "),
    }
}

/// True for settings that are most often varied: the weights of penalties, the seed, the learning rate and the epochs.
fn is_first(name: &str) -> bool {
    let is_weight = name.starts_with("topology.")
        && [".weight.share", ".weight.value"]
            .iter()
            .any(|end| name.ends_with(end));
    is_weight
        || [
            PENALTIES,
            "run.seed",
            "training.epochs",
            "training.optimizer.lr",
        ]
        .contains(&name)
}

/// Logs the configuration as text at a step.
pub(super) fn extended(events: &mut EventWriter, config: &Config, step: usize) -> io::Result<()> {
    let markdown = format!("```toml\n{}```\n", config.to_toml());
    events.text("config", &markdown, step)
}

/// Charts of the custom scalars page by category, without those that would stay empty for the task of the run.
fn categories(config: &Config) -> Vec<(&'static str, Vec<Chart>)> {
    let spec = &config.spec;
    let task = Task::from_config(&spec.model);
    let has_frames = spec.model.n_frames() > 1;
    // A linear probe has no tokens.
    let has_topology = spec.logging.topology_images > 0 && spec.model.token_layout().n_tokens() > 0;
    let is_filled = |chart: &Chart| match chart.tags.first().and_then(|tag| tag.split_once('/')) {
        Some(("frames", _)) => has_frames && has_topology,
        Some(("topology" | "attention" | "tokens", _)) => has_topology,
        Some(("penalty", _)) => !spec.penalties.is_empty(),
        // The pattern of a chart begins with the name of the first of its metrics.
        Some(("validation", metric)) => metric.starts_with(task.metrics()[0]),
        _ => true,
    };
    LAYOUT
        .iter()
        .map(|(title, charts)| (*title, charts.iter().copied().filter(is_filled).collect()))
        .filter(|(_, charts): &(_, Vec<Chart>)| !charts.is_empty())
        .collect()
}

/// Settings of one section of the configuration, as hyperparameters.
fn section_hparams<'a>(
    settings: &'a [(String, Value)],
    section: &'a str,
) -> impl Iterator<Item = (String, HparamValue)> + 'a {
    let in_section = settings
        .iter()
        .filter(move |(key, _)| key.split('.').next() == Some(section));
    in_section.map(|(key, value)| {
        let value = match value {
            Value::Number(number) => HparamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::Bool(flag) => HparamValue::Flag(*flag),
            Value::String(text) => HparamValue::Text(text.clone()),
            // TensorBoard has no type for lists.
            other => HparamValue::Text(other.to_string()),
        };
        (key.clone(), value)
    })
}

/// Name of the row of a run in the table of hyperparameters: the name of its directory, and the beginning of a digest of
/// its settings.
///
/// TensorBoard averages rows of the same name, and runs in different directories, such as `plain/seed0` and
/// `penalised/seed0`, may have the same one.
fn trial(name: &str, settings: &[(String, Value)]) -> String {
    let text: String = settings
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    let mut digest = sha256_hex(text.as_bytes());
    digest.truncate(6);
    format!("{name} {digest}")
}

/// Logs histograms of the persistences of the first images' bars.
pub(super) fn persistence_histograms(
    events: &mut EventWriter,
    monitor: &LayerMonitor,
    step: usize,
) -> io::Result<()> {
    for (layer, snapshot) in monitor.snapshots().iter().enumerate() {
        for (homology_dim, persistences) in snapshot.persistences.iter().enumerate() {
            let tag = format!("persistence/h{homology_dim}/layer{layer:02}");
            events.histogram(&tag, persistences, step)?;
        }
    }
    Ok(())
}

/// Unit of the diagrams' axes.
pub(super) const UNIT: &str = "Jensen-Shannon distance";

/// Logs plots of the diagrams and barcodes of the first image, one per layer.
pub(super) fn diagram_plots(
    events: &mut EventWriter,
    monitor: &LayerMonitor,
    step: usize,
) -> io::Result<()> {
    for (layer, snapshot) in monitor.snapshots().iter().enumerate() {
        let title = format!("layer {layer}, step {step}");
        let mut log = |name: &str, plot: EncodedImage| {
            let tag = format!("{name}/layer{layer:02}");
            events.image(&tag, [plot.width, plot.height], &plot.bytes, step)
        };
        let first = snapshot
            .first_diagrams
            .first()
            .map_or(&[][..], Vec::as_slice);
        log("diagram", persistence_diagram(first, &title, UNIT))?;
        log("barcode", barcode(first, &title, UNIT))?;
    }
    Ok(())
}

/// Logs the final metrics, and marks the run as successful in the table of hyperparameters.
///
/// Those of a cell are logged by its study.
pub(super) fn finish(
    events: &mut EventWriter,
    summary: &RunSummary,
    run: &RunDirectory,
) -> io::Result<()> {
    if run.is_cell() {
        return Ok(());
    }
    for (name, value) in &summary.metrics {
        events.scalar(&format!("summary/{name}"), *value, summary.steps)?;
    }
    events.hparams_end(true)
}

/// Marks the run as failed in the table of hyperparameters.
pub(super) fn fail(events: &mut EventWriter, run: &RunDirectory) -> io::Result<()> {
    if run.is_cell() {
        return Ok(());
    }
    events.hparams_end(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyperparameters_keep_their_types() {
        let settings = [
            ("run.seed", Value::from(3)),
            ("training.flip", Value::from(true)),
            ("topology.0.layers", serde_json::json!([0, 2])),
            ("topology.0.weight.kind", Value::from("fixed")),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        let hparams = |section| -> Vec<_> { section_hparams(&settings, section).collect() };
        assert_eq!(
            hparams("run"),
            [("run.seed".to_owned(), HparamValue::Number(3.0))]
        );
        assert_eq!(
            hparams("training"),
            [("training.flip".to_owned(), HparamValue::Flag(true))]
        );
        let text = |text: &str| HparamValue::Text(text.to_owned());
        assert_eq!(hparams("topology")[0].1, text("[0,2]"));
        assert_eq!(hparams("topology")[1].1, text("fixed"));
    }

    #[test]
    fn every_run_has_a_row_of_its_own_that_begins_with_its_name() {
        let trial_for = |name: &str, seed: u64, lr: f64| {
            let settings = [("run.seed", Value::from(seed)), ("lr", Value::from(lr))];
            trial(name, &settings.map(|(key, value)| (key.to_owned(), value)))
        };
        let first = trial_for("seed1", 1, 0.1);
        assert!(first.starts_with("seed1 ") && first.len() == 12, "{first}");
        assert_eq!(first, trial_for("seed1", 1, 0.1));
        assert_ne!(first, trial_for("seed1", 2, 0.1));
        assert_ne!(first, trial_for("seed1", 1, 0.2));
    }

    #[test]
    fn a_cell_has_no_hyperparameters_beside_those_of_its_study() {
        let directory = std::env::temp_dir().join(format!("charts-{}", std::process::id()));
        let file = format!("{}/configs/digits_vit.toml", env!("CARGO_MANIFEST_DIR"));
        let config = Config::read(file.as_ref(), &[]).unwrap();
        let has_hparams = |path: &str| {
            let root = directory.join(path);
            std::fs::create_dir_all(&root).unwrap();
            std::fs::write(root.join("config.toml"), config.to_toml()).unwrap();
            let run = RunDirectory::open(&root).unwrap();
            let mut events = EventWriter::create(&run.tensorboard()).unwrap();
            start(&mut events, &config, &run).unwrap();
            events.flush().unwrap();
            let mut files = std::fs::read_dir(run.tensorboard()).unwrap();
            let bytes = std::fs::read(files.next().unwrap().unwrap().path()).unwrap();
            let tag = b"_hparams_/session_start_info";
            bytes.windows(tag.len()).any(|window| window == tag)
        };
        std::fs::create_dir_all(directory.join("study/configs")).unwrap();
        assert!(!has_hparams("study/cells/a"));
        assert!(has_hparams("single"));
        // A directory of this name alone makes no study.
        assert!(has_hparams("cells/a"));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_penalties_of_a_run_are_one_column() {
        let names = ["h0_layers", "h1_frames", "other"].map(str::to_owned);
        let settings = [
            ("topology.h0_layers.weight.share", Value::from(0.1)),
            ("topology.h1_frames.weight.value", Value::from(2.0)),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        assert_eq!(
            penalties(&names, &settings),
            "h0_layers (share 0.1), h1_frames (value 2.0), other"
        );
        assert_eq!(penalties(&[], &settings), "none");
        for (name, expected) in [
            ("topology.h0_layers.weight.share", true),
            ("topology.h0_layers.order", false),
            ("training.optimizer.lr", true),
            ("model.d_model", false),
        ] {
            assert_eq!(is_first(name), expected, "{name}");
        }
    }
}
