//! Published weights of vision and video transformers, in and out, by the names of transformers and timm.

mod changes;
mod check;
mod convert;
mod entry;
mod family;
mod hugging_face;
mod json;
mod layout;
mod parameters;
mod preprocessing;
mod save;
mod tensor_file;
mod timm;

use std::path::{Path, PathBuf};

use burn::prelude::*;

pub use changes::Changes;
pub use family::Family;
pub use preprocessing::{Interpolation, Preprocessing, Resize};

use self::check::{check_config, check_tensors, differences};
use self::convert::{take_in_normalisation, to_ours};
use self::json::Json;
use self::layout::Layout;
use self::tensor_file::{HostTensor, Tensors};
use super::network::{Network, NetworkConfig};

/// Names of the weights in a directory, in the order in which they are looked for.
const WEIGHTS: [&str; 3] = ["model.safetensors", "pytorch_model.bin", "model.pth"];

/// A model with weights from a file.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The model, which takes pixels in [-1, 1].
    pub network: Network,
    /// Its configuration.
    pub config: NetworkConfig,
    /// What is done to an image before.
    pub preprocessing: Preprocessing,
    /// Names of the classes, if the file tells them.
    pub labels: Option<Vec<String>>,
    /// Whether the classifier is that of the file. Without one the model returns what a classifier would
    /// look at.
    pub has_trained_head: bool,
    /// Whose names the file has.
    pub family: Family,
    layout: Layout,
    json: Option<Json>,
    processor_json: Option<Json>,
    passengers: Tensors,
}

/// A file that [`Pretrained::files`] makes: its name, and what is in it.
pub type NamedBytes = (&'static str, Vec<u8>);

/// Reads a model of transformers or timm: a file of weights, safetensors or what `torch.save` wrote of a
/// `state_dict`, with `config.json` and `preprocessor_config.json` beside it; or the directory of these.
///
/// Kind and shape of the model come from the tensors and `config.json`, which only timm's may lack. Numbers
/// of half or double precision become single ones. Nothing in a file is executed.
///
/// # Errors
///
/// One sentence if a file cannot be read, is damaged, or is of another kind of model; of tensors that are
/// missing, left over or of another shape all, or the first of many.
///
/// # Source
///
/// Names and forward passes of transformers 5.24 and timm 1.0.31.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use std::path::Path;
///
/// use burn::prelude::*;
/// use burn_topology::model::Capture;
/// use burn_topology::model::pretrained::{Changes, open};
///
/// let device = Device::flex();
/// let directory = Path::new("tests/data_files/pretrained/deit");
/// let deit = open(directory, &Changes::default(), &device)?;
/// let [height, width] = deit.preprocessing.image_size;
/// let frames = Tensor::zeros([2, 1, 3, height, width], &device);
/// let output = deit.network.forward(frames, Capture::Attention);
/// assert_eq!(output.attention[1].dims(), [2, 3, 18, 18]);
/// # }
/// # Ok::<(), String>(())
/// ```
pub fn open(path: &Path, changes: &Changes, device: &Device) -> Result<Pretrained, String> {
    let path = weights_in(path)?;
    let beside = |name: &str| Json::read(&path.with_file_name(name));
    let json = beside("config.json")?;
    let tensors = tensor_file::read(&path)?;
    let (mut layout, tensors) = described(&path, json.as_ref(), changes, tensors)?;
    layout.use_mlp_ratio();
    check_config(&layout.config, tensors.len()).map_err(|what| at(&path, &what))?;
    let file_layout = layout.clone();
    let has_trained_head = layout.change(changes).map_err(|what| at(&path, &what))?;
    check_config(&layout.config, usize::MAX).map_err(|what| at(&path, &what))?;

    let network = layout.config.init(device);
    let shapes = parameters::shapes(&network);
    let entries = file_layout.entries();
    let source = match &json {
        Some(json) => format!("{} describes", json.file),
        None => "their names and shapes describe".to_owned(),
    };
    check_tensors(&entries, &tensors, &shapes, &file_layout, has_trained_head).map_err(|what| {
        at(
            &path,
            &format!("{what}, of what {source}; expected files that were saved together"),
        )
    })?;
    let mut ours = Tensors::new();
    for entry in &entries {
        if entry.ours.starts_with("head") && !has_trained_head {
            continue;
        }
        let theirs: Vec<&HostTensor> = entry
            .theirs
            .iter()
            .filter_map(|name| tensors.get(name))
            .collect();
        let tensor = to_ours(
            entry,
            &theirs,
            shapes[&entry.ours].clone(),
            &file_layout,
            &layout.config,
        );
        ours.insert(entry.ours.clone(), tensor);
    }
    if !layout.has_head {
        let width = shapes["head.bias"][0];
        ours.insert("head.weight".into(), timm::identity(width));
        let values = vec![0.0; width];
        ours.insert(
            "head.bias".into(),
            HostTensor {
                shape: vec![width],
                values,
            },
        );
    }
    let [image_size, target_size] =
        [&file_layout.config, &layout.config].map(NetworkConfig::image_size);
    let n_channels = layout.config.n_channels();
    let mut preprocessing = Preprocessing::of_family(layout.family, image_size, n_channels);
    let processor_json = match layout.family {
        Family::Timm => {
            if let Some(given) = json.as_ref().and_then(|json| json.inner("pretrained_cfg")) {
                preprocessing.read_timm(&given)?;
            }
            None
        }
        _ => {
            let json = beside("preprocessor_config.json")?;
            if let Some(json) = &json {
                preprocessing.read_hugging_face(json)?;
            }
            json
        }
    };
    preprocessing.resized(target_size);
    take_in_normalisation(&mut ours, &preprocessing);
    let labels = json
        .as_ref()
        .filter(|_| has_trained_head)
        .and_then(|json| match layout.family {
            Family::Timm => timm::labels(json),
            _ => hugging_face::labels(json),
        });
    let gained = layout
        .prefix
        .strip_prefix(&file_layout.prefix)
        .unwrap_or("");
    let passengers = tensors
        .into_iter()
        .filter(|(name, _)| file_layout.is_passenger(name))
        .map(|(name, tensor)| (format!("{gained}{name}"), tensor));
    Ok(Pretrained {
        network: parameters::fill(network, ours),
        config: layout.config.clone(),
        preprocessing,
        labels,
        has_trained_head,
        family: layout.family,
        passengers: passengers.collect(),
        layout,
        json,
        processor_json,
    })
}

/// Reads a model that is to be this one, but for the number of its classes: the classifier is a new one
/// where that is another.
///
/// # Errors
///
/// As [`open`], and one sentence on everything that the file's model has otherwise.
pub fn open_as(path: &Path, config: &NetworkConfig, device: &Device) -> Result<Network, String> {
    let (n_heads, dropout, drop_path) = match config {
        NetworkConfig::Vit(config) => (config.n_heads, config.dropout, config.drop_path),
        NetworkConfig::Video(config) => (config.n_heads, config.dropout, config.drop_path),
        NetworkConfig::LinearProbe(_) => {
            return Err(at(
                path,
                "a linear probe has no pretrained weights, expected a transformer",
            ));
        }
    };
    let changes = Changes {
        image_size: Some(config.image_size()),
        n_frames: Some(config.n_frames()),
        n_classes: Some(config.n_classes()),
        n_heads: Some(n_heads),
        dropout,
        drop_path,
    };
    let pretrained = open(path, &changes, device)?;
    let differences = differences(&pretrained.config, config);
    match differences.is_empty() {
        true => Ok(pretrained.network),
        false => Err(at(
            path,
            &format!(
                "the model of this file is another than [model] says: {}; expected the same",
                differences.join(", ")
            ),
        )),
    }
}

fn at(path: &Path, what: &str) -> String {
    format!("{}: {what}", path.display())
}

/// The file of weights, of one or of the directory that it is in.
fn weights_in(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let found = WEIGHTS
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.exists());
    found.ok_or_else(|| {
        at(
            path,
            &format!(
                "no weights in this directory, expected one of {}",
                WEIGHTS.join(", ")
            ),
        )
    })
}

/// What the files say of their model, and the tensors with the names that this is told of.
fn described(
    path: &Path,
    json: Option<&Json>,
    changes: &Changes,
    tensors: Tensors,
) -> Result<(Layout, Tensors), String> {
    let has_key = |key| json.is_some_and(|json| json.get(key).is_some());
    if has_key("model_type") {
        let json = json.expect("it has a key");
        return Ok((hugging_face::layout(json, &tensors)?, tensors));
    }
    if json.is_some() && !has_key("architecture") {
        return Err(at(
            &path.with_file_name("config.json"),
            "neither model_type nor architecture is in it, expected what transformers or timm saved with the weights",
        ));
    }
    if json.is_none() && hugging_face::has_names(&tensors) {
        return Err(at(
            path,
            "no config.json beside it, which tells the kind of model and the number of its heads; put the one there \
             that transformers saved with the weights",
        ));
    }
    let tensors = timm::rename(tensors);
    if !timm::has_names(&tensors) {
        let first = tensors.keys().next().map_or("none", String::as_str);
        return Err(at(
            path,
            &format!(
                "the names of the tensors, {first} the first of {}, are not those of a vision transformer of timm or \
                 transformers, expected patch_embed.proj.weight or embeddings.patch_embeddings.projection.weight",
                tensors.len()
            ),
        ));
    }
    Ok((
        timm::layout(path, json, changes.n_heads, &tensors)?,
        tensors,
    ))
}
