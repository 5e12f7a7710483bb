//! Reader for the `.npy` files that `scripts/peers/fixtures.py` writes.
//!
//! These are little-endian floats in C order. A crate that reads every kind of `.npy` file would bring an array
//! library with it.

use std::error::Error;
use std::fs;
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Square matrix, row-major.
pub struct Matrix {
    /// Entries in double precision.
    pub values: Vec<f64>,
    /// Number of rows, and of columns.
    pub n: usize,
}

impl Matrix {
    /// Entries in single precision; exact if the file is in single precision.
    #[allow(dead_code, reason = "some programs compute in double precision")]
    pub fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }
}

/// Reads a square matrix of `<f4` or `<f8`.
pub fn read_matrix(path: &Path) -> Result<Matrix, Box<dyn Error>> {
    let fail = |reason: &str| format!("{}: {reason}", path.display());
    let bytes = fs::read(path).map_err(|error| fail(&error.to_string()))?;
    let length = bytes
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.first_chunk())
        .ok_or_else(|| fail("not an .npy file of version 1.0"))?;
    // The two bytes after the magic number are the length of the header.
    let start = MAGIC.len() + 2 + usize::from(u16::from_le_bytes(*length));
    let header = bytes
        .get(MAGIC.len() + 2..start)
        .ok_or_else(|| fail("ends in its header"))?;
    let header = String::from_utf8_lossy(header);
    if !header.contains("'fortran_order': False") {
        return Err(fail("expected C order").into());
    }
    let values: Vec<f64> = if header.contains("'<f4'") {
        let numbers = bytes[start..].as_chunks().0.iter();
        numbers.map(|&b| f32::from_le_bytes(b).into()).collect()
    } else if header.contains("'<f8'") {
        let numbers = bytes[start..].as_chunks().0.iter();
        numbers.map(|&b| f64::from_le_bytes(b)).collect()
    } else {
        return Err(fail("expected the type <f4 or <f8").into());
    };
    let n = values.len().isqrt();
    if n * n != values.len() || !header.contains(&format!("({n}, {n})")) {
        return Err(fail("expected a square matrix").into());
    }
    Ok(Matrix { values, n })
}

/// `kind` and `n` of a file named `<prefix>_<kind>_<n>.npy`.
pub fn name_parts(path: &Path) -> Option<(&str, &str)> {
    let stem = path.file_stem()?.to_str()?;
    let (prefix, rest) = stem.split_once('_')?;
    Some((prefix, rest.rsplit_once('_')?.0))
}
