//! Distances between rows.

mod jensen_shannon;

pub use jensen_shannon::{JensenShannon, JensenShannonKernel, accumulate_gradient, distance};
