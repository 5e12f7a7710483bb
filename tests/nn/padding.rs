//! Items of different sizes in one batch: padding leaves no trace in diagrams and gradients.

use burn_topology::burn::prelude::*;
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::nn::{DiagramBatch, Persistence};
use burn_topology::topology::Diagram;

use crate::util::{assert_gradient, attention, device, numbers, values};

/// Mask of a batch, true for padding.
fn mask<const B: usize, const N: usize>(padding: [[bool; N]; B]) -> Tensor<2, Bool> {
    Tensor::from_data(padding, &device().0)
}

/// Padding in the middle, at the start and at the end, and none.
fn masks() -> Tensor<2, Bool> {
    let (p, t) = (true, false);
    mask([
        [t, t, p, t, t, p, t, t],
        [p, p, t, t, t, t, t, t],
        [t, t, t, t, t, p, p, p],
        [t; 8],
    ])
}

const KEPT: [&[i64]; 4] = [
    &[0, 1, 3, 4, 6, 7],
    &[2, 3, 4, 5, 6, 7],
    &[0, 1, 2, 3, 4],
    &[0, 1, 2, 3, 4, 5, 6, 7],
];

/// Rows of one item without those of padding; for square matrices also without their columns.
fn without_padding(batch: &Tensor<3>, item: usize, is_square: bool) -> Tensor<3> {
    let kept = Tensor::<1, Int>::from_data(KEPT[item], &device().0);
    let rows = batch.clone().narrow(0, item, 1).select(1, kept.clone());
    if is_square {
        rows.select(2, kept)
    } else {
        rows
    }
}

fn layer() -> Persistence {
    Persistence::new(1).unwrap()
}

fn assert_same_item(padded: &DiagramBatch, item: usize, alone: &DiagramBatch) {
    assert_eq!(padded.n_points(item), KEPT[item].len());
    assert_eq!(padded.distance_matrix(item), alone.distance_matrix(0));
    let bars = |diagrams: &[Diagram<f64>]| -> Vec<_> {
        diagrams
            .iter()
            .map(|diagram| diagram.bars.clone())
            .collect()
    };
    assert_eq!(
        bars(padded.diagrams(item)),
        bars(alone.diagrams(0)),
        "item {item}"
    );
}

#[test]
fn diagrams_equal_those_of_the_items_without_padding() {
    let rows = attention([4, 1, 8, 8], 3).squeeze_dim::<3>(1);
    for metric in [
        RowMetric::JensenShannon,
        RowMetric::Euclidean,
        RowMetric::Cosine,
        RowMetric::Attention,
    ] {
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        let batch = layer()
            .padded_rows(rows.clone(), distance, &masks())
            .unwrap();
        for item in 0..4 {
            let rows = without_padding(&rows, item, metric == RowMetric::Attention);
            assert_same_item(&batch, item, &layer().rows(rows, distance).unwrap());
        }
    }
    let difference = rows.clone() - rows.clone().swap_dims(1, 2);
    let distances = difference.abs();
    let batch = layer()
        .padded_distances(distances.clone(), &masks())
        .unwrap();
    for item in 0..4 {
        let alone = layer()
            .distances(without_padding(&distances, item, true))
            .unwrap();
        assert_same_item(&batch, item, &alone);
    }
}

#[test]
fn gradients_with_padding_equal_central_differences_and_are_zero_for_padding() {
    let loss = |batch: DiagramBatch| {
        let [h0, h1] = [0, 1].map(|dim| batch.bars(dim));
        (h0.deaths.square() * 3.0).sum() + (h1.deaths.square() - h1.births).sum()
    };
    let rows = || attention([4, 1, 8, 8], 5).squeeze_dim::<3>(1);
    for metric in [RowMetric::JensenShannon, RowMetric::Attention] {
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        let value = |rows| loss(layer().padded_rows(rows, distance, &masks()).unwrap());
        assert_gradient(rows(), value);
        let tracked = rows().require_grad();
        let gradient = tracked.grad(&value(tracked.clone()).backward()).unwrap();
        let of_padding = gradient
            * masks()
                .inner()
                .float()
                .cast(tracked.dtype())
                .unsqueeze_dim(2);
        assert!(values(of_padding).iter().all(|&g| g == 0.0));
    }
    // The derivatives of a loss outside of Burn, whose edges number the points without padding.
    let tracked = rows().require_grad();
    let batch = layer()
        .padded_rows(tracked.clone(), RowDistance::JENSEN_SHANNON, &masks())
        .unwrap();
    let by_edge = (0..4).map(|item| {
        let deaths = batch.diagrams(item)[0].finite();
        deaths
            .map(|bar| (bar.death_edge.unwrap(), 2.0 * bar.death))
            .collect()
    });
    let by_edge: Vec<_> = by_edge.collect();
    let surrogate = batch.surrogate(0.0, &by_edge);
    let of_surrogate = values(tracked.grad(&surrogate.backward()).unwrap());
    let of_bars = batch.bars(0).deaths.square().sum();
    let of_bars = values(tracked.grad(&of_bars.backward()).unwrap());
    for (a, b) in of_surrogate.iter().zip(of_bars) {
        assert!((a - b).abs() < 1e-12);
    }
}

#[test]
fn padding_may_hold_anything_and_items_may_be_empty() {
    let rows = numbers::<3>([3, 4, 2], 1);
    let padding = mask([
        [false, true, false, false],
        [true; 4],
        [true, true, false, true],
    ]);
    let filled = padding.clone().unsqueeze_dim::<3>(2).expand([3, 4, 2]);
    let rows = rows.mask_fill(filled, f64::NAN);
    let euclidean = RowDistance {
        metric: RowMetric::Euclidean,
        exponent: 1.0,
    };
    let batch = layer().padded_rows(rows, euclidean, &padding).unwrap();
    assert_eq!([0, 1, 2].map(|item| batch.n_points(item)), [3, 0, 1]);
    assert_eq!(batch.bars(0).offsets, [0, 2, 2, 2]);
    assert_eq!([1, 2].map(|item| batch.mean_distance(item)), [0.0, 0.0]);
}

#[test]
fn a_mask_of_another_shape_is_refused() {
    let rows = numbers::<3>([2, 4, 3], 1);
    let euclidean = RowDistance {
        metric: RowMetric::Euclidean,
        exponent: 1.0,
    };
    let error = layer()
        .padded_rows(rows, euclidean, &mask([[false; 5]; 2]))
        .unwrap_err();
    assert!(error.is_invalid_parameter());
    assert!(
        error
            .to_string()
            .contains("padding has the shape [2, 5], expected [2, 4]"),
        "{error}"
    );
}
