//! The vision transformer.

use burn::module::{Initializer, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear, LinearConfig};
use burn::prelude::*;

use super::block::{Block, BlockConfig, BlockStyle, Encoded, encode, norm, normalize};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::patch_embed::PatchEmbed;
use super::size::VitSize;

/// What the classifier looks at.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// A learned class token before the patches.
    Cls,
    /// The mean of the patches; there is no class token.
    Mean,
    /// A learned class token and the mean of the patches, one after the other.
    ClsAndMean,
    /// The mean of the patches before the norm, which then follows. There is a class token only if
    /// `has_class_token`, and it is not looked at.
    MeanBeforeNorm {
        /// Whether there is a class token.
        has_class_token: bool,
    },
}

impl Pooling {
    /// Whether there is a class token.
    pub(super) fn has_class_token(self) -> bool {
        match self {
            Self::Cls | Self::ClsAndMean => true,
            Self::Mean => false,
            Self::MeanBeforeNorm { has_class_token } => has_class_token,
        }
    }

    /// Width of what the classifier looks at, over that of the tokens.
    pub(super) fn n_pooled(self) -> usize {
        match self {
            Self::ClsAndMean => 2,
            Self::Cls | Self::Mean | Self::MeanBeforeNorm { .. } => 1,
        }
    }
}

/// Configuration of a [`Vit`].
#[derive(Config, Debug)]
pub struct VitConfig {
    /// Height and width of the images, in pixels.
    pub image_size: [usize; 2],
    /// Channels of the images.
    pub n_channels: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// Side of a square patch, in pixels; divides height and width.
    pub patch_size: usize,
    /// Width of the tokens.
    pub d_model: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Number of attention heads; divides `d_model`.
    pub n_heads: usize,
    /// Width of the MLP over `d_model`.
    #[config(default = 4)]
    pub mlp_ratio: usize,
    /// What the classifier looks at.
    #[config(default = "Pooling::Cls")]
    pub pooling: Pooling,
    /// Learned tokens between the class token and the patches that stand for nothing.
    #[config(default = 0)]
    pub n_registers: usize,
    /// Whether a second token learns from a teacher, and whether it has a classifier of its own.
    #[config(default = "Distillation::None")]
    pub distillation: Distillation,
    /// Dropout probability.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Probability of dropping the last block's branches; rises linearly from 0 at the first.
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// What its blocks have of their own.
    #[config(default = "BlockStyle::new()")]
    pub style: BlockStyle,
}

/// A token that learns from a teacher.
///
/// # Source
///
/// Touvron et al., "Training data-efficient image transformers", ICML 2021, section 4.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Distillation {
    /// There is none.
    None,
    /// A token after the class token, whose output nothing looks at.
    Token,
    /// A token with a classifier of its own; the scores are the mean of both.
    Head,
}

/// A vision transformer that returns the attention of every layer.
///
/// Should be created with [`VitConfig`]. Fields are named as in timm, so weights keep their names.
///
/// # Source
///
/// Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, section 3.1. Registers: Darcet et
/// al., "Vision Transformers Need Registers", ICLR 2024, section 2.2.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::model::{Capture, VitConfig};
///
/// let device = Device::flex();
/// let vit = VitConfig::new([8, 8], 1, 10, 2, 16, 2, 4).init(&device);
/// let output = vit.forward(Tensor::zeros([3, 1, 8, 8], &device), Capture::Attention);
/// assert_eq!(output.output.dims(), [3, 10]);
/// assert_eq!(output.attention[1].dims(), [3, 4, 17, 17]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct Vit {
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// The class token, if the classifier looks at one: `[1, 1, d_model]`.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// The token that learns from a teacher, if there is one: `[1, 1, d_model]`.
    pub dist_token: Option<Param<Tensor<3>>>,
    /// The registers, if there are any: `[1, n_registers, d_model]`.
    pub reg_token: Option<Param<Tensor<3>>>,
    /// Learned position embedding, of the tokens before the patches too: `[1, n_tokens, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// The encoder.
    pub blocks: Vec<Block>,
    /// Norm before the classifier.
    pub norm: LayerNorm,
    /// The classifier.
    pub head: Linear,
    /// The classifier of the token that learns from a teacher, if it has one.
    pub head_dist: Option<Linear>,
    n_prefix_tokens: usize,
    grid: [usize; 2],
    norm_epsilon: f64,
    #[module(skip)]
    pooling: Pooling,
}

impl VitConfig {
    /// The configuration of a standard size for images of this shape.
    pub fn of_size(size: VitSize, image: [usize; 3], patch_size: usize, n_classes: usize) -> Self {
        let [n_channels, height, width] = image;
        Self::new(
            [height, width],
            n_channels,
            n_classes,
            patch_size,
            size.d_model(),
            size.n_layers(),
            size.n_heads(),
        )
    }

    /// How the tokens lie over the image.
    pub fn token_layout(&self) -> TokenLayout {
        let n_class_tokens = usize::from(self.pooling.has_class_token());
        let n_distilled = usize::from(self.distillation != Distillation::None);
        TokenLayout {
            n_frames: 1,
            n_prefix_tokens: n_class_tokens + n_distilled + self.n_registers,
            grid: self.image_size.map(|side| side / self.patch_size),
        }
    }

    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// If `patch_size` does not divide the image, or `n_heads` does not divide `d_model`; if a token
    /// learns from a teacher and the classifier does not look at a class token.
    pub fn init(&self, device: &Device) -> Vit {
        for side in self.image_size {
            assert!(
                self.patch_size > 0 && side.is_multiple_of(self.patch_size),
                "image side {side} is not a multiple of patch_size {}",
                self.patch_size
            );
        }
        assert!(
            self.distillation == Distillation::None || self.pooling == Pooling::Cls,
            "a token that learns from a teacher needs pooling Cls, found {:?}",
            self.pooling
        );
        let layout = self.token_layout();
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        Vit {
            patch_embed: PatchEmbed::new(self.n_channels, self.patch_size, self.d_model, device),
            cls_token: self
                .pooling
                .has_class_token()
                .then(|| normal(0.02).init([1, 1, self.d_model], device)),
            dist_token: (self.distillation != Distillation::None)
                .then(|| normal(0.02).init([1, 1, self.d_model], device)),
            reg_token: (self.n_registers > 0)
                .then(|| normal(0.02).init([1, self.n_registers, self.d_model], device)),
            pos_embed: normal(0.02).init([1, layout.n_tokens(), self.d_model], device),
            pos_drop: DropoutConfig::new(self.dropout).init(),
            blocks: (0..self.n_layers)
                .map(|layer| self.block(layer).init(device))
                .collect(),
            norm: norm(self.d_model, self.style.head_epsilon(), device),
            head: LinearConfig::new(self.pooling.n_pooled() * self.d_model, self.n_classes)
                .init(device),
            head_dist: (self.distillation == Distillation::Head)
                .then(|| LinearConfig::new(self.d_model, self.n_classes).init(device)),
            n_prefix_tokens: layout.n_prefix_tokens,
            grid: layout.grid,
            norm_epsilon: self.style.head_epsilon(),
            pooling: self.pooling,
        }
    }

    fn block(&self, layer: usize) -> BlockConfig {
        let d_mlp = self.style.d_mlp.unwrap_or(self.mlp_ratio * self.d_model);
        BlockConfig::new(self.d_model, self.n_heads, d_mlp)
            .with_dropout(self.dropout)
            .with_drop_path(self.drop_path)
            .with_style(self.style)
            .at_depth(layer, self.n_layers)
    }
}

impl Vit {
    /// Classifies images, and keeps what `capture` asks for.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch_size, n_channels, height, width]`
    pub fn forward(&self, images: Tensor<4>, capture: Capture) -> ModelOutput {
        let Encoded {
            tokens,
            attention,
            hidden,
        } = encode(&self.blocks, self.embed(images), capture);
        ModelOutput {
            output: self.classify(tokens),
            tokens: self.token_layout(),
            attention,
            mass: Vec::new(),
            hidden,
        }
    }

    /// How the tokens lie over the image.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: 1,
            n_prefix_tokens: self.n_prefix_tokens,
            grid: self.grid,
        }
    }

    /// Scores of classes from the tokens after the last block.
    fn classify(&self, tokens: Tensor<3>) -> Tensor<2> {
        let normalized = |tokens| normalize(tokens, &self.norm, self.norm_epsilon);
        let mean = |tokens: Tensor<3>| tokens.slice_dim(1, self.n_prefix_tokens..).mean_dim(1);
        let pooled = match self.pooling {
            Pooling::Cls => normalized(tokens.clone()).slice_dim(1, 0..1),
            Pooling::Mean => mean(normalized(tokens.clone())),
            Pooling::ClsAndMean => {
                let tokens = normalized(tokens.clone());
                Tensor::cat(vec![tokens.clone().slice_dim(1, 0..1), mean(tokens)], 2)
            }
            Pooling::MeanBeforeNorm { .. } => normalized(mean(tokens.clone())),
        };
        let scores = self.head.forward(pooled.squeeze_dim(1));
        match &self.head_dist {
            Some(head) => {
                let distilled = normalized(tokens).slice_dim(1, 1..2).squeeze_dim(1);
                (scores + head.forward(distilled)) / 2.0
            }
            None => scores,
        }
    }

    fn embed(&self, images: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embed.forward(images);
        let [batch_size, _, d_model] = patches.dims();
        let prefix = [&self.cls_token, &self.dist_token, &self.reg_token];
        let prefix = prefix.into_iter().flatten();
        let mut tokens: Vec<_> = prefix
            .map(|token| token.val().expand([batch_size as i64, -1, d_model as i64]))
            .collect();
        tokens.push(patches);
        let tokens = Tensor::cat(tokens, 1);
        self.pos_drop.forward(tokens + self.pos_embed.val())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn config(pooling: Pooling, n_layers: usize) -> VitConfig {
        VitConfig::new([4, 6], 1, 3, 2, 8, n_layers, 2)
            .with_pooling(pooling)
            .with_n_registers(4)
    }

    #[test]
    fn registers_stand_between_the_class_token_and_the_patches() {
        let device = Device::flex();
        for (pooling, n_prefix_tokens) in [(Pooling::Cls, 5), (Pooling::Mean, 4)] {
            let vit = config(pooling, 2).init(&device);
            let images = Tensor::random([2, 1, 4, 6], Distribution::Default, &device);
            let output = vit.forward(images.clone(), Capture::Attention);
            let n_tokens = n_prefix_tokens + 6;
            assert_eq!(output.tokens.n_prefix_tokens, n_prefix_tokens);
            assert_eq!(output.tokens, config(pooling, 2).token_layout());
            assert_eq!(output.attention[1].dims(), [2, 2, n_tokens, n_tokens]);
            assert_eq!(vit.pos_embed.dims(), [1, n_tokens, 8]);
            let embedded = vit.embed(images) - vit.pos_embed.val();
            let registers = embedded.slice_dim(1, n_prefix_tokens - 4..n_prefix_tokens);
            let expected = vit.reg_token.as_ref().unwrap().val().expand([2, 4, 8]);
            let difference = (registers - expected).abs().max().into_scalar::<f32>();
            assert!(difference < 1e-6, "{difference}");
        }
    }

    /// How far the logits move when the registers do.
    fn effect_of_registers(n_layers: usize) -> f32 {
        let device = Device::flex();
        let mut vit = config(Pooling::Mean, n_layers).init(&device);
        let images = Tensor::random([2, 1, 4, 6], Distribution::Default, &device);
        let before = vit.forward(images.clone(), Capture::Logits).output;
        vit.reg_token = vit.reg_token.map(|token| token.map(|token| token * -10.0));
        let after = vit.forward(images, Capture::Logits).output;
        (after - before).abs().max().into_scalar()
    }

    #[test]
    fn registers_are_attended_to_but_not_averaged() {
        assert_eq!(effect_of_registers(0), 0.0);
        let effect = effect_of_registers(1);
        assert!(effect > 1e-4, "{effect}");
    }
}
