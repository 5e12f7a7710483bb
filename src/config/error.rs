//! Error of reading a configuration.

use std::fmt;

use super::positions::Place;
use crate::error::Error;

/// Largest number of problems that an error lists.
const MAX_LISTED: usize = 12;

/// Configuration that cannot be used: one line for each problem, which begins with its location.
///
/// A location is `file:line:column`, counted from 1, or `--set key=value` when the value at fault came from the command
/// line. The problems of a file are in the order of their lines.
///
/// # Example
///
/// ```
/// # use burn_topology::config::Document;
/// #[derive(Debug, serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Spec {
///     epochs: usize,
///     shuffle: bool,
/// }
///
/// let document = Document::parse("epochs = -1\nshufle = true\n", "a.toml", &[])?;
/// assert_eq!(
///     document.deserialize::<Spec>().unwrap_err().to_string(),
///     "a.toml:1:1: `epochs`: expected a non-negative whole number, found integer -1\n\
///      a.toml:2:1: unknown key `shufle` at the top level (did you mean `shuffle`?); expected one of `epochs`, \
///      `shuffle`",
/// );
/// # Ok::<(), burn_topology::config::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    problems: Vec<LocatedProblem>,
    /// Error of reading the file; `None` if its contents or an override are at fault.
    file_error: Option<Error>,
}

/// One problem and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LocatedProblem {
    /// Place in a file, by which problems are sorted; `None` for the command line, or a file as a whole.
    place: Option<Place>,
    location: String,
    message: String,
}

impl ConfigError {
    pub(super) fn new(location: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            problems: vec![LocatedProblem {
                place: None,
                location: on_one_line(&location.to_string()),
                message: on_one_line(&message.to_string()),
            }],
            file_error: None,
        }
    }

    /// Error at a place in a file.
    pub(super) fn at(place: Place, message: impl fmt::Display) -> Self {
        let mut error = Self::new(&place, message);
        error.problems[0].place = Some(place);
        error
    }

    /// Wraps the error of reading a file, whose message does not name it.
    pub(super) fn unreadable(file: impl fmt::Display, error: Error) -> Self {
        Self {
            file_error: Some(error.clone()),
            ..Self::new(file, error)
        }
    }

    /// True if the file could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.file_error.is_some()
    }

    /// Joins the problems of several errors, each once and by their places; `None` if there are none.
    pub(crate) fn all(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let mut all = errors.next()?;
        for error in errors {
            all.file_error = all.file_error.or(error.file_error);
            for problem in error.problems {
                if !all.problems.contains(&problem) {
                    all.problems.push(problem);
                }
            }
        }
        // Those of the command line last; the sort is stable, so they keep their order.
        all.problems
            .sort_by_key(|problem| (problem.place.is_none(), problem.place.clone()));
        Some(all)
    }

    /// Returns the same error as one of the library.
    pub(crate) fn into_error(self) -> Error {
        match self.file_error {
            Some(error) => error.within(&self.problems[0].location),
            None => Error::invalid_format(self.to_string()).caused_by(self),
        }
    }

    /// Location of the first problem: `file:line:column`, a file alone, or `--set key=value`.
    pub fn location(&self) -> &str {
        &self.problems[0].location
    }

    /// Message of the first problem without its location: what was found and what was expected.
    pub fn message(&self) -> &str {
        &self.problems[0].message
    }

    /// Number of problems, at least 1.
    pub fn n_problems(&self) -> usize {
        self.problems.len()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(MAX_LISTED).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {}", problem.location, problem.message)?;
        }
        // Not counted, because the search for problems ends after some.
        if self.problems.len() > MAX_LISTED {
            f.write_str("\nand more problems, which may go away with these")?;
        }
        Ok(())
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
    use crate::config::positions::Position;

    #[test]
    fn a_problem_is_one_line_whatever_it_quotes() {
        let error = ConfigError::new("--set run.name=a\nb", "expected\tone line");
        assert_eq!(
            error.to_string(),
            "--set run.name=a\\nb: expected\\tone line"
        );
    }

    #[test]
    fn problems_are_listed_by_their_places_and_each_once() {
        let at = |offset: usize| {
            let position = Position::from_offset(b"a\nb\nc\n", offset);
            ConfigError::at(Place::new("a.toml", position), format!("at {offset}"))
        };
        let set = ConfigError::new("--set a=1", "wrong");
        let all = ConfigError::all([set, at(4), at(0), at(4)]).unwrap();
        assert_eq!(
            all.to_string(),
            "a.toml:1:1: at 0\na.toml:3:1: at 4\n--set a=1: wrong"
        );
        assert_eq!(all.n_problems(), 3);
        assert_eq!(ConfigError::all([]), None);
    }

    #[test]
    fn only_the_first_of_many_problems_are_listed() {
        let many = (0..14).map(|n| ConfigError::new("a.toml", n));
        let text = ConfigError::all(many).unwrap().to_string();
        assert_eq!(text.lines().count(), 13);
        let end = "a.toml: 11\nand more problems, which may go away with these";
        assert!(text.ends_with(end), "{text}");
    }
}
