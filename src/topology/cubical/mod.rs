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
mod settings;
mod volume;
mod volume_lattice;

pub use bars::{Construction, CubicalBar, CubicalDiagram, Filtration, PixelGradient};
pub use betti_matching::BettiMatching;
pub use complex::CubicalComplex;
pub use grid::{GreyImage, MAX_PIXELS, Volume};
pub use volume::MAX_REDUCED_VOXELS;
