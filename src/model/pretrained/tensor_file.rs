//! Tensors by name, in files of safetensors and PyTorch. Nothing in a file is executed.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{bf16, f16};
use pytorch_reader::{DType, PytorchError, PytorchReader};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView, serialize};

/// A tensor on the host.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HostTensor {
    pub(super) shape: Vec<usize>,
    /// In the order of the last axis first.
    pub(super) values: Vec<f32>,
}

/// Tensors by the names of a file.
pub(super) type Tensors = BTreeMap<String, HostTensor>;

/// Keys that trainers put the weights under, beside their own state.
const NESTS: [&str; 5] = [
    "state_dict",
    "model",
    "module",
    "teacher",
    "model_state_dict",
];

/// What the widths of numbers in a file are called in messages.
const FLOATS: &str = "float32, float16, bfloat16 or float64";

/// All tensors of a file: safetensors, or what `torch.save` wrote, told by its first bytes.
///
/// # Errors
///
/// One sentence with the file.
pub(super) fn read(path: &Path) -> Result<Tensors, String> {
    let at = |what: String| format!("{}: {what}", path.display());
    let bytes = std::fs::read(path).map_err(|error| at(error.to_string()))?;
    parse(path, &bytes).map_err(at)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Tensors, String> {
    if bytes.is_empty() {
        return Err("the file is empty, expected weights in safetensors or PyTorch's form".into());
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(
            "this is a pointer to a file of Git LFS, not the weights; fetch them with `git lfs pull`"
                .into(),
        );
    }
    let is_safetensors = bytes.get(8) == Some(&b'{');
    let is_torch = bytes.starts_with(b"PK\x03\x04") || bytes.first() == Some(&0x80);
    match (is_safetensors, is_torch) {
        (true, _) => from_safetensors(bytes),
        (false, true) => from_torch(path),
        (false, false) => Err(
            "this is neither a safetensors file nor one that torch.save wrote, expected weights of transformers or timm"
                .into(),
        ),
    }
}

fn from_safetensors(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            "the file has not the length that its header says: it is cut short or damaged, fetch it again"
                .to_owned()
        }
        error => format!("the header of safetensors cannot be read ({error}), fetch the file again"),
    })?;
    file.iter()
        .map(|(name, view)| {
            let values = match view.dtype() {
                Dtype::F32 => decoded(view.data(), f32::from_le_bytes),
                Dtype::F64 => decoded(view.data(), |bytes| f64::from_le_bytes(bytes) as f32),
                Dtype::F16 => decoded(view.data(), |bytes| f16::from_le_bytes(bytes).to_f32()),
                Dtype::BF16 => decoded(view.data(), |bytes| bf16::from_le_bytes(bytes).to_f32()),
                other => return Err(other_numbers(name, &format!("{other:?}"))),
            };
            let shape = view.shape().to_vec();
            Ok((name.to_owned(), HostTensor { shape, values }))
        })
        .collect()
}

fn from_torch(path: &Path) -> Result<Tensors, String> {
    let reader = PytorchReader::new(path).map_err(|error| refused(&error))?;
    let tensors = reader.into_tensors();
    if tensors.is_empty() {
        return Err(
            "the file has no tensors, only pickled Python objects, which are never run here; save the model's \
             state_dict() with safetensors or torch.save"
                .into(),
        );
    }
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
                format!("{error}: the file is cut short or damaged, fetch it again")
            })?;
            let values = match tensor.dtype() {
                DType::F32 => decoded(&bytes, f32::from_ne_bytes),
                DType::F64 => decoded(&bytes, |bytes| f64::from_ne_bytes(bytes) as f32),
                DType::F16 => decoded(&bytes, |bytes| f16::from_ne_bytes(bytes).to_f32()),
                DType::BF16 => decoded(&bytes, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
                other => return Err(other_numbers(&name, &format!("{other:?}"))),
            };
            let shape = tensor.shape().to_vec();
            Ok((name, HostTensor { shape, values }))
        })
        .collect()
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
}

fn refused(error: &PytorchError) -> String {
    if let PytorchError::InvalidFormat(what) = error
        && let Some((_, found)) =
            what.split_once("dictionary at the root of the PyTorch file, found ")
    {
        return format!(
            "this is a pickled {found}, not tensors by their names; nothing in a pickle is run here, save \
             the model's state_dict() with safetensors or torch.save"
        );
    }
    // The reader's own messages have lines and advice for programmers.
    let error = error.to_string();
    let error = error.lines().next().unwrap_or_default();
    format!(
        "the form of torch.save cannot be read ({error}), and nothing in it was run; fetch the file again, or \
         save the model's state_dict() with safetensors"
    )
}

fn other_numbers(name: &str, found: &str) -> String {
    format!("the tensor {name} has numbers of type {found}, expected {FLOATS}")
}

fn decoded<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| number(bytes))
        .collect()
}

/// The bytes of a safetensors file, marked as PyTorch's as transformers wants it.
///
/// # Errors
///
/// One sentence if the tensors do not fit such a file.
pub(super) fn to_safetensors(tensors: &Tensors) -> Result<Vec<u8>, String> {
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
        .map_err(|error| format!("the weights cannot be written as safetensors: {error}"))
}
