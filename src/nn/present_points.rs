//! Points of each item that are left when padding is taken out.

use burn::prelude::*;

use crate::error::{Error, Result};
use crate::fused::{HostReads, ReadPlace, ReadValues};

/// Points of each item that are not padding, in ascending order.
///
/// Diagrams and distances of an item number its points among these, from 0 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresentPoints {
    items: Vec<Vec<u32>>,
    /// Number of points of every item, padding included.
    n_points: usize,
}

impl PresentPoints {
    /// Reads a mask from its device: `[batch_size, n_points]`, true for padding.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`] if the mask cannot be read.
    pub(crate) fn read(padding: &Tensor<2, Bool>) -> Result<Self> {
        let mut reads = HostReads::default();
        let pending = PendingPoints::new(padding, &mut reads);
        pending.arrived(&mut reads.execute()?)
    }

    /// Lists the points of a mask on the host.
    fn of_mask(is_padding: &[f32], [batch_size, n_points]: [usize; 2]) -> Self {
        let items = (0..batch_size).map(|item| {
            let mask = &is_padding[item * n_points..][..n_points];
            (0..n_points as u32)
                .filter(|&point| mask[point as usize] == 0.0)
                .collect()
        });
        Self {
            items: items.collect(),
            n_points,
        }
    }

    /// Leaves out the points before `first`, from which on points are numbered.
    pub(crate) fn starting_at(&self, first: usize) -> Self {
        let renumbered = |points: &Vec<u32>| {
            let kept = points.iter().filter(|&&point| point as usize >= first);
            kept.map(|point| point - first as u32).collect()
        };
        Self {
            items: self.items.iter().map(renumbered).collect(),
            n_points: self.n_points - first,
        }
    }

    /// Repeats every item, for example once for each head.
    pub(crate) fn repeated(&self, n_times: usize) -> Self {
        let repeat = |points| std::iter::repeat_n(points, n_times);
        Self {
            items: self.items.iter().flat_map(repeat).cloned().collect(),
            n_points: self.n_points,
        }
    }

    /// Checks that there is one list of points for each item of a batch.
    pub(super) fn check(&self, batch_size: usize, n_points: usize) -> Result<()> {
        if (self.items.len(), self.n_points) == (batch_size, n_points) {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "padding has the shape [{}, {}], expected [{batch_size}, {n_points}], one entry for each point",
            self.items.len(),
            self.n_points
        )))
    }

    /// Points of one item.
    pub(super) fn of_item(&self, item: usize) -> &[u32] {
        &self.items[item]
    }
}

/// Mask of padding that is on its way to the host.
#[derive(Debug)]
pub(crate) struct PendingPoints {
    shape: [usize; 2],
    place: ReadPlace,
}

impl PendingPoints {
    /// Adds a mask, `[batch_size, n_points]`, true for padding, to the values that are read from their device.
    pub(crate) fn new(padding: &Tensor<2, Bool>, reads: &mut HostReads) -> Self {
        Self {
            shape: padding.dims(),
            // A float tensor, because it can be read in the same way on every backend.
            place: reads.add(padding.clone().float()),
        }
    }

    /// Takes the points from the values that were read.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`] if the values cannot be converted.
    pub(crate) fn arrived(self, values: &mut ReadValues) -> Result<PresentPoints> {
        let is_padding: Vec<f32> = values.take(self.place)?;
        Ok(PresentPoints::of_mask(&is_padding, self.shape))
    }
}

/// Copies the rows of some points; with `is_square`, also their columns only.
pub(super) fn rows_of_points<T: Copy>(
    values: &[T],
    n_columns: usize,
    points: &[u32],
    is_square: bool,
) -> Vec<T> {
    let rows = points
        .iter()
        .map(|&point| &values[point as usize * n_columns..][..n_columns]);
    if is_square {
        rows.flat_map(|row| points.iter().map(|&column| row[column as usize]))
            .collect()
    } else {
        rows.flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_of_padding_are_left_out() {
        let values: Vec<u32> = (0..9).collect();
        assert_eq!(
            rows_of_points(&values, 3, &[0, 2], false),
            [0, 1, 2, 6, 7, 8]
        );
        assert_eq!(rows_of_points(&values, 3, &[0, 2], true), [0, 2, 6, 8]);
        assert!(rows_of_points(&values, 3, &[], true).is_empty());
    }

    #[test]
    fn prefix_tokens_are_left_out_and_heads_repeat_an_image() {
        let points = PresentPoints {
            items: vec![vec![0, 1, 3], vec![0, 2]],
            n_points: 4,
        };
        let expected = PresentPoints {
            items: vec![vec![0, 2], vec![0, 2], vec![1], vec![1]],
            n_points: 3,
        };
        assert_eq!(points.starting_at(1).repeated(2), expected);
    }
}
