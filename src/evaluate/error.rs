//! Errors of evaluations.

use std::{fmt, io};

/// Error that ended an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvaluateError {
    /// No checkpoint of the run could be loaded.
    Checkpoint {
        /// One sentence that names the file or directory.
        message: String,
        /// One message for each checkpoint that cannot be used.
        problems: Vec<String>,
    },
    /// A file, data set or run could not be read, or does not fit the task. The message names it.
    Files(String),
    /// Results could not be measured. The message says those of which run or condition.
    Measurement(String),
    /// The topology of attention could not be computed.
    Topology(crate::Error),
}

impl EvaluateError {
    /// Wraps an I/O error as "cannot {doing}: {error}".
    pub(super) fn files(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Files(format!("cannot {doing}: {error}"))
    }
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint { message, .. }
            | Self::Files(message)
            | Self::Measurement(message) => f.write_str(message),
            Self::Topology(error) => write!(f, "topology: {error}"),
        }
    }
}

impl std::error::Error for EvaluateError {}

impl From<crate::Error> for EvaluateError {
    fn from(error: crate::Error) -> Self {
        Self::Topology(error)
    }
}
