//! Video transformer with joint attention among all tokens of a clip.

use burn::module::Param;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::prelude::*;

use super::block::{Block, norm};
use super::clip_tokens::{ClipTokens, join, later_frames};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::output_head::OutputHead;
use super::patch_embed::PatchEmbed;
use super::position::sinusoidal;
use super::video::{VideoConfig, VideoHead, VideoPositions};
use super::vit::Pooling;

/// Added to within-frame weights, so that a frame without attention to itself gets uniform rows.
const TINY: f64 = 1e-30;

/// Video transformer with attention among all tokens of a clip; each token is a patch of a tubelet.
///
/// The attention maps that it returns are those within each time step, with rows renormalised to sum to
/// 1, together with the fraction that they cover:
///
/// ```text
/// within[t, i, j]           = a[t i, t j] / sum_j a[t i, t j]      t: time step; i, j: patches
/// within-frame attention[t] = mean_i sum_j a[t i, t j]
/// ```
///
/// See [`ModelOutput::within_frame_attention`]. Should be created with [`VideoConfig`]. There is a class
/// token if the clip is classified. Frames are classified by the mean of their tokens, and all frames of a
/// tubelet get the same scores. To predict the next frame, no token attends to a later frame.
///
/// # Source
///
/// Arnab et al., "ViViT: A Video Vision Transformer", ICCV 2021, section 3.3, model 1; the same encoder in
/// Tong et al., "VideoMAE", NeurIPS 2022. Unlike there, the position embedding is by default the sum of one
/// in space and one in time.
#[derive(Module, Debug)]
pub struct JointVideoTransformer {
    /// Projection of tubelets to tokens.
    pub patch_embed: PatchEmbed,
    /// Class token of the clip, `[1, 1, d_model]`; `None` without one.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// Position embedding, also of the class token.
    ///
    /// `[1, n_prefix_tokens + n_patches, d_model]` with [`VideoPositions::Sum`], otherwise
    /// `[1, n_prefix_tokens + n_steps * n_patches, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Learned embedding of the time steps, `[1, n_steps, d_model]`; `None` unless [`VideoPositions::Sum`].
    pub time_embed: Option<Param<Tensor<3>>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// Blocks of the encoder.
    pub blocks: Vec<Block>,
    /// Norm before the head.
    pub norm: LayerNorm,
    /// Linear layer to class scores, or to changes of the pixels of a patch.
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
    /// Initialises the model from a checked configuration.
    pub(super) fn new(config: &VideoConfig, device: &Device) -> Self {
        let layout = config.token_layout();
        let n_clip_tokens = config.n_clip_tokens();
        let n_tokens = n_clip_tokens + layout.n_frames * layout.n_tokens();
        Self {
            patch_embed: config.patch_embed(device),
            cls_token: (n_clip_tokens > 0).then(|| config.embedding(1, device)),
            pos_embed: match config.positions {
                VideoPositions::Sum => config.embedding(n_clip_tokens + layout.n_tokens(), device),
                VideoPositions::PerToken => config.embedding(n_tokens, device),
                VideoPositions::Sinusoidal => sinusoidal(n_tokens, config.d_model, device),
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

    /// Computes the predictions for clips, and returns what `capture` selects.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    ///
    /// # Cost
    ///
    /// Attention weights for `(n_steps * n_patches)^2` pairs of tokens per clip and layer.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        let sequence = ClipTokens {
            n_frames: self.n_steps,
            n_patches: self.grid[0] * self.grid[1],
        };
        let mask = (self.kind == VideoHead::NextFrame)
            .then(|| later_frames(self.n_steps, sequence.n_patches, &clips.device()));
        let mut tokens = self.embed(clips.clone(), sequence);
        let mut attention = Vec::new();
        let mut within_frame_attention = Vec::new();
        let mut hidden = Vec::new();
        for block in &self.blocks {
            let output = block.forward_masked(tokens, mask.clone());
            tokens = output.context;
            if capture.keeps_attention() {
                let (within, fraction) = within_frames(output.weights, sequence);
                attention.push(within);
                within_frame_attention.push(fraction);
            }
            if capture.keeps_hidden() {
                // Without the class token, as in the attention maps.
                let (_, patches) = sequence.split(tokens.clone());
                hidden.push(sequence.to_frames(patches));
            }
        }
        let head = OutputHead {
            kind: self.kind,
            norm: &self.norm,
            norm_epsilon: self.norm_epsilon,
            pooling: self.pooling,
            head: &self.head,
            grid: self.grid,
        };
        ModelOutput {
            output: head.forward(tokens, clips, sequence),
            tokens: self.token_layout(),
            attention,
            within_frame_attention,
            hidden,
        }
    }

    /// Returns the arrangement of the tokens in the attention maps of each time step.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: self.n_steps,
            n_prefix_tokens: 0,
            grid: self.grid,
        }
    }

    /// Computes the tokens before the first block.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    /// - returns `[batch_size, n_prefix_tokens + n_steps * n_patches, d_model]`
    fn embed(&self, clips: Tensor<5>, sequence: ClipTokens) -> Tensor<3> {
        let [batch_size, n_frames, n_channels, height, width] = clips.dims();
        let n_steps = self.n_steps;
        // The frames of a tubelet become channels of one image, which needs no copy: frames and channels are
        // neighbouring axes.
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
            Some(time) => sequence.embed(class, patches, position, time.val()),
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

/// Extracts the attention within each frame, with renormalised rows, and the fraction that it covers.
///
/// # Shapes
///
/// - `weights`: `[batch_size, n_heads, n_tokens, n_tokens]`
/// - returns the attention maps within frames, `[batch_size * n_frames, n_heads, n_patches, n_patches]`,
///   and the within-frame attention, `[batch_size * n_frames, n_heads]`
fn within_frames(weights: Tensor<4>, sequence: ClipTokens) -> (Tensor<4>, Tensor<2>) {
    let ClipTokens {
        n_frames,
        n_patches,
    } = sequence;
    let [batch_size, n_heads, n_tokens, _] = weights.dims();
    let n_in_frames = n_frames * n_patches;
    let patches = n_tokens - n_in_frames..n_tokens;
    let weights = match patches.start {
        0 => weights,
        _ => weights.slice([0..batch_size, 0..n_heads, patches.clone(), patches]),
    };
    // Each row is cut into `n_frames` pieces; piece t of a row of frame t is the attention within the frame.
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
    let within_frame_attention = sums.clone().mean_dim(2);
    // Scaled by a constant first: the gradient of a quotient divides by the square of the denominator,
    // which would underflow to 0 for a tiny sum.
    let scale = (sums.detach() + n_patches as f64 * TINY).recip();
    let scaled = (blocks + TINY) * scale;
    let within = scaled.clone() / scaled.sum_dim(3);
    (
        within,
        within_frame_attention.reshape([batch_size * n_frames, n_heads]),
    )
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn frames_without_own_attention_have_finite_gradients() {
        let device = Device::flex().autodiff();
        let sequence = ClipTokens {
            n_frames: 2,
            n_patches: 2,
        };
        // The first frame attends to the second, which attends to itself; one row has tiny own weights.
        let rows = [
            [0.0, 0.0, 0.5, 0.5],
            [3e-25, 1e-25, 0.5, 0.5],
            [0.25, 0.25, 0.1, 0.4],
            [0.0, 0.0, 1.0, 0.0],
        ];
        let weights = Tensor::<4>::from_floats([[rows]], &device).require_grad();
        let (within, fraction) = within_frames(weights.clone(), sequence);
        let factors = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, -1.0]], &device);
        let gradients = (within.clone() * factors.unsqueeze()).sum().backward();
        let actual: Vec<f32> = within.into_data().try_into_vec().unwrap();
        let expected = [0.5, 0.5, 0.75, 0.25, 0.2, 0.8, 1.0, 0.0];
        for (actual, expected) in actual.into_iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-4, "{actual} {expected}");
        }
        let fraction: Vec<f32> = fraction.into_data().try_into_vec().unwrap();
        assert!(
            fraction[0] < 1e-20 && (fraction[1] - 0.75).abs() < 1e-6,
            "{fraction:?}"
        );
        // The softmax multiplies the gradient by the weights before it reaches the scores.
        let score_gradients = weights.grad(&gradients).unwrap() * weights.inner();
        let slopes: Vec<f32> = score_gradients.into_data().try_into_vec().unwrap();
        // Expected in row 1: 0.75 (3 - (0.75 * 3 - 0.25)) and its negative.
        assert!((slopes[4] - 0.75).abs() < 1e-4 && (slopes[5] + 0.75).abs() < 1e-4);
        assert!(slopes.iter().all(|slope| slope.is_finite()), "{slopes:?}");
    }
}
