//! Error type of the library.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

/// Error of a call of this library.
///
/// The kind of error is private, so that kinds can be added; the `is_*` methods query it. The message
/// says where the error occurred, what was found, what was expected and, if possible, what to do. It
/// includes the text of the cause, which [`source`](std::error::Error::source) returns if there is one.
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
///
/// A file that is missing, with the error of the operating system:
///
/// ```
/// # #[cfg(feature = "cli")] {
/// use std::error::Error;
/// use std::{io, path::Path};
///
/// use burn_topology::data::read_matrices;
///
/// let error = read_matrices(Path::new("nowhere.npy")).unwrap_err();
/// assert!(error.is_file_error());
/// let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
/// assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::NotFound));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    /// Shared, so that errors can be cloned.
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Kind of an [`Error`]; each `is_*` method tests for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorKind {
    Distances,
    Distribution,
    Parameter,
    Diagram,
    Image,
    Device,
    File,
    Format,
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn invalid_distances(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Distances, message)
    }

    pub(crate) fn invalid_distribution(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Distribution, message)
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Parameter, message)
    }

    pub(crate) fn invalid_diagram(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Diagram, message)
    }

    pub(crate) fn invalid_image(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Image, message)
    }

    pub(crate) fn device(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Device, message)
    }

    /// Returns the same error with its cause, whose text the message includes already.
    #[must_use]
    pub(crate) fn caused_by(
        mut self,
        cause: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Arc::new(cause));
        self
    }

    /// Returns the same error with a prefix that says where it occurred.
    #[must_use]
    pub(crate) fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// True if a distance matrix is invalid.
    ///
    /// A valid one is square and symmetric, has no NaN, no negative entry and a diagonal of zeros, and
    /// has at most [`MAX_POINTS`](crate::topology::MAX_POINTS) points.
    pub fn is_invalid_distances(&self) -> bool {
        self.kind == ErrorKind::Distances
    }

    /// True if attention is invalid.
    ///
    /// A valid attention map is square, and each of its rows is a probability distribution.
    pub fn is_invalid_distribution(&self) -> bool {
        self.kind == ErrorKind::Distribution
    }

    /// True if a value that the caller or the user chose lies outside its range, or names something unknown.
    pub fn is_invalid_parameter(&self) -> bool {
        self.kind == ErrorKind::Parameter
    }

    /// True if a persistence diagram is invalid.
    ///
    /// A valid one has no NaN, no infinite birth, no death before its birth, and no persistence that overflows.
    pub fn is_invalid_diagram(&self) -> bool {
        self.kind == ErrorKind::Diagram
    }

    /// True if a grey image or a volume of voxels is invalid.
    ///
    /// A valid one has as many values as its shape says, no NaN, and at most
    /// [`MAX_PIXELS`](crate::topology::MAX_PIXELS) pixels.
    pub fn is_invalid_image(&self) -> bool {
        self.kind == ErrorKind::Image
    }

    /// True if a device cannot be opened, or if a tensor cannot be read from its device.
    pub fn is_device_error(&self) -> bool {
        self.kind == ErrorKind::Device
    }

    /// True if the operating system refused something, or if another program failed.
    ///
    /// A file is missing, cannot be read or written, or is locked; or a program is missing.
    pub fn is_file_error(&self) -> bool {
        self.kind == ErrorKind::File
    }

    /// True if the contents of a file are damaged, unsupported or do not fit, or cannot be stored in its format.
    pub fn is_invalid_format(&self) -> bool {
        self.kind == ErrorKind::Format
    }
}

/// Errors of files and of their contents.
#[cfg_attr(
    not(feature = "cli"),
    allow(dead_code, reason = "the library alone reads and writes no files")
)]
impl Error {
    pub(crate) fn file(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::File, message)
    }

    pub(crate) fn invalid_format(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Format, message)
    }

    /// Error of a path that the operating system cannot read.
    pub(crate) fn cannot_read(path: &Path, cause: io::Error) -> Self {
        Self::file("cannot be read")
            .because(cause)
            .within(path.display())
    }

    /// Error of a path that the operating system cannot write; names a file in the path that should be a directory.
    pub(crate) fn cannot_write(path: &Path, cause: io::Error) -> Self {
        // The system only says that a file exists, or that something is not a directory.
        match file_above(path) {
            Some(above) => Self::file(format!(
                "cannot be written, since {} is a file, expected a directory",
                above.display()
            ))
            .caused_by(cause),
            None => Self::file("cannot be written").because(cause),
        }
        .within(path.display())
    }

    /// Error of a sample that a data set does not return; one of this library comes back unchanged.
    #[cfg(feature = "cli")]
    pub(crate) fn sample(error: burn::data::dataset::DatasetError) -> Self {
        let cause = std::error::Error::source(&error);
        match cause.and_then(|cause| cause.downcast_ref::<Self>()) {
            Some(own) => own.clone(),
            None => Self::file(error.to_string()).caused_by(error),
        }
    }

    /// Returns the same error with its cause, whose text is appended to the message.
    #[must_use]
    pub(crate) fn because(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.message = format!("{}: {cause}", self.message);
        self.caused_by(cause)
    }
}

/// First directory in a path that is a file instead; `None` if there is none.
#[cfg_attr(
    not(feature = "cli"),
    allow(dead_code, reason = "the library alone writes no files")
)]
pub(crate) fn file_above(path: &Path) -> Option<&Path> {
    let above = path.ancestors().skip(1);
    // From the outermost one, since what lies in a file does not exist.
    let mut above: Vec<&Path> = above.filter(|part| part.exists()).collect();
    above.reverse();
    above.into_iter().find(|part| !part.is_dir())
}

#[cfg(test)]
impl Error {
    /// Kind of the error of the operating system that is the cause, if it is one.
    pub(crate) fn io_kind(&self) -> Option<io::ErrorKind> {
        let cause = std::error::Error::source(self)?;
        Some(cause.downcast_ref::<io::Error>()?.kind())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source: &(dyn std::error::Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

/// Two errors are equal if their kinds and messages are; causes cannot be compared.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.message == other.message
    }
}

impl Eq for Error {}

/// Result whose error is [`Error`] unless another type is given.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_keeps_kind_and_cause() {
        let cause = || io::Error::other("out of paper");
        let error = Error::file("cannot be written")
            .because(cause())
            .within("a");
        assert_eq!(error.to_string(), "a: cannot be written: out of paper");
        assert!(error.is_file_error() && !error.is_invalid_format());
        assert_eq!(error.io_kind(), Some(io::ErrorKind::Other));
        let same = Error::file("a: cannot be written: out of paper");
        assert_eq!(error, same);
        assert_eq!(same.io_kind(), None);
        assert_ne!(error, Error::device(same.to_string()));
        let quoted = Error::device("broken (out of paper)").caused_by(cause());
        assert_eq!(quoted.to_string(), "broken (out of paper)");
        assert_eq!(quoted.io_kind(), Some(io::ErrorKind::Other));
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = Error::cannot_write(&file.join("a/b"), io::ErrorKind::AlreadyExists.into());
        let shown = file.display();
        assert_eq!(
            error.to_string(),
            format!(
                "{shown}/a/b: cannot be written, since {shown} is a file, expected a directory"
            )
        );
        assert_eq!(error.io_kind(), Some(io::ErrorKind::AlreadyExists));
        assert_eq!(file_above(&file), None);
    }

    #[cfg(feature = "cli")]
    #[test]
    fn errors_of_samples_pass_through_the_data_sets_of_burn() {
        use burn::data::dataset::DatasetError;

        let own = Error::cannot_read(Path::new("a"), io::ErrorKind::NotFound.into());
        let returned = Error::sample(DatasetError::new(own.clone()));
        assert_eq!(returned, own);
        assert_eq!(returned.io_kind(), Some(io::ErrorKind::NotFound));
        let other = Error::sample(DatasetError::new(io::Error::other("no data")));
        assert!(other.is_file_error());
        assert_eq!(other.to_string(), "no data");
    }
}
