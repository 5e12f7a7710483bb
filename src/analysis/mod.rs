//! Analyses of matrices and of trained models.

pub mod anomaly;
pub mod coherence;
pub mod evaluation;
pub mod inspect;
mod matrices;
mod preparation;
pub mod robustness;

pub use matrices::{MatrixInput, MatrixPersistence};
