//! Looking at matrices and models: what is not training.

mod matrices;

pub use matrices::{MatrixInput, MatrixPersistence};
