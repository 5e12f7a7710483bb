//! Tests of the penalties and the regulariser.

mod collapse;
mod controls;
mod frames;
mod gradients;
mod padding;
mod pixels;
mod reference;
mod regularizer;
mod views;

use burn_topology::loss::{ItemPairs, Normalize, PenaltyKind, RowPenalty, TopologyPenalty};

/// Returns the same penalty on other pairs of items.
fn paired(penalty: &TopologyPenalty, pairs: ItemPairs) -> TopologyPenalty {
    let mut penalty = penalty.clone();
    match &mut penalty.kind {
        PenaltyKind::Diagrams(diagrams) => diagrams.pairs = pairs,
        PenaltyKind::TokenWise(token_wise) => token_wise.pairs = pairs,
        PenaltyKind::Rows(RowPenalty::CosineConsistency { pairs: own }) => *own = pairs,
        kind => panic!("{kind:?} compares no pairs"),
    }
    penalty
}

/// Returns the same penalty with another normalisation.
fn normalized(penalty: &TopologyPenalty, normalize: Normalize) -> TopologyPenalty {
    let mut penalty = penalty.clone();
    match &mut penalty.kind {
        PenaltyKind::Diagrams(diagrams) => diagrams.normalize = normalize,
        PenaltyKind::Summary(summary) => summary.normalize = normalize,
        PenaltyKind::TokenWise(token_wise) => token_wise.normalize = normalize,
        kind => panic!("{kind:?} has no scale"),
    }
    penalty
}
