//! The trainer.

mod attacked_model;
mod charts;
mod coherence;
mod collapse;
mod dry_run;
mod error;
mod evaluate;
mod loss;
mod monitor;
mod observer;
mod open;
mod optimizer;
mod predict;
mod prefetch;
mod robustness;
mod step;
mod summary;
mod task;
mod timing;
mod trainer;

pub use attacked_model::{AttackedModel, PerturbedReading};
pub use collapse::{CollapseWatch, LowLayer};
pub use dry_run::{DryRun, dry_run};
pub use error::TrainError;
pub use evaluate::{Coherence, Evaluation, evaluate, evaluate_best, load_best};
pub use loss::soft_cross_entropy;
pub use monitor::{LayerMonitor, LayerSample};
pub use observer::{Observer, Silent, StepReport};
pub use optimizer::{clip_global_norm, learning_rate, number_parameters};
pub use predict::predict;
pub use summary::Summary;
pub use task::Metrics;
pub use timing::{Phase, Profile, peak_bytes};
pub use trainer::{Job, Outcome, train};
