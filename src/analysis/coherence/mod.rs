//! Temporal coherence of what models make of clips.

mod guard;
mod reading;
mod suite;

pub use guard::Guard;
pub use reading::{GapCurve, Reading, ShownClip, TRAINED, Watch, read};
pub use suite::{Suite, SuiteClip};
