//! Penalties on predicted frames: values by construction, gradients, controls and errors.

use burn_topology::burn::prelude::*;
use burn_topology::loss::{
    Activations, Clock, FrameComparison, Pairs, PartnerChoice, PixelChoice, PixelComparison,
    PixelPenalty, TopologyLoss, TopologyPenalty, TopologyRegularizer,
};
use burn_topology::topology::{DiagramDistance, DiagramSummary, Filtration, GroundNorm, Power};

use crate::util::{assert_gradient, device, numbers, values};

/// Clips of one row, `[n_clips, n_frames, 1, width]`.
fn rows(clips: &[&[&[f64]]]) -> Tensor<4> {
    let shape = [clips.len(), clips[0].len(), 1, clips[0][0].len()];
    let all: Vec<f64> = clips.iter().flat_map(|clip| clip.concat()).collect();
    let (device, dtype) = device();
    Tensor::from_data(TensorData::new(all, shape), (&device, dtype))
}

fn evaluate(
    penalty: PixelPenalty,
    prediction: Tensor<4>,
    truth: Option<Tensor<4>>,
) -> TopologyLoss {
    let regularizer = TopologyRegularizer::new(vec![penalty.into()]).unwrap();
    let activations = Activations::from_frames(prediction, truth);
    regularizer.forward(&activations, Clock::default()).unwrap()
}

fn value(penalty: PixelPenalty, prediction: Tensor<4>, truth: Option<Tensor<4>>) -> f64 {
    evaluate(penalty, prediction, truth).terms[0].value
}

const WASSERSTEIN_1: FrameComparison = FrameComparison::Distance(DiagramDistance::Wasserstein {
    order: 1.0,
    ground_norm: GroundNorm::Infinity,
    power: Power::One,
});

fn truth(frames: FrameComparison) -> PixelComparison {
    PixelComparison::Truth {
        frames,
        partners: PartnerChoice::Same,
    }
}

fn volume(partners: PartnerChoice) -> PixelComparison {
    PixelComparison::Volume {
        distance: DiagramDistance::Wasserstein {
            order: 2.0,
            ground_norm: GroundNorm::Infinity,
            power: Power::P,
        },
        partners,
    }
}

fn comparisons() -> Vec<PixelComparison> {
    let total = DiagramSummary::TotalPersistence {
        order: 2.0,
        window: [0.0, 1.0],
    };
    vec![
        PixelComparison::truth(),
        PixelComparison::frames(),
        PixelComparison::change(),
        truth(FrameComparison::BETTI_MATCHING),
        PixelComparison::Frames {
            frames: FrameComparison::BETTI_MATCHING,
            pairs: Pairs::All,
        },
        truth(FrameComparison::Distance(DiagramDistance::Bottleneck {
            ground_norm: GroundNorm::L2,
        })),
        volume(PartnerChoice::Same),
        PixelComparison::Summary(total),
        PixelComparison::BettiNumber(2),
    ]
}

#[test]
fn values_are_those_of_diagrams_known_by_hand() {
    // Bars of the prediction: [0.9, 0] and [0.8, 0.2]; of the truth: [0.9, 0].
    let prediction = || rows(&[&[&[0.9, 0.2, 0.8, 0.0]]]);
    let one = || Some(rows(&[&[&[0.9, 0.9, 0.9, 0.0]]]));
    let near = |actual: f64, expected: f64| {
        assert!(
            (actual - expected).abs() < 1e-12,
            "{actual}, expected {expected}"
        );
    };
    near(
        value(
            PixelPenalty::new(0, truth(WASSERSTEIN_1)),
            prediction(),
            one(),
        ),
        0.3,
    );
    near(
        value(
            PixelPenalty::new(0, PixelComparison::truth()),
            prediction(),
            one(),
        ),
        0.09,
    );
    // The bar without partner is matched with its projection to the diagonal, in L2: 0.6^2 / 2.
    let matching = truth(FrameComparison::BETTI_MATCHING);
    near(
        value(PixelPenalty::new(0, matching), prediction(), one()),
        0.18,
    );
    let total = DiagramSummary::TotalPersistence {
        order: 1.0,
        window: [0.0, 1.0],
    };
    near(
        value(
            PixelPenalty::new(0, PixelComparison::Summary(total)),
            prediction(),
            None,
        ),
        1.5,
    );
    let expected = [0.81 + 0.36, 0.01 + 0.36, 0.01 + 0.16, 0.01 + 0.16 + 1.0];
    for (n, expected) in expected.into_iter().enumerate() {
        let penalty = PixelPenalty::new(0, PixelComparison::BettiNumber(n));
        near(value(penalty, prediction(), None), expected);
        // Without the shorter bar, only the longer one counts.
        let without = penalty.with_min_persistence(0.7);
        let gap = [0.81, 0.01, 0.01 + 1.0, 0.01 + 2.0][n];
        near(value(without, prediction(), None), gap);
    }
    // From below, the dark end and the gap are components: [0, 1] and [0.2, 0.8].
    let below = PixelPenalty::new(0, PixelComparison::Summary(total));
    near(
        value(
            below.with_filtration(Filtration::Sublevel),
            prediction(),
            None,
        ),
        1.6,
    );
}

#[test]
fn a_place_is_seen_by_betti_matching_alone() {
    // The second spot is on the other side of the first.
    let prediction = || rows(&[&[&[0.0, 0.9, 0.0, 0.8, 0.0, 0.0]]]);
    let moved = || Some(rows(&[&[&[0.8, 0.0, 0.9, 0.0, 0.0, 0.0]]]));
    let by = |frames| value(PixelPenalty::new(0, truth(frames)), prediction(), moved());
    assert_eq!(by(FrameComparison::WASSERSTEIN), 0.0);
    assert!(by(FrameComparison::BETTI_MATCHING) > 0.1);
}

#[test]
fn change_is_wanted_where_the_truth_changes() {
    // Two spots that merge, and two that stay apart.
    let apart: &[f64] = &[0.9, 0.0, 0.0, 0.8, 0.0];
    let merged: &[f64] = &[0.9, 0.9, 0.8, 0.8, 0.0];
    let change = |prediction: [&[f64]; 2], truth: [&[f64]; 2]| {
        let [prediction, truth] = [prediction, truth].map(|clip| rows(&[&clip]));
        value(
            PixelPenalty::new(0, PixelComparison::change()),
            prediction,
            Some(truth),
        )
    };
    assert_eq!(change([apart, merged], [apart, merged]), 0.0);
    assert!(change([apart, apart], [apart, merged]) > 0.01);
    assert!(change([apart, merged], [apart, apart]) > 0.01);
    assert_eq!(change([apart, apart], [merged, merged]), 0.0);
}

#[test]
fn a_volume_sees_an_object_that_vanishes_for_one_frame() {
    let spot: &[f64] = &[0.0, 0.9, 0.0];
    let nothing: &[f64] = &[0.0, 0.0, 0.0];
    let clip = |middle: &[f64]| rows(&[&[spot, middle, spot]]);
    let penalty = |comparison| PixelPenalty::new(0, comparison).with_min_persistence(0.01);
    let kept = |middle, comparison| value(penalty(comparison), clip(middle), Some(clip(spot)));
    assert_eq!(kept(spot, volume(PartnerChoice::Same)), 0.0);
    // Its second life is a bar of its own, from 0.9 to 0.
    let expected = (0.9f64 / 2.0).powi(2);
    assert!((kept(nothing, volume(PartnerChoice::Same)) - expected).abs() < 1e-12);
    // Frame by frame, one frame has a bar too little.
    let by_frame = kept(nothing, PixelComparison::truth());
    assert!((by_frame - expected / 3.0).abs() < 1e-12);
}

#[test]
fn gradients_equal_central_differences() {
    let clips = |seed| numbers([2, 3, 5, 6], seed) * 0.45 + 0.5;
    for homology_dim in 0..2 {
        for comparison in comparisons() {
            for filtration in [Filtration::Superlevel, Filtration::Sublevel] {
                let penalty = PixelPenalty::new(homology_dim, comparison)
                    .with_filtration(filtration)
                    .with_min_persistence(0.03);
                assert_gradient(clips(3), |prediction| {
                    let topology = evaluate(penalty, prediction, Some(clips(4)));
                    assert!(
                        topology.terms[0].value > 1e-4,
                        "nothing to test: {penalty:?}"
                    );
                    topology.loss
                });
            }
        }
        let random = PixelPenalty::new(homology_dim, PixelComparison::truth())
            .with_pixels(PixelChoice::Random { seed: 5 });
        assert_gradient(clips(3), |prediction| {
            evaluate(random, prediction, Some(clips(4))).loss
        });
    }
    let voids = PixelPenalty::new(2, volume(PartnerChoice::Same));
    let cubes = |seed| numbers([1, 4, 5, 5], seed) * 0.45 + 0.5;
    assert_gradient(cubes(7), |prediction| {
        let topology = evaluate(voids, prediction, Some(cubes(8)));
        assert!(topology.terms[0].value > 1e-5, "nothing to test");
        topology.loss
    });
}

#[test]
fn values_outside_the_range_are_clamped_and_receive_no_gradient() {
    let clips = |low: f64, high: f64| rows(&[&[&[high, low, 0.8, 0.3, 0.6]]]);
    let penalty = PixelPenalty::new(0, PixelComparison::BettiNumber(1));
    let inside = clips(0.0, 1.0);
    let outside = clips(-0.5, 1.7).require_grad();
    let topology = evaluate(penalty, outside.clone(), None);
    assert_eq!(topology.terms[0].value, value(penalty, inside, None));
    let gradient = values(outside.grad(&topology.loss.backward()).unwrap());
    assert_eq!(gradient[..2], [0.0, 0.0]);
    assert!(gradient[2..].iter().any(|&g| g != 0.0), "{gradient:?}");
}

#[test]
fn controls_keep_the_number_of_bars_and_change_their_pixels() {
    let clips = |seed| numbers([3, 2, 6, 6], seed) * 0.45 + 0.5;
    let penalty = PixelPenalty::new(0, PixelComparison::truth());
    let of = |penalty: PixelPenalty, step: usize| {
        let regularizer = TopologyRegularizer::new(vec![penalty.into()]).unwrap();
        let activations = Activations::from_frames(clips(1), Some(clips(2)));
        let clock = Clock {
            step,
            ..Clock::default()
        };
        regularizer.forward(&activations, clock).unwrap().terms[0].clone()
    };
    let random = penalty.with_pixels(PixelChoice::Random { seed: 1 });
    assert_eq!(of(random, 3), of(random, 3));
    assert_ne!(of(random, 3).value, of(random, 4).value);
    assert_ne!(of(random, 3).value, of(penalty, 3).value);
    assert_eq!(of(random, 3).n_compared, of(penalty, 3).n_compared);
    // The truth of another clip of the batch; equal predictions of their own truth are far from it.
    let partners = PartnerChoice::Shuffled { seed: 0 };
    for comparison in [
        PixelComparison::Truth {
            frames: FrameComparison::WASSERSTEIN,
            partners,
        },
        PixelComparison::Change {
            frames: FrameComparison::WASSERSTEIN,
            pairs: Pairs::Consecutive,
            partners,
        },
        volume(partners),
    ] {
        let control = PixelPenalty::new(0, comparison);
        assert!(value(control, clips(1), Some(clips(1))) > 0.0);
        // A single clip has no other one.
        let single = || clips(1).narrow(0, 0, 1);
        let topology = evaluate(control, single(), Some(single()));
        assert_eq!(
            (topology.terms[0].value, topology.terms[0].n_compared),
            (0.0, 0)
        );
    }
}

#[test]
fn pixel_penalties_stand_beside_others_and_report_at_weight_zero() {
    let clips = |seed| numbers([2, 2, 6, 6], seed) * 0.45 + 0.5;
    let frames =
        |penalty: PixelPenalty, weight: f64| TopologyPenalty::from(penalty).with_weight(weight);
    let h0 = PixelPenalty::new(0, PixelComparison::truth());
    let h1 = PixelPenalty::new(1, PixelComparison::frames());
    let attention = crate::util::attention([4, 2, 7, 7], 1).require_grad();
    let prediction = clips(1).require_grad();
    let evaluate = |penalties: Vec<TopologyPenalty>| {
        let regularizer = TopologyRegularizer::new(penalties).unwrap();
        let other = crate::util::attention([4, 2, 7, 7], 2);
        let activations = Activations {
            attention: vec![attention.clone(), other],
            ..Activations::from_frames(prediction.clone(), Some(clips(2)))
        };
        regularizer.forward(&activations, Clock::default()).unwrap()
    };
    let together = evaluate(vec![
        TopologyPenalty::new(0),
        frames(h0, 0.5),
        frames(h1, 2.0),
    ]);
    let names: Vec<&str> = together
        .terms
        .iter()
        .map(|term| term.name.as_str())
        .collect();
    assert_eq!(names, ["h0_layers", "h0_pixels_truth", "h1_pixels_frames"]);
    let sum: f64 = together
        .terms
        .iter()
        .map(|term| term.weight * term.value)
        .sum();
    assert!((values(together.loss.clone())[0] - sum).abs() < 1e-12);
    let gradients = together.loss.backward();
    assert!(attention.grad(&gradients).is_some() && prediction.grad(&gradients).is_some());
    let watched = evaluate(vec![frames(h0, 0.0)]);
    assert_eq!(watched.terms[0].value, together.terms[1].value);
    assert_eq!(values(watched.loss), [0.0]);
}

#[test]
fn bad_frames_and_penalties_are_refused_in_one_sentence() {
    let clips = |shape| numbers::<4>(shape, 1) * 0.45 + 0.5;
    let message = |penalty: PixelPenalty, activations: Activations| {
        let regularizer = TopologyRegularizer::new(vec![penalty.into()]).unwrap();
        let error = regularizer
            .forward(&activations, Clock::default())
            .unwrap_err();
        error.to_string()
    };
    let penalty = PixelPenalty::new(0, PixelComparison::truth());
    let shape = [1, 2, 4, 4];
    for (activations, expected) in [
        (
            Activations::from_frames(clips(shape), None),
            "no true frames were passed",
        ),
        (
            Activations::from_frames(clips(shape), Some(clips([1, 2, 4, 5]))),
            "predicted frames have the shape [1, 2, 4, 4] and true frames [1, 2, 4, 5]",
        ),
        (
            Activations::from_attention(vec![crate::util::attention([1, 1, 4, 4], 1)], 0),
            "predicted frames, but none were passed",
        ),
        (
            Activations::from_frames(clips(shape) / 0.0 * 0.0, Some(clips(shape))),
            "prediction: pixel in clip 0, frame 0, row 0, column 0 is NaN",
        ),
    ] {
        let message = message(penalty, activations);
        assert!(
            message.contains(expected) && message.lines().count() == 1,
            "{message}"
        );
    }
    let frames = PixelPenalty::new(0, PixelComparison::frames());
    let image = Activations::from_frames(clips([2, 1, 4, 4]), None);
    assert!(message(frames, image).contains("a penalty compares frames"));
    let sorted = FrameComparison::Distance(DiagramDistance::SortedWasserstein {
        order: 2.0,
        power: Power::P,
    });
    for (penalty, expected) in [
        (
            PixelPenalty::new(2, PixelComparison::truth()),
            "homology_dim of a frame is 2, expected at most 1",
        ),
        (
            PixelPenalty::new(3, volume(PartnerChoice::Same)),
            "homology_dim of a volume is 3, expected at most 2",
        ),
        (
            penalty.with_min_persistence(f64::NAN),
            "min_persistence is NaN",
        ),
        (PixelPenalty::new(0, truth(sorted)), "needs equal births"),
        (
            PixelPenalty::new(0, truth(FrameComparison::BETTI_MATCHING))
                .with_pixels(PixelChoice::Random { seed: 0 }),
            "cannot be random",
        ),
        (
            PixelPenalty::new(
                0,
                truth(FrameComparison::BettiMatching {
                    order: 0.5,
                    ground_norm: GroundNorm::L2,
                }),
            ),
            "order of the Betti matching is 0.5",
        ),
    ] {
        let error = TopologyRegularizer::new(vec![penalty.into()]).unwrap_err();
        assert!(
            error.is_invalid_parameter() && error.to_string().contains(expected),
            "{error}"
        );
    }
}
