//! Generator of clips from captions: a video transformer that predicts the velocity of a rectified flow.

mod block;
mod conditions;
mod text;

use burn::module::{Initializer, Param};
use burn::nn::{LayerNorm, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::silu;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::block::GeneratorBlock;
pub(super) use self::block::N_MODULATIONS;
use self::block::{BlockContext, modulate};
pub use self::conditions::{Conditions, ModelInput};
pub use self::text::{CaptionAttention, TextEncoder};
use super::block::{Activation, BlockConfig, BlockStyle, norm, normalize};
use super::clip_tokens::ClipTokens;
use super::output::{Capture, ModelOutput, TokenLayout};
use super::patch_embed::{PatchEmbed, assemble};
use super::position::sines;
use crate::error::{Error, Result};
use crate::fused::linear;

/// Quantity that the last layer of a generator predicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Predict {
    /// The velocity of the flow, noise minus clean clip.
    #[default]
    Velocity,
    /// The clean clip, from which the velocity follows.
    Clean,
}

/// Configuration of a [`Generator`].
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::model::{Capture, GeneratorConfig};
///
/// // Clips of 3 frames of 8 by 8 grey pixels; captions of words with numbers below 20.
/// let config = GeneratorConfig::new(3, [8, 8], 1, 4, 16, 2, 4, 20);
/// let device = Device::flex();
/// let clips = Tensor::<5>::zeros([5, 3, 1, 8, 8], &device);
/// let output = config.init(&device).forward(clips.into(), Capture::Attention);
/// assert_eq!(output.output.dims(), [5 * 3, 64]);
/// assert_eq!(output.attention[1].dims(), [5 * 3, 4, 4, 4]);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct GeneratorConfig {
    /// Number of frames of a clip.
    pub n_frames: usize,
    /// Height and width of the frames, in pixels.
    pub image_size: [usize; 2],
    /// Number of channels of the frames.
    pub n_channels: usize,
    /// Side of a square patch, in pixels; must divide height and width.
    pub patch_size: usize,
    /// Width of the tokens.
    pub d_model: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Number of attention heads; must divide `d_model`.
    pub n_heads: usize,
    /// Number of different words, with the two numbers that stand for none.
    pub n_words: usize,
    /// Width of the hidden layer of the MLP in multiples of `d_model`.
    #[config(default = 4)]
    pub mlp_ratio: usize,
    /// Largest number of words of a caption.
    #[config(default = 16)]
    pub max_words: usize,
    /// Number of blocks of the encoder of captions.
    #[config(default = 1)]
    pub n_text_layers: usize,
    /// Quantity that the last layer predicts.
    #[config(default = "Predict::Velocity")]
    pub predict: Predict,
}

/// Video transformer that predicts, from a noisy clip, its noise level and a caption, the velocity towards noise.
///
/// ```text
/// x_t = (1 - t) x_0 + t e          x_0: clean clip, e: normal noise, t: noise level from 0 to 1
/// v   = e - x_0                    velocity, which the model is trained to predict from x_t, t and the caption
/// ```
///
/// Every block attends over time for each patch, over space in each frame, and from all tokens to the words of the
/// caption; the noise level and the mean of the words modulate it. The attention maps that are returned are those over
/// space, as in a [`TimeSformer`](super::TimeSformer); there is no class token. A new model predicts the velocity 0, or
/// the clean clip 0.
///
/// Frames know their time from sines of unit strength that are not learned. Nothing else tells frames apart, and a
/// model whose embedding of time begins near 0 learns to draw the right frames in a random order, which the loss hardly
/// shows.
///
/// # Source
///
/// Liu et al., "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow", ICLR 2023; Peebles
/// and Xie, "Scalable Diffusion Models with Transformers", ICCV 2023, section 3.2 (adaLN-zero); Chen et al.,
/// "PixArt-alpha", ICLR 2024, section 2.3 (modulation shared by all blocks); Henry et al., "Query-Key Normalization for
/// Transformers", 2020.
#[derive(Module, Debug)]
pub struct Generator {
    /// Projection of patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Learned position embedding of the patches: `[1, n_patches, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Encoder of captions.
    pub text: TextEncoder,
    /// First layer of the embedding of the noise level.
    pub level_fc1: Linear,
    /// Second layer of the embedding of the noise level.
    pub level_fc2: Linear,
    /// Projection of the mean of the words.
    pub caption_proj: Linear,
    /// Modulation that all blocks share: `d_model` to `9 * d_model`, initialised to 0.
    pub modulation: Linear,
    /// Blocks.
    pub blocks: Vec<GeneratorBlock>,
    /// Norm before the head.
    pub norm: LayerNorm,
    /// Modulation of that norm: `d_model` to `2 * d_model`, initialised to 0.
    pub norm_modulation: Linear,
    /// Linear layer to the pixels of a patch, initialised to 0.
    pub head: Linear,
    n_frames: usize,
    grid: [usize; 2],
    d_model: usize,
    max_words: usize,
    #[module(skip)]
    predict: Predict,
}

/// Epsilon of the norms.
const NORM_EPSILON: f64 = 1e-6;

/// Number of sines and cosines of the noise level.
pub(super) const N_LEVEL_SINES: usize = 64;

/// Factor of the noise level within its sines, so that all of them change between 0 and 1.
const LEVEL_SCALE: f64 = 1000.0;

/// Longest period of the sines of the noise level, over 2 pi.
const LEVEL_PERIOD: f64 = 10_000.0;

/// Longest period of the sines of places and times, over 2 pi: not far beyond the number of frames and patches, so that
/// neighbours differ in most channels.
const PLACE_PERIOD: f64 = 100.0;

/// Strength of the sines with which the learned position embedding begins.
const PLACE_STRENGTH: f64 = 0.5;

/// Smallest noise level by which a difference from the clean clip is divided.
const LEAST_LEVEL: f64 = 0.05;

impl GeneratorConfig {
    /// Returns the arrangement of the tokens in the attention maps of a clip.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: self.n_frames,
            n_prefix_tokens: 0,
            grid: self.image_size.map(|side| side / self.patch_size.max(1)),
        }
    }

    /// Checks that the settings are consistent, so that a model can be initialised.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] for the first inconsistency.
    pub fn check(&self) -> Result<()> {
        let is_multiple = |number: usize, divisor: usize| {
            number > 0 && divisor > 0 && number.is_multiple_of(divisor)
        };
        let counts = [
            ("n_frames", self.n_frames),
            ("n_channels", self.n_channels),
            ("n_layers", self.n_layers),
            ("mlp_ratio", self.mlp_ratio),
            ("max_words", self.max_words),
        ];
        for (name, count) in counts {
            if count == 0 {
                return Err(Error::invalid_parameter(format!(
                    "{name} is 0, expected at least 1"
                )));
            }
        }
        for side in self.image_size {
            if !is_multiple(side, self.patch_size) {
                return Err(Error::invalid_parameter(format!(
                    "image side {side} is not a positive multiple of patch_size {}",
                    self.patch_size
                )));
            }
        }
        if !is_multiple(self.d_model, self.n_heads) || !self.d_model.is_multiple_of(2) {
            return Err(Error::invalid_parameter(format!(
                "d_model is {}, expected a positive even multiple of n_heads {}",
                self.d_model, self.n_heads
            )));
        }
        if self.n_words < 2 {
            return Err(Error::invalid_parameter(format!(
                "n_words is {}, expected at least 2, the numbers that stand for no word",
                self.n_words
            )));
        }
        Ok(())
    }

    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// If [`GeneratorConfig::check`] returns an error.
    pub fn init(&self, device: &Device) -> Generator {
        if let Err(message) = self.check() {
            panic!("{message}");
        }
        let d_model = self.d_model;
        let n_pixels = self.n_channels * self.patch_size * self.patch_size;
        let block = self.block();
        let layout = self.token_layout();
        let zeros = |from, to| {
            let config = LinearConfig::new(from, to).with_initializer(Initializer::Zeros);
            config.init(device)
        };
        let places = sines(layout.n_tokens(), d_model, PLACE_PERIOD, device) * PLACE_STRENGTH;
        Generator {
            patch_embed: PatchEmbed::new(self.n_channels, self.patch_size, d_model, None, device),
            pos_embed: Param::from_tensor(places),
            text: TextEncoder::new(
                [self.n_words, self.max_words, self.n_text_layers],
                &block,
                device,
            ),
            level_fc1: LinearConfig::new(N_LEVEL_SINES, d_model).init(device),
            level_fc2: LinearConfig::new(d_model, d_model).init(device),
            caption_proj: LinearConfig::new(d_model, d_model).init(device),
            modulation: zeros(d_model, N_MODULATIONS * d_model),
            blocks: (0..self.n_layers)
                .map(|_| GeneratorBlock::new(&block, device))
                .collect(),
            norm: norm(d_model, NORM_EPSILON, device),
            norm_modulation: zeros(d_model, 2 * d_model),
            head: zeros(d_model, n_pixels),
            n_frames: self.n_frames,
            grid: layout.grid,
            d_model,
            max_words: self.max_words,
            predict: self.predict,
        }
    }

    /// Configuration of a block, also of the encoder of captions.
    fn block(&self) -> BlockConfig {
        let style = BlockStyle::new()
            .with_norm_epsilon(NORM_EPSILON)
            .with_activation(Activation::GeluTanh);
        BlockConfig::new(self.d_model, self.n_heads, self.mlp_ratio * self.d_model)
            .with_style(style)
    }
}

impl Generator {
    /// Predicts the velocity of noisy clips, and returns what `capture` selects.
    ///
    /// The output is the velocity, `[batch_size * n_frames, n_channels * height * width]`. Clips without conditions are
    /// taken as clean and without captions.
    ///
    /// # Panics
    ///
    /// If the shape of the input is not that of the configuration.
    ///
    /// # Cost
    ///
    /// Attention weights for `n_frames * n_patches * (n_frames + n_patches + max_words)` pairs per clip and layer.
    pub fn forward(&self, input: ModelInput, capture: Capture) -> ModelOutput {
        let ModelInput { clips, conditions } = input;
        let device = clips.device();
        let [batch_size, n_frames, n_channels, ..] = clips.dims();
        let conditions =
            conditions.unwrap_or_else(|| Conditions::clean(batch_size, self.max_words, &device));
        let sequence = ClipTokens {
            n_frames: self.n_frames,
            n_patches: self.grid[0] * self.grid[1],
        };
        let time = sines(n_frames, self.d_model, PLACE_PERIOD, &device);
        let captions = self.text.forward(conditions.captions);
        let condition = silu(
            self.embedded_level(conditions.level.clone())
                + linear(captions.means.clone(), &self.caption_proj),
        );
        let context = BlockContext {
            modulation: linear(condition.clone(), &self.modulation).reshape([
                batch_size,
                N_MODULATIONS,
                self.d_model,
            ]),
            captions,
            time: time.clone(),
            sequence,
        };
        let patches = self.patch_embed.forward(clips.clone().flatten(0, 1));
        let mut tokens = sequence.embed(None, patches, self.pos_embed.val(), time);
        let (mut attention, mut hidden) = (Vec::new(), Vec::new());
        for block in &self.blocks {
            let output = block.forward(tokens, &context);
            tokens = output.context;
            if capture.keeps_attention() {
                attention.push(output.weights);
            }
            if capture.keeps_hidden() {
                hidden.push(sequence.to_frames(tokens.clone()));
            }
        }
        let modulation = linear(condition, &self.norm_modulation);
        let part = |from: usize| {
            let part = modulation.clone().slice_dim(1, from..from + self.d_model);
            part.unsqueeze_dim::<3>(1)
        };
        let normalized = normalize(tokens, &self.norm, NORM_EPSILON);
        let tokens = modulate(normalized, part(0), part(self.d_model));
        let patches = linear(sequence.to_frames(tokens), &self.head);
        let pixels = assemble(patches, self.grid, n_channels);
        let output = match self.predict {
            Predict::Velocity => pixels,
            Predict::Clean => {
                let noisy = clips.reshape(pixels.dims());
                let level = conditions.level.clamp_min(LEAST_LEVEL);
                let level = level
                    .unsqueeze_dim::<2>(1)
                    .expand([batch_size, n_frames])
                    .reshape([batch_size * n_frames, 1]);
                (noisy - pixels) / level
            }
        };
        ModelOutput {
            output,
            tokens: self.token_layout(),
            attention,
            within_frame_attention: Vec::new(),
            hidden,
        }
    }

    /// Embedding of noise levels: `[batch_size, d_model]`.
    fn embedded_level(&self, level: Tensor<1>) -> Tensor<2> {
        let n = N_LEVEL_SINES / 2;
        let frequencies: Vec<f32> = (0..n)
            .map(|index| (LEVEL_SCALE * LEVEL_PERIOD.powf(-(index as f64) / n as f64)) as f32)
            .collect();
        let frequencies = Tensor::<1>::from_floats(frequencies.as_slice(), &level.device());
        let angles = level.unsqueeze_dim::<2>(1) * frequencies.unsqueeze_dim(0);
        let sines = Tensor::cat(vec![angles.clone().cos(), angles.sin()], 1);
        linear(silu(linear(sines, &self.level_fc1)), &self.level_fc2)
    }

    /// Returns the arrangement of the tokens of each frame.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: self.n_frames,
            n_prefix_tokens: 0,
            grid: self.grid,
        }
    }

    /// Largest number of words of a caption.
    pub fn max_words(&self) -> usize {
        self.max_words
    }
}
