//! Evaluation of trained models: everything that shows samples to one.
//!
//! [`LoadedRun`] opens a run and loads its best checkpoint as a [`TaskModel`], which predicts and is evaluated on a
//! split. [`AttackedModel`] is the same model under attacks and corruptions.

mod arms;
mod attacked_model;
mod batches;
mod best_model;
mod cross_entropy;
mod error;
mod flow;
mod layer_monitor;
mod loaded_run;
mod predict;
mod sampling;
mod split_evaluation;
mod starting_weights;
mod task;
mod task_model;
mod video_scores;

pub use arms::{
    Arm, RunInfo, SettingDifference, check_same_task, group_into_arms, setting_differences,
    shortened_differences,
};
pub use attacked_model::{AttackedModel, PerturbedEvaluation, PerturbedSettings};
pub use batches::batch_ranges;
pub(crate) use batches::{ATTENTION_BATCH, INSPECTION_BATCH, PREDICTION_BATCH, size_or};
pub use best_model::{BestModel, CheckpointChoice, best_model, checkpoint_problems};
pub use cross_entropy::soft_cross_entropy;
pub use error::EvaluateError;
pub use flow::CaptionEncoder;
pub use layer_monitor::{LayerMonitor, LayerSnapshot};
pub use loaded_run::{LoadedRun, locate_data, read_run, same_classes};
pub use sampling::{GeneratedClip, SamplingSettings, Solver};
pub use split_evaluation::{Coherence, Evaluation, EvaluationSettings};
pub use starting_weights::starting_weights;
pub use task::{Metrics, is_rate};
pub use task_model::TaskModel;
pub(crate) use video_scores::names as video_score_names;
