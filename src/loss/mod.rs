//! Penalties on the topology of layers, and the regulariser that a training loop adds.

mod comparison;
mod layer_penalty;
mod reading;
mod regularizer;
mod scale;
mod topology_loss;
mod weight;

pub use layer_penalty::{Comparison, Direction, LayerPenalty, Layers};
pub use reading::{Activations, Source};
pub use regularizer::TopologyRegularizer;
pub use scale::{Normalize, SCALE_FLOOR, spanning_tree_scale};
pub use topology_loss::{Calibration, TopologyLoss, TopologyTerm, TopologyTiming};
pub use weight::{Clock, MAX_WEIGHT, Schedule, Weight};
