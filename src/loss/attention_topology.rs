//! One layer's attention over a batch, image by image, on the host: to be looked at, not learned from.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::scale::{SCALE_FLOOR, spanning_tree_scale};
use crate::distance::{PairwiseDistances, RowDistance};
use crate::error::{Error, Result};
use crate::nn::{AttentionRows, Heads, Tokens};
use crate::topology::{Diagram, DistanceMatrix, GroundNorm, Point, VietorisRips, wasserstein};

/// The topology of one layer's attention for one image or frame: of the mean of the heads, over the
/// patches, under the Jensen-Shannon distance.
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
/// let images = AttentionTopology::read(softmax(scores, 3), 0)?;
/// assert_eq!((images.len(), images[0].diagrams.len()), (2, 2));
/// assert_eq!(images[0].distance(&images[0], 1)?.normalized, Some(0.0));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AttentionTopology {
    /// By homology dimension, up to [`AttentionTopology::MAX_DIM`].
    pub diagrams: Vec<Diagram<f64>>,
    /// Number of patches.
    pub n_points: usize,
    /// Of two different rows.
    pub mean_distance: f64,
    /// Share of the distances that another one equals.
    pub tied: f64,
}

/// How far two diagrams of one dimension are from each other: 2-Wasserstein, ground norm L-infinity,
/// essential bars left out.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::AttentionTopology;
///
/// // Two tokens that look at themselves alone, and two that look about evenly.
/// let weights = [[[[1.0, 0.0], [0.0, 1.0]]], [[[0.6, 0.4], [0.4, 0.6]]]];
/// let images = AttentionTopology::read(Tensor::from_data(weights, &Device::flex()), 0)?;
/// let found = images[0].distance(&images[1], 0)?;
/// // The only death is much larger, but over its own scale it is 1 on both sides.
/// assert!(found.raw > 0.4);
/// assert_eq!(found.normalized, Some(0.0));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopologyDistance {
    /// In the unit of the attention distance.
    pub raw: f64,
    /// Each side over the mean edge of its own spanning tree; `None` where that is below
    /// [`SCALE_FLOOR`] on either side.
    pub normalized: Option<f64>,
}

impl AttentionTopology {
    /// Largest homology dimension that is read.
    pub const MAX_DIM: usize = 1;

    /// Reads attention weights, images in parallel.
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
    pub fn read(weights: Tensor<4>, n_prefix_tokens: usize) -> Result<Vec<Self>> {
        let rows = AttentionRows {
            heads: Heads::Mean,
            tokens: Tokens::Patches,
            n_prefix_tokens,
        };
        let rows = rows.select(weights.without_autodiff())?;
        let [_, n_points, n_outcomes] = rows.dims();
        let values: Vec<f32> = rows
            .try_into_vec_as()
            .map_err(|e| Error::invalid_distribution(format!("attention cannot be read: {e}")))?;
        values
            .par_chunks(n_points * n_outcomes)
            .map_init(PairwiseDistances::default, |pairwise, rows| {
                let mut distances = vec![0.0; n_points * n_points];
                pairwise.compute(
                    RowDistance::JENSEN_SHANNON,
                    rows,
                    n_outcomes,
                    &mut distances,
                );
                let matrix = DistanceMatrix::from_symmetric(&distances, n_points);
                let diagrams = VietorisRips::new(Self::MAX_DIM)?.diagrams(&matrix)?;
                Ok(Self {
                    diagrams: diagrams.iter().map(Diagram::to_f64).collect(),
                    n_points,
                    mean_distance: matrix.mean(),
                    tied: tied(&distances, n_points),
                })
            })
            .collect()
    }

    /// The distance to another image's diagram of a dimension.
    ///
    /// # Errors
    ///
    /// As [`wasserstein`].
    ///
    /// # Panics
    ///
    /// If the dimension was not read.
    pub fn distance(&self, other: &Self, homology_dim: usize) -> Result<TopologyDistance> {
        let between = |scales: [f64; 2]| {
            let [a, b] = [
                self.points(homology_dim, scales[0]),
                other.points(homology_dim, scales[1]),
            ];
            Ok(wasserstein(&a, &b, 2.0, GroundNorm::Infinity)?.distance)
        };
        let scales = [self, other].map(|side| spanning_tree_scale(&side.diagrams, side.n_points));
        let is_gated = scales.iter().any(|&scale| scale < SCALE_FLOOR);
        Ok(TopologyDistance {
            raw: between([1.0; 2])?,
            normalized: match is_gated {
                true => None,
                false => Some(between(scales)?),
            },
        })
    }

    fn points(&self, homology_dim: usize, scale: f64) -> Vec<Point> {
        let bars = self.diagrams[homology_dim].finite();
        bars.map(|bar| [bar.birth / scale, bar.death / scale])
            .collect()
    }
}

fn tied(distances: &[f32], n_points: usize) -> f64 {
    let above = |i: usize| &distances[i * n_points + i + 1..(i + 1) * n_points];
    let mut sorted: Vec<f32> = (0..n_points).flat_map(above).copied().collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let groups = sorted.chunk_by(|a, b| a == b);
    let n_tied: usize = groups.map(<[f32]>::len).filter(|&size| size > 1).sum();
    n_tied as f64 / sorted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_that_equal_another_are_counted() {
        // Distances 1, 1, 2 above the diagonal.
        let distances = [0.0, 1.0, 1.0, 1.0, 0.0, 2.0, 1.0, 2.0, 0.0];
        assert_eq!(tied(&distances, 3), 2.0 / 3.0);
        assert_eq!(tied(&[0.0], 1), 0.0);
    }
}
