//! Inspection of a model: the topology of every layer and head on given images, as a page and as files.
//!
//! An [`InspectedModel`] comes from a run or from pretrained weights, and an [`InspectionSet`] from files or a split.
//! A [`ForwardPass`] holds the attention and hidden states of a batch of images, which is all that the analysis
//! needs of a model. [`Inspection`] computes the topology of each of its matrices, [`DiagramComparisons`] the
//! distances between their diagrams, and [`write_report`] writes the results.

mod cost;
mod diagram_comparisons;
mod diagram_metric;
mod files;
mod forward_pass;
mod head_means;
mod host_layer;
mod image_pairs;
mod inspected_model;
mod inspection;
mod inspection_set;
mod layer_batch;
mod matrix_files;
mod matrix_topology;
mod page;
mod page_data;
mod page_heads;
mod page_images;
mod page_parts;
mod page_room;
mod spec;
mod viewer;

pub use cost::InspectionProgress;
pub use diagram_comparisons::{DiagramComparisons, DiagramDistances, ImageComparison};
pub use diagram_metric::DiagramMetric;
pub use files::{WrittenReport, write_report};
pub use forward_pass::{
    AppliedPerturbation, ClassNames, ForwardPass, InspectedImage, InspectionInput,
};
pub use head_means::{HeadMeanDiagrams, ImageDiagrams, head_mean_diagrams};
pub use image_pairs::{PairCurve, Spread};
pub use inspected_model::InspectedModel;
pub use inspection::Inspection;
pub use inspection_set::{InspectionItem, InspectionSet};
pub use matrix_topology::{MatrixIndex, MatrixTopology, ShuffledDistances};
pub use spec::{HeadChoice, InspectSpec, Precision};
