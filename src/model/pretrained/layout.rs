//! Which tensor of a file is which parameter of a model.

use super::tensor_file::Tensors;
use crate::model::{
    Activation, Distillation, NetworkConfig, Pooling, TokenLayout, VideoAttention, VideoHead,
};

/// Whose names and order of numbers a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `ViT*` of transformers; the first DeiT without distillation are stored as such.
    Vit,
    /// `DeiT*` of transformers, with a token that learned from a teacher.
    Deit,
    /// `Dinov2*` of transformers.
    Dinov2,
    /// `Dinov2WithRegisters*` of transformers.
    Dinov2WithRegisters,
    /// `Timesformer*` of transformers.
    Timesformer,
    /// `Vivit*` of transformers.
    Vivit,
    /// `VideoMAE*` of transformers.
    VideoMae,
    /// `VisionTransformer` of timm, ViT, DeiT and DINOv2 alike, and their authors' own files.
    Timm,
}

impl Family {
    /// `model_type` of transformers, or `timm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vit => "vit",
            Self::Deit => "deit",
            Self::Dinov2 => "dinov2",
            Self::Dinov2WithRegisters => "dinov2_with_registers",
            Self::Timesformer => "timesformer",
            Self::Vivit => "vivit",
            Self::VideoMae => "videomae",
            Self::Timm => "timm",
        }
    }

    pub(super) fn is_dinov2(self) -> bool {
        matches!(self, Self::Dinov2 | Self::Dinov2WithRegisters)
    }

    pub(super) fn is_video(self) -> bool {
        matches!(self, Self::Timesformer | Self::Vivit | Self::VideoMae)
    }
}

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

/// A parameter and the tensors that it is made of.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) ours: String,
    pub(super) theirs: Vec<String>,
    pub(super) form: Form,
}

/// How the numbers of a parameter lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the same order.
    Same,
    /// A matrix, rows for columns.
    Transposed,
    /// Matrices side by side, each rows for columns.
    Joined,
    /// Biases one after the other; where the file has none they are 0.
    Biases,
    /// Of queries and values alone: that of the keys is 0, and would change no attention.
    QueryAndValueBiases,
    /// A kernel over so many frames, whose channels are outermost there and the frames here.
    Tubelet { n_frames: usize },
    /// Position embeddings of a grid, perhaps of another size, with fewer tokens before it.
    Positions,
    /// Embeddings of frames, perhaps of another number.
    Frames,
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
        let family = match config {
            NetworkConfig::Vit(config) if config.pooling != Pooling::ClsAndMean => Family::Timm,
            NetworkConfig::Video(config) if config.head == VideoHead::Clip => {
                match config.attention {
                    VideoAttention::Divided => Family::Timesformer,
                    VideoAttention::Joint if config.pooling == Pooling::Cls => Family::Vivit,
                    VideoAttention::Joint => Family::VideoMae,
                    VideoAttention::Factorised { .. } => return Err(no_counterpart()),
                }
            }
            _ => return Err(no_counterpart()),
        };
        let norm = match (family, config) {
            (Family::Timm, NetworkConfig::Vit(config)) => match config.pooling {
                Pooling::MeanBeforeNorm { .. } => "fc_norm".to_owned(),
                _ => "norm".to_owned(),
            },
            (Family::VideoMae, _) => "fc_norm".to_owned(),
            _ => format!("{}.layernorm", family.name()),
        };
        let mut layout = Self {
            family,
            prefix: match family {
                Family::Timm => String::new(),
                _ => format!("{}.", family.name()),
            },
            config: config.clone(),
            has_head: true,
            norm: Some(norm),
            n_positioned: 0,
        };
        layout.n_positioned = layout.prefix_tokens_total();
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

fn no_counterpart() -> String {
    "neither transformers nor timm has such a model, expected a vit, or a timesformer or joint video \
     transformer whose head is of the clip"
        .to_owned()
}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
}

impl Table {
    fn add<const N: usize>(&mut self, ours: &str, theirs: [impl Into<String>; N], form: Form) {
        self.entries.push(Entry {
            ours: ours.to_owned(),
            theirs: theirs.into_iter().map(Into::into).collect(),
            form,
        });
    }

    fn norm(&mut self, ours: &str, theirs: &str) {
        self.add(
            &format!("{ours}.gamma"),
            [format!("{theirs}.weight")],
            Form::Same,
        );
        self.add(
            &format!("{ours}.beta"),
            [format!("{theirs}.bias")],
            Form::Same,
        );
    }

    fn linear(&mut self, ours: &str, theirs: &str) {
        self.add(
            &format!("{ours}.weight"),
            [format!("{theirs}.weight")],
            Form::Transposed,
        );
        self.add(
            &format!("{ours}.bias"),
            [format!("{theirs}.bias")],
            Form::Same,
        );
    }

    /// Queries, keys and values in one, perhaps without a bias.
    fn fused(&mut self, ours: &str, theirs: &str) {
        self.add(
            &format!("{ours}.weight"),
            [format!("{theirs}.weight")],
            Form::Transposed,
        );
        self.add(
            &format!("{ours}.bias"),
            [format!("{theirs}.bias")],
            Form::Biases,
        );
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
