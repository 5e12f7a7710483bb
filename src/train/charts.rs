//! What TensorBoard shows beside numbers: the configuration, the table of runs, distributions of
//! lifetimes, pictures of diagrams and barcodes.

use std::io;

use serde_json::Value;

use super::evaluate::Evaluation;
use super::monitor::LayerMonitor;
use super::summary::Summary;
use crate::config::Config;
use crate::data::{Sample, SampleSpec};
use crate::report::{ClipPanel, Picture, barcode, clip_animation, persistence_diagram};
use crate::run::{Chart, EventWriter, HparamValue, sha256_hex};

/// Charts of the page of custom scalars: what one wants to see side by side.
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
                tags: &["train/penalty\\d+_value"],
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

/// What is in the table of runs, the first first; other sections change no result.
const SECTIONS: [&str; 5] = ["topology", "training", "model", "data", "run"];

/// The configuration as text and as settings, and the layout.
pub(super) fn start(events: &mut EventWriter, config: &Config) -> io::Result<()> {
    let markdown = format!("```toml\n{}```\n", config.to_toml());
    events.text("config", &markdown, 0)?;
    events.layout(LAYOUT)?;
    let known = config.settings();
    let settings: Vec<(String, HparamValue)> = SECTIONS
        .iter()
        .flat_map(|section| of_section(&known, section))
        .collect();
    let tags = Summary::tags(config);
    events.hparams_start(&settings, &tags, &group(&known))
}

fn of_section<'a>(
    settings: &'a [(String, Value)],
    section: &'a str,
) -> impl Iterator<Item = (String, HparamValue)> + 'a {
    let of_section = settings
        .iter()
        .filter(move |(key, _)| key.split('.').next() == Some(section));
    of_section.map(|(key, value)| {
        let value = match value {
            Value::Number(number) => HparamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::Bool(flag) => HparamValue::Flag(*flag),
            Value::String(text) => HparamValue::Text(text.clone()),
            other => HparamValue::Text(other.to_string()),
        };
        (key.clone(), value)
    })
}

/// What runs of the same settings and different seeds have in common.
fn group(settings: &[(String, Value)]) -> String {
    let mut text = String::new();
    for (key, value) in settings {
        if key.split('.').next() != Some("run") {
            text.push_str(&format!("{key}={value}\n"));
        }
    }
    let mut digest = sha256_hex(text.as_bytes());
    digest.truncate(12);
    digest
}

/// Distributions of the lifetimes of the first images' bars.
pub(super) fn lifetimes(
    events: &mut EventWriter,
    monitor: &LayerMonitor,
    step: usize,
) -> io::Result<()> {
    for (layer, sample) in monitor.samples().iter().enumerate() {
        for (homology_dim, lifetimes) in sample.lifetimes.iter().enumerate() {
            let tag = format!("lifetimes/h{homology_dim}/layer{layer:02}");
            events.histogram(&tag, lifetimes, step)?;
        }
    }
    Ok(())
}

const UNIT: &str = "Jensen-Shannon distance";

/// The first clip as it plays, what was predicted of it, and the diagram of each frame in the last
/// layer and the first.
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
            first_frame: 1,
            captions: &[],
        });
    }
    for (layer, sample) in validation.monitor.samples().iter().enumerate() {
        let title = format!("layer {layer}, step {step}");
        let picture = clip_animation(&panels, shape, &sample.first, &title, UNIT);
        let tag = format!("clip/layer{layer:02}");
        events.image(&tag, [picture.width, picture.height], &picture.bytes, step)?;
    }
    Ok(())
}

/// Diagrams and barcodes of the first image.
pub(super) fn pictures(
    events: &mut EventWriter,
    monitor: &LayerMonitor,
    step: usize,
) -> io::Result<()> {
    for (layer, sample) in monitor.samples().iter().enumerate() {
        let title = format!("layer {layer}, step {step}");
        let mut show = |name: &str, picture: Picture| {
            let tag = format!("{name}/layer{layer:02}");
            events.image(&tag, [picture.width, picture.height], &picture.bytes, step)
        };
        let first = sample.first.first().map_or(&[][..], Vec::as_slice);
        show("diagram", persistence_diagram(first, &title, UNIT))?;
        show("barcode", barcode(first, &title, UNIT))?;
    }
    Ok(())
}

/// Final metrics, and the end of the run's row.
pub(super) fn finish(events: &mut EventWriter, summary: &Summary) -> io::Result<()> {
    for (name, value) in &summary.metrics {
        events.scalar(&format!("summary/{name}"), *value, summary.steps)?;
    }
    events.hparams_end(true)
}

/// The end of the row of a run that failed.
pub(super) fn fail(events: &mut EventWriter) -> io::Result<()> {
    events.hparams_end(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_shown_with_their_types() {
        let settings = [
            ("run.seed", Value::from(3)),
            ("training.flip", Value::from(true)),
            ("topology.0.layers", serde_json::json!([0, 2])),
            ("topology.0.weight.kind", Value::from("fixed")),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        let of = |section| -> Vec<_> { of_section(&settings, section).collect() };
        assert_eq!(
            of("run"),
            [("run.seed".to_owned(), HparamValue::Number(3.0))]
        );
        assert_eq!(
            of("training"),
            [("training.flip".to_owned(), HparamValue::Flag(true))]
        );
        let text = |text: &str| HparamValue::Text(text.to_owned());
        assert_eq!(of("topology")[0].1, text("[0,2]"));
        assert_eq!(of("topology")[1].1, text("fixed"));
    }

    #[test]
    fn seeds_share_a_group_and_settings_do_not() {
        let of = |seed: u64, lr: f64| {
            let settings = [("run.seed", Value::from(seed)), ("lr", Value::from(lr))];
            group(&settings.map(|(key, value)| (key.to_owned(), value)))
        };
        assert_eq!(of(1, 0.1), of(2, 0.1));
        assert_ne!(of(1, 0.1), of(1, 0.2));
    }
}
