//! Attention topology of every layer, measured at validation whether or not it is penalised.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::error::Result;
use crate::fused::read_values;
use crate::loss::{AttentionTopology, TopologyDistance};
use crate::mean::mean;
use crate::model::TokenLayout;
use crate::nn::{row_entropies, uniform_entropy};
use crate::topology::Diagram;

/// Number of images whose persistences are kept for histograms.
const N_HISTOGRAM_IMAGES: usize = 64;

/// Attention statistics of every layer, averaged over images or frames.
///
/// Diagrams are those of the mean over heads, between patch tokens, under the Jensen-Shannon distance.
#[derive(Debug, Default, Clone)]
pub struct LayerMonitor {
    /// Running sums in the order in which the names first appeared, which is also the order of the output.
    sums: Vec<NamedSum>,
    snapshots: Vec<LayerSnapshot>,
}

/// Diagrams and persistences of one layer, kept for plots.
#[derive(Debug, Default, Clone)]
pub struct LayerSnapshot {
    /// Diagrams of the first image, or of every frame of the first clip, by homology dimension.
    pub first_diagrams: Vec<Vec<Diagram<f64>>>,
    /// Persistences of the finite bars of the first images, by homology dimension.
    pub persistences: [Vec<f64>; AttentionTopology::MAX_DIM + 1],
    n_images: usize,
}

impl LayerMonitor {
    /// Adds a batch.
    ///
    /// # Shapes
    ///
    /// One tensor per layer; the batch dimension of clips runs over all frames of the first clip, then of the second.
    ///
    /// - `attention`: `[batch_size, n_heads, n_tokens, n_tokens]`
    /// - `within_frame`: fraction of attention within the frame, `[batch_size, n_heads]`; empty where it is always 1
    /// - `hidden`: tokens after the layer, `[batch_size, n_tokens, d_model]`
    ///
    /// # Errors
    ///
    /// The errors of [`AttentionRows::select`](crate::nn::AttentionRows::select), and
    /// [`Error::is_device_error`](crate::Error::is_device_error) if values cannot be read from their device.
    pub fn add(
        &mut self,
        attention: &[Tensor<4>],
        within_frame: &[Tensor<2>],
        hidden: &[Tensor<3>],
        tokens: TokenLayout,
    ) -> Result<()> {
        let mut layers = Vec::with_capacity(attention.len());
        for (layer, weights) in attention.iter().enumerate() {
            let entropy = entropy(weights.clone())?;
            self.add_to_layer("attention/entropy", layer, entropy, weights.dims()[0]);
            layers.push(AttentionTopology::measure(
                weights.clone(),
                tokens.n_prefix_tokens,
            )?);
        }
        for (layer, fractions) in within_frame.iter().enumerate() {
            let [n_images, n_heads] = fractions.dims();
            // Only heads are averaged here; `means` divides by the number of images.
            let total = sum_on_host(fractions.clone().without_autodiff())? / n_heads as f64;
            self.add_to_layer("attention/within_frame", layer, total, n_images);
        }
        for (layer, hidden) in hidden.iter().enumerate() {
            let rank = effective_rank(hidden.clone())?;
            self.add_to_layer("tokens/effective_rank", layer, rank, hidden.dims()[0]);
        }
        // A batch without captured attention has no layers, and must not drop those collected before.
        let n_layers = layers.len().max(self.snapshots.len());
        self.snapshots.resize(n_layers, LayerSnapshot::default());
        for (layer, images) in layers.iter().enumerate() {
            for image in images {
                self.add_image(layer, image);
                self.snapshots[layer].add(image, tokens.n_frames);
            }
        }
        for (layer, pair) in layers.windows(2).enumerate() {
            let pairs = pair[0].iter().zip(&pair[1]).map(Into::into).collect();
            let totals = PairTotals::new(pairs)?;
            self.add_pairs("topology", "_next", &format!("layer{layer:02}"), &totals);
        }
        if tokens.n_frames > 1 {
            for (layer, images) in layers.iter().enumerate() {
                self.add_frames(layer, images, tokens.n_frames)?;
            }
        }
        Ok(())
    }

    /// Name and mean of every statistic. Distances have the unit of the row distance.
    pub fn means(&self) -> Vec<(String, f64)> {
        let mean = |entry: &NamedSum| (entry.name.clone(), entry.sum / entry.n as f64);
        self.sums.iter().map(mean).collect()
    }

    /// Normalised 2-Wasserstein distance between consecutive layers, averaged over all pairs; `None` without pairs.
    pub fn mean_distance_to_next(&self, homology_dim: usize) -> Option<f64> {
        mean(self.by_layer(&format!(
            "topology/h{homology_dim}_wasserstein_next_normalized"
        )))
    }

    /// Normalised 2-Wasserstein distance between consecutive frames, averaged over all pairs and layers; `None` for
    /// images.
    pub fn mean_distance_to_next_frame(&self, homology_dim: usize) -> Option<f64> {
        mean(self.by_layer(&format!(
            "frames/h{homology_dim}_wasserstein_next_normalized"
        )))
    }

    /// Mean distance between two attention rows, for each layer.
    pub fn mean_distances(&self) -> Vec<f64> {
        self.by_layer("topology/mean_distance")
    }

    /// Diagrams and persistences kept for plots, for each layer.
    pub fn snapshots(&self) -> &[LayerSnapshot] {
        &self.snapshots
    }

    /// Means of one statistic, for each layer.
    fn by_layer(&self, name: &str) -> Vec<f64> {
        // Names are in the order of the layers, since every batch adds the layers in this order.
        let prefix = format!("{name}/");
        self.means()
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(_, mean)| *mean)
            .collect()
    }

    /// Adds the statistics of one image or frame in one layer.
    fn add_image(&mut self, layer: usize, image: &AttentionTopology) {
        self.add_to_layer("topology/mean_distance", layer, image.mean_distance, 1);
        self.add_to_layer("topology/tied_distances", layer, image.tied_fraction, 1);
        for diagram in &image.diagrams {
            let n_bars = diagram.finite().count();
            for (name, value) in [
                ("n_bars", n_bars as f64),
                ("empty", f64::from(u8::from(n_bars == 0))),
                ("total_persistence", diagram.total_persistence()),
                ("largest_persistence", diagram.largest_persistence()),
            ] {
                let name = format!("topology/h{}_{name}", diagram.homology_dim);
                self.add_to_layer(&name, layer, value, 1);
            }
        }
    }

    /// Adds distances between consecutive frames: over all pairs together, and for each pair of frames.
    fn add_frames(
        &mut self,
        layer: usize,
        frames: &[AttentionTopology],
        n_frames: usize,
    ) -> Result<()> {
        for pair in 0..n_frames - 1 {
            let clips = frames.chunks_exact(n_frames);
            let pairs = clips.map(|clip| [&clip[pair], &clip[pair + 1]]).collect();
            let totals = PairTotals::new(pairs)?;
            let layer = format!("layer{layer:02}");
            self.add_pairs("frames", "_next", &layer, &totals);
            self.add_pairs(
                "frame_pairs",
                "",
                &format!("{layer}_pair{pair:02}"),
                &totals,
            );
        }
        Ok(())
    }

    /// Adds distances under `{group}/h{dim}_wasserstein{suffix}/{location}`, and the number of gated pairs.
    fn add_pairs(&mut self, group: &str, suffix: &str, location: &str, totals: &PairTotals) {
        let gated = match group {
            "topology" => "gated_pairs",
            _ => "gated",
        };
        self.add_sum(
            &format!("{group}/{gated}/{location}"),
            totals.n_gated as f64,
            totals.n_pairs,
        );
        for (homology_dim, distance) in totals.distances.iter().enumerate() {
            let name = format!("{group}/h{homology_dim}_wasserstein{suffix}");
            self.add_sum(&format!("{name}/{location}"), distance.raw, totals.n_pairs);
            self.add_sum(
                &format!("{name}_normalized/{location}"),
                distance.normalized,
                totals.n_pairs,
            );
        }
    }

    fn add_to_layer(&mut self, name: &str, layer: usize, value: f64, n: usize) {
        self.add_sum(&format!("{name}/layer{layer:02}"), value, n);
    }

    fn add_sum(&mut self, name: &str, value: f64, n: usize) {
        // A linear search, because a map would lose the order of the names.
        match self.sums.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => {
                entry.sum += value;
                entry.n += n;
            }
            None => self.sums.push(NamedSum {
                name: name.to_owned(),
                sum: value,
                n,
            }),
        }
    }
}

/// Running sum of one statistic.
#[derive(Debug, Clone)]
struct NamedSum {
    name: String,
    sum: f64,
    /// Number of images, frames or pairs in the sum.
    n: usize,
}

/// Distances between pairs of images or frames, summed over the pairs.
struct PairTotals {
    n_pairs: usize,
    n_gated: usize,
    /// Summed distances by homology dimension.
    distances: [SummedDistance; AttentionTopology::MAX_DIM + 1],
}

/// Sum of distances in one homology dimension.
#[derive(Debug, Clone, Copy, Default)]
struct SummedDistance {
    /// Sum in the unit of the row distance.
    raw: f64,
    /// Sum of the distances after normalisation; gated pairs contribute 0.
    normalized: f64,
}

impl PairTotals {
    /// Computes the distances of all pairs in parallel; sums run in the order of the pairs.
    fn new(pairs: Vec<[&AttentionTopology; 2]>) -> Result<Self> {
        let mut n_gated = 0;
        let mut distances = [SummedDistance::default(); AttentionTopology::MAX_DIM + 1];
        for (homology_dim, total) in distances.iter_mut().enumerate() {
            let pair_distances = pairs
                .par_iter()
                .map(|[first, second]| first.distance(second, homology_dim))
                .collect::<Result<Vec<TopologyDistance>>>()?;
            *total = SummedDistance {
                raw: pair_distances.iter().map(|distance| distance.raw).sum(),
                normalized: pair_distances
                    .iter()
                    .filter_map(|distance| distance.normalized)
                    .sum(),
            };
            // All dimensions share one scale, so the same pairs are gated in each of them.
            n_gated = pair_distances
                .iter()
                .filter(|distance| distance.normalized.is_none())
                .count();
        }
        Ok(Self {
            n_pairs: pairs.len(),
            n_gated,
            distances,
        })
    }
}

impl LayerSnapshot {
    /// Keeps what plots need of one image or frame.
    fn add(&mut self, image: &AttentionTopology, n_frames: usize) {
        // For clips, these are all frames of the first clip, since frames of one clip are consecutive.
        if self.n_images < n_frames {
            self.first_diagrams.push(image.diagrams.clone());
        }
        if self.n_images < N_HISTOGRAM_IMAGES {
            for (persistences, diagram) in self.persistences.iter_mut().zip(&image.diagrams) {
                persistences.extend(diagram.finite().map(|bar| bar.persistence()));
            }
        }
        self.n_images += 1;
    }
}

/// Entropy of attention rows relative to a uniform row, averaged over heads and rows, summed over images.
///
/// ```text
/// entropy(row) = -sum over j of row[j] ln row[j] / ln n_tokens, in [0, 1]
/// ```
fn entropy(weights: Tensor<4>) -> Result<f64> {
    let [_, n_heads, n_tokens, _] = weights.dims();
    let total = sum_on_host(row_entropies(weights.without_autodiff()))?;
    Ok(total / ((n_heads * n_tokens) as f64 * uniform_entropy(n_tokens)))
}

/// Sum of all values, added on the host: graphics cards add in no fixed order, and logs must be reproducible.
fn sum_on_host<const D: usize>(tensor: Tensor<D>) -> Result<f64> {
    let values: Vec<f64> =
        read_values(tensor).map_err(|error| error.within("attention cannot be read"))?;
    Ok(values.iter().sum())
}

/// Effective rank of the centred tokens, summed over images: 1 if they lie on a line, 0 if they
/// are all equal.
///
/// ```text
/// rank = (sum of l)^2 / (sum of l^2)    l: eigenvalues of the Gram matrix of the centred tokens
/// ```
///
/// This participation ratio is the effective rank of order two. Trace and squared entries of the Gram matrix are
/// the two sums, so that no eigenvalues are needed.
fn effective_rank(hidden: Tensor<3>) -> Result<f64> {
    let hidden = hidden.without_autodiff();
    let centred = hidden.clone() - hidden.mean_dim(1);
    let trace: Tensor<3> = centred.clone().square().sum_dim(2).sum_dim(1);
    let gram = centred.clone().matmul(centred.swap_dims(1, 2)); // [batch, token, token]
    let squares: Tensor<3> = gram.square().sum_dim(2).sum_dim(1);
    // The clamp makes the rank 0, not NaN, where all tokens are equal.
    sum_on_host(trace.square() / squares.clamp_min(f32::MIN_POSITIVE))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn statistics_survive_batches_without_attention() {
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
        assert_eq!(monitor.snapshots().len(), 2);
        assert_eq!(monitor.snapshots()[1].first_diagrams.len(), 2);
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
            let actual = effective_rank(tokens).unwrap();
            assert!((actual - expected).abs() < 1e-5, "{actual} {expected}");
        }
    }
}
