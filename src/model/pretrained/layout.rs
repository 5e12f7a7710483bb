//! Which tensor of a file is which parameter of a model.

use super::entry::{Entry, Form, Table};
use super::family::Family;
use super::tensor_file::Tensors;
use crate::model::{Activation, Distillation, NetworkConfig, Pooling, TokenLayout, VideoAttention};

/// What a file says of its model.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) family: Family,
    /// Before the names of all tensors but those of the head, as `vit.`; none where only the encoder was
    /// saved.
    pub(super) prefix: String,
    pub(super) config: NetworkConfig,
    /// Whether there is a classifier.
    pub(super) has_head: bool,
    /// Name of the norm before the head, if there is one.
    pub(super) norm: Option<String>,
    /// Tokens before the patches that have a position embedding; the others follow them.
    pub(super) n_positioned: usize,
}

impl Layout {
    /// How the tokens lie over an image or a clip.
    pub(super) fn tokens(&self) -> TokenLayout {
        self.config.token_layout()
    }

    /// Of a model that was made here.
    ///
    /// # Errors
    ///
    /// One sentence if neither transformers nor timm has such a model.
    pub(super) fn of(config: &NetworkConfig) -> Result<Self, String> {
        let mut config = config.clone();
        let family = match &mut config {
            NetworkConfig::Vit(config) => Family::of_image_model(config),
            NetworkConfig::Video(config) => Family::of_video_model(config),
            NetworkConfig::LinearProbe(_) => None,
        };
        let family = family.ok_or(
            "neither transformers nor timm has such a model, expected a vit, or a timesformer or joint video \
             transformer whose head is of the clip, with the norms and MLPs of theirs",
        )?;
        let has_fc_norm = match &config {
            NetworkConfig::Vit(config) => matches!(config.pooling, Pooling::MeanBeforeNorm { .. }),
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
            n_positioned: 0,
        };
        layout.n_positioned = match family {
            Family::Dinov2WithRegisters => 1,
            _ => layout.prefix_tokens_total(),
        };
        Ok(layout)
    }

    /// Every parameter that is in the file.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut table = Table::default();
        match self.family {
            Family::Timm => self.timm_entries(&mut table),
            _ => self.hugging_face_entries(&mut table),
        }
        table.entries
    }

    /// Gives a bare encoder a classifier.
    pub(super) fn add_head(&mut self) {
        self.has_head = true;
        if self.family != Family::Timm && self.prefix.is_empty() {
            self.prefix = format!("{}.", self.family.name());
            self.norm = self
                .norm
                .take()
                .map(|norm| format!("{}{norm}", self.prefix));
        }
        if self.family == Family::VideoMae {
            self.norm = Some("fc_norm".to_owned());
        }
        if let (true, NetworkConfig::Vit(config)) = (self.family.is_dinov2(), &mut self.config) {
            config.pooling = Pooling::ClsAndMean;
        }
    }

    /// Tensors that the file may have and no forward pass here needs: they are kept for saving.
    pub(super) fn is_passenger(&self, name: &str) -> bool {
        let inner = name.strip_prefix(&self.prefix).unwrap_or(name);
        match self.family {
            Family::Timm => inner == "mask_token",
            _ => {
                matches!(inner, "embeddings.mask_token" | "mask_token")
                    || inner.starts_with("pooler.")
                    || (self.family == Family::VideoMae
                        && ["decoder.", "encoder_to_decoder."]
                            .iter()
                            .any(|part| name.starts_with(part)))
            }
        }
    }

    fn timm_entries(&self, table: &mut Table) {
        let NetworkConfig::Vit(config) = &self.config else {
            unreachable!("timm's models are of images");
        };
        for token in self.prefix_tokens() {
            table.add(token, [token], Form::Same);
        }
        table.add("pos_embed", ["pos_embed"], Form::Positions);
        table.add(
            "patch_embed.proj.weight",
            ["patch_embed.proj.weight"],
            Form::Same,
        );
        table.add(
            "patch_embed.proj.bias",
            ["patch_embed.proj.bias"],
            Form::Same,
        );
        for layer in 0..config.n_layers {
            let block = format!("blocks.{layer}.");
            let inner = |name: &str| format!("{block}{name}");
            table.norm(&inner("norm1"), &inner("norm1"));
            table.norm(&inner("norm2"), &inner("norm2"));
            let qkv = inner("attn.qkv");
            table.add(
                &format!("{qkv}.weight"),
                [format!("{qkv}.weight")],
                Form::Transposed,
            );
            table.add(
                &format!("{qkv}.bias"),
                [format!("{qkv}.bias")],
                Form::Biases,
            );
            for name in ["attn.proj", "mlp.fc1", "mlp.fc2"] {
                table.linear(&inner(name), &inner(name));
            }
            if config.style.layer_scale.is_some() {
                for name in ["ls1.gamma", "ls2.gamma"] {
                    table.add(&inner(name), [inner(name)], Form::Same);
                }
            }
        }
        self.head_entries(table, ["head", "head_dist"]);
    }

    fn hugging_face_entries(&self, table: &mut Table) {
        let inner = |name: &str| format!("{}{name}", self.prefix);
        let tokens = [
            ("cls_token", "embeddings.cls_token"),
            ("dist_token", "embeddings.distillation_token"),
            ("reg_token", "embeddings.register_tokens"),
        ];
        let present = self.prefix_tokens();
        for (ours, theirs) in tokens {
            if present.contains(&ours) {
                table.add(ours, [inner(theirs)], Form::Same);
            }
        }
        if self.family != Family::VideoMae {
            let positions = [inner("embeddings.position_embeddings")];
            table.add("pos_embed", positions, Form::Positions);
        }
        if self.family == Family::Timesformer {
            table.add(
                "time_embed",
                [inner("embeddings.time_embeddings")],
                Form::Frames,
            );
        }
        let projection = inner("embeddings.patch_embeddings.projection");
        let kernel = match &self.config {
            NetworkConfig::Video(config) if config.attention == VideoAttention::Joint => {
                Form::Tubelet {
                    n_frames: config.tubelet_size,
                }
            }
            _ => Form::Same,
        };
        table.add(
            "patch_embed.proj.weight",
            [format!("{projection}.weight")],
            kernel,
        );
        table.add(
            "patch_embed.proj.bias",
            [format!("{projection}.bias")],
            Form::Same,
        );
        for layer in 0..self.config.n_layers() {
            let ours = format!("blocks.{layer}.");
            let theirs = inner(&format!("encoder.layer.{layer}."));
            self.block_entries(table, &ours, &theirs);
        }
        let heads = match (self.family, self.has_distilled_head()) {
            (Family::Deit, true) => ["cls_classifier", "distillation_classifier"],
            _ => ["classifier", ""],
        };
        self.head_entries(table, heads);
    }

    /// Of one block of transformers' models.
    fn block_entries(&self, table: &mut Table, ours: &str, theirs: &str) {
        let ours = |name: &str| format!("{ours}{name}");
        let theirs = |name: &str| format!("{theirs}{name}");
        let (norms, mlp) = match self.family.is_dinov2() {
            true if self.is_gated() => (["norm1", "norm2"], ["mlp.weights_in", "mlp.weights_out"]),
            true => (["norm1", "norm2"], ["mlp.fc1", "mlp.fc2"]),
            false => (
                ["layernorm_before", "layernorm_after"],
                ["intermediate.dense", "output.dense"],
            ),
        };
        table.norm(&ours("norm1"), &theirs(norms[0]));
        table.norm(&ours("norm2"), &theirs(norms[1]));
        table.linear(&ours("mlp.fc1"), &theirs(mlp[0]));
        table.linear(&ours("mlp.fc2"), &theirs(mlp[1]));
        table.linear(&ours("attn.proj"), &theirs("attention.output.dense"));
        let (weight, bias) = (ours("attn.qkv.weight"), ours("attn.qkv.bias"));
        let parts = |what: &str| {
            ["query", "key", "value"]
                .map(|part| theirs(&format!("attention.attention.{part}.{what}")))
        };
        match self.family {
            Family::Timesformer => {
                table.fused(&ours("attn.qkv"), &theirs("attention.attention.qkv"));
                table.fused(
                    &ours("temporal_attn.qkv"),
                    &theirs("temporal_attention.attention.qkv"),
                );
                let projection = theirs("temporal_attention.output.dense");
                table.linear(&ours("temporal_attn.proj"), &projection);
                table.linear(&ours("temporal_fc"), &theirs("temporal_dense"));
                table.norm(&ours("temporal_norm1"), &theirs("temporal_layernorm"));
            }
            Family::VideoMae => {
                let biases = ["q_bias", "v_bias"];
                let biases = biases.map(|bias| theirs(&format!("attention.attention.{bias}")));
                table.add(&weight, parts("weight"), Form::Joined);
                table.add(&bias, biases, Form::QueryAndValueBiases);
            }
            _ => {
                table.add(&weight, parts("weight"), Form::Joined);
                table.add(&bias, parts("bias"), Form::Biases);
            }
        }
        if self.family.is_dinov2() {
            for scale in ["1", "2"] {
                let theirs = [theirs(&format!("layer_scale{scale}.lambda1"))];
                table.add(&ours(&format!("ls{scale}.gamma")), theirs, Form::Same);
            }
        }
    }

    fn head_entries(&self, table: &mut Table, [head, distilled]: [&str; 2]) {
        if let Some(norm) = &self.norm {
            table.norm("norm", norm);
        }
        if self.has_head {
            table.linear("head", head);
            if self.has_distilled_head() {
                table.linear("head_dist", distilled);
            }
        }
    }

    fn has_distilled_head(&self) -> bool {
        matches!(&self.config, NetworkConfig::Vit(config) if config.distillation == Distillation::Head)
    }

    fn is_gated(&self) -> bool {
        matches!(&self.config, NetworkConfig::Vit(config) if config.style.activation == Activation::SwiGlu)
    }

    /// Names of the tokens before the patches, in their order.
    pub(super) fn prefix_tokens(&self) -> Vec<&'static str> {
        match &self.config {
            NetworkConfig::Vit(config) => {
                let present = [
                    (config.pooling.has_class_token(), "cls_token"),
                    (config.distillation != Distillation::None, "dist_token"),
                    (config.n_registers > 0, "reg_token"),
                ];
                present
                    .iter()
                    .filter(|token| token.0)
                    .map(|token| token.1)
                    .collect()
            }
            NetworkConfig::Video(config) if config.n_clip_tokens() > 0 => vec!["cls_token"],
            _ => Vec::new(),
        }
    }
}

/// Number of consecutive blocks whose names have this form around their number, from 0.
pub(super) fn n_blocks(tensors: &Tensors, before: &str) -> usize {
    let has = |layer: usize| {
        let start = format!("{before}{layer}.");
        let first = tensors.range(start.clone()..).next();
        first.is_some_and(|(name, _)| name.starts_with(&start))
    };
    (0..).take_while(|&layer| has(layer)).count()
}
