//! The trainer.

mod error;
mod evaluate;
mod loss;
mod monitor;
mod observer;
mod optimizer;
mod trainer;

pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate, evaluate_best};
pub use loss::soft_cross_entropy;
pub use monitor::LayerMonitor;
pub use observer::{Observer, StepReport};
pub use optimizer::{clip_global_norm, learning_rate};
pub use trainer::{Summary, train};
