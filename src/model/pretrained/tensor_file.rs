//! Named tensors in files of safetensors and PyTorch; no code in a file is executed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::tensor::{bf16, f16};
use pytorch_reader::{DType, PytorchError, PytorchReader};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView, serialize};

use crate::error::{Error, Result};
use crate::input_file;

/// Tensor in host memory, in single precision.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HostTensor {
    /// Sizes of the axes.
    pub(super) shape: Vec<usize>,
    /// Numbers in row-major order: the last axis varies fastest.
    pub(super) values: Vec<f32>,
}

impl HostTensor {
    /// Stacks tensors along their first axis, in which alone their shapes may differ; `None` if others differ, too.
    pub(super) fn stacked(parts: &[&Self]) -> Option<Self> {
        let mut shape = parts.first()?.shape.clone();
        let is_alike = |part: &&Self| part.shape.get(1..) == shape.get(1..);
        if shape.is_empty() || !parts.iter().all(is_alike) {
            return None;
        }
        shape[0] = parts.iter().map(|part| part.shape[0]).sum();
        let values = parts.iter().flat_map(|part| &part.values).copied();
        Some(Self {
            shape,
            values: values.collect(),
        })
    }

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

/// Supported element types, for error messages.
const FLOATS: &str = "float32, float16, bfloat16 or float64";

/// File of safetensors or `torch.save`, whose tensors are not decoded yet.
pub(super) struct TensorFile {
    /// Path of the file, for error messages.
    path: PathBuf,
    contents: Contents,
}

/// What is known of a file after opening it.
enum Contents {
    /// Bytes of a file of safetensors, whose header was checked.
    Safetensors(Vec<u8>),
    /// Tensors of a PyTorch file, which are read from it one by one.
    Torch(HashMap<String, pytorch_reader::Tensor>),
}

impl TensorFile {
    /// Opens a file of safetensors or `torch.save`, which its first bytes distinguish.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file cannot be read, [`Error::is_invalid_format`] if it is damaged; the message
    /// begins with the path.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let cannot_read = |error| Error::file(path.display().to_string()).because(error);
        let mut start = Vec::new();
        // A pipe or a device would be read without end.
        input_file::open(path)
            .and_then(|file| file.take(N_START).read_to_end(&mut start))
            .map_err(cannot_read)?;
        let within = |error: Error| error.within(path.display());
        let contents = match format(&start).map_err(within)? {
            Format::Safetensors => {
                let bytes = input_file::read(path).map_err(cannot_read)?;
                SafeTensors::deserialize(&bytes)
                    .map_err(|error| within(safetensors_error(error)))?;
                Contents::Safetensors(bytes)
            }
            Format::Torch => open_torch(path).map_err(within)?,
        };
        Ok(Self {
            path: path.to_owned(),
            contents,
        })
    }

    /// Names of all tensors.
    pub(super) fn names(&self) -> BTreeSet<String> {
        match &self.contents {
            Contents::Safetensors(bytes) => match SafeTensors::deserialize(bytes) {
                Ok(file) => file.names().into_iter().map(str::to_owned).collect(),
                Err(_) => unreachable!("the header was checked when the file was opened"),
            },
            Contents::Torch(tensors) => tensors.keys().cloned().collect(),
        }
    }

    /// Decodes tensors and gives them other names: `names` has the names in the file and, for each, the new one.
    ///
    /// Tensors of whole numbers or booleans, which are counters or indices, are left out.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if a tensor is damaged or has elements of another type; the message begins with
    /// the path.
    pub(super) fn read(&self, names: &BTreeMap<String, String>) -> Result<Tensors> {
        let tensors = match &self.contents {
            Contents::Safetensors(bytes) => from_safetensors(bytes, names),
            Contents::Torch(tensors) => from_torch(tensors, names),
        };
        tensors.map_err(|error| error.within(self.path.display()))
    }
}

/// Number of bytes from which the format of a file is told.
const N_START: u64 = 64;

/// Format of a file of weights.
enum Format {
    Safetensors,
    Torch,
}

/// Format of a file that begins with these bytes.
fn format(start: &[u8]) -> Result<Format> {
    if start.is_empty() {
        return Err(Error::invalid_format(
            "the file is empty, expected weights as safetensors or a PyTorch file",
        ));
    }
    if start.starts_with(b"version https://git-lfs") {
        return Err(Error::invalid_format(
            "the file is a Git LFS pointer, not the weights; download them with `git lfs pull`",
        ));
    }
    // Safetensors begin with the length of a JSON header in 8 bytes; PyTorch writes a zip file or a pickle.
    let is_safetensors = start.get(8) == Some(&b'{');
    let is_torch = start.starts_with(b"PK\x03\x04") || start.first() == Some(&0x80);
    match (is_safetensors, is_torch) {
        (true, _) => Ok(Format::Safetensors),
        (false, true) => Ok(Format::Torch),
        (false, false) => Err(Error::invalid_format(
            "the file is neither safetensors nor a PyTorch file, expected weights of transformers or timm",
        )),
    }
}

/// Error of the header of a safetensors file.
fn safetensors_error(error: SafeTensorError) -> Error {
    let message = match &error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            "the file does not have the length that its header states: it is truncated or damaged, download it again"
                .to_owned()
        }
        error => {
            format!("the safetensors header cannot be read ({error}), download the file again")
        }
    };
    Error::invalid_format(message).caused_by(error)
}

/// Decodes tensors of a safetensors file.
fn from_safetensors(bytes: &[u8], names: &BTreeMap<String, String>) -> Result<Tensors> {
    let file = SafeTensors::deserialize(bytes).map_err(safetensors_error)?;
    let mut tensors = Tensors::new();
    for (name, new_name) in names {
        let view = file.tensor(name).map_err(safetensors_error)?;
        let values = match view.dtype() {
            Dtype::F32 => decoded(view.data(), f32::from_le_bytes),
            Dtype::F64 => decoded(view.data(), |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::F16 => decoded(view.data(), |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => decoded(view.data(), |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::I64 | Dtype::I32 | Dtype::BOOL => continue,
            other => return Err(unsupported_type(name, &format!("{other:?}"))),
        };
        let shape = view.shape().to_vec();
        tensors.insert(new_name.clone(), HostTensor { shape, values });
    }
    Ok(tensors)
}

/// Opens a PyTorch file.
fn open_torch(path: &Path) -> Result<Contents> {
    let tensors = PytorchReader::new(path)
        .map_err(torch_error)?
        .into_tensors();
    if tensors.is_empty() {
        return Err(Error::invalid_format(
            "the file has pickled Python objects, which are never executed here, but no tensors; save the model's \
             state_dict() with safetensors or torch.save",
        ));
    }
    Ok(Contents::Torch(tensors))
}

/// Decodes tensors of a PyTorch file.
fn from_torch(
    file: &HashMap<String, pytorch_reader::Tensor>,
    names: &BTreeMap<String, String>,
) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    for (name, new_name) in names {
        let tensor = &file[name];
        if matches!(tensor.dtype(), DType::I64 | DType::I32 | DType::Bool) {
            continue;
        }
        let bytes = tensor.read().map_err(|error| {
            let message = format!("{error}: the file is truncated or damaged, download it again");
            Error::invalid_format(message).caused_by(error)
        })?;
        let values = match tensor.dtype() {
            // The reader has already converted to the byte order of this machine.
            DType::F32 => decoded(&bytes, f32::from_ne_bytes),
            DType::F64 => decoded(&bytes, |bytes| f64::from_ne_bytes(bytes) as f32),
            DType::F16 => decoded(&bytes, |bytes| f16::from_ne_bytes(bytes).to_f32()),
            DType::BF16 => decoded(&bytes, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
            other => return Err(unsupported_type(name, &format!("{other:?}"))),
        };
        let shape = tensor.shape().to_vec();
        tensors.insert(new_name.clone(), HostTensor { shape, values });
    }
    Ok(tensors)
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
