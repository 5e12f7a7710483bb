//! The one error type of the library.

use std::fmt;

/// What went wrong in a call of this library.
///
/// Opaque, so that kinds can be added; ask with the `is_*` predicates. The message says where,
/// what was found, what was expected and, if known, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorKind {
    Distances,
    Distribution,
    Parameter,
    Diagram,
}

impl Error {
    pub(crate) fn invalid_distances(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Distances,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_distribution(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Distribution,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Parameter,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_diagram(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Diagram,
            message: message.into(),
        }
    }

    /// The same error with a prefix that says where it happened.
    #[must_use]
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// A distance matrix is not square, not symmetric, or has a NaN or negative entry.
    pub fn is_invalid_distances(&self) -> bool {
        self.kind == ErrorKind::Distances
    }

    /// A row that should be a probability distribution is not one.
    pub fn is_invalid_distribution(&self) -> bool {
        self.kind == ErrorKind::Distribution
    }

    /// A parameter lies outside its range.
    pub fn is_invalid_parameter(&self) -> bool {
        self.kind == ErrorKind::Parameter
    }

    /// A persistence diagram has a NaN, or a death before its birth.
    pub fn is_invalid_diagram(&self) -> bool {
        self.kind == ErrorKind::Diagram
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
