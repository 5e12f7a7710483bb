//! Typed access to the values of a JSON file.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::input_file;

/// Largest size of a file, in bytes; the index of a model of a thousand shards takes a tenth of it.
const MAX_BYTES: u64 = 64 << 20;

/// Object of a JSON file; a key whose value is null counts as absent.
#[derive(Debug, Clone)]
pub(super) struct Json {
    /// Path of the file, for error messages.
    pub(super) file: String,
    /// Keys and values of the object.
    pub(super) object: Map<String, Value>,
}

impl Json {
    /// Reads the object of a file; `None` if the file does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file cannot be read, [`Error::is_invalid_format`] if it is not a JSON object.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let file = path.display().to_string();
        let bytes = match input_file::read_up_to(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            // Some files are optional, so the caller decides whether this is an error.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(file).because(error)),
        };
        let object = serde_json::from_slice(&bytes).map_err(|error| {
            Error::invalid_format(format!("{file}: not a JSON object ({error})")).caused_by(error)
        })?;
        Ok(Some(Self { file, object }))
    }

    /// Value of a key; `None` if absent.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        // Python writes unset options as null.
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Object that is the value of a key; `None` if absent or not an object.
    pub(super) fn inner(&self, key: &str) -> Option<Self> {
        Some(Self {
            file: self.file.clone(),
            object: self.get(key)?.as_object()?.clone(),
        })
    }

    /// Non-negative integer; `None` if absent.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a whole number of at least 0", |value| {
            value.as_u64().and_then(|count| usize::try_from(count).ok())
        })
    }

    /// Number; `None` if absent.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// Boolean; `None` if absent.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// String; `None` if absent.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>> {
        self.typed(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// Height and width, given as two numbers or as one for a square; `None` if absent.
    pub(super) fn extents(&self, key: &str) -> Result<Option<[usize; 2]>> {
        self.typed(key, "one or two whole numbers", extents)
    }

    /// List of numbers; `None` if absent.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        self.typed(key, "a list of numbers", |value| {
            value.as_array()?.iter().map(Value::as_f64).collect()
        })
    }

    /// Value of a key, converted by `read`; `None` if absent.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] with the key, its value and what was `expected` if `read` returns `None`.
    pub(super) fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(Error::invalid_format(format!(
                "{}: {key} is {value}, expected {expected}",
                self.file
            ))),
        }
    }

    /// Unwraps the value of a key that must be present.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if the value is `None`.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| {
            Error::invalid_format(format!(
                "{}: the key {key} is missing, expected the configuration that was saved with the weights",
                self.file
            ))
        })
    }
}

/// Says which keys of an object are not among those that are understood; empty if all are.
pub(super) fn passed_over(json: &Json, understood: &[&str]) -> Vec<String> {
    let other: Vec<&str> = json
        .object
        .keys()
        .map(String::as_str)
        .filter(|key| json.get(key).is_some() && !understood.contains(key))
        .collect();
    match other.as_slice() {
        [] => Vec::new(),
        keys => vec![format!(
            "{}: not understood and passed over: {}",
            json.file,
            keys.join(", ")
        )],
    }
}

/// Converts two integers, or one integer that stands for both; `None` for other values.
pub(super) fn extents(value: &Value) -> Option<[usize; 2]> {
    let count = |value: &Value| usize::try_from(value.as_u64()?).ok();
    match value {
        Value::Array(sides) => match sides.as_slice() {
            [height, width] => Some([count(height)?, count(width)?]),
            _ => None,
        },
        side => count(side).map(|side| [side; 2]),
    }
}
