//! Configuration of a run: a TOML file, read strictly and checked.
//!
//! [`RawConfig`] has the keys of the file and their types; [`Spec`] has the checked values that a
//! run uses. The resolved configuration, defaults included, is itself a file that repeats the run.

mod document;
mod error;
mod error_message;
mod fault;
mod inherit;
mod key_path;
mod nearest;
mod node;
mod overrides;
mod penalty_names;
mod positions;
mod raw;
mod renamed_keys;
mod repair;
mod schema;
mod source;
mod spec;
mod usual;

use std::path::Path;

use serde_json::Value;

use crate::json_paths::flatten;

pub use document::Document;
pub use error::ConfigError;
pub use raw::*;
pub(crate) use schema::schema_of;
pub use spec::{EarlyStopping, LeastMemory, OptimizerSpec, Spec, Start, TrainingSpec, UpdateRule};

/// Configuration of a run, as written and as checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Keys and values of the file, overrides and defaults included.
    pub raw: RawConfig,
    /// Checked values that a run uses.
    pub spec: Spec,
    /// Warnings, one line each: old names of keys that are still accepted, and settings without effect.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and checks a file; `overrides` are of the form `key.path=value`, as after `--set`.
    ///
    /// # Errors
    ///
    /// One line for each problem: file, line and column, what was found, what was expected.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        Self::from_document(&Document::read_run(path, overrides)?)
    }

    /// Reads a configuration that is not in a file, as [`Config::read`] does; `name` stands for the file in errors.
    ///
    /// Relative paths in it start at the working directory.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Config::read`].
    pub fn decode(bytes: Vec<u8>, name: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        Self::from_document(&Document::decode_run(bytes, name, overrides)?)
    }

    fn from_document(document: &Document) -> Result<Self, ConfigError> {
        let mut raw = document.deserialize_and(spec::missing_keys)?;
        spec::complete(document, &mut raw)?;
        let spec = Spec::new(document, &raw)?;
        let mut warnings = document.warnings().to_vec();
        warnings.extend(spec::ambiguous_directory(document, &raw.data));
        warnings.extend(spec.warnings(document));
        Ok(Self {
            raw,
            spec,
            warnings,
        })
    }

    /// Warnings about settings that do not fit the size of a data set that is part of the program, one line each.
    ///
    /// For data sets in files, [`Spec::data_warnings`] gives them once the data set is open.
    pub fn embedded_data_warnings(&self) -> Vec<String> {
        self.spec.embedded_data_warnings()
    }

    /// JSON schema of configuration files, for editors; descriptions are the first paragraphs of the
    /// documentation of [`RawConfig`].
    ///
    /// A file with `base` has no required keys, and its penalties can be a table of changes.
    pub fn schema() -> String {
        schema::with_base::<RawConfig>()
    }

    /// Usual value of a required key, as it is written in a file; `None` for other keys.
    ///
    /// The path is dotted and leaves out the indices of arrays, as in `topology.weight.share`.
    pub fn usual_value(path: &str) -> Option<&'static str> {
        usual::usual_value(path)
    }

    /// Every setting by its path, such as `training.epochs` and `topology.h1_layers.weight.kind`.
    ///
    /// Penalties have their names in paths; values are neither tables nor arrays of tables.
    pub fn settings(&self) -> Vec<(String, Value)> {
        let raw = serde_json::to_value(&self.raw).expect("every configuration can be written");
        let names = self.spec.penalty_names();
        // By name, as after `--set`: an index would change with the order of the tables.
        let name = |index: &str| names.get(index.parse::<usize>().ok()?).cloned();
        flatten(raw, &|path, key| match path {
            "topology" => name(key),
            _ => Some(key.to_owned()),
        })
    }

    /// Resolved configuration as TOML, which reads back as the same configuration.
    pub fn to_toml(&self) -> String {
        // Cannot fail: the numbers come from a TOML file, so they fit into one.
        toml::to_string(&self.raw).expect("every configuration can be written")
    }

    /// Text that identifies the configuration; equal for configurations with equal settings.
    ///
    /// It is the resolved configuration with the names that keys had first, so that a renamed key
    /// does not change a digest of this text.
    pub fn identity(&self) -> String {
        renamed_keys::with_old_names(&self.to_toml())
    }
}

#[cfg(test)]
mod tests;
