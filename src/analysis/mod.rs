//! Analyses of matrices and of trained models.

pub mod anomaly;
pub mod coherence;
pub mod evaluation;
mod grey_images;
pub mod inspect;
mod matrices;
mod preparation;
pub mod robustness;

pub use grey_images::{ImagePersistence, read_grey_images};
pub use matrices::{MatrixInput, MatrixPersistence};
