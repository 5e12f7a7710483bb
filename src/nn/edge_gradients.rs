//! From derivatives in critical distances to derivatives in the rows that they are between.

use burn::prelude::*;
use burn::tensor::Element;
use rayon::prelude::*;

use super::diagram_batch::DiagramBatch;
use crate::distance::{DistanceElement, RowDistance};
use crate::topology::{Edge, EdgeGradient};

impl DiagramBatch {
    /// Derivatives of each edge's distance in the two rows of the input that it joins.
    pub(super) fn edge_jacobian<T: DistanceElement + Element>(
        &self,
        values: &[T],
        distance: RowDistance,
        edges: &[(usize, Edge, f64)],
    ) -> [TensorData; 2] {
        let [_, n_points, n_columns] = self.input.dims();
        let mut first = vec![T::zero(); edges.len() * n_columns];
        let mut second = first.clone();
        let row = |item, vertex: u32| {
            &values[(item * n_points + vertex as usize) * n_columns..][..n_columns]
        };
        first
            .par_chunks_mut(n_columns)
            .zip(second.par_chunks_mut(n_columns))
            .zip(edges)
            .for_each(|((first, second), &(item, edge, length))| {
                let rows = edge.map(|vertex| row(item, vertex));
                let edge = edge.map(|vertex| vertex as usize);
                distance.accumulate_gradient(rows, edge, length, 1.0, [first, second]);
            });
        let shape = [edges.len(), n_columns];
        [
            TensorData::new(first, shape),
            TensorData::new(second, shape),
        ]
    }

    /// Derivatives in all rows, of derivatives by item and edge.
    pub(super) fn input_gradient<T: DistanceElement + Element>(
        &self,
        values: &[T],
        distance: RowDistance,
        gradient: &[EdgeGradient],
    ) -> TensorData {
        let [batch_size, n_points, n_columns] = self.input.dims();
        let size = n_points * n_columns;
        let mut out = vec![T::zero(); batch_size * size];
        // Chunks of nothing are refused, so items without points count as long as one entry.
        out.par_chunks_mut(size.max(1))
            .zip(values.par_chunks(size.max(1)))
            .zip(gradient)
            .zip(&self.items)
            .for_each(|(((out, values), edges), item)| {
                for (edge, upstream) in added_up(edges) {
                    let edge = edge.map(|vertex| vertex as usize);
                    let length = item.distances.get(edge[0] * n_points + edge[1]);
                    let rows = edge.map(|vertex| &values[vertex * n_columns..][..n_columns]);
                    let (head, tail) = out.split_at_mut(edge[1] * n_columns);
                    let gradients = [
                        &mut head[edge[0] * n_columns..][..n_columns],
                        &mut tail[..n_columns],
                    ];
                    distance.accumulate_gradient(rows, edge, length, upstream, gradients);
                }
            });
        TensorData::new(out, [batch_size, n_points, n_columns])
    }
}

/// The derivatives of each edge once, those that are not zero, in the order of the edges.
fn added_up(gradient: &EdgeGradient) -> EdgeGradient {
    let mut sorted = gradient.clone();
    // One number to compare in place of two.
    sorted.sort_by_key(|([i, j], _)| u64::from(*i) << 32 | u64::from(*j));
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
