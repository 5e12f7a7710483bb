//! Persistent homology of distance matrices and of images, and distances between persistence diagrams.
//!
//! Plain Rust on slices, without tensors. A [`DistanceMatrix`] is checked once. [`VietorisRips`] computes
//! one [`Diagram`] per homology dimension from it, whose [`Bar`]s know their critical edges: the matrix
//! entries that are their birth and death. [`wasserstein()`] and [`bottleneck()`] compare two diagrams and
//! return the matching; [`DiagramDistance`] and [`DiagramSummary`] return gradients with respect to
//! births and deaths. [`CubicalComplex`] computes diagrams of images and volumes, whose bars know their critical pixels,
//! and matches the bars of two images.
//! [`signature_loss`], [`rtd`] and [`rtd_lite`] compare two matrices on the same points directly.

mod annotation;
mod assignment;
mod bottleneck;
mod cohomology;
mod covering;
mod cubical;
mod diagram;
mod diagram_distance;
mod diagram_pair;
mod distance_matrix;
mod divergence;
mod dominated_edges;
mod edge;
mod frechet_mean;
mod lune;
mod matched_cost;
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
#[cfg(feature = "cli")]
pub(crate) use cubical::persistence_above_black;
pub use cubical::{
    BettiMatching, Construction, CubicalBar, CubicalComplex, CubicalDiagram, Filtration, GreyImage,
    MAX_PIXELS, MAX_REDUCED_VOXELS, PersistentComponents, PixelGradient, Vine, Volume,
    persistent_components, vines,
};
pub use diagram::{Bar, Diagram};
pub use diagram_distance::{DiagramDistance, PairGradient, pair_gradient};
pub use distance_matrix::{DistanceMatrix, MAX_POINTS, SYMMETRY_TOLERANCE};
pub use divergence::{Divergence, EdgeGradient, rtd, rtd_lite, signature_loss};
pub(crate) use dominated_edges::MAX_BOUNDED_POINTS;
pub use edge::Edge;
pub use frechet_mean::{FrechetMean, frechet_mean};
pub use matched_cost::{MatchedCost, Power};
pub use matching::{BarPair, GroundNorm, MatchedPair, Matching, Point};
pub use representative::{representative_cycle, representative_cycles};
pub use sliced::{sliced_wasserstein, sorted_wasserstein};
pub use summary::{DiagramSummary, SummaryValue};
pub use vietoris_rips::{MAX_HOMOLOGY_DIM, VietorisRips};
pub use wasserstein::wasserstein;
