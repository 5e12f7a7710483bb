//! All items that a program needs to regularise its own model.
//!
//! Import it together with [`burn::prelude`]. [`Error`](crate::Error) and [`Result`](crate::Result) are not in
//! it. A bottleneck penalty on each head and all tokens, which begins in the third epoch:
//!
//! ```
//! use burn_topology::prelude::*;
//!
//! let penalty = TopologyPenalty {
//!     heads: Heads::Each,
//!     tokens: Tokens::All,
//!     comparison: Comparison::Diagrams(DiagramDistance::Bottleneck { ground_norm: GroundNorm::Infinity }),
//!     weight: Weight::Fixed(0.1),
//!     schedule: Schedule { start_epoch: 2, ..Schedule::default() },
//!     ..TopologyPenalty::new(1)
//! };
//! let regularizer = TopologyRegularizer::new(vec![penalty])?;
//! assert!(!regularizer.is_active(Clock { step: 0, steps_per_epoch: 100 }));
//! # Ok::<(), burn_topology::Error>(())
//! ```

pub use crate::distance::{RowDistance, RowMetric};
pub use crate::loss::{
    Activations, Alignment, Between, Calibration, Clock, Comparison, Direction, EdgeChoice, Layers,
    Normalize, Pairs, PartnerChoice, PatchMotion, Schedule, Source, TopologyLoss, TopologyPenalty,
    TopologyRegularizer, TopologyTerm, Weight,
};
pub use crate::nn::{
    AttentionOutput, AttentionRows, BarTensors, DiagramBatch, Heads, Persistence, SelfAttention,
    SelfAttentionConfig, Tokens,
};
pub use crate::topology::{DiagramDistance, DiagramSummary, GroundNorm, Power};
