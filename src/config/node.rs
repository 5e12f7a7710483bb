//! Deserialisation of TOML values with errors as data, from which messages are made later.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use toml::Value;

/// Problem of a deserialisation, with the parts that its message is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// Key that the type of its table does not have.
    UnknownKey {
        key: String,
        known: Vec<&'static str>,
    },
    /// Word that is none of the choices for a value.
    UnknownChoice {
        choice: String,
        known: Vec<&'static str>,
    },
    /// Required key that a table does not have.
    MissingKey(String),
    /// Value of the wrong type or out of range, described in serde's words.
    WrongValue { actual: String, expected: String },
    /// Message of a hand-written `Deserialize`.
    Other(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, .. } => write!(f, "unknown key `{key}`"),
            Self::UnknownChoice { choice, .. } => write!(f, "unknown choice `{choice}`"),
            Self::MissingKey(key) => write!(f, "missing key `{key}`"),
            Self::WrongValue { actual, expected } => {
                write!(f, "expected {expected}, found {actual}")
            }
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::Other(message.to_string())
    }

    fn invalid_type(actual: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::WrongValue {
            actual: describe(actual),
            expected: expected.to_string(),
        }
    }

    fn invalid_value(actual: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // A number out of range is described in the same words as a value of the wrong type.
        Self::invalid_type(actual, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::WrongValue {
            actual: match length {
                1 => "1 value".to_owned(),
                _ => format!("{length} values"),
            },
            expected: expected.to_string(),
        }
    }

    fn unknown_variant(choice: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownChoice {
            choice: choice.to_owned(),
            known: known.to_vec(),
        }
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownKey {
            key: key.to_owned(),
            known: known.to_vec(),
        }
    }

    fn missing_field(key: &'static str) -> Self {
        Self::MissingKey(key.to_owned())
    }
}

/// Description of a TOML value in errors: `integer -3`, `string "many"`, `an array`.
pub(super) fn describe_value(value: &Value) -> String {
    describe(unexpected(value))
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::String(text) => Unexpected::Str(text),
        Value::Integer(number) => Unexpected::Signed(*number),
        Value::Float(number) => Unexpected::Float(*number),
        Value::Boolean(flag) => Unexpected::Bool(*flag),
        Value::Datetime(_) => Unexpected::Other("a date"),
        Value::Array(_) => Unexpected::Seq,
        Value::Table(_) => Unexpected::Map,
    }
}

fn describe(actual: Unexpected<'_>) -> String {
    match actual {
        Unexpected::Bool(flag) => format!("boolean {flag}"),
        Unexpected::Unsigned(number) => format!("integer {number}"),
        Unexpected::Signed(number) => format!("integer {number}"),
        Unexpected::Float(number) => format!("float {number:?}"),
        Unexpected::Char(character) => format!("string \"{character}\""),
        Unexpected::Str(text) => format!("string {text:?}"),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        // A variant that needs a content was written as a string.
        Unexpected::UnitVariant => "the name alone".to_owned(),
        other => other.to_string(),
    }
}

/// Borrowed TOML value as a deserialiser with errors of the type [`Problem`].
pub(super) struct Node<'de>(pub(super) &'de Value);

impl<'de> IntoDeserializer<'de, Problem> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn entries(table: &toml::Table) -> impl Iterator<Item = (&str, Node<'_>)> {
    table.iter().map(|(key, value)| (key.as_str(), Node(value)))
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0 {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::Datetime(date) => Err(Problem::Other(format!(
                "found the date {date}, which no key takes; quote it to make it a string"
            ))),
            Value::Array(array) => {
                SeqDeserializer::new(array.iter().map(Node)).deserialize_any(visitor)
            }
            Value::Table(table) => MapDeserializer::new(entries(table)).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        // TOML has no null: a key that is written has a value.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            // The only key names the variant, and its value is the content, as in `{ stride = 2 }`.
            Value::Table(table) if table.len() == 1 => {
                let map = MapDeserializer::new(entries(table));
                visitor.visit_enum(MapAccessDeserializer::new(map))
            }
            Value::Table(_) => Err(de::Error::invalid_value(
                Unexpected::Map,
                // These words and those below are serde's own, which `error_message` puts into plain ones.
                &"map with a single key",
            )),
            other => Err(de::Error::invalid_type(unexpected(other), &"string or map")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
