//! `weights`: describes pretrained weights or the model of a run, and exports them for other programs.

use std::path::{Path, PathBuf};

use burn::module::Module;
use clap::Args;
use serde_json::{Map, Value, json};

use super::output::{log, print};
use super::progress::MessageObserver;
use super::{Failure, read_run_config, select_device};
use crate::model::pretrained::{self, ExportedFile, ModelOverrides, Pretrained, Resize};
use crate::run::{RunDirectory, write_atomically};
use crate::train::load_best;

/// Arguments of `weights`.
#[derive(Debug, Args)]
pub struct WeightsArguments {
    /// Weights of transformers or timm: a file (.safetensors, .bin or .pth) or its directory; or a run directory, whose
    /// best checkpoint is used.
    model: PathBuf,
    /// Height and width of the model's input images, in pixels; position embeddings are interpolated.
    #[arg(long, num_args = 2, value_names = ["HEIGHT", "WIDTH"])]
    image_size: Option<Vec<usize>>,
    /// Directory to export the model to, in the format of transformers or timm.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Overwrite existing files of the same names.
    #[arg(long)]
    force: bool,
}

/// Prints a description of the model as JSON, and exports it if requested.
pub fn run(arguments: &WeightsArguments) -> Result<(), Failure> {
    let model = load(arguments)?;
    if let Some(directory) = &arguments.output {
        save(&model, directory, arguments.force)?;
    }
    print(&format!("{:#}\n", describe(&model)))
}

/// Loads pretrained weights, or the best checkpoint of a run.
fn load(arguments: &WeightsArguments) -> Result<Pretrained, Failure> {
    let path = &arguments.model;
    // The CPU is enough, because the model is described or written, but not run.
    let device = select_device("flex")?;
    // Only run directories contain a directory of this name.
    if !path.join("checkpoints").is_dir() {
        let image_size = arguments
            .image_size
            .as_deref()
            .map(|sides| [sides[0], sides[1]]);
        let overrides = ModelOverrides {
            image_size,
            ..ModelOverrides::default()
        };
        return pretrained::open(path, &overrides, &device).map_err(Failure::Error);
    }
    if arguments.image_size.is_some() {
        return Err(Failure::Error(
            "--image-size applies to weight files, not to a run; export the run with --output first, then pass the exported directory".into(),
        ));
    }
    let run = RunDirectory::open(path).map_err(Failure::Error)?;
    let config = read_run_config(&run.config())?;
    let (network, state) = load_best(&run, &config, &device, &mut MessageObserver)?;
    log(&format!("checkpoint of step {}", state.step));
    Pretrained::from_network(network, config.spec.model, None)
        .map_err(|reason| Failure::Error(format!("{}: {reason}", path.display())))
}

/// Writes the exported files.
fn save(model: &Pretrained, directory: &Path, force: bool) -> Result<(), Failure> {
    let files = model.files().map_err(Failure::Error)?;
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
    let cannot_write = |path: &Path, error| {
        Failure::Error(format!("{}: cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| cannot_write(directory, error))?;
    for ExportedFile { name, bytes } in &files {
        let path = directory.join(name);
        write_atomically(&path, bytes).map_err(|error| cannot_write(&path, error))?;
    }
    Ok(())
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
        "model": model.config,
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
            },
            "crop": preprocessing.crop,
            "interpolation": format!("{:?}", preprocessing.interpolation).to_lowercase(),
            "mean": preprocessing.mean,
            "std": preprocessing.std,
        },
        "has_trained_head": model.has_trained_head,
        "labels": model.class_names,
        "tensors": tensors,
    })
}
