//! Files with the attention and the distances of every matrix, one file for each image.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;

use super::host_layer::read_attention;
use crate::error::{Error, Result};
use crate::report::{Npz, NpzNumber};
use crate::run::AtomicFile;

/// Number of images whose matrices are written to files.
const MAX_FILES: usize = 8;

/// Largest size of all files together, in bytes; the matrices of large images take a gigabyte for each image.
const MAX_BYTES: u64 = 2_000_000_000;

/// Sizes of the arrays of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatrixShape {
    pub(super) n_layers: usize,
    /// Number of matrices of each layer: the mean of the heads, and the single heads.
    pub(super) n_views: usize,
    pub(super) n_points: usize,
    /// Number of tokens of the attention; 0 without attention.
    pub(super) n_tokens: usize,
}

/// Files of the images of one batch, into which distances are written layer by layer.
pub(super) struct MatrixFiles {
    /// Files of the first images of the batch.
    files: Vec<MatrixFile>,
}

struct MatrixFile {
    path: PathBuf,
    archive: Npz<AtomicFile>,
}

impl MatrixShape {
    /// Size of one file in bytes, without the headers, with this number of bytes for each distance.
    fn n_bytes(self, bytes_per_distance: usize) -> u64 {
        let Self {
            n_layers,
            n_views,
            n_points,
            n_tokens,
        } = self;
        let per_matrix = n_points * n_points * bytes_per_distance + n_tokens * n_tokens * 4;
        (n_layers * n_views * per_matrix) as u64
    }

    /// Number of the first of `n_images` images whose matrices are written, and the size of their files in bytes.
    pub(super) fn files(self, n_images: usize, bytes_per_distance: usize) -> (usize, u64) {
        let n_bytes = self.n_bytes(bytes_per_distance);
        let n_fitting = (MAX_BYTES / n_bytes.max(1)) as usize;
        let n_files = n_images.min(MAX_FILES).min(n_fitting);
        (n_files, n_files as u64 * n_bytes)
    }
}

impl MatrixFiles {
    /// Creates `matrices/<image>.npz` for some images of a batch, from its first one on, whose index is `first`, and
    /// writes the array `attention`, `[n_layers, n_views, n_tokens, n_tokens]`, unchanged; the mean of the heads comes
    /// first. The array `distances`, `[n_layers, n_views, n_points, n_points]`, follows in [`extend`](Self::extend).
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if a file cannot be written.
    pub(super) fn create<T: NpzNumber>(
        directory: &Path,
        first: usize,
        n_files: usize,
        shape: MatrixShape,
        attention: &[Tensor<4>],
        heads: &[usize],
    ) -> Result<Self> {
        let directory = directory.join("matrices");
        let views: Vec<Option<usize>> = std::iter::once(None)
            .chain(heads.iter().copied().map(Some))
            .collect();
        let create = |in_batch: usize| {
            let path = directory.join(format!("{}.npz", first + in_batch));
            let create = || -> Result<Npz<AtomicFile>> {
                std::fs::create_dir_all(&directory).map_err(refused)?;
                let mut archive = Npz::new(AtomicFile::create(&path).map_err(refused)?);
                let MatrixShape {
                    n_layers,
                    n_views,
                    n_points,
                    n_tokens,
                } = shape;
                if n_tokens > 0 {
                    let shape = [n_layers, n_views, n_tokens, n_tokens];
                    archive.start::<f32>("attention", &shape).map_err(refused)?;
                    for layer in attention {
                        for &head in &views {
                            let values = read_attention(layer, in_batch, head)?;
                            archive.extend(&values).map_err(refused)?;
                        }
                    }
                }
                let shape = [n_layers, n_views, n_points, n_points];
                archive.start::<T>("distances", &shape).map_err(refused)?;
                Ok(archive)
            };
            match create() {
                Ok(archive) => Ok(MatrixFile { path, archive }),
                Err(error) => Err(within(error, &path)),
            }
        };
        let files = (0..n_files).map(create).collect::<Result<_>>()?;
        Ok(Self { files })
    }

    /// Appends the distances of the next matrix of an image of the batch, if it has a file.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file cannot be written.
    pub(super) fn extend<T: NpzNumber>(&mut self, in_batch: usize, distances: &[T]) -> Result<()> {
        let Some(MatrixFile { path, archive }) = self.files.get_mut(in_batch) else {
            return Ok(());
        };
        let written = archive.extend(distances);
        written.map_err(|error| within(refused(error), path))
    }

    /// Completes the files.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if a file cannot be written.
    pub(super) fn finish(self) -> Result<()> {
        for MatrixFile { path, archive } in self.files {
            let written = archive.into_writer().and_then(AtomicFile::finish);
            written.map_err(|error| within(refused(error), &path))?;
        }
        Ok(())
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::file(error.to_string()).caused_by(error)
}

fn within(error: Error, path: &Path) -> Error {
    error.within(format_args!("{}: cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_large_images_are_limited() {
        let shape = |n_points| MatrixShape {
            n_layers: 12,
            n_views: 7,
            n_points,
            n_tokens: n_points + 1,
        };
        assert_eq!(
            shape(256).files(20, 4),
            (8, 8 * 84 * 4 * (256 * 256 + 257 * 257))
        );
        assert_eq!(shape(256).files(2, 4).0, 2);
        assert_eq!(shape(1369).files(20, 4).0, 1);
        assert_eq!(shape(1369).files(20, 8).0, 1);
        assert_eq!(shape(4096).files(20, 4), (0, 0));
    }
}
