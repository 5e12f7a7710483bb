//! Evaluation of a run on a split, as numbers and as a report: metrics, scores by class and the confusion matrix.

mod files;
mod page;
mod results;

pub use files::write_report;
pub use results::{ConfusedPair, EvaluatedRun};
