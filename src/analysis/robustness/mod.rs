//! How a model holds against attacks and corruptions, and what they do to the topology of its attention.

mod check;
mod condition;
mod files;
mod measured;
mod page;

pub use check::Check;
pub use condition::{Condition, Kind, Plan};
pub use files::write_report;
pub use measured::{Measured, Robustness, distances};
