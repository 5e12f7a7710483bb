//! Tests of the persistence layer and of the fused operations.

mod cubical;
mod degenerate;
mod fused;
mod persistence;
