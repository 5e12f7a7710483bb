//! Distances between the rows of a matrix, and their gradients.
//!
//! [`PairwiseDistances`] computes all distances between the rows of one matrix, such as an attention map,
//! by a [`RowDistance`], whose gradient [`RowDistance::accumulate_gradient`] computes.
//! [`multidimensional_scaling`] places points in space so that distances can be drawn.

mod divergence_bounds;
mod divergence_planes;
mod element;
mod extension;
mod gradient;
mod gram;
mod jensen_shannon;
mod jensen_shannon_f32;
mod jensen_shannon_f64;
mod panels;
mod row_distance;
mod scaling;
mod spanning_candidates;
mod spanning_search;
mod vectorized;
mod vectors;

pub use element::DistanceElement;
pub use row_distance::{PairwiseDistances, RowDistance, RowMetric};
pub use scaling::{SCALED_DIMS, ScaledPoints, multidimensional_scaling};
