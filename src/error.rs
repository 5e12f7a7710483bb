//! Error type of the library.

use std::fmt;

/// Error of a call of this library.
///
/// The kind of error is private, so that kinds can be added; the `is_*` methods query it. The message
/// says where the error occurred, what was found, what was expected and, if possible, what to do.
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

/// Kind of an [`Error`]; each `is_*` method tests for one of them.
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

    /// Returns the same error with a prefix that says where it occurred.
    #[must_use]
    pub(crate) fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// True if a distance matrix is invalid or cannot be read from its device.
    ///
    /// A valid one is square and symmetric, has no NaN, no negative entry and a diagonal of zeros, and
    /// has at most [`MAX_POINTS`](crate::topology::MAX_POINTS) points.
    pub fn is_invalid_distances(&self) -> bool {
        self.kind == ErrorKind::Distances
    }

    /// True if attention is invalid or cannot be read from its device.
    ///
    /// A valid attention map is square, and each of its rows is a probability distribution.
    pub fn is_invalid_distribution(&self) -> bool {
        self.kind == ErrorKind::Distribution
    }

    /// True if a parameter lies outside its range.
    pub fn is_invalid_parameter(&self) -> bool {
        self.kind == ErrorKind::Parameter
    }

    /// True if a persistence diagram is invalid.
    ///
    /// A valid one has no NaN, no infinite birth, no death before its birth, and no persistence that overflows.
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

/// Result whose error is [`Error`] unless another type is given.
pub type Result<T, E = Error> = std::result::Result<T, E>;
