//! Burn from here up: attention that returns its weights, and the differentiable persistence layer.

mod attention;
mod attention_rows;
mod gradient_norm;
mod persistence;

pub use attention::{AttentionOutput, SelfAttention, SelfAttentionConfig};
pub use attention_rows::{AttentionRows, Heads, Tokens};
pub use gradient_norm::gradient_norm;
pub use persistence::{BarTensors, DiagramBatch, EdgeGradient, Persistence};
