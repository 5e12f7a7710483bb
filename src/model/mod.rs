//! Image and video transformers that return their attention maps, and pretrained weights for them.
//!
//! Nothing in this module depends on topology.

mod block;
mod clip_tokens;
mod generator;
mod joint;
mod linear_probe;
mod memory;
mod network;
mod output;
mod output_head;
mod parameters;
mod patch_embed;
mod pixel_statistics;
mod position;
pub mod pretrained;
mod size;
mod task;
mod timesformer;
mod video;
mod vit;
mod vivit;

pub use block::{Activation, Block, BlockConfig, BlockStyle, DropPath, LayerScale, Mlp};
pub use generator::{
    CaptionAttention, Conditions, Generator, GeneratorBlock, GeneratorConfig, ModelInput, Predict,
    TextEncoder,
};
pub use joint::JointVideoTransformer;
pub use linear_probe::{LinearProbe, LinearProbeConfig};
pub use memory::ModelSize;
pub use network::{Network, NetworkConfig};
pub use output::{Capture, ModelOutput, TokenLayout};
pub use parameters::{ParameterCount, check_parameters, count_parameters};
pub use patch_embed::PatchEmbed;
pub use pixel_statistics::PixelStatistics;
pub use size::VitSize;
pub use task::Task;
pub use timesformer::{DividedBlock, TimeSformer};
pub use video::{VideoAttention, VideoConfig, VideoHead, VideoPositions};
pub use vit::{Distillation, ImageHead, Pooling, Vit, VitConfig};
pub use vivit::Vivit;
