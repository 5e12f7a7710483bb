//! Looking at matrices and models: what is not training.

pub mod anomaly;
pub mod coherence;
pub mod inspect;
mod matrices;
pub mod robustness;

pub use matrices::{MatrixInput, MatrixPersistence};
