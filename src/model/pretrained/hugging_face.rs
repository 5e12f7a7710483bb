//! The configuration of transformers' models, `config.json`.

use serde_json::{Value, json};

use super::family::{FC_NORM_EPSILON, Family, dinov2_ratio, dinov2_width};
use super::json::Json;
use super::layout::Layout;
use super::tensor_file::Tensors;
use crate::model::{
    Activation, BlockStyle, Distillation, NetworkConfig, Pooling, VideoAttention, VideoConfig,
    VideoPositions, VitConfig,
};

/// The model types that are known, as `config.json` writes them.
const FAMILIES: [Family; 7] = [
    Family::Vit,
    Family::Deit,
    Family::Dinov2,
    Family::Dinov2WithRegisters,
    Family::Timesformer,
    Family::Vivit,
    Family::VideoMae,
];

/// The tensor whose name tells what stands before all others.
const LANDMARK: &str = "embeddings.patch_embeddings.projection.weight";

/// Whether a file has the names of transformers' vision models.
pub(super) fn has_names(tensors: &Tensors) -> bool {
    tensors.keys().any(|name| name.ends_with(LANDMARK))
}

/// What the configuration and the names of the tensors say of a model.
///
/// # Errors
///
/// One sentence if the model is not one of those known, or a key is missing or not understood.
pub(super) fn layout(json: &Json, tensors: &Tensors) -> Result<Layout, String> {
    let family = family(json)?;
    let Some(landmark) = tensors.keys().find(|name| name.ends_with(LANDMARK)) else {
        return Err(format!(
            "no tensor's name ends with {LANDMARK}, expected the weights of a model of type {}, as {} says; put \
             the config.json beside the weights that was saved with them",
            family.name(),
            json.file
        ));
    };
    let prefix = landmark.trim_end_matches(LANDMARK).to_owned();
    let heads = match family {
        Family::Deit => &["classifier.weight", "cls_classifier.weight"][..],
        _ => &["classifier.weight"],
    };
    let n_classes = heads
        .iter()
        .find_map(|head| tensors.get(*head))
        .and_then(|head| head.shape.first().copied());
    let shape = Shape::read(json, n_classes)?;
    let (config, n_positioned) = match family.is_video() {
        true => video(json, family, &shape)?,
        false => image(json, family, &shape, tensors)?,
    };
    let norms = match family {
        Family::VideoMae => vec!["fc_norm".to_owned(), format!("{prefix}layernorm")],
        _ => vec![format!("{prefix}layernorm")],
    };
    let is_there = |norm: &String| tensors.contains_key(&format!("{norm}.weight"));
    let norm = match family {
        Family::VideoMae => norms.into_iter().find(is_there),
        _ => norms.into_iter().next(),
    };
    Ok(Layout {
        family,
        prefix,
        config,
        has_head: n_classes.is_some(),
        norm,
        n_positioned,
    })
}

fn family(json: &Json) -> Result<Family, String> {
    let found = json.required("model_type", json.text("model_type")?)?;
    let known = FAMILIES.iter().find(|family| family.name() == found);
    known.copied().ok_or_else(|| {
        let names = FAMILIES.map(Family::name).join(", ");
        format!(
            "{}: model_type is \"{found}\", expected one of {names}, or a config.json of timm",
            json.file
        )
    })
}

/// What all models have.
struct Shape {
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    n_channels: usize,
    image_size: [usize; 2],
    patch_size: usize,
    /// Of the file's classifier; the width of the tokens if it has none.
    n_classes: usize,
    has_head: bool,
    style: BlockStyle,
}

impl Shape {
    fn read(json: &Json, n_classes: Option<usize>) -> Result<Self, String> {
        let count = |key| json.required(key, json.count(key)?);
        let d_model = count("hidden_size")?;
        // The tubelet of a ViViT has the side of its patches too.
        let patch = match json.typed("tubelet_size", "one or three whole numbers", tubelet)? {
            Some((_, Some(patch))) => patch,
            _ => json.required("patch_size", json.extents("patch_size")?)?,
        };
        if patch[0] != patch[1] {
            return Err(format!(
                "{}: patches are {} by {} pixels, expected squares",
                json.file, patch[0], patch[1]
            ));
        }
        let style = BlockStyle::new()
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
}

fn activation(json: &Json) -> Result<Activation, String> {
    match json.text("hidden_act")?.as_deref() {
        None | Some("gelu" | "gelu_python") => Ok(Activation::Gelu),
        Some("gelu_fast" | "gelu_new" | "gelu_pytorch_tanh" | "gelu_accurate") => {
            Ok(Activation::GeluTanh)
        }
        Some(other) => Err(format!(
            "{}: hidden_act is \"{other}\", expected gelu or gelu_fast",
            json.file
        )),
    }
}

/// Frames of a tubelet, and height and width where they are written.
fn tubelet(value: &Value) -> Option<(usize, Option<[usize; 2]>)> {
    let count = |value: &Value| usize::try_from(value.as_u64()?).ok();
    match value {
        Value::Array(sides) => match sides.as_slice() {
            [frames, height, width] => {
                Some((count(frames)?, Some([count(height)?, count(width)?])))
            }
            _ => None,
        },
        frames => Some((count(frames)?, None)),
    }
}

fn image(
    json: &Json,
    family: Family,
    shape: &Shape,
    tensors: &Tensors,
) -> Result<(NetworkConfig, usize), String> {
    let mut style = shape.style;
    let mut config = VitConfig::new(
        shape.image_size,
        shape.n_channels,
        shape.n_classes,
        shape.patch_size,
        shape.d_model,
        shape.n_layers,
        shape.n_heads,
    );
    let mut n_positioned = 1;
    match family {
        Family::Deit => {
            n_positioned = 2;
            config.distillation = match tensors.contains_key("distillation_classifier.weight") {
                true => Distillation::Head,
                false => Distillation::Token,
            };
        }
        Family::Dinov2 | Family::Dinov2WithRegisters => {
            let ratio = json.count("mlp_ratio")?.unwrap_or(4);
            let width = ratio.saturating_mul(shape.d_model);
            let is_gated = json.flag("use_swiglu_ffn")?.unwrap_or(false);
            style = style.with_layer_scale(Some(json.number("layerscale_value")?.unwrap_or(1.0)));
            style = style.with_d_mlp(Some(dinov2_width(width, is_gated)));
            if is_gated {
                style.activation = Activation::SwiGlu;
            }
            if shape.has_head {
                config.pooling = Pooling::ClsAndMean;
            }
            if family == Family::Dinov2WithRegisters {
                config.n_registers = json.count("num_register_tokens")?.unwrap_or(4);
            }
        }
        _ => {}
    }
    Ok((NetworkConfig::Vit(config.with_style(style)), n_positioned))
}

fn video(json: &Json, family: Family, shape: &Shape) -> Result<(NetworkConfig, usize), String> {
    let config = VideoConfig::new(
        json.required("num_frames", json.count("num_frames")?)?,
        shape.image_size,
        shape.n_channels,
        shape.n_classes,
        shape.patch_size,
        shape.d_model,
        shape.n_layers,
        shape.n_heads,
    );
    let config = config.with_style(shape.style);
    let is_there = |key, expected: &str, holds: bool| match holds {
        true => Ok(()),
        false => Err(format!(
            "{}: {key} is {}, expected {expected}",
            json.file,
            json.get(key).unwrap_or(&Value::Null)
        )),
    };
    if family == Family::Timesformer {
        let attention = json.text("attention_type")?;
        let is_divided = attention.is_none_or(|found| found == "divided_space_time");
        is_there("attention_type", "\"divided_space_time\"", is_divided)?;
        return Ok((NetworkConfig::Video(config), 1));
    }
    let (n_frames, _) = json
        .typed("tubelet_size", "one or three whole numbers", tubelet)?
        .unwrap_or((2, None));
    let config = config
        .with_attention(VideoAttention::Joint)
        .with_tubelet_size(n_frames);
    if family == Family::Vivit {
        return Ok((
            NetworkConfig::Video(config.with_positions(VideoPositions::Each)),
            1,
        ));
    }
    let means = json.flag("use_mean_pooling")?.unwrap_or(true);
    is_there("use_mean_pooling", "true", means || !shape.has_head)?;
    let config = config
        .with_positions(VideoPositions::Sinusoidal)
        .with_pooling(Pooling::MeanBeforeNorm {
            has_class_token: false,
        })
        .with_style(shape.style.with_head_norm_epsilon(Some(FC_NORM_EPSILON)));
    Ok((NetworkConfig::Video(config), 0))
}

/// Names of the classes.
pub(super) fn labels(json: &Json) -> Option<Vec<String>> {
    let names = json.get("id2label")?.as_object()?;
    let name = |class: usize| names.get(&class.to_string())?.as_str().map(str::to_owned);
    (0..names.len()).map(name).collect()
}

/// The configuration that was read, or none, changed to what the model is now.
pub(super) fn config_json(
    original: Option<&Json>,
    layout: &Layout,
    labels: Option<&[String]>,
) -> Value {
    let mut object = original.map(|json| json.object.clone()).unwrap_or_default();
    for key in ["dtype", "torch_dtype"] {
        if let Some(dtype) = object.get_mut(key) {
            *dtype = json!("float32");
        }
    }
    let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
    let family = layout.family;
    set("model_type", json!(family.name()));
    let (style, size, image_size) = match &layout.config {
        NetworkConfig::Vit(config) => {
            let sizes = (config.d_model, config.n_layers, config.n_heads);
            (config.style, sizes, config.image_size)
        }
        NetworkConfig::Video(config) => {
            let sizes = (config.d_model, config.n_layers, config.n_heads);
            (config.style, sizes, config.image_size)
        }
        NetworkConfig::LinearProbe(_) => unreachable!("transformers has no linear probe"),
    };
    let (d_model, n_layers, n_heads) = size;
    set("hidden_size", json!(d_model));
    set("num_hidden_layers", json!(n_layers));
    set("num_attention_heads", json!(n_heads));
    set("layer_norm_eps", json!(style.norm_epsilon));
    set("image_size", side(image_size));
    set(
        "hidden_act",
        json!(match style.activation {
            Activation::GeluTanh => "gelu_fast",
            Activation::Gelu | Activation::SwiGlu => "gelu",
        }),
    );
    let bias = match family {
        Family::VideoMae => "qv_bias",
        _ => "qkv_bias",
    };
    set(bias, json!(true));
    let d_mlp = |ratio: usize| style.d_mlp.unwrap_or(ratio * d_model);
    match &layout.config {
        NetworkConfig::Vit(config) => {
            set("num_channels", json!(config.n_channels));
            set("patch_size", json!(config.patch_size));
            if family.is_dinov2() {
                set(
                    "use_swiglu_ffn",
                    json!(style.activation == Activation::SwiGlu),
                );
                set("mlp_ratio", json!(dinov2_ratio(config)));
            } else {
                set("intermediate_size", json!(d_mlp(config.mlp_ratio)));
            }
            if config.n_registers > 0 {
                set("num_register_tokens", json!(config.n_registers));
            }
        }
        NetworkConfig::Video(config) => {
            set("num_channels", json!(config.n_channels));
            set("num_frames", json!(config.n_frames));
            set("intermediate_size", json!(d_mlp(config.mlp_ratio)));
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
        NetworkConfig::LinearProbe(_) => {}
    }
    if let Some(labels) = labels {
        let names = labels.iter().enumerate();
        let of_class = names
            .clone()
            .map(|(class, name)| (class.to_string(), json!(name)));
        set("id2label", Value::Object(of_class.collect()));
        let of_name = names.map(|(class, name)| (name.clone(), json!(class)));
        set("label2id", Value::Object(of_name.collect()));
    }
    let is_classifier = |json: &Json| {
        let names = json.get("architectures").and_then(Value::as_array);
        let mut names = names.into_iter().flatten().filter_map(Value::as_str);
        names.any(|name| name.contains("Classification"))
    };
    if layout.has_head && !original.is_some_and(is_classifier) {
        set("architectures", json!([architecture(layout)]));
    }
    Value::Object(object)
}

/// The class of transformers, where no file has told.
fn architecture(layout: &Layout) -> &'static str {
    match layout.family {
        Family::Timesformer => "TimesformerForVideoClassification",
        Family::Vivit => "VivitForVideoClassification",
        Family::VideoMae => "VideoMAEForVideoClassification",
        Family::Deit => "DeiTForImageClassification",
        Family::Dinov2 => "Dinov2ForImageClassification",
        Family::Dinov2WithRegisters => "Dinov2WithRegistersForImageClassification",
        Family::Vit | Family::Timm => "ViTForImageClassification",
    }
}

/// One number for a square.
fn side([height, width]: [usize; 2]) -> Value {
    match height == width {
        true => json!(height),
        false => json!([height, width]),
    }
}

/// Read back by [`Json::extents`].
#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pretrained::json::extents;

    #[test]
    fn sides_are_read_as_they_are_written() {
        for size in [[4, 4], [4, 6]] {
            assert_eq!(extents(&side(size)), Some(size));
        }
    }
}
