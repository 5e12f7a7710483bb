//! Penalties on the topology of layers, frames and views, and the regulariser that a training loop adds.

mod attention_topology;
mod compared;
mod comparison;
mod controls;
mod direct;
mod motion;
mod pairs;
mod penalty;
mod penalty_checks;
mod reading;
mod regularizer;
mod scale;
mod topology_loss;
mod weight;

pub use attention_topology::{AttentionTopology, TopologyDistance};
pub use controls::{Edges, Partners};
pub use motion::PatchMotion;
pub use pairs::{Alignment, Between, Pairs};
pub use penalty::{Comparison, Direction, Layers, TopologyPenalty};
pub use reading::{Activations, MASS_FLOOR, Source};
pub use regularizer::TopologyRegularizer;
pub use scale::{Normalize, SCALE_FLOOR, spanning_tree_scale};
pub use topology_loss::{Calibration, TopologyLoss, TopologyTerm, TopologyTiming};
pub use weight::{Clock, MAX_WEIGHT, Schedule, Weight};
