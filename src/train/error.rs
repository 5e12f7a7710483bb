//! Errors of training.

use std::{fmt, io};

use crate::error::Error;
use crate::evaluate::EvaluateError;

/// Error that ended a training.
#[derive(Debug)]
pub enum TrainError {
    /// The loss or the gradient became NaN or infinite. The message names the step and the last good checkpoint.
    Diverged(String),
    /// The attention collapsed, and the configuration asks to stop in this case. The message names the layers.
    Collapsed(String),
    /// A penalty, the topology of attention, or a statistic could not be computed.
    Topology(Error),
    /// A file, data set or checkpoint could not be read or written, or does not fit the task. The message names it.
    Files(Error),
}

impl TrainError {
    /// Wraps an I/O error as "cannot {doing}: {error}".
    pub(super) fn files(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Files(Error::file(format!("cannot {doing}")).because(error))
    }
}

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diverged(message) | Self::Collapsed(message) => f.write_str(message),
            Self::Files(error) => error.fmt(f),
            Self::Topology(error) => write!(f, "topology: {error}"),
        }
    }
}

impl std::error::Error for TrainError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Diverged(_) | Self::Collapsed(_) => None,
            Self::Topology(error) | Self::Files(error) => Some(error),
        }
    }
}

impl From<Error> for TrainError {
    fn from(error: Error) -> Self {
        Self::Topology(error)
    }
}

impl From<EvaluateError> for TrainError {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Topology(error) => Self::Topology(error),
            // Its message is that of a file or of a statistic.
            EvaluateError::Checkpoint { error, .. }
            | EvaluateError::Files(error)
            | EvaluateError::Measurement(error) => Self::Files(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_cause_of_an_error_is_found_on_every_level() {
        let missing = Error::cannot_read(Path::new("a"), io::ErrorKind::NotFound.into());
        let evaluation = EvaluateError::Files(missing.clone());
        let own = evaluation.source().and_then(|own| own.downcast_ref());
        assert_eq!(own, Some(&missing));
        let training = TrainError::from(evaluation);
        assert_eq!(training.to_string(), missing.to_string());
        let own = training
            .source()
            .and_then(|own| own.downcast_ref::<Error>());
        assert_eq!(own.and_then(Error::io_kind), Some(io::ErrorKind::NotFound));
        assert!(TrainError::Diverged("NaN".to_owned()).source().is_none());
    }
}
