//! Tensor layers: the differentiable persistence layer, and attention that returns its weights.
//!
//! [`Persistence`] turns rows or distances into a [`DiagramBatch`]; [`AttentionRows`] turns attention weights
//! into rows. [`CubicalPersistence`] turns images into a [`PixelDiagramBatch`]. Only `fused` below it uses Burn too.

mod attention;
mod attention_rows;
mod cubical_persistence;
mod diagram_batch;
mod edge_gradients;
mod entropy;
mod gradient_norm;
mod host_values;
mod item;
mod persistence;
mod pipeline;
mod pixel_diagram_batch;

pub use attention::{AttentionOutput, SelfAttention, SelfAttentionConfig};
pub use attention_rows::{AttentionRows, Heads, Tokens};
pub use cubical_persistence::CubicalPersistence;
pub use diagram_batch::{BarTensors, DiagramBatch};
#[cfg(feature = "cli")]
pub(crate) use entropy::row_entropy;
pub(crate) use entropy::{row_entropies, uniform_entropy};
pub use gradient_norm::gradient_norm;
pub(crate) use item::PersistenceTiming;
pub use persistence::Persistence;
pub(crate) use pipeline::{Pipeline, RowTopology};
pub use pixel_diagram_batch::PixelDiagramBatch;
