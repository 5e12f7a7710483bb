//! Reading of tensors from their device.

use burn::prelude::*;
use burn::tensor::Element;

use crate::error::{Error, Result};

/// Copies the values of a tensor to the host, in row-major order and converted to `E`.
///
/// # Errors
///
/// [`Error::is_device_error`] if the device fails; the message does not say what was read.
pub(crate) fn read_values<const D: usize, E: Element>(tensor: Tensor<D>) -> Result<Vec<E>> {
    tensor
        .try_into_vec_as()
        .map_err(|e| Error::device(e.to_string()).caused_by(e))
}
