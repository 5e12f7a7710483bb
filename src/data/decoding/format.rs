//! What a file says about itself: its format, whether it is animated, and whether it is complete.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use image::error::{LimitError, LimitErrorKind};
use image::{ImageError, ImageFormat, ImageResult};

use crate::input_file;

use super::frame::damaged;

/// Bytes at the beginning of a PNG file.
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// True if a file begins as an animated PNG or WebP file does.
pub(super) fn begins_as_animation(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    let mut file = BufReader::new(input_file::open(path)?);
    file.by_ref().take(30).read_to_end(&mut start)?;
    if start.starts_with(PNG_SIGNATURE) {
        file.seek(SeekFrom::Start(PNG_SIGNATURE.len() as u64))?;
        return has_animation_control(&mut file);
    }
    // The flags of the extended format follow its name and size.
    let is_extended = start.starts_with(b"RIFF") && start.get(8..16) == Some(b"WEBPVP8X");
    Ok(is_extended && start.get(20).is_some_and(|flags| flags & 2 != 0))
}

/// True if a PNG file, read up to its first chunk, is animated: a chunk before the pixels says so.
fn has_animation_control(file: &mut (impl BufRead + Seek)) -> std::io::Result<bool> {
    loop {
        let mut header = [0; 8];
        match file.read_exact(&mut header) {
            // Damaged, which its decoder tells.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        let [a, b, c, d, name @ ..] = header;
        match &name {
            b"acTL" => return Ok(true),
            b"IDAT" | b"IEND" => return Ok(false),
            // The checksum follows the content.
            _ => file.seek_relative(i64::from(u32::from_be_bytes([a, b, c, d])) + 4)?,
        }
    }
}

/// Largest size of a JPEG file, in bytes, as large as that of decoded images.
const MAX_JPEG: u64 = 512 << 20;

/// Checks that a file is complete, where its decoder would make up the rest; goes back to its beginning.
///
/// # Errors
///
/// If it ends too early, or cannot be read.
pub(super) fn check_complete(
    format: ImageFormat,
    file: &mut (impl Read + Seek),
) -> ImageResult<()> {
    let is_complete = match format {
        ImageFormat::Jpeg => {
            let mut bytes = Vec::new();
            file.by_ref().take(MAX_JPEG + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_JPEG {
                let kind = LimitErrorKind::InsufficientMemory;
                return Err(ImageError::Limits(LimitError::from_kind(kind)));
            }
            has_end_of_image(&bytes)
        }
        ImageFormat::WebP => {
            let mut header = Vec::new();
            file.by_ref().take(8).read_to_end(&mut header)?;
            let n_bytes = file.seek(SeekFrom::End(0))?;
            header.get(4..8).is_some_and(|size| {
                let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]);
                // Some programs leave out the last byte, which makes the number of bytes even.
                n_bytes + 1 >= u64::from(size) + 8
            })
        }
        ImageFormat::Png => {
            check_palette(file)?;
            true
        }
        _ => true,
    };
    file.rewind()?;
    if is_complete {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UnexpectedEof, "the file ends too early").into())
}

/// Refuses a PNG file whose palette has a part of a colour, at which its decoder panics.
fn check_palette(file: &mut (impl Read + Seek)) -> ImageResult<()> {
    file.seek(SeekFrom::Start(PNG_SIGNATURE.len() as u64))?;
    let mut header = [0; 8];
    // A file that ends too early, or has no pixels, is found out by its decoder.
    while file.read_exact(&mut header).is_ok() {
        let [a, b, c, d, name @ ..] = header;
        let length = u32::from_be_bytes([a, b, c, d]);
        match &name {
            b"PLTE" if !length.is_multiple_of(3) => {
                return Err(damaged(
                    ImageFormat::Png,
                    "the palette ends within a colour",
                ));
            }
            b"IEND" => break,
            // The checksum follows the content.
            _ => _ = file.seek(SeekFrom::Current(i64::from(length) + 4))?,
        }
    }
    Ok(())
}

/// True if a JPEG file has the marker of its end.
///
/// Where it is missing, the decoder fills the rest of the image with grey, without an error.
fn has_end_of_image(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(rest) = bytes.get(at..) {
        // Within the pixels, 0xFF is followed by 0 or by the number of a restart, and it can be repeated before a marker.
        let is_marker =
            |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 1 | 0xd0..=0xd8 | 0xff);
        let Some(found) = rest.windows(2).position(is_marker) else {
            return false;
        };
        match rest[found + 1..] {
            [0xd9, ..] => return true,
            // Its length, which counts itself, leads over the content, such as a smaller image with an end of its own.
            [_, high, low, ..] => {
                at += found + 2 + usize::from(u16::from_be_bytes([high, low]));
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_jpeg_is_not_that_of_an_image_within_it() {
        let header = [0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
        assert!(!has_end_of_image(&header));
        // Of a scan: its header, bytes of the pixels, and a restart.
        let scan = [0xff, 0xda, 0, 3, 9, 0xff, 0, 0xff, 0xd3, 7];
        let whole = [&header[..], &scan, &[0xff, 0xff, 0xd9]].concat();
        assert!(has_end_of_image(&whole));
        assert!(has_end_of_image(&[&whole[..], b"more"].concat()));
        for length in 0..whole.len() {
            assert!(!has_end_of_image(&whole[..length]), "{length}");
        }
    }
}
