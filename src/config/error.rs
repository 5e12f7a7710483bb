//! Error of reading a configuration.

use std::fmt;

use crate::error::Error;

/// Configuration that cannot be used: one line that begins with the location of the error.
///
/// The location is `file:line:column`, counted from 1, or `--set key=value` when the value at fault
/// came from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    location: String,
    message: String,
    /// Error of reading the file; `None` if its contents or an override are at fault.
    file_error: Option<Error>,
}

impl ConfigError {
    pub(super) fn new(location: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            location: on_one_line(&location.to_string()),
            message: on_one_line(&message.to_string()),
            file_error: None,
        }
    }

    /// Wraps the error of reading a file, whose message does not name it.
    pub(super) fn unreadable(file: impl fmt::Display, error: Error) -> Self {
        Self {
            file_error: Some(error.clone()),
            ..Self::new(file, error)
        }
    }

    /// Returns the same error as one of the library.
    pub(crate) fn into_error(self) -> Error {
        match self.file_error {
            Some(error) => error.within(self.location),
            None => Error::invalid_format(self.to_string()).caused_by(self),
        }
    }

    /// Location of the error: `file:line:column`, a file alone, or `--set key=value`.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Message without the location: what was found and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.file_error.as_ref().and_then(Error::source)
    }
}

/// Text with its control characters escaped, so that a quoted value cannot break the line.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        // Values are quoted in messages, and can contain line breaks or codes that terminals obey.
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_whatever_it_quotes() {
        let error = ConfigError::new("--set run.name=a\nb", "expected\tone line");
        assert_eq!(
            error.to_string(),
            "--set run.name=a\\nb: expected\\tone line"
        );
    }
}
