//! The topology of attention, watched layer by layer whether it is penalised or not.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::loss::{AttentionTopology, TopologyDistance};
use crate::model::TokenLayout;
use crate::topology::Diagram;

/// Images whose lifetimes are kept for histograms.
const N_SAMPLED: usize = 64;

/// Means over images, or frames, of what the layers' diagrams say; the mean of the heads, over the
/// patches.
#[derive(Debug, Default, Clone)]
pub struct LayerMonitor {
    /// Sums over images and how many there were, by name, in the order they were first seen.
    sums: Vec<(String, f64, usize)>,
    samples: Vec<LayerSample>,
}

/// What is kept of a layer beside the means.
#[derive(Debug, Default, Clone)]
pub struct LayerSample {
    /// Diagrams of the first image, or of every frame of the first clip, by homology dimension.
    pub first: Vec<Vec<Diagram<f64>>>,
    /// Lifetimes of the finite bars of the first images, by homology dimension.
    pub lifetimes: [Vec<f64>; AttentionTopology::MAX_DIM + 1],
    n_images: usize,
}

impl LayerMonitor {
    /// Adds a batch: per layer, attention `[batch_size, n_heads, n_tokens, n_tokens]`, its share
    /// within the frame `[batch_size, n_heads]` where that is not all, and the tokens after it,
    /// `[batch_size, n_tokens, d_model]`; of clips, the frames of one after those of another.
    ///
    /// # Errors
    ///
    /// As [`AttentionRows::select`](crate::nn::AttentionRows::select).
    pub fn add(
        &mut self,
        attention: &[Tensor<4>],
        mass: &[Tensor<2>],
        hidden: &[Tensor<3>],
        tokens: TokenLayout,
    ) -> Result<()> {
        let mut layers = Vec::with_capacity(attention.len());
        for (layer, weights) in attention.iter().enumerate() {
            let entropy = entropy(weights.clone())?;
            self.accumulate("attention/entropy", layer, entropy, weights.dims()[0]);
            layers.push(AttentionTopology::read(
                weights.clone(),
                tokens.n_prefix_tokens,
            )?);
        }
        for (layer, mass) in mass.iter().enumerate() {
            let [n_images, n_heads] = mass.dims();
            let mass = sum_on_host(mass.clone().without_autodiff())? / n_heads as f64;
            self.accumulate("attention/mass_in_frame", layer, mass, n_images);
        }
        for (layer, hidden) in hidden.iter().enumerate() {
            let rank = effective_rank(hidden.clone())?;
            self.accumulate("tokens/effective_rank", layer, rank, hidden.dims()[0]);
        }
        // A batch that is not watched has no layers, and takes none away.
        let n_layers = layers.len().max(self.samples.len());
        self.samples.resize(n_layers, LayerSample::default());
        for (layer, images) in layers.iter().enumerate() {
            for image in images {
                self.add_image(layer, image);
                self.samples[layer].add(image, tokens.n_frames);
            }
        }
        for (layer, pair) in layers.windows(2).enumerate() {
            let pairs = pair[0].iter().zip(&pair[1]).map(Into::into).collect();
            let outcome = PairTotals::of(pairs)?;
            self.add_pairs("topology", "_next", &format!("layer{layer:02}"), &outcome);
        }
        if tokens.n_frames > 1 {
            for (layer, images) in layers.iter().enumerate() {
                self.add_frames(layer, images, tokens.n_frames)?;
            }
        }
        Ok(())
    }

    /// Name and mean of everything watched. Distances have the unit of the attention distance.
    pub fn means(&self) -> Vec<(String, f64)> {
        let of_sum = |(name, sum, n): &(String, f64, usize)| (name.clone(), sum / *n as f64);
        self.sums.iter().map(of_sum).collect()
    }

    /// The normalised 2-Wasserstein distance to the next layer, mean over the pairs of layers.
    pub fn mean_distance_to_next(&self, homology_dim: usize) -> Option<f64> {
        let of_pairs = self.by_layer(&format!(
            "topology/h{homology_dim}_wasserstein_next_normalized"
        ));
        (!of_pairs.is_empty()).then(|| of_pairs.iter().sum::<f64>() / of_pairs.len() as f64)
    }

    /// The normalised 2-Wasserstein distance to the next frame, mean over pairs of frames and layers.
    pub fn mean_distance_to_next_frame(&self, homology_dim: usize) -> Option<f64> {
        let of_layers = self.by_layer(&format!(
            "frames/h{homology_dim}_wasserstein_next_normalized"
        ));
        (!of_layers.is_empty()).then(|| of_layers.iter().sum::<f64>() / of_layers.len() as f64)
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

    fn add_image(&mut self, layer: usize, image: &AttentionTopology) {
        self.accumulate("topology/mean_distance", layer, image.mean_distance, 1);
        self.accumulate("topology/tied_distances", layer, image.tied, 1);
        for diagram in &image.diagrams {
            let n_bars = diagram.finite().count();
            for (name, value) in [
                ("n_bars", n_bars as f64),
                ("empty", f64::from(u8::from(n_bars == 0))),
                ("total_persistence", diagram.total_persistence()),
                ("largest_persistence", diagram.largest_persistence()),
            ] {
                let name = format!("topology/h{}_{name}", diagram.homology_dim);
                self.accumulate(&name, layer, value, 1);
            }
        }
    }

    /// Each frame with the next: over all pairs, and pair by pair.
    fn add_frames(
        &mut self,
        layer: usize,
        frames: &[AttentionTopology],
        n_frames: usize,
    ) -> Result<()> {
        for pair in 0..n_frames - 1 {
            let clips = frames.chunks_exact(n_frames);
            let pairs = clips.map(|clip| [&clip[pair], &clip[pair + 1]]).collect();
            let outcome = PairTotals::of(pairs)?;
            let layer = format!("layer{layer:02}");
            self.add_pairs("frames", "_next", &layer, &outcome);
            self.add_pairs(
                "frame_pairs",
                "",
                &format!("{layer}_pair{pair:02}"),
                &outcome,
            );
        }
        Ok(())
    }

    fn add_pairs(&mut self, group: &str, what: &str, place: &str, found: &PairTotals) {
        let gated = match group {
            "topology" => "gated_pairs",
            _ => "gated",
        };
        self.sum_up(
            &format!("{group}/{gated}/{place}"),
            found.n_gated as f64,
            found.n_pairs,
        );
        for (homology_dim, [raw, normalized]) in found.distances.iter().enumerate() {
            let name = format!("{group}/h{homology_dim}_wasserstein{what}");
            self.sum_up(&format!("{name}/{place}"), *raw, found.n_pairs);
            self.sum_up(
                &format!("{name}_normalized/{place}"),
                *normalized,
                found.n_pairs,
            );
        }
    }

    fn accumulate(&mut self, name: &str, layer: usize, value: f64, n: usize) {
        self.sum_up(&format!("{name}/layer{layer:02}"), value, n);
    }

    fn sum_up(&mut self, name: &str, value: f64, n: usize) {
        match self.sums.iter_mut().find(|(known, ..)| known == name) {
            Some((_, sum, count)) => {
                *sum += value;
                *count += n;
            }
            None => self.sums.push((name.to_owned(), value, n)),
        }
    }
}

/// Distances of pairs of images or frames, in sum.
struct PairTotals {
    n_pairs: usize,
    n_gated: usize,
    /// By homology dimension: raw, and over the scales, where gated pairs count nothing.
    distances: [[f64; 2]; AttentionTopology::MAX_DIM + 1],
}

impl PairTotals {
    fn of(pairs: Vec<[&AttentionTopology; 2]>) -> Result<Self> {
        let mut n_gated = 0;
        let mut distances = [[0.0; 2]; AttentionTopology::MAX_DIM + 1];
        for (homology_dim, totals) in distances.iter_mut().enumerate() {
            let of_pairs = pairs
                .par_iter()
                .map(|[first, second]| first.distance(second, homology_dim))
                .collect::<Result<Vec<TopologyDistance>>>()?;
            *totals = [
                of_pairs.iter().map(|found| found.raw).sum(),
                of_pairs.iter().filter_map(|found| found.normalized).sum(),
            ];
            // The scale is that of all dimensions.
            let gated = of_pairs.iter().filter(|found| found.normalized.is_none());
            n_gated = gated.count();
        }
        Ok(Self {
            n_pairs: pairs.len(),
            n_gated,
            distances,
        })
    }
}

impl LayerSample {
    fn add(&mut self, image: &AttentionTopology, n_frames: usize) {
        if self.n_images < n_frames {
            self.first.push(image.diagrams.clone());
        }
        if self.n_images < N_SAMPLED {
            for (lifetimes, diagram) in self.lifetimes.iter_mut().zip(&image.diagrams) {
                lifetimes.extend(diagram.finite().map(|bar| bar.persistence()));
            }
        }
        self.n_images += 1;
    }
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
    fn what_was_seen_outlasts_batches_that_are_not_watched() {
        let layer = Tensor::<4>::full([2, 1, 5, 5], 0.2, &Device::flex());
        let tokens = TokenLayout {
            n_frames: 2,
            n_prefix_tokens: 1,
            grid: [2, 2],
        };
        let mut monitor = LayerMonitor::default();
        monitor
            .add(&[layer.clone(), layer], &[], &[], tokens)
            .unwrap();
        let means = monitor.means();
        monitor.add(&[], &[], &[], tokens).unwrap();
        assert_eq!(monitor.samples().len(), 2);
        assert_eq!(monitor.samples()[1].first.len(), 2);
        assert_eq!(monitor.means(), means);
    }

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
