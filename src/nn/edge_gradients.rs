//! Conversion of derivatives with respect to critical distances to those with respect to rows.

use std::sync::OnceLock;

use burn::prelude::*;
use burn::tensor::Element;
use rayon::prelude::*;

use super::host_values::HostValues;
use super::item::{BarEnd, Item, KnownLengths};
use crate::distance::{DistanceElement, RowDistance};
use crate::topology::{Edge, EdgeGradient};

/// Returns the derivatives of the length of each edge with respect to the two rows that it joins.
///
/// The result has the shape `[n_edges, n_columns]` for the first and for the second row. The points of edges are
/// numbered as in the input.
pub(super) fn edge_jacobian<T: DistanceElement + Element>(
    [_, n_points, n_columns]: [usize; 3],
    values: &[T],
    distance: RowDistance,
    ends: &[BarEnd],
) -> [TensorData; 2] {
    let mut first = vec![T::zero(); ends.len() * n_columns];
    let mut second = first.clone();
    let row = |item: usize, vertex: u32| {
        &values[(item * n_points + vertex as usize) * n_columns..][..n_columns]
    };
    first
        .par_chunks_mut(n_columns)
        .zip(second.par_chunks_mut(n_columns))
        .zip(ends)
        .for_each(|((first, second), &BarEnd { item, edge, length })| {
            let rows = edge.map(|vertex| row(item, vertex));
            let edge = edge.map(|vertex| vertex as usize);
            distance.accumulate_gradient(rows, edge, length, 1.0, [first, second]);
        });
    let shape = [ends.len(), n_columns];
    [
        TensorData::new(first, shape),
        TensorData::new(second, shape),
    ]
}

/// Returns the derivatives with respect to all rows, `[batch_size, n_points, n_columns]`.
///
/// `gradient` has the derivatives with respect to the lengths of edges, one list per item. Its points are numbered as
/// in the diagrams, without padding.
pub(super) fn input_gradient<T: DistanceElement + Element>(
    [batch_size, n_points, n_columns]: [usize; 3],
    items: &[Item],
    distances: &[OnceLock<HostValues>],
    values: &[T],
    distance: RowDistance,
    gradient: &[EdgeGradient],
) -> TensorData {
    let size = n_points * n_columns;
    let mut output = vec![T::zero(); batch_size * size];
    // Rayon refuses chunks of size 0, so items without points get the size 1; they have no values anyway.
    output
        .par_chunks_mut(size.max(1))
        .zip(values.par_chunks(size.max(1)))
        .zip(gradient)
        .zip(items)
        .zip(distances)
        .for_each(|((((output, values), edges), item), distances)| {
            let lengths = KnownLengths::new(item, distances, item.n_points(n_points));
            for (edge, derivative) in sum_by_edge(edges) {
                let known = lengths.get(edge);
                let edge = item.in_input(edge);
                let rows = edge.map(|vertex| &values[vertex as usize * n_columns..][..n_columns]);
                let length = known.unwrap_or_else(|| distance.between(rows).to_f64_exact());
                let edge: [usize; 2] = edge.map(|vertex| vertex as usize);
                // The smaller vertex comes first, so a split at the larger one separates the two rows.
                let (head, tail) = output.split_at_mut(edge[1] * n_columns);
                let gradients = [
                    &mut head[edge[0] * n_columns..][..n_columns],
                    &mut tail[..n_columns],
                ];
                distance.accumulate_gradient(rows, edge, length, derivative, gradients);
            }
        });
    TensorData::new(output, [batch_size, n_points, n_columns])
}

/// Sums the derivatives of equal edges; the result is sorted by edge and without zeros.
pub(super) fn sum_by_edge(gradient: &EdgeGradient) -> EdgeGradient {
    let mut sorted = gradient.clone();
    // Both vertices in one number make comparisons cheap. The sort is stable, so that derivatives of one
    // edge are added in the order in which they were given.
    sorted.sort_by_key(|([i, j], _): &(Edge, f64)| u64::from(*i) << 32 | u64::from(*j));
    sorted.dedup_by(|(edge, derivative), (kept, sum)| {
        let is_repeated = edge == kept;
        if is_repeated {
            *sum += *derivative;
        }
        is_repeated
    });
    sorted.retain(|(_, derivative)| *derivative != 0.0);
    sorted
}
