//! Penalties on the topology of layers, frames, views, a model's reference and predicted pixels, and the regulariser
//! that adds them up.
//!
//! A [`TopologyPenalty`] has the formula of one penalty, and its [`PenaltyKind`] the choices of what is compared. A [`TopologyRegularizer`] computes a
//! list of them from the [`Activations`] of one forward pass, and returns a [`TopologyLoss`] to add to the task
//! loss. [`AttentionTopology`] measures the same topology without gradients, for monitoring.

mod activations;
mod active_penalty;
mod attention_topology;
mod batch_pairs;
mod controls;
mod diagram_penalty;
mod frame_diagrams;
mod gradient_share;
mod item_comparison;
mod item_pairs;
mod motion;
mod pairs;
mod penalty;
mod penalty_kind;
mod penalty_name;
mod pending_loss;
mod pixel_evaluation;
mod pixel_penalty;
mod pixel_sum;
mod regularizer;
mod row_penalty;
mod row_selection;
mod row_source;
mod scale;
mod summary_penalty;
mod token_wise_penalty;
mod topology_loss;
mod weight;

pub use activations::{Activations, PredictedFrames, WITHIN_FRAME_FLOOR};
pub use attention_topology::{AttentionTopology, TopologyDistance};
pub use controls::{EdgeChoice, PartnerChoice};
pub use diagram_penalty::DiagramPenalty;
pub use gradient_share::Calibration;
pub use item_pairs::{Direction, ItemPairs};
pub use motion::PatchMotion;
pub use pairs::{Alignment, Between, Pairs};
pub use penalty::{Layers, TopologyPenalty};
pub use penalty_kind::PenaltyKind;
#[cfg(feature = "cli")]
pub(crate) use penalty_name::{
    PenaltyName, default_penalty_name, default_pixel_name, distinct_names, repeated_name,
};
pub use pixel_penalty::{FrameComparison, PixelChoice, PixelComparison, PixelPenalty};
pub use regularizer::TopologyRegularizer;
pub use row_penalty::RowPenalty;
pub use row_source::Source;
pub use scale::{Normalize, SCALE_FLOOR, spanning_tree_scale};
pub use summary_penalty::SummaryPenalty;
pub use token_wise_penalty::{TokenWiseDivergence, TokenWisePenalty};
pub use topology_loss::{TopologyLoss, TopologyTerm, TopologyTiming};
pub use weight::{Clock, MAX_WEIGHT, Schedule, Weight};
