//! Checksums of the files of a directory, in the format of `sha256sum`.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::hexadecimal::hexadecimal;
use crate::input_file;

/// Name of the file with the checksums; `sha256sum --check SHA256SUMS` reads it too.
const NAME: &str = "SHA256SUMS";

/// SHA-256 of some bytes, in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Largest size of a file of checksums, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Writes the checksums of these files of a directory, and waits until everything is on the disk.
pub(super) fn seal(directory: &Path, names: &[String]) -> io::Result<()> {
    let mut lines = String::new();
    for name in names {
        let path = directory.join(name);
        let _ = writeln!(lines, "{}  {name}", sha256_of_file(&path)?);
        // Files before their checksums, and the directory last, which makes the names of all durable.
        File::open(path)?.sync_all()?;
    }
    let path = directory.join(NAME);
    std::fs::write(&path, lines)?;
    File::open(path)?.sync_all()?;
    File::open(directory)?.sync_all()
}

/// Checks that the files of a directory are as [`seal`] found them.
///
/// # Errors
///
/// [`Error::is_file_error`] if a file is missing, [`Error::is_invalid_format`] if one has changed.
pub(super) fn verify(directory: &Path) -> Result<()> {
    let path = directory.join(NAME);
    let unreadable =
        |path: &Path, error: io::Error| Error::file(path.display().to_string()).because(error);
    let lines = input_file::read_up_to(&path, MAX_BYTES)
        .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
        .map_err(|error| unreadable(&path, error))?;
    // Every checkpoint has files, so an empty list is damage; taken as it is, it would verify nothing.
    if lines.is_empty() {
        return Err(Error::invalid_format(format!(
            "{} is empty, expected checksums",
            path.display()
        )));
    }
    for line in lines.lines() {
        let (expected, name) = line.split_once("  ").ok_or_else(|| {
            Error::invalid_format(format!("{}: `{line}` is not a checksum", path.display()))
        })?;
        let path = directory.join(name);
        let actual = sha256_of_file(&path).map_err(|error| unreadable(&path, error))?;
        if actual != expected {
            return Err(Error::invalid_format(format!(
                "{} has changed since it was written (its SHA-256 differs)",
                path.display()
            )));
        }
    }
    Ok(())
}

fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = input_file::open(path)?;
    let mut hasher = Sha256::new();
    // In pieces, because a file of weights may be larger than the memory.
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_missing_and_unsealed_files_are_reported() {
        let directory = std::env::temp_dir().join(format!("checksums-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("a"), "abc").unwrap();
        let error = verify(&directory).unwrap_err();
        assert!(error.is_file_error() && error.to_string().contains(NAME));
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
        seal(&directory, &["a".to_owned()]).unwrap();
        verify(&directory).unwrap();
        let lines = std::fs::read_to_string(directory.join(NAME)).unwrap();
        let sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(lines, format!("{sha256_of_abc}  a\n"));
        std::fs::write(directory.join("a"), "abd").unwrap();
        let error = verify(&directory).unwrap_err();
        assert!(error.is_invalid_format() && error.to_string().contains("SHA-256 differs"));
        std::fs::remove_file(directory.join("a")).unwrap();
        let error = verify(&directory).unwrap_err();
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
