//! Persistent homology of grey images and volumes: cubical complexes.
//!
//! [`CubicalComplex`] computes one [`CubicalDiagram`] per homology dimension, whose [`CubicalBar`]s know the pixels that
//! are their birth and death.

mod bars;
mod betti_matching;
mod cell_sorter;
mod complex;
mod forest;
mod grid;
mod lattice;
mod planar;
mod segments;
mod settings;
mod vines;
mod volume;
mod volume_lattice;

pub use bars::{Construction, CubicalBar, CubicalDiagram, Filtration, PixelGradient};
pub use betti_matching::BettiMatching;
pub use complex::CubicalComplex;
pub use grid::{GreyImage, MAX_PIXELS, Volume};
pub use segments::{PersistentComponents, persistent_components};
#[cfg(feature = "cli")]
pub(crate) use vines::persistence_above_black;
pub use vines::{Vine, vines};
pub use volume::MAX_REDUCED_VOXELS;
