//! Values of the rows of a batch, on the host or on a graphics card.

#[cfg(feature = "gpu")]
use std::sync::OnceLock;

use burn::prelude::*;

use super::host_values::HostValues;
#[cfg(feature = "gpu")]
use crate::{
    gpu::DeviceRows,
    topology::{Edge, EdgeGradient},
};

/// Values of the rows of a batch, `[batch_size, n_points, n_columns]`.
#[derive(Debug)]
#[cfg_attr(
    feature = "gpu",
    allow(
        clippy::large_enum_variant,
        reason = "there is one for each layer of a step"
    )
)]
pub(super) enum RowValues {
    /// Copied to the host.
    Host(HostValues),
    /// On a device that computes with them.
    #[cfg(feature = "gpu")]
    Device(DeviceValues),
}

/// Rows on a device.
#[cfg(feature = "gpu")]
#[derive(Debug)]
pub(super) struct DeviceValues {
    device: DeviceRows,
    /// Items that the device could not compute, ascending.
    left: Vec<usize>,
    /// Rows of these items, one after the other.
    left_rows: Vec<f32>,
    /// Copy of all rows, if the host needs it after all.
    copied: OnceLock<HostValues>,
}

impl From<HostValues> for RowValues {
    fn from(values: HostValues) -> Self {
        Self::Host(values)
    }
}

impl RowValues {
    /// Takes rows on a device, and those of items that it could not compute.
    #[cfg(feature = "gpu")]
    pub(super) fn on_device(device: DeviceRows, left: Vec<usize>, left_rows: Vec<f32>) -> Self {
        Self::Device(DeviceValues {
            device,
            left,
            left_rows,
            copied: OnceLock::new(),
        })
    }

    /// Returns the values, which are copied from the device at the first call.
    ///
    /// # Panics
    ///
    /// If they cannot be read from the device.
    pub(super) fn on_host(&self, rows: &Tensor<3>) -> &HostValues {
        let _ = rows;
        match self {
            Self::Host(values) => values,
            #[cfg(feature = "gpu")]
            Self::Device(values) => values.copied.get_or_init(|| {
                HostValues::read(rows).expect("a device that computed bars can be read")
            }),
        }
    }

    /// Number of items that a device could not compute.
    pub(super) fn n_items_left(&self) -> usize {
        match self {
            Self::Host(_) => 0,
            #[cfg(feature = "gpu")]
            Self::Device(values) => values.left.len(),
        }
    }
}

#[cfg(feature = "gpu")]
impl DeviceValues {
    /// Returns 0, `[1]`, with the given derivatives with respect to the lengths of edges; `None` if a length is not known.
    ///
    /// `length` returns that of an edge of an item.
    pub(super) fn surrogate(
        &self,
        [n_points, n_columns]: [usize; 2],
        gradient: Vec<EdgeGradient>,
        length: impl Fn(usize, Edge) -> Option<f64>,
    ) -> Option<Tensor<1>> {
        let with_lengths = gradient
            .into_iter()
            .enumerate()
            .map(|(item, edges)| {
                let left = self.left.binary_search(&item).ok();
                let is_usable = |vertex: u32| {
                    left.is_none_or(|place| {
                        let start = (place * n_points + vertex as usize) * n_columns;
                        self.device.takes(&self.left_rows[start..][..n_columns])
                    })
                };
                edges
                    .into_iter()
                    .filter(|(edge, _)| edge.iter().all(|&vertex| is_usable(vertex)))
                    .map(|(edge, derivative)| Some((edge, length(item, edge)?, derivative)))
                    .collect::<Option<Vec<_>>>()
            })
            .collect::<Option<Vec<_>>>()?;
        Some(self.device.surrogate(&with_lengths))
    }
}
