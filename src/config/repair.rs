//! Every problem of a configuration, where serde reports only the first.
//!
//! The key at fault is repaired in a copy: an unknown key is removed, a missing key is added, a wrong value is replaced
//! by one that fits. Then the copy is deserialised again, until nothing is wrong with it. Problems of values that were
//! made up here are repaired too, but they are not reported.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::fault::{Failure, key_at_fault};
use super::key_path::{KeyPath, Segment};
use super::nearest::nearest;
use super::node::Problem;

/// Largest number of repairs; a file with more problems is something else than a configuration.
const MAX_REPAIRS: usize = 30;

/// Result of deserialising a copy in which every problem has been repaired.
#[derive(Debug)]
pub(super) struct Repaired<T> {
    /// Value of the repaired copy; `None` if not every problem could be repaired.
    pub(super) value: Option<T>,
    /// Problems of the configuration itself; empty if `value` is what is written.
    pub(super) failures: Vec<Failure>,
    /// Words that a missing key takes, by its path.
    pub(super) choices: BTreeMap<KeyPath, Vec<&'static str>>,
    /// Tables whose `kind` is missing or unknown, so that nothing is known about their other keys.
    undecided: Vec<KeyPath>,
    /// Paths of values that were made up here.
    made_up: Vec<KeyPath>,
}

impl<T> Repaired<T> {
    /// True if a key at this path was written, or could have been: nothing around it is made up or undecided.
    pub(super) fn is_known(&self, path: &KeyPath) -> bool {
        let mut doubtful = self.undecided.iter().chain(&self.made_up);
        !doubtful.any(|above| path.starts_with(above))
    }
}

/// Deserialises a configuration, and finds all its problems.
///
/// # Cost
///
/// One deserialisation for each problem, and some more where the key at fault has to be searched.
pub(super) fn deserialize<T>(
    root: &Value,
    attempt: impl Fn(&Value) -> Result<T, Failure>,
) -> Repaired<T> {
    let mut copy = root.clone();
    let mut repair = Repair::default();
    let mut last: Option<Failure> = None;
    for _ in 0..MAX_REPAIRS {
        let reported = match attempt(&copy) {
            Ok(value) => return repair.finish(Some(value)),
            Err(reported) => reported,
        };
        let path = key_at_fault(&copy, &reported, |root| attempt(root).err());
        let failure = Failure {
            path,
            problem: reported.problem,
        };
        repair.report(&failure);
        // What cannot be repaired would be reported again and again.
        if last.as_ref() == Some(&failure) {
            break;
        }
        repair.repair(&mut copy, &failure);
        last = Some(failure);
    }
    repair.finish(None)
}

/// Repairs of a configuration so far.
#[derive(Debug, Default)]
struct Repair {
    failures: Vec<Failure>,
    /// Paths of values that were made up here.
    made_up: Vec<KeyPath>,
    choices: BTreeMap<KeyPath, Vec<&'static str>>,
    undecided: Vec<KeyPath>,
}

impl Repair {
    fn finish<T>(self, value: Option<T>) -> Repaired<T> {
        Repaired {
            value,
            failures: self.failures,
            choices: self.choices,
            undecided: self.undecided,
            made_up: self.made_up,
        }
    }

    /// Keeps a failure that is about what was written.
    fn report(&mut self, failure: &Failure) {
        let about = match &failure.problem {
            Problem::MissingKey(key) => failure.path.key(key),
            _ => failure.path.clone(),
        };
        let mut doubtful = self.undecided.iter().chain(&self.made_up);
        let is_told = self.failures.contains(failure);
        if !is_told && !doubtful.any(|above| about.starts_with(above)) {
            self.failures.push(failure.clone());
        }
        if let Problem::UnknownChoice { choice, known } = &failure.problem
            && choice == UNKNOWN
        {
            self.choices.insert(about, known.clone());
        }
    }

    /// Changes the value at fault so that the same problem does not occur again.
    fn repair(&mut self, root: &mut Value, failure: &Failure) {
        let path = &failure.path;
        match &failure.problem {
            Problem::UnknownKey { key, known } => {
                // The path is that of the key, or of its table if the key could not be found.
                let table = match path.last_key() {
                    Some(last) if last == key => path.parent().unwrap_or_default(),
                    _ => path.clone(),
                };
                let Some(Value::Table(entries)) = table.find_mut(root) else {
                    return;
                };
                entries.remove(key);
                // A misspelt key is not missing too.
                let meant = nearest(key, known);
                if let Some(meant) = meant.filter(|meant| !entries.contains_key(*meant)) {
                    self.made_up.push(table.key(meant));
                }
            }
            Problem::UnknownChoice { choice, known } => {
                let known = nearest(choice, known).or(known.first().copied());
                let Some(known) = known else { return };
                let path = match path.last_key() {
                    // In a table such as `{ stride = 2 }` the choice is the key.
                    Some(key) if key == choice => path.parent().unwrap_or_default(),
                    _ => path.clone(),
                };
                if path.last_key() == Some("kind") {
                    self.undecided.extend(path.parent());
                }
                self.replace(root, &path, Value::String(known.to_owned()));
            }
            Problem::MissingKey(key) => {
                let Some(Value::Table(entries)) = path.find_mut(root) else {
                    return;
                };
                // Its type follows from the next error.
                entries.insert(key.clone(), Value::String(UNKNOWN.to_owned()));
                self.made_up.push(path.key(key));
            }
            Problem::WrongValue { expected, .. } => match value_for(expected) {
                Some(value) => self.replace(root, path, value),
                None => self.remove(root, path),
            },
            Problem::Other(_) => self.remove(root, path),
        }
    }

    fn replace(&mut self, root: &mut Value, path: &KeyPath, value: Value) {
        if let Some(slot) = path.find_mut(root) {
            *slot = value;
            self.made_up.push(path.clone());
        }
    }

    fn remove(&mut self, root: &mut Value, path: &KeyPath) {
        let above = path.parent().and_then(|parent| parent.find_mut(root));
        match (above, path.0.last()) {
            (Some(Value::Table(table)), Some(Segment::Key(key))) => _ = table.remove(key),
            (Some(Value::Array(array)), Some(Segment::Index(index))) if *index < array.len() => {
                // Replaced, so that the entries after it keep their indices.
                array[*index] = Value::Table(Table::new());
            }
            _ => return,
        }
        self.made_up.push(path.clone());
    }
}

/// Word that is no choice of any key.
const UNKNOWN: &str = "~";

/// A value that serde's description of a type fits.
fn value_for(expected: &str) -> Option<Value> {
    let starts = |start| expected.starts_with(start);
    Some(match expected {
        "f32" | "f64" => Value::Float(1.0),
        "a boolean" => Value::Boolean(false),
        "a sequence" => Value::Array(Vec::new()),
        "a map" | "map" => Value::Table(Table::new()),
        "a string" | "variant identifier" | "field identifier" | "string or map" => {
            Value::String(UNKNOWN.to_owned())
        }
        _ if starts("struct ") || starts("internally tagged enum") => Value::Table(Table::new()),
        _ if starts("a nonzero ") || is_integer(expected) => Value::Integer(1),
        _ => Value::Array(vec![Value::Integer(1); array_length(expected)?]),
    })
}

/// Length in serde's description of an array; `None` for another description.
fn array_length(expected: &str) -> Option<usize> {
    let length = expected
        .strip_prefix("an array of length ")
        .or_else(|| expected.strip_prefix("a tuple of size "))
        .or_else(|| expected.strip_suffix(" elements in sequence"))?;
    length.parse().ok().filter(|length| *length <= 16)
}

fn is_integer(expected: &str) -> bool {
    let bits = expected.strip_prefix(['u', 'i']);
    bits.is_some_and(|bits| matches!(bits, "8" | "16" | "32" | "64" | "128" | "size"))
}
