//! The differentiable persistence layer.

mod degenerate;
mod fused;
mod persistence;
