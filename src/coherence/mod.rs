//! How steady a sequence of frames, or of what is said of them, is over time.
//!
//! Plain numbers of one clip: of frames, of frames and their true motion, of labels. None of them means
//! anything alone: a frozen output is perfectly steady. [`Frames::dynamic_degree`],
//! [`Frames::identification`] and [`cohen_kappa`] tell it apart, and belong beside every other number.

mod betti;
mod encoder;
mod flow;
mod frames;
mod labels;
mod metric;
mod metrics;
mod motion;
mod similarity;

pub use betti::betti_numbers;
pub use encoder::FrozenEncoder;
pub use flow::optical_flow;
pub use frames::Frames;
pub use labels::{cohen_kappa, flip_rate, flip_rate_to_first, prediction_distance};
pub use metric::{Better, Metric, OF_CLASSES, OF_FRAMES, Role};
pub use metrics::{FOREGROUND, Known, most_probable, of_classes, of_frames};
pub use motion::Motion;
pub use similarity::{mean_squared_error, peak_signal_to_noise, structural_similarity};
