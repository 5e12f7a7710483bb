//! The penalties.

use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{
    RawDirection, RawGroundNorm, RawHeads, RawLayers, RawNormalize, RawPenalty, RawPower,
    RawTokens, RawTopology, RawWeight,
};
use crate::loss::{
    Direction, LayerPenalty, Layers, Normalize, Schedule, TopologyRegularizer, Weight,
};
use crate::model::VitConfig;
use crate::nn::{Heads, Tokens};
use crate::topology::{DiagramDistance, GroundNorm, Power};

/// Checks one `[[topology]]` table against the model.
pub(super) fn penalty(
    document: &Document,
    index: usize,
    raw: &RawTopology,
    model: &VitConfig,
) -> Result<LayerPenalty, ConfigError> {
    let at = |key: &str| format!("topology[{index}].{key}");
    let penalty = LayerPenalty {
        homology_dim: raw.homology_dim,
        layers: match &raw.layers {
            RawLayers::All(_) => Layers::All,
            RawLayers::Of(layers) => Layers::Of(layers.clone()),
        },
        heads: match raw.heads {
            RawHeads::Mean => Heads::Mean,
            RawHeads::Each => Heads::Each,
        },
        tokens: match raw.tokens {
            RawTokens::Patches => Tokens::Patches,
            RawTokens::All => Tokens::All,
        },
        normalize: match raw.normalize {
            RawNormalize::None => Normalize::None,
            RawNormalize::SpanningTree => Normalize::SpanningTree,
        },
        direction: match raw.direction {
            RawDirection::Symmetric => Direction::Symmetric,
            RawDirection::TowardsFirst => Direction::TowardsFirst,
            RawDirection::TowardsSecond => Direction::TowardsSecond,
        },
        distance: diagram_distance(raw.penalty),
        weight: match raw.weight {
            RawWeight::Fixed { value } => Weight::Fixed(value),
            RawWeight::GradientShare { share } => Weight::GradientShare(share),
        },
        schedule: Schedule {
            start_epoch: raw.schedule.start_epoch,
            warmup_steps: raw.schedule.warmup_steps,
            every_steps: raw.schedule.every_steps,
        },
    };
    penalty
        .pairs(model.n_layers)
        .map_err(|e| document.error_at(&at("layers"), e.to_string()))?;
    TopologyRegularizer::new(vec![penalty.clone()])
        .map_err(|e| document.error_at(&format!("topology[{index}]"), e.to_string()))?;
    Ok(penalty)
}

fn diagram_distance(raw: RawPenalty) -> DiagramDistance {
    let norm = |raw| match raw {
        RawGroundNorm::Infinity => GroundNorm::Infinity,
        RawGroundNorm::L2 => GroundNorm::L2,
        RawGroundNorm::L1 => GroundNorm::L1,
    };
    match raw {
        RawPenalty::Wasserstein {
            order,
            ground_norm,
            power,
        } => DiagramDistance::Wasserstein {
            order,
            ground_norm: norm(ground_norm),
            power: match power {
                RawPower::P => Power::P,
                RawPower::One => Power::One,
            },
        },
        RawPenalty::Bottleneck { ground_norm } => DiagramDistance::Bottleneck {
            ground_norm: norm(ground_norm),
        },
    }
}
