//! The topology of attention, watched layer by layer whether it is penalised or not.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::error::Result;
use crate::loss::{SCALE_FLOOR, spanning_tree_scale};
use crate::nn::{AttentionRows, DiagramBatch, Heads, Persistence, Tokens};
use crate::topology::{GroundNorm, MAX_HOMOLOGY_DIM, Point, wasserstein};

/// Means over images of what the layers' diagrams say; the mean of the heads, over the patches.
#[derive(Debug, Default, Clone)]
pub struct LayerMonitor {
    n_images: usize,
    /// Sums over images, by name, in the order they were first seen.
    sums: Vec<(String, f64)>,
}

impl LayerMonitor {
    /// Adds a batch: one `[batch_size, n_heads, n_tokens, n_tokens]` per layer.
    ///
    /// # Errors
    ///
    /// As [`AttentionRows::select`] and [`Persistence::distributions`].
    pub fn add(&mut self, attention: &[Tensor<4>], n_prefix_tokens: usize) -> Result<()> {
        let rows = AttentionRows {
            heads: Heads::Mean,
            tokens: Tokens::Patches,
            n_prefix_tokens,
        };
        let persistence = Persistence::new(MAX_HOMOLOGY_DIM)?;
        let mut layers = Vec::with_capacity(attention.len());
        for (layer, weights) in attention.iter().enumerate() {
            let weights = weights.clone().without_autodiff();
            self.accumulate("attention/entropy", layer, entropy(weights.clone()));
            layers.push(persistence.distributions(rows.select(weights)?)?);
        }
        for (layer, batch) in layers.iter().enumerate() {
            self.add_layer(layer, batch);
        }
        for (layer, pair) in layers.windows(2).enumerate() {
            self.add_pair(layer, &pair[0], &pair[1])?;
        }
        self.n_images += layers.first().map_or(0, DiagramBatch::batch_size);
        Ok(())
    }

    /// Name and mean of everything watched. Distances have the unit of the attention distance.
    pub fn means(&self) -> Vec<(String, f64)> {
        let n = self.n_images.max(1) as f64;
        self.sums
            .iter()
            .map(|(name, sum)| (name.clone(), sum / n))
            .collect()
    }

    /// The normalised 2-Wasserstein distance to the next layer, mean over the pairs of layers.
    pub fn mean_distance_to_next(&self, homology_dim: usize) -> Option<f64> {
        let prefix = format!("topology/h{homology_dim}_wasserstein_next_normalized/");
        let means = self.means();
        let of_pairs: Vec<f64> = means
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(_, v)| *v)
            .collect();
        (!of_pairs.is_empty()).then(|| of_pairs.iter().sum::<f64>() / of_pairs.len() as f64)
    }

    fn add_layer(&mut self, layer: usize, batch: &DiagramBatch) {
        for item in 0..batch.batch_size() {
            self.accumulate("topology/mean_distance", layer, batch.mean_distance(item));
            for diagram in batch.diagrams(item) {
                let named = |name: &str| format!("topology/h{}_{name}", diagram.homology_dim);
                self.accumulate(&named("n_bars"), layer, diagram.finite().count() as f64);
                self.accumulate(
                    &named("total_persistence"),
                    layer,
                    diagram.total_persistence(),
                );
                self.accumulate(
                    &named("largest_persistence"),
                    layer,
                    diagram.largest_persistence(),
                );
            }
        }
    }

    fn add_pair(&mut self, layer: usize, first: &DiagramBatch, next: &DiagramBatch) -> Result<()> {
        for homology_dim in 0..=MAX_HOMOLOGY_DIM {
            let distances = (0..first.batch_size())
                .into_par_iter()
                .map(|item| {
                    let sides = [first, next];
                    let scales = sides.map(|side| spanning_tree_scale(side, item));
                    let raw = sides.map(|side| points(side, item, homology_dim, 1.0));
                    let raw = distance(&raw)?;
                    if scales.iter().any(|&scale| scale < SCALE_FLOOR) {
                        return Ok([raw, 0.0]);
                    }
                    let scaled = [0, 1].map(|k| points(sides[k], item, homology_dim, scales[k]));
                    Ok([raw, distance(&scaled)?])
                })
                .collect::<Result<Vec<[f64; 2]>>>()?;
            let total = |index: usize| distances.iter().map(|d| d[index]).sum();
            let name = format!("topology/h{homology_dim}_wasserstein_next");
            self.accumulate(&name, layer, total(0));
            self.accumulate(&format!("{name}_normalized"), layer, total(1));
        }
        Ok(())
    }

    fn accumulate(&mut self, name: &str, layer: usize, value: f64) {
        let name = format!("{name}/layer{layer:02}");
        match self.sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += value,
            None => self.sums.push((name, value)),
        }
    }
}

fn points(batch: &DiagramBatch, item: usize, homology_dim: usize, scale: f64) -> Vec<Point> {
    let bars = batch.diagrams(item)[homology_dim].finite();
    bars.map(|bar| [bar.birth / scale, bar.death / scale])
        .collect()
}

fn distance([first, second]: &[Vec<Point>; 2]) -> Result<f64> {
    Ok(wasserstein(first, second, 2.0, GroundNorm::Infinity)?.distance)
}

/// Entropy of the rows over that of a uniform row, mean over heads and rows, summed over images.
fn entropy(weights: Tensor<4>) -> f64 {
    let [_, n_heads, n_tokens, _] = weights.dims();
    // x ln x is 0 at 0; the clamp keeps the logarithm finite there.
    let terms = weights.clone() * weights.clamp_min(f32::MIN_POSITIVE).log();
    let total = -terms.sum().into_scalar::<f64>();
    total / ((n_heads * n_tokens) as f64 * (n_tokens as f64).ln().max(f64::MIN_POSITIVE))
}
