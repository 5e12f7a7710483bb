//! Clips stored as folders of frames.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::content_digest::ContentDigests;
use super::super::decoding::{EXTENSIONS, decoded, is_animation};
use super::super::passed_over::PassedOver;
use super::super::sample_files::{digest_line, digest_of_lines, entries, is_file_of};
use super::ClipSampling;
use crate::error::{Error, Result};

/// Reads the frames of a clip, each cropped and scaled: `[n_frames][image_size, image_size, 3]`.
///
/// # Errors
///
/// If a frame of the clip cannot be decoded, if there are too few, or if `sampling` has a frame rate.
pub(super) fn read_frames(folder: &Path, sampling: &ClipSampling) -> Result<Vec<Vec<u8>>> {
    if sampling.frame_rate.is_some() {
        return Err(Error::invalid_parameter(format!(
            "{}: a folder of frames has no frame rate to resample from; leave frame_rate out, or use video files or animations",
            folder.display()
        )));
    }
    // Only the frames of the clip are decoded: unlike a video, each one is a file of its own.
    let frames = list(folder, &mut PassedOver::default())?;
    sampling
        .frame_indices(folder, frames.len())?
        .map(|index| Ok(sampling.scale_frame(&decoded(&frames[index])?.into_rgb8())))
        .collect()
}

/// Lists the frames of a folder in the order of the numbers in their names.
///
/// An animation is a clip and not a frame, so that a folder of animations is no clip.
fn list(folder: &Path, passed_over: &mut PassedOver) -> Result<Vec<PathBuf>> {
    let mut frames = Vec::new();
    let paths = entries(folder, passed_over).map_err(|error| Error::cannot_read(folder, error))?;
    for path in paths {
        if is_file_of(&path, &EXTENSIONS)? && !is_animation(&path)? {
            frames.push(path);
        } else {
            passed_over.add(&path);
        }
    }
    // By number, because cameras and tools write `frame9` and `frame10` without leading zeros.
    frames.sort_by_cached_key(|frame| sort_key(frame.file_name().unwrap_or_default()));
    Ok(frames)
}

/// True if the folder contains at least one frame.
pub(super) fn has_frames(folder: &Path) -> Result<bool> {
    Ok(!list(folder, &mut PassedOver::default())?.is_empty())
}

/// Counts the entries of a folder that are no frames.
pub(super) fn count_others(folder: &Path, passed_over: &mut PassedOver) -> Result<()> {
    list(folder, passed_over).map(drop)
}

/// SHA-256 over the names and contents of the frames, in hexadecimal.
pub(super) fn digest(folder: &Path, contents: &ContentDigests) -> Result<String> {
    let lines = list(folder, &mut PassedOver::default())?
        .into_iter()
        .map(|frame| Ok(digest_line(folder, &frame, &contents.of(&frame)?)));
    Ok(digest_of_lines(lines.collect::<Result<_>>()?))
}

/// Part of a file name: a run of digits or of other characters. Numbers sort before text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Number of digits and the digits, both without leading zeros. Compared in this order, they sort as
    /// the number does, however long it is.
    Number(usize, Vec<u8>),
    Text(Vec<u8>),
}

/// Key by which names are sorted: numbers in them compare as numbers.
///
/// Names that differ only in leading zeros have equal keys and keep the order of the listing.
fn sort_key(name: &OsStr) -> Vec<Part> {
    name.as_encoded_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .map(|piece| {
            // Pieces are never empty, and all their bytes are of one kind.
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
        names.sort_by_cached_key(|name| sort_key(OsStr::new(name)));
        assert_eq!(names, sorted);
    }
}
