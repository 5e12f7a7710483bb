//! Distances between rows.

mod jensen_shannon;
mod vectorized;

pub use jensen_shannon::{JensenShannon, JensenShannonKernel, accumulate_gradient, distance};
