//! Tests of the persistence layer and of the fused operations.

mod cubical;
mod degenerate;
mod features;
mod fused;
mod padding;
mod persistence;
