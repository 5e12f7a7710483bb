//! Frames of animated PNG files.

// The decoder of `image` has no 16-bit animations, and restores what a cleared frame had painted.
use std::io::{BufRead, Seek};

use image::error::{DecodingError, LimitError, LimitErrorKind};
use image::{ImageError, ImageFormat, ImageResult, RgbaImage};
use png::{BlendOp, ColorType, Decoder, DisposeOp, OutputInfo, Reader, Transformations};

use super::canvas::{Canvas, Disposal, Part, check_size};
use super::frame::{Frame, damaged};

/// Largest size of a text, a colour profile or a row of pixels of a PNG file, in bytes.
pub(super) const MAX_CHUNK: u64 = 64 << 20;

/// Animated PNG file, which gives its frames one by one.
pub(super) struct Apng<R: BufRead + Seek> {
    reader: Reader<R>,
    canvas: Canvas,
    /// Number of frames that have not been read.
    n_left: u32,
}

impl<R: BufRead + Seek> Apng<R> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// If its header is damaged, or if its frames take too much memory.
    pub(super) fn open(source: R) -> ImageResult<Self> {
        let bytes = MAX_CHUNK as usize;
        let mut decoder = Decoder::new_with_limits(source, png::Limits { bytes });
        // Neither is used, and both can unpack to a thousand times their size.
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        // Palettes, few bits and transparent colours become 8-bit channels, and so do 16-bit ones.
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(image_error)?;
        let info = reader.info();
        let (width, height) = info.size();
        check_size((width, height))?;
        let n_left = info.animation_control().map_or(0, |all| all.num_frames);
        // An image before the first frame is for programs that do not know animations.
        if info.frame_control.is_none() && n_left > 0 {
            reader.next_frame_info().map_err(image_error)?;
        }
        Ok(Self {
            canvas: Canvas::new(width, height),
            n_left,
            reader,
        })
    }

    fn next_frame(&mut self) -> ImageResult<Frame> {
        let Some(n_bytes) = self.reader.output_buffer_size() else {
            let kind = LimitErrorKind::InsufficientMemory;
            return Err(ImageError::Limits(LimitError::from_kind(kind)));
        };
        let mut bytes = vec![0; n_bytes];
        let output = self.reader.next_frame(&mut bytes).map_err(image_error)?;
        let info = self.reader.info();
        let Some(control) = info.frame_control else {
            return Err(damaged(ImageFormat::Png, "a frame has no position"));
        };
        // Interlaced frames are decoded into rows as long as those of the canvas.
        let row = if info.interlaced {
            self.reader.output_line_size(info.width)
        } else {
            Some(output.line_size)
        };
        let part = Part {
            pixels: colours(&output, &bytes, row.unwrap_or(output.line_size))
                .ok_or_else(|| damaged(ImageFormat::Png, "a frame is too short"))?,
            left: control.x_offset,
            top: control.y_offset,
            is_blended: control.blend_op == BlendOp::Over,
            disposal: match control.dispose_op {
                DisposeOp::None => Disposal::Keep,
                DisposeOp::Background => Disposal::Clear,
                DisposeOp::Previous => Disposal::Restore,
            },
        };
        // The format says that a denominator of 0 stands for hundredths of a second.
        let denominator = match control.delay_den {
            0 => 100,
            denominator => u64::from(denominator),
        };
        let microseconds = u64::from(control.delay_num) * 1_000_000 / denominator;
        match self.canvas.paint(&part) {
            Some(pixels) => Ok(Frame::new(pixels.clone(), microseconds)),
            None => Err(damaged(
                ImageFormat::Png,
                "a frame is larger than the image",
            )),
        }
    }
}

impl<R: BufRead + Seek> Iterator for Apng<R> {
    type Item = ImageResult<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        self.n_left = self.n_left.checked_sub(1)?;
        Some(self.next_frame())
    }
}

/// Pixels of a decoded frame, whose rows are `row` bytes apart.
fn colours(output: &OutputInfo, bytes: &[u8], row: usize) -> Option<RgbaImage> {
    let n_channels = output.color_type.samples();
    let width = output.width as usize * n_channels;
    let mut colours = Vec::with_capacity(4 * output.width as usize * output.height as usize);
    for row in bytes.chunks(row.max(1)).take(output.height as usize) {
        for pixel in row.get(..width)?.chunks_exact(n_channels) {
            colours.extend(match (output.color_type, pixel) {
                (ColorType::Grayscale, &[grey]) => [grey, grey, grey, 255],
                (ColorType::GrayscaleAlpha, &[grey, alpha]) => [grey, grey, grey, alpha],
                (ColorType::Rgb, &[red, green, blue]) => [red, green, blue, 255],
                (ColorType::Rgba, &[red, green, blue, alpha]) => [red, green, blue, alpha],
                // Palettes were expanded.
                _ => return None,
            });
        }
    }
    RgbaImage::from_raw(output.width, output.height, colours)
}

/// Error of the decoder in the type of those of other formats.
fn image_error(error: png::DecodingError) -> ImageError {
    match error {
        png::DecodingError::IoError(error) => ImageError::IoError(error),
        png::DecodingError::LimitsExceeded => {
            ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
        }
        error => ImageError::Decoding(DecodingError::new(ImageFormat::Png.into(), error)),
    }
}
