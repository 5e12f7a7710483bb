//! Files of weights: a single one, or several, the shards, with an index that tells which has which tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::json::Json;
use super::subtree::Subtree;
use super::tensor_file::{TensorFile, Tensors};
use crate::error::{Error, Result};

/// File names of the weights in a directory, in the order in which they are tried.
const WEIGHTS: [&str; 5] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "model.pth",
];
/// End of the names of files that list the shards.
const INDEX: &str = ".index.json";
/// Ends of the names of files that may hold weights.
const ENDINGS: [&str; 5] = [".safetensors", ".bin", ".pth", ".pt", ".ckpt"];

/// Returns the path of the weights: the path itself, or that of a file or an index in the directory.
///
/// # Errors
///
/// [`Error::is_file_error`] if the directory has no weights.
pub(super) fn find(path: &Path) -> Result<PathBuf> {
    // A path that does not exist is returned, too: reading it gives the better error.
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let file = WEIGHTS
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.exists());
    file.ok_or_else(|| {
        let message = match other_weights(path) {
            Some(shard) if shard.contains("-of-") => format!(
                "there is no index of the shards of weights, such as {shard}, in this directory; download \
                 model.safetensors{INDEX} or pytorch_model.bin{INDEX}, too"
            ),
            Some(other) => format!(
                "no weights in this directory, expected one of {}; to read {other}, pass its path",
                WEIGHTS.join(", ")
            ),
            None => format!(
                "no weights in this directory, expected one of {}",
                WEIGHTS.join(", ")
            ),
        };
        Error::file(message).within(path.display())
    })
}

/// File of a directory that may hold weights under another name than the usual ones, a shard if there is one.
fn other_weights(directory: &Path) -> Option<String> {
    std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| ENDINGS.iter().any(|ending| name.ends_with(ending)))
        .min_by_key(|name| (!name.contains("-of-"), name.clone()))
}

/// Tensors of a model, read from one file or several.
#[derive(Debug)]
pub(super) struct WeightFile {
    /// Tensors with their names in the model.
    pub(super) tensors: Tensors,
    /// What precedes the names in the file, such as `state_dict.`.
    pub(super) prefix: String,
    /// What was chosen and what was passed over, in one sentence each.
    pub(super) notes: Vec<String>,
}

/// Reads the tensors of a model from a file of safetensors or PyTorch, or from the shards of an index.
///
/// # Errors
///
/// [`Error::is_file_error`] if a file is missing or cannot be read, [`Error::is_invalid_format`] if it is damaged or
/// has no model; the message begins with the path.
pub(super) fn read(path: &Path) -> Result<WeightFile> {
    if path.to_string_lossy().ends_with(INDEX) {
        return read_shards(path);
    }
    if let Some(index) = index_of(path) {
        return Err(Error::invalid_format(format!(
            "this is one of the shards that {} names, expected that index or its directory",
            index.display()
        ))
        .within(path.display()));
    }
    let file = TensorFile::open(path)?;
    let subtree = Subtree::find(&file.names()).map_err(|error| error.within(path.display()))?;
    let tensors = file.read(&subtree.names)?;
    Ok(WeightFile {
        notes: notes(&subtree, &tensors),
        tensors,
        prefix: subtree.root,
    })
}

/// Says what was chosen and what was passed over.
fn notes(subtree: &Subtree, tensors: &Tensors) -> Vec<String> {
    let mut integers = subtree
        .names
        .iter()
        .filter(|(_, name)| !tensors.contains_key(*name));
    let note = integers.next().map(|(first, _)| {
        let n = 1 + integers.count();
        format!(
            "passed over, since weights are no whole numbers: {n} of the tensors, such as {first}"
        )
    });
    subtree.note.iter().cloned().chain(note).collect()
}

/// Index in the same directory that names a file as a shard; `None` if there is none.
fn index_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let mut indices = WEIGHTS
        .iter()
        .filter(|name| name.ends_with(INDEX))
        .map(|name| path.with_file_name(name));
    // The usual file names are read as they are, without a look at an index beside them.
    indices.find(|index| {
        !WEIGHTS.contains(&name) && shards(index).is_ok_and(|shards| shards.contains_key(name))
    })
}

/// Reads the tensors of a model from the shards of an index.
fn read_shards(index: &Path) -> Result<WeightFile> {
    let shards = shards(index)?;
    let names = shards.values().flatten().cloned().collect();
    let subtree = Subtree::find(&names).map_err(|error| error.within(index.display()))?;
    let mut unnamed = Vec::new();
    let mut tensors = Tensors::new();
    for (shard, promised) in shards {
        let path = index.with_file_name(&shard);
        if !path.exists() {
            return Err(Error::file(format!(
                "this shard is missing, which {} names; download it, too",
                index.display()
            ))
            .within(path.display()));
        }
        let file = TensorFile::open(&path)?;
        let present = file.names();
        if let Some(missing) = promised.difference(&present).next() {
            return Err(Error::invalid_format(format!(
                "the tensor {missing} is missing, which {} promises in this shard; download both again",
                index.display()
            ))
            .within(path.display()));
        }
        let n_more = present.len() - promised.len();
        if n_more > 0 {
            unnamed.push(format!(
                "passed over in {shard}: {n_more} tensors that the index does not name"
            ));
        }
        let chosen = subtree
            .names
            .iter()
            .filter(|(name, _)| promised.contains(*name));
        let chosen = chosen
            .map(|(name, new)| (name.clone(), new.clone()))
            .collect();
        tensors.extend(file.read(&chosen)?);
    }
    Ok(WeightFile {
        notes: [notes(&subtree, &tensors), unnamed].concat(),
        tensors,
        prefix: subtree.root,
    })
}

/// Names of the shards of an index and, for each, the names of its tensors.
///
/// # Errors
///
/// [`Error::is_file_error`] if the index cannot be read, [`Error::is_invalid_format`] if it is no index or names files
/// outside of its directory.
fn shards(index: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let json = Json::read(index)?
        .ok_or_else(|| Error::file(format!("{}: there is no such file", index.display())))?;
    let error = |problem: String| {
        Error::invalid_format(format!(
            "{problem}, expected the name of a file in the same directory for every tensor"
        ))
        .within(index.display())
    };
    let map = json
        .inner("weight_map")
        .filter(|map| !map.object.is_empty());
    let map = map.ok_or_else(|| error("there is no list of tensors, weight_map".to_owned()))?;
    let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (tensor, shard) in map.object {
        let name = shard.as_str().filter(|name| is_file_name(name));
        let name = name.ok_or_else(|| error(format!("weight_map places {tensor} in {shard}")))?;
        shards.entry(name.to_owned()).or_default().insert(tensor);
    }
    Ok(shards)
}

/// True for a name without directories.
fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}
