//! Metrics of predicted masks: overlap of areas and of centre lines, topology, and distance between outlines.

mod hausdorff;
mod mask;
mod overlap;
mod skeleton;
mod topology_errors;

pub use hausdorff::hausdorff_distance;
pub use mask::Mask;
pub use overlap::{centerline_dice, dice};
pub use skeleton::skeleton;
pub use topology_errors::{betti_errors, betti_matching_error};
