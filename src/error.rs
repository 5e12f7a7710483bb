//! The one error type of the library.

use std::fmt;

/// What went wrong in a call of this library.
///
/// Opaque, so that kinds can be added; ask with the `is_*` predicates. The message says where,
/// what was found, what was expected and, if known, what to do.
///
/// # Example
///
/// ```
/// use burn_topology::topology::DistanceMatrix;
///
/// let error = DistanceMatrix::new(&[0.0, 0.41, 0.39, 0.0], 2).unwrap_err();
/// assert!(error.is_invalid_distances());
/// assert_eq!(
///     error.to_string(),
///     "distance matrix is not symmetric: d(0, 1) = 0.41 but d(1, 0) = 0.39"
/// );
/// ```
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

    /// A distance matrix is not square or not symmetric, has a NaN or negative entry or a diagonal
    /// that is not zero, has too many points, or cannot be read from its device.
    pub fn is_invalid_distances(&self) -> bool {
        self.kind == ErrorKind::Distances
    }

    /// A row that should be a probability distribution is not one, or attention is not that of
    /// tokens to the same tokens.
    pub fn is_invalid_distribution(&self) -> bool {
        self.kind == ErrorKind::Distribution
    }

    /// A parameter lies outside its range.
    pub fn is_invalid_parameter(&self) -> bool {
        self.kind == ErrorKind::Parameter
    }

    /// A persistence diagram has a NaN, an infinite birth, a death before its birth, or a
    /// persistence that overflows.
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
