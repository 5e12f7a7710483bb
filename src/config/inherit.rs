//! `base = "other.toml"`: a configuration that changes some keys of another one.
//!
//! A table changes the keys that it names and leaves the others as they are in the base. Two things replace what the
//! base has as a whole: an array, and a table with the key `kind`, because the keys beside `kind` belong to that kind.
//! The penalties of the base are an array, so `[[topology]]` replaces all of them; a table `[topology.<name>]` changes
//! the one with that name.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::ConfigError;
use super::key_path::KeyPath;
use super::penalty_names::PenaltyNames;
use super::source::Source;

/// Key that names the file to inherit from.
pub(super) const BASE: &str = "base";

/// Key of the penalties, which a table can address by their names.
pub(super) const TOPOLOGY: &str = "topology";

/// Merges a file into those that it inherits from; old names of keys are replaced in each of them.
///
/// `files` are the canonical paths of the files that lead to this one, itself included if it is a file.
///
/// # Errors
///
/// A base cannot be read, `base` is not the name of a file, or files inherit from each other in a cycle.
pub(super) fn with_bases(
    mut source: Source,
    files: &mut Vec<PathBuf>,
) -> Result<Source, ConfigError> {
    // Before the merge, since the base may have the new name of a key and this file the old one.
    source.rename_old_keys()?;
    let path = KeyPath::default().key(BASE);
    let base = match source
        .root
        .as_table_mut()
        .and_then(|root| root.remove(BASE))
    {
        None => return Ok(source),
        Some(Value::String(base)) if !base.is_empty() => source.directory.join(base),
        Some(_) => {
            let message = format!(
                "`{BASE}`: expected the path of a configuration in quotes, relative to this file"
            );
            return Err(source.error_at(&path, message));
        }
    };
    let shown = base.display();
    // A file that does not exist has no canonical path, and is reported when it is read.
    let canonical = base.canonicalize().unwrap_or_else(|_| base.clone());
    if files.contains(&canonical) {
        let message =
            format!("`{BASE}`: {shown} inherits from this file, expected files without a cycle");
        return Err(source.error_at(&path, message));
    }
    files.push(canonical);
    // The error of an unreadable file says which it is, but not who asked for it.
    let base = Source::read(&base).map_err(|error| {
        if error.is_unreadable() {
            source.error_at(&path, format!("`{BASE}`: {error}"))
        } else {
            error
        }
    })?;
    let mut base = with_bases(base, files)?;
    merge_source(&mut base, source)?;
    Ok(base)
}

/// Path that identifies a file in a chain of bases.
pub(super) fn canonical(path: &Path) -> Vec<PathBuf> {
    vec![path.canonicalize().unwrap_or_else(|_| path.to_owned())]
}

/// Merges a file into its base, which takes over the name and the directory of the file.
fn merge_source(base: &mut Source, mut over: Source) -> Result<(), ConfigError> {
    address_penalties(&base.root, &mut over)?;
    let Value::Table(table) = std::mem::replace(&mut over.root, Value::Boolean(false)) else {
        unreachable!("the root of a file is a table");
    };
    let mut replaced = Vec::new();
    merge(&mut base.root, table, &KeyPath::default(), &mut replaced);
    for path in &replaced {
        base.positions.remove(path);
    }
    let inherited = std::mem::replace(&mut base.positions, over.positions);
    base.positions.inherit(inherited);
    base.directory = over.directory;
    base.warnings.extend(over.warnings);
    Ok(())
}

/// Replaces the names of penalties in a table `[topology.<name>]` by their indices in the base.
fn address_penalties(base: &Value, over: &mut Source) -> Result<(), ConfigError> {
    let topology = KeyPath::default().key(TOPOLOGY);
    // Anything but an array is refused later.
    if base.get(TOPOLOGY).is_some_and(|value| !value.is_array()) {
        return Ok(());
    }
    let Some(Value::Table(table)) = over.root.get(TOPOLOGY) else {
        return Ok(());
    };
    let names = PenaltyNames::from_root(base);
    let mut by_index = Table::new();
    let mut renamed = Vec::new();
    for (name, value) in table {
        let written = topology.key(name);
        let index = names
            .index(name)
            .map_err(|message| over.error_at(&written, message))?;
        renamed.push((written, topology.index(index)));
        by_index.insert(index.to_string(), value.clone());
    }
    for (written, path) in renamed {
        over.positions.rename(&written, &path);
    }
    over.root[TOPOLOGY] = Value::Table(by_index);
    Ok(())
}

/// Merges the keys of a table into the value at `path`; paths of values that are replaced are added to `replaced`.
fn merge(base: &mut Value, over: Table, path: &KeyPath, replaced: &mut Vec<KeyPath>) {
    for (key, value) in over {
        match &mut *base {
            // `address_penalties` has made the keys indices of the array, all of which exist.
            Value::Array(entries) => {
                let index = key.parse().unwrap_or(usize::MAX);
                if let Some(slot) = entries.get_mut(index) {
                    merge_value(slot, value, &path.index(index), replaced);
                }
            }
            Value::Table(table) => {
                let path = path.key(&key);
                match table.get_mut(&key) {
                    Some(slot) => merge_value(slot, value, &path, replaced),
                    None => _ = table.insert(key, value),
                }
            }
            // Only tables and arrays are merged into.
            _ => {}
        }
    }
}

/// Merges a value into another, or replaces it.
fn merge_value(slot: &mut Value, value: Value, path: &KeyPath, replaced: &mut Vec<KeyPath>) {
    let is_topology = path.to_string() == TOPOLOGY;
    match value {
        Value::Table(table)
            if !table.contains_key("kind")
                && (slot.is_table() || (is_topology && slot.is_array())) =>
        {
            merge(slot, table, path, replaced);
        }
        value => {
            replaced.push(path.clone());
            *slot = value;
        }
    }
}

#[cfg(test)]
mod tests;
