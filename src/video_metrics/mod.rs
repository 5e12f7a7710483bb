//! Temporal-coherence metrics of predicted frames and of predictions made frame by frame.
//!
//! Each metric is a plain number of one clip, computed from frames, from frames and their true motion,
//! or from predicted classes. No metric means anything alone, because a frozen output is perfectly
//! steady. [`Frames::dynamic_degree`], [`Frames::identification`] and [`cohen_kappa`] detect frozen
//! outputs and should be reported beside every other metric.

mod betti;
mod clip_metrics;
mod flip_rate;
mod flow;
mod frame_features;
mod frames;
mod motion;
mod random_filters;
mod similarity;

pub use betti::betti_numbers;
pub use clip_metrics::{
    Better, CLASS_METRICS, ClipMetric, FOREGROUND_THRESHOLD, FRAME_METRICS, GroundTruth, Role,
    class_metrics, frame_metrics, most_probable,
};
pub use flip_rate::{cohen_kappa, flip_rate, flip_rate_to_first, prediction_distance};
pub use flow::{OpticalFlow, optical_flow};
pub use frame_features::FrameFeatures;
pub use frames::Frames;
pub use motion::Motion;
pub use random_filters::RandomFilters;
pub use similarity::{mean_squared_error, peak_signal_to_noise, structural_similarity};
