//! Burn from here up: attention that returns its weights, and the differentiable persistence layer.

mod attention;
mod attention_rows;
mod diagram_batch;
mod edge_gradients;
mod fused;
mod gradient_norm;
mod host_values;
mod persistence;

pub use attention::{AttentionOutput, SelfAttention, SelfAttentionConfig};
pub use attention_rows::{AttentionRows, Heads, Tokens};
pub use diagram_batch::{BarTensors, DiagramBatch};
pub use fused::{AdamW, Gelu, MixedTokens, attention, gelu, layer_norm, linear};
pub use gradient_norm::gradient_norm;
pub use persistence::Persistence;
