//! One layer's attention over a batch, image by image, on the host.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::distance::{PairwiseDistances, RowDistance};
use crate::error::{Error, Result};
use crate::nn::{AttentionRows, Heads, Tokens};
use crate::topology::{Diagram, DistanceMatrix, MAX_HOMOLOGY_DIM, VietorisRips};

/// The topology of one layer's attention for one image.
#[derive(Debug, Clone)]
pub(super) struct ImageTopology {
    /// By homology dimension.
    pub(super) diagrams: Vec<Diagram<f64>>,
    pub(super) n_points: usize,
    /// Of two different rows.
    pub(super) mean_distance: f64,
    /// Share of the distances that another one equals.
    pub(super) tied: f64,
}

/// Reads the mean of the heads over the patches of `[batch_size, n_heads, n_tokens, n_tokens]`.
///
/// # Errors
///
/// As [`AttentionRows::select`].
pub(super) fn read(weights: Tensor<4>, n_prefix_tokens: usize) -> Result<Vec<ImageTopology>> {
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
            let diagrams = VietorisRips::new(MAX_HOMOLOGY_DIM)?.diagrams(&matrix)?;
            Ok(ImageTopology {
                diagrams: diagrams.iter().map(Diagram::to_f64).collect(),
                n_points,
                mean_distance: matrix.mean(),
                tied: tied(&distances, n_points),
            })
        })
        .collect()
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
