//! Models of timm: the architecture is read from the tensors, and the rest from `config.json` of the model hub.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::family::Family;
use super::json::{Json, extents};
use super::layout::Layout;
use super::preprocessing::Preprocessing;
use super::tensor_file::Tensors;
use super::timm_architectures;
use super::timm_transform;
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::model::{Activation, BlockStyle, Distillation, NetworkConfig, Pooling, VitConfig};

/// Parts of the names of architectures with the same tensors but another forward pass.
const OTHER_FORWARD: [&str; 4] = ["_rpn_", "siglip2", "quickgelu", "_rope_"];

/// Width of the tokens of MoCo v3's ViT-S, which has twice as many heads as other models of this width.
const MOCO_SMALL_WIDTH: usize = 384;
/// Number of heads of MoCo v3's ViT-S.
const MOCO_SMALL_HEADS: usize = 12;

/// True for the configuration of a model of timm that transformers wrapped.
pub(super) fn is_wrapped(json: &Json) -> bool {
    json.get("model_type").and_then(Value::as_str) == Some("timm_wrapper")
}

/// What is known of a file beside its tensors and its configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hints<'a> {
    /// Number of heads, used if no file states it.
    pub(super) n_heads: Option<usize>,
    /// Prefix of the names in the file, such as `state_dict.base_encoder.`.
    pub(super) prefix: &'a str,
}

/// Determines the layout of a file from its tensors and, if given, its configuration; what had to be guessed is
/// added to `notes`.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if a tensor that determines the architecture is missing, or if a setting is not supported.
pub(super) fn layout(
    path: &Path,
    json: Option<&Json>,
    hints: Hints<'_>,
    tensors: &Tensors,
    notes: &mut Vec<String>,
) -> Result<Layout> {
    let file = TimmFile {
        path,
        json,
        arguments: json.and_then(|json| json.inner("model_args")),
        pretrained_cfg: json.map(pretrained_cfg),
        tensors,
    };
    file.check_architecture()?;
    let patches = file.patch_projection()?;
    let heads = file.heads(patches.d_model, hints)?;
    let tokens = file.prefix_tokens();
    let n_positions = file.dimension("pos_embed", 1).ok_or_else(|| {
        file.error(
            "the tensor pos_embed is missing, expected a ViT with learned position embeddings",
        )
    })?;
    let image_size = file.image_size(patches.size, n_positions, tokens.count())?;
    notes.extend(file.note_of_guesses(image_size, heads)?);
    let pooling = file.pooling(tokens.has_class_token)?;
    let style = file.style()?;
    // The shapes are those of the weights, whereas arguments may be absent.
    let n_classes = file.dimension("head.weight", 0);
    let config = VitConfig::new(
        image_size,
        patches.n_channels,
        n_classes.unwrap_or(patches.d_model),
        patches.size,
        patches.d_model,
        file.n_layers(),
        heads.n_heads,
    )
    .with_n_registers(tokens.n_registers)
    .with_distillation(tokens.distillation)
    .with_pooling(pooling)
    .with_style(style);
    let n_patches = image_size
        .iter()
        .map(|side| side / patches.size)
        .product::<usize>();
    let norm = if file.has_fc_norm() {
        "fc_norm"
    } else {
        "norm"
    };
    Ok(Layout {
        family: Family::Timm,
        prefix: String::new(),
        config: NetworkConfig::Vit(config),
        has_head: n_classes.is_some(),
        norm: Some(norm.to_owned()),
        n_positioned_prefix_tokens: n_positioned_prefix_tokens(
            n_positions,
            n_patches,
            tokens.count(),
        ),
        is_dinov2_of_authors: file.is_dinov2_of_authors(),
    })
}

/// Number of prefix tokens with a position embedding: none, the class token, or all.
fn n_positioned_prefix_tokens(
    n_positions: usize,
    n_patches: usize,
    n_prefix_tokens: usize,
) -> usize {
    match n_positions.saturating_sub(n_patches).min(n_prefix_tokens) {
        n_positioned @ (0 | 1) => n_positioned,
        _ => n_prefix_tokens,
    }
}

/// Tensors of a file of timm and the objects of its configuration.
struct TimmFile<'a> {
    path: &'a Path,
    json: Option<&'a Json>,
    /// Object `model_args` of the configuration.
    arguments: Option<Json>,
    /// Object `pretrained_cfg` of the configuration.
    pretrained_cfg: Option<Json>,
    tensors: &'a Tensors,
}

/// Number of heads, and whether it is only that of published models of the same width.
#[derive(Debug, Clone, Copy)]
struct Heads {
    n_heads: usize,
    is_guess: bool,
}

/// Sizes of the projection of patches.
struct PatchProjection {
    d_model: usize,
    n_channels: usize,
    /// Side of a patch, in pixels.
    size: usize,
}

/// Prefix tokens of a model.
struct PrefixTokens {
    has_class_token: bool,
    distillation: Distillation,
    n_registers: usize,
}

impl PrefixTokens {
    /// Number of prefix tokens.
    fn count(&self) -> usize {
        usize::from(self.has_class_token)
            + usize::from(self.distillation != Distillation::None)
            + self.n_registers
    }
}

impl TimmFile<'_> {
    /// Error of the file, whose path precedes the message.
    fn error(&self, message: impl Into<String>) -> Error {
        Error::invalid_format(message).within(self.path.display())
    }

    /// Size of one axis of a tensor; `None` if there is no such tensor or axis.
    fn dimension(&self, name: &str, axis: usize) -> Option<usize> {
        self.tensors.get(name)?.shape.get(axis).copied()
    }

    /// Shape of a tensor that must be present.
    fn shape(&self, name: &str) -> Result<&[usize]> {
        match self.tensors.get(name) {
            Some(tensor) => Ok(&tensor.shape),
            None => Err(self.error(format!(
                "the tensor {name} is missing, expected the weights of a ViT of timm"
            ))),
        }
    }

    /// String among the arguments of the model; `None` if absent.
    fn text_argument(&self, key: &str) -> Result<Option<String>> {
        match &self.arguments {
            Some(json) => json.text(key),
            None => Ok(None),
        }
    }

    /// Checks that the forward pass of the architecture is that of a plain vision transformer.
    fn check_architecture(&self) -> Result<()> {
        let Some(json) = self.json else {
            return Ok(());
        };
        let architecture = json.required("architecture", json.text("architecture")?)?;
        let other = OTHER_FORWARD
            .iter()
            .find(|part| architecture.contains(*part));
        match other {
            None => Ok(()),
            Some(part) => Err(Error::invalid_format(format!(
                "{}: architecture is \"{architecture}\", expected a plain ViT, DeiT or DINOv2; architectures \
                 with \"{part}\" in their name have the same tensors but another forward pass",
                json.file
            ))),
        }
    }

    /// Sizes of the projection of patches, from the shape of its kernel.
    fn patch_projection(&self) -> Result<PatchProjection> {
        let shape = self.shape("patch_embed.proj.weight")?;
        let &[d_model, n_channels, size, width] = shape else {
            return Err(self.error(format!(
                "patch_embed.proj.weight has the shape {shape:?}, expected the four axes of a two-dimensional \
                 convolution"
            )));
        };
        if size != width || size == 0 || d_model == 0 {
            return Err(self.error(format!(
                "patches are {size} by {width} pixels and d_model is {d_model}, expected square patches and a \
                 positive d_model"
            )));
        }
        Ok(PatchProjection {
            d_model,
            n_channels,
            size,
        })
    }

    /// Name of the architecture; `None` without a configuration.
    fn architecture(&self) -> Option<&str> {
        self.json?.get("architecture")?.as_str()
    }

    /// Number of heads: from the configuration, else from the hints, else that of published models of this width.
    fn heads(&self, d_model: usize, hints: Hints<'_>) -> Result<Heads> {
        let argument = match &self.arguments {
            Some(json) => json.count("num_heads")?,
            None => None,
        };
        let of_architecture = || timm_architectures::n_heads(self.architecture()?);
        let stated = argument.or_else(of_architecture).or(hints.n_heads);
        let is_moco = ["base_encoder", "momentum_encoder"]
            .iter()
            .any(|encoder| hints.prefix.contains(encoder));
        let published = || match d_model {
            MOCO_SMALL_WIDTH if is_moco => Some(MOCO_SMALL_HEADS),
            _ => timm_architectures::n_heads_of_width(d_model),
        };
        // Tensors do not reveal the number of heads: queries of all heads lie side by side.
        let n_heads = stated.or_else(published).ok_or_else(|| {
            self.error(format!(
                "no file states the number of heads of a ViT with d_model = {d_model}; put timm's config.json beside \
                 the weights, with `num_heads` among its `model_args`"
            ))
        })?;
        Ok(Heads {
            n_heads,
            is_guess: stated.is_none(),
        })
    }

    /// Says what is not stated in any file; `None` if all is.
    fn note_of_guesses(&self, image_size: [usize; 2], heads: Heads) -> Result<Option<String>> {
        let d_model = self.patch_projection()?.d_model;
        let mut guesses = Vec::new();
        if self.configured_image_size()?.is_none() {
            let [height, width] = image_size;
            guesses.push(format!("images of {height} by {width} pixels"));
        }
        if self.json.is_none() {
            guesses.push("the activation GELU".to_owned());
        }
        if heads.is_guess {
            let n_heads = heads.n_heads;
            let other = match (d_model, n_heads) {
                (MOCO_SMALL_WIDTH, MOCO_SMALL_HEADS) => " of MoCo v3; others have 6",
                (MOCO_SMALL_WIDTH, _) => "; that of MoCo v3 has 12",
                _ => "",
            };
            guesses.push(format!(
                "{} (as in the published model with d_model = {d_model}{other})",
                counted(n_heads, "head")
            ));
        }
        if guesses.is_empty() {
            return Ok(None);
        }
        let source = match self.json {
            Some(_) => "the settings in config.json are incomplete",
            None => "there is no config.json",
        };
        Ok(Some(format!(
            "{source}, so these are guesses: {}; timm's config.json beside the weights, with `model_args`, would state \
             them",
            guesses.join(", ")
        )))
    }

    /// Number of consecutive blocks, counted from block 0.
    fn n_layers(&self) -> usize {
        let has_block = |layer: usize| {
            let prefix = format!("blocks.{layer}.");
            // Names are sorted, so the first one from the prefix on has it if any has.
            let first = self.tensors.range(prefix.clone()..).next();
            first.is_some_and(|(name, _)| name.starts_with(&prefix))
        };
        // Blocks after a gap are reported later as tensors that are not part of the model.
        (0..).take_while(|&layer| has_block(layer)).count()
    }

    /// Prefix tokens, from the tensors that hold them.
    fn prefix_tokens(&self) -> PrefixTokens {
        let has = |name| self.tensors.contains_key(name);
        PrefixTokens {
            has_class_token: has("cls_token"),
            distillation: match (has("dist_token"), has("head_dist.weight")) {
                (true, true) => Distillation::Head,
                (true, false) => Distillation::Token,
                (false, _) => Distillation::None,
            },
            n_registers: self.dimension("reg_token", 1).unwrap_or(0),
        }
    }

    /// Height and width of images: from the configuration, else from a square position embedding.
    fn image_size(
        &self,
        patch_size: usize,
        n_positions: usize,
        n_prefix_tokens: usize,
    ) -> Result<[usize; 2]> {
        if let Some(size) = self.configured_image_size()? {
            return Ok(size);
        }
        match side_of_square_grid(n_positions, n_prefix_tokens) {
            Some(side) => Ok([side * patch_size; 2]),
            None => Err(self.error(format!(
                "pos_embed has {n_positions} positions, which do not form a square grid of patches; put timm's \
                 config.json beside the weights"
            ))),
        }
    }

    /// Height and width of images in the configuration; `None` if not given.
    fn configured_image_size(&self) -> Result<Option<[usize; 2]>> {
        // An argument replaces the size of the published model, so it comes first.
        if let Some(arguments) = &self.arguments
            && let Some(size) = arguments.extents("img_size")?
        {
            return Ok(Some(size));
        }
        match &self.pretrained_cfg {
            Some(json) => input_size(json),
            None => Ok(None),
        }
    }

    /// True for a DINOv2 in the file of its authors, which has the mask token of pretraining.
    fn is_dinov2_of_authors(&self) -> bool {
        let has = |name| self.tensors.contains_key(name);
        self.json.is_none() && has("mask_token") && has("blocks.0.ls1.gamma")
    }

    /// True if the norm follows pooling.
    fn has_fc_norm(&self) -> bool {
        self.tensors.contains_key("fc_norm.weight")
    }

    /// Pooling, from the configuration and the presence of class token and norm.
    fn pooling(&self, has_class_token: bool) -> Result<Pooling> {
        let pool = match (self.text_argument("global_pool")?, self.json) {
            (None, Some(json)) => json.text("global_pool")?,
            (pool, _) => pool,
        };
        match (pool.as_deref(), has_class_token, self.has_fc_norm()) {
            // Without the setting, the tensors decide: by default timm has an `fc_norm` only if it averages.
            (Some("token") | None, true, false) | (Some("token"), true, true) => Ok(Pooling::Cls),
            (Some("avg") | None, false, false) => Ok(Pooling::Mean),
            (Some("avg") | None, false, true) => Ok(Pooling::MeanBeforeNorm),
            (Some("avg") | None, true, true) => Ok(Pooling::MeanBeforeNormWithCls),
            (pool, ..) => Err(self.error(format!(
                "global_pool is \"{}\" {} class token, expected \"token\" with one, \"avg\" without one, or \"avg\" \
                 before the norm",
                pool.unwrap_or_default(),
                if has_class_token { "with a" } else { "without a" }
            ))),
        }
    }

    /// Options of the blocks, from the first block and the configuration.
    fn style(&self) -> Result<BlockStyle> {
        let activation = match self.text_argument("act_layer")?.as_deref() {
            None if self
                .architecture()
                .is_some_and(timm_architectures::has_gelu_tanh) =>
            {
                Activation::GeluTanh
            }
            None | Some("gelu") => Activation::Gelu,
            Some("gelu_tanh") => Activation::GeluTanh,
            Some(other) => {
                return Err(self.error(format!(
                    "act_layer is \"{other}\", expected gelu or gelu_tanh"
                )));
            }
        };
        let d_hidden = self
            .shape("blocks.0.mlp.fc1.weight")?
            .first()
            .copied()
            .unwrap_or(0);
        let d_mlp = self
            .dimension("blocks.0.mlp.fc2.weight", 1)
            .unwrap_or(d_hidden);
        // The first layer of a gated MLP is twice as wide as the input of the second.
        let is_gated = d_hidden == 2 * d_mlp;
        Ok(BlockStyle::new()
            .with_d_mlp(Some(d_mlp))
            // The initial value does not matter, since the weights replace it.
            .with_layer_scale(
                self.tensors
                    .contains_key("blocks.0.ls1.gamma")
                    .then_some(1.0),
            )
            .with_activation(if is_gated {
                Activation::SwiGlu
            } else {
                activation
            }))
    }
}

/// Object `pretrained_cfg` of a configuration; older files have its keys at the top.
pub(super) fn pretrained_cfg(json: &Json) -> Json {
    json.inner("pretrained_cfg").unwrap_or_else(|| json.clone())
}

/// Height and width of images in `pretrained_cfg`; `None` if not given.
fn input_size(pretrained_cfg: &Json) -> Result<Option<[usize; 2]>> {
    pretrained_cfg.typed(
        "input_size",
        "channels, height and width",
        |value| match value.as_array()?.as_slice() {
            [_, height, width] => extents(&json!([height, width])),
            _ => None,
        },
    )
}

/// Height and width of images in `pretrained_cfg`, if that is not simply the size of the model.
pub(super) fn flexible_input_size(json: &Json) -> Result<Option<[usize; 2]>> {
    let settings = pretrained_cfg(json);
    // The size of the model counts for a model of a fixed size, whatever `input_size` says.
    let is_fixed = settings.flag("fixed_input_size")?.unwrap_or(false);
    if is_fixed && !takes_any_image_size(json)? {
        return Ok(None);
    }
    input_size(&settings)
}

/// True if timm runs the model on images of any size, and then interpolates position embeddings.
pub(super) fn takes_any_image_size(json: &Json) -> Result<bool> {
    match json.inner("model_args") {
        Some(arguments) => Ok(arguments.flag("dynamic_img_size")?.unwrap_or(false)),
        None => Ok(false),
    }
}

/// Side of the square grid of patches of a position embedding; `None` if there is no such grid.
///
/// The embedding may include all prefix tokens, only the class token, or none.
fn side_of_square_grid(n_positions: usize, n_prefix_tokens: usize) -> Option<usize> {
    // Most files embed all prefix tokens, so this case is tried first.
    [n_prefix_tokens, 1, 0].into_iter().find_map(|n_before| {
        let n_patches = n_positions.checked_sub(n_before)?;
        let side = n_patches.isqrt();
        (side > 0 && side * side == n_patches).then_some(side)
    })
}

/// Names of the classes; `None` if the configuration does not state them.
pub(super) fn class_names(json: &Json) -> Option<Vec<String>> {
    let pretrained_cfg = json.inner("pretrained_cfg");
    json.get("label_names")
        .or_else(|| pretrained_cfg.as_ref()?.get("label_names"))?
        .as_array()?
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect()
}

/// Contents of `config.json`: those of the file that was read, if any, with the values of the current model.
pub(super) fn config_json(
    original: Option<&Json>,
    layout: &Layout,
    preprocessing: &Preprocessing,
    class_names: Option<&[String]>,
) -> Value {
    let NetworkConfig::Vit(config) = &layout.config else {
        unreachable!("timm's models are of images");
    };
    let inner = |key| {
        original
            .and_then(|json| json.inner(key))
            .map(|json| json.object)
            .unwrap_or_default()
    };
    let arguments = model_arguments(inner("model_args"), layout, config);
    let pretrained_cfg =
        pretrained_settings(inner("pretrained_cfg"), layout, config, preprocessing);
    let mut object = original.map(|json| json.object.clone()).unwrap_or_default();
    if original.is_some_and(is_wrapped) {
        // The tensors are exported with the names of timm, without the wrapper of transformers.
        object.retain(|key, _| !matches!(key.as_str(), "model_type" | "architectures"));
    }
    if original.is_none() {
        // Any architecture of the same kind will do: all sizes are among the arguments.
        let is_gated = config.style.activation == Activation::SwiGlu;
        let architecture = match (is_distilled(config), is_gated) {
            (true, _) => "deit_base_distilled_patch16_224",
            (false, true) => "vit_giant_patch14_dinov2",
            (false, false) => "vit_base_patch16_224",
        };
        object.insert("architecture".into(), json!(architecture));
    }
    for (key, value) in [
        ("num_classes", json!(n_exported_classes(layout, config))),
        ("num_features", json!(config.d_model)),
        ("global_pool", json!(global_pool(config.pooling))),
        ("model_args", Value::Object(arguments)),
        ("pretrained_cfg", Value::Object(pretrained_cfg)),
    ] {
        object.insert(key.into(), value);
    }
    if let Some(names) = class_names {
        object.insert("label_names".into(), json!(names));
    }
    Value::Object(object)
}

/// Sets the arguments with which timm creates the model, `model_args`.
fn model_arguments(
    mut arguments: Map<String, Value>,
    layout: &Layout,
    config: &VitConfig,
) -> Map<String, Value> {
    let style = config.style;
    let d_mlp = style.d_mlp.unwrap_or(config.mlp_ratio * config.d_model);
    // timm counts the gate of a SwiGLU as part of the hidden layer.
    let d_hidden = match style.activation {
        Activation::SwiGlu => 2 * d_mlp,
        Activation::Gelu | Activation::GeluTanh => d_mlp,
    };
    let has_fc_norm = layout.norm.as_deref() == Some("fc_norm");
    for (key, value) in [
        ("img_size", json!(config.image_size)),
        ("patch_size", json!(config.patch_size)),
        ("in_chans", json!(config.n_channels)),
        ("num_classes", json!(n_exported_classes(layout, config))),
        ("embed_dim", json!(config.d_model)),
        ("depth", json!(config.n_layers)),
        ("num_heads", json!(config.n_heads)),
        ("mlp_ratio", json!(d_hidden as f64 / config.d_model as f64)),
        ("qkv_bias", json!(true)),
        ("reg_tokens", json!(config.n_registers)),
        (
            "no_embed_class",
            json!(layout.n_positioned_prefix_tokens == 0),
        ),
        ("global_pool", json!(global_pool(config.pooling))),
        ("fc_norm", json!(has_fc_norm)),
    ] {
        arguments.insert(key.to_owned(), value);
    }
    if let Some(value) = style.layer_scale {
        arguments.insert("init_values".into(), json!(value));
    }
    // The distilled architecture of timm always has a class token and takes no such argument.
    if !is_distilled(config) {
        let has_class_token = config.pooling.has_class_token();
        arguments.insert("class_token".into(), json!(has_class_token));
    }
    if style.activation == Activation::GeluTanh {
        arguments.insert("act_layer".into(), json!("gelu_tanh"));
    }
    arguments
}

/// Sets preprocessing, classes and the names of first and last layer, `pretrained_cfg`.
fn pretrained_settings(
    mut settings: Map<String, Value>,
    layout: &Layout,
    config: &VitConfig,
    preprocessing: &Preprocessing,
) -> Map<String, Value> {
    let [height, width] = config.image_size;
    let n_classes = n_exported_classes(layout, config);
    timm_transform::write(preprocessing, &mut settings);
    settings.insert(
        "input_size".into(),
        json!([config.n_channels, height, width]),
    );
    settings.insert("num_classes".into(), json!(n_classes));
    // A configuration from the model hub already has these keys.
    if settings.get("first_conv").is_none() {
        let classifier = if is_distilled(config) {
            json!(["head", "head_dist"])
        } else {
            json!("head")
        };
        settings.insert("first_conv".into(), json!("patch_embed.proj"));
        settings.insert("classifier".into(), classifier);
    }
    settings
}

/// Number of classes in timm, where a model without a classifier has 0.
fn n_exported_classes(layout: &Layout, config: &VitConfig) -> usize {
    if layout.has_head { config.n_classes } else { 0 }
}

/// Name of a pooling in timm.
fn global_pool(pooling: Pooling) -> &'static str {
    match pooling {
        Pooling::Cls | Pooling::ClsAndMean => "token",
        Pooling::Mean | Pooling::MeanBeforeNorm | Pooling::MeanBeforeNormWithCls => "avg",
    }
}

/// True if the model has a distillation token.
fn is_distilled(config: &VitConfig) -> bool {
    config.distillation != Distillation::None
}
