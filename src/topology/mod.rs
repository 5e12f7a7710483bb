//! Persistent homology of dense matrices, and distances between diagrams.
//!
//! Plain Rust on slices. A [`DistanceMatrix`] is checked once; [`VietorisRips`] turns it into one
//! [`Diagram`] per homology dimension, whose [`Bar`]s name the matrix entries that are their birth
//! and death; [`wasserstein()`] and [`bottleneck()`] compare two diagrams and return the matching.

mod annotation;
mod assignment;
mod bottleneck;
mod cohomology;
mod covering;
mod diagram;
mod diagram_distance;
mod diagram_pair;
mod distance_matrix;
mod divergence;
mod edge;
mod frechet_mean;
mod lune;
mod matching;
mod monotone;
mod representative;
mod sliced;
mod spanning_tree;
mod summary;
mod union_find;
mod vietoris_rips;
mod wasserstein;

pub use bottleneck::bottleneck;
pub use diagram::{Bar, Diagram};
pub use diagram_distance::{DiagramDistance, MatchedCost, PairGradient, Power, pair_gradient};
pub use distance_matrix::{DistanceMatrix, MAX_POINTS, SYMMETRY_TOLERANCE};
pub use divergence::{Divergence, EdgeGradient, rtd, rtd_lite, signature_loss};
pub use edge::Edge;
pub use frechet_mean::{FrechetMean, frechet_mean};
pub use matching::{GroundNorm, MatchedPair, Matching, Pairing, Point};
pub use representative::representative_cycle;
pub use sliced::{sliced_wasserstein, sorted_wasserstein};
pub use summary::{DiagramSummary, Summary};
pub use vietoris_rips::{MAX_HOMOLOGY_DIM, VietorisRips};
pub use wasserstein::wasserstein;
