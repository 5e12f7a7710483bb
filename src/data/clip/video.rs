//! Clips stored as video files.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;

use super::ffmpeg::{Decoding, VideoPrograms, each_frame};
use super::stream_facts::{StreamFacts, Transparency, stream_facts};
use super::{ClipSampling, Crop, MAX_SOURCE_FRAMES, MEMORY};
use crate::error::{Error, Result};

/// Flags of the scaler: the average over all source pixels, and the same rounding on every processor.
const FLAGS: &str = "bilinear+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact";

/// Reads the frames of a clip, turned as the file specifies, over white, cropped and scaled, in colour.
///
/// # Errors
///
/// If any part of the file is missing or damaged, if it has no video stream, if there are too few frames,
/// or if there is no `ffmpeg`.
pub(super) fn read_video(path: &Path, sampling: &ClipSampling) -> Result<Vec<Vec<u8>>> {
    read_middle(&VideoPrograms::on_path()?, path, sampling, MEMORY)
}

/// Reads the frames of a clip from the middle of a video whose length is not known in advance.
///
/// Frames that may belong to the clip are kept while the video is decoded. If they take more than
/// `memory` bytes, only the number of frames is counted, and the file is decoded a second time, up to the
/// end of the clip.
fn read_middle(
    programs: &VideoPrograms,
    path: &Path,
    sampling: &ClipSampling,
    memory: usize,
) -> Result<Vec<Vec<u8>>> {
    let decoding = decoding(sampling, &stream_facts(programs, path)?)
        .map_err(|error| error.within(path.display()))?;
    let frame_len = sampling.n_bytes();
    let (mut n_frames, mut kept, mut fits) = (0, VecDeque::new(), true);
    each_frame(programs, path, &decoding, frame_len, |frame| {
        n_frames += 1;
        if fits {
            kept.push_back(frame.to_vec());
            // A longer video never has an earlier first frame, so frames before it are not needed again.
            while n_frames - kept.len() < sampling.first_frame(n_frames) {
                kept.pop_front();
            }
            fits = kept.len() * frame.len() <= memory;
        } else {
            // From here on only the length is needed; memory must not grow with it.
            kept.clear();
        }
        ControlFlow::Continue(())
    })?;
    let mut indices = sampling.frame_indices(path, n_frames)?;
    if fits {
        let n_dropped = n_frames - kept.len();
        return Ok(indices
            // Indices of a clip are all different, so each frame is taken once.
            .map(|index| std::mem::take(&mut kept[index - n_dropped]))
            .collect());
    }
    let (mut clip, mut next) = (Vec::with_capacity(sampling.n_frames), indices.next());
    let mut index = 0;
    each_frame(programs, path, &decoding, frame_len, |frame| {
        if next == Some(index) {
            clip.push(frame.to_vec());
            next = indices.next();
        }
        index += 1;
        match next {
            Some(_) => ControlFlow::Continue(()),
            // Damage after the clip was found in the first pass, which decoded everything.
            None => ControlFlow::Break(()),
        }
    })?;
    Ok(clip)
}

/// Filters of `ffmpeg` that resample, draw over white, crop and scale the frames before they enter the pipe; and how
/// many of them there may be.
///
/// # Errors
///
/// If the video is too long at the frame rate.
fn decoding(sampling: &ClipSampling, facts: &StreamFacts) -> Result<Decoding> {
    let transparency = facts.transparency;
    let (max_frames, max_frames_reason) = frame_limit(sampling, facts)?;
    let rate = sampling.frame_rate.map(|rate| format!("fps={rate}"));
    // A copy of each frame is painted white and put under it. Opaque videos keep the colours of their format until they
    // are scaled.
    let over_white = (transparency != Transparency::None).then(|| {
        format!(
            "scale=flags={FLAGS},format=rgba,split[above][below];\
             [below]lutrgb=r=255:g=255:b=255:a=255[white];\
             [white][above]overlay=format=rgb"
        )
    });
    // The crop is square as displayed: `sar` is the ratio of the sides of a pixel.
    let crop = match sampling.crop {
        Crop::Center => Some("crop=w='min(iw,ih/sar)':h='min(ih,iw*sar)'".to_owned()),
        Crop::Stretch => None,
    };
    // `bilinear` averages over all source pixels of an output pixel, as the filter for images does. They
    // differ only at the border, where this one repeats the outermost pixels.
    let scale = format!("scale=w={0}:h={0}:flags={FLAGS}", sampling.image_size);
    let parts = [rate, over_white, crop, Some(scale)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Ok(Decoding {
        filters: parts.join(","),
        max_frames,
        max_frames_reason,
        decoder: match transparency {
            Transparency::WithDecoder(name) => Some(name),
            Transparency::None | Transparency::InPixels => None,
        },
    })
}

/// Largest number of frames to read, and where it comes from.
///
/// # Errors
///
/// If the length of the file and the frame rate that is asked for give more than [`MAX_SOURCE_FRAMES`].
fn frame_limit(sampling: &ClipSampling, facts: &StreamFacts) -> Result<(usize, String)> {
    let largest = (MAX_SOURCE_FRAMES, "; cut the video".to_owned());
    let Some((seconds, own_rate)) = facts.length_and_rate else {
        return Ok(largest);
    };
    let rate = sampling.frame_rate.unwrap_or(own_rate);
    if sampling.frame_rate.is_some() && seconds * rate > MAX_SOURCE_FRAMES as f64 {
        return Err(Error::invalid_format(too_many_frames(seconds, rate)));
    }
    // Lengths are estimates in some formats, and frames can be repeated.
    let limit = 10.0 * seconds * rate + 1000.0;
    if limit > MAX_SOURCE_FRAMES as f64 {
        return Ok(largest);
    }
    let reason =
        format!("for its length of {seconds} s; write it anew with `ffmpeg -i OLD -c copy NEW`");
    Ok((limit as usize, reason))
}

/// Message for a source of this length, in seconds, that is resampled to more frames than are read.
pub(super) fn too_many_frames(seconds: f64, rate: f64) -> String {
    format!(
        "{seconds} s at {rate} frames per second are {:.0} frames, expected at most {MAX_SOURCE_FRAMES}; lower data.frame_rate, or remove the clip",
        seconds * rate
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::tests::sampling;
    use super::*;

    #[test]
    fn the_memory_limit_does_not_change_the_clip() {
        let path = std::env::temp_dir().join(format!("long-{}.mkv", std::process::id()));
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
            .args(["testsrc=size=16x16:rate=10:duration=4", "-c:v", "ffv1"])
            .arg(&path)
            .status()
            .expect("ffmpeg, which this test needs");
        assert!(status.success());
        let sampling = sampling(3, 4);
        let programs = VideoPrograms::on_path().unwrap();
        let kept = read_middle(&programs, &path, &sampling, MEMORY).unwrap();
        assert_eq!(kept.len(), 3);
        assert_ne!(kept[0], kept[2]);
        for memory in [0, 10 * sampling.n_bytes()] {
            assert_eq!(
                read_middle(&programs, &path, &sampling, memory).unwrap(),
                kept
            );
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_number_of_frames_is_limited_by_what_the_file_tells() {
        let facts = |length_and_rate| StreamFacts {
            transparency: Transparency::None,
            length_and_rate,
        };
        let own = sampling(3, 4);
        let limit = |sampling: &ClipSampling, told| frame_limit(sampling, &facts(told));
        assert_eq!(limit(&own, None).unwrap().0, MAX_SOURCE_FRAMES);
        assert_eq!(limit(&own, Some((4.0, 25.0))).unwrap().0, 2000);
        assert_eq!(limit(&own, Some((1e6, 25.0))).unwrap().0, MAX_SOURCE_FRAMES);
        let fast = ClipSampling {
            frame_rate: Some(1000.0),
            ..own
        };
        assert_eq!(limit(&fast, Some((4.0, 25.0))).unwrap().0, 41_000);
        let error = limit(&fast, Some((1e6, 25.0))).unwrap_err();
        assert!(error.is_invalid_format());
        let message = error.to_string();
        assert!(message.starts_with("1000000 s at 1000 frames per second are 1000000000 frames, expected at most 1000000"), "{message}");
    }
}
