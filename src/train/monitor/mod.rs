//! The topology of attention, watched layer by layer whether it is penalised or not.

mod reading;

use burn::tensor::Tensor;
use rayon::prelude::*;

use self::reading::{ImageTopology, read};
use crate::error::{Error, Result};
use crate::loss::{SCALE_FLOOR, spanning_tree_scale};
use crate::model::TokenLayout;
use crate::topology::{Diagram, GroundNorm, Point, wasserstein};

/// Largest homology dimension watched.
const MAX_WATCHED_DIM: usize = 1;

/// Images whose lifetimes are kept for histograms.
const N_SAMPLED: usize = 64;

/// Means over images of what the layers' diagrams say; the mean of the heads, over the patches.
#[derive(Debug, Default, Clone)]
pub struct LayerMonitor {
    n_images: usize,
    /// Sums over images, by name, in the order they were first seen.
    sums: Vec<(String, f64)>,
    samples: Vec<LayerSample>,
}

/// What is kept of a layer beside the means.
#[derive(Debug, Default, Clone)]
pub struct LayerSample {
    /// Diagrams of the first image, by homology dimension.
    pub first: Vec<Diagram<f64>>,
    /// Lifetimes of the finite bars of the first images, by homology dimension.
    pub lifetimes: [Vec<f64>; MAX_WATCHED_DIM + 1],
    n_images: usize,
}

impl LayerMonitor {
    /// Adds a batch: per layer, attention `[batch_size, n_heads, n_tokens, n_tokens]` and the tokens
    /// after it, `[batch_size, n_tokens, d_model]`.
    ///
    /// # Errors
    ///
    /// As [`AttentionRows::select`](crate::nn::AttentionRows::select).
    pub fn add(
        &mut self,
        attention: &[Tensor<4>],
        hidden: &[Tensor<3>],
        tokens: TokenLayout,
    ) -> Result<()> {
        let mut layers = Vec::with_capacity(attention.len());
        for (layer, weights) in attention.iter().enumerate() {
            self.accumulate("attention/entropy", layer, entropy(weights.clone())?);
            layers.push(read(weights.clone(), tokens.n_prefix_tokens)?);
        }
        for (layer, hidden) in hidden.iter().enumerate() {
            let rank = effective_rank(hidden.clone())?;
            self.accumulate("tokens/effective_rank", layer, rank);
        }
        self.samples.resize(layers.len(), LayerSample::default());
        for (layer, images) in layers.iter().enumerate() {
            for image in images {
                self.add_image(layer, image);
                self.samples[layer].add(image);
            }
        }
        for (layer, pair) in layers.windows(2).enumerate() {
            self.add_pair(layer, &pair[0], &pair[1])?;
        }
        self.n_images += layers.first().map_or(0, Vec::len);
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
        let of_pairs = self.by_layer(&format!(
            "topology/h{homology_dim}_wasserstein_next_normalized"
        ));
        (!of_pairs.is_empty()).then(|| of_pairs.iter().sum::<f64>() / of_pairs.len() as f64)
    }

    /// Mean distance between two rows of attention, layer by layer.
    pub fn mean_distances(&self) -> Vec<f64> {
        self.by_layer("topology/mean_distance")
    }

    /// What is kept beside the means, layer by layer.
    pub fn samples(&self) -> &[LayerSample] {
        &self.samples
    }

    fn by_layer(&self, name: &str) -> Vec<f64> {
        let prefix = format!("{name}/");
        let means = self.means();
        let of_layers = means.iter().filter(|(name, _)| name.starts_with(&prefix));
        of_layers.map(|(_, mean)| *mean).collect()
    }

    fn add_image(&mut self, layer: usize, image: &ImageTopology) {
        self.accumulate("topology/mean_distance", layer, image.mean_distance);
        self.accumulate("topology/tied_distances", layer, image.tied);
        for diagram in &image.diagrams {
            let n_bars = diagram.finite().count();
            for (name, value) in [
                ("n_bars", n_bars as f64),
                ("empty", f64::from(u8::from(n_bars == 0))),
                ("total_persistence", diagram.total_persistence()),
                ("largest_persistence", diagram.largest_persistence()),
            ] {
                let name = format!("topology/h{}_{name}", diagram.homology_dim);
                self.accumulate(&name, layer, value);
            }
        }
    }

    fn add_pair(
        &mut self,
        layer: usize,
        first: &[ImageTopology],
        next: &[ImageTopology],
    ) -> Result<()> {
        let is_gated =
            |pair: &[&ImageTopology; 2]| pair.iter().any(|side| scale(side) < SCALE_FLOOR);
        let pairs: Vec<[&ImageTopology; 2]> = first.iter().zip(next).map(Into::into).collect();
        let n_gated = pairs.iter().filter(|pair| is_gated(pair)).count();
        self.accumulate("topology/gated_pairs", layer, n_gated as f64);
        for homology_dim in 0..=MAX_WATCHED_DIM {
            let distances = pairs
                .par_iter()
                .map(|pair| {
                    let raw = distance(pair.map(|side| points(side, homology_dim, 1.0)))?;
                    if is_gated(pair) {
                        return Ok([raw, 0.0]);
                    }
                    let scaled = pair.map(|side| points(side, homology_dim, scale(side)));
                    Ok([raw, distance(scaled)?])
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

impl LayerSample {
    fn add(&mut self, image: &ImageTopology) {
        if self.n_images == 0 {
            self.first.clone_from(&image.diagrams);
        }
        if self.n_images < N_SAMPLED {
            for (lifetimes, diagram) in self.lifetimes.iter_mut().zip(&image.diagrams) {
                lifetimes.extend(diagram.finite().map(|bar| bar.persistence()));
            }
        }
        self.n_images += 1;
    }
}

fn scale(image: &ImageTopology) -> f64 {
    spanning_tree_scale(&image.diagrams, image.n_points)
}

fn points(image: &ImageTopology, homology_dim: usize, scale: f64) -> Vec<Point> {
    let bars = image.diagrams[homology_dim].finite();
    bars.map(|bar| [bar.birth / scale, bar.death / scale])
        .collect()
}

fn distance([first, second]: [Vec<Point>; 2]) -> Result<f64> {
    Ok(wasserstein(&first, &second, 2.0, GroundNorm::Infinity)?.distance)
}

/// Entropy of the rows over that of a uniform row, mean over heads and rows, summed over images.
fn entropy(weights: Tensor<4>) -> Result<f64> {
    let [_, n_heads, n_tokens, _] = weights.dims();
    let weights = weights.without_autodiff();
    // x ln x is 0 at 0; the clamp keeps the logarithm finite there.
    let terms = weights.clone() * weights.clamp_min(f32::MIN_POSITIVE).log();
    let total = -sum_on_host(terms.sum_dim(3))?;
    Ok(total / ((n_heads * n_tokens) as f64 * (n_tokens as f64).ln().max(f64::MIN_POSITIVE)))
}

/// Graphics cards add a whole tensor in no fixed order.
fn sum_on_host<const D: usize>(tensor: Tensor<D>) -> Result<f64> {
    let values: Vec<f64> = tensor
        .try_into_vec_as()
        .map_err(|e| Error::invalid_distribution(format!("attention cannot be read: {e}")))?;
    Ok(values.iter().sum())
}

/// Effective rank of the centred tokens, summed over images: 1 if they lie on a line, 0 if they
/// are all equal.
///
/// The participation ratio of the eigenvalues of their Gram matrix, (sum of l)^2 / (sum of l^2): the
/// effective rank of order two, which needs no eigenvalues.
fn effective_rank(hidden: Tensor<3>) -> Result<f64> {
    let hidden = hidden.without_autodiff();
    let centred = hidden.clone() - hidden.mean_dim(1);
    let trace: Tensor<3> = centred.clone().square().sum_dim(2).sum_dim(1);
    let gram = centred.clone().matmul(centred.swap_dims(1, 2)); // [batch, token, token]
    let squares: Tensor<3> = gram.square().sum_dim(2).sum_dim(1);
    // Where there is nothing, 0 / tiny is 0.
    sum_on_host(trace.square() / squares.clamp_min(f32::MIN_POSITIVE))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn effective_rank_counts_equal_directions() {
        let device = Device::flex();
        let tokens = |rows: [[f32; 3]; 4]| Tensor::<3>::from_data([rows], &device);
        let line = tokens([[1., 1., 0.], [2., 2., 0.], [3., 3., 0.], [4., 4., 0.]]);
        let cross = tokens([[1., 0., 5.], [-1., 0., 5.], [0., 1., 5.], [0., -1., 5.]]);
        let point = tokens([[1., 2., 3.]; 4]);
        for (tokens, expected) in [(line, 1.0), (cross, 2.0), (point, 0.0)] {
            let found = effective_rank(tokens).unwrap();
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
