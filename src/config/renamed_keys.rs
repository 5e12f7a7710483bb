//! Keys and words of configuration files that have a new name; the old name is still accepted.

use toml::Value;

use super::key_path::{KeyPath, Segment};

/// Key with a new name in the same table; paths are dotted and leave out array indices.
struct RenamedKey {
    old: &'static str,
    new: &'static str,
    /// Name that the key had first, by which digests know it; mostly the old one.
    first: &'static str,
}

/// Word with a new name, among the words that one key takes.
struct RenamedWord {
    key: &'static str,
    old: &'static str,
    new: &'static str,
}

/// Every renamed key. Entries stay here for good: run directories keep the old names.
const RENAMED_KEYS: &[RenamedKey] = &[
    RenamedKey {
        old: "data.unreadable_clips",
        new: "data.unreadable",
        first: "data.unreadable",
    },
    RenamedKey {
        old: "logging.pictures_every_epochs",
        new: "logging.images_every_epochs",
        first: "logging.pictures_every_epochs",
    },
    RenamedKey {
        old: "topology.penalty.directions",
        new: "topology.penalty.n_directions",
        first: "topology.penalty.directions",
    },
];

/// Every renamed word.
const RENAMED_WORDS: &[RenamedWord] = &[
    RenamedWord {
        key: "model.pooling",
        old: "mean_beside_cls",
        new: "mean_before_norm_with_cls",
    },
    RenamedWord {
        key: "model.positions",
        old: "each",
        new: "per_token",
    },
];

/// An old name that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OldName {
    /// Path of the key as it was written.
    pub(super) written: KeyPath,
    /// Path of the key now; the same for a renamed word.
    pub(super) renamed: KeyPath,
    /// Sentence that names the old and the new name.
    pub(super) message: String,
}

impl OldName {
    fn of_key(written: KeyPath, renamed: KeyPath) -> Self {
        let message = format!(
            "`{}` is now called `{}`",
            written.without_indices(),
            renamed.without_indices()
        );
        Self {
            written,
            renamed,
            message,
        }
    }
}

/// Replaces old names within the value at `path`, and adds a note on each to `replaced`.
///
/// # Errors
///
/// A table holds the old and the new name of one key.
pub(super) fn replace_old_names(
    value: &mut Value,
    path: &KeyPath,
    replaced: &mut Vec<OldName>,
) -> Result<(), OldName> {
    match value {
        Value::Table(table) => {
            let keys: Vec<String> = table.keys().cloned().collect();
            for key in keys {
                let mut child = path.key(&key);
                if let Some(new) = new_key(&child) {
                    let mut note = OldName::of_key(child, path.key(new));
                    if table.contains_key(new) {
                        note.message += ", and both are set; remove the old one";
                        return Err(note);
                    }
                    if let Some(value) = table.remove(&key) {
                        table.insert(new.to_owned(), value);
                    }
                    child = note.renamed.clone();
                    replaced.push(note);
                }
                if let Some(value) = child.last_key().and_then(|key| table.get_mut(key)) {
                    replace_old_names(value, &child, replaced)?;
                }
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter_mut().enumerate() {
                replace_old_names(value, &path.index(index), replaced)?;
            }
        }
        Value::String(text) => {
            let key = path.without_indices();
            let renamed = RENAMED_WORDS
                .iter()
                .find(|word| word.key == key && word.old == text);
            if let Some(word) = renamed {
                word.new.clone_into(text);
                replaced.push(OldName {
                    written: path.clone(),
                    renamed: path.clone(),
                    message: format!(
                        "`{key} = \"{}\"` is now called `\"{}\"`",
                        word.old, word.new
                    ),
                });
            }
        }
        _ => {}
    }
    Ok(())
}

/// Replaces old names in a path, and adds a note on each to `replaced`.
pub(super) fn replace_old_names_in_path(path: &mut KeyPath, replaced: &mut Vec<OldName>) {
    for depth in 0..path.0.len() {
        let written = KeyPath(path.0[..=depth].to_vec());
        if let Some(new) = new_key(&written) {
            path.0[depth] = Segment::Key(new.to_owned());
            let renamed = KeyPath(path.0[..=depth].to_vec());
            replaced.push(OldName::of_key(written, renamed));
        }
    }
}

/// Resolved configuration with the names that keys and words had first.
///
/// Digests are taken of this text, so that a new name does not change the id of a cell.
pub(super) fn with_old_names(resolved: &str) -> String {
    let mut table = String::new();
    let mut text = String::with_capacity(resolved.len());
    // Line by line: in a resolved configuration every key and every header has a line of its own.
    for line in resolved.lines() {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_matches(['[', ']']).to_owned();
        }
        text += &line_with_old_names(line, &table);
        text.push('\n');
    }
    text
}

fn line_with_old_names(line: &str, table: &str) -> String {
    let Some((key, value)) = line.split_once(" = ") else {
        return line.to_owned();
    };
    let path = format!("{table}.{key}");
    if let Some(renamed) = RENAMED_KEYS.iter().find(|renamed| renamed.new == path) {
        let first = renamed.first.rsplit('.').next().unwrap_or(renamed.first);
        return format!("{first} = {value}");
    }
    let word = RENAMED_WORDS
        .iter()
        .find(|word| word.key == path && value == format!("\"{}\"", word.new));
    word.map_or_else(
        || line.to_owned(),
        |word| format!("{key} = \"{}\"", word.old),
    )
}

fn new_key(path: &KeyPath) -> Option<&'static str> {
    // An index at the end would otherwise count as its array, as indices are left out below.
    path.last_key()?;
    let old = path.without_indices();
    let renamed = RENAMED_KEYS.iter().find(|renamed| renamed.old == old)?;
    renamed.new.rsplit('.').next()
}
