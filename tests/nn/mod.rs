//! The differentiable persistence layer.

mod persistence;
