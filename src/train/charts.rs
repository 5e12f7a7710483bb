//! TensorBoard output other than scalars: the configuration, hyperparameters, the layout of the custom
//! scalars page, histograms of persistences, and plots of diagrams and barcodes.

use std::io;

use serde_json::Value;

use super::summary::RunSummary;
use crate::config::Config;
use crate::data::{Sample, SampleSpec};
use crate::evaluate::{Evaluation, LayerMonitor};
use crate::model::Task;
use crate::report::{ClipPanel, EncodedImage, barcode, clip_animation, persistence_diagram};
use crate::run::{Chart, EventWriter, HparamValue, sha256_hex};

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
pub(super) fn start(events: &mut EventWriter, config: &Config) -> io::Result<()> {
    extended(events, config, 0)?;
    let categories = categories(config);
    let categories: Vec<(&str, &[Chart])> = categories
        .iter()
        .map(|(title, charts)| (*title, &charts[..]))
        .collect();
    events.layout(&categories)?;
    let settings = config.settings();
    let hparams: Vec<(String, HparamValue)> = HPARAM_SECTIONS
        .iter()
        .flat_map(|section| section_hparams(&settings, section))
        .collect();
    let tags = RunSummary::tags(config);
    events.hparams_start(&hparams, &tags, &group(&settings))
}

/// Logs the configuration as text at a step.
pub(super) fn extended(events: &mut EventWriter, config: &Config, step: usize) -> io::Result<()> {
    let markdown = format!("```toml\n{}```\n", config.to_toml());
    events.text("config", &markdown, step)
}

/// Charts of the custom scalars page by category, without those that would stay empty for the task of the run.
fn categories(config: &Config) -> Vec<(&'static str, Vec<Chart>)> {
    let predicts_frames = Task::from_config(&config.spec.model) == Task::PredictNextFrame;
    let has_frames = config.spec.samples.n_frames > 1;
    let is_filled = |chart: &Chart| match chart.tags.first().and_then(|tag| tag.split_once('/')) {
        Some(("frames", _)) => has_frames,
        Some(("validation", metric)) => predicts_frames == metric.starts_with("mse"),
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

/// Digest of all settings but the seed and name: equal for runs that differ only in the seed.
fn group(settings: &[(String, Value)]) -> String {
    let mut text = String::new();
    for (key, value) in settings {
        // The section `run` holds the seed and the name, in which runs of one group differ.
        if key.split('.').next() != Some("run") {
            text.push_str(&format!("{key}={value}\n"));
        }
    }
    let mut digest = sha256_hex(text.as_bytes());
    // With 48 bits it is very unlikely that different settings share a group.
    digest.truncate(12);
    digest
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
const UNIT: &str = "Jensen-Shannon distance";

/// Logs animations of the first clip, one per layer: its frames, the predicted frames if there are any, and the
/// diagram of each frame.
pub(super) fn clip(
    events: &mut EventWriter,
    clip: &Sample,
    spec: SampleSpec,
    validation: &Evaluation,
    step: usize,
) -> io::Result<()> {
    let shape = [spec.n_channels, spec.height, spec.width];
    let mut panels = vec![ClipPanel {
        title: "clip",
        pixels: &clip.pixels,
        first_frame: 0,
        captions: &[],
    }];
    if !validation.first_prediction.is_empty() {
        panels.push(ClipPanel {
            title: "predicted",
            pixels: &validation.first_prediction,
            // The first frame has no prediction.
            first_frame: 1,
            captions: &[],
        });
    }
    for (layer, snapshot) in validation.monitor.snapshots().iter().enumerate() {
        let title = format!("layer {layer}, step {step}");
        let animation = clip_animation(&panels, shape, &snapshot.first_diagrams, &title, UNIT);
        let tag = format!("clip/layer{layer:02}");
        events.image(
            &tag,
            [animation.width, animation.height],
            &animation.bytes,
            step,
        )?;
    }
    Ok(())
}

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
pub(super) fn finish(events: &mut EventWriter, summary: &RunSummary) -> io::Result<()> {
    for (name, value) in &summary.metrics {
        events.scalar(&format!("summary/{name}"), *value, summary.steps)?;
    }
    events.hparams_end(true)
}

/// Marks the run as failed in the table of hyperparameters.
pub(super) fn fail(events: &mut EventWriter) -> io::Result<()> {
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
    fn runs_that_differ_in_the_seed_share_a_group() {
        let group_for = |seed: u64, lr: f64| {
            let settings = [("run.seed", Value::from(seed)), ("lr", Value::from(lr))];
            group(&settings.map(|(key, value)| (key.to_owned(), value)))
        };
        assert_eq!(group_for(1, 0.1), group_for(2, 0.1));
        assert_ne!(group_for(1, 0.1), group_for(1, 0.2));
    }
}
