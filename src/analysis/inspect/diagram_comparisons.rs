//! Distances between the diagrams of layers, heads and images.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::cost::{Counts, MAX_HEAD_IMAGES};
use super::diagram_metric::{DiagramMetric, compared_kinds};
use super::image_pairs::{PairCurve, pair_curves};
use super::inspection::Inspection;
use super::matrix_topology::MatrixTopology;
use crate::error::Result;
use crate::topology::Point;

/// Pairwise distances between diagrams of one homology dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagramDistances {
    /// Distance that is computed.
    pub metric: DiagramMetric,
    /// Homology dimension of the diagrams.
    pub homology_dim: usize,
    /// Symmetric matrix of distances, `[n_diagrams, n_diagrams]`.
    pub values: Vec<f64>,
}

/// Distances between the diagrams of pairs of images, for one metric and homology dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageComparison {
    /// Distance that is computed.
    pub metric: DiagramMetric,
    /// Homology dimension of the diagrams.
    pub homology_dim: usize,
    /// Distances by layer for each kind of pair; the comparison with shuffled rows comes last.
    pub curves: Vec<PairCurve>,
}

/// All distances between the diagrams of an inspection; essential bars are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagramComparisons {
    /// Distances between layers, by image; the mean of the heads stands for a layer.
    pub layers: Vec<Vec<DiagramDistances>>,
    /// Distances between all heads of all layers, layer by layer, for the first images; empty without heads.
    pub heads: Vec<Vec<DiagramDistances>>,
    /// Distances between images, by metric and homology dimension.
    pub images: Vec<ImageComparison>,
}

impl DiagramComparisons {
    /// Computes all distances. `progress` is called by several threads, with the number of distances that are done and
    /// their total number, or a little more where some images are perturbed.
    ///
    /// # Errors
    ///
    /// The errors of [`wasserstein`](crate::topology::wasserstein()).
    pub fn new(inspection: &Inspection, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Self> {
        let kinds = compared_kinds(inspection.spec.max_homology_dim);
        let n_images = inspection.images.len();
        // The number of pairs of heads grows with the square of layers times heads.
        let n_head_images = if inspection.heads.is_empty() {
            0
        } else {
            n_images.min(MAX_HEAD_IMAGES)
        };
        let n_layers = inspection.layers.len();
        let counts = Counts {
            n_images,
            n_layers,
            n_heads: inspection.heads.len(),
        };
        let total = kinds.len() * counts.n_comparisons();
        let n_done = AtomicUsize::new(0);
        let add = |n_distances: usize| {
            // Relaxed: the number is only displayed.
            progress(
                n_distances + n_done.fetch_add(n_distances, Ordering::Relaxed),
                total,
            );
        };
        let compare = |matrices: &[&MatrixTopology]| {
            kinds
                .iter()
                .map(|&(metric, homology_dim)| {
                    Ok(DiagramDistances {
                        metric,
                        homology_dim,
                        values: pairwise_distances(matrices, metric, homology_dim, &add)?,
                    })
                })
                .collect::<Result<Vec<_>>>()
        };
        let head_means = |image: usize| -> Vec<&MatrixTopology> {
            (0..n_layers)
                .map(|layer| inspection.matrix(image, layer, 0))
                .collect()
        };
        let heads = |image: usize| -> Vec<&MatrixTopology> {
            (0..n_layers)
                .flat_map(|layer| (1..=inspection.heads.len()).map(move |head| (layer, head)))
                .map(|(layer, head)| inspection.matrix(image, layer, head))
                .collect()
        };
        let layers = (0..n_images)
            .map(|image| compare(&head_means(image)))
            .collect::<Result<_>>()?;
        let heads = (0..n_head_images)
            .map(|image| compare(&heads(image)))
            .collect::<Result<_>>()?;
        let mut images = Vec::new();
        for &(metric, homology_dim) in &kinds {
            images.push(ImageComparison {
                metric,
                homology_dim,
                curves: pair_curves(inspection, metric, homology_dim, &add)?,
            });
        }
        Ok(Self {
            layers,
            heads,
            images,
        })
    }
}

/// Returns the distances between all diagrams of one homology dimension, `[n, n]`; calls `add` with numbers of
/// distances that are done.
fn pairwise_distances(
    matrices: &[&MatrixTopology],
    metric: DiagramMetric,
    homology_dim: usize,
    add: &(dyn Fn(usize) + Sync),
) -> Result<Vec<f64>> {
    // Extracted once, since every diagram takes part in many comparisons.
    let points: Vec<Vec<Point>> = matrices
        .iter()
        .map(|matrix| matrix.points(homology_dim))
        .collect();
    let n = points.len();
    // Distances are symmetric: only those below the diagonal are computed.
    let rows: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|i| {
            let row = (0..i).map(|j| metric.distance(&points[i], &points[j]));
            let row = row.collect::<Result<Vec<f64>>>()?;
            add(i);
            Ok(row)
        })
        .collect::<Result<_>>()?;
    let mut values = vec![0.0; n * n];
    for (i, row) in rows.into_iter().enumerate() {
        for (j, value) in row.into_iter().enumerate() {
            values[i * n + j] = value;
            values[j * n + i] = value;
        }
    }
    Ok(values)
}
