//! One frame of an image file, and the error of a damaged one.

use image::error::DecodingError;
use image::{ImageError, ImageFormat, RgbImage};

/// Shortest time that is taken literally, in microseconds; a shorter one means "as fast as possible".
///
/// Times of GIFs are multiples of 10,000.
const SHORTEST: u64 = 10_001;

/// Time that replaces a shorter one, in microseconds, as in browsers.
const DEFAULT: u64 = 100_000;

/// Opaque, upright pixels, and the time for which they are displayed.
pub(crate) struct Frame {
    pub(crate) pixels: RgbImage,
    /// Time for which the frame is displayed, in microseconds.
    pub(crate) microseconds: u64,
}

impl Frame {
    /// Frame that a file displays for so many microseconds.
    pub(super) fn new(pixels: RgbImage, microseconds: u64) -> Self {
        Self {
            pixels,
            microseconds: match microseconds {
                0..SHORTEST => DEFAULT,
                _ => microseconds,
            },
        }
    }
}

/// Error of a file whose content contradicts itself.
pub(super) fn damaged(format: ImageFormat, reason: &str) -> ImageError {
    ImageError::Decoding(DecodingError::new(format.into(), reason.to_owned()))
}
