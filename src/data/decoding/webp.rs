//! Frames of animated WebP files.

// The decoder of `image` leaves wrong pixels where a frame clears another; here it decodes single frames only.
use std::io::{Cursor, Read};

use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageResult, Limits};

use super::canvas::{Canvas, Disposal, Part, check_size};
use super::frame::{Frame, damaged};

/// Number of bytes before the first chunk: `RIFF`, the size of the rest, `WEBP`.
const FILE_HEADER: usize = 12;

/// Number of bytes of the position, size, time and flags of a frame.
const FRAME_HEADER: usize = 16;

/// Animated WebP file, which gives its frames one by one.
pub(super) struct AnimatedWebp<R> {
    /// Source, read up to the next chunk.
    source: R,
    canvas: Canvas,
    /// Number of bytes that have not been read.
    n_left: u64,
}

impl<R: Read> AnimatedWebp<R> {
    /// Opens a file of this size in pixels.
    ///
    /// # Errors
    ///
    /// If its header cannot be read, or if its frames take too much memory.
    pub(super) fn open(mut source: R, (width, height): (u32, u32)) -> ImageResult<Self> {
        check_size((width, height))?;
        let mut header = [0; FILE_HEADER];
        source.read_exact(&mut header)?;
        Ok(Self {
            source,
            canvas: Canvas::new(width, height),
            // The size counts `WEBP` too.
            n_left: u64::from(size_at(&header, 4)).saturating_sub(4),
        })
    }

    /// Reads up to the next frame; `None` at the end of the file.
    fn next_frame(&mut self) -> ImageResult<Option<Frame>> {
        while self.n_left >= 8 {
            let mut header = [0; 8];
            self.source.read_exact(&mut header)?;
            let size = u64::from(size_at(&header, 4));
            // Chunks of an odd size are followed by one byte more.
            let padded = size + size % 2;
            self.n_left = self.n_left.saturating_sub(8 + padded);
            let mut chunk = Vec::new();
            let is_frame = header.starts_with(b"ANMF");
            if is_frame {
                self.source.by_ref().take(size).read_to_end(&mut chunk)?;
            }
            let rest = padded - chunk.len() as u64;
            std::io::copy(&mut self.source.by_ref().take(rest), &mut std::io::sink())?;
            if is_frame {
                return self.paint(&chunk).map(Some);
            }
        }
        Ok(None)
    }

    /// Decodes and paints the frame in a chunk.
    fn paint(&mut self, chunk: &[u8]) -> ImageResult<Frame> {
        let damaged = |reason| damaged(ImageFormat::WebP, reason);
        let (Some(header), Some(content)) = (chunk.get(..FRAME_HEADER), chunk.get(FRAME_HEADER..))
        else {
            return Err(damaged("a frame is too short"));
        };
        let number =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], 0]);
        let size = (number(6) + 1, number(9) + 1);
        let (left, top) = (2 * number(0), 2 * number(3));
        // Before the frame is decoded, which takes memory for the size that it states.
        if !self.canvas.contains((left, top), size) {
            return Err(damaged("a frame is larger than the image"));
        }
        let still = still_file(content, size).ok_or_else(|| damaged("a frame is too short"))?;
        let mut decoder = WebPDecoder::new(Cursor::new(still))?;
        decoder.set_limits(Limits::default())?;
        if decoder.dimensions() != size {
            return Err(damaged("a frame has another size than its header says"));
        }
        let part = Part {
            pixels: DynamicImage::from_decoder(decoder)?.into_rgba8(),
            left,
            top,
            is_blended: header[15] & 2 == 0,
            disposal: match header[15] & 1 {
                0 => Disposal::Keep,
                _ => Disposal::Clear,
            },
        };
        let microseconds = 1000 * u64::from(number(12));
        match self.canvas.paint(&part) {
            Some(pixels) => Ok(Frame::new(pixels.clone(), microseconds)),
            None => Err(damaged("a frame is larger than the image")),
        }
    }
}

impl<R: Read> Iterator for AnimatedWebp<R> {
    type Item = ImageResult<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

/// Size that stands at this place of a header, as four bytes.
fn size_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// Content of a frame as a file of its own; `None` if it is shorter than it says.
fn still_file(content: &[u8], (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let chunk = |at: usize| -> Option<&[u8]> {
        let header = content.get(at..at + 8)?;
        let size = size_at(header, 4) as usize;
        content.get(at..(at + 8).checked_add(size)?.checked_add(size % 2)?)
    };
    let first = chunk(0)?;
    let mut chunks = Vec::new();
    if first.starts_with(b"ALPH") {
        // Transparency is a chunk of its own, which only the extended format has: the flag says so.
        chunks.extend(b"VP8X\x0a\0\0\0\x10\0\0\0");
        chunks.extend(&(width - 1).to_le_bytes()[..3]);
        chunks.extend(&(height - 1).to_le_bytes()[..3]);
        chunks.extend(first);
        chunks.extend(chunk(first.len())?);
    } else {
        chunks.extend(first);
    }
    let size = u32::try_from(chunks.len() + 4).ok()?;
    Some([&b"RIFF"[..], &size.to_le_bytes(), b"WEBP", &chunks].concat())
}
