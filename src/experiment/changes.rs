//! Changes of the base configuration by an arm of a study, as a list or as a table.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// The two forms of `arm.set`, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) enum ListOrTable {
    /// Changes as after `--set`.
    List(Vec<String>),
    /// Settings by their keys, as in a configuration.
    Table(serde_json::Map<String, serde_json::Value>),
}

/// Changes of the base configuration by an arm, in one of two forms.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Changes {
    /// List of changes, each written as on the command line after `--set`.
    List(Vec<String>),
    /// Settings by their keys, as in a configuration.
    Table(Table),
}

impl Default for Changes {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

// Written out, because the error of an untagged enum would not say which entry is at fault.
impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChangesVisitor;

        impl<'de> Visitor<'de> for ChangesVisitor {
            type Value = Changes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of changes as after --set, or a table of settings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Changes, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Changes::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Changes, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(table)).map(Changes::Table)
            }
        }

        deserializer.deserialize_any(ChangesVisitor)
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::List(changes) => changes.is_empty(),
            Self::Table(table) => table.is_empty(),
        }
    }

    /// Returns the changes as they are written after `--set`.
    pub(super) fn overrides(&self) -> Vec<String> {
        match self {
            Self::List(changes) => changes.clone(),
            Self::Table(table) => {
                let mut overrides = Vec::new();
                collect_overrides("", table, &mut overrides);
                overrides
            }
        }
    }
}

/// Appends the settings in `table`, which is at `path`, as they are written after `--set`.
fn collect_overrides(path: &str, table: &Table, overrides: &mut Vec<String>) {
    for (key, value) in table {
        let path = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        match value {
            Value::Table(inner) if !inner.contains_key("kind") => {
                collect_overrides(&path, inner, overrides);
            }
            // The keys beside `kind` belong to that kind, so such a table replaces the one of the base whole.
            value => overrides.push(format!("{path}={value}")),
        }
    }
}
