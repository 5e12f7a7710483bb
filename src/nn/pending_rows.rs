//! Rows whose values, or whose bars, are on their way to the host.

use burn::prelude::*;
use burn::tensor::DType;

use super::host_values::HostValues;
use crate::distance::RowDistance;
use crate::error::Result;
use crate::fused::{HostReads, ReadPlace, ReadValues, is_on_host};
#[cfg(feature = "gpu")]
use crate::{
    error::Error,
    gpu::{DeviceBars, DeviceItem, DeviceRows},
};

/// Rows, `[batch_size, n_points, n_columns]`, and what the host waits for.
#[derive(Debug)]
pub(crate) struct PendingRows {
    rows: Tensor<3>,
    awaited: Awaited,
}

/// What the host waits for.
#[derive(Debug)]
#[cfg_attr(
    feature = "gpu",
    allow(
        clippy::large_enum_variant,
        reason = "there is one for each layer of a step"
    )
)]
enum Awaited {
    /// Nothing: the rows lie on the host, where each thread copies those of its layer.
    Nothing,
    /// The values of the rows.
    Values(ReadPlace),
    /// The bars that the device computes, a few items at a time.
    #[cfg(feature = "gpu")]
    Bars(DeviceRows, Vec<(DeviceBars, ReadPlace)>),
}

impl PendingRows {
    /// Adds the values of rows to those that are read from their device.
    pub(crate) fn new(rows: Tensor<3>, reads: &mut HostReads) -> Self {
        let awaited = if is_on_host(&rows.device()) {
            Awaited::Nothing
        } else {
            Awaited::Values(reads.add(rows.clone()))
        };
        Self { rows, awaited }
    }

    /// Lets the device compute the bars of rows if it can, and adds these to the values that are read, or the rows.
    pub(crate) fn with_bars(
        rows: Tensor<3>,
        distance: RowDistance,
        max_homology_dim: usize,
        reads: &mut HostReads,
    ) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(device) = DeviceRows::new(&rows, distance, max_homology_dim) {
            let bars = device.bars().into_iter().map(|bars| {
                let place = reads.add_int(bars.words());
                (bars, place)
            });
            let awaited = Awaited::Bars(device, bars.collect());
            return Self { rows, awaited };
        }
        let _ = (distance, max_homology_dim);
        Self::new(rows, reads)
    }

    /// Takes what was read, and adds the rows of items that the device did not compute to `again`.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`](crate::Error::is_device_error) if the values cannot be converted, or a kernel did not
    /// run.
    pub(crate) fn arrived(
        self,
        values: &mut ReadValues,
        again: &mut HostReads,
    ) -> Result<ArrivedRows> {
        let Self { rows, awaited } = self;
        let source = match awaited {
            Awaited::Nothing => RowSource::Rows(None),
            Awaited::Values(place) if rows.dtype() == DType::F64 => {
                RowSource::Rows(Some(values.take::<f64>(place)?.into()))
            }
            Awaited::Values(place) => RowSource::Rows(Some(values.take::<f32>(place)?.into())),
            #[cfg(feature = "gpu")]
            Awaited::Bars(device, bars) => {
                let mut items = Vec::with_capacity(rows.dims()[0]);
                for (bars, place) in bars {
                    items.extend(bars.items(&values.take::<u32>(place)?));
                }
                if items.contains(&DeviceItem::DidNotRun) {
                    return Err(Error::device(
                        "a kernel for persistence did not run on the device, and gave no reason",
                    ));
                }
                let others: Vec<i64> = (0..items.len())
                    .filter(|&item| !matches!(items[item], DeviceItem::Diagrams(_)))
                    .map(|item| item as i64)
                    .collect();
                let place = (!others.is_empty()).then(|| {
                    let others = Tensor::<1, Int>::from_data(&others[..], &rows.device());
                    again.add(rows.clone().without_autodiff().select(0, others))
                });
                RowSource::Bars(ArrivedBars {
                    device,
                    items,
                    place,
                    others: Vec::new(),
                })
            }
        };
        let _ = again;
        Ok(ArrivedRows { rows, source })
    }
}

/// Rows with what was read of them.
#[derive(Debug)]
pub(crate) struct ArrivedRows {
    pub(super) rows: Tensor<3>,
    pub(super) source: RowSource,
}

/// What was read of rows.
#[derive(Debug)]
#[cfg_attr(
    feature = "gpu",
    allow(
        clippy::large_enum_variant,
        reason = "there is one for each layer of a step"
    )
)]
pub(super) enum RowSource {
    /// Their values; `None` if these still have to be copied within the memory of the host.
    Rows(Option<HostValues>),
    /// Their bars.
    #[cfg(feature = "gpu")]
    Bars(ArrivedBars),
}

/// Bars that the device computed.
#[cfg(feature = "gpu")]
#[derive(Debug)]
pub(super) struct ArrivedBars {
    pub(super) device: DeviceRows,
    pub(super) items: Vec<DeviceItem>,
    /// Place of the rows of the items that the device did not compute; `None` if it computed all.
    place: Option<ReadPlace>,
    /// Rows of these items, one after the other.
    pub(super) others: Vec<f32>,
}

impl ArrivedRows {
    /// Takes the rows of the items that the device did not compute.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`](crate::Error::is_device_error) if the values cannot be converted.
    pub(crate) fn complete(&mut self, again: &mut ReadValues) -> Result<()> {
        #[cfg(feature = "gpu")]
        if let RowSource::Bars(bars) = &mut self.source
            && let Some(place) = bars.place.take()
        {
            bars.others = again.take(place)?;
        }
        let _ = again;
        Ok(())
    }
}
