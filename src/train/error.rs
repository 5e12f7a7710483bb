//! Errors of training.

use std::{fmt, io};

use crate::evaluate::EvaluateError;

/// Error that ended a training.
#[derive(Debug)]
pub enum TrainError {
    /// The loss or the gradient became NaN or infinite. The message names the step and the last good checkpoint.
    Diverged(String),
    /// The attention collapsed, and the configuration asks to stop in this case. The message names the layers.
    Collapsed(String),
    /// A penalty, the topology of attention, or a statistic could not be computed.
    Topology(crate::Error),
    /// A file, data set or checkpoint could not be read or written, or does not fit the task. The message names it.
    Files(String),
}

impl TrainError {
    /// Wraps an I/O error as "cannot {doing}: {error}".
    pub(super) fn files(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Files(format!("cannot {doing}: {error}"))
    }
}

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diverged(message) | Self::Collapsed(message) | Self::Files(message) => {
                f.write_str(message)
            }
            Self::Topology(error) => write!(f, "topology: {error}"),
        }
    }
}

impl std::error::Error for TrainError {}

impl From<crate::Error> for TrainError {
    fn from(error: crate::Error) -> Self {
        Self::Topology(error)
    }
}

impl From<EvaluateError> for TrainError {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Topology(error) => Self::Topology(error),
            // Its message is that of a file or of a statistic.
            error => Self::Files(error.to_string()),
        }
    }
}
