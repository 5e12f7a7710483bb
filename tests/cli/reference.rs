//! Agreement of `configs/reference*.toml` and `configs/schema.json` with the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn_topology::config::Config;
use burn_topology::experiment::Study;
use serde_json::Value;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
}

fn schema() -> Value {
    serde_json::from_str(&Config::schema()).unwrap()
}

/// Reference configurations for images, for clips, and for predicted frames.
const REFERENCES: [&str; 3] = [
    "reference.toml",
    "reference_video.toml",
    "reference_prediction.toml",
];

fn reference(name: &str) -> String {
    std::fs::read_to_string(configs().join(name)).unwrap()
}

#[test]
fn every_configuration_follows_the_current_schema() {
    let shipped = std::fs::read_to_string(configs().join("schema.json")).unwrap();
    assert!(
        shipped == Config::schema(),
        "run: cargo run -- config schema > configs/schema.json"
    );
    let shipped = std::fs::read_to_string(configs().join("study_schema.json")).unwrap();
    assert!(
        shipped == Study::schema(),
        "run: cargo run -- config schema --study > configs/study_schema.json"
    );
    for entry in std::fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            if path.ends_with("reference_study.toml") {
                assert!(text.starts_with("#:schema study_schema.json\n"));
                continue;
            }
            assert!(text.starts_with("#:schema schema.json\n"), "{path:?}");
            let config = Config::read(&path, &[]).unwrap();
            assert_eq!(config.warnings, [""; 0], "{path:?}");
        }
    }
}

/// Collects all descriptions.
fn descriptions<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    match schema {
        Value::Object(object) => {
            found.extend(object.get("description").and_then(Value::as_str));
            object.values().for_each(|s| descriptions(s, found));
        }
        Value::Array(inner) => inner.iter().for_each(|s| descriptions(s, found)),
        _ => {}
    }
}

#[test]
fn the_reference_study_is_valid_and_has_every_key() {
    let path = configs().join("reference_study.toml");
    let study = Study::read(&path).unwrap();
    // Two arms without the factor, one with its three levels; two seeds each.
    assert_eq!(study.cells.len(), 2 * (2 + 3));
    let schema: Value = serde_json::from_str(&Study::schema()).unwrap();
    let (mut keys, mut words) = (BTreeSet::new(), BTreeSet::new());
    keys_and_words(&schema, &mut keys, &mut words);
    assert!(keys.len() > 12, "{keys:?}");
    let text = reference("reference_study.toml");
    let is_named = |key: &String| {
        let written = [format!("\n{key} = "), format!("[[{key}]]")];
        written.iter().any(|form| text.contains(form))
    };
    let missing: Vec<_> = keys.iter().filter(|key| !is_named(key)).collect();
    assert!(missing.is_empty(), "keys {missing:?}");
}

/// Paths of the keys that a schema requires, without the indices of arrays.
fn required(schema: &Value, defs: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        required(&defs[name.rsplit('/').next().unwrap()], defs, path, found);
    }
    for list in ["oneOf", "anyOf"] {
        for variant in schema
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            required(variant, defs, path, found);
        }
    }
    if let Some(items) = schema.get("items") {
        required(items, defs, path, found);
    }
    let child = |key: &str| format!("{path}.{key}").trim_start_matches('.').to_owned();
    for key in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        found.insert(child(key.as_str().unwrap()));
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (key, property) in properties {
            required(property, defs, &child(key), found);
        }
    }
}

#[test]
fn every_required_key_has_a_usual_value_or_choices() {
    let schema = schema();
    let mut keys = BTreeSet::new();
    required(&schema["then"], &schema["$defs"], "", &mut keys);
    assert!(keys.len() > 25, "{keys:?}");
    for key in keys {
        assert!(
            Config::usual_value(&key).is_some(),
            "no usual value of {key}"
        );
    }
}

#[test]
fn a_file_with_a_base_needs_no_keys() {
    let schema = schema();
    let defs = &schema["$defs"];
    assert_eq!(
        schema["if"],
        serde_json::json!({ "not": { "required": ["base"] } })
    );
    assert_eq!(schema["properties"]["base"]["type"], "string");
    // Only the entries of an array are complete, because it replaces that of the base.
    let mut keys = BTreeSet::new();
    required(&schema, defs, "", &mut keys);
    let is_penalty = |key: &String| key.starts_with("topology.");
    assert!(!keys.is_empty() && keys.iter().all(is_penalty), "{keys:?}");
    let changes = &schema["properties"]["topology"]["anyOf"][1]["additionalProperties"];
    let mut keys = BTreeSet::new();
    required(changes, defs, "", &mut keys);
    assert!(keys.is_empty(), "{keys:?}");
    // A misspelt key is still found, in every table.
    let (mut complete, mut changed) = (BTreeSet::new(), BTreeSet::new());
    let mut words = BTreeSet::new();
    let model = |suffix: &str| &defs[format!("RawModel{suffix}")];
    keys_and_words(model(""), &mut complete, &mut words);
    keys_and_words(model("Changes"), &mut changed, &mut words);
    assert_eq!(complete, changed);
    for kind in model("Changes")["anyOf"].as_array().unwrap() {
        assert_eq!(kind["additionalProperties"], false, "{kind}");
    }
}

#[test]
fn descriptions_are_for_readers_of_configurations() {
    let schema = schema();
    let mut found = Vec::new();
    descriptions(&schema, &mut found);
    assert!(found.len() > 150, "{}", found.len());
    for description in found {
        // Links to Rust items and examples belong into later paragraphs.
        let is_rust = ["[`", "](", "```", "::"]
            .iter()
            .any(|mark| description.contains(mark));
        assert!(!is_rust && !description.contains("\n\n"), "{description}");
    }
}

/// Collects the names of all keys, and all words that a key can be set to.
fn keys_and_words(schema: &Value, keys: &mut BTreeSet<String>, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            if let Some(word) = object.get("const").and_then(Value::as_str) {
                words.insert(word.to_owned());
            }
            if let Some(Value::Array(choices)) = object.get("enum") {
                words.extend(choices.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            for inner in object.values() {
                keys_and_words(inner, keys, words);
            }
        }
        Value::Array(inner) => inner.iter().for_each(|s| keys_and_words(s, keys, words)),
        _ => {}
    }
}

#[test]
fn references_have_every_key_and_every_word() {
    let (mut keys, mut words) = (BTreeSet::new(), BTreeSet::new());
    keys_and_words(&schema(), &mut keys, &mut words);
    assert!(keys.len() > 50 && words.len() > 30, "{keys:?} {words:?}");
    let text = REFERENCES.map(reference).concat();
    let is_named = |key: &String| {
        let written = [format!("{key} = "), format!("[{key}]"), format!(".{key}]")];
        written.iter().any(|form| text.contains(form))
    };
    let missing: Vec<_> = keys.iter().filter(|key| !is_named(key)).collect();
    assert!(missing.is_empty(), "keys {missing:?}");
    let missing: Vec<_> = words
        .iter()
        .filter(|word| !text.contains(&format!("\"{word}\"")))
        .collect();
    assert!(missing.is_empty(), "words {missing:?}");
}

#[test]
fn other_values_in_references_are_valid_and_current() {
    for (name, at_least) in REFERENCES.into_iter().zip([20, 8, 8]) {
        let path = configs().join(name);
        let text = reference(name);
        let choices = text.lines().filter_map(|l| l.strip_prefix("# or "));
        let choices: Vec<&str> = choices.collect();
        assert!(choices.len() > at_least, "{name}");
        for choice in choices {
            let choice = [choice.to_owned()];
            let config =
                Config::read(&path, &choice).unwrap_or_else(|error| panic!("{choice:?}: {error}"));
            assert_eq!(config.warnings, [""; 0]);
        }
    }
}

/// Compares written values with the defaults in the schema.
fn compare(schema: &Value, defs: &Value, written: &Value, path: &str, n_compared: &mut usize) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap();
        compare(&defs[name], defs, written, path, n_compared);
    }
    for choice in ["oneOf", "anyOf"] {
        for variant in schema
            .get(choice)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if variant["properties"]["kind"]["const"] == written["kind"] {
                compare(variant, defs, written, path, n_compared);
            }
        }
    }
    if let (Some(items), Value::Array(written)) = (schema.get("items"), written) {
        for item in written {
            compare(items, defs, item, path, n_compared);
        }
    }
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return;
    };
    for (key, property) in properties {
        let path = format!("{path}.{key}");
        let Some(written) = written.get(key) else {
            continue;
        };
        match property.get("default") {
            Some(Value::Object(_)) | None => {}
            Some(Value::Null) => continue,
            // The reference for clips is about frames.
            Some(_) if path.ends_with(".between") && written == "frames" => continue,
            Some(default) => {
                *n_compared += 1;
                let equal = match (default.as_f64(), written.as_f64()) {
                    (Some(default), Some(written)) => default == written,
                    _ => default == written,
                };
                assert!(
                    equal,
                    "{path} is {written} in the reference, its default is {default}"
                );
            }
        }
        compare(property, defs, written, &path, n_compared);
    }
}

#[test]
fn optional_keys_in_references_have_their_defaults() {
    let schema = schema();
    for (name, at_least) in REFERENCES.into_iter().zip([25, 5]) {
        let written: toml::Value = toml::from_str(&reference(name)).unwrap();
        let written = serde_json::to_value(written).unwrap();
        let mut n_compared = 0;
        compare(
            &schema["then"],
            &schema["$defs"],
            &written,
            "",
            &mut n_compared,
        );
        assert!(
            n_compared > at_least,
            "{name}: only {n_compared} were compared"
        );
    }
}
