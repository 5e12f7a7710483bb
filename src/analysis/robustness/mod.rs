//! Robustness of a classifier against attacks and corruptions, and their effect on the topology of its attention.

mod check;
mod condition;
mod files;
mod measurement;
mod page;
mod results;

pub use check::Check;
pub use condition::{ConditionKind, RobustnessCondition, RobustnessPlan};
pub use files::write_report;
pub use measurement::{RobustnessInput, check_transferable, measure};
pub use results::{ConditionResult, Robustness, topology_distances};
