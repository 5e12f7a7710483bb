//! The penalties.

use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{
    RawAlignment, RawBetween, RawDirection, RawDistance, RawEdges, RawGroundNorm, RawHeads,
    RawLayers, RawNormalize, RawPairs, RawPartners, RawPenalty, RawPower, RawSource, RawTokens,
    RawTopology, RawWeight,
};
use crate::data::DataSpec;
use crate::distance::{Metric, RowDistance};
use crate::loss::{
    Alignment, Between, Comparison, Direction, Edges, Layers, Normalize, Pairs, Partners, Schedule,
    Source, TopologyPenalty, TopologyRegularizer, Weight,
};
use crate::model::NetworkConfig;
use crate::nn::{Heads, Tokens};
use crate::topology::{DiagramDistance, DiagramSummary, GroundNorm, Power};

/// Checks one `[[topology]]` table against the model and the data; `seed` is that of the run.
pub(super) fn penalty(
    document: &Document,
    index: usize,
    raw: &RawTopology,
    seed: u64,
    model: &NetworkConfig,
    data: &DataSpec,
    has_view: bool,
) -> Result<TopologyPenalty, ConfigError> {
    let at = |key: &str| format!("topology[{index}].{key}");
    let penalty = TopologyPenalty {
        homology_dim: homology_dim(document, index, raw)?,
        between: match raw.between {
            RawBetween::Layers => Between::Layers,
            RawBetween::Frames => Between::Frames,
            RawBetween::Views => Between::Views,
        },
        pairs: match raw.pairs {
            RawPairs::Consecutive => Pairs::Consecutive,
            RawPairs::ToFirst => Pairs::ToFirst,
            RawPairs::ToLast => Pairs::ToLast,
            RawPairs::All => Pairs::All,
            RawPairs::Stride(gap) => Pairs::Stride(gap),
        },
        alignment: match raw.alignment {
            RawAlignment::Position => Alignment::Position,
            RawAlignment::Flow => Alignment::Flow,
        },
        layers: match &raw.layers {
            RawLayers::All(_) => Layers::All,
            RawLayers::Of(layers) => Layers::Of(layers.clone()),
        },
        source: match raw.source {
            RawSource::Attention => Source::Attention,
            RawSource::DoubleSoftmax => Source::DoubleSoftmax,
            RawSource::Hidden => Source::Hidden,
        },
        distance: RowDistance {
            metric: match raw.distance {
                RawDistance::JensenShannon => Metric::JensenShannon,
                RawDistance::Hellinger => Metric::Hellinger,
                RawDistance::Cosine => Metric::Cosine,
                RawDistance::Euclidean => Metric::Euclidean,
                RawDistance::Attention => Metric::Attention,
            },
            exponent: raw.exponent,
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
        comparison: comparison(raw.penalty),
        // Another stream for each table.
        edges: match raw.edges {
            RawEdges::Critical => Edges::Critical,
            RawEdges::Random => Edges::Random {
                seed: seed ^ (index as u64) << 32,
            },
        },
        partners: match raw.partners {
            RawPartners::Same => Partners::Same,
            RawPartners::Shuffled => Partners::Shuffled {
                seed: seed ^ (index as u64) << 32,
            },
        },
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
    TopologyRegularizer::new(vec![penalty.clone()])
        .map_err(|e| document.error_at(&format!("topology[{index}]"), e.to_string()))?;
    if model.n_layers() == 0 {
        return Err(document.error_at(
            &format!("topology[{index}]"),
            "the model has no layers, expected a transformer to penalise",
        ));
    }
    penalty
        .layer_pairs(model.n_layers())
        .map_err(|e| document.error_at(&at("layers"), e.to_string()))?;
    let layout = model.token_layout();
    penalty
        .frame_pairs(layout.n_frames)
        .map_err(|e| document.error_at(&at("between"), e.to_string()))?;
    require(
        document,
        has_view || penalty.between != Between::Views,
        &at("between"),
        || {
            "a penalty compares views, but there is one of each sample; say in training.view what makes the second"
                .to_owned()
        },
    )?;
    penalty
        .view_pairs(2)
        .map_err(|e| document.error_at(&at("pairs"), e.to_string()))?;
    require(
        document,
        penalty.alignment == Alignment::Position || knows_motion(model, data),
        &at("alignment"),
        || {
            "alignment by flow needs clips whose flow is known, `moving_digits`, and a model with one \
             time step for each frame"
                .into()
        },
    )?;
    Ok(penalty)
}

/// The dimension, where topology is compared; 0 where none is.
fn homology_dim(
    document: &Document,
    index: usize,
    raw: &RawTopology,
) -> Result<usize, ConfigError> {
    let has_none = matches!(
        raw.penalty,
        RawPenalty::DistanceMatrix { .. }
            | RawPenalty::CosineConsistency
            | RawPenalty::EntropyBand { .. }
    );
    match (raw.homology_dim, has_none) {
        (Some(homology_dim), false) => Ok(homology_dim),
        (None, true) => Ok(0),
        (Some(_), true) => Err(document.error_at(
            &format!("topology[{index}].homology_dim"),
            "this penalty compares no topology and has no dimension; leave homology_dim out",
        )),
        (None, false) => Err(document.error_at(
            &format!("topology[{index}]"),
            "missing key `homology_dim`, expected the dimension that is compared",
        )),
    }
}

/// Whether the flow between the frames that the model looks at is known.
fn knows_motion(model: &NetworkConfig, data: &DataSpec) -> bool {
    matches!(data, DataSpec::MovingDigits(_)) && model.n_frames() == model.token_layout().n_frames
}

fn comparison(raw: RawPenalty) -> Comparison {
    let norm = |raw| match raw {
        RawGroundNorm::Infinity => GroundNorm::Infinity,
        RawGroundNorm::L2 => GroundNorm::L2,
        RawGroundNorm::L1 => GroundNorm::L1,
    };
    let of_sum = |raw| match raw {
        RawPower::P => Power::P,
        RawPower::One => Power::One,
    };
    match raw {
        RawPenalty::Wasserstein {
            order,
            ground_norm,
            power,
        } => Comparison::Diagrams(DiagramDistance::Wasserstein {
            order,
            ground_norm: norm(ground_norm),
            power: of_sum(power),
        }),
        RawPenalty::SortedWasserstein { order, power } => {
            Comparison::Diagrams(DiagramDistance::SortedWasserstein {
                order,
                power: of_sum(power),
            })
        }
        RawPenalty::SlicedWasserstein {
            order,
            directions,
            power,
        } => Comparison::Diagrams(DiagramDistance::SlicedWasserstein {
            order,
            n_directions: directions,
            power: of_sum(power),
        }),
        RawPenalty::Bottleneck { ground_norm } => {
            Comparison::Diagrams(DiagramDistance::Bottleneck {
                ground_norm: norm(ground_norm),
            })
        }
        RawPenalty::TotalPersistence {
            order,
            min_persistence,
            max_persistence,
        } => Comparison::Summary(DiagramSummary::TotalPersistence {
            order,
            window: [min_persistence, max_persistence.unwrap_or(f64::INFINITY)],
        }),
        RawPenalty::PersistentEntropy => Comparison::Summary(DiagramSummary::PersistentEntropy),
        RawPenalty::Signature => Comparison::Signature,
        RawPenalty::RtdLite => Comparison::RtdLite,
        RawPenalty::Rtd => Comparison::Rtd,
        RawPenalty::DistanceMatrix { order } => Comparison::DistanceMatrix { order },
        RawPenalty::CosineConsistency => Comparison::CosineConsistency,
        RawPenalty::EntropyBand { low, high } => Comparison::EntropyBand { low, high },
    }
}
