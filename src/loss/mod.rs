//! Penalties between persistence diagrams, and the regulariser that a training loop adds.

mod layer_penalty;
mod regularizer;
mod topology_loss;
mod weight;

pub use layer_penalty::{
    Direction, LayerPenalty, Layers, Normalize, SCALE_FLOOR, spanning_tree_scale,
};
pub use regularizer::TopologyRegularizer;
pub use topology_loss::{Calibration, TopologyLoss, TopologyTerm};
pub use weight::{Clock, MAX_WEIGHT, Schedule, Weight};
