//! The values of a tensor on the host.

use burn::prelude::*;
use burn::tensor::{DType, Element};

use super::fused::copy_to_host;
use crate::error::{Error, Result};

/// Values in the precision the engine runs in.
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

/// Numbers read from a device at a time: backends copy what they hand out up to three times, which
/// is cheap only as long as it stays in a cache.
const READ_AT_ONCE: usize = 1 << 18;

impl HostValues {
    pub(super) fn read(tensor: &Tensor<3>) -> Result<Self> {
        match tensor.dtype() {
            DType::F64 => read_all(tensor).map(Self::F64),
            _ => match copy_to_host(tensor) {
                Some(values) => Ok(Self::F32(values)),
                None => read_all(tensor).map(Self::F32),
            },
        }
    }

    pub(super) fn get(&self, index: usize) -> f64 {
        match self {
            Self::F32(values) => f64::from(values[index]),
            Self::F64(values) => values[index],
        }
    }

    pub(super) fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::F64(values) => values.clone(),
        }
    }
}

fn read_all<E: Element>(tensor: &Tensor<3>) -> Result<Vec<E>> {
    let mut values = Vec::with_capacity(tensor.shape().num_elements());
    read_parts(tensor, |part: Vec<E>| {
        values.extend(part);
        Ok(())
    })?;
    Ok(values)
}

/// Hands out the values of a few items at a time, enough for all threads.
pub(super) fn read_parts<E: Element>(
    tensor: &Tensor<3>,
    mut part: impl FnMut(Vec<E>) -> Result<()>,
) -> Result<()> {
    let tensor = tensor.clone().without_autodiff();
    let [batch_size, n_points, n_columns] = tensor.dims();
    let numbers = READ_AT_ONCE * rayon::current_num_threads();
    let items_at_once = (numbers / (n_points * n_columns).max(1)).max(1);
    for start in (0..batch_size).step_by(items_at_once) {
        let items = start..batch_size.min(start + items_at_once);
        let values = tensor.clone().slice([items, 0..n_points, 0..n_columns]);
        let values = values.try_into_vec_as::<E>().map_err(|e| {
            Error::invalid_distances(format!("tensor cannot be read from its device: {e}"))
        })?;
        part(values)?;
    }
    Ok(())
}
