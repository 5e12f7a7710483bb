//! Inspection of a model: the topology of every layer and head on given images, as a page and as files.
//!
//! A [`ForwardPass`] holds the attention and hidden states of a batch of images, which is all that the analysis
//! needs of a model. [`Inspection`] computes the topology of each of its matrices, [`DiagramComparisons`] the
//! distances between their diagrams, and [`write_report`] writes the results.

mod diagram_comparisons;
mod files;
mod forward_pass;
mod image_pairs;
mod inspection;
mod matrix_topology;
mod page;
mod page_data;
mod page_heads;
mod page_images;
mod page_parts;
mod spec;
mod viewer;

pub use diagram_comparisons::{
    DiagramComparisons, DiagramDistances, DiagramMetric, ImageComparison,
};
pub use files::{WrittenReport, write_report};
pub use forward_pass::{
    AppliedPerturbation, ClassNames, ForwardPass, InspectedImage, InspectionInput,
};
pub use image_pairs::{PairCurve, Spread};
pub use inspection::{HeadMeanDiagrams, ImageDiagrams, Inspection, N_SHUFFLES, head_mean_diagrams};
pub use matrix_topology::{MatrixIndex, MatrixTopology};
pub use spec::{HeadChoice, InspectSpec};
