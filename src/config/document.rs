//! A TOML file with its overrides, read strictly and with a location for every key.
//!
//! [`Document`] does not know which keys exist: the type that [`Document::deserialize`] fills
//! decides that. For the configuration of a run it also knows the names of penalties and the old
//! names of keys.

use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::DeTable;
use toml::{Table, Value};

use super::error::ConfigError;
use super::error_message;
use super::fault::{Failure, key_at_fault};
use super::key_path::KeyPath;
use super::node::Node;
use super::overrides::Override;
use super::penalty_names::{PenaltyNames, changes_names};
use super::positions::{Position, Positions, syntax_message};
use super::renamed_keys::{OldName, replace_old_names, replace_old_names_in_path};
use crate::error::Error;
use crate::input_file;

/// Keys of one TOML file, with `--set` overrides merged in, and the position of each of them.
///
/// # Example
///
/// ```
/// # use burn_topology::config::Document;
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Spec {
///     epochs: usize,
/// }
///
/// let document = Document::parse("epochs = 3\n", "a.toml", &["epochs=5".to_owned()])?;
/// assert_eq!(document.deserialize::<Spec>()?.epochs, 5);
///
/// let misspelt = Document::parse("epoch = 3\n", "a.toml", &[])?;
/// assert_eq!(
///     misspelt.deserialize::<Spec>().err().unwrap().to_string(),
///     "a.toml:1:1: unknown key `epoch` at the top level (did you mean `epochs`?); \
///      expected `epochs`",
/// );
/// # Ok::<(), burn_topology::config::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Document {
    name: String,
    root: Value,
    positions: Positions,
    overrides: Vec<Override>,
    /// Names of penalties after all overrides; empty unless this is the configuration of a run.
    penalty_names: PenaltyNames,
    warnings: Vec<String>,
}

/// Purpose of a file, which decides what may be written in it besides the keys of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Anything; keys are taken as they are.
    Any,
    /// Configuration of a run; penalties have names, and old names of keys are accepted.
    Run,
}

impl Document {
    /// Reads a file and merges overrides of the form `a.b=c` into it; later overrides win.
    ///
    /// # Errors
    ///
    /// The file is missing, a directory, without a key, not UTF-8 or not TOML; or an override cannot
    /// be read, or leads through a value that has no keys or entries. Unknown keys are reported by
    /// [`Document::deserialize`], not here.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let (text, name) = read_text(path)?;
        Self::new(&text, &name, overrides, Purpose::Any)
    }

    /// Reads a text as [`Document::read`] reads a file; `name` stands for the file in errors.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Document::read`].
    pub fn parse(text: &str, name: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        Self::new(text, name, overrides, Purpose::Any)
    }

    /// Reads the configuration of a run, with names of penalties and old names of keys.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Document::read`], and one if an override names a penalty that does not exist, or if
    /// a table has a key by its old and its new name.
    pub(super) fn read_run(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let (text, name) = read_text(path)?;
        Self::new(&text, &name, overrides, Purpose::Run)
    }

    /// Reads a text as [`Document::read_run`] reads a file.
    #[cfg(test)]
    pub(super) fn parse_run(
        text: &str,
        name: &str,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        Self::new(text, name, overrides, Purpose::Run)
    }

    fn new(
        text: &str,
        name: &str,
        overrides: &[String],
        purpose: Purpose,
    ) -> Result<Self, ConfigError> {
        // Windows editors put a byte order mark first; columns are counted without it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let syntax_error = |error: toml::de::Error| {
            let offset = error.span().map_or(text.len(), |span| span.start);
            let position = Position::from_offset(text.as_bytes(), offset);
            let message = syntax_message(error.message(), text, error.span());
            ConfigError::new(format!("{name}:{position}"), message)
        };
        // Parsed twice: the first tree knows positions, the second one has plain values.
        let tree = DeTable::parse(text).map_err(syntax_error)?;
        let table: Table = toml::from_str(text).map_err(syntax_error)?;
        if table.is_empty() {
            return Err(ConfigError::new(
                name,
                "holds no key (empty, or comments only), expected TOML: `[table]` headers and \
                 `key = value` lines",
            ));
        }
        let overrides = overrides
            .iter()
            .map(|text| Override::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        let mut document = Self {
            name: name.to_owned(),
            root: Value::Table(table),
            // Taken before keys are renamed: `rename_keys_of_file` moves the positions along.
            positions: Positions::new(text, tree.get_ref()),
            overrides: Vec::new(),
            penalty_names: PenaltyNames::default(),
            warnings: Vec::new(),
        };
        if purpose == Purpose::Run {
            // Before the overrides, which are written to keys by their new names.
            document.rename_keys_of_file()?;
        }
        document.apply(overrides, purpose)?;
        Ok(document)
    }

    /// Fills a type from the merged keys.
    ///
    /// Every table of `T` should carry `deny_unknown_fields`, or a misspelt key passes unnoticed; on
    /// an internally tagged enum it belongs on the enum itself.
    ///
    /// # Errors
    ///
    /// A key is unknown or missing, or its value is of the wrong type or no known choice. The
    /// error has the position of the key, or of the header of the table that lacks one.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        attempt(&self.root).map_err(|reported| {
            let path = key_at_fault(&self.root, &reported, |root| attempt::<T>(root).err());
            let problem = reported.problem;
            let hint = self
                .overridden(&path)
                // Only for the override of this very key: its whole value is what needs the quotes.
                .filter(|over| over.path == path && error_message::wants_a_string(&problem))
                .map(|over| format!("; to give a string, write {}", over.quoted()))
                .unwrap_or_default();
            let location = self.location(&path);
            let written = self.penalty_names.named(&path).to_string();
            let message = error_message::message(&Failure { path, problem }, &written);
            ConfigError::new(location, message + &hint)
        })
    }

    /// Location of a key such as `model.patch_size` or `topology.1.weight`.
    ///
    /// This is `file:line:column`, or `--set ...` where an override gave the value. A key that
    /// is not in the file has the location of the nearest table above it.
    pub fn locate(&self, key_path: &str) -> String {
        self.location(&KeyPath::parse(key_path).unwrap_or_default())
    }

    /// Error about a key that was read but has an unusable value: location, key and `message`.
    pub fn error_at(&self, key_path: &str, message: impl std::fmt::Display) -> ConfigError {
        let location = self.locate(key_path);
        if key_path.is_empty() {
            return ConfigError::new(location, message);
        }
        let written = match KeyPath::parse(key_path) {
            Some(path) => self.penalty_names.named(&path).to_string(),
            None => key_path.to_owned(),
        };
        ConfigError::new(location, format!("`{written}`: {message}"))
    }

    /// Warnings of reading, one line each: old names that were replaced by new ones.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Gives the keys of the file their new names; they keep their positions.
    fn rename_keys_of_file(&mut self) -> Result<(), ConfigError> {
        let mut replaced = Vec::new();
        replace_old_names(&mut self.root, &KeyPath::default(), &mut replaced).map_err(
            |OldName {
                 written, message, ..
             }| ConfigError::new(self.location(&written), message),
        )?;
        for OldName {
            written,
            renamed,
            message,
        } in replaced
        {
            self.warnings
                .push(format!("{}: {message}", self.location(&written)));
            self.positions.rename(&written, &renamed);
        }
        Ok(())
    }

    /// Writes overrides into the values of the file, in their order.
    fn apply(&mut self, overrides: Vec<Override>, purpose: Purpose) -> Result<(), ConfigError> {
        if purpose == Purpose::Any {
            for over in &overrides {
                over.apply(&mut self.root)?;
            }
            self.overrides = overrides;
            return Ok(());
        }
        let mut names = PenaltyNames::from_root(&self.root);
        for mut over in overrides {
            let location = over.location();
            // Names become indices first, because renamed keys are looked up by a path without names.
            names.resolve(&mut over.path, &location)?;
            let mut replaced = Vec::new();
            replace_old_names_in_path(&mut over.path, &mut replaced);
            replace_old_names(&mut over.value, &over.path, &mut replaced)
                .map_err(|old| ConfigError::new(&location, old.message))?;
            let warnings = replaced
                .into_iter()
                .map(|old| format!("{location}: {}", old.message));
            self.warnings.extend(warnings);
            over.apply(&mut self.root)?;
            if changes_names(&over.path) {
                names = PenaltyNames::from_root(&self.root);
            }
            self.overrides.push(over);
        }
        self.penalty_names = PenaltyNames::from_root(&self.root);
        Ok(())
    }

    /// Latest override that gave the value at `path`, or a table around it.
    fn overridden(&self, path: &KeyPath) -> Option<&Override> {
        // Later overrides win, so the latest one gave the value.
        let mut latest_first = self.overrides.iter().rev();
        latest_first.find(|over| path.starts_with(&over.path))
    }

    fn location(&self, path: &KeyPath) -> String {
        let Some(parent) = path.parent() else {
            return format!("{}:{}", self.name, Position::START);
        };
        if let Some(over) = self.overridden(path) {
            return over.location();
        }
        if let Some(position) = self.positions.get(path) {
            return format!("{}:{position}", self.name);
        }
        // A table that is not in the file exists because an override set a key within it.
        let mut latest_first = self.overrides.iter().rev();
        match latest_first.find(|over| over.path.starts_with(path)) {
            Some(over) => over.location(),
            None => self.location(&parent),
        }
    }
}

/// Largest size of a TOML file, in bytes: a thousand times that of a long one.
///
/// Its values and their positions take up to a hundred times as much memory.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a TOML file; returns its text and its name.
fn read_text(path: &Path) -> Result<(String, String), ConfigError> {
    let name = path.display().to_string();
    // Checked first, because the error of reading a directory differs between systems.
    if path.is_dir() {
        let error = Error::file("is a directory, expected a TOML file");
        return Err(ConfigError::unreadable(&name, error));
    }
    let bytes = input_file::read_up_to(path, MAX_BYTES).map_err(|error| {
        let error = match error.kind() {
            io::ErrorKind::NotFound => Error::file("no such file").caused_by(error),
            _ => Error::file("cannot be read").because(error),
        };
        ConfigError::unreadable(&name, error)
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let position = Position::from_offset(error.as_bytes(), valid);
        ConfigError::new(
            format!("{name}:{position}"),
            "not UTF-8 text, expected a TOML file",
        )
    })?;
    Ok((text, name))
}

fn attempt<T: DeserializeOwned>(root: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(Node(root)).map_err(|error| Failure {
        path: error.path().into(),
        problem: error.into_inner(),
    })
}

#[cfg(test)]
mod tests;
