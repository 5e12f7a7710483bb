//! Analyses of matrices and of trained models.

pub mod anomaly;
mod batched;
pub mod coherence;
pub mod evaluation;
mod grey_images;
pub mod inspect;
mod matrices;
pub mod pixels;
mod preparation;
pub mod robustness;
mod vine_plot;

pub use grey_images::{ImagePersistence, read_grey_images};
pub use matrices::{MatrixInput, MatrixPersistence};
