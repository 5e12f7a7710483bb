//! Tensor layers: the differentiable persistence layer, and attention that returns its weights.
//!
//! [`Persistence`] turns rows or distances into a [`DiagramBatch`]; [`AttentionRows`] turns attention weights
//! into rows; [`PersistenceImage`] and [`PersistenceLandscape`] turn bars into arrays of fixed size. [`CubicalPersistence`]
//! turns images into a [`PixelDiagramBatch`]. Only `fused` below it uses Burn too.

mod attention;
mod attention_rows;
mod cubical_persistence;
mod diagram_batch;
mod edge_gradients;
mod engine;
mod entropy;
mod gradient_norm;
mod host_values;
mod item;
mod padded_bars;
mod pending_rows;
mod persistence;
mod persistence_image;
mod persistence_landscape;
mod pipeline;
mod pixel_diagram_batch;
mod present_points;
mod row_values;

pub use attention::{AttentionOutput, QueryKeyNorm, SelfAttention, SelfAttentionConfig};
pub use attention_rows::{AttentionRows, Heads, Tokens};
pub use cubical_persistence::CubicalPersistence;
pub use diagram_batch::{BarTensors, DiagramBatch};
pub use engine::Engine;
#[cfg(feature = "cli")]
pub(crate) use entropy::row_entropy;
pub(crate) use entropy::{row_entropies, uniform_entropy};
pub use gradient_norm::gradient_norm;
pub(crate) use item::PersistenceTiming;
pub(crate) use pending_rows::PendingRows;
pub use persistence::Persistence;
pub use persistence_image::PersistenceImage;
pub use persistence_landscape::PersistenceLandscape;
pub(crate) use pipeline::{Pipeline, RowTopology};
pub use pixel_diagram_batch::PixelDiagramBatch;
pub(crate) use present_points::{PendingPoints, PresentPoints};
