//! timm's vision transformers: their shape is in the tensors, the rest in the `config.json` of the hub.

use std::path::Path;

use serde_json::{Value, json};

use super::family::Family;
use super::json::{Json, extents};
use super::layout::{Layout, n_blocks};
use super::preprocessing::Preprocessing;
use super::tensor_file::{HostTensor, Tensors};
use crate::model::{Activation, BlockStyle, Distillation, NetworkConfig, Pooling, VitConfig};

/// Parts of the names of architectures that have the same tensors and another forward pass.
const OTHER_FORWARD: [&str; 4] = ["_rpn_", "siglip2", "quickgelu", "_rope_"];

/// Width and heads of the published models, for files without a `config.json`.
const HEADS: [(usize, usize); 9] = [
    (192, 3),
    (384, 6),
    (768, 12),
    (1024, 16),
    (1152, 16),
    (1280, 16),
    (1408, 16),
    (1536, 24),
    (1664, 16),
];

/// Whether a file has the names of timm.
pub(super) fn has_names(tensors: &Tensors) -> bool {
    tensors.contains_key("patch_embed.proj.weight") && tensors.contains_key("blocks.0.norm1.weight")
}

/// Gives tensors of the authors' own files of DINOv2 the names of timm.
pub(super) fn rename(tensors: Tensors) -> Tensors {
    let renamed = |name: String| match name.as_str() {
        "register_tokens" => "reg_token".to_owned(),
        _ if name.starts_with("blocks.") => name
            .replace(".mlp.w12.", ".mlp.fc1.")
            .replace(".mlp.w3.", ".mlp.fc2."),
        _ => name,
    };
    let tensors = tensors.into_iter();
    tensors
        .map(|(name, tensor)| (renamed(name), tensor))
        .collect()
}

/// What the tensors and, if there is one, the configuration say of a model.
///
/// # Errors
///
/// One sentence if a tensor is missing that tells the shape, or something is not known.
pub(super) fn layout(
    path: &Path,
    json: Option<&Json>,
    n_heads: Option<usize>,
    tensors: &Tensors,
) -> Result<Layout, String> {
    let at = |what: String| format!("{}: {what}", path.display());
    let arguments = json.and_then(|json| json.inner("model_args"));
    let given = json.and_then(|json| json.inner("pretrained_cfg"));
    if let Some(json) = json {
        let architecture = json.required("architecture", json.text("architecture")?)?;
        if let Some(part) = OTHER_FORWARD
            .iter()
            .find(|part| architecture.contains(*part))
        {
            return Err(format!(
                "{}: architecture is \"{architecture}\", expected a plain ViT, DeiT or DINOv2; those of {part} \
                 compute something else with the same tensors",
                json.file
            ));
        }
    }
    let shape = |name: &str| -> Result<&[usize], String> {
        match tensors.get(name) {
            Some(tensor) => Ok(&tensor.shape),
            None => Err(at(format!(
                "the tensor {name} is missing, expected the weights of a ViT of timm"
            ))),
        }
    };
    let &[d_model, n_channels, patch_size, patch_width] = shape("patch_embed.proj.weight")? else {
        return Err(at(
            "patch_embed.proj.weight has not four dimensions, expected a 2-D convolution".into(),
        ));
    };
    if patch_size != patch_width || patch_size == 0 || d_model == 0 {
        return Err(at(format!(
            "patches are {patch_size} by {patch_width} pixels of {d_model} channels, expected squares"
        )));
    }
    let written = arguments
        .as_ref()
        .map(|json| json.count("num_heads"))
        .transpose()?;
    let of_width = || {
        HEADS
            .iter()
            .find(|(width, _)| *width == d_model)
            .map(|(_, heads)| *heads)
    };
    let n_heads = written.flatten().or(n_heads).or_else(of_width).ok_or_else(|| {
        at(format!(
            "no file tells the number of heads of a ViT {d_model} wide; put timm's config.json beside the weights, \
             with `num_heads` among its `model_args`"
        ))
    })?;
    let rows = |name: &str, axis: usize| tensors.get(name).and_then(|t| t.shape.get(axis).copied());
    let n_registers = rows("reg_token", 1).unwrap_or(0);
    let has_class_token = tensors.contains_key("cls_token");
    let has_fc_norm = tensors.contains_key("fc_norm.weight");
    let distillation = match (
        tensors.contains_key("dist_token"),
        tensors.contains_key("head_dist.weight"),
    ) {
        (true, true) => Distillation::Head,
        (true, false) => Distillation::Token,
        (false, _) => Distillation::None,
    };
    let n_prefix_tokens = usize::from(has_class_token)
        + usize::from(distillation != Distillation::None)
        + n_registers;
    let n_positions = rows("pos_embed", 1).ok_or_else(|| {
        at(
            "the tensor pos_embed is missing, expected a ViT with learned position embeddings"
                .into(),
        )
    })?;
    let image_size = match written_image_size(arguments.as_ref(), given.as_ref())? {
        Some(size) => size,
        None => square(n_positions, n_prefix_tokens)
            .map(|side| [side * patch_size; 2])
            .ok_or_else(|| {
                at(format!(
                    "pos_embed has {n_positions} places, which are no square of patches; put timm's config.json beside \
                     the weights"
                ))
            })?,
    };
    let n_patches = image_size
        .iter()
        .map(|side| side / patch_size)
        .product::<usize>();
    let n_positioned = n_positions.saturating_sub(n_patches).min(n_prefix_tokens);
    let n_positioned = match n_positioned {
        0 | 1 => n_positioned,
        _ => n_prefix_tokens,
    };
    let pool = arguments
        .as_ref()
        .map(|json| json.text("global_pool"))
        .transpose()?
        .flatten();
    let pool = match (pool, json) {
        (None, Some(json)) => json.text("global_pool")?,
        (pool, _) => pool,
    };
    let pooling = match (pool.as_deref(), has_class_token, has_fc_norm) {
        (Some("token") | None, true, false) | (Some("token"), true, true) => Pooling::Cls,
        (Some("avg") | None, false, false) => Pooling::Mean,
        (Some("avg") | None, has_class_token, true) => Pooling::MeanBeforeNorm { has_class_token },
        (pool, ..) => {
            return Err(at(format!(
                "the classifier looks at \"{}\" {} class token, expected \"token\" with one, \"avg\" without one, or \
                 \"avg\" before the norm",
                pool.unwrap_or_default(),
                if has_class_token {
                    "beside a"
                } else {
                    "without a"
                }
            )));
        }
    };
    let activation = match arguments
        .as_ref()
        .map(|json| json.text("act_layer"))
        .transpose()?
        .flatten()
        .as_deref()
    {
        None | Some("gelu") => Activation::Gelu,
        Some("gelu_tanh") => Activation::GeluTanh,
        Some(other) => {
            return Err(at(format!(
                "act_layer is \"{other}\", expected gelu or gelu_tanh"
            )));
        }
    };
    let d_hidden = shape("blocks.0.mlp.fc1.weight")?
        .first()
        .copied()
        .unwrap_or(0);
    let d_mlp = rows("blocks.0.mlp.fc2.weight", 1).unwrap_or(d_hidden);
    let style = BlockStyle::new()
        .with_d_mlp(Some(d_mlp))
        .with_layer_scale(tensors.contains_key("blocks.0.ls1.gamma").then_some(1.0))
        .with_activation(match d_hidden == 2 * d_mlp {
            true => Activation::SwiGlu,
            false => activation,
        });
    let n_classes = rows("head.weight", 0);
    let config = VitConfig::new(
        image_size,
        n_channels,
        n_classes.unwrap_or(d_model),
        patch_size,
        d_model,
        n_blocks(tensors, "blocks."),
        n_heads,
    )
    .with_n_registers(n_registers)
    .with_distillation(distillation)
    .with_pooling(pooling)
    .with_style(style);
    Ok(Layout {
        family: Family::Timm,
        prefix: String::new(),
        config: NetworkConfig::Vit(config),
        has_head: n_classes.is_some(),
        norm: Some(if has_fc_norm { "fc_norm" } else { "norm" }.to_owned()),
        n_positioned,
    })
}

fn written_image_size(
    arguments: Option<&Json>,
    given: Option<&Json>,
) -> Result<Option<[usize; 2]>, String> {
    if let Some(size) = arguments
        .map(|json| json.extents("img_size"))
        .transpose()?
        .flatten()
    {
        return Ok(Some(size));
    }
    let after_channels = |value: &Value| match value.as_array()?.as_slice() {
        [_, height, width] => extents(&json!([height, width])),
        _ => None,
    };
    let read = |json: &Json| json.typed("input_size", "channels, height and width", after_channels);
    Ok(given.map(read).transpose()?.flatten())
}

/// Side of the square of patches that a table is of, with all tokens before it, the class token or none.
fn square(n_positions: usize, n_prefix_tokens: usize) -> Option<usize> {
    [n_prefix_tokens, 1, 0].into_iter().find_map(|n_before| {
        let n_patches = n_positions.checked_sub(n_before)?;
        let side = n_patches.isqrt();
        (side > 0 && side * side == n_patches).then_some(side)
    })
}

/// Names of the classes.
pub(super) fn labels(json: &Json) -> Option<Vec<String>> {
    let given = json.inner("pretrained_cfg");
    let names = json
        .get("label_names")
        .or_else(|| given.as_ref()?.get("label_names"))?;
    names
        .as_array()?
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect()
}

/// The configuration that was read, or none, changed to what the model is now.
pub(super) fn config_json(
    original: Option<&Json>,
    layout: &Layout,
    preprocessing: &Preprocessing,
    labels: Option<&[String]>,
) -> Value {
    let NetworkConfig::Vit(config) = &layout.config else {
        unreachable!("timm's models are of images");
    };
    let mut object = original.map(|json| json.object.clone()).unwrap_or_default();
    let n_classes = if layout.has_head { config.n_classes } else { 0 };
    let inner = |key| {
        original
            .and_then(|json| json.inner(key))
            .map(|json| json.object)
    };
    let mut arguments = inner("model_args").unwrap_or_default();
    let mut argument = |key: &str, value: Value| arguments.insert(key.to_owned(), value);
    let style = config.style;
    let is_gated = style.activation == Activation::SwiGlu;
    let d_mlp = style.d_mlp.unwrap_or(config.mlp_ratio * config.d_model);
    let d_hidden = if is_gated { 2 * d_mlp } else { d_mlp };
    argument("img_size", json!(config.image_size));
    argument("patch_size", json!(config.patch_size));
    argument("in_chans", json!(config.n_channels));
    argument("num_classes", json!(n_classes));
    argument("embed_dim", json!(config.d_model));
    argument("depth", json!(config.n_layers));
    argument("num_heads", json!(config.n_heads));
    argument("mlp_ratio", json!(d_hidden as f64 / config.d_model as f64));
    argument("qkv_bias", json!(true));
    argument("reg_tokens", json!(config.n_registers));
    argument("no_embed_class", json!(layout.n_positioned == 0));
    let pool = match config.pooling {
        Pooling::Cls | Pooling::ClsAndMean => "token",
        Pooling::Mean | Pooling::MeanBeforeNorm { .. } => "avg",
    };
    argument("global_pool", json!(pool));
    argument("fc_norm", json!(layout.norm.as_deref() == Some("fc_norm")));
    if let Some(value) = style.layer_scale {
        argument("init_values", json!(value));
    }
    let is_distilled = config.distillation != Distillation::None;
    if !is_distilled {
        argument("class_token", json!(config.pooling.has_class_token()));
    }
    if style.activation == Activation::GeluTanh {
        argument("act_layer", json!("gelu_tanh"));
    }
    let mut given = inner("pretrained_cfg").unwrap_or_default();
    let [height, width] = config.image_size;
    preprocessing.write_timm(&mut given);
    given.insert(
        "input_size".into(),
        json!([config.n_channels, height, width]),
    );
    given.insert("num_classes".into(), json!(n_classes));
    if given.get("first_conv").is_none() {
        given.insert("first_conv".into(), json!("patch_embed.proj"));
        given.insert(
            "classifier".into(),
            match is_distilled {
                true => json!(["head", "head_dist"]),
                false => json!("head"),
            },
        );
    }
    if original.is_none() {
        object.insert(
            "architecture".into(),
            json!(match (is_distilled, is_gated) {
                (true, _) => "deit_base_distilled_patch16_224",
                (false, true) => "vit_giant_patch14_dinov2",
                (false, false) => "vit_base_patch16_224",
            }),
        );
    }
    object.insert("num_classes".into(), json!(n_classes));
    object.insert("num_features".into(), json!(config.d_model));
    object.insert("global_pool".into(), json!(pool));
    object.insert("model_args".into(), Value::Object(arguments));
    object.insert("pretrained_cfg".into(), Value::Object(given));
    if let Some(labels) = labels {
        object.insert("label_names".into(), json!(labels));
    }
    Value::Object(object)
}

/// The identity, for a model whose file has no classifier: its output is what one would look at.
pub(super) fn identity(width: usize) -> HostTensor {
    let values = (0..width * width).map(|place| f32::from(u8::from(place % (width + 1) == 0)));
    HostTensor {
        shape: vec![width, width],
        values: values.collect(),
    }
}
