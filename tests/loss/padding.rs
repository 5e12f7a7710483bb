//! Padding in the penalties: a padded batch has the loss of its sequences on their own.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::loss::{
    Activations, Alignment, Clock, DiagramPenalty, EdgeChoice, ItemPairs, RowPenalty, Source,
    SummaryPenalty, TokenWiseDivergence, TokenWisePenalty, TopologyPenalty, TopologyRegularizer,
};
use burn_topology::nn::{Heads, Tokens};
use burn_topology::topology::DiagramSummary;

use crate::util::{assert_gradient, device, numbers, values};

const N_TOKENS: usize = 9;
const LENGTHS: [usize; 3] = [9, 6, 7];

/// Mask of the batch: the second sequence is padded at its end, the third in its middle. Token 0 is a prefix token.
fn padding() -> Tensor<2, Bool> {
    let mut mask = [[false; N_TOKENS]; 3];
    mask[1][6..].fill(true);
    mask[2][3..5].fill(true);
    Tensor::from_data(mask, &device().0)
}

/// Tokens of one sequence that are no padding.
fn kept(item: usize) -> Tensor<1, Int> {
    let tokens: Vec<i64> = match item {
        2 => vec![0, 1, 2, 5, 6, 7, 8],
        _ => (0..LENGTHS[item] as i64).collect(),
    };
    Tensor::from_data(&tokens[..], &device().0)
}

/// Scores of attention before softmax, `[batch, head, token, token]`.
fn scores(seed: u64) -> Tensor<4> {
    numbers([3, 2, N_TOKENS, N_TOKENS], seed) * 3.0
}

/// Attention of the batch whose padding was masked before softmax, as most models do.
fn masked_attention(scores: Tensor<4>) -> Tensor<4> {
    let columns = padding().reshape([3, 1, 1, N_TOKENS]).expand(scores.dims());
    softmax(scores.mask_fill(columns, -1e9), 3)
}

fn activations(scores: &[Tensor<4>], attention: impl Fn(Tensor<4>) -> Tensor<4>) -> Activations {
    let hidden = scores
        .iter()
        .map(|scores| scores.clone().narrow(1, 0, 1).squeeze_dim(1));
    Activations {
        hidden: hidden.collect(),
        ..Activations::from_attention(scores.iter().cloned().map(attention).collect(), 1)
    }
}

/// Activations of one sequence on its own, without padding.
fn alone(scores: &[Tensor<4>], item: usize) -> Activations {
    let short: Vec<Tensor<4>> = scores
        .iter()
        .map(|scores| {
            let one = scores.clone().narrow(0, item, 1);
            one.select(2, kept(item)).select(3, kept(item))
        })
        .collect();
    let hidden = scores.iter().map(|scores| {
        let one = scores
            .clone()
            .narrow(0, item, 1)
            .narrow(1, 0, 1)
            .squeeze_dim::<3>(1);
        one.select(1, kept(item))
    });
    Activations {
        hidden: hidden.collect(),
        ..Activations::from_attention(short.into_iter().map(|s| softmax(s, 3)).collect(), 1)
    }
}

fn value(regularizer: &TopologyRegularizer, activations: &Activations) -> f64 {
    let topology = regularizer.forward(activations, Clock::default()).unwrap();
    assert_eq!(topology.terms[0].n_gated, 0);
    topology.terms[0].value
}

fn penalties() -> Vec<TopologyPenalty> {
    let signature = TokenWiseDivergence::Signature {
        homology_dim: 0,
        edges: EdgeChoice::Critical,
    };
    let euclidean = RowDistance {
        metric: RowMetric::Euclidean,
        exponent: 1.0,
    };
    let persistence = DiagramSummary::TotalPersistence {
        order: 2.0,
        window: [0.0, 10.0],
    };
    let hidden = |penalty: TopologyPenalty| {
        penalty
            .with_source(Source::Hidden)
            .with_row_distance(euclidean)
    };
    vec![
        DiagramPenalty::new(0).into(),
        TopologyPenalty::new(1)
            .with_heads(Heads::Each)
            .with_tokens(Tokens::All),
        TopologyPenalty::new(0).with_source(Source::DoubleSoftmax),
        TopologyPenalty::new(0).with_row_distance(RowDistance {
            metric: RowMetric::Attention,
            exponent: 1.0,
        }),
        hidden(TopologyPenalty::new(0)),
        SummaryPenalty::new(1, persistence).into(),
        TokenWisePenalty::new(signature).into(),
        TokenWisePenalty::new(TokenWiseDivergence::RtdLite).into(),
        RowPenalty::CosineConsistency {
            pairs: ItemPairs::layers(),
        }
        .into(),
        RowPenalty::EntropyBand {
            low: 0.95,
            high: 1.0,
        }
        .into(),
    ]
}

#[test]
fn a_padded_batch_has_the_mean_loss_of_its_sequences() {
    let scores = [scores(1), scores(2)];
    let masked = activations(&scores, masked_attention).with_padding(padding());
    // A model that does not mask padding: each head is renormalised on its own, as by a mask.
    let unmasked = activations(&scores, |scores| softmax(scores, 3)).with_padding(padding());
    for penalty in penalties() {
        let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
        let expected: f64 = (0..3)
            .map(|item| value(&regularizer, &alone(&scores, item)))
            .sum();
        assert!(expected.abs() > 1e-6, "nothing to test: {penalty:?}");
        let mut batches = vec![&masked];
        if penalty.heads == Heads::Each {
            batches.push(&unmasked);
        }
        for batch in batches {
            let actual = 3.0 * value(&regularizer, batch);
            assert!(
                (actual - expected).abs() < 1e-9,
                "{actual}, expected {expected}: {penalty:?}"
            );
        }
    }
}

#[test]
fn gradients_with_padding_equal_central_differences() {
    for penalty in penalties() {
        let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
        assert_gradient(scores(3), |first| {
            let batch = activations(&[first, scores(4)], masked_attention).with_padding(padding());
            regularizer.forward(&batch, Clock::default()).unwrap().loss
        });
    }
}

#[test]
fn padding_may_hold_anything() {
    let scores = [scores(1), scores(2)];
    let spoiled = |scores: Tensor<4>| {
        let rows = padding().reshape([3, 1, N_TOKENS, 1]).expand(scores.dims());
        masked_attention(scores).mask_fill(rows, f64::NAN)
    };
    let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(0)]).unwrap();
    let clean = activations(&scores, masked_attention).with_padding(padding());
    let spoiled = activations(&scores, spoiled).with_padding(padding());
    assert_eq!(value(&regularizer, &clean), value(&regularizer, &spoiled));
}

#[test]
fn a_sequence_of_padding_alone_is_gated() {
    let scores = [scores(1), scores(2)];
    let mut mask = [[false; N_TOKENS]; 3];
    mask[1].fill(true);
    let all = Tensor::from_data(mask, &device().0);
    let batch = activations(&scores, |scores| softmax(scores, 3)).with_padding(all);
    for penalty in penalties() {
        let tracked = scores[0].clone().require_grad();
        let batch = Activations {
            attention: vec![softmax(tracked.clone(), 3), batch.attention[1].clone()],
            hidden: vec![
                batch.hidden[0].clone(),
                tracked.clone().narrow(1, 0, 1).squeeze_dim(1),
            ],
            ..batch.clone()
        };
        let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
        let topology = regularizer.forward(&batch, Clock::default()).unwrap();
        assert!(topology.terms[0].value.is_finite(), "{penalty:?}");
        let gradient = values(tracked.grad(&topology.loss.backward()).unwrap());
        assert!(gradient.iter().all(|g| g.is_finite()), "{penalty:?}");
    }
}

#[test]
fn bad_padding_is_refused_in_one_sentence() {
    let scores = [scores(1), scores(2)];
    let batch = activations(&scores, |scores| softmax(scores, 3));
    let message = |penalty: TopologyPenalty, batch: Activations| {
        let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
        regularizer
            .forward(&batch, Clock::default())
            .unwrap_err()
            .to_string()
    };
    let short = Tensor::from_data([[false; 4]; 3], &device().0);
    assert!(
        message(TopologyPenalty::new(0), batch.clone().with_padding(short))
            .contains("padding has the shape [3, 4], expected [3, 9], one entry for each token")
    );
    let by_flow = TokenWisePenalty::new(TokenWiseDivergence::RtdLite)
        .with_pairs(ItemPairs::frames())
        .with_alignment(Alignment::Flow);
    let clip = batch.clone().with_frames(3).with_padding(padding());
    assert!(
        message(by_flow.into(), clip)
            .contains("aligns frames by flow, but some tokens may be padding")
    );
    // All weight on padding.
    let on_padding = |scores: Tensor<4>| {
        let columns = padding().reshape([3, 1, 1, N_TOKENS]).expand(scores.dims());
        softmax(scores.mask_fill(columns.bool_not(), -1e9), 3)
    };
    let batch = activations(&scores, on_padding).with_padding(padding());
    assert!(
        message(TopologyPenalty::new(0).with_tokens(Tokens::All), batch)
            .contains("no weight on tokens other than padding")
    );
}
