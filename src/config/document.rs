//! A TOML file with its bases and overrides, read strictly and with a location for every key.
//!
//! [`Document`] does not know which keys exist: the type that [`Document::deserialize`] fills
//! decides that. For the configuration of a run it also knows the names of penalties and the old
//! names of keys.

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Value;

use super::error::ConfigError;
use super::error_message::{self, Missing};
use super::fault::Failure;
use super::inherit;
use super::key_path::KeyPath;
use super::node::{Node, Problem};
use super::overrides::Override;
use super::penalty_names::{PenaltyNames, changes_names};
use super::positions::{Place, Positions};
use super::renamed_keys::{replace_old_names, replace_old_names_in_path};
use super::repair::{self, Repaired};
use super::source::{Source, decode};
use super::usual::usual_value;

/// Keys of a TOML file, with those of its bases and `--set` overrides merged in, and the position of each of them.
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
        Self::new(Source::read(path)?, overrides, Purpose::Any)
    }

    /// Reads a text as [`Document::read`] reads a file; `name` stands for the file in errors.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Document::read`].
    pub fn parse(text: &str, name: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        let source = Source::parse(text, name, Path::new(""))?;
        Self::new(source, overrides, Purpose::Any)
    }

    /// True if a key is at the top level of the file or was set by an override.
    pub fn has_key(&self, key: &str) -> bool {
        self.root.get(key).is_some()
    }

    /// Reads the configuration of a run, with the files that it inherits from, names of penalties and old names of
    /// keys.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Document::read`], and one if an override names a penalty that does not exist, if
    /// a table has a key by its old and its new name, or if a file to inherit from cannot be used.
    pub(super) fn read_run(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let source = inherit::with_bases(Source::read(path)?, &mut inherit::canonical(path))?;
        Self::new(source, overrides, Purpose::Run)
    }

    /// Reads a text as [`Document::read_run`] reads a file; relative paths in it start at the working directory.
    pub(super) fn parse_run(
        text: &str,
        name: &str,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        let source = Source::parse(text, name, Path::new(""))?;
        let source = inherit::with_bases(source, &mut Vec::new())?;
        Self::new(source, overrides, Purpose::Run)
    }

    /// Reads bytes as [`Document::parse_run`] reads a text.
    pub(super) fn decode_run(
        bytes: Vec<u8>,
        name: &str,
        overrides: &[String],
    ) -> Result<Self, ConfigError> {
        Self::parse_run(&decode(bytes, name)?, name, overrides)
    }

    fn new(source: Source, overrides: &[String], purpose: Purpose) -> Result<Self, ConfigError> {
        let overrides = overrides
            .iter()
            .map(|text| Override::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        let mut document = Self {
            root: source.root,
            positions: source.positions,
            overrides: Vec::new(),
            penalty_names: PenaltyNames::default(),
            warnings: source.warnings,
        };
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
    /// Keys are unknown or missing, or their values are of the wrong type or no known choice. The error lists all
    /// of them, each with the position of the key, or of the header of the table that lacks one.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.deserialize_and(|_| Vec::new())
    }

    /// [`Self::deserialize`] with further keys that are required under conditions.
    ///
    /// `missing_keys` returns the path of the table and the key for each that is missing.
    pub(super) fn deserialize_and<T: DeserializeOwned>(
        &self,
        missing_keys: impl Fn(&T) -> Vec<(String, &'static str)>,
    ) -> Result<T, ConfigError> {
        let mut repaired = repair::deserialize(&self.root, attempt::<T>);
        let missing = repaired.value.as_ref().map(missing_keys);
        for (table, key) in missing.unwrap_or_default() {
            let path = KeyPath::parse(&table).unwrap_or_default();
            // Nothing is required in a table that is missing itself, or whose kind is not known.
            if repaired.is_known(&path.key(key)) {
                let problem = Problem::MissingKey(key.to_owned());
                repaired.failures.push(Failure { path, problem });
            }
        }
        match (ConfigError::all(self.errors(&repaired)), repaired.value) {
            (None, Some(value)) => Ok(value),
            (Some(error), _) => Err(error),
            // There is no failure only if the first attempt gave a value.
            (None, None) => Err(self.error_at("", "cannot be read as a configuration")),
        }
    }

    /// Errors about failures of a deserialisation; the keys that a table lacks are told together.
    fn errors<T>(&self, repaired: &Repaired<T>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut told: Vec<&KeyPath> = Vec::new();
        for failure in &repaired.failures {
            let Failure { path, problem } = failure;
            if !matches!(problem, Problem::MissingKey(_)) {
                errors.push(self.error_of(failure));
                continue;
            }
            if told.contains(&path) {
                continue;
            }
            told.push(path);
            let of_table = repaired.failures.iter().filter(|other| other.path == *path);
            let missing: Vec<Missing> = of_table
                .filter_map(|failure| match &failure.problem {
                    Problem::MissingKey(key) => Some(key),
                    _ => None,
                })
                .map(|key| {
                    let full = path.key(key);
                    Missing {
                        key,
                        choices: repaired.choices.get(&full).map(Vec::as_slice),
                        usual: usual_value(&full.without_indices()),
                    }
                })
                .collect();
            let message = error_message::missing_keys(path, &missing);
            errors.push(self.location(path).error(message));
        }
        errors
    }

    /// Error about one failure.
    fn error_of(&self, Failure { path, problem }: &Failure) -> ConfigError {
        let hint = self
            .overridden(path)
            // Only for the override of this very key: its whole value is what needs the quotes.
            .filter(|over| over.path == *path && error_message::wants_a_string(problem))
            .map(|over| format!("; to give a string, write {}", over.quoted()))
            .unwrap_or_default();
        let written = self.penalty_names.named(path).to_string();
        let message = error_message::message(path, problem, &written);
        self.location(path).error(message + &hint)
    }

    /// Location of a key such as `model.patch_size` or `topology.1.weight`.
    ///
    /// This is `file:line:column`, or `--set ...` where an override gave the value. A key that
    /// is not in the file has the location of the nearest table above it.
    pub fn locate(&self, key_path: &str) -> String {
        self.location(&KeyPath::parse(key_path).unwrap_or_default())
            .to_string()
    }

    /// Error about a key that was read but has an unusable value: location, key and `message`.
    pub fn error_at(&self, key_path: &str, message: impl std::fmt::Display) -> ConfigError {
        let location = self.location(&KeyPath::parse(key_path).unwrap_or_default());
        if key_path.is_empty() {
            return location.error(message);
        }
        let written = match KeyPath::parse(key_path) {
            Some(path) => self.penalty_names.named(&path).to_string(),
            None => key_path.to_owned(),
        };
        location.error(format!("`{written}`: {message}"))
    }

    /// Error about a table as a whole, whose message names it.
    pub(super) fn error_in(&self, table: &str, message: impl fmt::Display) -> ConfigError {
        self.location(&KeyPath::parse(table).unwrap_or_default())
            .error(message)
    }

    /// Warnings of reading, one line each: old names that were replaced by new ones.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
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

    fn location(&self, path: &KeyPath) -> Location {
        let Some(parent) = path.parent() else {
            return Location::Place(self.positions.start());
        };
        if let Some(over) = self.overridden(path) {
            return Location::Override(over.location());
        }
        if let Some(place) = self.positions.get(path) {
            return Location::Place(place.clone());
        }
        // A table that is not in the file exists because an override set a key within it.
        let mut latest_first = self.overrides.iter().rev();
        match latest_first.find(|over| over.path.starts_with(path)) {
            Some(over) => Location::Override(over.location()),
            None => self.location(&parent),
        }
    }
}

/// Origin of a value.
enum Location {
    /// A file.
    Place(Place),
    /// An override, as it was written.
    Override(String),
}

impl Location {
    fn error(self, message: impl fmt::Display) -> ConfigError {
        match self {
            Self::Place(place) => ConfigError::at(place, message),
            Self::Override(over) => ConfigError::new(over, message),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Override(over) => over.fmt(f),
        }
    }
}

fn attempt<T: DeserializeOwned>(root: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(Node(root)).map_err(|error| Failure {
        path: error.path().into(),
        problem: error.into_inner(),
    })
}

#[cfg(test)]
mod tests;
