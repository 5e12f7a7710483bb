//! Whether a file is what it says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::convert::{expected_shapes, is_optional};
use super::entry::Entry;
use super::layout::Layout;
use super::tensor_file::Tensors;
use crate::model::{Activation, NetworkConfig};

/// Names that are listed of each kind of complaint.
const N_LISTED: usize = 5;
/// More numbers in a position embedding than any model has.
const MAX_POSITIONS: usize = 1 << 28;

/// Whether the numbers of a configuration fit each other, so that a model can be made.
///
/// # Errors
///
/// What does not.
pub(super) fn check_config(config: &NetworkConfig, n_tensors: usize) -> Result<(), String> {
    let (d_model, n_heads, image_size, patch_size) = match config {
        NetworkConfig::Vit(config) => (
            config.d_model,
            config.n_heads,
            config.image_size,
            config.patch_size,
        ),
        NetworkConfig::Video(config) => (
            config.d_model,
            config.n_heads,
            config.image_size,
            config.patch_size,
        ),
        NetworkConfig::LinearProbe(_) => return Ok(()),
    };
    if d_model == 0 || n_heads == 0 || !d_model.is_multiple_of(n_heads) {
        return Err(format!(
            "{n_heads} heads do not divide a width of {d_model}"
        ));
    }
    for side in image_size {
        if patch_size == 0 || side == 0 || !side.is_multiple_of(patch_size) {
            return Err(format!(
                "patches of {patch_size} pixels do not divide images of {side} pixels"
            ));
        }
    }
    if config.n_layers() == 0 || config.n_layers() > n_tensors {
        return Err(format!(
            "the model is said to have {} blocks, expected what the file has",
            config.n_layers()
        ));
    }
    if let NetworkConfig::Video(config) = config {
        config.check()?;
    }
    let style = match config {
        NetworkConfig::Vit(config) => config.style,
        NetworkConfig::Video(config) => config.style,
        NetworkConfig::LinearProbe(_) => return Ok(()),
    };
    if !(style.norm_epsilon >= 0.0 && style.norm_epsilon.is_finite()) {
        return Err(format!(
            "the epsilon of norms is {}, expected a number of at least 0",
            style.norm_epsilon
        ));
    }
    if style.d_mlp == Some(0) && style.activation != Activation::SwiGlu {
        return Err("the hidden layer of the MLP is 0 wide, expected at least 1".into());
    }
    let tokens = config.token_layout();
    let n_positions = [tokens.n_frames, tokens.grid[0], tokens.grid[1], d_model];
    let product = n_positions
        .iter()
        .try_fold(1_usize, |product, &n| product.checked_mul(n));
    match product {
        Some(product) if product <= MAX_POSITIONS => Ok(()),
        _ => Err(format!(
            "position embeddings of {n_positions:?} numbers are no model's"
        )),
    }
}

/// Whether a file has the tensors of a model and no others.
///
/// # Errors
///
/// Which are missing, of another shape or left over.
pub(super) fn check_tensors(
    entries: &[Entry],
    tensors: &Tensors,
    shapes: &BTreeMap<String, Vec<usize>>,
    layout: &Layout,
    keeps_head: bool,
) -> Result<(), String> {
    let mut missing = Vec::new();
    let mut misshaped = Vec::new();
    let mut known = BTreeSet::new();
    for entry in entries {
        known.extend(entry.theirs.iter());
        let found: Vec<_> = entry.theirs.iter().map(|name| tensors.get(name)).collect();
        if is_optional(entry) && found.iter().all(Option::is_none) {
            continue;
        }
        let is_new = entry.ours.starts_with("head") && !keeps_head;
        let expected = expected_shapes(entry, &shapes[&entry.ours], layout);
        for ((name, found), expected) in entry.theirs.iter().zip(found).zip(expected) {
            match found {
                None => missing.push(name.clone()),
                Some(found) if found.shape != expected && !is_new => {
                    misshaped.push(format!(
                        "{name} is {:?}, expected {expected:?}",
                        found.shape
                    ));
                }
                Some(_) => {}
            }
        }
    }
    let has_place = |name: &String| known.contains(name) || layout.is_passenger(name);
    let left: Vec<String> = tensors
        .keys()
        .filter(|name| !has_place(name))
        .cloned()
        .collect();
    let complaints = [
        ("missing", missing),
        ("of another shape", misshaped),
        ("without a place in the model", left),
    ];
    let complaints: Vec<String> = complaints
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| counted(what, &names))
        .collect();
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(complaints.join(", ")),
    }
}

/// How many, and their names.
fn counted(what: &str, names: &[String]) -> String {
    let n = names.len();
    let listed = names[..n.min(N_LISTED)].join(", ");
    let more = match n.saturating_sub(N_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (noun, verb) = if n == 1 {
        ("tensor", "is")
    } else {
        ("tensors", "are")
    };
    format!("{n} {noun} {verb} {what} ({listed}{more})")
}

/// What two configurations say differently, in the words of a configuration file. How layer scale begins
/// does not count.
pub(super) fn differences(found: &NetworkConfig, wanted: &NetworkConfig) -> Vec<String> {
    let as_keys = |config| {
        let mut keys = BTreeMap::new();
        let json = serde_json::to_value(config).expect("a configuration can be written");
        flatten("", &json, &mut keys);
        keys
    };
    let (found, wanted) = (as_keys(found), as_keys(wanted));
    let value = |keys: &BTreeMap<String, Value>, key: &String| {
        keys.get(key).cloned().unwrap_or(Value::Null)
    };
    let keys: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    let mut told = Vec::new();
    for key in keys {
        let (found, wanted) = (value(&found, key), value(&wanted, key));
        let differs = match key.ends_with("layer_scale") {
            true => found.is_null() != wanted.is_null(),
            false => found != wanted,
        };
        if differs {
            let key = key.replace("style.", "block.");
            told.push(format!("{key} is {found}, not {wanted}"));
        }
    }
    told
}

/// The innermost values and the keys that lead to them, without the names of an enum's variants.
fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let Value::Object(object) = value else {
        into.insert(path.to_owned(), value.clone());
        return;
    };
    for (key, value) in object {
        let is_variant = key.starts_with(char::is_uppercase);
        match (is_variant, path.is_empty()) {
            (true, _) => flatten(path, value, into),
            (false, true) => flatten(key, value, into),
            (false, false) => flatten(&format!("{path}.{key}"), value, into),
        }
    }
}
