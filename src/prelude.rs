//! All items that a program needs to regularise its own model.
//!
//! Import it together with [`burn::prelude`]. [`Error`](crate::Error) and [`Result`](crate::Result) are not in
//! it. A bottleneck penalty on each head and all tokens, which begins in the third epoch:
//!
//! ```
//! use burn_topology::prelude::*;
//!
//! let bottleneck = DiagramDistance::Bottleneck { ground_norm: GroundNorm::Infinity };
//! let penalty = TopologyPenalty::from(DiagramPenalty::new(1).with_distance(bottleneck))
//!     .with_heads(Heads::Each)
//!     .with_tokens(Tokens::All)
//!     .with_weight(0.1)
//!     .with_schedule(Schedule { start_epoch: 2, ..Schedule::default() });
//! let regularizer = TopologyRegularizer::new(vec![penalty])?;
//! assert!(!regularizer.is_active(Clock { step: 0, steps_per_epoch: 100 }));
//! # Ok::<(), burn_topology::Error>(())
//! ```

pub use crate::distance::{RowDistance, RowMetric};
pub use crate::loss::{
    Activations, Alignment, Between, Calibration, Clock, DiagramPenalty, Direction, EdgeChoice,
    FrameComparison, ItemPairs, Layers, Normalize, Pairs, PartnerChoice, PatchMotion, PenaltyKind,
    PixelChoice, PixelComparison, PixelPenalty, PredictedFrames, RowPenalty, Schedule, Source,
    SummaryPenalty, TokenWiseDivergence, TokenWisePenalty, TopologyLoss, TopologyPenalty,
    TopologyRegularizer, TopologyTerm, Weight,
};
pub use crate::nn::{
    AttentionOutput, AttentionRows, BarTensors, CubicalPersistence, DiagramBatch, Heads,
    Persistence, PersistenceImage, PersistenceLandscape, PixelDiagramBatch, SelfAttention,
    SelfAttentionConfig, Tokens,
};
pub use crate::topology::{DiagramDistance, DiagramSummary, GroundNorm, Power};
