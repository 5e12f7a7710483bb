//! JSON schemas of files, for editors.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::inherit::{BASE, TOPOLOGY};

/// End of the name of a definition that describes changes of a base.
const CHANGES: &str = "Changes";

/// Start of a reference to a definition.
const DEFINITIONS: &str = "#/$defs/";

/// JSON schema of a type that a file is read into; descriptions are the first paragraphs of its documentation.
pub(crate) fn schema_of<T: JsonSchema>() -> String {
    text(schema::<T>())
}

/// JSON schema of a configuration, which can have a base.
///
/// A file without `base` must have the required keys. One with it may have any of them, in every table, because the base
/// has the others. The properties of the root are those of both, so that editors that do not know `if` still complete keys
/// and show their descriptions.
pub(super) fn with_base<T: JsonSchema>() -> String {
    let mut root = schema::<T>();
    let Some(Value::Object(definitions)) = root.remove("$defs") else {
        return text(root);
    };
    let complete = json!({
        "properties": root["properties"],
        "required": root.remove("required"),
    });
    let mut changes = Changes {
        definitions: &definitions,
        made: BTreeMap::new(),
    };
    let mut properties = changes.of(&root["properties"]);
    let penalty = changes.of(&json!({ "$ref": format!("{DEFINITIONS}RawTopology") }));
    let penalties = &mut properties[TOPOLOGY];
    *penalties = json!({
        "description": penalties["description"],
        "anyOf": [
            { "type": "array", "items": penalties["items"] },
            {
                "description": "With `base`: changes of its penalties, by their names.",
                "type": "object",
                "additionalProperties": penalty,
            },
        ],
    });
    properties[BASE] = json!({
        "description": "Configuration whose keys this file takes over and changes, relative to this file; absent: none.",
        "type": "string",
    });
    let made = changes.made;
    root.insert("properties".to_owned(), properties);
    root.insert("if".to_owned(), json!({ "not": { "required": [BASE] } }));
    root.insert("then".to_owned(), complete);
    root.insert(
        "$defs".to_owned(),
        definitions.into_iter().chain(made).collect(),
    );
    text(root)
}

/// Definitions without required keys, made from those of complete tables.
struct Changes<'a> {
    definitions: &'a Map<String, Value>,
    /// Definitions by their new names.
    made: BTreeMap<String, Value>,
}

impl Changes<'_> {
    /// Schema of changes of what a schema describes: nothing in it is required.
    ///
    /// Entries of arrays are complete, because an array replaces that of the base.
    fn of(&mut self, schema: &Value) -> Value {
        match schema {
            Value::Array(schemas) => schemas.iter().map(|schema| self.of(schema)).collect(),
            Value::Object(object) => {
                let entries = object.iter().filter(|(key, _)| *key != "required");
                let changed = entries.map(|(key, value)| match (key.as_str(), value) {
                    // Without its `kind`, a table can be one of several kinds.
                    ("oneOf", kinds) => ("anyOf".to_owned(), self.of(kinds)),
                    ("$ref", Value::String(reference)) => {
                        (key.clone(), Value::from(self.reference(reference)))
                    }
                    ("items" | "default", value) => (key.clone(), value.clone()),
                    (_, value) => (key.clone(), self.of(value)),
                });
                Value::Object(changed.collect())
            }
            value => value.clone(),
        }
    }

    /// Reference to the changes of a definition, or to the definition itself if nothing in it is required.
    fn reference(&mut self, reference: &str) -> String {
        let name = reference.trim_start_matches(DEFINITIONS);
        let Some(definition) = self.definitions.get(name) else {
            return reference.to_owned();
        };
        if !self.requires(definition) {
            return reference.to_owned();
        }
        let changed = format!("{name}{CHANGES}");
        if !self.made.contains_key(&changed) {
            // Present before its own references are followed, should it refer to itself.
            self.made.insert(changed.clone(), Value::Null);
            let schema = self.of(definition);
            self.made.insert(changed.clone(), schema);
        }
        format!("{DEFINITIONS}{changed}")
    }

    /// True if a schema, or one that it refers to outside of arrays, has required keys.
    fn requires(&self, schema: &Value) -> bool {
        match schema {
            Value::Array(schemas) => schemas.iter().any(|schema| self.requires(schema)),
            Value::Object(object) => {
                object
                    .iter()
                    .any(|(key, value)| match (key.as_str(), value) {
                        ("required", _) => true,
                        ("items" | "default", _) => false,
                        ("$ref", Value::String(reference)) => {
                            let name = reference.trim_start_matches(DEFINITIONS);
                            let definition = self.definitions.get(name);
                            definition.is_some_and(|definition| self.requires(definition))
                        }
                        (_, value) => self.requires(value),
                    })
            }
            _ => false,
        }
    }
}

fn schema<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::default();
    let settings = settings.with_transform(RecursiveTransform(keep_first_paragraph));
    let schema = settings.into_generator().into_root_schema_for::<T>();
    match schema.to_value() {
        Value::Object(root) => root,
        _ => Map::new(),
    }
}

fn text(root: Map<String, Value>) -> String {
    // As a schema, whose keywords are written in a readable order.
    let schema = Schema::from(root);
    let text = serde_json::to_string_pretty(&schema).expect("a schema can be written");
    text + "\n"
}

/// Shortens the description of a schema to its first paragraph.
///
/// The later paragraphs in the documentation of a type of the library are about Rust.
fn keep_first_paragraph(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description")
        && let Some(end) = description.find("\n\n")
    {
        description.truncate(end);
    }
}
