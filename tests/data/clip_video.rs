//! Clips from video files: codecs, resampling, crops, odd names and error messages.
//!
//! The tests encode the files with `ffmpeg`. Unless stated otherwise every pixel of frame `i` has the
//! grey level `10 * i`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn_topology::data::{ClipSampling, Crop, read_clip};
use image::RgbaImage;

use super::clip_folder::{assert_numbers, at_rate, numbers, refused, sampling};
use crate::util::TestDir;

/// Encodes raw RGB frames at 10 per second into a file, in the format of its extension.
fn encode(path: &Path, size: (usize, usize), pixels: &[u8], options: &[&str]) {
    encode_raw(path, size, "rgb24", pixels, options);
}

/// Encodes one frame with an alpha channel.
pub fn encode_with_alpha(path: &Path, frame: &RgbaImage, options: &[&str]) {
    let size = (frame.width() as usize, frame.height() as usize);
    encode_raw(path, size, "rgba", frame, options);
}

fn encode_raw(
    path: &Path,
    (width, height): (usize, usize),
    format: &str,
    pixels: &[u8],
    options: &[&str],
) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", format])
        .args(["-s", &format!("{width}x{height}"), "-r", "10", "-i", "-"])
        .args(options)
        .arg(PathBuf::from(format!("file:{}", path.display())))
        .stdin(Stdio::piped())
        .spawn()
        .expect(
            "ffmpeg on PATH: the tests of video files need it (Debian: apt-get install ffmpeg)",
        );
    child.stdin.take().unwrap().write_all(pixels).unwrap();
    assert!(child.wait().unwrap().success(), "{options:?}");
}

/// Encodes ten grey frames.
fn encode_greys(path: &Path, (width, height): (usize, usize), options: &[&str]) {
    let pixels: Vec<u8> = (0..10)
        .flat_map(|number| vec![10 * number; 3 * width * height])
        .collect();
    encode(path, (width, height), &pixels, options);
}

/// Changes the header of an MP4 file so that its display is turned clockwise by a quarter turn.
pub fn turn_display(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let header = bytes.windows(4).position(|name| name == b"tkhd").unwrap();
    let quarter = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000i32];
    bytes[header + 44..][..36].copy_from_slice(&quarter.map(i32::to_be_bytes).concat());
    std::fs::write(path, bytes).unwrap();
}

const LOSSLESS: [&str; 4] = ["-c:v", "ffv1", "-pix_fmt", "bgr0"];

#[test]
fn frames_of_several_codecs_are_read_in_order() {
    let directory = TestDir::new();
    let codecs: [(&str, &[&str]); 8] = [
        ("a.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv444p"]),
        ("a.webm", &["-c:v", "libvpx-vp9", "-crf", "10", "-b:v", "0"]),
        ("a.avi", &["-c:v", "mpeg4", "-q:v", "2"]),
        ("a.mov", &["-c:v", "mjpeg", "-q:v", "2"]),
        ("a.mkv", &LOSSLESS),
        (
            "10 bit.mp4",
            &[
                "-c:v",
                "libx264",
                "-pix_fmt",
                "yuv420p10le",
                "-vf",
                "crop=66:44",
            ],
        ),
        (
            "b-frames.mp4",
            &[
                "-c:v",
                "libx264",
                "-bf",
                "3",
                "-pix_fmt",
                "yuv422p",
                "-vf",
                "crop=66:45",
            ],
        ),
        (
            "hevc.MP4",
            &[
                "-c:v",
                "libx265",
                "-x265-params",
                "log-level=none",
                "-vf",
                "crop=66:44",
            ],
        ),
    ];
    for (name, options) in codecs {
        let path = directory.path().join(name);
        encode_greys(&path, (67, 45), options);
        assert_numbers(&path, &sampling(10, 1), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_numbers(&path, &sampling(3, 2), &[2, 4, 6]);
        assert_numbers(&path, &at_rate(5, 5.0), &[0, 2, 4, 6, 8]);
        assert_eq!(
            refused(&path, &sampling(11, 1)),
            format!(
                "{name}: 10 frames, expected at least 11 for n_frames = 11 and stride = 1; reduce one of them, or remove the clip"
            )
        );
    }
}

#[test]
fn pixels_of_a_lossless_file_are_exact() {
    let directory = TestDir::new();
    let path = directory.path().join("a.mkv");
    let (width, height, n_frames) = (18, 16, 3);
    let value = |frame: usize, row: usize, column: usize, channel: usize| {
        (frame * 101 + row * 31 + column * 17 + channel * 7 + row * column * 5) as u8
    };
    let mut pixels = Vec::new();
    for frame in 0..n_frames {
        for pixel in 0..width * height {
            pixels.extend([0, 1, 2].map(|c| value(frame, pixel / width, pixel % width, c)));
        }
    }
    encode(&path, (width, height), &pixels, &LOSSLESS);
    let whole = ClipSampling {
        image_size: 16,
        ..sampling(n_frames, 1)
    };
    let mut expected = Vec::new();
    for frame in 0..n_frames {
        for channel in 0..3 {
            // The crop leaves out one column on each side.
            for (row, column) in (0..16 * 16).map(|pixel| (pixel / 16, pixel % 16 + 1)) {
                expected.push(f32::from(value(frame, row, column, channel)) / 255.0);
            }
        }
    }
    assert_eq!(read_clip(&path, &whole).unwrap(), expected);
}

#[test]
fn videos_and_folders_of_frames_are_scaled_alike() {
    let directory = TestDir::new();
    let (path, frames) = (directory.path().join("a.mkv"), directory.path().join("a"));
    let pixels: Vec<u8> = (0..3 * 30 * 21).map(|i| (i * i / 97 % 200) as u8).collect();
    encode(&path, (30, 21), &pixels, &LOSSLESS);
    std::fs::create_dir(&frames).unwrap();
    image::RgbImage::from_raw(30, 21, pixels)
        .unwrap()
        .save(frames.join("1.png"))
        .unwrap();
    for crop in [Crop::Center, Crop::Stretch] {
        let scaled = ClipSampling {
            crop,
            image_size: 7,
            ..sampling(1, 1)
        };
        let [video, image] = [&path, &frames].map(|path| read_clip(path, &scaled).unwrap());
        // The two filters differ only at the border.
        let is_inside = |pixel: &usize| ![pixel % 7, pixel / 7 % 7].iter().any(|k| k % 6 == 0);
        for pixel in (0..video.len()).filter(is_inside) {
            let (video, image) = (video[pixel], image[pixel]);
            assert!((video - image).abs() < 3.0 / 255.0, "{video} and {image}");
        }
    }
}

#[test]
fn variable_frame_rates_are_kept_or_resampled() {
    let directory = TestDir::new();
    let path = directory.path().join("a.mkv");
    let gap = ["-vf", "select='not(between(n,3,6))'"];
    encode_greys(&path, (16, 16), &[&gap[..], &LOSSLESS].concat());
    assert_numbers(&path, &sampling(6, 1), &[0, 1, 2, 7, 8, 9]);
    assert!(refused(&path, &sampling(7, 1)).starts_with("a.mkv: 6 frames, "));
    assert_numbers(&path, &at_rate(10, 10.0), &[0, 1, 2, 2, 2, 2, 2, 7, 8, 9]);
    assert_numbers(&path, &at_rate(4, 10.0), &[2, 2, 2, 2]);
    assert!(refused(&path, &at_rate(11, 10.0)).starts_with("a.mkv: 10 frames at 10 per second, "));
}

#[test]
fn pixel_aspect_ratio_and_rotation_are_applied() {
    let directory = TestDir::new();
    // A white band in the middle of an image that is displayed twice as wide as high.
    let path = directory.path().join("wide.mkv");
    let pixels: Vec<u8> = (0..16 * 16 * 3)
        .map(|i| 255 * u8::from((4..12).contains(&(i / 3 % 16))))
        .collect();
    let wide = [&["-vf", "setsar=2"][..], &LOSSLESS].concat();
    encode(&path, (16, 16), &pixels, &wide);
    assert_eq!(read_clip(&path, &sampling(1, 1)).unwrap(), [1.0; 48]);

    // Black on the left and white on the right. A quarter turn puts one above the other.
    let path = directory.path().join("turned.mp4");
    let pixels: Vec<u8> = (0..16 * 16 * 3)
        .map(|i| 255 * u8::from(i / 3 % 16 >= 8))
        .collect();
    encode(&path, (16, 16), &pixels, &["-c:v", "mpeg4", "-q:v", "2"]);
    turn_display(&path);
    let frame = read_clip(&path, &sampling(1, 1)).unwrap();
    for (index, pixel) in frame.iter().enumerate() {
        let expected = f32::from(u8::from(index / 4 % 4 >= 2));
        assert!((pixel - expected).abs() < 0.2, "{index}: {pixel}");
    }
}

#[test]
fn file_names_are_not_parsed_as_options_or_addresses() {
    let directory = TestDir::new();
    for name in ["-i.mkv", "a:b.mkv", "http:%03d 'x' $(y) \"z\" é*?.mkv"] {
        let path = directory.path().join(name);
        encode_greys(&path, (8, 8), &LOSSLESS);
        assert_numbers(&path, &sampling(2, 1), &[4, 5]);
    }
}

#[test]
fn broken_videos_are_refused() {
    let directory = TestDir::new();
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let formats: [(&str, &[&str]); 5] = [
        ("a.mkv", &LOSSLESS),
        ("a.mp4", &["-c:v", "libx264"]),
        ("fast.mp4", &["-c:v", "libx264", "-movflags", "+faststart"]),
        ("a.webm", &["-c:v", "libvpx-vp9"]),
        ("a.avi", &["-c:v", "mpeg4"]),
    ];
    for (name, options) in formats {
        let whole = directory.path().join(name);
        let noise: Vec<u8> = (0..10 * 64 * 48 * 3u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as u8)
            .collect();
        encode(&whole, (64, 48), &noise, options);
        let bytes = std::fs::read(&whole).unwrap();
        for n_bytes in [bytes.len() / 2, bytes.len() * 3 / 4 + 5] {
            let message = refused(&write(name, &bytes[..n_bytes]), &sampling(1, 1));
            assert!(
                message.starts_with(&format!("{name}: cannot be decoded (")),
                "{message}"
            );
            assert!(
                message.ends_with("), expected a complete video file"),
                "{message}"
            );
            assert!(!message.contains("0x"), "{message}");
        }
    }
    assert_eq!(
        refused(&write("empty.mp4", b""), &sampling(1, 1)),
        "empty.mp4: empty, expected a video file"
    );
    let text = refused(&write("text.mp4", b"once upon a time\n"), &sampling(1, 1));
    assert!(text.starts_with("text.mp4: cannot be decoded ("), "{text}");
}

#[test]
fn audio_files_and_their_covers_are_not_videos() {
    let directory = TestDir::new();
    let cover = ["-c:v", "mjpeg", "-disposition:v", "attached_pic"];
    for (name, options) in [("sound.mp4", &["-vn"][..]), ("cover.mp4", &cover)] {
        let path = directory.path().join(name);
        let sine = [
            "-f",
            "lavfi",
            "-i",
            "sine=duration=1",
            "-c:a",
            "aac",
            "-map",
            "0:v",
            "-map",
            "1:a",
        ];
        encode(
            &path,
            (16, 16),
            &[100; 16 * 16 * 3],
            &[&sine[..], options].concat(),
        );
        assert_eq!(
            refused(&path, &sampling(1, 1)),
            format!("{name}: cannot be decoded (no video stream), expected a complete video file")
        );
    }
}

#[test]
fn parallel_reads_give_the_same_clip() {
    let directory = TestDir::new();
    let path = directory.path().join("a.mkv");
    encode_greys(&path, (16, 16), &LOSSLESS);
    let alone = numbers(&path, &sampling(5, 2));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| numbers(&path, &sampling(5, 2))))
            .collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), alone);
        }
    });
}
