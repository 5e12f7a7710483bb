//! Topology of attention for monitoring: diagrams and distances on the host, without gradients.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::scale::{SCALE_FLOOR, spanning_tree_scale};
use crate::distance::RowDistance;
use crate::error::Result;
use crate::fused::read_values;
use crate::nn::{AttentionRows, Heads, Pipeline, RowTopology, Tokens};
use crate::topology::{Diagram, DistanceMatrix, GroundNorm, Point, wasserstein};

/// Topology of one layer's attention for one image or frame, without gradients.
///
/// The points are the attention rows of the patches, averaged over the heads; their distance is the
/// Jensen-Shannon distance.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::AttentionTopology;
///
/// let scores = Tensor::<4>::random([2, 3, 9, 9], Distribution::Default, &Device::flex());
/// let images = AttentionTopology::measure(softmax(scores, 3), 0)?;
/// assert_eq!((images.len(), images[0].diagrams.len()), (2, 2));
/// assert_eq!(images[0].distance(&images[0], 1)?.normalized, Some(0.0));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AttentionTopology {
    /// Persistence diagrams by homology dimension, from 0 to [`AttentionTopology::MAX_DIM`].
    pub diagrams: Vec<Diagram<f64>>,
    /// Number of patches.
    pub n_points: usize,
    /// Mean distance between two different rows, 0 to `sqrt(ln 2)`.
    pub mean_distance: f64,
    /// Fraction of the distances that are equal to at least one other, 0 to 1.
    pub tied_fraction: f64,
}

/// 2-Wasserstein distance between two diagrams, raw and normalised; ground norm L-infinity.
///
/// Essential bars are left out.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::AttentionTopology;
///
/// // Two tokens that attend to themselves only, and two that attend to both almost evenly.
/// let weights = [[[[1.0, 0.0], [0.0, 1.0]]], [[[0.6, 0.4], [0.4, 0.6]]]];
/// let images = AttentionTopology::measure(Tensor::from_data(weights, &Device::flex()), 0)?;
/// let distance = images[0].distance(&images[1], 0)?;
/// // The only death is much larger in the first, but divided by its scale it is 1 in both.
/// assert!(distance.raw > 0.4);
/// assert_eq!(distance.normalized, Some(0.0));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopologyDistance {
    /// Distance between the diagrams as they are, in the unit of the row distance.
    pub raw: f64,
    /// Distance after dividing each diagram by its own scale; `None` if a scale is below [`SCALE_FLOOR`].
    pub normalized: Option<f64>,
}

impl AttentionTopology {
    /// Largest homology dimension that is computed: 1.
    pub const MAX_DIM: usize = 1;

    /// Computes the topology of each image's attention, images in parallel.
    ///
    /// # Shapes
    ///
    /// - `weights`: `[batch_size, n_heads, n_tokens, n_tokens]`
    ///
    /// # Gradient
    ///
    /// None.
    ///
    /// # Errors
    ///
    /// As [`AttentionRows::select`].
    pub fn measure(weights: Tensor<4>, n_prefix_tokens: usize) -> Result<Vec<Self>> {
        let rows = AttentionRows {
            heads: Heads::Mean,
            tokens: Tokens::Patches,
            n_prefix_tokens,
        };
        // Without the graph, so that monitoring records no operations during training.
        let rows = rows.select(weights.without_autodiff())?;
        let [_, n_points, n_outcomes] = rows.dims();
        let values: Vec<f32> =
            read_values(rows).map_err(|error| error.within("attention cannot be read"))?;
        let pipeline = Pipeline::new(Self::MAX_DIM, f64::INFINITY)?;
        values
            // `select` has refused attention without patches, so the chunk size is not 0.
            .par_chunks(n_points * n_outcomes)
            .map_init(
                || pipeline.clone(),
                |pipeline, rows| {
                    let shape = [n_points, n_outcomes];
                    let RowTopology {
                        diagrams,
                        distances,
                        ..
                    } = pipeline.rows(rows, shape, RowDistance::JENSEN_SHANNON)?;
                    Ok(Self {
                        diagrams,
                        n_points,
                        mean_distance: DistanceMatrix::from_symmetric(&distances, n_points).mean(),
                        tied_fraction: tied_fraction(&distances, n_points),
                    })
                },
            )
            .collect()
    }

    /// Returns the distance to another image's diagram of the same homology dimension.
    ///
    /// # Errors
    ///
    /// As [`wasserstein`].
    ///
    /// # Panics
    ///
    /// If `homology_dim` is above [`AttentionTopology::MAX_DIM`].
    pub fn distance(&self, other: &Self, homology_dim: usize) -> Result<TopologyDistance> {
        let between = |scales: [f64; 2]| {
            let [a, b] = [
                self.points(homology_dim, scales[0]),
                other.points(homology_dim, scales[1]),
            ];
            Ok(wasserstein(&a, &b, 2.0, GroundNorm::Infinity)?.distance)
        };
        let scales = [self, other].map(|side| spanning_tree_scale(&side.diagrams, side.n_points));
        // Near collapse, dividing by the scale would turn rounding errors into a large distance.
        let is_gated = scales.iter().any(|&scale| scale < SCALE_FLOOR);
        Ok(TopologyDistance {
            raw: between([1.0; 2])?,
            normalized: if is_gated {
                None
            } else {
                Some(between(scales)?)
            },
        })
    }

    /// Finite bars as (birth, death), divided by a scale.
    fn points(&self, homology_dim: usize, scale: f64) -> Vec<Point> {
        self.diagrams[homology_dim]
            .finite()
            .map(|bar| [bar.birth / scale, bar.death / scale])
            .collect()
    }
}

/// Fraction of the distances above the diagonal that are equal to at least one other.
fn tied_fraction(distances: &[f32], n_points: usize) -> f64 {
    let above_diagonal = |i: usize| &distances[i * n_points + i + 1..(i + 1) * n_points];
    let mut sorted: Vec<f32> = (0..n_points).flat_map(above_diagonal).copied().collect();
    // Equal numbers are neighbours after sorting. No tolerance: only exact ties are broken by the order of points.
    sorted.sort_unstable_by(f32::total_cmp);
    let n_tied: usize = sorted
        .chunk_by(|a, b| a == b)
        .map(<[f32]>::len)
        .filter(|&size| size > 1)
        .sum();
    n_tied as f64 / sorted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_distances_are_counted_as_tied() {
        // Distances 1, 1, 2 above the diagonal.
        let distances = [0.0, 1.0, 1.0, 1.0, 0.0, 2.0, 1.0, 2.0, 0.0];
        assert_eq!(tied_fraction(&distances, 3), 2.0 / 3.0);
        assert_eq!(tied_fraction(&[0.0], 1), 0.0);
    }
}
