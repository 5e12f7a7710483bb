//! Clips from folders of frames and from animations, and data sets of clips in class folders.
//!
//! Every pixel of frame `i` of a clip has the grey level `10 * i`.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn_topology::data::{ClipFolder, ClipSampling, Crop, Splits, list_clips, read_clip};
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, Rgb, RgbImage, Rgba, RgbaImage};

use super::encoders::{Part, write_animation};
use crate::util::{TestDir, io_kind};

pub fn sampling(n_frames: usize, stride: usize) -> ClipSampling {
    ClipSampling {
        n_frames,
        stride,
        frame_rate: None,
        image_size: 4,
        crop: Crop::Center,
    }
}

pub fn at_rate(n_frames: usize, rate: f64) -> ClipSampling {
    ClipSampling {
        frame_rate: Some(rate),
        ..sampling(n_frames, 1)
    }
}

/// Number of each frame, computed from its mean grey level.
pub fn numbers(path: &Path, sampling: &ClipSampling) -> Vec<f32> {
    let pixels = read_clip(path, sampling).unwrap();
    let n = 3 * sampling.image_size * sampling.image_size;
    assert_eq!(pixels.len(), n * sampling.n_frames);
    assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / n as f32 * 25.5;
    pixels.chunks(n).map(mean).collect()
}

#[track_caller]
pub fn assert_numbers(path: &Path, sampling: &ClipSampling, expected: &[u8]) {
    let actual = numbers(path, sampling);
    let rounded: Vec<u8> = actual.iter().map(|number| number.round() as u8).collect();
    assert_eq!(rounded, expected, "{actual:?}");
}

/// Error message for a clip that cannot be read, without the path of its directory.
pub fn refused(path: &Path, sampling: &ClipSampling) -> String {
    let error = read_clip(path, sampling).expect_err("a clip that cannot be read");
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    let directory = path.parent().expect("a directory");
    message.replace(&format!("{}/", directory.display()), "")
}

fn grey(number: u8) -> RgbImage {
    RgbImage::from_pixel(4 + u32::from(number % 3), 4, Rgb([10 * number; 3]))
}

/// Writes frames numbered from 1, some PNG and some JPEG, of several sizes.
fn write_frames(folder: &Path, n_frames: u8) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..n_frames {
        let ending = if number % 4 == 3 { "JPG" } else { "png" };
        let name = format!("frame{}.{ending}", number + 1);
        grey(number).save(folder.join(name)).unwrap();
    }
}

/// Writes a GIF with one frame for each delay, in milliseconds.
fn write_gif(path: &Path, delays: &[u32]) {
    let mut encoder = GifEncoder::new(File::create(path).unwrap());
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for (number, &delay) in delays.iter().enumerate() {
        let image = RgbaImage::from_pixel(
            8,
            4,
            Rgba(
                [[10 * number as u8; 3].as_slice(), &[255]]
                    .concat()
                    .try_into()
                    .unwrap(),
            ),
        );
        let delay = Delay::from_numer_denom_ms(delay, 1);
        encoder
            .encode_frame(Frame::from_parts(image, 0, 0, delay))
            .unwrap();
    }
}

#[test]
fn clips_take_numbered_frames_from_the_middle() {
    let directory = TestDir::new();
    let clip = directory.path().join("clip");
    write_frames(&clip, 12);
    std::fs::write(clip.join("notes.txt"), "x").unwrap();
    assert_numbers(
        &clip,
        &sampling(12, 1),
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    );
    assert_numbers(&clip, &sampling(4, 1), &[4, 5, 6, 7]);
    assert_numbers(&clip, &sampling(4, 3), &[1, 4, 7, 10]);
    assert_numbers(&clip, &sampling(1, 100), &[5]);
}

#[test]
fn frames_are_cropped_to_their_centre_or_stretched() {
    let directory = TestDir::new();
    // Red, green and blue from left to right, then from top to bottom.
    let stripe = |position: u32| {
        let is_on = [position < 2, (2..6).contains(&position), position >= 6];
        Rgb(is_on.map(|on| 255 * u8::from(on)))
    };
    RgbImage::from_fn(8, 4, |column, _| stripe(column))
        .save(directory.path().join("1.png"))
        .unwrap();
    RgbImage::from_fn(4, 8, |_, row| stripe(row))
        .save(directory.path().join("2.png"))
        .unwrap();
    let green = [[0.0; 16], [1.0; 16], [0.0; 16]].concat();
    let pixels = read_clip(directory.path(), &sampling(2, 1)).unwrap();
    assert_eq!(pixels, [green.clone(), green].concat());
    let stretched = ClipSampling {
        crop: Crop::Stretch,
        image_size: 8,
        ..sampling(2, 1)
    };
    let pixels = read_clip(directory.path(), &stretched).unwrap();
    let at = |frame: usize, channel: usize, row: usize, column: usize| {
        pixels[((frame * 3 + channel) * 8 + row) * 8 + column]
    };
    for position in 0..8 {
        let [red, green, blue] = stripe(position as u32)
            .0
            .map(|value| f32::from(value) / 255.0);
        for other in 0..8 {
            assert_eq!(
                [0, 1, 2].map(|c| at(0, c, other, position)),
                [red, green, blue]
            );
            assert_eq!(
                [0, 1, 2].map(|c| at(1, c, position, other)),
                [red, green, blue]
            );
        }
    }
}

#[test]
fn missing_and_undecodable_frames_are_refused() {
    let directory = TestDir::new();
    let clip = directory.path().join("clip");
    write_frames(&clip, 5);
    assert_eq!(
        refused(&clip, &sampling(3, 3)),
        "clip: 5 frames, expected at least 7 for n_frames = 3 and stride = 3; reduce one of them, or remove the clip"
    );
    assert_eq!(
        refused(&clip, &at_rate(3, 8.0)),
        "clip: a folder of frames has no frame rate to resample from; leave frame_rate out, or use video files or animations"
    );
    std::fs::write(clip.join("frame3.png"), "x").unwrap();
    let message = refused(&clip, &sampling(3, 1));
    assert!(
        message.starts_with("clip/frame3.png: cannot be decoded ("),
        "{message}"
    );
    let error = |path: &Path, sampling: &ClipSampling| read_clip(path, sampling).unwrap_err();
    assert!(error(&clip, &sampling(3, 1)).is_invalid_format());
    assert!(error(&clip, &at_rate(3, 8.0)).is_invalid_parameter());
    let nowhere = directory.path().join("nowhere.mp4");
    let error = error(&nowhere, &sampling(1, 1));
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    let missing = refused(&nowhere, &sampling(1, 1));
    assert!(
        missing.starts_with("nowhere.mp4: cannot be read: "),
        "{missing}"
    );
}

#[test]
fn gifs_are_resampled_by_frame_delays() {
    let directory = TestDir::new();
    let path = directory.path().join("a.GIF");
    // The delay of the last frame is too short to be taken literally and counts as 100 ms.
    write_gif(&path, &[100, 50, 250, 0]);
    assert_numbers(&path, &sampling(4, 1), &[0, 1, 2, 3]);
    assert_numbers(&path, &sampling(2, 1), &[1, 2]);
    assert_numbers(&path, &at_rate(5, 10.0), &[0, 1, 2, 2, 3]);
    assert_numbers(&path, &at_rate(3, 10.0), &[1, 2, 2]);
    assert_eq!(
        refused(&path, &at_rate(6, 10.0)),
        "a.GIF: 5 frames at 10 per second, expected at least 6 for n_frames = 6 and stride = 1; reduce one of them, or remove the clip"
    );
    write_gif(&path, &[100]);
    assert_numbers(&path, &sampling(1, 1), &[0]);
}

#[test]
fn broken_gifs_are_refused() {
    let directory = TestDir::new();
    let path = directory.path().join("a.gif");
    write_gif(&path, &[100; 6]);
    let bytes = std::fs::read(&path).unwrap();
    for broken in [
        &bytes[..bytes.len() - 1],
        &bytes[..bytes.len() - 9],
        &bytes[..bytes.len() / 2],
        b"GIF89a",
        b"text",
        b"",
    ] {
        std::fs::write(&path, broken).unwrap();
        let message = refused(&path, &sampling(2, 1));
        assert!(
            message.starts_with("a.gif: cannot be decoded ("),
            "{message}"
        );
        assert!(
            message.ends_with("), expected a complete GIF file"),
            "{message}"
        );
    }
}

/// Writes `train` with four clips of at least three frames for each of `run` and `sit`, and `test` with
/// one.
fn write_clips(root: &Path) {
    for (split, n_clips) in [("train", 4), ("test", 1)] {
        for class in ["run", "sit"] {
            let folder = root.join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for clip in 0..n_clips {
                match class {
                    "run" => write_frames(&folder.join(format!("clip{clip}")), 3 + clip),
                    _ => write_gif(&folder.join(format!("clip{clip}.gif")), &[100; 5]),
                }
            }
            std::fs::write(folder.join("notes.txt"), "x").unwrap();
        }
    }
}

fn settings(root: &Path, skip_unreadable: bool) -> ClipFolder {
    ClipFolder {
        path: root.to_owned(),
        n_classes: 2,
        validation_fraction: Some(0.25),
        sampling: sampling(3, 1),
        skip_unreadable,
    }
}

fn sizes(clips: &Splits) -> [usize; 3] {
    [&clips.train, &clips.validation, &clips.test].map(|split| split.len())
}

#[test]
fn clip_folders_hold_frames_and_gifs() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let clips = settings(directory.path(), true).open().unwrap();
    assert_eq!(sizes(&clips), [6, 2, 2]);
    // A file of notes lies in each class folder of both splits.
    let note = format!(
        "{}: 4 entries not read as clips: 4 .txt; the first: train/run/notes.txt",
        directory.path().display()
    );
    assert_eq!(clips.notes, [note]);
    let [train, validation, test] = [&clips.train, &clips.validation, &clips.test];
    let labels = |indices: Vec<usize>| -> Vec<usize> {
        let items = train.get_many(indices).unwrap();
        items.into_iter().map(|clip| clip.label).collect()
    };
    assert_eq!(labels((0..6).rev().collect()), [1, 1, 1, 0, 0, 0]);
    assert_eq!(validation.get(1).unwrap().label, 1);
    let run = test.get(0).unwrap();
    assert_eq!((run.label, run.pixels.len()), (0, 3 * 3 * 4 * 4));
    assert_eq!(run.pixels[..48], [0.0; 48]);
    assert_eq!(run.pixels[96..], [20.0 / 255.0; 48]);
    assert_eq!(test.get_many(vec![1, 0]).unwrap()[1], run);
}

#[test]
fn digest_depends_on_names_and_contents_of_frames() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let digest = || settings(directory.path(), false).open().unwrap().sha256;
    let before = digest();
    assert_eq!(before.len(), 64);
    let frame = directory.path().join("train/run/clip0/frame1.png");
    std::fs::rename(&frame, frame.with_file_name("frame9.png")).unwrap();
    let renamed = digest();
    std::fs::rename(frame.with_file_name("frame9.png"), &frame).unwrap();
    assert_eq!(digest(), before);
    write_gif(&directory.path().join("test/sit/clip0.gif"), &[100; 6]);
    let grown = digest();
    assert!(before != grown && before != renamed && grown != renamed);
}

#[test]
fn unreadable_clips_are_errors_or_left_out() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let broken = |name: &str| -> PathBuf { directory.path().join("train").join(name) };
    let whole = settings(directory.path(), false).open().unwrap();
    std::fs::write(broken("sit/clip1.gif"), "x").unwrap();
    std::fs::remove_dir_all(broken("run/clip2")).unwrap();
    std::fs::create_dir(broken("run/clip2")).unwrap();

    let clips = settings(directory.path(), false).open().unwrap();
    assert_eq!(sizes(&clips), sizes(&whole));
    let all: Vec<usize> = (0..clips.train.len()).collect();
    let message = clips.train.get_many(all).unwrap_err().to_string();
    let first = format!(
        "{}: 0 frames, expected at least 3",
        broken("run/clip2").display()
    );
    assert!(message.starts_with(&first), "{message}");

    let clips = settings(directory.path(), true).open().unwrap();
    assert_eq!(sizes(&clips).iter().sum::<usize>(), 8);
    let note = &clips.notes[1];
    let left_out = "left out 2 clips that cannot be read; the first: ";
    assert!(note.starts_with(&format!("{left_out}{first}")), "{note}");
    for split in [&clips.train, &clips.validation, &clips.test] {
        assert!(split.get_many((0..split.len()).collect()).is_ok());
    }

    for number in 0..4 {
        std::fs::write(broken(&format!("sit/clip{number}.gif")), "x").unwrap();
    }
    let Err(error) = settings(directory.path(), true).open() else {
        panic!("a class without clips was opened");
    };
    assert!(error.is_invalid_format());
    let message = error.to_string();
    let clip = broken("sit/clip");
    assert!(
        message.starts_with(&clip.display().to_string()),
        "{message}"
    );
    assert!(
        message.contains(".gif: none of 3 train clips can be read; the first error is: "),
        "{message}"
    );
}

#[test]
fn broken_clip_folders_are_refused() {
    let directory = TestDir::new();
    let root = directory.path().join("clips");
    let error = || {
        let Err(error) = settings(&root, false).open() else {
            panic!("a broken folder was opened");
        };
        error
    };
    let message = || {
        let message = error().to_string();
        message.replace(&format!("{}/", directory.path().display()), "")
    };
    assert!(error().is_file_error());
    assert_eq!(io_kind(&error()), Some(ErrorKind::NotFound));
    assert_eq!(
        message(),
        "clips/train: no such folder, expected clips in `train/<class>/`, `test/<class>/` and, unless data.validation_fraction is set, `val/<class>/`"
    );
    write_clips(&root);
    std::fs::remove_file(root.join("test/sit/clip0.gif")).unwrap();
    assert_eq!(
        message(),
        "clips/test/sit: no clips in this folder itself, expected folders of frames, animations with the extension `.gif`, `.webp`, `.png`, `.apng`, or videos with the extension `.mp4`, `.m4v`, `.mov`, `.webm`, `.mkv`, `.avi`, `.mpg`, `.mpeg`, `.m2v`, `.ts`, `.mts`, `.wmv`, `.flv`, `.ogv`, `.3gp`, `.y4m`"
    );
    assert!(error().is_invalid_format());
    std::fs::create_dir(root.join("train/third")).unwrap();
    assert_eq!(
        message(),
        "clips/train: 3 class folders (`run`, `sit`, `third`), expected 2 (data.n_classes)"
    );
}

#[test]
fn animated_images_are_clips_and_still_images_are_frames() {
    let directory = TestDir::new();
    let root = directory.path().join("clips");
    write_clips(&root);
    let animate = |path: &Path| {
        let parts: Vec<Part> = (0..3u8)
            .map(|number| {
                let colour = Rgba([10 * number, 10 * number, 10 * number, 255]);
                Part::whole(RgbaImage::from_pixel(8, 4, colour))
            })
            .collect();
        write_animation(path, (8, 4), &parts, 1);
    };
    let folder = root.join("train/sit");
    for name in ["a.webp", "b.png", "c.apng", "d.gif"] {
        animate(&folder.join(name));
    }
    for name in ["e.webp", "f.png", "g.jpg"] {
        grey(1).save(folder.join(name)).unwrap();
    }
    let clips = settings(&root, false).open().unwrap();
    assert_eq!(sizes(&clips).iter().sum::<usize>(), 14);
    for index in 0..clips.train.len() {
        assert_eq!(clips.train.get(index).unwrap().pixels.len(), 3 * 3 * 4 * 4);
    }
    let note = &clips.notes[0];
    let counts = ": 7 entries not read as clips: 1 .jpg, 1 .png, 4 .txt, 1 .webp; the first: ";
    assert!(note.contains(counts), "{note}");

    // A folder of animations is a group of clips and not a clip, and an animation among frames is no frame.
    let listed = list_clips(&folder).unwrap();
    let n_clips = listed.clips.len();
    std::fs::create_dir(folder.join("more")).unwrap();
    std::fs::create_dir(folder.join("clip9")).unwrap();
    animate(&folder.join("more/x.webp"));
    animate(&folder.join("clip9/x.webp"));
    write_frames(&folder.join("clip9"), 4);
    let listed = list_clips(&folder).unwrap();
    assert_eq!(listed.clips.len(), n_clips + 2);
    let group = |name: &str| {
        let mut clips = listed.clips.iter();
        let clip = clips.find(|clip| clip.path.ends_with(name)).unwrap();
        clip.group.clone()
    };
    assert_eq!(group("more/x.webp").as_deref(), Some("more"));
    assert_eq!(group("clip9"), None);
    assert_numbers(&folder.join("clip9"), &sampling(4, 1), &[0, 1, 2, 3]);
    assert_eq!(listed.notes.len(), 1);
}
