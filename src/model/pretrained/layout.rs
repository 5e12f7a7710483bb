//! Layout of a file of weights: the model in it and the names of its tensors.

use super::family::Family;
use super::mapping::{Conversion, MappingTable, ParameterMapping};
use super::overrides::ModelOverrides;
use crate::error::{Error, Result};
use crate::model::{
    Activation, Distillation, NetworkConfig, Pooling, TokenLayout, VideoAttention, VideoPositions,
};

/// Model in a file of weights, and the details by which names and shapes of its tensors vary.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Naming scheme of the tensors.
    pub(super) family: Family,
    /// Prefix of the names of all tensors but those of the head, such as `vit.`.
    ///
    /// Empty for timm, and if only the encoder was saved.
    pub(super) prefix: String,
    /// Configuration of the model.
    pub(super) config: NetworkConfig,
    /// True if the file has a classifier.
    pub(super) has_head: bool,
    /// Name of the norm before the head; `None` if there is no such norm.
    pub(super) norm: Option<String>,
    /// Number of prefix tokens with a position embedding; they come before those without one.
    pub(super) n_positioned_prefix_tokens: usize,
    /// True for a DINOv2 in the file of its authors, whose code interpolates position embeddings in its own way.
    pub(super) is_dinov2_of_authors: bool,
}

impl Layout {
    /// Returns the layout in which a model of this crate is saved.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if neither transformers nor timm has such a model.
    pub(super) fn from_config(config: &NetworkConfig) -> Result<Self> {
        let mut config = config.clone();
        let family = match &mut config {
            NetworkConfig::Vit(config) => Family::for_image_model(config),
            NetworkConfig::Video(config) => Family::for_video_model(config),
            NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => None,
        }
        .ok_or_else(|| {
            Error::invalid_parameter(
                "neither transformers nor timm has this architecture, expected model.kind `vit`, or `timesformer` or \
                 `joint` with head `clip`, with the norms and MLPs of the published models",
            )
        })?;
        let has_fc_norm = match &config {
            NetworkConfig::Vit(config) => matches!(
                config.pooling,
                Pooling::MeanBeforeNorm | Pooling::MeanBeforeNormWithCls
            ),
            _ => family == Family::VideoMae,
        };
        let prefix = match family {
            Family::Timm => String::new(),
            _ => format!("{}.", family.name()),
        };
        let norm = match (has_fc_norm, family) {
            (true, _) => "fc_norm".to_owned(),
            (false, Family::Timm) => "norm".to_owned(),
            (false, _) => format!("{prefix}layernorm"),
        };
        let mut layout = Self {
            family,
            prefix,
            config,
            has_head: true,
            norm: Some(norm),
            // Depends on the other fields, so it is set below.
            n_positioned_prefix_tokens: 0,
            is_dinov2_of_authors: false,
        };
        layout.n_positioned_prefix_tokens = match family {
            // Only the class token: register tokens have no position embedding in transformers.
            Family::Dinov2WithRegisters => 1,
            _ => layout.n_prefix_tokens(),
        };
        Ok(layout)
    }

    /// Returns the arrangement of the tokens of an image or a clip.
    pub(super) fn token_layout(&self) -> TokenLayout {
        self.config.token_layout()
    }

    /// Number of tokens before the first patch of an image or a clip, with or without a position embedding.
    pub(super) fn n_prefix_tokens(&self) -> usize {
        match &self.config {
            NetworkConfig::Vit(config) => config.token_layout().n_prefix_tokens,
            // The layout of the configuration counts prefix tokens of each frame.
            NetworkConfig::Video(config) => config.n_clip_tokens(),
            NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => 0,
        }
    }

    /// Names of the parameters that are prefix tokens, in their order in the sequence.
    pub(super) fn prefix_token_names(&self) -> Vec<&'static str> {
        match &self.config {
            NetworkConfig::Vit(config) => [
                (config.pooling.has_class_token(), "cls_token"),
                (config.distillation != Distillation::None, "dist_token"),
                (config.n_registers > 0, "reg_token"),
            ]
            .into_iter()
            .filter(|(is_present, _)| *is_present)
            .map(|(_, name)| name)
            .collect(),
            NetworkConfig::Video(config) if config.n_clip_tokens() > 0 => vec!["cls_token"],
            _ => Vec::new(),
        }
    }

    /// Stores the width of the MLP as a ratio where the ratio is whole, as configuration files do.
    pub(super) fn use_mlp_ratio(&mut self) {
        let (d_model, ratio, style) = match &mut self.config {
            NetworkConfig::Vit(config) => {
                (config.d_model, &mut config.mlp_ratio, &mut config.style)
            }
            NetworkConfig::Video(config) => {
                (config.d_model, &mut config.mlp_ratio, &mut config.style)
            }
            NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => return,
        };
        // This runs before the configuration is checked, so any number may be 0.
        let is_whole = |d_mlp: &usize| d_model > 0 && *d_mlp > 0 && d_mlp.is_multiple_of(d_model);
        if let Some(d_mlp) = style.d_mlp.filter(is_whole) {
            *ratio = d_mlp / d_model;
            style.d_mlp = None;
        }
    }

    /// Applies overrides; returns true if the classifier of the file is kept.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the model cannot have this number of frames.
    pub(super) fn apply(&mut self, overrides: &ModelOverrides) -> Result<bool> {
        let n_steps = self.config.token_layout().n_frames;
        let n_classes = self.config.n_classes();
        let keeps_head =
            self.has_head && overrides.n_classes.is_none_or(|asked| asked == n_classes);
        if overrides.n_classes.is_some() && !self.has_head {
            self.add_head();
        }
        self.config = self
            .config
            .clone()
            .with_statistics(overrides.statistics.clone());
        match &mut self.config {
            NetworkConfig::Vit(config) => {
                config.image_size = overrides.image_size.unwrap_or(config.image_size);
                config.n_classes = overrides.n_classes.unwrap_or(config.n_classes);
                config.dropout = overrides.dropout;
                config.drop_path = overrides.drop_path;
                if let Some(n_frames) = overrides.n_frames.filter(|&n_frames| n_frames != 1) {
                    return Err(Error::invalid_parameter(format!(
                        "n_frames is {n_frames}, expected 1 for a model of images"
                    )));
                }
            }
            NetworkConfig::Video(config) => {
                config.image_size = overrides.image_size.unwrap_or(config.image_size);
                config.n_classes = overrides.n_classes.unwrap_or(config.n_classes);
                config.n_frames = overrides.n_frames.unwrap_or(config.n_frames);
                config.dropout = overrides.dropout;
                config.drop_path = overrides.drop_path;
                // Each time step has embeddings of its own, so another number of steps has none.
                let changes_steps = n_steps != config.n_frames / config.tubelet_size.max(1);
                if config.positions == VideoPositions::PerToken && changes_steps {
                    return Err(Error::invalid_parameter(format!(
                        "n_frames is {}, expected {} as in the file, since the position embeddings of a ViViT are not \
                         interpolated over time",
                        config.n_frames,
                        n_steps * config.tubelet_size
                    )));
                }
            }
            NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => {}
        }
        Ok(keeps_head)
    }

    /// Adds a classifier to an encoder that was saved without one.
    fn add_head(&mut self) {
        self.has_head = true;
        // A bare encoder is saved without a prefix; below a classifier its tensors have one.
        if self.family != Family::Timm && self.prefix.is_empty() {
            self.prefix = format!("{}.", self.family.name());
            self.norm = self
                .norm
                .take()
                .map(|norm| format!("{}{norm}", self.prefix));
        }
        // A classifier of VideoMAE has its own norm after pooling, in place of the norm of the encoder.
        if self.family == Family::VideoMae {
            self.norm = Some("fc_norm".to_owned());
        }
        if let (true, NetworkConfig::Vit(config)) = (self.family.is_dinov2(), &mut self.config) {
            config.pooling = Pooling::ClsAndMean;
        }
    }

    /// True for tensors that no forward pass here uses, and which are kept only to be saved again.
    pub(super) fn is_unused_tensor(&self, name: &str) -> bool {
        let inner = name.strip_prefix(&self.prefix).unwrap_or(name);
        if self.family == Family::Timm {
            return inner == "mask_token";
        }
        // The decoder, left over from pretraining on masked images or clips, lies outside of the prefix.
        let is_decoder = ["decoder.", "encoder_to_decoder."]
            .iter()
            .any(|part| name.starts_with(part));
        matches!(inner, "embeddings.mask_token" | "mask_token")
            || inner.starts_with("pooler.")
            || is_decoder
    }

    /// Lists all parameters and the tensors of the file that they are converted from.
    pub(super) fn mappings(&self) -> Vec<ParameterMapping> {
        let mut table = MappingTable::default();
        match self.family {
            Family::Timm => self.add_timm_parameters(&mut table),
            _ => self.add_hugging_face_parameters(&mut table),
        }
        table.mappings
    }

    /// Adds all parameters of a model of timm, whose names are those of the fields here.
    fn add_timm_parameters(&self, table: &mut MappingTable) {
        let NetworkConfig::Vit(config) = &self.config else {
            unreachable!("timm's models are of images");
        };
        for token in self.prefix_token_names() {
            table.add_unchanged(token);
        }
        table.add("pos_embed", ["pos_embed"], Conversion::Positions);
        table.add_unchanged("patch_embed.proj.weight");
        table.add_unchanged("patch_embed.proj.bias");
        for layer in 0..config.n_layers {
            let name = |part: &str| format!("blocks.{layer}.{part}");
            for norm in ["norm1", "norm2"] {
                table.add_norm(&name(norm), &name(norm));
            }
            table.add_fused_qkv(&name("attn.qkv"), &name("attn.qkv"));
            for linear in ["attn.proj", "mlp.fc1", "mlp.fc2"] {
                table.add_linear(&name(linear), &name(linear));
            }
            if config.style.layer_scale.is_some() {
                for scale in ["ls1.gamma", "ls2.gamma"] {
                    table.add_unchanged(&name(scale));
                }
            }
        }
        self.add_norm_and_heads(table, "head", "head_dist");
    }

    /// Adds all parameters of a model of transformers.
    fn add_hugging_face_parameters(&self, table: &mut MappingTable) {
        let file_name = |name: &str| format!("{}{name}", self.prefix);
        let present = self.prefix_token_names();
        for (token, tensor) in [
            ("cls_token", "embeddings.cls_token"),
            ("dist_token", "embeddings.distillation_token"),
            ("reg_token", "embeddings.register_tokens"),
        ] {
            if present.contains(&token) {
                table.add(token, [file_name(tensor)], Conversion::Unchanged);
            }
        }
        // The position embedding of VideoMAE is computed, not learned.
        if self.family != Family::VideoMae {
            let positions = [file_name("embeddings.position_embeddings")];
            table.add("pos_embed", positions, Conversion::Positions);
        }
        if self.family == Family::Timesformer {
            let times = [file_name("embeddings.time_embeddings")];
            table.add("time_embed", times, Conversion::Frames);
        }
        // Only the joint models of transformers convolve over time, in three dimensions.
        let kernel = match &self.config {
            NetworkConfig::Video(config) if config.attention == VideoAttention::Joint => {
                Conversion::TubeletKernel {
                    n_frames: config.tubelet_size,
                }
            }
            _ => Conversion::Unchanged,
        };
        let projection = file_name("embeddings.patch_embeddings.projection");
        table.add(
            "patch_embed.proj.weight",
            [format!("{projection}.weight")],
            kernel,
        );
        table.add(
            "patch_embed.proj.bias",
            [format!("{projection}.bias")],
            Conversion::Unchanged,
        );
        for layer in 0..self.config.n_layers() {
            let block = format!("blocks.{layer}.");
            let file_block = file_name(&format!("encoder.layer.{layer}."));
            self.add_hugging_face_block(table, &block, &file_block);
        }
        // Without a classifier of its own for the distillation token, a DeiT has the names of a ViT.
        let (head, distilled_head) = match (self.family, self.has_distilled_head()) {
            (Family::Deit, true) => ("cls_classifier", "distillation_classifier"),
            _ => ("classifier", ""),
        };
        self.add_norm_and_heads(table, head, distilled_head);
    }

    /// Adds the parameters of one block of a model of transformers.
    fn add_hugging_face_block(&self, table: &mut MappingTable, block: &str, file_block: &str) {
        let name = |part: &str| format!("{block}{part}");
        let file_name = |part: &str| format!("{file_block}{part}");
        let [norm1, norm2, fc1, fc2] = if !self.family.is_dinov2() {
            [
                "layernorm_before",
                "layernorm_after",
                "intermediate.dense",
                "output.dense",
            ]
        } else if self.is_gated() {
            ["norm1", "norm2", "mlp.weights_in", "mlp.weights_out"]
        } else {
            ["norm1", "norm2", "mlp.fc1", "mlp.fc2"]
        };
        table.add_norm(&name("norm1"), &file_name(norm1));
        table.add_norm(&name("norm2"), &file_name(norm2));
        table.add_linear(&name("mlp.fc1"), &file_name(fc1));
        table.add_linear(&name("mlp.fc2"), &file_name(fc2));
        table.add_linear(&name("attn.proj"), &file_name("attention.output.dense"));
        self.add_hugging_face_attention(table, &name, &file_name);
        if self.family.is_dinov2() {
            for scale in ["1", "2"] {
                table.add(
                    &name(&format!("ls{scale}.gamma")),
                    [file_name(&format!("layer_scale{scale}.lambda1"))],
                    Conversion::Unchanged,
                );
            }
        }
    }

    /// Adds queries, keys and values of one block and, for a TimeSformer, attention over time.
    fn add_hugging_face_attention(
        &self,
        table: &mut MappingTable,
        name: &dyn Fn(&str) -> String,
        file_name: &dyn Fn(&str) -> String,
    ) {
        let (weight, bias) = (name("attn.qkv.weight"), name("attn.qkv.bias"));
        let separate = |kind: &str| {
            ["query", "key", "value"]
                .map(|part| file_name(&format!("attention.attention.{part}.{kind}")))
        };
        match self.family {
            Family::Timesformer => {
                for (linear, file_linear) in [
                    ("attn.qkv", "attention.attention.qkv"),
                    ("temporal_attn.qkv", "temporal_attention.attention.qkv"),
                ] {
                    table.add_fused_qkv(&name(linear), &file_name(file_linear));
                }
                for (linear, file_linear) in [
                    ("temporal_attn.proj", "temporal_attention.output.dense"),
                    ("temporal_fc", "temporal_dense"),
                ] {
                    table.add_linear(&name(linear), &file_name(file_linear));
                }
                table.add_norm(&name("temporal_norm1"), &file_name("temporal_layernorm"));
            }
            Family::VideoMae => {
                let biases = ["q_bias", "v_bias"]
                    .map(|part| file_name(&format!("attention.attention.{part}")));
                table.add(&weight, separate("weight"), Conversion::JoinedTransposed);
                table.add(&bias, biases, Conversion::QueryAndValueBiases);
            }
            _ => {
                table.add(&weight, separate("weight"), Conversion::JoinedTransposed);
                table.add(&bias, separate("bias"), Conversion::Biases);
            }
        }
    }

    /// Adds the norm before the head and the classifiers, as far as the file has them.
    fn add_norm_and_heads(&self, table: &mut MappingTable, head: &str, distilled_head: &str) {
        if let Some(norm) = &self.norm {
            table.add_norm("norm", norm);
        }
        if self.has_head {
            table.add_linear("head", head);
            if self.has_distilled_head() {
                table.add_linear("head_dist", distilled_head);
            }
        }
    }

    /// True if the distillation token has its own classifier.
    fn has_distilled_head(&self) -> bool {
        matches!(&self.config, NetworkConfig::Vit(config) if config.distillation == Distillation::Head)
    }

    /// True if the MLP is gated.
    fn is_gated(&self) -> bool {
        matches!(&self.config, NetworkConfig::Vit(config) if config.style.activation == Activation::SwiGlu)
    }
}
