//! One TOML file: its keys, and the position of each of them.

use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use super::error::ConfigError;
use super::key_path::KeyPath;
use super::positions::{Place, Position, Positions, syntax_message};
use super::renamed_keys::{OldName, replace_old_names};
use crate::error::Error;
use crate::input_file;

/// Keys of a TOML file, or of a file with those that it inherits from.
#[derive(Debug)]
pub(super) struct Source {
    /// Directory that relative paths in the file start at.
    pub(super) directory: PathBuf,
    /// Table of all keys.
    pub(super) root: Value,
    pub(super) positions: Positions,
    /// Warnings, one line each: old names that were replaced by new ones.
    pub(super) warnings: Vec<String>,
}

impl Source {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let (text, name) = read_text(path)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &name, directory)
    }

    /// Reads a text; `name` stands for the file in errors.
    pub(super) fn parse(text: &str, name: &str, directory: &Path) -> Result<Self, ConfigError> {
        // Windows editors put a byte order mark first; columns are counted without it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let syntax_error = |error: toml::de::Error| {
            let offset = error.span().map_or(text.len(), |span| span.start);
            let position = Position::from_offset(text.as_bytes(), offset);
            let message = syntax_message(error.message(), text, error.span());
            ConfigError::at(Place::new(name, position), message)
        };
        // Parsed twice: the first tree knows positions, the second one has plain values.
        let tree = DeTable::parse(text).map_err(syntax_error)?;
        let table: Table = toml::from_str(text).map_err(syntax_error)?;
        if table.is_empty() {
            return Err(ConfigError::new(
                name,
                "holds no key (empty, or comments only), expected TOML: `[table]` headers and \
                 `key = value` lines",
            ));
        }
        Ok(Self {
            directory: directory.to_owned(),
            root: Value::Table(table),
            positions: Positions::new(text, tree.get_ref(), name),
            warnings: Vec::new(),
        })
    }

    /// Gives keys with old names their new ones; they keep their positions.
    pub(super) fn rename_old_keys(&mut self) -> Result<(), ConfigError> {
        let mut replaced = Vec::new();
        replace_old_names(&mut self.root, &KeyPath::default(), &mut replaced).map_err(
            |OldName {
                 written, message, ..
             }| self.error_at(&written, message),
        )?;
        for OldName {
            written,
            renamed,
            message,
        } in replaced
        {
            let place = self.place(&written);
            self.warnings.push(format!("{place}: {message}"));
            self.positions.rename(&written, &renamed);
        }
        Ok(())
    }

    /// Error about the key at a path of this file.
    pub(super) fn error_at(&self, path: &KeyPath, message: impl std::fmt::Display) -> ConfigError {
        ConfigError::at(self.place(path), message)
    }

    /// Place of a key; that of the nearest table above it if the file does not have it.
    fn place(&self, path: &KeyPath) -> Place {
        match (self.positions.get(path), path.parent()) {
            (Some(place), _) => place.clone(),
            (None, Some(parent)) => self.place(&parent),
            (None, None) => self.positions.start(),
        }
    }
}

/// Reads a TOML file; returns its text and its name.
fn read_text(path: &Path) -> Result<(String, String), ConfigError> {
    let name = path.display().to_string();
    // Checked first, because the error of reading a directory differs between systems.
    if path.is_dir() {
        let error = Error::file("is a directory, expected a TOML file");
        return Err(ConfigError::unreadable(&name, error));
    }
    let bytes = input_file::read_up_to(path, MAX_SIZE).map_err(|error| {
        let error = match error.kind() {
            io::ErrorKind::NotFound => Error::file("no such file").caused_by(error),
            _ => Error::file("cannot be read").because(error),
        };
        ConfigError::unreadable(&name, error)
    })?;
    Ok((decode(bytes, &name)?, name))
}

/// Largest size of a TOML file, in bytes: a thousand times that of a long one.
///
/// Its values and their positions take up to a hundred times as much memory.
const MAX_SIZE: u64 = 1 << 20;

/// Text of a TOML file.
///
/// # Errors
///
/// The text is too large, or is not UTF-8; then the error has the position of the first such byte.
pub(super) fn decode(bytes: Vec<u8>, name: &str) -> Result<String, ConfigError> {
    if bytes.len() as u64 > MAX_SIZE {
        let message = format!("is larger than {MAX_SIZE} bytes, expected a TOML file");
        return Err(ConfigError::new(name, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let position = Position::from_offset(error.as_bytes(), valid);
        ConfigError::at(
            Place::new(name, position),
            "not UTF-8 text, expected a TOML file",
        )
    })
}
