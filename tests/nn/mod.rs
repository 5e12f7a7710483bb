//! The differentiable persistence layer.

mod degenerate;
mod persistence;
