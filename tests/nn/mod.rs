//! Tests of the persistence layer and of the fused operations.

mod degenerate;
mod fused;
mod persistence;
