//! Penalties between frames of clips.

use std::sync::Arc;

use burn_topology::burn::prelude::*;
use burn_topology::loss::{
    Activations, Alignment, Clock, DiagramPenalty, Direction, EdgeChoice, ItemPairs, Layers, Pairs,
    PartnerChoice, PatchMotion, TokenWiseDivergence, TokenWisePenalty, TopologyPenalty,
    TopologyRegularizer, TopologyTerm,
};
use burn_topology::nn::Heads;
use burn_topology::topology::{DiagramDistance, GroundNorm};
use proptest::prelude::*;

use super::paired;
use crate::util::{assert_gradient, attention, numbers, values};

/// Height and width of a frame: 2 by 3 patches of one pixel, so that patches move as pixels do.
const GRID: [usize; 2] = [2, 3];
const N_PATCHES: usize = 6;

fn between_frames(homology_dim: usize) -> TopologyPenalty {
    paired(&TopologyPenalty::new(homology_dim), ItemPairs::frames())
}

/// Changes the pairs of frames that are compared.
fn with_pairs(penalty: &TopologyPenalty, pairs: Pairs) -> TopologyPenalty {
    paired(penalty, ItemPairs::frames().with_pairs(pairs))
}

/// Penalties of every kind, by what they compare.
struct Penalties {
    diagrams: Vec<TopologyPenalty>,
    token_wise: Vec<TokenWisePenalty>,
}

fn penalties() -> Penalties {
    let ground_norm = GroundNorm::Infinity;
    let bottleneck = |homology_dim| {
        DiagramPenalty::new(homology_dim)
            .with_distance(DiagramDistance::Bottleneck { ground_norm })
            .with_pairs(ItemPairs::frames())
            .into()
    };
    let signature = TokenWiseDivergence::Signature {
        homology_dim: 0,
        edges: EdgeChoice::Critical,
    };
    let token_wise = [
        signature,
        TokenWiseDivergence::RtdLite,
        TokenWiseDivergence::Rtd,
    ];
    Penalties {
        diagrams: vec![
            between_frames(0),
            between_frames(1),
            bottleneck(0),
            bottleneck(1),
        ],
        token_wise: token_wise
            .map(|divergence| TokenWisePenalty::new(divergence).with_pairs(ItemPairs::frames()))
            .to_vec(),
    }
}

fn evaluate(penalty: &TopologyPenalty, activations: &Activations) -> (Tensor<1>, TopologyTerm) {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let topology = regularizer.forward(activations, Clock::default()).unwrap();
    (topology.loss, topology.terms[0].clone())
}

fn clips(layers: Vec<Tensor<4>>, n_frames: usize) -> Activations {
    Activations::from_attention(layers, 0).with_frames(n_frames)
}

fn error(penalty: TopologyPenalty, activations: &Activations) -> String {
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    let topology = regularizer.forward(activations, Clock::default());
    topology.unwrap_err().to_string()
}

/// Puts the tokens of attention, `[batch, heads, n, n]`, into another order.
fn permuted(weights: Tensor<4>, order: &[usize]) -> Tensor<4> {
    let order: Vec<i64> = order.iter().map(|&k| k as i64).collect();
    let order = Tensor::<1, Int>::from_data(&order[..], &weights.device());
    weights.select(2, order.clone()).select(3, order)
}

#[test]
fn frames_are_compared_like_layers_with_the_same_attention() {
    let (n_clips, n_frames) = (2, 4);
    let frames = attention([n_clips * n_frames, 2, 9, 9], 3).require_grad();
    let mut sum_of_values = 0.0;
    for pairs in [
        Pairs::Consecutive,
        Pairs::ToFirst,
        Pairs::All,
        Pairs::Stride(2),
    ] {
        for (homology_dim, heads) in [(0, Heads::Mean), (1, Heads::Mean), (0, Heads::Each)] {
            let penalty = with_pairs(&between_frames(homology_dim), pairs).with_heads(heads);
            let (loss, term) = evaluate(&penalty, &clips(vec![frames.clone()], n_frames));
            let by_frame = frames.clone().reshape([n_clips, n_frames, 2, 9, 9]);
            let as_layers = (0..n_frames).map(|frame| {
                by_frame
                    .clone()
                    .slice_dim(1, frame..frame + 1)
                    .squeeze_dim(1)
            });
            let between_layers = paired(&penalty, ItemPairs::layers().with_pairs(pairs));
            let as_layers = Activations::from_attention(as_layers.collect(), 0);
            let (layer_loss, layer_term) = evaluate(&between_layers, &as_layers);
            assert_eq!(term.n_compared, layer_term.n_compared, "{pairs:?}");
            assert!((term.value - layer_term.value).abs() < 1e-12, "{pairs:?}");
            let frame_gradient = frames.grad(&loss.backward()).unwrap();
            let layer_gradient = frames.grad(&layer_loss.backward()).unwrap();
            let difference = values((frame_gradient - layer_gradient).abs().max())[0];
            assert!(difference < 1e-12, "{pairs:?} {heads:?}: {difference}");
            sum_of_values += term.value;
        }
    }
    assert!(sum_of_values > 1e-3, "nothing to test");
}

#[test]
fn frames_of_each_layer_are_compared_on_their_own() {
    let layers: Vec<_> = (0..3).map(|layer| attention([4, 2, 7, 7], layer)).collect();
    let value = |layers: Layers, passed: Vec<Tensor<4>>| {
        let penalty = between_frames(0).with_layers(layers);
        evaluate(&penalty, &clips(passed, 2)).1
    };
    let all = value(Layers::All, layers.clone());
    assert_eq!(all.n_compared, 3 * 2);
    let sum_of_single_layers: f64 = layers
        .iter()
        .map(|layer| value(Layers::All, vec![layer.clone()]).value)
        .sum();
    assert!((all.value - sum_of_single_layers / 3.0).abs() < 1e-12);
    let second = value(Layers::Indices(vec![1]), layers.clone());
    assert_eq!(
        second.value,
        value(Layers::All, vec![layers[1].clone()]).value
    );
}

#[test]
fn identical_frames_have_zero_penalty() {
    let frame = attention([1, 2, N_PATCHES, N_PATCHES], 5);
    let repeated = frame.repeat_dim(0, 4).require_grad();
    let Penalties {
        diagrams,
        token_wise,
    } = penalties();
    let token_wise = token_wise.into_iter().map(TopologyPenalty::from);
    for penalty in diagrams.into_iter().chain(token_wise) {
        let (loss, term) = evaluate(&penalty, &clips(vec![repeated.clone()], 4));
        assert_eq!((term.value, term.n_gated), (0.0, 0), "{penalty:?}");
        let gradient = repeated.grad(&loss.backward()).unwrap();
        assert_eq!(values(gradient.abs().max()), [0.0], "{penalty:?}");
    }
}

#[test]
fn only_token_wise_penalties_depend_on_the_order_of_tokens() {
    let first = attention([1, 2, 8, 8], 1);
    let second = attention([1, 2, 8, 8], 2);
    let shuffled = permuted(second.clone(), &[3, 7, 0, 5, 1, 6, 2, 4]);
    let value = |penalty: &TopologyPenalty, second: &Tensor<4>| {
        let frames = Tensor::cat(vec![first.clone(), second.clone()], 0);
        evaluate(penalty, &clips(vec![frames], 2)).1.value
    };
    let Penalties {
        diagrams,
        token_wise,
    } = penalties();
    for penalty in diagrams {
        let (plain, permuted) = (value(&penalty, &second), value(&penalty, &shuffled));
        assert!(
            (plain - permuted).abs() < 1e-12,
            "{penalty:?}: {plain} {permuted}"
        );
    }
    for penalty in token_wise.into_iter().map(TopologyPenalty::from) {
        let (plain, permuted) = (value(&penalty, &second), value(&penalty, &shuffled));
        assert!(
            (plain - permuted).abs() > 1e-3 * plain,
            "{penalty:?}: {plain} {permuted}"
        );
    }
}

/// Cyclic motion: every column moves one patch to the right, and the last becomes the first.
struct CyclicMotion {
    /// Patch of the first frame for each patch of the second.
    order: Vec<usize>,
    motion: PatchMotion,
}

fn cyclic_motion() -> CyclicMotion {
    let next = |patch: usize| (patch / 3) * 3 + (patch % 3 + 1) % 3;
    let mut order = vec![0; N_PATCHES];
    for patch in 0..N_PATCHES {
        order[next(patch)] = patch;
    }
    let columns = (0..N_PATCHES).map(|patch| if patch % 3 == 2 { -2.0 } else { 1.0 });
    let flow: Vec<f32> = std::iter::repeat_n(0.0, N_PATCHES).chain(columns).collect();
    let motion = PatchMotion::from_flow(&flow, &[true; N_PATCHES], GRID, 1).unwrap();
    CyclicMotion { order, motion }
}

#[test]
fn alignment_by_flow_undoes_a_motion() {
    let CyclicMotion { order, motion } = cyclic_motion();
    let first = attention([1, 2, N_PATCHES, N_PATCHES], 8);
    let frames = Tensor::cat(vec![first.clone(), permuted(first, &order)], 0);
    for penalty in penalties().token_wise {
        let by_position = evaluate(&penalty.into(), &clips(vec![frames.clone()], 2)).1;
        let aligned = penalty.with_alignment(Alignment::Flow).into();
        let with_motion = Activations {
            motion: Some(Arc::new(motion.clone())),
            ..clips(vec![frames.clone()], 2)
        };
        let by_flow = evaluate(&aligned, &with_motion).1;
        assert!(by_position.value > 1e-3, "{penalty:?}");
        assert!(by_flow.value < 1e-12, "{penalty:?}: {}", by_flow.value);
    }
}

#[test]
fn gradients_of_aligned_frames_equal_central_differences() {
    let motion = cyclic_motion().motion;
    let Penalties {
        diagrams,
        token_wise,
    } = penalties();
    let aligned = token_wise
        .into_iter()
        .map(|penalty| penalty.with_alignment(Alignment::Flow).into());
    for penalty in diagrams.into_iter().chain(aligned) {
        let scores = numbers([2, 2, N_PATCHES, N_PATCHES], 12) * 2.0;
        assert_gradient(scores, |scores| {
            let weights = burn_topology::burn::tensor::activation::softmax(scores, 3);
            let activations = Activations {
                motion: Some(Arc::new(motion.clone())),
                ..clips(vec![weights], 2)
            };
            evaluate(&penalty, &activations).0
        });
    }
}

#[test]
fn a_direction_holds_one_frame_constant() {
    let frames = attention([2, 1, 9, 9], 4).require_grad();
    for (direction, constant_frame) in [(Direction::TowardsFirst, 0), (Direction::TowardsSecond, 1)]
    {
        let penalty = paired(
            &between_frames(0),
            ItemPairs::frames().with_direction(direction),
        );
        let loss = evaluate(&penalty, &clips(vec![frames.clone()], 2)).0;
        let gradient = frames.grad(&loss.backward()).unwrap();
        for frame in 0..2 {
            let frame_gradient = gradient.clone().slice_dim(0, frame..frame + 1);
            let size = values(frame_gradient.abs().max())[0];
            assert_eq!(size == 0.0, frame == constant_frame, "{direction:?}");
        }
    }
}

#[test]
fn frames_below_the_within_frame_floor_are_gated() {
    let frames = attention([4, 2, 7, 7], 6);
    let both_heads = |fractions: [f64; 4]| {
        let fractions: Vec<f64> = fractions.iter().flat_map(|&x| [x; 2]).collect();
        Tensor::<2>::from_data(TensorData::new(fractions, [4, 2]), &frames.device())
    };
    let term = |fractions: [f64; 4], heads, pairs| {
        let penalty = with_pairs(&between_frames(0), pairs).with_heads(heads);
        let activations = Activations {
            within_frame_attention: vec![both_heads(fractions)],
            ..clips(vec![frames.clone()], 4)
        };
        evaluate(&penalty, &activations).1
    };
    let all_above = term([0.2; 4], Heads::Mean, Pairs::Consecutive);
    assert_eq!((all_above.n_gated, all_above.n_compared), (0, 3));
    let one_below = [0.2, 1e-4, 0.2, 0.2];
    let mean = term(one_below, Heads::Mean, Pairs::Consecutive);
    assert_eq!(mean.n_gated, 2);
    let each = term(one_below, Heads::Each, Pairs::Stride(2));
    assert_eq!((each.n_gated, each.n_compared), (2, 4));
    assert_eq!(term([0.0; 4], Heads::Mean, Pairs::All).value, 0.0);
}

#[test]
fn batches_and_penalties_that_do_not_fit_are_refused() {
    let frames = vec![attention([6, 1, N_PATCHES, N_PATCHES], 2)];
    let images = error(between_frames(0), &clips(frames.clone(), 1));
    assert!(
        images.contains("the samples are images, not clips"),
        "{images}"
    );
    let ragged = error(between_frames(0), &clips(frames.clone(), 4));
    assert!(
        ragged.contains("a batch of 6 frames cannot be divided into clips of 4"),
        "{ragged}"
    );
    let far = with_pairs(&between_frames(0), Pairs::Stride(3));
    let far = error(far, &clips(frames.clone(), 3));
    assert!(far.contains("pairs: stride 3"), "{far}");
    let aligned =
        TokenWisePenalty::new(TokenWiseDivergence::RtdLite).with_alignment(Alignment::Flow);
    let between_aligned_frames = TopologyPenalty::from(aligned.with_pairs(ItemPairs::frames()));
    let unknown = error(between_aligned_frames.clone(), &clips(frames.clone(), 2));
    assert!(unknown.contains("no motion was passed"), "{unknown}");
    let activations = Activations {
        motion: Some(Arc::new(cyclic_motion().motion)),
        ..clips(frames.clone(), 2)
    };
    let short = error(between_aligned_frames, &activations);
    assert!(
        short.contains("1 step of 6 patches, expected 3 steps"),
        "{short}"
    );

    let refusal = |penalty| {
        TopologyRegularizer::new(vec![penalty])
            .unwrap_err()
            .to_string()
    };
    let stride = refusal(with_pairs(&between_frames(0), Pairs::Stride(0)));
    assert!(stride.contains("stride of the pairs is 0"), "{stride}");
    let still = refusal(aligned.into());
    assert!(
        still.contains("between `frames`, found `layers`"),
        "{still}"
    );
    let shuffled = ItemPairs::frames().with_partners(PartnerChoice::Shuffled { seed: 0 });
    let strangers = refusal(aligned.with_pairs(shuffled).into());
    assert!(strangers.contains("there is no flow"), "{strangers}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Clips are independent of each other, and threads do not change the order of sums.
    #[test]
    fn values_do_not_depend_on_the_order_of_clips_or_on_threads(
        seed in 0u64..1000,
        n_clips in 1usize..4,
        n_frames in 2usize..5,
        n_threads in 1usize..5,
    ) {
        let frames = attention([n_clips * n_frames, 2, 7, 7], seed);
        let term = |frames: Tensor<4>| evaluate(&between_frames(1), &clips(vec![frames], n_frames)).1;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let expected = term(frames.clone());
        prop_assert_eq!(pool.install(|| term(frames.clone())), expected.clone());
        let reversed_clips: Vec<_> = (0..n_clips).rev()
            .map(|clip| frames.clone().slice_dim(0, clip * n_frames..(clip + 1) * n_frames))
            .collect();
        let reversed = term(Tensor::cat(reversed_clips.clone(), 0));
        prop_assert!((reversed.value - expected.value).abs() < 1e-14);
        let sum: f64 = reversed_clips.into_iter().map(|clip| term(clip).value).sum();
        prop_assert!((sum / n_clips as f64 - expected.value).abs() < 1e-14);
    }
}
