//! Errors of evaluations.

use std::{fmt, io};

use crate::error::Error;

/// Error that ended an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvaluateError {
    /// No checkpoint of the run could be loaded.
    Checkpoint {
        /// Error whose message names the file or directory.
        error: Error,
        /// One message for each checkpoint that cannot be used.
        problems: Vec<String>,
    },
    /// A file, data set or run could not be read, or does not fit the task. The message names it.
    Files(Error),
    /// Results could not be measured. The message says those of which run or condition.
    Measurement(Error),
    /// The topology of attention could not be computed.
    Topology(Error),
}

impl EvaluateError {
    /// Wraps an I/O error as "cannot {doing}: {error}".
    pub(super) fn files(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Files(Error::file(format!("cannot {doing}")).because(error))
    }
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint { error, .. } | Self::Files(error) | Self::Measurement(error) => {
                error.fmt(f)
            }
            Self::Topology(error) => write!(f, "topology: {error}"),
        }
    }
}

impl std::error::Error for EvaluateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Checkpoint { error, .. }
            | Self::Files(error)
            | Self::Measurement(error)
            | Self::Topology(error) => Some(error),
        }
    }
}

impl From<Error> for EvaluateError {
    fn from(error: Error) -> Self {
        Self::Topology(error)
    }
}
