//! Penalties on the topology of layers, frames and views, and the regulariser that adds them to a loss.
//!
//! A [`TopologyPenalty`] has the formula and every choice of one penalty. A [`TopologyRegularizer`] computes a
//! list of them from the [`Activations`] of one forward pass, and returns a [`TopologyLoss`] to add to the task
//! loss. [`AttentionTopology`] measures the same topology without gradients, for monitoring.

mod activations;
mod attention_topology;
mod controls;
mod item_pairs;
mod motion;
mod pair_penalty;
mod pairs;
mod penalty;
mod penalty_name;
mod regularizer;
mod row_penalties;
mod row_selection;
mod scale;
mod source;
mod topology_loss;
mod weight;

pub use activations::{Activations, WITHIN_FRAME_FLOOR};
pub use attention_topology::{AttentionTopology, TopologyDistance};
pub use controls::{EdgeChoice, PartnerChoice};
pub use motion::PatchMotion;
pub use pairs::{Alignment, Between, Pairs};
pub use penalty::{Comparison, Direction, Layers, TopologyPenalty};
#[cfg(feature = "cli")]
pub(crate) use penalty_name::{PenaltyName, default_penalty_name, distinct_names, repeated_name};
pub use regularizer::TopologyRegularizer;
pub use scale::{Normalize, SCALE_FLOOR, spanning_tree_scale};
pub use source::Source;
pub use topology_loss::{Calibration, TopologyLoss, TopologyTerm, TopologyTiming};
pub use weight::{Clock, MAX_WEIGHT, Schedule, Weight};
