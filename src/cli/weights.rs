//! `weights`: describes pretrained weights or the model of a run, and exports them for other programs.

use std::path::{Path, PathBuf};

use burn::module::Module;
use clap::Args;
use serde_json::{Map, Value, json};

use super::image_size::ImageSizeArgument;
use super::output::{log, output_path, print, print_json};
use super::tables::{grouped, text_table};
use super::{Failure, log_each, log_problems, message, select_device};
use crate::evaluate::{BestModel, LoadedRun};
use crate::json_paths::flatten;
use crate::model::pretrained::{self, ExportedFile, ModelOverrides, Pretrained, Resize};
use crate::model::{NetworkConfig, VideoAttention};
use crate::run::OutputDirectory;

/// Arguments of `weights`.
#[derive(Debug, Args)]
pub(super) struct WeightsArguments {
    /// Weights of transformers or timm: a file (.safetensors, .bin, .pth or .ckpt), the index of several, or the
    /// directory of either; or a run directory, whose best checkpoint is used.
    model: PathBuf,
    #[command(flatten)]
    image_size: ImageSizeArgument,
    /// Directory to export the model to, in the format of transformers or timm.
    #[arg(long, value_name = "DIR", value_parser = output_path())]
    output: Option<PathBuf>,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Overwrite existing files of the same names, or write into a directory that has other files.
    #[arg(long)]
    force: bool,
}

/// Prints a description of the model, and exports the model if requested.
pub(super) fn run(arguments: &WeightsArguments) -> Result<(), Failure> {
    let model = load(arguments)?;
    log_each(&model.notes);
    if let Some(directory) = &arguments.output {
        save(&model, directory, arguments.force)?;
    }
    if arguments.json {
        return print_json(&describe(&model));
    }
    print(&table(&describe(&model)))
}

/// Table of a description: a row for each setting, with the dotted path of its value in the JSON form.
fn table(description: &Value) -> String {
    let mut description = description.clone();
    let n_tensors = description["tensors"].as_object().map_or(0, Map::len);
    if let Some(entries) = description.as_object_mut() {
        // Notes have been logged, and the tensors are too many for a table.
        entries.remove("notes");
        entries.remove("tensors");
    }
    let mut table = text_table(["setting", "value"]);
    for (path, value) in flatten(description, &|_, key| Some(key.to_owned())) {
        let text = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text,
            Value::Number(number) => number
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
                .map_or_else(|| number.to_string(), grouped),
            value => value.to_string(),
        };
        table.add_row([path, message::shortened(&text)]);
    }
    table.add_row([
        "tensors".to_owned(),
        format!("{}; --json lists them", grouped(n_tensors)),
    ]);
    format!("{table}\n")
}

/// Loads pretrained weights, or the best checkpoint of a run.
fn load(arguments: &WeightsArguments) -> Result<Pretrained, Failure> {
    let path = &arguments.model;
    // The CPU is enough, because the model is described or written, but not run.
    let device = select_device("flex")?;
    // Only run directories contain a directory of this name.
    if !path.join("checkpoints").is_dir() {
        let overrides = ModelOverrides {
            image_size: arguments.image_size.get(),
            ..ModelOverrides::default()
        };
        return Ok(pretrained::open(path, &overrides, &device)?);
    }
    arguments.image_size.refuse_for_run()?;
    let loaded = LoadedRun::open(path, device)?;
    let classes = loaded.classes();
    let BestModel { model, state, .. } = log_problems(loaded.best_model())?;
    log(&format!("checkpoint of step {}", state.step));
    let has_classes = model.task.predicts_classes();
    let names = has_classes.then_some(classes);
    Pretrained::from_network(model.network, loaded.config.spec.model, names)
        .map_err(|error| error.within(path.display()).into())
}

/// Writes the exported files.
fn save(model: &Pretrained, directory: &Path, force: bool) -> Result<(), Failure> {
    let files = model.files()?;
    // All names are checked before the first file is written, so that a refusal leaves nothing behind.
    for ExportedFile { name, .. } in &files {
        let path = directory.join(name);
        if path.exists() && !force {
            return Err(Failure::Error(format!(
                "{} already exists; pass --force to overwrite",
                path.display()
            )));
        }
    }
    let output = OutputDirectory::create(directory, "weights", force)?;
    for ExportedFile { name, bytes } in &files {
        output.write(name, bytes)?;
    }
    Ok(output.finish()?)
}

/// Description of a model as JSON.
fn describe(model: &Pretrained) -> Value {
    let preprocessing = &model.preprocessing;
    let tokens = model.network.token_layout();
    let tensors: Map<String, Value> = model
        .tensor_shapes()
        .into_iter()
        .map(|(name, shape)| (name, json!(shape)))
        .collect();
    json!({
        "family": model.family.name(),
        "n_parameters": model.network.num_params(),
        "model": model_keys(&model.config),
        "tokens": {
            "n_frames": tokens.n_frames,
            "n_prefix_tokens": tokens.n_prefix_tokens,
            "grid": tokens.grid,
        },
        "preprocessing": {
            "image_size": preprocessing.image_size,
            "resize": match preprocessing.resize {
                Resize::None => Value::Null,
                Resize::ShorterSide(side) => json!({ "shorter_side": side }),
                Resize::Exact(size) => json!({ "exact": size }),
                Resize::Covering(size) => json!({ "covering": size }),
                Resize::Within(size) => json!({ "within": size }),
            },
            "crop": preprocessing.crop,
            "padding": preprocessing.padding,
            "interpolation": format!("{:?}", preprocessing.interpolation).to_lowercase(),
            "mean": preprocessing.mean,
            "std": preprocessing.std,
        },
        "has_trained_head": model.has_trained_head,
        "labels": model.class_names,
        "notes": model.notes,
        "tensors": tensors,
    })
}

/// Model in the words of `[model]` in a configuration, and the shape of its input, which is that of the data there.
fn model_keys(config: &NetworkConfig) -> Value {
    let (mut keys, words) = match config {
        NetworkConfig::Vit(vit) => (
            json!(vit),
            json!({
                "kind": "vit",
                "block": vit.style,
            }),
        ),
        NetworkConfig::Video(video) => {
            let (kind, n_temporal_layers) = match video.attention {
                VideoAttention::Divided => ("timesformer", Value::Null),
                VideoAttention::Factorised { n_temporal_layers } => {
                    ("vivit", json!(n_temporal_layers))
                }
                VideoAttention::Joint => ("joint", Value::Null),
            };
            let words = json!({
                "kind": kind,
                "n_temporal_layers": n_temporal_layers,
                "block": video.style,
            });
            (json!(video), words)
        }
        NetworkConfig::Generator(generator) => (json!(generator), json!({ "kind": "generator" })),
        NetworkConfig::LinearProbe(probe) => (json!(probe), json!({ "kind": "linear_probe" })),
    };
    if let (Some(keys), Value::Object(words)) = (keys.as_object_mut(), words) {
        // `block` and `kind` stand for these two.
        keys.remove("style");
        keys.remove("attention");
        // Part of the preprocessing.
        keys.remove("statistics");
        keys.extend(words);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pooling, VideoConfig, VideoHead, VitConfig};

    #[test]
    fn models_are_described_in_the_words_of_configurations() {
        let vit =
            VitConfig::new([8, 8], 1, 10, 4, 8, 2, 2).with_pooling(Pooling::MeanBeforeNormWithCls);
        let keys = model_keys(&NetworkConfig::Vit(vit));
        assert_eq!(keys["kind"], "vit");
        assert_eq!(keys["d_model"], 8);
        assert_eq!(keys["pooling"], "mean_before_norm_with_cls");
        assert_eq!(keys["distillation"], "none");
        assert_eq!(keys["block"]["activation"], "gelu");
        assert!(keys["style"].is_null());

        let video = VideoConfig::new(3, [8, 8], 1, 10, 4, 16, 2, 4)
            .with_head(VideoHead::NextFrame)
            .with_attention(VideoAttention::Factorised {
                n_temporal_layers: 3,
            });
        let keys = model_keys(&NetworkConfig::Video(video));
        assert_eq!(keys["kind"], "vivit");
        assert_eq!(keys["n_temporal_layers"], 3);
        assert_eq!(keys["head"], "next_frame");
        assert_eq!(keys["positions"], "sum");
        assert!(keys["attention"].is_null());
    }
}
