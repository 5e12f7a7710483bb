//! Size of a model and of its activations, computed from the configuration alone.

use super::block::{Activation, BlockStyle};
use super::generator::{GeneratorConfig, N_LEVEL_SINES, N_MODULATIONS};
use super::linear_probe::LinearProbeConfig;
use super::network::NetworkConfig;
use super::video::{VideoAttention, VideoConfig, VideoHead, VideoPositions};
use super::vit::{Distillation, ImageHead, Pooling, VitConfig};

/// Size of a model and of its activations, computed from the configuration alone.
///
/// Numbers are `f64`, since those of a mistaken configuration can exceed every integer type.
///
/// # Example
///
/// ```
/// use burn_topology::model::{NetworkConfig, VitConfig, VitSize};
///
/// let vit = VitConfig::from_size(VitSize::Tiny, [3, 224, 224], 16, 1000);
/// let size = NetworkConfig::Vit(vit).size();
/// assert_eq!(size.n_parameters, 5_717_416.0);
/// assert_eq!(size.n_attention_weights, 12.0 * 3.0 * 197.0 * 197.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ModelSize {
    /// Number of parameters.
    pub n_parameters: f64,
    /// Number of attention weights of all layers for one sample.
    pub n_attention_weights: f64,
    /// Fewest other activations of all layers that a backward pass needs for one sample: the inputs of the linear layers.
    pub n_activations: f64,
}

/// Encoder of blocks of the same width.
#[derive(Clone, Copy)]
struct Encoder {
    d_model: f64,
    n_heads: f64,
    d_mlp: f64,
    style: BlockStyle,
}

impl NetworkConfig {
    /// Computes the size of the model and of its activations, without allocating any of them.
    pub fn size(&self) -> ModelSize {
        match self {
            Self::Vit(config) => vit(config),
            Self::Video(config) => video(config),
            Self::Generator(config) => generator(config),
            Self::LinearProbe(config) => linear_probe(config),
        }
    }
}

impl Encoder {
    fn new(d_model: usize, n_heads: usize, mlp_ratio: usize, style: BlockStyle) -> Self {
        let d_model = d_model as f64;
        Self {
            d_model,
            n_heads: n_heads as f64,
            d_mlp: style.d_mlp.map_or(mlp_ratio as f64 * d_model, |d| d as f64),
            style,
        }
    }

    /// Parameters of a layer norm.
    fn norm(self) -> f64 {
        2.0 * self.d_model
    }

    /// Parameters of queries, keys, values and of the projection after them.
    fn attention(self) -> f64 {
        4.0 * linear(self.d_model, self.d_model)
    }

    /// Parameters of a block.
    fn block(self) -> f64 {
        let d_hidden = match self.style.activation {
            Activation::Gelu | Activation::GeluTanh => self.d_mlp,
            Activation::SwiGlu => 2.0 * self.d_mlp,
        };
        let mlp = linear(self.d_model, d_hidden) + linear(self.d_mlp, self.d_model);
        let scales = if self.style.layer_scale.is_some() {
            2.0 * self.d_model
        } else {
            0.0
        };
        2.0 * self.norm() + self.attention() + mlp + scales
    }

    /// Activations of a block for each token: inputs of its four linear layers.
    fn activations(self) -> f64 {
        3.0 * self.d_model + self.d_mlp
    }

    /// Weights of one attention map of every head.
    fn attention_weights(self, n_tokens: f64) -> f64 {
        self.n_heads * n_tokens * n_tokens
    }
}

/// Parameters of a linear layer with a shift.
fn linear(n_inputs: f64, n_outputs: f64) -> f64 {
    (n_inputs + 1.0) * n_outputs
}

/// Number of patches of an image.
fn n_patches(image_size: [usize; 2], patch_size: usize) -> f64 {
    let [rows, columns] = image_size.map(|side| (side / patch_size.max(1)) as f64);
    rows * columns
}

fn vit(config: &VitConfig) -> ModelSize {
    let encoder = Encoder::new(
        config.d_model,
        config.n_heads,
        config.mlp_ratio,
        config.style,
    );
    let (d_model, n_layers) = (encoder.d_model, config.n_layers as f64);
    let n_classes = config.n_classes as f64;
    let n_distillation = usize::from(config.distillation != Distillation::None);
    let n_extra =
        usize::from(config.pooling.has_class_token()) + n_distillation + config.n_registers;
    let n_tokens = n_patches(config.image_size, config.patch_size) + n_extra as f64;
    let patch_values = config.n_channels as f64 * (config.patch_size as f64).powi(2);
    let distillation_head = if config.distillation == Distillation::Head {
        linear(d_model, n_classes)
    } else {
        0.0
    };
    let head = match config.head {
        ImageHead::Class => linear(config.pooling.n_pooled() as f64 * d_model, n_classes),
        ImageHead::Mask => linear(d_model, patch_values),
    };
    ModelSize {
        n_parameters: linear(patch_values, d_model)
            + (n_extra as f64 + n_tokens) * d_model
            + n_layers * encoder.block()
            + encoder.norm()
            + head
            + distillation_head,
        n_attention_weights: n_layers * encoder.attention_weights(n_tokens),
        n_activations: n_layers * n_tokens * encoder.activations(),
    }
}

fn video(config: &VideoConfig) -> ModelSize {
    let encoder = Encoder::new(
        config.d_model,
        config.n_heads,
        config.mlp_ratio,
        config.style,
    );
    let (d_model, n_layers) = (encoder.d_model, config.n_layers as f64);
    let n_steps = (config.n_frames / config.tubelet_size.max(1)) as f64;
    let n_patches = n_patches(config.image_size, config.patch_size);
    let is_clip = config.head == VideoHead::Clip;
    let class = f64::from(u8::from(
        is_clip && config.pooling != Pooling::MeanBeforeNorm,
    ));
    let n_pixels = (config.patch_size as f64).powi(2) * config.n_channels as f64;
    let head = match config.head {
        VideoHead::Clip | VideoHead::Frames => linear(d_model, config.n_classes as f64),
        VideoHead::NextFrame => linear(d_model, n_pixels),
    };
    let n_tokens = class + n_steps * n_patches;
    // Tokens, embeddings and blocks, and the attention weights of all layers.
    let (embeddings, blocks, n_attention_weights) = match config.attention {
        VideoAttention::Divided => {
            let time = encoder.norm() + encoder.attention() + linear(d_model, d_model);
            let over_time = n_patches * encoder.attention_weights(n_steps);
            let over_space = n_steps * encoder.attention_weights(class + n_patches);
            (
                2.0 * class + n_patches + n_steps,
                n_layers * (encoder.block() + time),
                n_layers * (over_time + over_space),
            )
        }
        VideoAttention::Factorised { n_temporal_layers } => {
            let n_temporal = n_temporal_layers as f64;
            let over_space = n_steps * encoder.attention_weights(1.0 + n_patches);
            (
                1.0 + (1.0 + n_patches) + class + class + n_steps,
                (n_layers + n_temporal) * encoder.block() + encoder.norm(),
                n_layers * over_space + n_temporal * encoder.attention_weights(class + n_steps),
            )
        }
        VideoAttention::Joint => (
            class
                + match config.positions {
                    VideoPositions::Sum => class + n_patches + n_steps,
                    VideoPositions::PerToken | VideoPositions::Sinusoidal => n_tokens,
                },
            n_layers * encoder.block(),
            n_layers * encoder.attention_weights(n_tokens),
        ),
    };
    ModelSize {
        n_parameters: linear(n_pixels * config.tubelet_size as f64, d_model)
            + embeddings * d_model
            + blocks
            + encoder.norm()
            + head,
        n_attention_weights,
        n_activations: n_layers * n_tokens * encoder.activations(),
    }
}

fn generator(config: &GeneratorConfig) -> ModelSize {
    let style = BlockStyle::new();
    let encoder = Encoder::new(config.d_model, config.n_heads, config.mlp_ratio, style);
    let (d_model, n_layers) = (encoder.d_model, config.n_layers as f64);
    let (n_frames, max_words) = (config.n_frames as f64, config.max_words as f64);
    let n_patches = n_patches(config.image_size, config.patch_size);
    let n_pixels = (config.patch_size as f64).powi(2) * config.n_channels as f64;
    let n_text_layers = config.n_text_layers as f64;
    let text = (config.n_words as f64 + max_words) * d_model
        + n_text_layers * encoder.block()
        + encoder.norm();
    let qk_norms = 4.0 * d_model / encoder.n_heads;
    // Attention over time and to the caption, two norms and the table of the modulation, beside an ordinary block.
    let block = encoder.block()
        + 2.0 * encoder.attention()
        + 2.0 * encoder.norm()
        + qk_norms
        + N_MODULATIONS as f64 * d_model;
    let n_tokens = n_frames * n_patches;
    let over_time = n_patches * encoder.attention_weights(n_frames);
    let over_space = n_frames * encoder.attention_weights(n_patches);
    let over_words = encoder.n_heads * n_tokens * max_words;
    ModelSize {
        n_parameters: linear(n_pixels, d_model)
            + n_patches * d_model
            + text
            + linear(N_LEVEL_SINES as f64, d_model)
            + 2.0 * linear(d_model, d_model)
            + linear(d_model, N_MODULATIONS as f64 * d_model)
            + n_layers * block
            + encoder.norm()
            + linear(d_model, 2.0 * d_model)
            + linear(d_model, n_pixels),
        n_attention_weights: n_layers * (over_time + over_space + over_words)
            + n_text_layers * encoder.attention_weights(max_words),
        // Four more linear layers act on every token: two over time, two to the caption.
        n_activations: n_layers * n_tokens * (encoder.activations() + 4.0 * d_model),
    }
}

fn linear_probe(config: &LinearProbeConfig) -> ModelSize {
    let [height, width] = config.image_size.map(|side| side as f64);
    let n_pixels = config.n_channels as f64 * height * width;
    ModelSize {
        n_parameters: linear(n_pixels, config.n_classes as f64),
        n_attention_weights: 0.0,
        n_activations: config.n_frames as f64 * n_pixels,
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::module::Module;
    use burn::prelude::*;

    use super::*;
    use crate::model::Capture;

    fn configs() -> Vec<NetworkConfig> {
        let vit = VitConfig::new([8, 12], 3, 5, 2, 12, 3, 2).with_mlp_ratio(3);
        let scaled = BlockStyle::new().with_layer_scale(Some(0.1));
        let gated = BlockStyle::new()
            .with_activation(Activation::SwiGlu)
            .with_d_mlp(Some(20));
        let video = VideoConfig::new(4, [4, 6], 2, 3, 2, 8, 2, 2);
        let joint = video.clone().with_attention(VideoAttention::Joint);
        let factorised = VideoAttention::Factorised {
            n_temporal_layers: 3,
        };
        let videos = [
            video.clone(),
            video.clone().with_head(VideoHead::Frames),
            video.clone().with_head(VideoHead::NextFrame),
            video.clone().with_attention(factorised),
            video
                .clone()
                .with_attention(factorised)
                .with_head(VideoHead::NextFrame),
            joint.clone().with_tubelet_size(2),
            joint.clone().with_head(VideoHead::NextFrame),
            joint.clone().with_pooling(Pooling::MeanBeforeNorm),
            joint.clone().with_positions(VideoPositions::PerToken),
            joint.with_positions(VideoPositions::Sinusoidal),
        ];
        [
            vit.clone(),
            vit.clone().with_style(scaled).with_n_registers(4),
            vit.clone().with_style(gated),
            vit.clone().with_pooling(Pooling::ClsAndMean),
            vit.clone().with_pooling(Pooling::MeanBeforeNorm),
            vit.clone().with_head(ImageHead::Mask),
            vit.clone().with_distillation(Distillation::Token),
            vit.with_distillation(Distillation::Head),
        ]
        .into_iter()
        .map(NetworkConfig::Vit)
        .chain(videos.into_iter().map(NetworkConfig::Video))
        .chain([
            NetworkConfig::Generator(
                GeneratorConfig::new(4, [4, 6], 2, 2, 8, 2, 2, 9).with_max_words(5),
            ),
            NetworkConfig::LinearProbe(LinearProbeConfig::new(4, [4, 6], 2, 3)),
        ])
        .collect()
    }

    #[test]
    fn parameters_are_those_of_the_model() {
        let device = Device::flex();
        for config in configs() {
            let actual = config.init(&device).num_params();
            assert_eq!(config.size().n_parameters, actual as f64, "{config:?}");
        }
    }

    #[test]
    fn attention_weights_are_those_of_the_maps() {
        let device = Device::flex();
        for config in configs() {
            let [height, width] = config.image_size();
            let shape = [1, config.n_frames(), config.n_channels(), height, width];
            let clips = Tensor::<5>::zeros(shape, &device);
            let output = config.init(&device).forward(clips, Capture::Attention);
            let maps = output.attention.iter();
            let returned: usize = maps.map(|map| map.shape().num_elements()).sum();
            let size = config.size();
            match &config {
                NetworkConfig::Vit(_) => assert_eq!(size.n_attention_weights, returned as f64),
                // Maps over time, or from one frame to another, are not returned.
                _ => assert!(size.n_attention_weights >= returned as f64, "{config:?}"),
            }
        }
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let vit = VitConfig::new([1 << 40; 2], 3, 10, 1, 1 << 40, 1 << 40, 1 << 30);
        let size = NetworkConfig::Vit(vit).size();
        assert!(size.n_parameters > 1e36 && size.n_attention_weights > 1e60);
    }
}
