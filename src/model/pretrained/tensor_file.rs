//! Named tensors in files of safetensors and PyTorch; no code in a file is executed.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{bf16, f16};
use pytorch_reader::{DType, PytorchError, PytorchReader};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView, serialize};

use crate::error::{Error, Result};

/// Tensor in host memory, in single precision.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HostTensor {
    /// Sizes of the axes.
    pub(super) shape: Vec<usize>,
    /// Numbers in row-major order: the last axis varies fastest.
    pub(super) values: Vec<f32>,
}

impl HostTensor {
    /// Identity matrix of this width.
    pub(super) fn identity(width: usize) -> Self {
        let values = (0..width * width).map(|index| f32::from(u8::from(index % (width + 1) == 0)));
        Self {
            shape: vec![width, width],
            values: values.collect(),
        }
    }
}

/// Tensors by name, sorted by name.
pub(super) type Tensors = BTreeMap<String, HostTensor>;

/// Keys under which training scripts store the weights, next to their own state.
const NESTS: [&str; 5] = [
    "state_dict",
    "model",
    "module",
    "teacher",
    "model_state_dict",
];

/// Supported element types, for error messages.
const FLOATS: &str = "float32, float16, bfloat16 or float64";

/// Reads all tensors of a file of safetensors or `torch.save`, which its first bytes distinguish.
///
/// # Errors
///
/// [`Error::is_file_error`] if the file cannot be read, [`Error::is_invalid_format`] if it is damaged; the message
/// begins with the path.
pub(super) fn read(path: &Path) -> Result<Tensors> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::file(path.display().to_string()).because(error))?;
    parse(path, &bytes).map_err(|error| error.within(path.display()))
}

/// Reads the tensors from the bytes of a file; `path` is read once more for a file of `torch.save`.
fn parse(path: &Path, bytes: &[u8]) -> Result<Tensors> {
    if bytes.is_empty() {
        return Err(Error::invalid_format(
            "the file is empty, expected weights as safetensors or a PyTorch file",
        ));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(Error::invalid_format(
            "the file is a Git LFS pointer, not the weights; download them with `git lfs pull`",
        ));
    }
    // Safetensors begin with the length of a JSON header in 8 bytes; PyTorch writes a zip file or a pickle.
    let is_safetensors = bytes.get(8) == Some(&b'{');
    let is_torch = bytes.starts_with(b"PK\x03\x04") || bytes.first() == Some(&0x80);
    match (is_safetensors, is_torch) {
        (true, _) => from_safetensors(bytes),
        (false, true) => from_torch(path),
        (false, false) => Err(Error::invalid_format(
            "the file is neither safetensors nor a PyTorch file, expected weights of transformers or timm",
        )),
    }
}

/// Reads the tensors of a safetensors file.
fn from_safetensors(bytes: &[u8]) -> Result<Tensors> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        let message = match &error {
            SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
                "the file does not have the length that its header states: it is truncated or damaged, download it again"
                    .to_owned()
            }
            error => format!("the safetensors header cannot be read ({error}), download the file again"),
        };
        Error::invalid_format(message).caused_by(error)
    })?;
    file.iter()
        .map(|(name, view)| {
            let values = match view.dtype() {
                Dtype::F32 => decoded(view.data(), f32::from_le_bytes),
                Dtype::F64 => decoded(view.data(), |bytes| f64::from_le_bytes(bytes) as f32),
                Dtype::F16 => decoded(view.data(), |bytes| f16::from_le_bytes(bytes).to_f32()),
                Dtype::BF16 => decoded(view.data(), |bytes| bf16::from_le_bytes(bytes).to_f32()),
                other => return Err(unsupported_type(name, &format!("{other:?}"))),
            };
            let shape = view.shape().to_vec();
            Ok((name.to_owned(), HostTensor { shape, values }))
        })
        .collect()
}

/// Reads the tensors of a PyTorch file.
fn from_torch(path: &Path) -> Result<Tensors> {
    let reader = PytorchReader::new(path).map_err(torch_error)?;
    let tensors = reader.into_tensors();
    if tensors.is_empty() {
        return Err(Error::invalid_format(
            "the file has pickled Python objects, which are never executed here, but no tensors; save the model's \
             state_dict() with safetensors or torch.save",
        ));
    }
    // The key that holds more than half of all tensors.
    let nest = NESTS.iter().map(|nest| format!("{nest}.")).find(|nest| {
        let inside = tensors
            .keys()
            .filter(|name| name.starts_with(nest.as_str()));
        inside.count() * 2 > tensors.len()
    });
    let nest = nest.unwrap_or_default();
    tensors
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(&nest)?.to_owned(), tensor)))
        .filter(|(_, tensor)| is_float(tensor.dtype()))
        .map(|(name, tensor)| {
            let bytes = tensor.read().map_err(|error| {
                let message =
                    format!("{error}: the file is truncated or damaged, download it again");
                Error::invalid_format(message).caused_by(error)
            })?;
            let values = match tensor.dtype() {
                // The reader has already converted to the byte order of this machine.
                DType::F32 => decoded(&bytes, f32::from_ne_bytes),
                DType::F64 => decoded(&bytes, |bytes| f64::from_ne_bytes(bytes) as f32),
                DType::F16 => decoded(&bytes, |bytes| f16::from_ne_bytes(bytes).to_f32()),
                DType::BF16 => decoded(&bytes, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
                other => return Err(unsupported_type(&name, &format!("{other:?}"))),
            };
            let shape = tensor.shape().to_vec();
            Ok((name, HostTensor { shape, values }))
        })
        .collect()
}

/// True for the supported element types; others, such as step counters, are skipped.
fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
}

/// Converts an error of the reader of PyTorch files to one with a message of one line.
fn torch_error(error: PytorchError) -> Error {
    Error::invalid_format(describe_torch_error(&error)).caused_by(error)
}

/// Describes an error of the reader of PyTorch files in one line.
fn describe_torch_error(error: &PytorchError) -> String {
    // The reader has no error of its own for this case, so it is recognised by its message.
    if let PytorchError::InvalidFormat(message) = error
        && let Some((_, object)) =
            message.split_once("dictionary at the root of the PyTorch file, found ")
    {
        return format!(
            "the file is a pickled {object}, expected named tensors; pickled code is never executed here, save the \
             model's state_dict() with safetensors or torch.save"
        );
    }
    // The reader's messages have several lines, with advice for programmers after the first.
    let error = error.to_string();
    let error = error.lines().next().unwrap_or_default();
    format!(
        "the PyTorch file cannot be read ({error}), and no code in it was executed; download it again, or save the \
         model's state_dict() with safetensors"
    )
}

/// Error of a tensor whose element type is not supported.
fn unsupported_type(name: &str, element_type: &str) -> Error {
    Error::invalid_format(format!(
        "the tensor {name} has elements of type {element_type}, expected {FLOATS}"
    ))
}

/// Decodes consecutive numbers of `N` bytes.
fn decoded<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| number(bytes))
        .collect()
}

/// Encodes tensors as a safetensors file, marked as PyTorch's, which transformers requires.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if the tensors cannot be stored as safetensors.
pub(super) fn to_safetensors(tensors: &Tensors) -> Result<Vec<u8>> {
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|tensor| {
            tensor
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, tensor), bytes)| {
            Ok((
                name,
                TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?,
            ))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>();
    let metadata = [("format".to_owned(), "pt".to_owned())]
        .into_iter()
        .collect();
    views
        .and_then(|views| serialize(views, Some(metadata)))
        .map_err(|error| {
            Error::invalid_format("the weights cannot be written as safetensors").because(error)
        })
}
