//! Reading of tensors from their device.
//!
//! A graphics card works in the background, and a read waits until it has finished. Values that are needed together are
//! therefore read together, by [`HostReads`].

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::prelude::*;
use burn::tensor::{Element, Transaction};

use crate::error::{Error, Result};

/// Number of reads, and of bytes in them, since the program started.
static READS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Reads from graphics cards since the program started.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::fused::ReadCount;
/// use burn_topology::nn::{AttentionRows, Heads, Tokens};
///
/// let before = ReadCount::now();
/// let weights = Tensor::<4>::full([2, 3, 5, 5], 0.2, &Device::flex());
/// AttentionRows { heads: Heads::Mean, tokens: Tokens::Patches, n_prefix_tokens: 1 }.select(weights)?;
/// let reads = ReadCount::now().since(before);
/// // The sums of rows are checked, but on a graphics card alone the host would wait for them.
/// assert_eq!((reads.n_reads, reads.n_bytes), (0, 0));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadCount {
    /// Number of reads, each of which waits for the device.
    pub n_reads: usize,
    /// Number of bytes in them.
    pub n_bytes: usize,
}

impl ReadCount {
    /// Counts the reads of all threads from the start of the program until now.
    ///
    /// Copies within the memory of the host are no reads.
    pub fn now() -> Self {
        Self {
            n_reads: READS.load(Ordering::Relaxed),
            n_bytes: BYTES.load(Ordering::Relaxed),
        }
    }

    /// Returns the reads since an earlier count.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            n_reads: self.n_reads - earlier.n_reads,
            n_bytes: self.n_bytes - earlier.n_bytes,
        }
    }
}

impl std::ops::AddAssign for ReadCount {
    fn add_assign(&mut self, other: Self) {
        self.n_reads += other.n_reads;
        self.n_bytes += other.n_bytes;
    }
}

/// Counts one read of a number of bytes, unless these lie on the host.
fn count(device: &Device, n_bytes: usize) {
    if is_on_host(device) {
        return;
    }
    READS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(n_bytes, Ordering::Relaxed);
}

/// Copies the values of a tensor to the host, in row-major order and converted to `E`.
///
/// # Errors
///
/// [`Error::is_device_error`] if the device fails; the message does not say what was read.
pub(crate) fn read_values<const D: usize, E: Element>(tensor: Tensor<D>) -> Result<Vec<E>> {
    let n_bytes = tensor.shape().num_elements() * tensor.dtype().size();
    count(&tensor.device(), n_bytes);
    tensor
        .try_into_vec_as()
        .map_err(|e| Error::device(e.to_string()).caused_by(e))
}

/// Copies the value of a tensor with a single element to the host.
///
/// # Errors
///
/// As [`read_values`].
pub(crate) fn read_value<const D: usize>(tensor: Tensor<D>) -> Result<f64> {
    Ok(read_values(tensor)?[0])
}

/// True if the values of tensors on this device lie in the memory of the host, so that a read waits for nothing.
pub(crate) fn is_on_host(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    if *device == Device::flex() {
        return true;
    }
    #[cfg(feature = "ndarray")]
    #[allow(deprecated, reason = "kept until Burn 0.23 removes it")]
    if *device == Device::ndarray() {
        return true;
    }
    let _ = device;
    false
}

/// Tensors of one device that are read together, and checks of their values.
#[derive(Default)]
pub(crate) struct HostReads {
    tensors: Vec<FlatTensor>,
    checks: Vec<Check>,
}

/// Tensor of one dimension.
enum FlatTensor {
    Float(Tensor<1>),
    #[cfg(feature = "gpu")]
    Int(Tensor<1, Int>),
}

/// Place of a tensor among those that are read together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadPlace(usize);

/// Check of the values of a tensor.
struct Check {
    place: ReadPlace,
    /// Where the tensor comes from, from the inside out, for messages.
    contexts: Vec<String>,
    check: Box<dyn FnOnce(Vec<f64>) -> Result<()> + Send>,
}

impl HostReads {
    /// Adds a tensor.
    pub(crate) fn add<const D: usize>(&mut self, tensor: Tensor<D>) -> ReadPlace {
        let n_values = tensor.shape().num_elements();
        let flat = tensor.without_autodiff().reshape([n_values]);
        self.tensors.push(FlatTensor::Float(flat));
        ReadPlace(self.tensors.len() - 1)
    }

    /// Adds a tensor of integers.
    #[cfg(feature = "gpu")]
    pub(crate) fn add_int<const D: usize>(&mut self, tensor: Tensor<D, Int>) -> ReadPlace {
        let n_values = tensor.shape().num_elements();
        let flat = tensor.reshape([n_values]);
        self.tensors.push(FlatTensor::Int(flat));
        ReadPlace(self.tensors.len() - 1)
    }

    /// Adds a tensor whose values [`ReadValues::check`] checks.
    pub(crate) fn add_check<const D: usize>(
        &mut self,
        tensor: Tensor<D>,
        check: impl FnOnce(Vec<f64>) -> Result<()> + Send + 'static,
    ) {
        let place = self.add(tensor);
        self.checks.push(Check {
            place,
            contexts: Vec::new(),
            check: Box::new(check),
        });
    }

    /// Calls a function that adds tensors; its error and those of its checks say where they occurred.
    pub(crate) fn within<T>(
        &mut self,
        context: impl Display,
        add: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let first = self.checks.len();
        let result = add(self).map_err(|error| error.within(&context));
        for check in &mut self.checks[first..] {
            check.contexts.push(context.to_string());
        }
        result
    }

    /// Reads all tensors, waiting for the device once.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`] if the device fails.
    pub(crate) fn execute(self) -> Result<ReadValues> {
        let Some(first) = self.tensors.first() else {
            return Ok(ReadValues::default());
        };
        let device = match first {
            FlatTensor::Float(tensor) => tensor.device(),
            #[cfg(feature = "gpu")]
            FlatTensor::Int(tensor) => tensor.device(),
        };
        let mut transaction = Transaction::default();
        let mut n_bytes = 0;
        for tensor in self.tensors {
            transaction = match tensor {
                FlatTensor::Float(tensor) => {
                    n_bytes += tensor.shape().num_elements() * tensor.dtype().size();
                    transaction.register(tensor)
                }
                #[cfg(feature = "gpu")]
                FlatTensor::Int(tensor) => {
                    n_bytes += tensor.shape().num_elements() * tensor.dtype().size();
                    transaction.register(tensor)
                }
            };
        }
        count(&device, n_bytes);
        let data = transaction.try_execute().map_err(|e| {
            Error::device(e.to_string())
                .caused_by(e)
                .within("values cannot be read from their device")
        })?;
        Ok(ReadValues {
            data: data.into_iter().map(Some).collect(),
            checks: self.checks,
        })
    }
}

/// Values of tensors that were read together.
#[derive(Default)]
pub(crate) struct ReadValues {
    data: Vec<Option<TensorData>>,
    checks: Vec<Check>,
}

impl ReadValues {
    /// Takes the values of one tensor, converted to `E`.
    ///
    /// # Panics
    ///
    /// If they were taken before.
    pub(crate) fn take<E: Element>(&mut self, ReadPlace(place): ReadPlace) -> Result<Vec<E>> {
        let data = self.data[place].take();
        let data = data.expect("the values of a tensor are taken once");
        data.convert::<E>()
            .try_into_vec()
            .map_err(|e| Error::device(format!("{e:?}")))
    }

    /// Runs all checks, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// That of the first check that fails.
    pub(crate) fn check(&mut self) -> Result<()> {
        for check in std::mem::take(&mut self.checks) {
            let values = self.take(check.place)?;
            (check.check)(values).map_err(|error| {
                (check.contexts.iter()).fold(error, |error, context| error.within(context))
            })?;
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_in_their_precision_and_checks_run_in_order() {
        let device = Device::flex().autodiff();
        let mut reads = HostReads::default();
        let matrix = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device).require_grad();
        let first = reads.add(matrix);
        let double = Tensor::<1>::from_data([0.1_f64], (&device, burn::tensor::DType::F64));
        let second = reads.add(double);
        let refuse = |name: &'static str| move |_| Err(Error::invalid_parameter(name));
        reads.add_check(Tensor::<1>::ones([2], &device), |values| {
            assert_eq!(values, [1.0, 1.0]);
            Ok(())
        });
        reads
            .within("layer 1", |reads| {
                reads.add_check(Tensor::<1>::zeros([1], &device), refuse("bad"));
                Ok(())
            })
            .unwrap();
        reads.add_check(Tensor::<1>::zeros([1], &device), refuse("worse"));
        let mut values = reads.execute().unwrap();
        assert_eq!(values.take::<f32>(first).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(values.take::<f64>(second).unwrap(), [0.1]);
        assert_eq!(values.check().unwrap_err().to_string(), "layer 1: bad");
    }

    #[test]
    fn nothing_to_read_waits_for_nothing() {
        assert!(HostReads::default().execute().unwrap().check().is_ok());
    }
}
