//! Tests of the penalties and the regulariser.

mod collapse;
mod controls;
mod frames;
mod gradients;
mod regularizer;
mod views;

use burn_topology::loss::{Normalize, Pairing, PenaltyKind, RowPenalty, TopologyPenalty};

/// Returns the same penalty on other pairs of items.
fn paired(penalty: &TopologyPenalty, pairing: Pairing) -> TopologyPenalty {
    let mut penalty = penalty.clone();
    match &mut penalty.kind {
        PenaltyKind::Diagrams(diagrams) => diagrams.pairing = pairing,
        PenaltyKind::TokenWise(token_wise) => token_wise.pairing = pairing,
        PenaltyKind::Rows(RowPenalty::CosineConsistency { pairing: own }) => *own = pairing,
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
