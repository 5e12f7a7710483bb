//! Looking inside a model: the topology of every layer and head on given pictures, as a page and as
//! files.
//!
//! [`Seen`] is all that is known of a model; [`Inspection`] reads every matrix of it; [`Comparisons`]
//! sets their diagrams beside each other; [`write_report`] writes what was found.

mod compare;
mod files;
mod inspection;
mod item;
mod pack;
mod page;
mod page_heads;
mod page_pairs;
mod page_parts;
mod pairs;
mod seen;
mod spec;
mod viewer;

pub use compare::{Comparer, Comparisons, DiagramDistances};
pub use files::{Written, write_report};
pub use inspection::{Inspection, N_SHUFFLES, PictureDiagrams, mean_diagrams};
pub use item::{Item, Place};
pub use pairs::PairCurve;
pub use seen::{Change, ClassNames, Picture, Seen, Shown};
pub use spec::{HeadChoice, InspectSpec};
