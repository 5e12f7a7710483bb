//! Values of a JSON file by their keys.

use std::path::Path;

use serde_json::{Map, Value};

/// An object of a JSON file; what is not in it, or null, is absent.
#[derive(Debug, Clone)]
pub(super) struct Json {
    /// Name of the file in messages.
    pub(super) file: String,
    pub(super) object: Map<String, Value>,
}

impl Json {
    /// The object of a file; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// One sentence if it cannot be read or is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let file = path.display().to_string();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{file}: {error}")),
        };
        let object = serde_json::from_slice(&bytes)
            .map_err(|error| format!("{file}: no JSON object can be read ({error})"))?;
        Ok(Some(Self { file, object }))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// An object inside.
    pub(super) fn inner(&self, key: &str) -> Option<Self> {
        let object = self.get(key)?.as_object()?.clone();
        let file = self.file.clone();
        Some(Self { file, object })
    }

    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, String> {
        self.typed(key, "a whole number of at least 0", |value| {
            value.as_u64().and_then(|count| usize::try_from(count).ok())
        })
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, String> {
        self.typed(key, "a number", Value::as_f64)
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, String> {
        self.typed(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// Height and width, written as two numbers or as one that is both.
    pub(super) fn extents(&self, key: &str) -> Result<Option<[usize; 2]>, String> {
        self.typed(key, "one or two whole numbers", extents)
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, String> {
        self.typed(key, "a list of numbers", |value| {
            value.as_array()?.iter().map(Value::as_f64).collect()
        })
    }

    pub(super) fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(format!(
                "{}: {key} is {value}, expected {expected}",
                self.file
            )),
        }
    }

    /// A key that must be there.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| {
            format!(
                "{}: the key {key} is missing, expected the configuration that was saved with the weights",
                self.file
            )
        })
    }
}

/// Two whole numbers, or one twice.
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
