//! Persistence layer on degenerate input: infinite distances, empty batches, bad rows.

use burn_topology::burn::prelude::*;
use burn_topology::distance::RowDistance;
use burn_topology::nn::{AttentionRows, Heads, Persistence, Tokens};

use crate::util::values;

/// Distance matrices of two squares: the first with finite diagonals, the second with infinite ones.
fn squares() -> Tensor<3> {
    let square = |diagonal: f32| {
        [
            [0.0, 1.0, diagonal, 1.0],
            [1.0, 0.0, 1.0, diagonal],
            [diagonal, 1.0, 0.0, 1.0],
            [1.0, diagonal, 1.0, 0.0],
        ]
    };
    let device = Device::flex().autodiff();
    Tensor::from_data([square(1.5), square(f32::INFINITY)], &device).require_grad()
}

#[test]
fn infinite_distances_leave_births_and_deaths_finite() {
    let distances = squares();
    let batch = Persistence::new(1)
        .unwrap()
        .distances(distances.clone())
        .unwrap();
    let bars = batch.bars(0);
    assert_eq!(values(bars.deaths.clone()), [1.0; 6]);
    let gradient = values(distances.grad(&bars.deaths.sum().backward()).unwrap());
    assert!(gradient.iter().all(|g| g.is_finite()));
    assert_eq!(gradient.iter().sum::<f64>(), 6.0);
}

#[test]
fn infinite_distances_leave_a_surrogate_finite() {
    let distances = squares();
    let batch = Persistence::new(1)
        .unwrap()
        .distances(distances.clone())
        .unwrap();
    let surrogate = batch.surrogate(0.5, &[vec![([0, 1], 2.0)], vec![([0, 1], 4.0)]]);
    assert_eq!(values(surrogate.clone()), [0.5]);
    let gradient = values(distances.grad(&surrogate.backward()).unwrap());
    assert_eq!((gradient[1], gradient[4], gradient[17]), (1.0, 1.0, 2.0));
    assert_eq!(gradient.iter().sum::<f64>(), 6.0);
}

#[test]
fn batches_without_points_have_no_bars_and_a_constant_surrogate() {
    let device = Device::flex().autodiff();
    for shape in [[2, 0, 0], [0, 3, 3]] {
        let empty = Tensor::<3>::zeros(shape, &device).require_grad();
        let batch = Persistence::new(1).unwrap().distances(empty).unwrap();
        assert_eq!(batch.bars(1).deaths.dims(), [0]);
        let surrogate = batch.surrogate(0.5, &vec![Vec::new(); shape[0]]);
        assert_eq!(values(surrogate), [0.5]);
    }
}

#[test]
fn rows_without_columns_are_refused() {
    let rows = Tensor::<3>::zeros([1, 3, 0], &Device::flex());
    let error = Persistence::new(1)
        .unwrap()
        .rows(rows, RowDistance::JENSEN_SHANNON)
        .unwrap_err();
    assert!(error.is_invalid_distribution());
}

#[test]
fn the_first_bad_item_is_reported() {
    // The first item is bad at its end, so that threads with other items find their error earlier.
    let (n_items, n_outcomes) = (8, 1 << 18);
    let mut rows = vec![0.5; n_items * n_outcomes];
    for item in 0..n_items {
        let column = if item == 0 { n_outcomes - 1 } else { 0 };
        rows[item * n_outcomes + column] = -1.0;
    }
    let data = TensorData::new(rows, [n_items, 1, n_outcomes]);
    let rows = Tensor::<3>::from_data(data, &Device::flex());
    let error = Persistence::new(0)
        .unwrap()
        .rows(rows, RowDistance::JENSEN_SHANNON)
        .unwrap_err();
    assert!(error.to_string().starts_with("item 0: "), "{error}");
}

#[test]
fn rows_without_weight_on_the_patches_are_named() {
    let weights = Tensor::<4>::from_data([[[[0.2, 0.8], [1.0, 0.0]]]], &Device::flex());
    let rows = AttentionRows {
        heads: Heads::Each,
        tokens: Tokens::Patches,
        n_prefix_tokens: 1,
    };
    assert_eq!(
        rows.select(weights).unwrap_err().to_string(),
        "attention row (image 0, head 0, token 1) has no weight on the patches, expected some; compare all tokens instead"
    );
}
