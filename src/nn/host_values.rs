//! Copies of tensor values on the host.

use burn::prelude::*;
use burn::tensor::{DType, Element};

use crate::error::Result;
use crate::fused::{copy_to_host, read_values};

/// Values of a tensor on the host, in the precision of the computation: 32 bits, or 64 for such tensors.
#[derive(Debug)]
pub(super) enum HostValues {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl From<Vec<f32>> for HostValues {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(values)
    }
}

impl From<Vec<f64>> for HostValues {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(values)
    }
}

/// Number of values read from a device at a time, per thread: 1 MiB of 32-bit numbers.
///
/// Backends copy values up to three times on the way to the host. Small parts stay in the cache.
const VALUES_PER_READ: usize = 1 << 18;

impl HostValues {
    /// Copies all values of a tensor to the host; half precision is converted to 32 bits.
    pub(super) fn read(tensor: &Tensor<3>) -> Result<Self> {
        match tensor.dtype() {
            // The fast copy is for single precision only.
            DType::F64 => read_all(tensor).map(Self::F64),
            _ => match copy_to_host(tensor) {
                Some(values) => Ok(Self::F32(values)),
                None => read_all(tensor).map(Self::F32),
            },
        }
    }

    /// Returns one value, converted to 64 bits.
    pub(super) fn get(&self, index: usize) -> f64 {
        match self {
            Self::F32(values) => f64::from(values[index]),
            Self::F64(values) => values[index],
        }
    }

    /// Returns all values, converted to 64 bits.
    pub(super) fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::F64(values) => values.clone(),
        }
    }
}

/// Copies all values of a tensor through the ordinary operations of its backend.
fn read_all<E: Element>(tensor: &Tensor<3>) -> Result<Vec<E>> {
    let mut values = Vec::with_capacity(tensor.shape().num_elements());
    read_parts(tensor, |part: Vec<E>| {
        values.extend(part);
        Ok(())
    })?;
    Ok(values)
}

/// Calls `process` with the values of a few whole items at a time, enough work for all threads.
pub(super) fn read_parts<E: Element>(
    tensor: &Tensor<3>,
    mut process: impl FnMut(Vec<E>) -> Result<()>,
) -> Result<()> {
    let tensor = tensor.clone().without_autodiff();
    let [batch_size, n_points, n_columns] = tensor.dims();
    let n_values = VALUES_PER_READ * rayon::current_num_threads();
    // Items without values must not cause a division by 0, and an item is never read in part.
    let items_per_read = (n_values / (n_points * n_columns).max(1)).max(1);
    for start in (0..batch_size).step_by(items_per_read) {
        let items = start..batch_size.min(start + items_per_read);
        let part = tensor.clone().slice([items, 0..n_points, 0..n_columns]);
        let values = read_values(part)
            .map_err(|error| error.within("tensor cannot be read from its device"))?;
        process(values)?;
    }
    Ok(())
}
