//! Encoders of image files and animations that hold the same content in many formats.

use std::fs::File;
use std::io::{BufWriter, Cursor};
use std::path::Path;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{Delay, DynamicImage, Frame, ImageEncoder, Rgb, RgbImage, RgbaImage};

/// Size of [`picture`].
pub const SIZE: (u32, u32) = (24, 16);

/// Picture of `tests/data_files/images`: smooth, different in every corner, of 96 colours.
pub fn picture() -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let (x, y) = ((x / 2) as u8, (y / 2) as u8);
        Rgb([20 + 18 * x, 230 - 24 * y, 60 + 5 * (x + y)])
    })
}

/// EXIF data whose only entry is the orientation, 1 to 8.
pub fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    let header = [b'I', b'I', 42, 0, 8, 0, 0, 0, 1, 0];
    [&header[..], &entry, &[0; 4]].concat()
}

/// Writes a PNG, JPEG or WebP file with EXIF data.
pub fn write_with_exif(path: &Path, image: &RgbImage, exif: Vec<u8>) {
    let file = BufWriter::new(File::create(path).unwrap());
    let image = DynamicImage::ImageRgb8(image.clone());
    fn write(mut encoder: impl ImageEncoder, image: &DynamicImage, exif: Vec<u8>) {
        encoder.set_exif_metadata(exif).unwrap();
        image.write_with_encoder(encoder).unwrap();
    }
    match path.extension().unwrap().to_str().unwrap() {
        "png" => write(PngEncoder::new(file), &image, exif),
        "jpg" => write(JpegEncoder::new_with_quality(file, 100), &image, exif),
        "webp" => write(WebPEncoder::new_lossless(file), &image, exif),
        other => panic!("no encoder for {other}"),
    }
}

/// What becomes of a frame before the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Disposal {
    Keep,
    Clear,
    Restore,
}

/// Rectangle that one frame of an animation paints.
#[derive(Clone)]
pub struct Part {
    pub pixels: RgbaImage,
    pub left: u32,
    pub top: u32,
    pub is_blended: bool,
    pub disposal: Disposal,
}

impl Part {
    /// Frame of the whole size, which replaces the one before.
    pub fn whole(pixels: RgbaImage) -> Self {
        Self {
            pixels,
            left: 0,
            top: 0,
            is_blended: false,
            disposal: Disposal::Keep,
        }
    }
}

/// Writes an animation of this size, each of whose frames is displayed for 40 ms.
pub fn write_animation(path: &Path, size: (u32, u32), parts: &[Part], orientation: u8) {
    match path.extension().unwrap().to_str().unwrap() {
        "gif" => write_gif(path, parts),
        "png" | "apng" => write_apng(path, size, parts, orientation),
        "webp" => write_webp(path, size, parts, orientation),
        other => panic!("no encoder for {other}"),
    }
}

/// Writes a GIF, whose frames cover it completely.
fn write_gif(path: &Path, parts: &[Part]) {
    let mut encoder = GifEncoder::new(File::create(path).unwrap());
    for part in parts {
        let delay = Delay::from_numer_denom_ms(40, 1);
        let frame = Frame::from_parts(part.pixels.clone(), 0, 0, delay);
        encoder.encode_frame(frame).unwrap();
    }
}

fn write_apng(path: &Path, (width, height): (u32, u32), parts: &[Part], orientation: u8) {
    let mut info = png::Info::with_size(width, height);
    info.color_type = png::ColorType::Rgba;
    info.bit_depth = png::BitDepth::Eight;
    info.exif_metadata = Some(exif(orientation).into());
    let file = BufWriter::new(File::create(path).unwrap());
    let mut encoder = png::Encoder::with_info(file, info).unwrap();
    encoder.set_animated(parts.len() as u32, 0).unwrap();
    encoder.set_frame_delay(1, 25).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for part in parts {
        // The size is checked against the position of the frame before.
        writer.reset_frame_position().unwrap();
        writer
            .set_frame_dimension(part.pixels.width(), part.pixels.height())
            .unwrap();
        writer.set_frame_position(part.left, part.top).unwrap();
        let blend = if part.is_blended {
            png::BlendOp::Over
        } else {
            png::BlendOp::Source
        };
        writer.set_blend_op(blend).unwrap();
        let dispose = match part.disposal {
            Disposal::Keep => png::DisposeOp::None,
            Disposal::Clear => png::DisposeOp::Background,
            Disposal::Restore => png::DisposeOp::Previous,
        };
        writer.set_dispose_op(dispose).unwrap();
        writer.write_image_data(&part.pixels).unwrap();
    }
    writer.finish().unwrap();
}

fn write_webp(path: &Path, (width, height): (u32, u32), parts: &[Part], orientation: u8) {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let chunk = |name: &[u8], content: &[u8]| {
        let padding = &[0][..content.len() % 2];
        let size = (content.len() as u32).to_le_bytes();
        [name, &size, content, padding].concat()
    };
    // Flags of EXIF data, transparency and animation.
    let header = [
        vec![8 + 16 + 2, 0, 0, 0],
        three(width - 1),
        three(height - 1),
    ]
    .concat();
    let mut chunks = [chunk(b"VP8X", &header), chunk(b"ANIM", &[0; 6])].concat();
    for part in parts {
        let mut still = Cursor::new(Vec::new());
        let encoder = WebPEncoder::new_lossless(&mut still);
        let image = DynamicImage::ImageRgba8(part.pixels.clone());
        image.write_with_encoder(encoder).unwrap();
        assert_ne!(
            part.disposal,
            Disposal::Restore,
            "WebP has no such disposal"
        );
        let flags = 2 * u8::from(!part.is_blended) + u8::from(part.disposal == Disposal::Clear);
        let frame = [
            three(part.left / 2),
            three(part.top / 2),
            three(part.pixels.width() - 1),
            three(part.pixels.height() - 1),
            three(40),
            vec![flags],
            // Without the header of the file.
            still.into_inner()[12..].to_vec(),
        ];
        chunks.extend(chunk(b"ANMF", &frame.concat()));
    }
    chunks.extend(chunk(b"EXIF", &exif(orientation)));
    let content = [&b"WEBP"[..], &chunks].concat();
    std::fs::write(path, chunk(b"RIFF", &content)).unwrap();
}
