//! Import and export of published weights of vision and video transformers, in the formats of transformers and timm.

mod check;
mod convert;
mod family;
mod hugging_face_config;
mod hugging_face_processor;
mod image_input;
mod json;
mod layout;
mod mapping;
mod memory_names;
mod overrides;
mod parameters;
mod preprocessing;
mod save;
mod subtree;
mod tensor_file;
mod timm_architectures;
mod timm_config;
mod timm_names;
mod timm_transform;
mod weight_files;

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;

pub use family::Family;
pub use overrides::ModelOverrides;
pub use preprocessing::{CropRounding, Interpolation, Preprocessing, Resize};

use self::check::{check_config, check_tensors, differences};
use self::convert::{change_statistics, to_parameter};
use self::image_input::ImageInput;
use self::json::Json;
use self::layout::Layout;
use self::mapping::ParameterMapping;
use self::tensor_file::{HostTensor, Tensors};
use self::timm_config::Hints;
use self::weight_files::WeightFile;
use super::network::{Network, NetworkConfig};
use super::parameters::check_parameters;
use crate::counted::counted;
use crate::error::{Error, Result};

/// Model with weights from a file, and what the file states about it.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// Model, which takes pixels in [-1, 1].
    pub network: Network,
    /// Configuration of the model.
    pub config: NetworkConfig,
    /// Preprocessing of images for the model.
    pub preprocessing: Preprocessing,
    /// Names of the classes; `None` if the file does not state them.
    pub class_names: Option<Vec<String>>,
    /// True if the classifier is that of the file.
    ///
    /// If neither the file nor the overrides give a number of classes, the model has no classifier and returns
    /// the pooled tokens.
    pub has_trained_head: bool,
    /// Family of the model, which determines the names of the tensors.
    pub family: Family,
    /// Notes on what was guessed or passed over in the files, one sentence each.
    pub notes: Vec<String>,
    layout: Layout,
    json: Option<Json>,
    processor_json: Option<Json>,
    /// Tensors of the file that no forward pass here uses, kept to be saved again.
    unused_tensors: Tensors,
}

/// File that [`Pretrained::files`] creates, not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Name of the file, without a directory.
    pub name: &'static str,
    /// Contents of the file.
    pub bytes: Vec<u8>,
}

/// Reads a model of transformers or timm from a file of weights or its directory.
///
/// The weights are safetensors or a file of `torch.save`, whole or in shards with an index; `config.json` and
/// `preprocessor_config.json` lie in the same directory. The model may lie under any prefix, such as
/// `state_dict.module.`, beside the state of an optimiser or a second model; of two, an average over the training is
/// read. Architecture and shapes come from the tensors and `config.json`, which may be missing only for timm. Half
/// and double precision are converted to single precision. No code in a file is executed.
///
/// What was guessed or passed over is told in [`Pretrained::notes`].
///
/// # Errors
///
/// - [`Error::is_file_error`] if a file is missing or cannot be read.
/// - [`Error::is_invalid_format`] if a file is damaged, has weights that are not finite, or holds another kind of
///   model. If tensors are missing, superfluous or of the wrong shape, the message lists the first of each.
/// - [`Error::is_invalid_parameter`] if the model cannot have the `overrides`.
///
/// # Source
///
/// The names and forward passes are those of transformers 5.24 and timm 1.0.31.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use std::path::Path;
///
/// use burn::prelude::*;
/// use burn_topology::model::Capture;
/// use burn_topology::model::pretrained::{ModelOverrides, open};
///
/// let device = Device::flex();
/// let directory = Path::new("tests/data_files/pretrained/deit");
/// let deit = open(directory, &ModelOverrides::default(), &device)?;
/// let [height, width] = deit.preprocessing.image_size;
/// let frames = Tensor::zeros([2, 1, 3, height, width], &device);
/// let output = deit.network.forward(frames, Capture::Attention);
/// assert_eq!(output.attention[1].dims(), [2, 3, 18, 18]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn open(path: &Path, overrides: &ModelOverrides, device: &Device) -> Result<Pretrained> {
    let path = weight_files::find(path)?;
    let json = Json::read(&path.with_file_name("config.json"))?;
    let mut file = weight_files::read(&path)?;
    let mut file_layout = read_layout(&path, json.as_ref(), overrides, &mut file)?;
    let WeightFile {
        tensors, mut notes, ..
    } = file;
    file_layout.use_mlp_ratio();
    // Checked before anything is allocated: a damaged file must not panic or exhaust the memory.
    let n_values = tensors.values().map(|tensor| tensor.values.len()).sum();
    check_config(&file_layout.config, Some([tensors.len(), n_values]))
        .map_err(|error| Error::invalid_format(error.to_string()).within(path.display()))?;
    let ImageInput {
        preprocessing,
        processor_json,
        notes: notes_on_images,
    } = ImageInput::read(&path, json.as_ref(), &file_layout, overrides.image_size)?;
    notes.extend(notes_on_images);
    let stored = StoredModel {
        path: &path,
        json,
        tensors,
        layout: file_layout,
        preprocessing,
        processor_json,
        notes,
    };
    stored.convert(overrides, device)
}

/// Model as it is stored, before overrides.
struct StoredModel<'a> {
    /// Path for messages.
    path: &'a Path,
    json: Option<Json>,
    tensors: Tensors,
    layout: Layout,
    /// Preparation of images, with the image size after overrides.
    preprocessing: Preprocessing,
    processor_json: Option<Json>,
    notes: Vec<String>,
}

impl StoredModel<'_> {
    /// Converts the stored tensors to a network with the overrides.
    ///
    /// # Errors
    ///
    /// Those of [`open`] that concern tensors and overrides.
    fn convert(self, overrides: &ModelOverrides, device: &Device) -> Result<Pretrained> {
        let Self {
            path,
            json,
            tensors,
            layout: file_layout,
            preprocessing,
            processor_json,
            mut notes,
        } = self;
        let mut layout = file_layout.clone();
        let keeps_head = layout
            .apply(&ModelOverrides {
                image_size: Some(preprocessing.image_size),
                ..overrides.clone()
            })
            .map_err(|error| error.within(path.display()))?;
        if let Some(n_classes) = overrides.n_classes.filter(|_| !keeps_head) {
            let n_classes_of_file = file_layout.config.n_classes();
            notes.push(if file_layout.has_head {
                format!(
                    "passed over: the classifier for {}; a new one for {n_classes} is initialised",
                    counted(n_classes_of_file, "class")
                )
            } else {
                format!(
                    "the file has no classifier; a new one for {} is initialised",
                    counted(n_classes, "class")
                )
            });
        }
        // Once more for the overrides, which cannot change the number of layers.
        check_config(&layout.config, None).map_err(|error| error.within(path.display()))?;

        let network = layout.config.init(device);
        let conversion = FileConversion {
            path,
            json: json.as_ref(),
            tensors: &tensors,
            file_layout: &file_layout,
            layout: &layout,
            keeps_head,
        };
        let mut parameters = conversion.parameters(&network)?;
        let from = preprocessing.statistics();
        change_statistics(&mut parameters, &from, &layout.config.statistics_or_half());
        let class_names = conversion.class_names();
        let unused_tensors = conversion.unused_tensors();
        notes.extend(check::describe_unused(&unused_tensors));
        let network = parameters::fill(network, parameters);
        check_parameters(&network).map_err(|error| error.within(path.display()))?;
        Ok(Pretrained {
            network,
            config: layout.config.clone(),
            preprocessing,
            class_names,
            has_trained_head: keeps_head,
            family: layout.family,
            notes,
            unused_tensors,
            layout,
            json,
            processor_json,
        })
    }
}

/// Files of a model and the layouts before and after overrides, from which a [`Pretrained`] is made.
struct FileConversion<'a> {
    path: &'a Path,
    json: Option<&'a Json>,
    tensors: &'a Tensors,
    /// Layout of the file.
    file_layout: &'a Layout,
    /// Layout of the new model, after overrides.
    layout: &'a Layout,
    /// True if the new model has the classifier of the file.
    keeps_head: bool,
}

impl FileConversion<'_> {
    /// Checks the tensors and converts them to the parameters of the new model, except for a new classifier.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if tensors are missing, of the wrong shape or not part of the model.
    fn parameters(&self, network: &Network) -> Result<Tensors> {
        let shapes = parameters::shapes(network);
        let mappings = self.file_layout.mappings();
        self.check_tensors(&mappings, &shapes)?;
        let mut parameters = Tensors::new();
        for mapping in &mappings {
            // A new classifier keeps its random initialisation.
            if mapping.parameter.starts_with("head") && !self.keeps_head {
                continue;
            }
            // `check_tensors` rejected missing tensors, so only optional ones can be absent here.
            let tensors: Vec<&HostTensor> = mapping
                .tensors
                .iter()
                .filter_map(|name| self.tensors.get(name))
                .collect();
            let parameter = to_parameter(
                mapping,
                &tensors,
                shapes[&mapping.parameter].clone(),
                self.file_layout,
                &self.layout.config,
            );
            parameters.insert(mapping.parameter.clone(), parameter);
        }
        if !self.layout.has_head {
            // Without a classifier, the model returns the pooled tokens: its linear layer is the identity.
            let width = shapes["head.bias"][0];
            let bias = HostTensor {
                shape: vec![width],
                values: vec![0.0; width],
            };
            parameters.insert("head.weight".into(), HostTensor::identity(width));
            parameters.insert("head.bias".into(), bias);
        }
        Ok(parameters)
    }

    /// Checks that the file has exactly the tensors of its model.
    fn check_tensors(
        &self,
        mappings: &[ParameterMapping],
        shapes: &BTreeMap<String, Vec<usize>>,
    ) -> Result<()> {
        check_tensors(
            mappings,
            self.tensors,
            shapes,
            self.file_layout,
            self.keeps_head,
        )
        .map_err(|error| {
            let source = match self.json {
                Some(json) => format!("{} describes", json.file),
                None => "their names and shapes suggest".to_owned(),
            };
            Error::invalid_format(format!(
                "{error}, compared with the model that {source}; expected files that were saved together"
            ))
            .within(self.path.display())
        })
    }

    /// Names of the classes; `None` if the file does not state them or has other classes.
    fn class_names(&self) -> Option<Vec<String>> {
        let json = self.json.filter(|_| self.keeps_head)?;
        match self.layout.family {
            Family::Timm => timm_config::class_names(json),
            _ => hugging_face_config::class_names(json),
        }
    }

    /// Tensors of the file that the model does not use, with the names under which they are saved again.
    fn unused_tensors(&self) -> Tensors {
        // An encoder that gained a classifier also gained a prefix in front of its names.
        let new_prefix = self
            .layout
            .prefix
            .strip_prefix(&self.file_layout.prefix)
            .unwrap_or("");
        self.tensors
            .iter()
            .filter(|(name, _)| self.file_layout.is_unused_tensor(name))
            .map(|(name, tensor)| (format!("{new_prefix}{name}"), tensor.clone()))
            .collect()
    }
}

/// Reads a model whose architecture must be that of `config`, except for the sizes of input and output.
///
/// If the file has another image size or number of frames, embeddings are interpolated as described in
/// [`ModelOverrides`]; if it has another number of classes, the classifier is newly initialised.
///
/// # Errors
///
/// - The errors of [`open`].
/// - [`Error::is_invalid_format`] if the file has another architecture; the message lists the differences.
/// - [`Error::is_invalid_parameter`] if `config` is that of a linear probe.
pub fn open_matching(path: &Path, config: &NetworkConfig, device: &Device) -> Result<Pretrained> {
    let overrides = overrides_of(path, config)?;
    check_matches(path, open(path, &overrides, device)?, config)
}

impl Pretrained {
    /// Converts a model to the sizes of input and output of `config`, as [`open_matching`] does with a file.
    ///
    /// `path` is where the model comes from, for messages.
    ///
    /// # Errors
    ///
    /// The errors of [`open_matching`] that concern architectures.
    pub fn matching(self, path: &Path, config: &NetworkConfig, device: &Device) -> Result<Self> {
        let overrides = overrides_of(path, config)?;
        let layout = self.layout.clone();
        let stored = StoredModel {
            path,
            tensors: self.file_tensors(&layout),
            preprocessing: Preprocessing {
                image_size: config.image_size(),
                ..self.preprocessing
            },
            layout,
            json: self.json,
            processor_json: self.processor_json,
            notes: self.notes,
        };
        check_matches(path, stored.convert(&overrides, device)?, config)
    }
}

/// Overrides by which a model gets the sizes of input and output of `config`.
fn overrides_of(path: &Path, config: &NetworkConfig) -> Result<ModelOverrides> {
    let (n_heads, dropout, drop_path) = match config {
        NetworkConfig::Vit(config) => (config.n_heads, config.dropout, config.drop_path),
        NetworkConfig::Video(config) => (config.n_heads, config.dropout, config.drop_path),
        NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => {
            return Err(Error::invalid_parameter(
                "a generator or linear probe has no pretrained weights, expected another transformer",
            )
            .within(path.display()));
        }
    };
    // Files of timm may not state the number of heads, and no file states the dropout.
    Ok(ModelOverrides {
        image_size: Some(config.image_size()),
        n_frames: Some(config.n_frames()),
        n_classes: Some(config.n_classes()),
        n_heads: Some(n_heads),
        dropout,
        drop_path,
        statistics: config.statistics().cloned(),
    })
}

/// Checks that the architecture is that of `config`.
fn check_matches(
    path: &Path,
    pretrained: Pretrained,
    config: &NetworkConfig,
) -> Result<Pretrained> {
    let differences = differences(&pretrained.config, config);
    if !differences.is_empty() {
        return Err(Error::invalid_format(format!(
            "the architecture in the file differs from the table [model]: {}",
            differences.join(", ")
        ))
        .within(path.display()));
    }
    Ok(pretrained)
}

/// Determines the layout of a file, and gives its tensors the names in files of transformers or timm if necessary.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if the model or its configuration is not supported, [`Error::is_file_error`] if the
/// configuration is missing.
fn read_layout(
    path: &Path,
    json: Option<&Json>,
    overrides: &ModelOverrides,
    file: &mut WeightFile,
) -> Result<Layout> {
    let tensors = std::mem::take(&mut file.tensors);
    // Configurations of transformers have `model_type`, those of timm `architecture`.
    if let Some(json) = json {
        if json.get("model_type").is_some() && !timm_config::is_wrapped(json) {
            let family = hugging_face_config::family(json)?;
            file.tensors = memory_names::rename(family, tensors);
            return hugging_face_config::layout(json, family, &file.tensors);
        }
        if json.get("architecture").is_none() {
            return Err(Error::invalid_format(
                "neither model_type nor architecture is given, expected the config.json that transformers or timm \
                 saved with the weights",
            )
            .within(path.with_file_name("config.json").display()));
        }
    } else if hugging_face_config::has_names(&tensors) {
        return Err(Error::file(
            "there is no config.json in the same directory, which states the architecture and the number of heads; \
             copy the one that transformers saved with the weights",
        )
        .within(path.display()));
    }
    let (tensors, left_out) = timm_names::rename(tensors);
    file.tensors = tensors;
    if let [first, ..] = &left_out[..] {
        file.notes.push(format!(
            "passed over, since only pretraining uses them: {} tensors, such as {first}",
            left_out.len()
        ));
    }
    if !timm_names::has_names(&file.tensors) {
        let first = file.tensors.keys().next().map_or("none", String::as_str);
        return Err(Error::invalid_format(format!(
            "the {} tensors, such as {first}, are not those of a vision transformer of timm, whose architecture \
             config.json states, expected patch_embed.proj.weight and blocks.0.norm1.weight",
            file.tensors.len()
        ))
        .within(path.display()));
    }
    let hints = Hints {
        n_heads: overrides.n_heads,
        prefix: &file.prefix,
    };
    timm_config::layout(path, json, hints, &file.tensors, &mut file.notes)
}
