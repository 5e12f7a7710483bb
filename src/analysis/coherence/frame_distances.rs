//! Topology of attention at each time step, and distances between time steps.

use burn::prelude::*;

use crate::error::Result;
use crate::fused::read_values;
use crate::loss::{AttentionTopology, WITHIN_FRAME_FLOOR};
use crate::mean::mean;
use crate::model::ModelOutput;
use crate::video_metrics::{Better, ClipMetric, Role};

/// Distances between the attention diagrams of consecutive frames, in dimensions 0 and 1; mean over pairs and layers.
///
/// A penalty may have been trained on them. A small value then shows that the penalty works, but not that it helps.
pub const FRAME_DISTANCE_METRICS: [ClipMetric; 2] = [
    frame_distance("h0_frame_distance", "H0 distance to the next frame"),
    frame_distance("h1_frame_distance", "H1 distance to the next frame"),
];

const fn frame_distance(name: &'static str, title: &'static str) -> ClipMetric {
    ClipMetric {
        name,
        title,
        unit: "multiples of the scale",
        better: Better::Lower,
        role: Role::Trained,
    }
}

/// Largest gap between two frames for which distances are computed.
pub(super) const MAX_GAP: usize = 16;

/// Topology of attention by clip, layer and time step.
pub(super) type Topology = Vec<Vec<Vec<Step>>>;

/// Topology of one layer at one time step; `None` if too little attention stays within the frame.
pub(super) type Step = Option<AttentionTopology>;

/// Computes the topology of the attention of a batch.
pub(super) fn frame_topology(output: &ModelOutput, n_clips: usize) -> Result<Topology> {
    let mut clips: Topology = vec![Vec::new(); n_clips];
    for (layer, weights) in output.attention.iter().enumerate() {
        let steps = AttentionTopology::measure(weights.clone(), output.tokens.n_prefix_tokens)?;
        let within_frame = match output.within_frame_attention.get(layer) {
            // Without joint space-time attention every token attends within its frame only.
            None => vec![1.0; steps.len()],
            Some(by_head) => {
                let mean: Tensor<2> = by_head.clone().mean_dim(1);
                read_values(mean).map_err(|error| error.within("attention cannot be read"))?
            }
        };
        let steps: Vec<Step> = steps
            .into_iter()
            .zip(within_frame)
            .map(|(step, fraction)| (fraction >= WITHIN_FRAME_FLOOR).then_some(step))
            .collect();
        // The batch holds all steps of the first clip, then all of the second, and so on.
        for (clip, steps) in clips
            .iter_mut()
            .zip(steps.chunks_exact(steps.len() / n_clips))
        {
            clip.push(steps.to_vec());
        }
    }
    Ok(clips)
}

/// Normalised distances between the time steps of one layer, by homology dimension and gap.
pub(super) struct LayerDistances([Vec<Vec<Option<f64>>>; 2]);

impl LayerDistances {
    /// Returns the distances to the next time step; `None` where a step has no topology or no scale.
    pub(super) fn to_next(&self, homology_dim: usize) -> Vec<Option<f64>> {
        self.0[homology_dim].first().cloned().unwrap_or_default()
    }
}

/// Computes the distances between all time steps of each layer that are at most [`MAX_GAP`] apart.
pub(super) fn layer_distances(layers: &[Vec<Step>]) -> Result<Vec<LayerDistances>> {
    let distances = |steps: &Vec<Step>| {
        let mut by_dim = [Vec::new(), Vec::new()];
        for (homology_dim, by_gap) in by_dim.iter_mut().enumerate() {
            for gap in 1..steps.len().min(MAX_GAP + 1) {
                let pairs = steps.iter().zip(&steps[gap..]);
                let distances = pairs.map(|pair| match pair {
                    (Some(a), Some(b)) => Ok(a.distance(b, homology_dim)?.normalized),
                    _ => Ok(None),
                });
                by_gap.push(distances.collect::<Result<Vec<_>>>()?);
            }
        }
        Ok(LayerDistances(by_dim))
    };
    layers.iter().map(distances).collect()
}

/// Returns the mean distance over layers and pairs at each gap; `None` where none is defined.
pub(super) fn by_gap(layers: &[LayerDistances], homology_dim: usize) -> Vec<Option<f64>> {
    let n_gaps = layers
        .first()
        .map_or(0, |layer| layer.0[homology_dim].len());
    (0..n_gaps)
        .map(|gap| {
            let distances = layers
                .iter()
                .flat_map(|layer| layer.0[homology_dim][gap].iter().copied());
            mean(distances.flatten()).filter(|mean| mean.is_finite())
        })
        .collect()
}
