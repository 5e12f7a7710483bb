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

use serde_json::Value;

pub use document::Document;
pub use error::ConfigError;
pub use raw::*;
pub use spec::{
    CheckpointSpec, CollapseAction, CollapseSpec, LearningRate, LoggingSpec, Spec, Start,
    TrainingSpec,
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

    /// Every setting by its path, as `training.lr` and `topology.0.weight.kind`; values are neither tables
    /// nor lists of tables.
    pub fn settings(&self) -> Vec<(String, Value)> {
        let raw = serde_json::to_value(&self.raw).expect("every configuration can be written");
        let mut settings = Vec::new();
        flatten("", raw, &mut settings);
        settings
    }

    /// The resolved configuration as TOML, which reads back as the same configuration.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.raw).expect("every configuration can be written")
    }
}

fn flatten(path: &str, value: Value, settings: &mut Vec<(String, Value)>) {
    let within = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                flatten(&within(&key), value, settings);
            }
        }
        Value::Array(tables) if tables.iter().all(Value::is_object) => {
            for (index, table) in tables.into_iter().enumerate() {
                flatten(&within(&index.to_string()), table, settings);
            }
        }
        value => settings.push((path.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_by_their_path() {
        let raw = serde_json::json!({
            "run": { "seed": 3 },
            "topology": [{ "layers": [0, 2], "weight": { "kind": "fixed" } }],
            "flip": true,
        });
        let mut settings = Vec::new();
        flatten("", raw, &mut settings);
        let expected = [
            ("flip", Value::from(true)),
            ("run.seed", Value::from(3)),
            ("topology.0.layers", serde_json::json!([0, 2])),
            ("topology.0.weight.kind", Value::from("fixed")),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(settings, expected);
    }
}
