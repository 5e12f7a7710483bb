//! Transformers that return their attention by value. Nothing here knows of topology.

mod block;
mod output;
mod parameters;
mod size;
mod vit;

pub use block::{Block, BlockConfig, DropPath, Mlp};
pub use output::{Capture, ModelOutput, TokenLayout};
pub use parameters::{ParameterCount, count_parameters};
pub use size::VitSize;
pub use vit::{PatchEmbed, Pooling, Vit, VitConfig};
