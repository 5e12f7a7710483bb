//! The video transformer in which every token of a clip looks at every other.

use burn::module::Param;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::prelude::*;

use super::block::{Block, norm};
use super::clip_tokens::{ClipTokens, join, later_frames};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::patch_embed::PatchEmbed;
use super::position::sinusoidal;
use super::read_out::ReadOut;
use super::video::{VideoConfig, VideoHead, VideoPositions};
use super::vit::Pooling;

/// A frame without any attention to itself gets uniform rows in place of a division by 0.
const TINY: f64 = 1e-30;

/// A video transformer with attention among all tokens of a clip, each a patch of a few frames.
///
/// Of its attention it returns what happens within each time step, renormalised, and how much that
/// is; see [`ModelOutput::mass`]. Should be created with [`VideoConfig`]. There is a class token where
/// the clip is classified; frames are classified by the mean of their tokens, every frame of a tubelet
/// alike. To predict the next frame, no token sees a later one.
///
/// # Source
///
/// Arnab et al., "ViViT: A Video Vision Transformer", ICCV 2021, section 3.3, model 1; the same encoder in
/// Tong et al., "VideoMAE", NeurIPS 2022. Unlike there, the embedding of a place in space and time is by
/// default the sum of two.
#[derive(Module, Debug)]
pub struct JointVideoTransformer {
    /// Tubelets to tokens.
    pub patch_embed: PatchEmbed,
    /// The class token of the clip, if it has one: `[1, 1, d_model]`.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// Position embedding, of the class token too: `[1, n_prefix_tokens + n_patches, d_model]`, or where
    /// each place at each time step has its own `[1, n_prefix_tokens + n_steps * n_patches, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Learned embedding of the time steps, added to their patches, if there is one:
    /// `[1, n_steps, d_model]`.
    pub time_embed: Option<Param<Tensor<3>>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// The encoder.
    pub blocks: Vec<Block>,
    /// Norm before the head.
    pub norm: LayerNorm,
    /// To class scores, or to changes of the pixels of a patch.
    pub head: Linear,
    n_steps: usize,
    grid: [usize; 2],
    norm_epsilon: f64,
    #[module(skip)]
    kind: VideoHead,
    #[module(skip)]
    pooling: Pooling,
}

impl JointVideoTransformer {
    pub(super) fn new(config: &VideoConfig, device: &Device) -> Self {
        let layout = config.token_layout();
        let n_clip_tokens = config.n_clip_tokens();
        let n_each = n_clip_tokens + layout.n_frames * layout.n_tokens();
        Self {
            patch_embed: config.patch_embed(device),
            cls_token: (n_clip_tokens > 0).then(|| config.embedding(1, device)),
            pos_embed: match config.positions {
                VideoPositions::Sum => config.embedding(n_clip_tokens + layout.n_tokens(), device),
                VideoPositions::Each => config.embedding(n_each, device),
                VideoPositions::Sinusoidal => sinusoidal(n_each, config.d_model, device),
            },
            time_embed: (config.positions == VideoPositions::Sum)
                .then(|| config.embedding(layout.n_frames, device)),
            pos_drop: DropoutConfig::new(config.dropout).init(),
            blocks: config
                .blocks(config.n_layers)
                .map(|block| block.init(device))
                .collect(),
            norm: norm(config.d_model, config.style.head_epsilon(), device),
            head: config.linear_head(device),
            n_steps: layout.n_frames,
            grid: layout.grid,
            norm_epsilon: config.style.head_epsilon(),
            kind: config.head,
            pooling: config.pooling,
        }
    }

    /// Tells of clips what the head is for, and keeps what `capture` asks for.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    ///
    /// # Cost
    ///
    /// Attention of `(n_steps * n_patches)^2` pairs of tokens per clip and layer.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        let extents = ClipTokens {
            n_frames: self.n_steps,
            n_patches: self.grid[0] * self.grid[1],
        };
        let mask = (self.kind == VideoHead::NextFrame)
            .then(|| later_frames(self.n_steps, extents.n_patches, &clips.device()));
        let mut tokens = self.embed(clips.clone(), extents);
        let mut attention = Vec::new();
        let mut mass = Vec::new();
        let mut hidden = Vec::new();
        for block in &self.blocks {
            let output = block.forward_masked(tokens, mask.clone());
            tokens = output.context;
            if capture.keeps_attention() {
                let (within, share) = within_frames(output.weights, extents);
                attention.push(within);
                mass.push(share);
            }
            if capture.keeps_hidden() {
                let (_, patches) = extents.split(tokens.clone());
                hidden.push(extents.to_frames(patches));
            }
        }
        let read_out = ReadOut {
            kind: self.kind,
            norm: &self.norm,
            norm_epsilon: self.norm_epsilon,
            pooling: self.pooling,
            head: &self.head,
            grid: self.grid,
        };
        ModelOutput {
            output: read_out.forward(tokens, clips, extents),
            tokens: self.token_layout(),
            attention,
            mass,
            hidden,
        }
    }

    /// How the tokens of returned attention lie over each time step.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: self.n_steps,
            n_prefix_tokens: 0,
            grid: self.grid,
        }
    }

    fn embed(&self, clips: Tensor<5>, extents: ClipTokens) -> Tensor<3> {
        let [batch_size, n_frames, n_channels, height, width] = clips.dims();
        let n_steps = self.n_steps;
        let tubelets = clips.reshape([
            batch_size * n_steps,
            n_frames / n_steps * n_channels,
            height,
            width,
        ]);
        let patches = self.patch_embed.forward(tubelets);
        let class = self.cls_token.as_ref().map(Param::val);
        let position = self.pos_embed.val();
        let tokens = match &self.time_embed {
            Some(time) => extents.embed(class, patches, [position, time.val()]),
            None => {
                let d_model = position.dims()[2];
                let class = class.map(|class| class.expand([batch_size, 1, d_model]));
                let patches = patches.reshape([batch_size as i64, -1, d_model as i64]);
                join(class, patches) + position
            }
        };
        self.pos_drop.forward(tokens)
    }
}

/// The attention of every frame to itself, renormalised,
/// `[batch_size * n_frames, n_heads, n_patches, n_patches]`, and the mean of its row sums,
/// `[batch_size * n_frames, n_heads]`.
///
/// # Shapes
///
/// - `weights`: `[batch_size, n_heads, n_tokens, n_tokens]`
fn within_frames(weights: Tensor<4>, extents: ClipTokens) -> (Tensor<4>, Tensor<2>) {
    let ClipTokens {
        n_frames,
        n_patches,
    } = extents;
    let [batch_size, n_heads, n_tokens, _] = weights.dims();
    let n_in_frames = n_frames * n_patches;
    let patches = n_tokens - n_in_frames..n_tokens;
    let weights = match patches.start {
        0 => weights,
        _ => weights.slice([0..batch_size, 0..n_heads, patches.clone(), patches]),
    };
    // Cut into pieces of one frame each, a row of patch i of frame t has its own at piece t.
    let pieces = weights.reshape([batch_size * n_heads, n_in_frames * n_frames, n_patches]);
    let own: Vec<i64> = (0..n_in_frames)
        .map(|row| (row * n_frames + row / n_patches) as i64)
        .collect();
    let own = Tensor::<1, Int>::from_data(own.as_slice(), &pieces.device());
    let blocks = pieces
        .select(1, own)
        .reshape([batch_size, n_heads, n_frames, n_patches, n_patches])
        .swap_dims(1, 2)
        .reshape([batch_size * n_frames, n_heads, n_patches, n_patches]);
    let sums = blocks.clone().sum_dim(3);
    let mass = sums.clone().mean_dim(2);
    // Scaled by a constant first: the square of a tiny sum, which a gradient of the quotient divides by,
    // would be 0.
    let scale = (sums.detach() + n_patches as f64 * TINY).recip();
    let scaled = (blocks + TINY) * scale;
    let within = scaled.clone() / scaled.sum_dim(3);
    (within, mass.reshape([batch_size * n_frames, n_heads]))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn a_frame_without_attention_to_itself_has_uniform_rows_and_a_finite_gradient() {
        let device = Device::flex().autodiff();
        let extents = ClipTokens {
            n_frames: 2,
            n_patches: 2,
        };
        // The first frame looks at the second, which looks at itself; one row has next to nothing.
        let rows = [
            [0.0, 0.0, 0.5, 0.5],
            [3e-25, 1e-25, 0.5, 0.5],
            [0.25, 0.25, 0.1, 0.4],
            [0.0, 0.0, 1.0, 0.0],
        ];
        let weights = Tensor::<4>::from_floats([[rows]], &device).require_grad();
        let (within, mass) = within_frames(weights.clone(), extents);
        let factors = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, -1.0]], &device);
        let gradients = (within.clone() * factors.unsqueeze()).sum().backward();
        let found: Vec<f32> = within.into_data().try_into_vec().unwrap();
        let expected = [0.5, 0.5, 0.75, 0.25, 0.2, 0.8, 1.0, 0.0];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
        let mass: Vec<f32> = mass.into_data().try_into_vec().unwrap();
        assert!(mass[0] < 1e-20 && (mass[1] - 0.75).abs() < 1e-6, "{mass:?}");
        // What reaches the scores is a product with the weights.
        let of_scores = weights.grad(&gradients).unwrap() * weights.inner();
        let slopes: Vec<f32> = of_scores.into_data().try_into_vec().unwrap();
        // Row 1: 0.75 (3 - (0.75 * 3 - 0.25)) and its negative.
        assert!((slopes[4] - 0.75).abs() < 1e-4 && (slopes[5] + 0.75).abs() < 1e-4);
        assert!(slopes.iter().all(|slope| slope.is_finite()), "{slopes:?}");
    }
}
