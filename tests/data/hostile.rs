//! Hostile files: pipes, devices, and files that would take all memory or time are refused in one sentence.

use std::io::{Cursor, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use burn_topology::data::{SampleSpec, read_clip, read_image};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::clip_folder::{at_rate, refused, sampling};
use crate::train::tiny_config;
use crate::util::{TestDir, program, run_program};

/// Runs the program, which must end within some seconds; returns its exit code and its message.
fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let start = Instant::now();
    let mut child = program(directory, arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), message)
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_at_once() {
    let directory = TestDir::new();
    for name in [
        "a.png",
        "a.npy",
        "a.npz",
        "a.toml",
        "a.mp4",
        "a.safetensors",
    ] {
        let made = Command::new("mkfifo")
            .arg(directory.path().join(name))
            .status();
        assert!(made.unwrap().success());
    }
    let cases: [(&[&str], &str); 8] = [
        (&["config", "check", "a.toml"], "a.toml: "),
        (&["config", "check", "/dev/zero"], "/dev/zero: "),
        (&["train", "a.toml"], "a.toml: "),
        (&["ablate", "a.toml", "--output", "study"], "a.toml: "),
        (&["persistence", "a.npy", "--output", "b.npz"], "a.npy: "),
        (&["diagram-distance", "a.npz", "a.npz"], "a.npz: "),
        (&["weights", "a.safetensors"], "a.safetensors: "),
        (&["weights", "/dev/zero"], "/dev/zero: "),
    ];
    for (arguments, name) in cases {
        let (code, message) = run(directory.path(), arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {message}");
        assert!(
            message.contains(name)
                && (message.contains("it is a pipe") || message.contains("it is a device")),
            "{arguments:?}: {message}"
        );
    }
    let path = directory.path().join("a.mp4");
    let expected = "a.mp4: a pipe, socket or device, expected a file or a folder of frames";
    assert_eq!(refused(&path, &sampling(1, 1)), expected);
    let path = directory.path().join("a.png");
    assert!(refused(&path, &sampling(1, 1)).contains("a pipe"));
}

#[test]
fn large_configurations_are_refused_before_they_are_read() {
    let directory = TestDir::new();
    let array = format!("x = [{}]", "1,".repeat(600_000));
    std::fs::write(directory.path().join("array.toml"), array).unwrap();
    let (code, message) = run(directory.path(), &["config", "check", "array.toml"]);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("array.toml: ") && message.contains("larger than 1048576 bytes"),
        "{message}"
    );
}

/// Animation of frames of one pixel that are displayed for `hundredths` of a second each, on a canvas of this side.
fn write_gif(path: &Path, side: u16, n_frames: usize, hundredths: u16) {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([side.to_le_bytes(), side.to_le_bytes()].concat());
    // Two colours, and their table.
    bytes.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    for _ in 0..n_frames {
        let [low, high] = hundredths.to_le_bytes();
        bytes.extend([0x21, 0xf9, 4, 4, low, high, 0, 0]);
        bytes.extend([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0]);
        // Codes of three bits: clear, colour 0, end.
        bytes.extend([2, 2, 0x44, 0x01, 0]);
    }
    bytes.push(0x3b);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn the_length_of_an_animation_is_judged_before_it_is_resampled() {
    let directory = TestDir::new();
    let path = directory.path().join("slow.gif");
    write_gif(&path, 1, 2000, u16::MAX);
    let start = Instant::now();
    assert_eq!(
        refused(&path, &at_rate(2, 1000.0)),
        "slow.gif: 1310700 s at 1000 frames per second are 1310700000 frames, expected at most 1000000; lower \
         data.frame_rate, or remove the clip"
    );
    // A rate that fits gives the clip.
    let clip = read_clip(&path, &at_rate(2, 0.5));
    assert_eq!(clip.unwrap().len(), 2 * 3 * 4 * 4);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn the_frames_of_an_animation_are_limited() {
    let directory = TestDir::new();
    let path = directory.path().join("large.gif");
    write_gif(&path, 8000, 2, 4);
    let message = refused(&path, &sampling(1, 1));
    assert!(
        message.starts_with("large.gif: cannot be decoded (")
            && message.ends_with(", expected frames of at most 33554432 pixels"),
        "{message}"
    );
}

#[test]
fn a_frame_larger_than_its_animation_is_refused_before_it_is_decoded() {
    let directory = TestDir::new();
    let path = directory.path().join("large.webp");
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files/images");
    let mut bytes = std::fs::read(stored.join("animation.webp")).unwrap();
    // The size of the first frame, 4 million by 225 pixels, which would take 3.7 GB.
    assert_eq!(&bytes[44..48], b"ANMF");
    (bytes[60], bytes[61]) = (63, 224);
    std::fs::write(&path, bytes).unwrap();
    let message = refused(&path, &sampling(1, 1));
    assert!(
        message.contains("a frame is larger than the image"),
        "{message}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_the_system_refuses_are_one_sentence() {
    let directory = TestDir::new();
    // Stacks of 2 MiB each in 6 GB of addresses.
    let script = "ulimit -v 6000000; exec \"$0\" devices";
    let start = |n_threads: &str| {
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_burn-topology")])
            .env("RAYON_NUM_THREADS", n_threads)
            .current_dir(directory.path())
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        message
    };
    assert_eq!(
        start("100000"),
        "burn-topology: the environment variable RAYON_NUM_THREADS is 100000, expected at most 4096\n"
    );
    let message = start("4096");
    assert!(
        message.starts_with("burn-topology: the system refuses to start threads (")
            && message.lines().count() == 1,
        "{message}"
    );
}

#[test]
fn a_file_in_the_way_of_a_run_is_no_run() {
    let directory = TestDir::new();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/digits_vit.toml");
    let (code, message) = run(directory.path(), &["train", config, "--output", "file/run"]);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("file/run: cannot be written, since file is a file, expected a directory"),
        "{message}"
    );
}

/// PNG file of 8 by 8 black pixels with another chunk of this kind.
fn png_with(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let image = image::RgbImage::new(8, 8);
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(content);
    // After the signature and the header of the image.
    let (start, rest) = png.split_at(8 + 25);
    let length = (content.len() as u32).to_be_bytes();
    [
        start,
        &length,
        kind,
        content,
        &crc.sum().to_be_bytes(),
        rest,
    ]
    .concat()
}

/// Zlib stream of this many MiB of zeros, in a thousandth of the size.
fn packed_zeros(n_mib: u32) -> Vec<u8> {
    let mut mib = DeflateEncoder::new(Vec::new(), Compression::best());
    mib.write_all(&vec![0; 1 << 20]).unwrap();
    // Ends at a whole byte, so that copies of it can follow one another.
    mib.flush().unwrap();
    let mib = mib.get_ref().clone();
    let mut stream = vec![0x78, 0xda];
    for _ in 0..n_mib {
        stream.extend(&mib);
    }
    // An empty last block, and the checksum of zeros.
    stream.extend([3, 0]);
    let sum = (u64::from(n_mib) * (1 << 20) % 65521) as u32;
    stream.extend((sum << 16 | 1).to_be_bytes());
    stream
}

#[cfg(target_os = "linux")]
#[test]
fn texts_and_profiles_of_images_do_not_unpack_without_a_limit() {
    let directory = TestDir::new();
    let root = directory.path();
    let zeros = packed_zeros(4096);
    for (name, kind, start) in [
        ("text.png", b"zTXt", &b"a\0\0"[..]),
        ("international.png", b"iTXt", b"a\0\x01\0\0\0"),
        ("profile.png", b"iCCP", b"a\0\0"),
    ] {
        let png = png_with(kind, &[start, &zeros].concat());
        std::fs::write(root.join(name), png).unwrap();
    }
    let config = tiny_config(root, None);
    let trained = run_program(root, &["train", &config, "--output", "run"]);
    assert!(trained.status.success());
    for name in ["text.png", "international.png", "profile.png"] {
        // Less than the 4 GiB to which the chunks unpack.
        let script = "ulimit -v 3000000; exec \"$0\" predict run \"$1\" --threads 1";
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_burn-topology"), name])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
    }
}

#[test]
fn a_jpeg_that_is_cut_anywhere_is_refused() {
    let directory = TestDir::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files/images");
    let spec = SampleSpec {
        n_frames: 1,
        n_channels: 3,
        height: 8,
        width: 8,
        n_classes: 2,
    };
    let mut grey = Cursor::new(Vec::new());
    let pixels = image::GrayImage::from_fn(40, 30, |x, y| image::Luma([(5 * x + y) as u8]));
    pixels
        .write_to(&mut grey, image::ImageFormat::Jpeg)
        .unwrap();
    let mut files = vec![("grey.jpg", grey.into_inner())];
    for name in ["progressive.jpg", "subsampled.jpg", "cmyk.jpg"] {
        files.push((name, std::fs::read(stored.join(name)).unwrap()));
    }
    for (name, bytes) in files {
        let path = directory.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        assert!(read_image(&path, spec).is_ok(), "{name}");
        for part in 0..40 {
            std::fs::write(&path, &bytes[..bytes.len() * part / 40]).unwrap();
            let error = read_image(&path, spec).unwrap_err().to_string();
            assert!(error.contains(name), "{part}: {error}");
        }
    }
}
