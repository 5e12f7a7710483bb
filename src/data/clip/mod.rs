//! Clips from files: folders of frames, animated image files, and videos decoded by `ffmpeg`.

mod animation;
mod ffmpeg;
mod folder;
mod frame_cache;
mod frames;
mod stream_facts;
mod video;

use std::iter::StepBy;
use std::ops::Range;
use std::path::Path;

use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::frame_cache::FrameCache;
use super::decoding;
use super::image_file::{Square, centred_square, planes};
use crate::counted::counted;
use crate::error::{Error, Result};

pub(super) use folder::is_clip;
pub use folder::{ClipFolder, ListedClip, ListedClips, list_clips};

/// Largest accepted side of a frame, in pixels. A larger one is taken for a typing error.
const LARGEST_SIZE: usize = 4096;

/// Largest accepted number of frames of a clip. A larger one is taken for a typing error.
const MAX_FRAMES: usize = 10_000;

/// Largest accepted frame rate, in frames per second. A larger one is taken for a typing error.
const LARGEST_RATE: f64 = 1000.0;

/// Largest number of frames of a source, after resampling: eleven hours at 25 frames per second.
const MAX_SOURCE_FRAMES: usize = 1_000_000;

/// Largest size of the scaled frames kept in memory before the length of a source is known, in bytes.
const MEMORY: usize = 128 << 20;

/// Frames that a clip takes from its source, and their size.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipSampling {
    /// Number of frames of a clip.
    pub n_frames: usize,
    /// Distance between consecutive frames of a clip, in frames of the source after resampling.
    pub stride: usize,
    /// Frame rate to which the source is resampled before the stride, in frames per second; `None` to use
    /// the frames as they are stored.
    ///
    /// Folders of frames have no frame rate; asking for one is an error there.
    pub frame_rate: Option<f64>,
    /// Side of the square frames of a clip, in pixels.
    pub image_size: usize,
    /// Part of a source frame that is scaled to the square.
    pub crop: Crop,
}

/// Part of a frame that is scaled to a square.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// The largest centred square.
    #[default]
    Center,
    /// The whole frame, stretched to a square.
    Stretch,
}

impl ClipSampling {
    /// Checks the ranges of the settings.
    fn check(&self) -> Result<()> {
        self.check_by_name()
            .map_err(|(_, message)| Error::invalid_parameter(message))
    }

    /// Checks the ranges of the settings; the error has the name of the setting, and a message.
    pub(crate) fn check_by_name(&self) -> Result<(), (&'static str, String)> {
        let refuse = |name, actual: String, expected: String| {
            Err((name, format!("{name} is {actual}, expected {expected}")))
        };
        if !(1..=MAX_FRAMES).contains(&self.n_frames) {
            let expected = format!("1 to {MAX_FRAMES}");
            return refuse("n_frames", self.n_frames.to_string(), expected);
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

    /// Number of source frames from the first to the last frame of a clip: `(n_frames - 1) * stride + 1`.
    fn span(&self) -> usize {
        // Saturating: settings may be arbitrarily large, and no source is as long as the largest number.
        (self.n_frames - 1)
            .saturating_mul(self.stride)
            .saturating_add(1)
    }

    /// Index of the first frame of a clip within its source: the clip lies in the middle.
    ///
    /// It never decreases as the source grows, which lets the reader of videos discard earlier frames
    /// before it knows the length of the source.
    fn first_frame(&self, n_source_frames: usize) -> usize {
        n_source_frames.saturating_sub(self.span()) / 2
    }

    /// Indices of the frames of a clip within its source, around its middle.
    fn frame_indices(&self, path: &Path, n_source_frames: usize) -> Result<StepBy<Range<usize>>> {
        let span = self.span();
        if n_source_frames < span {
            return Err(Error::invalid_format(format!(
                "{}: {}{}, expected at least {span} for n_frames = {} and stride = {}; reduce one of them, or remove the clip",
                path.display(),
                counted(n_source_frames, "frame"),
                self.frame_rate
                    .map_or(String::new(), |rate| format!(" at {rate} per second")),
                self.n_frames,
                self.stride
            )));
        }
        let first = self.first_frame(n_source_frames);
        Ok((first..first + span).step_by(self.stride))
    }

    /// Number of bytes of a scaled frame, which holds red, green and blue of each pixel, row by row.
    fn n_bytes(&self) -> usize {
        3 * self.image_size * self.image_size
    }

    /// Crops and scales a frame of the source; returns its bytes.
    fn scale_frame(&self, frame: &RgbImage) -> Vec<u8> {
        let (width, height) = frame.dimensions();
        let (left, top, width, height) = match self.crop {
            Crop::Stretch => (0, 0, width, height),
            Crop::Center => {
                let Square { left, top, side } = centred_square(width, height);
                (left, top, side, side)
            }
        };
        // Cropped before scaling, which then costs less and mixes in no pixels from outside of the crop.
        let part = crop_imm(frame, left, top, width, height);
        let side = self.image_size as u32;
        resize(&*part, side, side, FilterType::Triangle).into_raw()
    }
}

/// Reads one clip: `[n_frames, 3, image_size, image_size]`, pixels in `[0, 1]`.
///
/// The source is a folder of image files, sorted by name with numbers compared as numbers; an animated GIF, WebP or PNG;
/// or a file with a video stream, which the program `ffmpeg` on the search path decodes. The clip lies
/// in the middle of the N frames of its source:
///
/// ```text
/// span = (n_frames - 1) * stride + 1
/// frames floor((N - span) / 2) + k * stride,  k = 0 to n_frames - 1
/// ```
///
/// With a `frame_rate` a video or animation is sampled at multiples of `1 / frame_rate` seconds from its first
/// frame on. An animation contributes the frame that is displayed at that time; times of at most 0.01 s count as
/// 0.1 s, as in browsers. Times of video frames are first rounded to the nearest multiple.
///
/// Frames of every source are turned upright, and transparent pixels are drawn over white, before they are scaled.
///
/// # Errors
///
/// - [`Error::is_file_error`] if a file cannot be read, or if `ffmpeg` is needed and missing.
/// - [`Error::is_invalid_format`] if there are fewer than `span` frames, or if a frame cannot be decoded, in an
///   animation or video even one outside of the clip. Truncated files are detected if their format states their
///   length, which a bare MPEG transport stream does not.
/// - [`Error::is_invalid_parameter`] if `sampling` is out of range, or if it has a frame rate and the clip is a
///   folder of frames.
///
/// # Cost
///
/// A folder has only the frames of the clip decoded. An animation or video is decoded completely, and up to the end of
/// the clip once more if the scaled frames do not fit into 128 MiB.
pub fn read_clip(path: &Path, sampling: &ClipSampling) -> Result<Vec<f32>> {
    read_clip_with(path, sampling, None)
}

/// Reads one clip as [`read_clip`] does; a video is decoded only if the cache does not have it.
fn read_clip_with(
    path: &Path,
    sampling: &ClipSampling,
    cache: Option<&FrameCache>,
) -> Result<Vec<f32>> {
    sampling.check()?;
    let decode_video = || video::read_video(path, sampling);
    // Every reader returns scaled frames with interleaved colours, the tensor needs planes.
    let frames = match (kind(path)?, cache) {
        (Kind::Frames, _) => frames::read_frames(path, sampling)?,
        (Kind::Animation, _) => animation::read_animation(path, sampling)?,
        (Kind::Video, None) => decode_video()?,
        (Kind::Video, Some(cache)) => {
            let clip = cache.read(path, || Ok(decode_video()?.concat()))?;
            return Ok(clip_planes(clip.chunks(sampling.n_bytes())));
        }
    };
    Ok(clip_planes(frames.iter().map(Vec::as_slice)))
}

/// Converts frames of interleaved bytes to `[n_frames, 3, image_size, image_size]`, with values in `[0, 1]`.
fn clip_planes<'a>(frames: impl Iterator<Item = &'a [u8]>) -> Vec<f32> {
    frames.flat_map(|frame| planes(frame, 3)).collect()
}

/// Storage format of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Folder of images.
    Frames,
    /// Animated image file.
    Animation,
    /// File that `ffmpeg` decodes.
    Video,
}

/// Determines the storage format of a clip from its path.
fn kind(path: &Path) -> Result<Kind> {
    let metadata = path
        .metadata()
        .map_err(|error| Error::cannot_read(path, error))?;
    Ok(if metadata.is_dir() {
        Kind::Frames
    } else if decoding::has_image_extension(path) {
        Kind::Animation
    } else if !metadata.is_file() {
        return Err(Error::file(format!(
            "{}: a pipe, socket or device, expected a file or a folder of frames",
            path.display()
        )));
    } else if metadata.len() == 0 {
        // Checked here to give a clearer message than that of `ffmpeg`.
        return Err(Error::invalid_format(format!(
            "{}: empty, expected a video file",
            path.display()
        )));
    } else {
        Kind::Video
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn sampling(n_frames: usize, stride: usize) -> ClipSampling {
        ClipSampling {
            n_frames,
            stride,
            frame_rate: None,
            image_size: 8,
            crop: Crop::Center,
        }
    }

    #[test]
    fn clips_lie_in_the_middle_of_their_source() {
        let indices = |sampling: &ClipSampling, n: usize| -> Vec<usize> {
            sampling.frame_indices(Path::new("a"), n).unwrap().collect()
        };
        assert_eq!(indices(&sampling(3, 2), 5), [0, 2, 4]);
        assert_eq!(indices(&sampling(3, 2), 6), [0, 2, 4]);
        assert_eq!(indices(&sampling(3, 2), 7), [1, 3, 5]);
        assert_eq!(indices(&sampling(1, 9), 5), [2]);
        let firsts: Vec<usize> = (0..9).map(|n| sampling(3, 2).first_frame(n)).collect();
        assert_eq!(firsts, [0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn impossible_samplings_are_refused() {
        let mut resampled = sampling(3, 2);
        resampled.frame_rate = Some(8.0);
        let error = resampled.frame_indices(Path::new("a"), 4).unwrap_err();
        assert!(error.is_invalid_format());
        assert_eq!(
            error.to_string(),
            "a: 4 frames at 8 per second, expected at least 5 for n_frames = 3 and stride = 2; reduce one of them, or remove the clip"
        );
        assert!(
            sampling(usize::MAX, usize::MAX)
                .frame_indices(Path::new("a"), 9)
                .is_err()
        );
        let with_size = |image_size| ClipSampling {
            image_size,
            ..sampling(1, 1)
        };
        let with_rate = |rate| ClipSampling {
            frame_rate: Some(rate),
            ..sampling(1, 1)
        };
        let cases = [
            (sampling(0, 1), "n_frames is 0, expected 1 to 10000"),
            (sampling(1, 0), "stride is 0, expected at least 1"),
            (with_size(0), "image_size is 0, expected 1 to 4096 pixels"),
            (
                with_size(4097),
                "image_size is 4097, expected 1 to 4096 pixels",
            ),
            (
                with_rate(f64::NAN),
                "frame_rate is NaN, expected above 0 and at most 1000 frames per second",
            ),
            (
                with_rate(0.0),
                "frame_rate is 0, expected above 0 and at most 1000 frames per second",
            ),
        ];
        for (sampling, expected) in cases {
            let error = read_clip(Path::new("a"), &sampling).unwrap_err();
            assert!(error.is_invalid_parameter());
            assert_eq!(error.to_string(), expected);
        }
    }
}
