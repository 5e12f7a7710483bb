//! What TensorBoard shows beside numbers: the configuration, the table of runs, distributions of
//! lifetimes, pictures of diagrams and barcodes.

use std::io;

use serde_json::Value;

use super::evaluate::Evaluation;
use super::monitor::LayerMonitor;
use super::summary::Summary;
use crate::config::Config;
use crate::data::{Sample, SampleSpec};
use crate::model::Task;
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
    let raw = serde_json::to_value(&config.raw).expect("every configuration can be written");
    let mut settings = Vec::new();
    for section in SECTIONS {
        flatten(section, &raw[section], &mut settings);
    }
    let tags = Summary::tags(Task::of(&config.spec.model));
    events.hparams_start(&settings, &tags, &group(raw))
}

/// What runs of the same settings and different seeds have in common.
fn group(mut raw: Value) -> String {
    raw["run"] = Value::Null;
    let mut digest = sha256_hex(raw.to_string().as_bytes());
    digest.truncate(12);
    digest
}

fn flatten(path: &str, value: &Value, settings: &mut Vec<(String, HparamValue)>) {
    let within = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    let setting = match value {
        Value::Object(table) => {
            return table
                .iter()
                .for_each(|(key, value)| flatten(&within(key), value, settings));
        }
        Value::Array(tables) if tables.iter().all(Value::is_object) => {
            return tables
                .iter()
                .enumerate()
                .for_each(|(index, table)| flatten(&within(&index.to_string()), table, settings));
        }
        Value::Number(number) => HparamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(flag) => HparamValue::Flag(*flag),
        Value::String(text) => HparamValue::Text(text.clone()),
        other => HparamValue::Text(other.to_string()),
    };
    settings.push((path.to_owned(), setting));
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
    }];
    if !validation.first_prediction.is_empty() {
        panels.push(ClipPanel {
            title: "predicted",
            pixels: &validation.first_prediction,
            first_frame: 1,
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
    fn settings_are_named_by_their_path() {
        let raw = serde_json::json!({
            "run": { "seed": 3 },
            "topology": [{ "layers": [0, 2], "weight": { "kind": "fixed" } }],
            "flip": true,
        });
        let mut settings = Vec::new();
        flatten("", &raw, &mut settings);
        let text = |text: &str| HparamValue::Text(text.to_owned());
        let expected = [
            ("flip", HparamValue::Flag(true)),
            ("run.seed", HparamValue::Number(3.0)),
            ("topology.0.layers", text("[0,2]")),
            ("topology.0.weight.kind", text("fixed")),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(settings, expected);
    }

    #[test]
    fn seeds_share_a_group_and_settings_do_not() {
        let raw = |seed, lr| serde_json::json!({ "run": { "seed": seed }, "lr": lr });
        assert_eq!(group(raw(1, 0.1)), group(raw(2, 0.1)));
        assert_ne!(group(raw(1, 0.1)), group(raw(1, 0.2)));
    }
}
