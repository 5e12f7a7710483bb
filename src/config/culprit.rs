//! Finds the key that a deserialisation error is about, where serde lost its path.
//!
//! Inside an internally tagged enum (`tag = "kind"`) serde reads the whole table into a buffer
//! first, so the reported path ends at that table. The key at fault is then found by asking again:
//! change one suspect at a time and see whether the error follows the change.

use toml::Value;

use super::key_path::KeyPath;
use super::node::{Problem, describe_value};

/// A refused config: what is wrong, and the path as far as serde knew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) path: KeyPath,
    pub(super) problem: Problem,
}

/// The path of the key at fault: the unknown key itself, the value of the wrong type, or the
/// table that lacks a key.
///
/// # Cost
///
/// One more deserialisation for each suspect, and none where there is only one.
pub(super) fn pin_down(
    root: &Value,
    reported: &Failure,
    retry: impl Fn(&Value) -> Option<Failure>,
) -> KeyPath {
    let top = search_root(root, reported);
    let mut suspects = Vec::new();
    if let Some(value) = top.find(root) {
        collect_suspects(value, &top, (&reported.problem, &mut suspects));
    }
    suspects.sort_by_key(|path| path.0.len());
    if let [only] = suspects.as_slice() {
        return only.clone();
    }
    let at_fault = suspects.iter().find(|suspect| {
        let mut changed = root.clone();
        let followed = disturb(&mut changed, suspect, &reported.problem);
        followed.is_some_and(|followed| followed.confirms(retry(&changed)))
    });
    at_fault
        .or(suspects.first())
        .cloned()
        .unwrap_or_else(|| reported.path.existing(root))
}

/// The table to search: the reported path, less the unknown key that it may end with.
fn search_root(root: &Value, reported: &Failure) -> KeyPath {
    let named = match &reported.problem {
        Problem::UnknownKey { key, .. } => Some(key.as_str()),
        _ => None,
    };
    match reported.path.parent() {
        Some(parent) if reported.path.last_key() == named => parent.existing(root),
        _ => reported.path.existing(root),
    }
}

fn collect_suspects(
    value: &Value,
    path: &KeyPath,
    (problem, suspects): (&Problem, &mut Vec<KeyPath>),
) {
    match (problem, value) {
        (
            Problem::UnknownKey { key: name, .. } | Problem::UnknownChoice { choice: name, .. },
            Value::Table(table),
        ) if table.contains_key(name) => suspects.push(path.key(name)),
        (Problem::UnknownChoice { choice, .. }, Value::String(text)) if text == choice => {
            suspects.push(path.clone());
        }
        (Problem::MissingKey(key), Value::Table(table)) if !table.contains_key(key) => {
            suspects.push(path.clone());
        }
        (Problem::WrongValue { found, .. }, value) if describe_value(value) == *found => {
            suspects.push(path.clone());
        }
        _ => {}
    }
    match value {
        Value::Table(table) => {
            for (key, child) in table {
                collect_suspects(child, &path.key(key), (problem, suspects));
            }
        }
        Value::Array(array) => {
            for (index, child) in array.iter().enumerate() {
                collect_suspects(child, &path.index(index), (problem, suspects));
            }
        }
        _ => {}
    }
}

/// What the next error must be for a changed suspect to be the culprit.
enum Followed {
    Becomes(Problem),
    NoLongerAbout(String),
}

impl Followed {
    fn confirms(&self, failure: Option<Failure>) -> bool {
        let problem = failure.map(|failure| failure.problem);
        match (self, problem) {
            (Self::Becomes(predicted), Some(problem)) => *predicted == problem,
            (Self::Becomes(_), None) => false,
            (
                Self::NoLongerAbout(key),
                Some(Problem::MissingKey(about) | Problem::UnknownKey { key: about, .. }),
            ) => *key != about,
            (Self::NoLongerAbout(_), _) => true,
        }
    }
}

/// Changes the suspect in a way that the error must follow if it is about this suspect.
fn disturb(root: &mut Value, suspect: &KeyPath, problem: &Problem) -> Option<Followed> {
    match problem {
        Problem::UnknownKey { key, known } => {
            let key = rename(root, suspect, key)?;
            let known = known.clone();
            Some(Followed::Becomes(Problem::UnknownKey { key, known }))
        }
        Problem::UnknownChoice { choice, known } => {
            let known = known.clone();
            let choice = match suspect.find_mut(root)? {
                Value::String(text) if text == choice => {
                    text.push('~');
                    text.clone()
                }
                _ => rename(root, suspect, choice)?,
            };
            Some(Followed::Becomes(Problem::UnknownChoice { choice, known }))
        }
        Problem::MissingKey(key) => {
            let table = suspect.find_mut(root)?.as_table_mut()?;
            table.insert(key.clone(), Value::Boolean(false));
            Some(Followed::NoLongerAbout(key.clone()))
        }
        Problem::WrongValue { expected, .. } => {
            let value = suspect.find_mut(root)?;
            *value = another(value);
            Some(Followed::Becomes(Problem::WrongValue {
                found: describe_value(value),
                expected: expected.clone(),
            }))
        }
        Problem::Other(_) => None,
    }
}

fn rename(root: &mut Value, path: &KeyPath, key: &str) -> Option<String> {
    let table = path.parent()?.find_mut(root)?.as_table_mut()?;
    let value = table.remove(key)?;
    let renamed = format!("{key}~");
    table.insert(renamed.clone(), value);
    Some(renamed)
}

/// Another value of the same kind, as far as a type's refusal can tell; further out of range if
/// it was out of range.
fn another(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}~")),
        Value::Integer(number) if *number < 0 => Value::Integer(number.saturating_sub(1)),
        Value::Integer(number) => Value::Integer(number.saturating_add(1)),
        Value::Float(number) => Value::Float(number * 1.5 + number.signum()),
        Value::Boolean(flag) => Value::Boolean(!flag),
        Value::Array(_) => Value::Table(toml::Table::new()),
        Value::Table(_) | Value::Datetime(_) => Value::Array(Vec::new()),
    }
}
