//! Keys that are required under conditions, which the types of the file cannot tell.

use crate::config::raw::{RawConfig, RawModel, RawPenalty};

/// Keys that are missing, each with the dotted path of its table.
pub(in crate::config) fn missing_keys(raw: &RawConfig) -> Vec<(String, &'static str)> {
    let mut missing = Vec::new();
    let mut require = |is_there: bool, table: &str, key| {
        if !is_there {
            missing.push((table.to_owned(), key));
        }
    };
    let dimensions = match &raw.model {
        RawModel::Vit {
            size,
            d_model,
            n_layers,
            n_heads,
            ..
        } => Some((size, d_model, n_layers, n_heads)),
        RawModel::Timesformer(video) | RawModel::Vivit(video) | RawModel::Joint(video) => {
            Some((&video.size, &video.d_model, &video.n_layers, &video.n_heads))
        }
        RawModel::LinearProbe(_) | RawModel::Generator(_) => None,
    };
    if let Some((None, d_model, n_layers, n_heads)) = dimensions {
        require(d_model.is_some(), "model", "d_model");
        require(n_layers.is_some(), "model", "n_layers");
        require(n_heads.is_some(), "model", "n_heads");
    }
    for (index, table) in raw.topology.iter().enumerate() {
        let has_diagrams = !matches!(
            table.penalty,
            RawPenalty::DistanceMatrix { .. }
                | RawPenalty::CosineConsistency
                | RawPenalty::EntropyBand { .. }
        );
        let is_there = !has_diagrams || table.homology_dim.is_some();
        require(is_there, &format!("topology.{index}"), "homology_dim");
    }
    missing
}
