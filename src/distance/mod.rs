//! Distances between the rows of a matrix, and their gradients.

mod element;
mod gradient;
mod jensen_shannon;
mod row_distance;
mod scaling;
mod vectorized;
mod vectors;

pub use element::DistanceElement;
pub use row_distance::{Metric, PairwiseDistances, RowDistance};
pub use scaling::{SCALED_DIMS, multidimensional_scaling};
