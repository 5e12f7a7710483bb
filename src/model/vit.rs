//! Vision transformer for images.

use burn::module::{Initializer, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear, LinearConfig};
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Block, BlockConfig, BlockStyle, Encoded, encode, norm, normalize};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::patch_embed::{PatchEmbed, assemble};
use super::pixel_statistics::PixelStatistics;
use super::size::VitSize;
use crate::choice::word;
use crate::fused::linear;

/// Pooling: from the tokens after the last block to the input of the classifier.
///
/// ```text
/// Cls:                    norm(x)[class token]
/// Mean:                   mean over patches of norm(x)
/// ClsAndMean:             [norm(x)[class token], mean over patches of norm(x)]
/// MeanBeforeNorm,
/// MeanBeforeNormWithCls:  norm(mean over patches of x)
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Takes the class token, a learned token before the patches.
    #[default]
    Cls,
    /// Takes the mean of the patch tokens; there is no class token.
    Mean,
    /// Concatenates the class token and the mean of the patch tokens, as in DINOv2.
    ClsAndMean,
    /// Takes the mean of the patch tokens before the last norm, which is applied afterwards; there is no
    /// class token.
    MeanBeforeNorm,
    /// Takes the mean of the patch tokens before the last norm, which is applied afterwards; there is a
    /// class token, which takes part in attention and is not pooled.
    MeanBeforeNormWithCls,
}

impl Pooling {
    /// True if there is a class token.
    pub(super) fn has_class_token(self) -> bool {
        match self {
            Self::Cls | Self::ClsAndMean | Self::MeanBeforeNormWithCls => true,
            Self::Mean | Self::MeanBeforeNorm => false,
        }
    }

    /// Width of the classifier's input in multiples of `d_model`.
    pub(super) fn n_pooled(self) -> usize {
        match self {
            Self::ClsAndMean => 2,
            Self::Cls | Self::Mean | Self::MeanBeforeNorm | Self::MeanBeforeNormWithCls => 1,
        }
    }
}

/// Quantity that a vision transformer predicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageHead {
    /// Predicts the class of the image.
    #[default]
    Class,
    /// Predicts a mask: for every pixel, whether it is foreground.
    Mask,
}

/// Configuration of a [`Vit`].
#[derive(Config, Debug)]
pub struct VitConfig {
    /// Height and width of the images, in pixels.
    pub image_size: [usize; 2],
    /// Number of channels of the images.
    pub n_channels: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// Side of a square patch, in pixels; must divide height and width.
    pub patch_size: usize,
    /// Width of the tokens.
    pub d_model: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Number of attention heads; must divide `d_model`.
    pub n_heads: usize,
    /// Width of the hidden layer of the MLP in multiples of `d_model`.
    #[config(default = 4)]
    pub mlp_ratio: usize,
    /// Input of the classifier.
    #[config(default = "Pooling::Cls")]
    pub pooling: Pooling,
    /// Number of register tokens [darcet2024], between the class token and the patches.
    ///
    /// [darcet2024]: https://arxiv.org/abs/2309.16588
    #[config(default = 0)]
    pub n_registers: usize,
    /// Distillation token and its classifier, of models that were trained with a teacher.
    #[config(default = "Distillation::None")]
    pub distillation: Distillation,
    /// Dropout probability.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Drop-path probability of the last block, see [`DropPath`](super::DropPath); rises linearly from 0 at the first.
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// Further options of the blocks.
    #[config(default = "BlockStyle::new()")]
    pub style: BlockStyle,
    /// Statistics by which the first layer normalises pixels; `None` to leave them in [-1, 1].
    #[config(default = "None")]
    pub statistics: Option<PixelStatistics>,
    /// Quantity that the model predicts.
    #[config(default = "ImageHead::Class")]
    pub head: ImageHead,
}

/// Distillation token, which is trained on the predictions of a teacher.
///
/// # Source
///
/// Touvron et al., "Training data-efficient image transformers", ICML 2021, section 4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distillation {
    /// There is no distillation token.
    #[default]
    None,
    /// There is a token after the class token, whose output is not used.
    Token,
    /// There is a token with its own classifier; the class scores are the mean of both classifiers.
    Head,
}

/// Vision transformer that returns the attention maps of every layer.
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
    /// Projection of patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Class token, `[1, 1, d_model]`; `None` if the pooling needs none.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// Distillation token, `[1, 1, d_model]`; `None` without distillation.
    pub dist_token: Option<Param<Tensor<3>>>,
    /// Register tokens, `[1, n_registers, d_model]`; `None` without any.
    pub reg_token: Option<Param<Tensor<3>>>,
    /// Learned position embedding, also of the prefix tokens: `[1, n_tokens, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// Blocks of the encoder.
    pub blocks: Vec<Block>,
    /// Norm before the classifier.
    pub norm: LayerNorm,
    /// Classifier, or the projection of each patch token to the pixels of its patch.
    pub head: Linear,
    /// Classifier of the distillation token; `None` if it has none.
    pub head_dist: Option<Linear>,
    n_prefix_tokens: usize,
    n_channels: usize,
    grid: [usize; 2],
    norm_epsilon: f64,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    predicts: ImageHead,
}

impl VitConfig {
    /// Creates the configuration of a standard size.
    ///
    /// # Shapes
    ///
    /// - `image_shape`: `[n_channels, height, width]`
    pub fn from_size(
        size: VitSize,
        image_shape: [usize; 3],
        patch_size: usize,
        n_classes: usize,
    ) -> Self {
        let [n_channels, height, width] = image_shape;
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

    /// Returns the arrangement of the tokens of an image.
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
    /// If `patch_size` does not divide height and width of the images, if one of them is 0, if `n_heads` does not
    /// divide `d_model`, or if there is a distillation token and the pooling is not [`Pooling::Cls`], or the model predicts
    /// masks.
    pub fn init(&self, device: &Device) -> Vit {
        for side in self.image_size {
            assert!(
                self.patch_size > 0 && side > 0 && side.is_multiple_of(self.patch_size),
                "image side {side} is not a positive multiple of patch_size {}",
                self.patch_size
            );
        }
        // `classify` expects the distillation token at index 1, right after a class token.
        assert!(
            self.distillation == Distillation::None || self.pooling == Pooling::Cls,
            "pooling is `{}`, expected `cls`, since there is a distillation token",
            word(&self.pooling)
        );
        assert!(
            self.distillation == Distillation::None || self.head == ImageHead::Class,
            "a model that predicts masks has no distillation token"
        );
        let layout = self.token_layout();
        // Tokens and embeddings start with the standard deviation of DeiT's code.
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        Vit {
            patch_embed: PatchEmbed::new(
                self.n_channels,
                self.patch_size,
                self.d_model,
                self.statistics.clone(),
                device,
            ),
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
            head: self.head_shape().init(device),
            head_dist: (self.distillation == Distillation::Head)
                .then(|| LinearConfig::new(self.d_model, self.n_classes).init(device)),
            n_prefix_tokens: layout.n_prefix_tokens,
            n_channels: self.n_channels,
            grid: layout.grid,
            norm_epsilon: self.style.head_epsilon(),
            pooling: self.pooling,
            predicts: self.head,
        }
    }

    /// Shape of the linear layer after the last norm.
    fn head_shape(&self) -> LinearConfig {
        match self.head {
            ImageHead::Class => {
                LinearConfig::new(self.pooling.n_pooled() * self.d_model, self.n_classes)
            }
            ImageHead::Mask => {
                LinearConfig::new(self.d_model, self.n_channels * self.patch_size.pow(2))
            }
        }
    }

    /// Configuration of the block of one layer.
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
    /// Classifies images or predicts their masks, and returns what `capture` selects.
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
            output: match self.predicts {
                ImageHead::Class => self.classify(tokens),
                ImageHead::Mask => self.mask(tokens),
            },
            tokens: self.token_layout(),
            attention,
            within_frame_attention: Vec::new(),
            hidden,
        }
    }

    /// Computes the input of the classifier, which describes the whole image, see [`Pooling`].
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch_size, n_channels, height, width]`
    /// - returns `[batch_size, d_model]`, or twice as many numbers for [`Pooling::ClsAndMean`]
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        self.pool(encode(&self.blocks, self.embed(images), Capture::Logits).tokens)
    }

    /// Tokens that are the input of the classifier.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Returns the arrangement of the tokens of an image.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: 1,
            n_prefix_tokens: self.n_prefix_tokens,
            grid: self.grid,
        }
    }

    /// Computes class scores from the tokens after the last block.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_tokens, d_model]`
    /// - returns `[batch_size, n_classes]`
    fn classify(&self, tokens: Tensor<3>) -> Tensor<2> {
        let scores = self.head.forward(self.pool(tokens.clone()));
        match &self.head_dist {
            Some(head) => {
                // The distillation token follows the class token.
                let distilled = self.normalized(tokens).slice_dim(1, 1..2).squeeze_dim(1);
                // In training, too: without a teacher both classifiers learn from the labels.
                (scores + head.forward(distilled)) / 2.0
            }
            None => scores,
        }
    }

    /// Computes the logits of all pixels from the tokens after the last block.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_tokens, d_model]`
    /// - returns `[batch_size, n_channels * height * width]`
    fn mask(&self, tokens: Tensor<3>) -> Tensor<2> {
        let patches = self.normalized(tokens).slice_dim(1, self.n_prefix_tokens..);
        assemble(linear(patches, &self.head), self.grid, self.n_channels)
    }

    /// Computes the input of the classifier from the tokens after the last block.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_tokens, d_model]`
    /// - returns `[batch_size, d_model]`, or twice as many numbers for [`Pooling::ClsAndMean`]
    fn pool(&self, tokens: Tensor<3>) -> Tensor<2> {
        // Prefix tokens are not averaged.
        let mean = |tokens: Tensor<3>| tokens.slice_dim(1, self.n_prefix_tokens..).mean_dim(1);
        let pooled = match self.pooling {
            Pooling::Cls => self.normalized(tokens).slice_dim(1, 0..1),
            Pooling::Mean => mean(self.normalized(tokens)),
            Pooling::ClsAndMean => {
                let tokens = self.normalized(tokens);
                Tensor::cat(vec![tokens.clone().slice_dim(1, 0..1), mean(tokens)], 2)
            }
            Pooling::MeanBeforeNorm | Pooling::MeanBeforeNormWithCls => {
                self.normalized(mean(tokens))
            }
        };
        pooled.squeeze_dim(1)
    }

    /// Applies the norm before the classifier.
    fn normalized(&self, tokens: Tensor<3>) -> Tensor<3> {
        normalize(tokens, &self.norm, self.norm_epsilon)
    }

    /// Computes the tokens before the first block: prefix tokens and patches, with position embeddings.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch_size, n_channels, height, width]`
    /// - returns `[batch_size, n_tokens, d_model]`
    fn embed(&self, images: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embed.forward(images);
        let [batch_size, _, d_model] = patches.dims();
        // The order of published models, whose position embeddings count on it.
        let mut tokens: Vec<_> = [&self.cls_token, &self.dist_token, &self.reg_token]
            .into_iter()
            .flatten()
            // -1 keeps the number of tokens, which is more than 1 for registers.
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
    fn registers_lie_between_class_token_and_patches() {
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

    #[test]
    fn every_patch_token_gives_the_pixels_of_its_patch() {
        let device = Device::flex();
        let config = config(Pooling::Cls, 0).with_head(ImageHead::Mask);
        let vit = config.init(&device);
        let images = Tensor::<4>::random([2, 1, 4, 6], Distribution::Default, &device);
        let before = vit.forward(images.clone(), Capture::Logits).output;
        assert_eq!(before.dims(), [2, 24]);
        // Without blocks, tokens do not see each other: a change of the last patch changes its own pixels alone.
        let brighter = images.slice_fill([0..2, 0..1, 2..4, 4..6], 3.0);
        let after = vit.forward(brighter, Capture::Logits).output;
        let changes = (after - before).abs().into_data();
        for (index, change) in changes.iter::<f32>().enumerate() {
            let [row, column] = [index % 24 / 6, index % 6];
            assert_eq!(change > 0.0, row >= 2 && column >= 4, "{row} {column}");
        }
    }

    #[test]
    #[should_panic(expected = "image side 0 is not a positive multiple of patch_size 2")]
    fn images_without_pixels_are_refused() {
        VitConfig::new([4, 0], 1, 3, 2, 8, 2, 2).init(&Device::flex());
    }

    /// Largest change of the logits when the register tokens change.
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
