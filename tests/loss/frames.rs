//! Penalties between the frames of clips.

use std::sync::Arc;

use burn_topology::burn::prelude::*;
use burn_topology::loss::{
    Activations, Alignment, Between, Clock, Comparison, Direction, Layers, Pairs, PatchMotion,
    TopologyPenalty, TopologyRegularizer, TopologyTerm, Weight,
};
use burn_topology::nn::Heads;
use burn_topology::topology::{DiagramDistance, DiagramSummary, GroundNorm};
use proptest::prelude::*;

use crate::util::{assert_gradient, attention, numbers, values};

/// 2 by 3 patches of one pixel, so that a flow of pixels is one of patches.
const GRID: [usize; 2] = [2, 3];
const N_PATCHES: usize = 6;

fn between_frames(homology_dim: usize) -> TopologyPenalty {
    TopologyPenalty {
        between: Between::Frames,
        weight: Weight::Fixed(1.0),
        ..TopologyPenalty::new(homology_dim)
    }
}

/// Penalties that compare diagrams, and penalties that compare tokens.
fn kinds() -> [Vec<TopologyPenalty>; 2] {
    let ground_norm = GroundNorm::Infinity;
    let bottleneck = Comparison::Diagrams(DiagramDistance::Bottleneck { ground_norm });
    let with = |homology_dim, comparison| TopologyPenalty {
        comparison,
        ..between_frames(homology_dim)
    };
    [
        vec![
            between_frames(0),
            between_frames(1),
            with(0, bottleneck),
            with(1, bottleneck),
        ],
        vec![
            with(0, Comparison::Signature),
            with(0, Comparison::RtdLite),
            with(1, Comparison::Rtd),
        ],
    ]
}

fn evaluate(penalty: &TopologyPenalty, activations: &Activations) -> (Tensor<1>, TopologyTerm) {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let found = regularizer.forward(activations, Clock::default()).unwrap();
    (found.loss, found.terms[0])
}

fn clips(layers: Vec<Tensor<4>>, n_frames: usize) -> Activations {
    Activations::of_attention(layers, 0).with_frames(n_frames)
}

fn error(penalty: TopologyPenalty, activations: &Activations) -> String {
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    let found = regularizer.forward(activations, Clock::default());
    found.unwrap_err().to_string()
}

/// Tokens of `[batch, heads, n, n]` in another order.
fn permuted(weights: Tensor<4>, order: &[usize]) -> Tensor<4> {
    let order: Vec<i64> = order.iter().map(|&k| k as i64).collect();
    let order = Tensor::<1, Int>::from_data(&order[..], &weights.device());
    weights.select(2, order.clone()).select(3, order)
}

#[test]
fn frames_are_compared_as_layers_that_hold_them_would_be() {
    let (n_clips, n_frames) = (2, 4);
    let frames = attention([n_clips * n_frames, 2, 9, 9], 3).require_grad();
    let mut expected = 0.0;
    let mut gradients = Vec::new();
    for pairs in [
        Pairs::Consecutive,
        Pairs::ToFirst,
        Pairs::All,
        Pairs::Stride(2),
    ] {
        for (homology_dim, heads) in [(0, Heads::Mean), (1, Heads::Mean), (0, Heads::Each)] {
            let penalty = TopologyPenalty {
                pairs,
                heads,
                ..between_frames(homology_dim)
            };
            let (loss, term) = evaluate(&penalty, &clips(vec![frames.clone()], n_frames));
            let by_frame = frames.clone().reshape([n_clips, n_frames, 2, 9, 9]);
            let as_layers = (0..n_frames).map(|frame| {
                by_frame
                    .clone()
                    .slice_dim(1, frame..frame + 1)
                    .squeeze_dim(1)
            });
            let of_layers = TopologyPenalty {
                between: Between::Layers,
                ..penalty
            };
            let as_layers = Activations::of_attention(as_layers.collect(), 0);
            let (layer_loss, layer_term) = evaluate(&of_layers, &as_layers);
            assert_eq!(term.n_compared, layer_term.n_compared, "{pairs:?}");
            assert!((term.value - layer_term.value).abs() < 1e-12, "{pairs:?}");
            let of_frames = frames.grad(&loss.backward()).unwrap();
            let of_layers = frames.grad(&layer_loss.backward()).unwrap();
            let apart = values((of_frames - of_layers).abs().max())[0];
            assert!(apart < 1e-12, "{pairs:?} {heads:?}: {apart}");
            expected += term.value;
            gradients.push(apart);
        }
    }
    assert!(expected > 1e-3, "nothing to test");
}

#[test]
fn layers_are_read_each_by_itself() {
    let layers: Vec<_> = (0..3).map(|layer| attention([4, 2, 7, 7], layer)).collect();
    let value = |layers: Layers, passed: Vec<Tensor<4>>| {
        let penalty = TopologyPenalty {
            layers,
            ..between_frames(0)
        };
        evaluate(&penalty, &clips(passed, 2)).1
    };
    let all = value(Layers::All, layers.clone());
    assert_eq!(all.n_compared, 3 * 2);
    let alone = layers
        .iter()
        .map(|layer| value(Layers::All, vec![layer.clone()]).value);
    assert!((all.value - alone.sum::<f64>() / 3.0).abs() < 1e-12);
    let second = value(Layers::Of(vec![1]), layers.clone());
    assert_eq!(
        second.value,
        value(Layers::All, vec![layers[1].clone()]).value
    );
}

#[test]
fn a_repeated_frame_costs_nothing() {
    let frame = attention([1, 2, N_PATCHES, N_PATCHES], 5);
    let repeated = frame.repeat_dim(0, 4).require_grad();
    for penalty in kinds().concat() {
        let (loss, term) = evaluate(&penalty, &clips(vec![repeated.clone()], 4));
        assert_eq!((term.value, term.n_gated), (0.0, 0), "{penalty:?}");
        let gradient = repeated.grad(&loss.backward()).unwrap();
        assert_eq!(values(gradient.abs().max()), [0.0], "{penalty:?}");
    }
}

#[test]
fn diagrams_do_not_know_the_order_of_tokens_and_tokens_do() {
    let first = attention([1, 2, 8, 8], 1);
    let second = attention([1, 2, 8, 8], 2);
    let shuffled = permuted(second.clone(), &[3, 7, 0, 5, 1, 6, 2, 4]);
    let value = |penalty: &TopologyPenalty, second: &Tensor<4>| {
        let frames = Tensor::cat(vec![first.clone(), second.clone()], 0);
        evaluate(penalty, &clips(vec![frames], 2)).1.value
    };
    let [of_diagrams, of_tokens] = kinds();
    for penalty in of_diagrams {
        let (plain, permuted) = (value(&penalty, &second), value(&penalty, &shuffled));
        assert!(
            (plain - permuted).abs() < 1e-12,
            "{penalty:?}: {plain} {permuted}"
        );
    }
    for penalty in of_tokens {
        let (plain, permuted) = (value(&penalty, &second), value(&penalty, &shuffled));
        assert!(
            (plain - permuted).abs() > 1e-3 * plain,
            "{penalty:?}: {plain} {permuted}"
        );
    }
}

/// Every column moves one place to the right, and the last becomes the first.
fn turned() -> (Vec<usize>, PatchMotion) {
    let place = |patch: usize| (patch / 3) * 3 + (patch % 3 + 1) % 3;
    // Patch `place(k)` of the second frame is patch `k` of the first.
    let mut order = vec![0; N_PATCHES];
    (0..N_PATCHES).for_each(|patch| order[place(patch)] = patch);
    let columns = (0..N_PATCHES).map(|patch| if patch % 3 == 2 { -2.0 } else { 1.0 });
    let flow: Vec<f32> = std::iter::repeat_n(0.0, N_PATCHES).chain(columns).collect();
    let motion = PatchMotion::from_flow(&flow, &[true; N_PATCHES], GRID, 1).unwrap();
    (order, motion)
}

#[test]
fn tokens_that_the_flow_aligns_are_the_same_tokens() {
    let (order, motion) = turned();
    let first = attention([1, 2, N_PATCHES, N_PATCHES], 8);
    let frames = Tensor::cat(vec![first.clone(), permuted(first, &order)], 0);
    let [_, of_tokens] = kinds();
    for penalty in of_tokens {
        let by_position = evaluate(&penalty, &clips(vec![frames.clone()], 2)).1;
        let aligned = TopologyPenalty {
            alignment: Alignment::Flow,
            ..penalty.clone()
        };
        let moved = Activations {
            motion: Some(Arc::new(motion.clone())),
            ..clips(vec![frames.clone()], 2)
        };
        let by_flow = evaluate(&aligned, &moved).1;
        assert!(by_position.value > 1e-3, "{penalty:?}");
        assert!(by_flow.value < 1e-12, "{penalty:?}: {}", by_flow.value);
    }
}

#[test]
fn gradients_of_aligned_frames_equal_central_differences() {
    let (_, motion) = turned();
    let [of_diagrams, of_tokens] = kinds();
    let aligned = of_tokens.into_iter().map(|penalty| TopologyPenalty {
        alignment: Alignment::Flow,
        ..penalty
    });
    for penalty in of_diagrams.into_iter().chain(aligned) {
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
fn one_side_can_be_held_constant() {
    let frames = attention([2, 1, 9, 9], 4).require_grad();
    for (direction, still) in [(Direction::TowardsFirst, 0), (Direction::TowardsSecond, 1)] {
        let penalty = TopologyPenalty {
            direction,
            ..between_frames(0)
        };
        let loss = evaluate(&penalty, &clips(vec![frames.clone()], 2)).0;
        let gradient = frames.grad(&loss.backward()).unwrap();
        for frame in 0..2 {
            let of_frame = gradient.clone().slice_dim(0, frame..frame + 1);
            let size = values(of_frame.abs().max())[0];
            assert_eq!(size == 0.0, frame == still, "{direction:?}");
        }
    }
}

#[test]
fn frames_that_are_hardly_looked_at_are_gated() {
    let frames = attention([4, 2, 7, 7], 6);
    let mass = |of_frames: [f64; 4]| {
        let both_heads: Vec<f64> = of_frames.iter().flat_map(|&mass| [mass; 2]).collect();
        Tensor::<2>::from_data(TensorData::new(both_heads, [4, 2]), &frames.device())
    };
    let gated = |masses: [f64; 4], heads, pairs| {
        let penalty = TopologyPenalty {
            heads,
            pairs,
            ..between_frames(0)
        };
        let activations = Activations {
            mass: vec![mass(masses)],
            ..clips(vec![frames.clone()], 4)
        };
        evaluate(&penalty, &activations).1
    };
    let heard = gated([0.2; 4], Heads::Mean, Pairs::Consecutive);
    assert_eq!((heard.n_gated, heard.n_compared), (0, 3));
    let unheard = gated([0.2, 1e-4, 0.2, 0.2], Heads::Mean, Pairs::Consecutive);
    assert_eq!(unheard.n_gated, 2);
    let of_heads = gated([0.2, 1e-4, 0.2, 0.2], Heads::Each, Pairs::Stride(2));
    assert_eq!((of_heads.n_gated, of_heads.n_compared), (2, 4));
    assert_eq!(gated([0.0; 4], Heads::Mean, Pairs::All).value, 0.0);
}

#[test]
fn what_does_not_fit_is_told() {
    let frames = vec![attention([6, 1, N_PATCHES, N_PATCHES], 2)];
    let images = error(between_frames(0), &clips(frames.clone(), 1));
    assert!(images.contains("clips have 1 of them"), "{images}");
    let ragged = error(between_frames(0), &clips(frames.clone(), 4));
    assert!(
        ragged.contains("a batch of 6 frames is not one of clips of 4"),
        "{ragged}"
    );
    let far = TopologyPenalty {
        pairs: Pairs::Stride(3),
        ..between_frames(0)
    };
    let far = error(far, &clips(frames.clone(), 3));
    assert!(far.contains("Stride(3)"), "{far}");
    let aligned = TopologyPenalty {
        alignment: Alignment::Flow,
        comparison: Comparison::RtdLite,
        ..between_frames(0)
    };
    let unknown = error(aligned.clone(), &clips(frames.clone(), 2));
    assert!(unknown.contains("no motion was passed"), "{unknown}");
    let activations = Activations {
        motion: Some(Arc::new(turned().1)),
        ..clips(frames.clone(), 2)
    };
    let short = error(aligned, &activations);
    assert!(
        short.contains("1 steps of 6 patches, expected 3 steps"),
        "{short}"
    );

    let refused = |penalty| {
        TopologyRegularizer::new(vec![penalty])
            .unwrap_err()
            .to_string()
    };
    let still = refused(TopologyPenalty {
        pairs: Pairs::Stride(0),
        ..between_frames(0)
    });
    assert!(still.contains("stride of the pairs is 0"), "{still}");
    let of_diagrams = refused(TopologyPenalty {
        alignment: Alignment::Flow,
        ..between_frames(0)
    });
    assert!(of_diagrams.contains("token by token"), "{of_diagrams}");
    let alone = refused(TopologyPenalty {
        comparison: Comparison::Summary(DiagramSummary::PersistentEntropy),
        ..between_frames(0)
    });
    assert!(alone.contains("compares no frames"), "{alone}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Clips know nothing of each other, and nothing depends on who computes what.
    #[test]
    fn neither_the_order_of_clips_nor_threads_change_a_bit(
        seed in 0u64..1000,
        n_clips in 1usize..4,
        n_frames in 2usize..5,
        n_threads in 1usize..5,
    ) {
        let frames = attention([n_clips * n_frames, 2, 7, 7], seed);
        let term = |frames: Tensor<4>| evaluate(&between_frames(1), &clips(vec![frames], n_frames)).1;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let here = term(frames.clone());
        prop_assert_eq!(pool.install(|| term(frames.clone())), here);
        let of_clips: Vec<_> = (0..n_clips).rev()
            .map(|clip| frames.clone().slice_dim(0, clip * n_frames..(clip + 1) * n_frames))
            .collect();
        let reversed = term(Tensor::cat(of_clips.clone(), 0));
        prop_assert!((reversed.value - here.value).abs() < 1e-14);
        let alone: f64 = of_clips.into_iter().map(|clip| term(clip).value).sum();
        prop_assert!((alone / n_clips as f64 - here.value).abs() < 1e-14);
    }
}
