//! Files that are read: regular ones only, and those that are read whole up to a size.
//!
//! A named pipe would be waited for without end, and a device such as `/dev/zero` has no end.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Opens a regular file, or one that a symbolic link leads to.
///
/// # Errors
///
/// Those of [`File::open`], and [`ErrorKind::InvalidInput`] if it is a directory, a pipe, a socket or a device; the
/// message says which.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before the file is opened: to open a pipe waits for a process that writes into it.
    check(&path.metadata()?)?;
    let file = File::open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file.
///
/// # Errors
///
/// Those of [`open`] and of reading.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_up_to(path, u64::MAX)
}

/// Reads a regular file of at most `max_bytes`.
///
/// # Errors
///
/// Those of [`open`] and of reading, and [`ErrorKind::FileTooLarge`] if it is larger; the message states the limit.
pub(crate) fn read_up_to(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let n_bytes = file.metadata()?.len();
    let too_large = || {
        let message =
            format!("it is larger than {max_bytes} bytes, which is the limit for such files");
        io::Error::new(ErrorKind::FileTooLarge, message)
    };
    if n_bytes > max_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // An error instead of an abort, for a file that memory cannot hold.
    bytes.try_reserve_exact(usize::try_from(n_bytes).unwrap_or(usize::MAX))?;
    // The file can grow while it is read.
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Reads a regular file of text.
///
/// # Errors
///
/// Those of [`open`] and of reading, and [`ErrorKind::InvalidData`] if it is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Refuses what is not a regular file.
fn check(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    #[cfg(unix)]
    let what = {
        use std::os::unix::fs::FileTypeExt;
        match () {
            () if kind.is_dir() => "a directory",
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () => "a device",
        }
    };
    #[cfg(not(unix))]
    let what = if kind.is_dir() {
        "a directory"
    } else {
        "no regular file"
    };
    Err(io::Error::new(
        if kind.is_dir() {
            ErrorKind::IsADirectory
        } else {
            ErrorKind::InvalidInput
        },
        format!("it is {what}, expected a file"),
    ))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let root = std::env::temp_dir().join(format!("burn-topology-input-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let (pipe, file, link) = (root.join("pipe"), root.join("file"), root.join("link"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let refused = |path: &Path| open(path).unwrap_err().to_string();
        assert_eq!(refused(&pipe), "it is a pipe, expected a file");
        assert_eq!(
            refused(Path::new("/dev/zero")),
            "it is a device, expected a file"
        );
        assert_eq!(refused(&root), "it is a directory, expected a file");
        assert_eq!(
            open(&root.join("none")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(read(&link).unwrap(), b"text");
        assert_eq!(read_text(&link).unwrap(), "text");
        assert_eq!(read_up_to(&file, 4).unwrap(), b"text");
        let error = read_up_to(&file, 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("larger than 3 bytes"), "{error}");
        std::fs::write(&file, [0xff]).unwrap();
        let error = read_text(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        std::fs::remove_dir_all(root).unwrap();
    }
}
