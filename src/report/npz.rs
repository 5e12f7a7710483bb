//! Writes NumPy's `.npz` archives.

use std::fs::File;
use std::io::{Cursor, Write};
use std::path::Path;

use npyz::{AutoSerialize, Serialize, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::{Error, Result};

/// Writer of an `.npz` archive in memory.
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
pub struct Npz(ZipWriter<Cursor<Vec<u8>>>);

impl Default for Npz {
    fn default() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }
}

impl Npz {
    /// Appends an array, whose values are given in C order (the last axis varies fastest).
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if the number of values does not match the shape, or if the archive is larger
    /// than the format allows.
    pub fn add<T: Serialize + AutoSerialize>(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = T>,
    ) -> Result<()> {
        let shape: Vec<u64> = shape.iter().map(|&axis| axis as u64).collect();
        // Encoded before the archive is touched, so that a wrong number of values leaves it intact.
        let mut bytes = Vec::new();
        let writer = npyz::WriteOptions::new().default_dtype().shape(&shape);
        let written = writer.writer(&mut bytes).begin_nd().and_then(|mut array| {
            array.extend(values)?;
            array.finish()
        });
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        written
            .map_err(zip::result::ZipError::from)
            .and_then(|()| self.0.start_file(format!("{name}.npy"), options))
            .and_then(|()| Ok(self.0.write_all(&bytes)?))
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
        let archive = File::open(path).ok().map(ZipArchive::new);
        let Some(Ok(archive)) = archive else {
            return false;
        };
        archive.index_for_name(&member).is_some()
    }

    /// Returns the content of the file.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if the archive is larger than the format allows.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.0
            .finish()
            .map(Cursor::into_inner)
            .map_err(|e| Error::invalid_format(e.to_string()).caused_by(e))
    }
}
