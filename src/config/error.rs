//! The one error of reading a config.

use std::fmt;

/// A config that cannot be read: one line that opens with the place.
///
/// The place is `file:line:column`, counted from 1, or `--set key=value` when the value at fault
/// came from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: String,
    message: String,
}

impl ConfigError {
    pub(super) fn new(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            place: on_one_line(&place.to_string()),
            message: on_one_line(&message.to_string()),
        }
    }

    /// Where it happened: `file:line:column`, a file alone, or `--set key=value`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What was found and what was expected, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for ConfigError {}

fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
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
