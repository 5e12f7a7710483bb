//! The topology of attention from frame to frame.

use burn::prelude::*;

use super::reading::mean;
use crate::error::{Error, Result};
use crate::loss::{AttentionTopology, MASS_FLOOR};
use crate::model::ModelOutput;

/// Largest gap between frames whose distance is on a curve.
pub(super) const MAX_GAP: usize = 16;

/// By clip, layer and time step.
pub(super) type Topology = Vec<Vec<Vec<Step>>>;

/// One layer at one time step; `None` where hardly any attention stays in the frame.
pub(super) type Step = Option<AttentionTopology>;

pub(super) fn topology_of(output: &ModelOutput, n_clips: usize) -> Result<Topology> {
    let mut clips: Topology = vec![Vec::new(); n_clips];
    for (layer, weights) in output.attention.iter().enumerate() {
        let steps = AttentionTopology::read(weights.clone(), output.tokens.n_prefix_tokens)?;
        let masses = match output.mass.get(layer) {
            None => vec![1.0; steps.len()],
            Some(mass) => {
                let mean: Tensor<2> = mass.clone().mean_dim(1);
                mean.try_into_vec_as::<f64>().map_err(|e| {
                    Error::invalid_distribution(format!("attention cannot be read: {e}"))
                })?
            }
        };
        let steps = steps.into_iter().zip(masses);
        let steps: Vec<Step> = steps
            .map(|(step, mass)| (mass >= MASS_FLOOR).then_some(step))
            .collect();
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
    pub(super) fn to_next(&self, homology_dim: usize) -> Vec<Option<f64>> {
        self.0[homology_dim].first().cloned().unwrap_or_default()
    }
}

pub(super) fn distances_of(layers: &[Vec<Step>]) -> Result<Vec<LayerDistances>> {
    let of_layer = |steps: &Vec<Step>| {
        let mut found = [Vec::new(), Vec::new()];
        for (homology_dim, by_gap) in found.iter_mut().enumerate() {
            for gap in 1..steps.len().min(MAX_GAP + 1) {
                let pairs = steps.iter().zip(&steps[gap..]);
                let of_pairs = pairs.map(|pair| match pair {
                    (Some(a), Some(b)) => Ok(a.distance(b, homology_dim)?.normalized),
                    _ => Ok(None),
                });
                by_gap.push(of_pairs.collect::<Result<Vec<_>>>()?);
            }
        }
        Ok(LayerDistances(found))
    };
    layers.iter().map(of_layer).collect()
}

/// Mean over layers and pairs at each gap.
pub(super) fn by_gap(layers: &[LayerDistances], homology_dim: usize) -> Vec<Option<f64>> {
    let n_gaps = layers
        .first()
        .map_or(0, |layer| layer.0[homology_dim].len());
    (0..n_gaps)
        .map(|gap| {
            let of_layers = layers
                .iter()
                .flat_map(|layer| layer.0[homology_dim][gap].iter().copied());
            Some(mean(of_layers)).filter(|mean| mean.is_finite())
        })
        .collect()
}
