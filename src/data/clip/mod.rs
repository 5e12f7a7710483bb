//! Clips from the disk: folders of frames, animated GIFs, and whatever `ffmpeg` decodes.

mod animation;
mod ffmpeg;
mod folder;
mod frames;
mod video;

use std::iter::StepBy;
use std::ops::Range;
use std::path::Path;

use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};

use super::class_folder::unreadable;
use super::image_file::{centred_square, planes};

pub use folder::{ClipFolder, clips_in};

/// Largest side of a frame, in pixels, and largest frame rate; beyond them is a slip of the pen.
const LARGEST_SIZE: usize = 4096;
const LARGEST_RATE: f64 = 1000.0;

/// How clips are cut out of what is on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipCut {
    /// Number of frames of a clip.
    pub n_frames: usize,
    /// Every how many frames of the source, after resampling, one is taken.
    pub stride: usize,
    /// Frames per second that the source is resampled to before the stride; frames as they are
    /// stored where absent. Folders of frames have no rate, and it is an error there.
    pub frame_rate: Option<f64>,
    /// Side that frames are scaled to, in pixels.
    pub image_size: usize,
    /// What is scaled.
    pub crop: Crop,
}

/// What of a frame is scaled to a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// The largest centred square.
    Center,
    /// The whole frame, whatever its proportions.
    Stretch,
}

impl ClipCut {
    /// Refuses numbers that no clip can be cut with.
    fn check(&self) -> Result<(), String> {
        let refuse = |name, found: String, expected: String| {
            Err(format!("{name} is {found}, expected {expected}"))
        };
        if self.n_frames == 0 {
            return refuse("n_frames", "0".into(), "at least 1".into());
        }
        if self.stride == 0 {
            return refuse("stride", "0".into(), "at least 1".into());
        }
        if !(1..=LARGEST_SIZE).contains(&self.image_size) {
            let expected = format!("1 to {LARGEST_SIZE} pixels");
            return refuse("image_size", self.image_size.to_string(), expected);
        }
        match self.frame_rate {
            Some(rate) if !(rate > 0.0 && rate <= LARGEST_RATE) => {
                let expected = format!("above 0 and at most {LARGEST_RATE} frames per second");
                refuse("frame_rate", rate.to_string(), expected)
            }
            _ => Ok(()),
        }
    }

    /// Number of source frames from the first to the last of a clip.
    fn span(&self) -> usize {
        (self.n_frames - 1)
            .saturating_mul(self.stride)
            .saturating_add(1)
    }

    /// Place of the first frame of a clip in a source; it never falls as the source grows.
    fn first_of(&self, n_source_frames: usize) -> usize {
        n_source_frames.saturating_sub(self.span()) / 2
    }

    /// Places of the frames of a clip in a source, around its middle.
    fn places(&self, path: &Path, n_source_frames: usize) -> Result<StepBy<Range<usize>>, String> {
        let span = self.span();
        if n_source_frames < span {
            let rate = self.frame_rate;
            return Err(format!(
                "{}: {n_source_frames} frames{}, expected at least {span} for n_frames = {} and stride = {}; lower one of them, or take the clip out",
                path.display(),
                rate.map_or(String::new(), |rate| format!(" at {rate} per second")),
                self.n_frames,
                self.stride
            ));
        }
        let first = self.first_of(n_source_frames);
        Ok((first..first + span).step_by(self.stride))
    }

    /// Bytes of one frame: red, green and blue of each pixel, row by row.
    fn n_bytes(&self) -> usize {
        3 * self.image_size * self.image_size
    }

    /// The bytes of a frame that is as large as in its file.
    fn scaled(&self, frame: &RgbImage) -> Vec<u8> {
        let (width, height) = frame.dimensions();
        let (left, top, width, height) = match self.crop {
            Crop::Stretch => (0, 0, width, height),
            Crop::Center => {
                let (left, top, side) = centred_square(width, height);
                (left, top, side, side)
            }
        };
        let part = crop_imm(frame, left, top, width, height);
        let side = self.image_size as u32;
        resize(&*part, side, side, FilterType::Triangle).into_raw()
    }
}

/// Frames of one clip: `[n_frames, 3, image_size, image_size]`, in `[0, 1]`.
///
/// The source is a folder of PNG or JPEG frames, which are sorted by name with the numbers in names
/// compared as numbers; a GIF; or a file with a video stream, decoded by the program `ffmpeg` from
/// the search path. Of its N frames, `(n_frames - 1) * stride + 1` around the middle are spanned:
/// those from `(N - span) / 2`, rounded down.
///
/// With a `frame_rate` a video or GIF is looked at once per tick of that rate from its first frame
/// on. A GIF then shows its newest frame; delays below 0.02 s are 0.1 s, as browsers take them.
/// Times of video frames are rounded to the nearest tick first.
///
/// # Errors
///
/// One sentence with the file if there are fewer frames than that, if any frame cannot be decoded,
/// also one outside the clip, or if `ffmpeg` is needed and missing. A truncated file is told
/// wherever its format says how long it should be, which a bare MPEG transport stream does not.
///
/// # Cost
///
/// The whole source is decoded once, and twice if it is a GIF or a video whose scaled frames do not
/// fit the memory set aside for them.
pub fn read_clip(path: &Path, cut: &ClipCut) -> Result<Vec<f32>, String> {
    cut.check()?;
    let frames = match kind(path)? {
        Kind::Frames => frames::read_frames(path, cut)?,
        Kind::Animation => animation::read_animation(path, cut)?,
        Kind::Video => video::read_video(path, cut)?,
    };
    Ok(frames.iter().flat_map(|frame| planes(frame, 3)).collect())
}

/// How a clip is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frames,
    Animation,
    Video,
}

fn kind(path: &Path) -> Result<Kind, String> {
    let metadata = path.metadata().map_err(|error| unreadable(path, &error))?;
    let ending = path.extension().unwrap_or_default();
    Ok(if metadata.is_dir() {
        Kind::Frames
    } else if ending.eq_ignore_ascii_case("gif") {
        Kind::Animation
    } else if metadata.len() == 0 {
        return Err(format!("{}: empty, expected a video file", path.display()));
    } else {
        Kind::Video
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn cut(n_frames: usize, stride: usize) -> ClipCut {
        ClipCut {
            n_frames,
            stride,
            frame_rate: None,
            image_size: 8,
            crop: Crop::Center,
        }
    }

    #[test]
    fn the_window_lies_in_the_middle_and_moves_only_forward() {
        let places = |cut: &ClipCut, n: usize| -> Vec<usize> {
            cut.places(Path::new("a"), n).unwrap().collect()
        };
        assert_eq!(places(&cut(3, 2), 5), [0, 2, 4]);
        assert_eq!(places(&cut(3, 2), 6), [0, 2, 4]);
        assert_eq!(places(&cut(3, 2), 7), [1, 3, 5]);
        assert_eq!(places(&cut(1, 9), 5), [2]);
        let firsts: Vec<usize> = (0..9).map(|n| cut(3, 2).first_of(n)).collect();
        assert_eq!(firsts, [0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn impossible_cuts_give_one_sentence() {
        let mut resampled = cut(3, 2);
        resampled.frame_rate = Some(8.0);
        assert_eq!(
            resampled.places(Path::new("a"), 4).unwrap_err(),
            "a: 4 frames at 8 per second, expected at least 5 for n_frames = 3 and stride = 2; lower one of them, or take the clip out"
        );
        assert!(
            cut(usize::MAX, usize::MAX)
                .places(Path::new("a"), 9)
                .is_err()
        );
        let of_size = |image_size| ClipCut {
            image_size,
            ..cut(1, 1)
        };
        let of_rate = |rate| ClipCut {
            frame_rate: Some(rate),
            ..cut(1, 1)
        };
        let cases = [
            (cut(0, 1), "n_frames is 0, expected at least 1"),
            (cut(1, 0), "stride is 0, expected at least 1"),
            (of_size(0), "image_size is 0, expected 1 to 4096 pixels"),
            (
                of_rate(f64::NAN),
                "frame_rate is NaN, expected above 0 and at most 1000 frames per second",
            ),
            (
                of_rate(0.0),
                "frame_rate is 0, expected above 0 and at most 1000 frames per second",
            ),
        ];
        for (cut, expected) in cases {
            assert_eq!(read_clip(Path::new("a"), &cut).unwrap_err(), expected);
        }
    }
}
