//! Images, animations and folders of frames.

use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

use burn_topology::data::{
    ClipSampling, Crop, Filter, Preparation, SampleSpec, Scaling, read_clip, read_image,
    read_prepared_image,
};
use image::codecs::gif::GifEncoder;
use image::{Delay, DynamicImage, Frame, ImageFormat, Rgba, RgbaImage};

use super::super::case::Case;
use super::{only_file, stored};

/// Picture with transparent pixels.
fn picture(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| Rgba([x * 20, y * 30, x * y, 255 - 9 * x].map(|v| v as u8));
    DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, pixel))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, format)
        .expect("memory can be written");
    bytes.into_inner()
}

fn stored_image(name: &str) -> Case {
    Case::one(name, stored(&format!("tests/data_files/images/{name}")))
}

/// PNG files of several types of pixels.
pub(super) fn png_corpus() -> Vec<Case> {
    let image = picture(7, 5);
    let variants = [
        image.clone(),
        image.grayscale(),
        DynamicImage::ImageRgb16(image.to_rgb16()),
        DynamicImage::ImageLumaA16(image.to_luma_alpha16()),
    ];
    let made = variants.iter().map(|image| {
        let bytes = encoded(image, ImageFormat::Png);
        Case::one("a.png", bytes)
    });
    let kept = ["palette.png", "upright.png", "animation.png"];
    made.chain(kept.map(stored_image)).collect()
}

/// JPEG files: baseline, progressive, with fewer samples of colours, and with four channels.
pub(super) fn jpeg_corpus() -> Vec<Case> {
    let image = DynamicImage::ImageRgb8(picture(17, 9).to_rgb8());
    let grey = DynamicImage::ImageLuma8(image.to_luma8());
    let made = [image, grey].map(|image| {
        let bytes = encoded(&image, ImageFormat::Jpeg);
        Case::one("a.jpg", bytes)
    });
    let kept = ["cmyk.jpg", "progressive.jpg", "subsampled.jpg"];
    made.into_iter().chain(kept.map(stored_image)).collect()
}

/// Files of the formats GIF, WebP, BMP, TIFF and PNM.
pub(super) fn other_corpus() -> Vec<Case> {
    let image = picture(7, 5);
    let colour = DynamicImage::ImageRgb8(image.to_rgb8());
    let made = [
        ("a.gif", encoded(&image, ImageFormat::Gif)),
        ("a.webp", encoded(&image, ImageFormat::WebP)),
        ("a.bmp", encoded(&image, ImageFormat::Bmp)),
        ("b.bmp", encoded(&colour, ImageFormat::Bmp)),
        ("a.tif", encoded(&image, ImageFormat::Tiff)),
        ("a.ppm", encoded(&colour, ImageFormat::Pnm)),
        ("a.pgm", b"P2\n3 2\n255\n0 1 2 3 4 255\n".to_vec()),
        ("a.pbm", b"P1\n3 2\n0 1 0 1 1 1\n".to_vec()),
        (
            "a.pam",
            b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n123456".to_vec(),
        ),
    ];
    let made = made.map(|(name, bytes)| Case::one(name, bytes));
    let kept = ["lossy.webp", "lzw.tif"];
    made.into_iter().chain(kept.map(stored_image)).collect()
}

/// Reads an image cropped to a square, and prepared as for pretrained weights.
pub(super) fn read_still(directory: &Path) {
    let Some(path) = only_file(directory) else {
        return;
    };
    let spec = |n_channels| SampleSpec {
        n_frames: 1,
        n_channels,
        height: 8,
        width: 8,
        n_classes: 2,
    };
    let whole = read_image(&path, spec(3));
    let preparation = Preparation {
        scaling: Scaling::ShorterSide(9),
        filter: Filter::Bicubic,
        rounds_half_to_even: false,
        padding: vec![0.0; 3],
    };
    let prepared = read_prepared_image(&path, spec(1), &preparation);
    assert_eq!(whole.is_ok(), prepared.is_ok(), "read in one way only");
    if let Ok(pixels) = whole {
        assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    }
}

/// Animated GIF, PNG and WebP files.
pub(super) fn animation_corpus() -> Vec<Case> {
    let frames = (0..4).map(|index| {
        let image = picture(6 + index % 2, 5).to_rgba8();
        let delay = Delay::from_numer_denom_ms(40 * index, 1);
        Frame::from_parts(image, index, 0, delay)
    });
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif)
        .encode_frames(frames)
        .expect("memory can be written");
    vec![
        Case::one("a.gif", gif),
        stored_image("animation.png"),
        stored_image("animation.webp"),
    ]
}

fn sampling(n_frames: usize, frame_rate: Option<f64>) -> ClipSampling {
    ClipSampling {
        n_frames,
        stride: 1,
        frame_rate,
        image_size: 8,
        crop: Crop::Center,
    }
}

/// Reads an animation by its frames and by its clock.
pub(super) fn read_animation(directory: &Path) {
    let Some(path) = only_file(directory) else {
        return;
    };
    let started = Instant::now();
    let _ = read_clip(&path, &sampling(3, Some(30.0)));
    // Once is enough for an animation of hundreds of millions of pixels, which the reader accepts.
    if started.elapsed() < Duration::from_secs(1) {
        let _ = read_clip(&path, &sampling(2, None));
    }
}

/// Folders of frames in several formats.
pub(super) fn frames_corpus() -> Vec<Case> {
    let frame = |width, format| encoded(&picture(width, 6), format);
    let files = |names: [&str; 3], format| Case {
        files: names
            .iter()
            .map(|name| ((*name).to_owned(), frame(6, format)))
            .collect(),
    };
    vec![
        files(["1.png", "2.png", "10.png"], ImageFormat::Png),
        files(["a.bmp", "b.bmp", "c.bmp"], ImageFormat::Bmp),
    ]
}

/// Reads a folder of frames.
pub(super) fn read_frames(directory: &Path) {
    let _ = read_clip(directory, &sampling(2, None));
}
