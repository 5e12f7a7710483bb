//! Looking at matrices and models: what is not training.

pub mod coherence;
mod matrices;

pub use matrices::{MatrixInput, MatrixPersistence};
