//! The same content gives the same pixels, whether it comes as an image, as frames, as an animation or as a video.
//!
//! The rules are those of `docs/pictures.md`: turned upright, over white, complete or refused.

use std::path::{Path, PathBuf};

use burn_topology::data::{ClipSampling, Crop, SampleSpec, read_clip, read_image};
use image::metadata::Orientation;
use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage};

use super::clip_folder::{refused, sampling};
use super::clip_video::{encode_with_alpha, turn_display};
use super::encoders::{Disposal, Part, SIZE, exif, picture, write_animation, write_with_exif};
use crate::util::TestDir;

/// Largest difference of a lossless format, in levels of 256: roundings of a transparent colour and of a scaling.
const LOSSLESS: f32 = 1.01;

/// Side of the pictures that are read.
const SIDE: usize = 16;

/// Image as it is read from a file on its own.
fn image_of(path: &Path) -> Vec<f32> {
    let spec = SampleSpec {
        n_frames: 1,
        n_channels: 3,
        height: SIDE,
        width: SIDE,
        n_classes: 2,
    };
    read_image(path, spec).unwrap()
}

/// Frames as they are read as a clip.
fn clip_of(path: &Path, n_frames: usize) -> Vec<f32> {
    let sampling = ClipSampling {
        image_size: SIDE,
        crop: Crop::Center,
        ..sampling(n_frames, 1)
    };
    read_clip(path, &sampling).unwrap()
}

/// Middle square of opaque pixels, which is not scaled, in the layout of a sample.
fn expected(image: &RgbImage) -> Vec<f32> {
    let (left, top) = ((image.width() - 16) / 2, (image.height() - 16) / 2);
    let value = |channel: usize, x: u32, y: u32| {
        f32::from(image.get_pixel(left + x, top + y)[channel]) / 255.0
    };
    let mut pixels = Vec::new();
    for channel in 0..3 {
        for place in 0..16 * 16 {
            pixels.push(value(channel, place % 16, place / 16));
        }
    }
    pixels
}

#[track_caller]
fn assert_same(name: &str, actual: &[f32], expected: &[f32], levels: f32) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    let differences = actual.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let largest = 255.0 * differences.fold(0.0, f32::max);
    assert!(largest <= levels, "{name}: {largest} levels");
}

/// The picture with transparent pixels: all of a stripe, or none elsewhere; with `halves` some are half transparent.
fn transparent(halves: bool) -> RgbaImage {
    let picture = picture();
    RgbaImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let Rgb([red, green, blue]) = *picture.get_pixel(x, y);
        let alpha = match x {
            8..12 => 0,
            12..16 if halves => 100,
            _ => 255,
        };
        Rgba([red, green, blue, alpha])
    })
}

/// Colours over white, computed in another way than the library does.
fn over_white(image: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [colours @ .., alpha] = image.get_pixel(x, y).0.map(f32::from);
        let share = alpha / 255.0;
        Rgb(colours.map(|colour| (share * colour + (1.0 - share) * 255.0).round() as u8))
    })
}

/// Directory of the files that Pillow wrote.
fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files/images")
}

#[test]
fn every_format_gives_the_same_image_and_the_same_frame() {
    let directory = TestDir::new();
    let at = |name: &str| directory.path().join(name);
    let image = DynamicImage::ImageRgb8(picture());
    for name in ["a.png", "a.webp", "a.bmp", "a.tif", "a.ppm", "a.JFIF"] {
        match name {
            "a.JFIF" => write_with_exif(&at("a.jpg"), &picture(), exif(1)),
            _ => image.save(at(name)).unwrap(),
        }
    }
    std::fs::rename(at("a.jpg"), at("a.JFIF")).unwrap();
    // An extension that is wrong.
    std::fs::copy(at("a.webp"), at("b.png")).unwrap();
    image.to_rgb16().save(at("sixteen.png")).unwrap();
    image.to_rgba8().save(at("alpha.webp")).unwrap();
    let mut inputs: Vec<(PathBuf, f32)> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| (entry.unwrap().path(), LOSSLESS))
        .collect();
    assert_eq!(inputs.len(), 9);
    let whole = [Part::whole(image.to_rgba8())];
    for name in ["a.gif", "animated.png", "animated.webp", "a.apng"] {
        write_animation(&at(name), SIZE, &whole, 1);
        inputs.push((at(name), LOSSLESS));
    }
    inputs[..9].iter_mut().for_each(|(path, levels)| {
        if path.extension().unwrap() == "JFIF" {
            *levels = 6.0;
        }
    });
    for (name, levels) in [
        ("upright.png", LOSSLESS),
        ("palette.png", LOSSLESS),
        ("lzw.tif", LOSSLESS),
        ("cmyk.jpg", 3.0),
        ("progressive.jpg", 8.0),
        ("subsampled.jpg", 12.0),
        ("lossy.webp", 14.0),
    ] {
        inputs.push((files().join(name), levels));
    }
    let pixels = expected(&picture());
    for (number, (path, levels)) in inputs.iter().enumerate() {
        let name = path.display().to_string();
        assert_same(&name, &image_of(path), &pixels, *levels);
        assert_same(&name, &clip_of(path, 1), &pixels, *levels);
        let extension = path.extension().unwrap().to_str().unwrap();
        if !["gif", "apng"].contains(&extension) && !name.contains("animated") {
            let folder = at(&format!("frames {number}"));
            std::fs::create_dir(&folder).unwrap();
            std::fs::copy(path, folder.join(format!("1.{extension}"))).unwrap();
            assert_same(&name, &clip_of(&folder, 1), &pixels, *levels);
        }
    }
}

#[test]
fn grey_and_16_bit_images_keep_their_values() {
    let directory = TestDir::new();
    let grey =
        image::ImageBuffer::from_fn(16, 16, |x, y| image::Luma([(4096 * x + 17 * y) as u16]));
    let path = directory.path().join("grey16.png");
    DynamicImage::ImageLuma16(grey).save(&path).unwrap();
    let read = image_of(&path);
    for place in 0..256 {
        let value = (4096 * (place % 16) + 17 * (place / 16)) as f32 / 65535.0;
        for channel in 0..3 {
            let read = read[256 * channel + place];
            assert!((read - value).abs() < 1.01 / 255.0, "{place}: {read}");
        }
    }
}

#[test]
fn transparent_pixels_lie_over_white_in_every_format() {
    let directory = TestDir::new();
    let at = |name: &str| directory.path().join(name);
    for halves in [false, true] {
        let image = transparent(halves);
        let pixels = expected(&over_white(&image));
        let check = |name: &str, levels: f32| {
            assert_same(name, &clip_of(&at(name), 1), &pixels, levels);
        };
        for name in ["a.png", "a.webp", "a.tif"] {
            image.save(at(name)).unwrap();
            check(name, LOSSLESS);
            assert_same(name, &image_of(&at(name)), &pixels, LOSSLESS);
        }
        let whole = [Part::whole(image.clone())];
        for name in ["b.png", "b.webp", "b.gif"] {
            if name != "b.gif" || !halves {
                write_animation(&at(name), SIZE, &whole, 1);
                check(name, LOSSLESS);
                assert_same(name, &image_of(&at(name)), &pixels, LOSSLESS);
            }
        }
        for (name, options) in [
            ("a.mov", &["-c:v", "png"][..]),
            ("b.mov", &["-c:v", "qtrle"]),
            ("a.mkv", &["-c:v", "ffv1", "-pix_fmt", "yuva444p"]),
        ] {
            encode_with_alpha(&at(name), &image, options);
            check(name, 4.0);
        }
        // Lossy, with less colour than brightness.
        for (name, codec) in [("a.webm", "libvpx-vp9"), ("b.webm", "libvpx")] {
            let options = [
                "-c:v",
                codec,
                "-pix_fmt",
                "yuva420p",
                "-auto-alt-ref",
                "0",
                "-crf",
                "4",
                "-b:v",
                "4M",
            ];
            encode_with_alpha(&at(name), &image, &options);
            check(name, 40.0);
        }
    }
}

#[test]
fn images_are_turned_upright_in_every_format() {
    let directory = TestDir::new();
    let at = |name: String| directory.path().join(name);
    let upright = picture();
    let pixels = expected(&upright);
    for orientation in 1..=8 {
        // Turning back what the orientation turns.
        let inverse = match orientation {
            6 => 8,
            8 => 6,
            other => other,
        };
        let mut stored = DynamicImage::ImageRgb8(upright.clone());
        stored.apply_orientation(Orientation::from_exif(inverse).unwrap());
        let turned = stored.to_rgb8();
        for extension in ["png", "jpg", "webp"] {
            let levels = if extension == "jpg" { 6.0 } else { LOSSLESS };
            let path = at(format!("still{orientation}.{extension}"));
            write_with_exif(&path, &turned, exif(orientation));
            let name = path.display().to_string();
            assert_same(&name, &image_of(&path), &pixels, levels);
            let folder = at(format!("frames{orientation}{extension}"));
            std::fs::create_dir(&folder).unwrap();
            std::fs::rename(&path, folder.join(format!("1.{extension}"))).unwrap();
            assert_same(&name, &clip_of(&folder, 1), &pixels, levels);
        }
        let whole = [Part::whole(stored.to_rgba8())];
        for extension in ["png", "webp"] {
            let path = at(format!("animated{orientation}.{extension}"));
            write_animation(&path, turned.dimensions(), &whole, orientation);
            let name = path.display().to_string();
            assert_same(&name, &clip_of(&path, 1), &pixels, LOSSLESS);
        }
        if orientation == 6 {
            let path = at("turned.mp4".to_owned());
            let stored = stored.to_rgba8();
            encode_with_alpha(&path, &stored, &["-c:v", "mpeg4", "-q:v", "1"]);
            turn_display(&path);
            assert_same("turned.mp4", &clip_of(&path, 1), &pixels, 40.0);
        }
    }
    // EXIF data with the bytes that come before them in JPEG files.
    let mut stored = DynamicImage::ImageRgb8(upright);
    stored.apply_orientation(Orientation::Rotate180);
    let path = at("prefixed.webp".to_owned());
    let prefixed = [&b"Exif\0\0"[..], &exif(3)].concat();
    write_with_exif(&path, &stored.to_rgb8(), prefixed);
    assert_same("prefixed.webp", &image_of(&path), &pixels, LOSSLESS);
}

#[test]
fn frames_of_animations_are_painted_over_each_other() {
    let directory = TestDir::new();
    let opaque = |size: (u32, u32), grey: u8| {
        RgbaImage::from_pixel(size.0, size.1, Rgba([grey, grey, grey, 255]))
    };
    let part = |size, grey, left, disposal| Part {
        pixels: opaque(size, grey),
        left,
        top: if left == 0 { 0 } else { 2 },
        is_blended: true,
        disposal,
    };
    // An opaque frame after a small one that is cleared, and a whole one after another: a decoder clears too much there.
    let parts = |middle: Disposal| {
        [
            part((16, 16), 10, 0, Disposal::Keep),
            part((4, 4), 20, 2, middle),
            part((4, 4), 30, 10, Disposal::Clear),
            Part {
                pixels: RgbaImage::from_pixel(16, 16, Rgba([0, 0, 0, 0])),
                left: 0,
                top: 0,
                is_blended: true,
                disposal: Disposal::Keep,
            },
        ]
    };
    // Greys in the third row of each frame, at the columns 0, 2 and 10.
    let rows = |name: &str, middle: Disposal| -> Vec<[u8; 3]> {
        let path = directory.path().join(name);
        write_animation(&path, (16, 16), &parts(middle), 1);
        let clip = clip_of(&path, 4);
        let at = |frame: usize, column: usize| {
            (255.0 * clip[frame * 3 * 256 + 2 * 16 + column]).round() as u8
        };
        (0..4)
            .map(|frame| [0, 2, 10].map(|column| at(frame, column)))
            .collect()
    };
    let expected = |third: u8| {
        [
            [10, 10, 10],
            [10, 20, 10],
            [10, third, 30],
            [10, third, 255],
        ]
    };
    for name in ["a.png", "a.webp"] {
        assert_eq!(rows(name, Disposal::Keep), expected(20), "{name}");
        assert_eq!(rows(name, Disposal::Clear), expected(255), "{name}");
    }
    assert_eq!(rows("a.png", Disposal::Restore), expected(10));
}

#[test]
fn an_image_before_a_png_animation_is_not_part_of_it() {
    let directory = TestDir::new();
    let path = directory.path().join("a.png");
    let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 16, 16);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.set_animated(2, 0).unwrap();
    encoder.set_sep_def_img(true).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for grey in [7, 50, 90] {
        writer.write_image_data(&[grey; 2 * 16 * 16]).unwrap();
    }
    writer.finish().unwrap();
    let greys = |clip: &[f32]| -> Vec<u8> {
        clip.chunks(3 * 256)
            .map(|frame| (255.0 * frame[0]).round() as u8)
            .collect()
    };
    assert_eq!(greys(&clip_of(&path, 2)), [50, 90]);
    assert_eq!(greys(&image_of(&path)), [50]);
}

#[test]
fn a_lossy_animation_gives_the_frames_that_another_decoder_gives() {
    let strip = image::open(files().join("animation.png"))
        .unwrap()
        .to_rgb8();
    let sampling = ClipSampling {
        image_size: 32,
        ..sampling(6, 1)
    };
    let path = files().join("animation.webp");
    let clip = read_clip(&path, &sampling).unwrap();
    for (place, value) in clip.iter().enumerate() {
        let (x, y) = (place % 32, place / 32 % 32);
        let (channel, frame) = (place / 1024 % 3, place / 3072);
        let pixel = strip.get_pixel(x as u32, (32 * frame + y) as u32)[channel];
        let difference = 255.0 * value - f32::from(pixel);
        assert!(
            difference.abs() < 3.0,
            "frame {frame}, {x}, {y}: {difference}"
        );
    }
    // Frames last 40 ms.
    let slower = ClipSampling {
        frame_rate: Some(12.5),
        ..ClipSampling {
            n_frames: 3,
            ..sampling
        }
    };
    let half = read_clip(&path, &slower).unwrap();
    for frame in 0..3 {
        assert_eq!(
            half[3072 * frame..][..3072],
            clip[3072 * 2 * frame..][..3072]
        );
    }
}

#[test]
fn files_that_end_too_early_are_refused_in_every_format() {
    let directory = TestDir::new();
    let at = |name: &str| directory.path().join(name);
    let noise = RgbImage::from_fn(40, 40, |x, y| {
        let seed = (x * 40 + y).wrapping_mul(2_654_435_761);
        Rgb([seed >> 24, seed >> 16, seed >> 8].map(|value| value as u8))
    });
    let whole = Part::whole(DynamicImage::ImageRgb8(noise.clone()).to_rgba8());
    for name in ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tif", "a.ppm"] {
        noise.save(at(name)).unwrap();
    }
    for name in ["b.png", "b.webp", "b.gif"] {
        write_animation(&at(name), (40, 40), &[whole.clone(), whole.clone()], 1);
    }
    for name in [
        "progressive.jpg",
        "cmyk.jpg",
        "lossy.webp",
        "animation.webp",
    ] {
        std::fs::copy(files().join(name), at(name)).unwrap();
    }
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(read_clip(&path, &sampling(1, 1)).is_ok(), "{name}");
        for n_bytes in [bytes.len() / 2, bytes.len() * 3 / 4, bytes.len() * 19 / 20] {
            std::fs::write(&path, &bytes[..n_bytes]).unwrap();
            let message = refused(&path, &sampling(1, 1));
            assert!(
                message.starts_with(&format!("{name}: cannot be decoded (")),
                "{message}"
            );
            assert!(message.contains("), expected a complete "), "{message}");
        }
    }
}
