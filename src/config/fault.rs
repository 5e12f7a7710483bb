//! Search for the key that a deserialisation error is about, where serde does not report its path.
//!
//! Serde reads an internally tagged enum (`tag = "kind"`) into a buffer first, so the path that it
//! reports ends at the table of the enum. The key at fault is then found by trials: one suspect at a
//! time is changed, and the error of the next attempt shows whether it was about that suspect.

use toml::Value;

use super::key_path::KeyPath;
use super::node::{Problem, describe_value};

/// Failed deserialisation: the problem, and its path as far as serde reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) path: KeyPath,
    pub(super) problem: Problem,
}

/// Path of the key at fault: an unknown key, a value of the wrong type, or a table that lacks a key.
///
/// `retry` deserialises a changed configuration.
///
/// # Cost
///
/// One deserialisation for each suspect, or none if there is only one suspect.
pub(super) fn key_at_fault(
    root: &Value,
    reported: &Failure,
    retry: impl Fn(&Value) -> Option<Failure>,
) -> KeyPath {
    let top = search_root(root, reported);
    let mut suspects = Vec::new();
    if let Some(value) = top.find(root) {
        collect_suspects(value, &top, &reported.problem, &mut suspects);
    }
    // Shallow suspects are tried first; the sort is stable, so the result does not depend on chance.
    suspects.sort_by_key(|path| path.0.len());
    // Most files have one suspect, which needs no trial.
    if let [only] = suspects.as_slice() {
        return only.clone();
    }
    let at_fault = suspects.iter().find(|suspect| {
        let mut changed = root.clone();
        let expected = change_suspect(&mut changed, suspect, &reported.problem);
        expected.is_some_and(|expected| expected.is_met_by(retry(&changed)))
    });
    at_fault
        // If no trial tells, the shallowest suspect is the best guess.
        .or(suspects.first())
        .cloned()
        .unwrap_or_else(|| reported.path.existing(root))
}

/// Path of the value to search: the reported path, without an unknown key at its end.
fn search_root(root: &Value, reported: &Failure) -> KeyPath {
    let unknown_key = match &reported.problem {
        Problem::UnknownKey { key, .. } => Some(key.as_str()),
        _ => None,
    };
    match reported.path.parent() {
        // The unknown key itself may end the path; the table that holds it is what is searched.
        Some(parent) if reported.path.last_key() == unknown_key => parent.existing(root),
        _ => reported.path.existing(root),
    }
}

/// Collects the paths within `value` that the problem could be about.
fn collect_suspects(value: &Value, path: &KeyPath, problem: &Problem, suspects: &mut Vec<KeyPath>) {
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
        (Problem::WrongValue { actual, .. }, value) if describe_value(value) == *actual => {
            suspects.push(path.clone());
        }
        _ => {}
    }
    match value {
        Value::Table(table) => {
            for (key, child) in table {
                collect_suspects(child, &path.key(key), problem, suspects);
            }
        }
        Value::Array(array) => {
            for (index, child) in array.iter().enumerate() {
                collect_suspects(child, &path.index(index), problem, suspects);
            }
        }
        _ => {}
    }
}

/// Error that the next attempt must give if the changed suspect is the key at fault.
enum ExpectedError {
    /// Exactly this problem.
    Becomes(Problem),
    /// Any result but a problem with this key.
    NoLongerAbout(String),
}

impl ExpectedError {
    fn is_met_by(&self, failure: Option<Failure>) -> bool {
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

/// Changes a suspect, and returns the error to expect if the problem was about it.
fn change_suspect(root: &mut Value, suspect: &KeyPath, problem: &Problem) -> Option<ExpectedError> {
    match problem {
        Problem::UnknownKey { key, known } => {
            let key = rename(root, suspect, key)?;
            let known = known.clone();
            Some(ExpectedError::Becomes(Problem::UnknownKey { key, known }))
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
            Some(ExpectedError::Becomes(Problem::UnknownChoice {
                choice,
                known,
            }))
        }
        Problem::MissingKey(key) => {
            let table = suspect.find_mut(root)?.as_table_mut()?;
            // The value may be of the wrong type; then the next error is about that, and no longer about the key.
            table.insert(key.clone(), Value::Boolean(false));
            Some(ExpectedError::NoLongerAbout(key.clone()))
        }
        Problem::WrongValue { expected, .. } => {
            let value = suspect.find_mut(root)?;
            *value = other_value(value);
            Some(ExpectedError::Becomes(Problem::WrongValue {
                actual: describe_value(value),
                expected: expected.clone(),
            }))
        }
        Problem::Other(_) => None,
    }
}

/// Renames a key, and returns its new name.
fn rename(root: &mut Value, path: &KeyPath, key: &str) -> Option<String> {
    let table = path.parent()?.find_mut(root)?.as_table_mut()?;
    let value = table.remove(key)?;
    // No key has a `~`, so the new name is unknown wherever the old one was.
    let renamed = format!("{key}~");
    table.insert(renamed.clone(), value);
    Some(renamed)
}

/// Different value that the same type refuses for the same reason.
///
/// Numbers move away from 0, so that a number out of range stays out of range.
fn other_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}~")),
        Value::Integer(number) if *number < 0 => Value::Integer(number.saturating_sub(1)),
        Value::Integer(number) => Value::Integer(number.saturating_add(1)),
        // Adding the sign moves 0 as well, which a factor alone would not.
        Value::Float(number) => Value::Float(number * 1.5 + number.signum()),
        Value::Boolean(flag) => Value::Boolean(!flag),
        Value::Array(_) => Value::Table(toml::Table::new()),
        Value::Table(_) | Value::Datetime(_) => Value::Array(Vec::new()),
    }
}
