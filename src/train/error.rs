//! Why training stopped early.

use std::{fmt, io};

/// What stopped a training or an evaluation.
#[derive(Debug)]
pub enum TrainError {
    /// The loss or the gradient is not finite; the sentence says where and what to go back to.
    Diverged(String),
    /// The attention collapsed, and the configuration says to stop; the sentence says where.
    Collapsed(String),
    /// The penalty could not be computed.
    Topology(crate::Error),
    /// Files could not be read or written; the sentence says which.
    Files(String),
}

impl TrainError {
    /// An error of the file system, with what was being done.
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
            Self::Topology(error) => write!(f, "topological penalty: {error}"),
        }
    }
}

impl std::error::Error for TrainError {}

impl From<crate::Error> for TrainError {
    fn from(error: crate::Error) -> Self {
        Self::Topology(error)
    }
}
