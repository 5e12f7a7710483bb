//! Temporal coherence of what models make of clips.

mod arms;
mod browser;
mod clip_reading;
mod comparison;
mod comparison_json;
mod files;
mod frame_distances;
mod guard;
mod page;
mod paired;
mod reading;
mod suite;

pub use arms::{Arm, RunInfo, RunReading, arms, differences};
pub use comparison::{ArmDifferences, ArmGuard, Comparisons, Difference, Level, MARGIN};
pub use files::{shown_clips, write_report};
pub use guard::Guard;
pub use reading::{GapCurve, Reading, ShownClip, TRAINED, Watch, read};
pub use suite::{Suite, SuiteClip};
