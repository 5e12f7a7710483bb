//! Image files and animations: the rules by which they become pixels.
//!
//! One set of rules holds for single images, for frames in a folder and for animations; `clip/ffmpeg.rs` and
//! `clip/video.rs` keep to it for videos. `docs/pictures.md` has it for users.
//!
//! - The content of a file decides on its format, not its extension.
//! - Images are turned upright, as their EXIF data say.
//! - Transparent pixels are drawn over white.
//! - Values of 16 bits become values of 8 bits. Colour profiles are not applied.
//! - A file that ends too early is an error with the name of the file.
//! - An animation that is read as an image is its first frame.

mod apng;
mod canvas;
mod format;
mod frame;
mod webp;

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::{LimitErrorKind, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader,
    ImageResult, Limits, RgbImage,
};

use self::apng::Apng;
use self::canvas::{MAX_FRAME_PIXELS, check_size, opaque};
use self::frame::damaged;
use self::webp::AnimatedWebp;
use crate::error::{Error, Result};
use crate::input_file;

pub(super) use self::frame::Frame;

/// Extensions of files that are read as images.
pub(super) const EXTENSIONS: [&str; 12] = [
    "png", "apng", "jpg", "jpeg", "jfif", "webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm",
];

/// Formats that can be decoded, for messages.
const FORMATS: &str = "PNG, JPEG, WebP, GIF, BMP, TIFF or PNM";

/// Frames of a file, one after the other.
pub(super) type Frames = Box<dyn Iterator<Item = Result<Frame>>>;

/// Decodes an image, or the first frame of an animation: 8 bits, red, green and blue.
///
/// # Errors
///
/// [`Error::is_file_error`] if the file cannot be read, [`Error::is_invalid_format`] if it is damaged or incomplete.
pub(super) fn decoded(path: &Path) -> Result<DynamicImage> {
    let first = frames(path)?.next().unwrap_or_else(|| {
        let message = format!("{}: no frames, expected at least 1", path.display());
        Err(Error::invalid_format(message))
    })?;
    Ok(DynamicImage::ImageRgb8(first.pixels))
}

/// True if an image that can be decoded has pixels that are not opaque; of an animation, its first frame counts.
///
/// # Errors
///
/// Those of [`decoded`].
pub(super) fn has_transparent_pixels(path: &Path) -> Result<bool> {
    let image = || -> ImageResult<Option<DynamicImage>> {
        let file = BufReader::new(input_file::open(path)?);
        let decoder = ImageReader::new(file)
            .with_guessed_format()?
            .into_decoder()?;
        if !decoder.color_type().has_alpha() {
            return Ok(None);
        }
        DynamicImage::from_decoder(decoder).map(Some)
    };
    let image = image().map_err(|error| describe(error, None).within(path.display()))?;
    Ok(image.is_some_and(|image| image.into_rgba8().pixels().any(|pixel| pixel[3] < 255)))
}

/// Opens an animation, or an image as an animation of one frame.
///
/// # Errors
///
/// Those of [`decoded`]; what comes after the header is found out frame by frame.
pub(super) fn frames(path: &Path) -> Result<Frames> {
    let unknown = |error| describe(error, None).within(path.display());
    let reader = input_file::open(path)
        .map(|file| {
            let mut reader = ImageReader::new(BufReader::new(file));
            // The extension counts where the content says nothing, so that a damaged file is named by its format.
            if let Ok(format) = ImageFormat::from_path(path) {
                reader.set_format(format);
            }
            reader
        })
        // The content decides on the format, because extensions can be wrong.
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| unknown(error.into()))?;
    let Some(format) = reader.format() else {
        let hint = image::error::ImageFormatHint::Unknown;
        return Err(unknown(ImageError::Unsupported(hint.into())));
    };
    let within = {
        let path = path.to_owned();
        move |error| describe(error, Some(format)).within(path.display())
    };
    let frames = image_frames(format, path, reader.into_inner()).map_err(&within)?;
    let with_pixels = move |frame: Frame| match frame.pixels.dimensions() {
        (0, _) | (_, 0) => Err(damaged(format, "it has no pixels")),
        _ => Ok(frame),
    };
    Ok(Box::new(frames.map(move |frame| {
        frame.and_then(with_pixels).map_err(&within)
    })))
}

/// True if the extension of a file is that of an image.
pub(super) fn has_image_extension(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|accepted| extension == *accepted)
}

/// True for files that hold an animation, judged by the extension and the first bytes.
///
/// # Errors
///
/// [`Error::is_file_error`] if the file cannot be read.
pub(super) fn is_animation(path: &Path) -> Result<bool> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        // A GIF has no flag that tells whether more frames follow.
        Some("gif" | "apng") => Ok(true),
        Some("png" | "webp") => {
            format::begins_as_animation(path).map_err(|error| Error::cannot_read(path, error))
        }
        _ => Ok(false),
    }
}

type ImageFrames = Box<dyn Iterator<Item = ImageResult<Frame>>>;

/// Opens a file that is read from its beginning.
fn image_frames(
    format: ImageFormat,
    path: &Path,
    mut file: BufReader<File>,
) -> ImageResult<ImageFrames> {
    format::check_complete(format, &mut file)?;
    // Animations are opened a second time, because a decoder cannot go back to the beginning.
    let again = || input_file::open(path).map(BufReader::new);
    match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(file)?;
            check_size(decoder.dimensions())?;
            // A decoder that is opened directly has no limits, unlike `ImageReader`.
            decoder.set_limits(Limits::default())?;
            let frames = decoder.into_frames().map(|frame| {
                let frame = frame?;
                let (milliseconds, denominator) = frame.delay().numer_denom_ms();
                let microseconds = 1000 * u64::from(milliseconds) / u64::from(denominator.max(1));
                let pixels = opaque(DynamicImage::from(frame.into_buffer()));
                Ok(Frame::new(pixels, microseconds))
            });
            Ok(Box::new(frames))
        }
        ImageFormat::Png => {
            // For texts, colour profiles and rows: pixels have a limit of their own.
            let mut limits = Limits::default();
            limits.max_alloc = Some(apng::MAX_CHUNK);
            let mut decoder = PngDecoder::with_limits(file, limits)?;
            if decoder.is_apng()? {
                let orientation = orientation(&mut decoder)?;
                return Ok(upright_frames(Apng::open(again()?)?, orientation));
            }
            Ok(still(decoder))
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(file)?;
            if decoder.has_animation() {
                let orientation = orientation(&mut decoder)?;
                let frames = AnimatedWebp::open(again()?, decoder.dimensions())?;
                return Ok(upright_frames(frames, orientation));
            }
            Ok(still(decoder))
        }
        _ => Ok(still(
            ImageReader::with_format(file, format).into_decoder()?,
        )),
    }
}

/// Image as an animation of one frame; it is decoded when that is asked for.
fn still(decoder: impl ImageDecoder + 'static) -> ImageFrames {
    Box::new(std::iter::once_with(move || {
        still_pixels(decoder).map(|pixels| Frame::new(pixels, 0))
    }))
}

/// Decodes an image and turns it upright.
fn still_pixels(mut decoder: impl ImageDecoder) -> ImageResult<RgbImage> {
    let mut limits = Limits::default();
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    let orientation = orientation(&mut decoder)?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(opaque(image))
}

/// Turns the frames of an animation upright.
fn upright_frames(
    frames: impl Iterator<Item = ImageResult<Frame>> + 'static,
    orientation: Orientation,
) -> ImageFrames {
    Box::new(frames.map(move |frame| {
        let frame = frame?;
        let mut image = DynamicImage::ImageRgb8(frame.pixels);
        image.apply_orientation(orientation);
        Ok(Frame {
            pixels: image.into_rgb8(),
            ..frame
        })
    }))
}

/// Turn that puts an image upright.
fn orientation(decoder: &mut impl ImageDecoder) -> ImageResult<Orientation> {
    // Some programs write the bytes before EXIF data in JPEG files into other formats too.
    let prefixed = decoder.exif_metadata()?.and_then(|exif| {
        let chunk = exif.strip_prefix(b"Exif\0\0")?;
        Orientation::from_exif_chunk(chunk)
    });
    prefixed.map_or_else(|| decoder.orientation(), Ok)
}

/// Error of a decoder, without the path: the operating system failed, or the file is damaged.
fn describe(error: ImageError, format: Option<ImageFormat>) -> Error {
    let message = match (&error, format) {
        (ImageError::IoError(error), _) if error.kind() == ErrorKind::NotFound => {
            "no such file".to_owned()
        }
        // Not a file, which the message says.
        (ImageError::IoError(error), _)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::IsADirectory
            ) =>
        {
            error.to_string()
        }
        (ImageError::Unsupported(error), _)
            if matches!(error.kind(), UnsupportedErrorKind::Format(_)) =>
        {
            format!("unknown image format, expected {FORMATS}")
        }
        _ => {
            let expected = match (&error, format) {
                (ImageError::Limits(limit), _)
                    if matches!(limit.kind(), LimitErrorKind::DimensionError) =>
                {
                    format!("frames of at most {MAX_FRAME_PIXELS} pixels")
                }
                (ImageError::Limits(_), _) => "one that takes at most 512 MiB in memory".to_owned(),
                (_, Some(format)) => format!("a complete {} file", name(format)),
                (_, None) => "a complete image file".to_owned(),
            };
            // Messages of decoders can span several lines; joined, they fit into one.
            let reason = error.to_string();
            let words: Vec<&str> = reason.split_whitespace().collect();
            format!(
                "cannot be decoded ({}), expected {expected}",
                words.join(" ")
            )
        }
    };
    match error {
        // A file that ends too early could be read, but is incomplete.
        ImageError::IoError(error) if error.kind() != ErrorKind::UnexpectedEof => {
            Error::file(message).caused_by(error)
        }
        error => Error::invalid_format(message).caused_by(error),
    }
}

/// Name of a format, as it is usually written.
fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Pnm => "PNM",
        _ => "image",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_an_unknown_format_are_named_as_such() {
        let name = format!("burn-topology-format-{}.txt", std::process::id());
        let path = std::env::temp_dir().join(name);
        let error = decoded(&path).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.io_kind(), Some(ErrorKind::NotFound));
        let message = error.to_string();
        assert_eq!(message, format!("{}: no such file", path.display()));
        std::fs::write(&path, "no pixels").unwrap();
        let error = decoded(&path).unwrap_err();
        assert!(error.is_invalid_format());
        assert_eq!(
            error.to_string(),
            format!(
                "{}: unknown image format, expected {FORMATS}",
                path.display()
            )
        );
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn images_without_pixels_and_palettes_with_part_of_a_colour_are_refused() {
        let name = format!("burn-topology-refused-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let error = decoded(&path).unwrap_err();
            assert!(error.is_invalid_format());
            error.to_string()
        };
        assert!(message(b"P2\n0 3\n255\n").contains("it has no pixels"));
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 2, 1);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(vec![1, 2, 3, 4]);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0, 1]).unwrap();
        writer.finish().unwrap();
        assert!(message(&png).contains("the palette ends within a colour"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn transparent_pixels_are_blended_with_white() {
        let name = format!("burn-topology-alpha-{}.png", std::process::id());
        let path = std::env::temp_dir().join(name);
        let colours = [[10, 20, 30, 255], [10, 20, 30, 0], [100, 0, 255, 51]];
        let image = image::RgbaImage::from_fn(3, 1, |x, _| image::Rgba(colours[x as usize]));
        image.save(&path).unwrap();
        let read = decoded(&path).unwrap().into_rgb8().into_raw();
        assert_eq!(read, [10, 20, 30, 255, 255, 255, 224, 204, 255]);
        let grey = image::GrayAlphaImage::from_pixel(1, 1, image::LumaA([0, 102]));
        grey.save(&path).unwrap();
        assert_eq!(decoded(&path).unwrap().into_luma8().into_raw(), [153]);
        std::fs::remove_file(path).unwrap();
    }
}
