//! `--set key.path=value`: overrides of a configuration from the command line.

use toml::{Table, Value};

use super::error::ConfigError;
use super::key_path::{KeyPath, Segment};
use super::node::describe_value;
use super::positions::too_large;
use crate::error::{Error, Result};

/// One `--set key.path=value`.
#[derive(Debug, Clone)]
pub(super) struct Override {
    text: String,
    pub(super) path: KeyPath,
    pub(super) value: Value,
}

impl Override {
    /// Reads `a.b=c`; the right side is a TOML value, or else a string without quotes.
    ///
    /// # Errors
    ///
    /// There is no `=`, the path is empty, or the value begins as a quoted string, array or table
    /// and is not valid TOML: that is a mistake rather than a string without quotes.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |message: String| ConfigError::new(location(text), message);
        // At the first `=`, because a value may contain more of them.
        let (left, right) = text.split_once('=').ok_or_else(|| {
            refuse("expected `key.path=value`, such as `--set training.epochs=5`".to_owned())
        })?;
        let path = KeyPath::parse(left).ok_or_else(|| {
            refuse(format!(
                "the key path `{left}` has an empty part; expected `key.path=value`"
            ))
        })?;
        let right = right.trim();
        let value = match right.parse::<Value>() {
            // No key takes a date, so `run.name=2024-01-02` is meant as a string.
            Ok(Value::Datetime(date)) => Value::String(date.to_string()),
            Ok(value) => value,
            Err(error) => match beyond_64_bits(right) {
                Some(message) => return Err(refuse(message)),
                None if right.starts_with(['"', '\'', '[', '{']) => {
                    return Err(refuse(format!(
                        "the value is not valid TOML: {}",
                        error.message()
                    )));
                }
                None => Value::String(right.to_owned()),
            },
        };
        Ok(Self {
            text: text.to_owned(),
            path,
            value,
        })
    }

    /// Location of values from this override in errors: `--set key.path=value`.
    pub(super) fn location(&self) -> String {
        location(&self.text)
    }

    /// This override with its value as a quoted string, ready for a shell.
    pub(super) fn quoted(&self) -> String {
        let (left, right) = self.text.split_once('=').unwrap_or((&self.text, ""));
        format!("--set '{left}=\"{right}\"'")
    }

    /// This override as that of the table above its key, ready for a shell; `None` if there is no such table.
    fn as_table(&self) -> Option<String> {
        let (left, _) = self.text.split_once('=')?;
        let (table, key) = left.trim().rsplit_once('.')?;
        Some(format!("--set '{table}={{ {key} = {} }}'", self.value))
    }

    /// Writes the value into `root`, and creates the tables above it that are missing.
    ///
    /// # Errors
    ///
    /// The path goes through a value that is neither table nor array, or past an array's end.
    pub(super) fn apply(&self, root: &mut Value) -> Result<(), ConfigError> {
        let mut slot = root;
        for (depth, segment) in self.path.0.iter().enumerate() {
            let above = KeyPath(self.path.0[..depth].to_vec());
            let is_word = slot.is_str();
            slot = step(slot, &above, segment).map_err(|error| {
                // A word may stand where a table is possible too, as in `pairs = { stride = 2 }`.
                let is_last = depth + 1 == self.path.0.len();
                let hint = (is_word && is_last).then(|| self.as_table()).flatten();
                let hint = hint.map_or(String::new(), |table| format!("; write {table}"));
                ConfigError::new(self.location(), format!("{error}{hint}"))
            })?;
        }
        *slot = self.value.clone();
        Ok(())
    }
}

/// Message about an integer that no type holds, if that is what is wrong with a value.
fn beyond_64_bits(value: &str) -> Option<String> {
    // As in a file, where the error says so.
    let text = format!("key = {value}");
    let error = toml::from_str::<Table>(&text).err()?;
    too_large(error.message(), &text, error.span())
}

fn location(text: &str) -> String {
    format!("--set {text}")
}

/// Goes one step down from `value`, which is at `path`.
fn step<'v>(value: &'v mut Value, path: &KeyPath, segment: &Segment) -> Result<&'v mut Value> {
    let description = describe_value(value);
    match (value, segment) {
        (Value::Table(table), Segment::Key(key)) => Ok(table
            .entry(key.as_str())
            // A misspelt key is refused later, when the type of the configuration is filled.
            .or_insert_with(|| Value::Table(Table::new()))),
        (Value::Array(array), Segment::Index(index)) => {
            let length = array.len();
            array
                .get_mut(*index)
                .ok_or_else(|| Error::invalid_parameter(past_the_end(path, *index, length)))
        }
        (Value::Array(_), Segment::Key(key)) => Err(Error::invalid_parameter(format!(
            "`{path}` is an array, expected the index of an entry, such as `{path}.0`, found `{key}`"
        ))),
        (_, Segment::Index(_)) if path.0.is_empty() => Err(Error::invalid_parameter(
            "a key path starts with a key, not an index",
        )),
        (_, Segment::Index(index)) => Err(Error::invalid_parameter(format!(
            "`{path}` is {description}, not an array, so it has no entry {index}"
        ))),
        (_, Segment::Key(key)) => Err(Error::invalid_parameter(format!(
            "`{path}` is {description}, not a table, so it has no key `{key}`"
        ))),
    }
}

fn past_the_end(path: &KeyPath, index: usize, length: usize) -> String {
    let entries = match length {
        0 => "no entries".to_owned(),
        1 => "1 entry, 0".to_owned(),
        2 => "2 entries, 0 and 1".to_owned(),
        _ => format!("{length} entries, 0 to {}", length - 1),
    };
    format!("`{path}` has {entries}; there is no entry {index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "[training]\nepochs = 3\n[[topology]]\nweight = { value = 1.0 }\npairs = \"all\"\n";

    fn root() -> Value {
        Value::Table(TEXT.parse().unwrap())
    }

    fn set(text: &str) -> Result<Value, String> {
        let mut root = root();
        Override::parse(text)
            .and_then(|over| over.apply(&mut root).map(|()| over))
            .map(|over| over.path.find(&root).unwrap().clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_toml_or_else_a_string_without_quotes() {
        let string = |text: &str| Ok(Value::String(text.to_owned()));
        assert_eq!(set("training.epochs=5"), Ok(Value::Integer(5)));
        assert_eq!(set("training.lr = 1e-3"), Ok(Value::Float(1e-3)));
        assert_eq!(set("run.resume=true"), Ok(Value::Boolean(true)));
        assert_eq!(set("run.name=abc"), string("abc"));
        assert_eq!(set("run.name=a=b c"), string("a=b c"));
        assert_eq!(set("run.name=\"5\""), string("5"));
        assert_eq!(set("run.name=2024-01-02"), string("2024-01-02"));
        assert_eq!(set("run.name="), string(""));
        assert_eq!(
            set("topology.0.heads=[0, 2]"),
            Ok(Value::Array(vec![Value::Integer(0), Value::Integer(2)]))
        );
    }

    #[test]
    fn an_entry_of_an_array_is_addressed_by_index() {
        assert_eq!(set("topology.0.weight.value=0.5"), Ok(Value::Float(0.5)));
        assert_eq!(set("topology[0].weight.value=0.5"), Ok(Value::Float(0.5)));
    }

    #[test]
    fn every_error_names_the_override_and_what_to_write() {
        let mistakes = [
            (
                "epochs",
                "--set epochs: expected `key.path=value`, such as `--set training.epochs=5`",
            ),
            (
                "=5",
                "--set =5: the key path `` has an empty part; expected `key.path=value`",
            ),
            (
                "training..epochs=5",
                "--set training..epochs=5: the key path `training..epochs` has an empty part; \
                 expected `key.path=value`",
            ),
            (
                "training.epochs.most=5",
                "--set training.epochs.most=5: `training.epochs` is integer 3, not a table, so it \
                 has no key `most`",
            ),
            (
                "topology.weight.value=1",
                "--set topology.weight.value=1: `topology` is an array, expected the index of an \
                 entry, such as `topology.0`, found `weight`",
            ),
            (
                "topology.1.weight=1",
                "--set topology.1.weight=1: `topology` has 1 entry, 0; there is no entry 1",
            ),
            (
                "topology.0.pairs.stride=2",
                "--set topology.0.pairs.stride=2: `topology.0.pairs` is string \"all\", not a table, so \
                 it has no key `stride`; write --set 'topology.0.pairs={ stride = 2 }'",
            ),
            (
                "training.0=1",
                "--set training.0=1: `training` is a table, not an array, so it has no entry 0",
            ),
            (
                "0=1",
                "--set 0=1: a key path starts with a key, not an index",
            ),
            (
                "training.epochs=18446744073709551615",
                "--set training.epochs=18446744073709551615: the integer 18446744073709551615 is too large, expected \
                 at most 9223372036854775807",
            ),
            (
                "training.heads=[1, 99999999999999999999999999]",
                "--set training.heads=[1, 99999999999999999999999999]: the integer 99999999999999999999999999 is too \
                 large, expected at most 9223372036854775807",
            ),
        ];
        for (text, message) in mistakes {
            assert_eq!(set(text), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_number_that_is_too_large_can_be_quoted() {
        assert_eq!(
            set("run.name=\"18446744073709551615\""),
            Ok(Value::String("18446744073709551615".to_owned()))
        );
    }

    #[test]
    fn a_value_that_begins_as_toml_must_be_toml() {
        assert_eq!(
            set("training.heads=[0, 2"),
            Err(
                "--set training.heads=[0, 2: the value is not valid TOML: unclosed array, \
                 expected `]`"
                    .to_owned()
            )
        );
    }
}
