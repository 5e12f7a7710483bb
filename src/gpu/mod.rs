//! The device engine: distances, persistence and gradients on a graphics card.
//!
//! Kernels compute the distances between rows and the bars of dimensions 0 and 1 where the rows are. Only bars come to the
//! host, and only the derivatives of a few edges go back; a kernel turns them into the gradient of the rows. Pairs and
//! ties are those of [`topology`](crate::topology). Whatever the kernels have no room for, the host computes.
//!
//! - [`DeviceRows`] asks for the bars of a batch of rows, and later for their gradient.
//! - `kernels` has the kernels, `launch` their sizes, and `operations` makes them known to Burn.

mod bars;
mod kernels;
mod launch;
mod metric;
mod operations;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use bars::DeviceItem;
#[cfg(test)]
pub(crate) use rows::bars_of_distances;
pub(crate) use rows::{DeviceBars, DeviceRows};
