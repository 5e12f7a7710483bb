//! Models of transformers: their architecture and their `config.json`.

use serde_json::{Map, Value, json};

use super::family::{FC_NORM_EPSILON, Family, dinov2_ratio, dinov2_width};
use super::json::Json;
use super::layout::Layout;
use super::tensor_file::Tensors;
use crate::error::{Error, Result};
use crate::model::{
    Activation, BlockStyle, Distillation, NetworkConfig, Pooling, VideoAttention, VideoConfig,
    VideoPositions, VitConfig,
};

/// Supported families; their names are the values of `model_type`.
const FAMILIES: [Family; 7] = [
    Family::Vit,
    Family::Deit,
    Family::Dinov2,
    Family::Dinov2WithRegisters,
    Family::Timesformer,
    Family::Vivit,
    Family::VideoMae,
];

/// Tensor that every model has; what precedes this in its name is the prefix of all names.
const LANDMARK: &str = "embeddings.patch_embeddings.projection.weight";

/// What precedes the model in the name of the first tensor of its encoder; `None` for other names.
///
/// For `state_dict.vit.embeddings.patch_embeddings.projection.weight` that is `state_dict.`, since `vit.` is part of
/// the names of transformers.
pub(super) fn root(name: &str) -> Option<&str> {
    let prefix = name.strip_suffix(LANDMARK)?;
    let encoder = FAMILIES.iter().find_map(|family| {
        let root = prefix.strip_suffix('.')?.strip_suffix(family.name())?;
        is_prefix(root).then_some(root)
    });
    encoder.or_else(|| is_prefix(prefix).then_some(prefix))
}

/// True for what may precede a name: nothing, or parts that end with a dot.
fn is_prefix(text: &str) -> bool {
    text.is_empty() || text.ends_with('.')
}

/// True if the tensors have the names of vision models of transformers.
pub(super) fn has_names(tensors: &Tensors) -> bool {
    tensors.keys().any(|name| name.ends_with(LANDMARK))
}

/// Determines the layout of a file of a family from its configuration and the names of its tensors.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if the model is not supported, or if a key is missing or not understood.
pub(super) fn layout(json: &Json, family: Family, tensors: &Tensors) -> Result<Layout> {
    let Some(landmark) = tensors.keys().find(|name| name.ends_with(LANDMARK)) else {
        return Err(Error::invalid_format(format!(
            "no tensor has a name that ends with {LANDMARK}, expected the weights of a model of type {} as in {}; use \
             the config.json that was saved with the weights",
            family.name(),
            json.file
        )));
    };
    let prefix = landmark.trim_end_matches(LANDMARK).to_owned();
    let heads = match family {
        Family::Deit => &["classifier.weight", "cls_classifier.weight"][..],
        _ => &["classifier.weight"],
    };
    // From the tensor, because a configuration may leave the number of classes out.
    let n_classes = heads
        .iter()
        .find_map(|head| tensors.get(*head))
        .and_then(|head| head.shape.first().copied());
    let architecture = Architecture::read(json, n_classes)?;
    let (config, n_positioned_prefix_tokens) = if family.is_video() {
        // VideoMAE has no class token and computes its position embedding.
        let n_positioned = usize::from(family != Family::VideoMae);
        (architecture.video_config(json, family)?, n_positioned)
    } else {
        // Class token and, for DeiT, distillation token; register tokens have no position.
        let n_positioned = if family == Family::Deit { 2 } else { 1 };
        let config = architecture.image_config(json, family, tensors)?;
        (config, n_positioned)
    };
    // Models of VideoMAE have one of two norms or none; all others have a norm.
    let layernorm = format!("{prefix}layernorm");
    let norm = match family {
        Family::VideoMae => ["fc_norm".to_owned(), layernorm]
            .into_iter()
            .find(|norm| tensors.contains_key(&format!("{norm}.weight"))),
        _ => Some(layernorm),
    };
    Ok(Layout {
        family,
        prefix,
        config,
        has_head: n_classes.is_some(),
        norm,
        n_positioned_prefix_tokens,
        is_dinov2_of_authors: false,
    })
}

/// Family of a model, from `model_type`.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if the type is missing or not supported.
pub(super) fn family(json: &Json) -> Result<Family> {
    let model_type = json.required("model_type", json.text("model_type")?)?;
    FAMILIES
        .into_iter()
        .find(|family| family.name() == model_type)
        .ok_or_else(|| {
            let names = FAMILIES.map(Family::name).join(", ");
            Error::invalid_format(format!(
                "{}: model_type is \"{model_type}\", expected one of {names}, or a config.json of timm",
                json.file
            ))
        })
}

/// Settings that the models of all families have.
struct Architecture {
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    n_channels: usize,
    /// Height and width of images, in pixels.
    image_size: [usize; 2],
    /// Side of a patch, in pixels.
    patch_size: usize,
    /// Number of classes of the file's classifier; the width of the tokens if it has none.
    n_classes: usize,
    /// True if the file has a classifier.
    has_head: bool,
    style: BlockStyle,
}

impl Architecture {
    /// Reads the settings; `n_classes` is `None` if the file has no classifier.
    fn read(json: &Json, n_classes: Option<usize>) -> Result<Self> {
        let count = |key| json.required(key, json.count(key)?);
        let d_model = count("hidden_size")?;
        // A ViViT states the side of its patches in `tubelet_size`.
        let patch = match tubelet(json)? {
            Some(Tubelet {
                patch: Some(patch), ..
            }) => patch,
            _ => json.required("patch_size", json.extents("patch_size")?)?,
        };
        if patch[0] != patch[1] {
            return Err(Error::invalid_format(format!(
                "{}: patches are {} by {} pixels, expected square patches",
                json.file, patch[0], patch[1]
            )));
        }
        let style = BlockStyle::new()
            // Default of transformers, which may leave keys with default values out.
            .with_norm_epsilon(json.number("layer_norm_eps")?.unwrap_or(1e-12))
            .with_activation(activation(json)?)
            .with_d_mlp(json.count("intermediate_size")?);
        Ok(Self {
            d_model,
            n_layers: count("num_hidden_layers")?,
            n_heads: count("num_attention_heads")?,
            n_channels: json.count("num_channels")?.unwrap_or(3),
            image_size: json.required("image_size", json.extents("image_size")?)?,
            patch_size: patch[0],
            n_classes: n_classes.unwrap_or(d_model),
            has_head: n_classes.is_some(),
            style,
        })
    }

    /// Configuration of a model of images.
    fn image_config(
        &self,
        json: &Json,
        family: Family,
        tensors: &Tensors,
    ) -> Result<NetworkConfig> {
        let mut style = self.style;
        let mut config = VitConfig::new(
            self.image_size,
            self.n_channels,
            self.n_classes,
            self.patch_size,
            self.d_model,
            self.n_layers,
            self.n_heads,
        );
        if family == Family::Deit {
            let has_own_head = tensors.contains_key("distillation_classifier.weight");
            config.distillation = if has_own_head {
                Distillation::Head
            } else {
                Distillation::Token
            };
        }
        if family.is_dinov2() {
            // The defaults here are those of transformers.
            let ratio = json.count("mlp_ratio")?.unwrap_or(4);
            let width = ratio.saturating_mul(self.d_model);
            let is_gated = json.flag("use_swiglu_ffn")?.unwrap_or(false);
            let layer_scale = json.number("layerscale_value")?.unwrap_or(1.0);
            style = style
                .with_layer_scale(Some(layer_scale))
                .with_d_mlp(Some(dinov2_width(width, is_gated)));
            if is_gated {
                style.activation = Activation::SwiGlu;
            }
            // The bare encoder of transformers returns the class token, its classifier also takes the mean.
            if self.has_head {
                config.pooling = Pooling::ClsAndMean;
            }
            if family == Family::Dinov2WithRegisters {
                config.n_registers = json.count("num_register_tokens")?.unwrap_or(4);
            }
        }
        Ok(NetworkConfig::Vit(config.with_style(style)))
    }

    /// Configuration of a model of clips.
    fn video_config(&self, json: &Json, family: Family) -> Result<NetworkConfig> {
        let config = VideoConfig::new(
            json.required("num_frames", json.count("num_frames")?)?,
            self.image_size,
            self.n_channels,
            self.n_classes,
            self.patch_size,
            self.d_model,
            self.n_layers,
            self.n_heads,
        )
        .with_style(self.style);
        let require = |key, expected: &str, is_supported: bool| {
            if is_supported {
                return Ok(());
            }
            Err(Error::invalid_format(format!(
                "{}: {key} is {}, expected {expected}",
                json.file,
                json.get(key).unwrap_or(&Value::Null)
            )))
        };
        if family == Family::Timesformer {
            let is_divided = json
                .text("attention_type")?
                .is_none_or(|attention| attention == "divided_space_time");
            require("attention_type", "\"divided_space_time\"", is_divided)?;
            return Ok(NetworkConfig::Video(config));
        }
        let config = config
            .with_attention(VideoAttention::Joint)
            // Default of transformers for ViViT and VideoMAE.
            .with_tubelet_size(tubelet(json)?.map_or(2, |tubelet| tubelet.n_frames));
        if family == Family::Vivit {
            let config = config.with_positions(VideoPositions::PerToken);
            return Ok(NetworkConfig::Video(config));
        }
        let takes_mean = json.flag("use_mean_pooling")?.unwrap_or(true);
        // A bare encoder does not pool, so the setting has no effect on it.
        require("use_mean_pooling", "true", takes_mean || !self.has_head)?;
        Ok(NetworkConfig::Video(
            config
                .with_positions(VideoPositions::Sinusoidal)
                .with_pooling(Pooling::MeanBeforeNorm)
                .with_style(self.style.with_head_norm_epsilon(Some(FC_NORM_EPSILON))),
        ))
    }
}

/// Activation function of the MLP, from `hidden_act`.
fn activation(json: &Json) -> Result<Activation> {
    match json.text("hidden_act")?.as_deref() {
        None | Some("gelu" | "gelu_python") => Ok(Activation::Gelu),
        Some("gelu_fast" | "gelu_new" | "gelu_pytorch_tanh" | "gelu_accurate") => {
            Ok(Activation::GeluTanh)
        }
        Some(other) => Err(Error::invalid_format(format!(
            "{}: hidden_act is \"{other}\", expected gelu or gelu_fast",
            json.file
        ))),
    }
}

/// Size of a tubelet.
struct Tubelet {
    n_frames: usize,
    /// Height and width in pixels; `None` if not given.
    patch: Option<[usize; 2]>,
}

/// Size of a tubelet, from `tubelet_size`; `None` if absent.
fn tubelet(json: &Json) -> Result<Option<Tubelet>> {
    json.typed("tubelet_size", "one or three whole numbers", |value| {
        let count = |value: &Value| usize::try_from(value.as_u64()?).ok();
        match value {
            Value::Array(sides) => match sides.as_slice() {
                [frames, height, width] => Some(Tubelet {
                    n_frames: count(frames)?,
                    patch: Some([count(height)?, count(width)?]),
                }),
                _ => None,
            },
            frames => Some(Tubelet {
                n_frames: count(frames)?,
                patch: None,
            }),
        }
    })
}

/// Names of the classes; `None` if the configuration does not state all of them.
pub(super) fn class_names(json: &Json) -> Option<Vec<String>> {
    let names = json.get("id2label")?.as_object()?;
    let name = |class: usize| names.get(&class.to_string())?.as_str().map(str::to_owned);
    (0..names.len()).map(name).collect()
}

/// Contents of `config.json`: those of the file that was read, if any, with the values of the current model.
pub(super) fn config_json(
    original: Option<&Json>,
    layout: &Layout,
    class_names: Option<&[String]>,
) -> Value {
    let mut object = original.map(|json| json.object.clone()).unwrap_or_default();
    // The exported tensors have single precision, whatever the file had.
    for key in ["dtype", "torch_dtype"] {
        if let Some(dtype) = object.get_mut(key) {
            *dtype = json!("float32");
        }
    }
    let family = layout.family;
    object.insert("model_type".into(), json!(family.name()));
    match &layout.config {
        NetworkConfig::Vit(config) => {
            let sizes = ExportedSizes {
                d_model: config.d_model,
                n_layers: config.n_layers,
                n_heads: config.n_heads,
                image_size: config.image_size,
                style: config.style,
            };
            set_common_keys(&mut object, family, &sizes);
            set_image_keys(&mut object, family, config);
        }
        NetworkConfig::Video(config) => {
            let sizes = ExportedSizes {
                d_model: config.d_model,
                n_layers: config.n_layers,
                n_heads: config.n_heads,
                image_size: config.image_size,
                style: config.style,
            };
            set_common_keys(&mut object, family, &sizes);
            set_video_keys(&mut object, family, config);
        }
        NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => {
            unreachable!("transformers has no such model")
        }
    }
    if let Some(names) = class_names {
        set_class_names(&mut object, names);
    }
    // If a classifier was added, the class of the bare encoder that the file states no longer fits.
    let is_classifier = |json: &Json| {
        json.get("architectures")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|name| name.contains("Classification"))
    };
    if layout.has_head && !original.is_some_and(is_classifier) {
        object.insert("architectures".into(), json!([class_of_model(family)]));
    }
    Value::Object(object)
}

/// Settings of a model that the configurations of all families have.
struct ExportedSizes {
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    image_size: [usize; 2],
    style: BlockStyle,
}

/// Sets the keys that the models of all families have.
fn set_common_keys(object: &mut Map<String, Value>, family: Family, sizes: &ExportedSizes) {
    let activation = match sizes.style.activation {
        Activation::GeluTanh => "gelu_fast",
        // A gated MLP is marked by another key.
        Activation::Gelu | Activation::SwiGlu => "gelu",
    };
    let bias = match family {
        Family::VideoMae => "qv_bias",
        _ => "qkv_bias",
    };
    for (key, value) in [
        ("hidden_size", json!(sizes.d_model)),
        ("num_hidden_layers", json!(sizes.n_layers)),
        ("num_attention_heads", json!(sizes.n_heads)),
        ("layer_norm_eps", json!(sizes.style.norm_epsilon)),
        ("image_size", side(sizes.image_size)),
        ("hidden_act", json!(activation)),
        (bias, json!(true)),
    ] {
        object.insert(key.to_owned(), value);
    }
}

/// Sets the keys of models of images.
fn set_image_keys(object: &mut Map<String, Value>, family: Family, config: &VitConfig) {
    let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
    let style = config.style;
    set("num_channels", json!(config.n_channels));
    set("patch_size", json!(config.patch_size));
    if family.is_dinov2() {
        let is_gated = style.activation == Activation::SwiGlu;
        set("use_swiglu_ffn", json!(is_gated));
        set("mlp_ratio", json!(dinov2_ratio(config)));
    } else {
        let d_mlp = style.d_mlp.unwrap_or(config.mlp_ratio * config.d_model);
        set("intermediate_size", json!(d_mlp));
    }
    if config.n_registers > 0 {
        set("num_register_tokens", json!(config.n_registers));
    }
}

/// Sets the keys of models of clips.
fn set_video_keys(object: &mut Map<String, Value>, family: Family, config: &VideoConfig) {
    let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
    let style = config.style;
    let d_mlp = style.d_mlp.unwrap_or(config.mlp_ratio * config.d_model);
    set("num_channels", json!(config.n_channels));
    set("num_frames", json!(config.n_frames));
    set("intermediate_size", json!(d_mlp));
    if family == Family::Vivit {
        let patch = config.patch_size;
        set("tubelet_size", json!([config.tubelet_size, patch, patch]));
    } else {
        set("patch_size", json!(config.patch_size));
    }
    if family == Family::VideoMae {
        set("tubelet_size", json!(config.tubelet_size));
    }
}

/// Sets the names of the classes, in both directions.
fn set_class_names(object: &mut Map<String, Value>, names: &[String]) {
    let names = names.iter().enumerate();
    let id2label: Map<String, Value> = names
        .clone()
        .map(|(class, name)| (class.to_string(), json!(name)))
        .collect();
    let label2id: Map<String, Value> = names
        .map(|(class, name)| (name.clone(), json!(class)))
        .collect();
    object.insert("id2label".into(), Value::Object(id2label));
    object.insert("label2id".into(), Value::Object(label2id));
}

/// Name of the class of transformers for a classifier of a family, used if no file states it.
fn class_of_model(family: Family) -> &'static str {
    match family {
        Family::Timesformer => "TimesformerForVideoClassification",
        Family::Vivit => "VivitForVideoClassification",
        Family::VideoMae => "VideoMAEForVideoClassification",
        Family::Deit => "DeiTForImageClassification",
        Family::Dinov2 => "Dinov2ForImageClassification",
        Family::Dinov2WithRegisters => "Dinov2WithRegistersForImageClassification",
        Family::Vit | Family::Timm => "ViTForImageClassification",
    }
}

/// Height and width as JSON, a single number for a square; [`Json::extents`] reads it back.
fn side([height, width]: [usize; 2]) -> Value {
    if height == width {
        json!(height)
    } else {
        json!([height, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pretrained::json::extents;

    #[test]
    fn written_sides_are_read_back() {
        for size in [[4, 4], [4, 6]] {
            assert_eq!(extents(&side(size)), Some(size));
        }
    }
}
