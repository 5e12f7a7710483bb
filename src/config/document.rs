//! A TOML file and its overrides, read strictly and with a place for everything.
//!
//! Knows nothing of which keys exist: the type that [`Document::deserialize`] fills decides that.

use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::DeTable;
use toml::{Table, Value};

use super::culprit::{Failure, pin_down};
use super::error::ConfigError;
use super::key_path::KeyPath;
use super::node::Node;
use super::overrides::Override;
use super::places::{Place, Places, syntax_message};
use super::wording;

/// The keys of one TOML file with `--set` overrides merged in, and where each of them stands.
///
/// # Example
///
/// ```
/// # use burn_topology::config::Document;
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Spec {
///     epochs: usize,
/// }
///
/// let document = Document::parse("epochs = 3\n", "a.toml", &["epochs=5".to_owned()])?;
/// assert_eq!(document.deserialize::<Spec>()?.epochs, 5);
///
/// let slip = Document::parse("epoch = 3\n", "a.toml", &[])?;
/// assert_eq!(
///     slip.deserialize::<Spec>().err().unwrap().to_string(),
///     "a.toml:1:1: unknown key `epoch` at the top level (did you mean `epochs`?); \
///      expected `epochs`",
/// );
/// # Ok::<(), burn_topology::config::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Document {
    name: String,
    root: Value,
    places: Places,
    overrides: Vec<Override>,
}

impl Document {
    /// Reads a file and merges overrides of the form `a.b=c` into it, the later over the earlier.
    ///
    /// # Errors
    ///
    /// The file is missing, is a directory, is empty or is not UTF-8 or not TOML, or an override
    /// cannot be read or leads nowhere. That a key is unknown is found by
    /// [`Document::deserialize`], not here.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let refuse = |message: String| ConfigError::new(&name, message);
        if path.is_dir() {
            return Err(refuse("is a directory, expected a TOML file".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(|error| {
            refuse(match error.kind() {
                io::ErrorKind::NotFound => "no such file".to_owned(),
                _ => format!("cannot be read: {error}"),
            })
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let place = Place::at(error.as_bytes(), valid);
            ConfigError::new(
                format!("{name}:{place}"),
                "not UTF-8 text, expected a TOML file",
            )
        })?;
        Self::parse(&text, &name, overrides)
    }

    /// [`Document::read`] from a text, with the name that errors give to it.
    ///
    /// # Errors
    ///
    /// As for [`Document::read`].
    pub fn parse(text: &str, name: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let refuse = |error: toml::de::Error| {
            let offset = error.span().map_or(text.len(), |span| span.start);
            let place = Place::at(text.as_bytes(), offset);
            let message = syntax_message(error.message(), text, error.span());
            ConfigError::new(format!("{name}:{place}"), message)
        };
        let tree = DeTable::parse(text).map_err(refuse)?;
        let table: Table = toml::from_str(text).map_err(refuse)?;
        if table.is_empty() {
            return Err(ConfigError::new(
                name,
                "holds no key (empty, or comments only), expected TOML: `[table]` headers and \
                 `key = value` lines",
            ));
        }
        let mut root = Value::Table(table);
        let overrides = overrides
            .iter()
            .map(|text| Override::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        for over in &overrides {
            over.apply(&mut root)?;
        }
        Ok(Self {
            name: name.to_owned(),
            places: Places::of(text, tree.get_ref()),
            root,
            overrides,
        })
    }

    /// Fills a type from the merged keys.
    ///
    /// Every table of `T` should carry `deny_unknown_fields`, or a misspelt key passes unseen; on
    /// an internally tagged enum it belongs on the enum itself.
    ///
    /// # Errors
    ///
    /// A key is unknown or missing, or its value is of the wrong type or no known choice. The
    /// error stands at the key, or at the header of the table that lacks one.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        attempt(&self.root).map_err(|reported| {
            let path = pin_down(&self.root, &reported, |root| attempt::<T>(root).err());
            let problem = reported.problem;
            let hint = self
                .overridden(&path)
                .filter(|over| over.path == path && wording::wants_a_string(&problem))
                .map(|over| format!("; to give a string, write {}", over.quoted()))
                .unwrap_or_default();
            let place = self.place(&path);
            let message = wording::message(&Failure { path, problem });
            ConfigError::new(place, message + &hint)
        })
    }

    /// The place of a key such as `model.patch_size` or `topology[1].weight`.
    ///
    /// This is `file:line:column`, or `--set ...` where an override gave the value. A key that
    /// stands nowhere has the place of the nearest table above it.
    pub fn locate(&self, key_path: &str) -> String {
        self.place(&KeyPath::parse(key_path).unwrap_or_default())
    }

    /// An error about a key that deserialised well and yet is wrong: place, key and `message`.
    pub fn error_at(&self, key_path: &str, message: impl std::fmt::Display) -> ConfigError {
        let place = self.locate(key_path);
        if key_path.is_empty() {
            return ConfigError::new(place, message);
        }
        ConfigError::new(place, format!("`{key_path}`: {message}"))
    }

    /// The override that gave the value at `path`, or a table around it.
    fn overridden(&self, path: &KeyPath) -> Option<&Override> {
        let mut latest_first = self.overrides.iter().rev();
        latest_first.find(|over| path.starts_with(&over.path))
    }

    fn place(&self, path: &KeyPath) -> String {
        let Some(parent) = path.parent() else {
            return format!("{}:{}", self.name, Place::START);
        };
        if let Some(over) = self.overridden(path) {
            return over.place();
        }
        if let Some(place) = self.places.get(path) {
            return format!("{}:{place}", self.name);
        }
        let mut latest_first = self.overrides.iter().rev();
        match latest_first.find(|over| over.path.starts_with(path)) {
            Some(made_it) => made_it.place(),
            None => self.place(&parent),
        }
    }
}

fn attempt<T: DeserializeOwned>(root: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(Node(root)).map_err(|error| Failure {
        path: error.path().into(),
        problem: error.into_inner(),
    })
}

#[cfg(test)]
mod tests;
