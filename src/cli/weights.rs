//! `weights`: what is in a file of pretrained weights or a run, and saving it for other programs.

use std::path::{Path, PathBuf};

use burn::module::Module;
use clap::Args;
use serde_json::{Map, Value, json};

use super::output::{print, tell};
use super::progress::Notes;
use super::{Failure, open, read_config};
use crate::model::pretrained::{self, Changes, Pretrained, Resize};
use crate::run::{RunDirectory, write_atomically};
use crate::train::load_best;

/// Arguments of `weights`.
#[derive(Debug, Args)]
pub struct WeightsArguments {
    /// A file of weights of transformers or timm (.safetensors, .bin, .pth), the directory that it is in, or
    /// the directory of a run, whose best checkpoint is taken.
    model: PathBuf,
    /// Height and width of the images that it is to take, in pixels: position embeddings are interpolated.
    #[arg(long, num_args = 2, value_names = ["HEIGHT", "WIDTH"])]
    image_size: Option<Vec<usize>>,
    /// A directory to save it in, as transformers or timm reads it.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace what is in the output of these names.
    #[arg(long)]
    force: bool,
}

/// Prints what the model is as JSON, and saves it if asked to.
pub fn run(arguments: &WeightsArguments) -> Result<(), Failure> {
    let model = opened(arguments)?;
    if let Some(directory) = &arguments.output {
        save(&model, directory, arguments.force)?;
    }
    print(&format!("{:#}\n", described(&model)))
}

fn opened(arguments: &WeightsArguments) -> Result<Pretrained, Failure> {
    let could_not = Failure::CouldNotRun;
    let path = &arguments.model;
    let device = open("flex")?;
    if !path.join("checkpoints").is_dir() {
        let image_size = arguments
            .image_size
            .as_deref()
            .map(|sides| [sides[0], sides[1]]);
        let changes = Changes {
            image_size,
            ..Changes::default()
        };
        return pretrained::open(path, &changes, &device).map_err(could_not);
    }
    if arguments.image_size.is_some() {
        return Err(could_not(
            "--image-size is of files of weights, expected none for a run; save it first, then open that".into(),
        ));
    }
    let run = RunDirectory::open(path).map_err(could_not)?;
    let config = read_config(&run.config(), &[])?;
    let (network, state) = load_best(&run, &config, &device, &mut Notes)?;
    tell(&format!("checkpoint of step {}", state.step));
    Pretrained::of(network, config.spec.model, None)
        .map_err(|what| could_not(format!("{}: {what}", path.display())))
}

fn save(model: &Pretrained, directory: &Path, force: bool) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let files = model.files().map_err(could_not)?;
    for (name, _) in &files {
        let path = directory.join(name);
        if path.exists() && !force {
            return Err(could_not(format!(
                "{}: is there already; pass --force to replace it, or another --output",
                path.display()
            )));
        }
    }
    let cannot =
        |path: &Path, error| could_not(format!("{}: cannot be written: {error}", path.display()));
    std::fs::create_dir_all(directory).map_err(|error| cannot(directory, error))?;
    for (name, bytes) in &files {
        let path = directory.join(name);
        write_atomically(&path, bytes).map_err(|error| cannot(&path, error))?;
    }
    Ok(())
}

fn described(model: &Pretrained) -> Value {
    let preprocessing = &model.preprocessing;
    let tokens = model.network.token_layout();
    let tensors: Map<String, Value> = model
        .tensors()
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
        "labels": model.labels,
        "tensors": tensors,
    })
}
