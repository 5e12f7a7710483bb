//! A clip as a folder of frames.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::class_folder::{digest_of_lines, entries, line, size_of, unreadable};
use super::super::image_file::{ENDINGS, decoded};
use super::ClipCut;

/// The frames of a clip, each cropped and scaled by itself.
///
/// # Errors
///
/// One sentence if a frame of the clip cannot be decoded, if there are too few, or if a frame rate
/// is asked for.
pub(super) fn read_frames(folder: &Path, cut: &ClipCut) -> Result<Vec<Vec<u8>>, String> {
    if cut.frame_rate.is_some() {
        return Err(format!(
            "{}: a folder of frames has no frame rate to resample from; leave frame_rate out, or give video files or GIFs",
            folder.display()
        ));
    }
    let frames = list(folder)?;
    cut.places(folder, frames.len())?
        .map(|place| Ok(cut.scaled(&decoded(&frames[place].0)?.into_rgb8())))
        .collect()
}

/// Paths and sizes of the frames, in their order.
fn list(folder: &Path) -> Result<Vec<(PathBuf, u64)>, String> {
    let mut frames = Vec::new();
    for path in entries(folder).map_err(|error| unreadable(folder, &error))? {
        if let Some(n_bytes) = size_of(&path, &ENDINGS)? {
            frames.push((path, n_bytes));
        }
    }
    frames.sort_by_cached_key(|(path, _)| parts(path.file_name().unwrap_or_default()));
    Ok(frames)
}

/// Whether there is a frame in the folder.
pub(super) fn is_any(folder: &Path) -> Result<bool, String> {
    Ok(!list(folder)?.is_empty())
}

/// SHA-256 of the names and sizes of the frames.
pub(super) fn digest(folder: &Path) -> Result<String, String> {
    let lines = list(folder)?
        .into_iter()
        .map(|(path, n_bytes)| line(folder, &path, &n_bytes.to_string()));
    Ok(digest_of_lines(lines.collect()))
}

/// A piece of a name; numbers come before text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Count of digits and digits, without leading zeros: however long, it compares as the number.
    Number(usize, Vec<u8>),
    Text(Vec<u8>),
}

/// What names are sorted by. Names that differ only in leading zeros keep the order of the listing.
fn parts(name: &OsStr) -> Vec<Part> {
    name.as_encoded_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .map(|piece| {
            if !piece[0].is_ascii_digit() {
                return Part::Text(piece.to_vec());
            }
            let n_zeros = piece.iter().take_while(|&&digit| digit == b'0').count();
            Part::Number(piece.len() - n_zeros, piece[n_zeros..].to_vec())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let sorted = [
            "1.png",
            "002.png",
            "10.png",
            "99999999999999999999998.png",
            "99999999999999999999999.png",
            "a1b2.png",
            "a1b10.png",
            "a2b1.png",
            "b.png",
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_by_cached_key(|name| parts(OsStr::new(name)));
        assert_eq!(names, sorted);
    }
}
