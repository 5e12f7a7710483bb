//! From a TOML file to a checked specification.
//!
//! [`RawConfig`] mirrors the file and nothing else; [`Spec`] is what a run needs. A resolved
//! configuration is itself a file that repeats the run.

mod culprit;
mod document;
mod error;
mod key_path;
mod nearest;
mod node;
mod overrides;
mod places;
mod raw;
mod spec;
mod wording;

use std::path::Path;

pub use document::Document;
pub use error::ConfigError;
pub use raw::*;
pub use spec::{
    CheckpointSpec, CollapseAction, CollapseSpec, LearningRate, LoggingSpec, Spec, TrainingSpec,
};

/// A configuration, as written and as checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the file says, overrides and defaults included.
    pub raw: RawConfig,
    /// What it means.
    pub spec: Spec,
}

impl Config {
    /// Reads and checks a file; `overrides` are `key.path=value`, as after `--set`.
    ///
    /// # Errors
    ///
    /// One line: file, line and column, what was found, what was expected.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let document = Document::read(path, overrides)?;
        let raw: RawConfig = document.deserialize()?;
        let spec = Spec::new(&document, &raw)?;
        Ok(Self { raw, spec })
    }

    /// The JSON schema of a configuration file, for editors; numbers in it have the types of the
    /// keys, and the meanings are those of [`RawConfig`].
    pub fn schema() -> String {
        let schema = schemars::schema_for!(RawConfig);
        let text = serde_json::to_string_pretty(&schema).expect("a schema can be written");
        text + "\n"
    }

    /// The resolved configuration as TOML, which reads back as the same configuration.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.raw).expect("every configuration can be written")
    }
}
