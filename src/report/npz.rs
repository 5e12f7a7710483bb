//! Writes NumPy's `.npz` archives.

use std::io::{self, Cursor, Seek, Write};
use std::path::Path;

use npyz::{AutoSerialize, Serialize, TypeWrite, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::{Error, Result};
use crate::input_file;

/// Writer of an `.npz` archive, in memory unless another writer is given.
///
/// Arrays are not compressed, so that NumPy can memory-map them.
///
/// # Example
///
/// ```
/// use burn_topology::report::Npz;
///
/// let mut archive = Npz::default();
/// archive.add("squares", &[2, 2], [0_i64, 1, 4, 9])?;
/// assert!(archive.finish()?.starts_with(b"PK"));
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub struct Npz<W: Write + Seek = Cursor<Vec<u8>>>(ZipWriter<W>);

impl Default for Npz {
    fn default() -> Self {
        Self::new(Cursor::new(Vec::new()))
    }
}

/// Numbers that are written to an `.npz` archive.
pub trait NpzNumber: Serialize + AutoSerialize {}

impl<T: Serialize + AutoSerialize> NpzNumber for T {}

/// Number of values that [`Npz::extend`] converts to bytes at a time.
const VALUES_PER_WRITE: usize = 1 << 14;

impl<W: Write + Seek> Npz<W> {
    /// Starts an archive in a file or another writer.
    pub fn new(writer: W) -> Self {
        Self(ZipWriter::new(writer))
    }

    /// Starts an array whose values follow in calls of [`extend`](Self::extend), in C order.
    ///
    /// All values that the shape announces must be given before the next array or the end of the archive.
    ///
    /// # Errors
    ///
    /// The writer fails.
    ///
    /// # Example
    ///
    /// ```
    /// use std::io::Cursor;
    ///
    /// use burn_topology::report::Npz;
    ///
    /// let mut archive = Npz::new(Cursor::new(Vec::new()));
    /// archive.start::<f32>("halves", &[2, 1])?;
    /// archive.extend(&[0.5_f32])?;
    /// archive.extend(&[1.5_f32])?;
    /// let file = archive.into_writer()?.into_inner();
    /// assert!(file.ends_with(&[0; 2]) && file.starts_with(b"PK"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start<T: NpzNumber>(&mut self, name: &str, shape: &[usize]) -> io::Result<()> {
        let shape: Vec<u64> = shape.iter().map(|&axis| axis as u64).collect();
        // The size of the array is not announced, and may exceed the 4 GiB of the older format.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true);
        self.0.start_file(format!("{name}.npy"), options)?;
        npyz::WriteOptions::<T>::new()
            .default_dtype()
            .shape(&shape)
            .writer(&mut self.0)
            .write_header_only()?;
        Ok(())
    }

    /// Appends values to the array that was started last.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn extend<T: NpzNumber>(&mut self, values: &[T]) -> io::Result<()> {
        let writer = T::writer(&T::default_dtype()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(VALUES_PER_WRITE * size_of::<T>());
        for part in values.chunks(VALUES_PER_WRITE) {
            bytes.clear();
            for value in part {
                writer.write_one(&mut bytes, value)?;
            }
            self.0.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Ends the archive, and returns its writer.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn into_writer(self) -> io::Result<W> {
        Ok(self.0.finish()?)
    }
}

/// Content of an `.npy` file with an array, whose values are given in C order.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if the number of values does not match the shape.
pub fn npy_bytes<T: NpzNumber>(
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> Result<Vec<u8>> {
    encode(shape, values).map_err(|e| Error::invalid_format("array").because(e))
}

fn encode<T: NpzNumber>(
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> io::Result<Vec<u8>> {
    let shape: Vec<u64> = shape.iter().map(|&axis| axis as u64).collect();
    let mut bytes = Vec::new();
    let writer = npyz::WriteOptions::new().default_dtype().shape(&shape);
    let mut array = writer.writer(&mut bytes).begin_nd()?;
    array.extend(values)?;
    array.finish()?;
    Ok(bytes)
}

impl Npz {
    /// Appends an array, whose values are given in C order (the last axis varies fastest).
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if the number of values does not match the shape, or if the archive is larger
    /// than the format allows.
    pub fn add<T: NpzNumber>(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = T>,
    ) -> Result<()> {
        // Encoded before the archive is touched, so that a wrong number of values leaves it intact.
        let encoded = encode(shape, values);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        encoded
            .map_err(zip::result::ZipError::from)
            .and_then(|bytes| {
                self.0.start_file(format!("{name}.npy"), options)?;
                Ok(self.0.write_all(&bytes)?)
            })
            .map_err(|e| Error::invalid_format(name).because(e))
    }

    /// True if the file is an archive with an array of this name.
    ///
    /// # Example
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use burn_topology::report::Npz;
    ///
    /// assert!(!Npz::has_array(Path::new("nowhere.npz"), "squares"));
    /// ```
    pub fn has_array(path: &Path, name: &str) -> bool {
        let member = format!("{name}.npy");
        let archive = input_file::open(path).ok().map(ZipArchive::new);
        let Some(Ok(archive)) = archive else {
            return false;
        };
        archive.index_for_name(&member).is_some()
    }

    /// Returns the content of the file.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`](crate::Error::is_invalid_format) if the archive is larger than the format allows.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.0
            .finish()
            .map(Cursor::into_inner)
            .map_err(|e| Error::invalid_format(e.to_string()).caused_by(e))
    }
}
