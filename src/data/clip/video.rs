//! Clips stored as video files.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;

use super::ffmpeg::{Decoding, FFMPEG, each_frame};
use super::transparency::{Transparency, transparency};
use super::{ClipSampling, Crop, MEMORY};
use crate::error::Result;

/// Flags of the scaler: the average over all source pixels, and the same rounding on every processor.
const FLAGS: &str = "bilinear+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact";

/// Reads the frames of a clip, turned as the file specifies, over white, cropped and scaled, in colour.
///
/// # Errors
///
/// If any part of the file is missing or damaged, if it has no video stream, if there are too few frames,
/// or if there is no `ffmpeg`.
pub(super) fn read_video(path: &Path, sampling: &ClipSampling) -> Result<Vec<Vec<u8>>> {
    read_middle(FFMPEG, path, sampling, MEMORY)
}

/// Reads the frames of a clip from the middle of a video whose length is not known in advance.
///
/// Frames that may belong to the clip are kept while the video is decoded. If they take more than
/// `memory` bytes, only the number of frames is counted, and the file is decoded a second time, up to the
/// end of the clip.
fn read_middle(
    program: &str,
    path: &Path,
    sampling: &ClipSampling,
    memory: usize,
) -> Result<Vec<Vec<u8>>> {
    let decoding = decoding(sampling, transparency(path)?);
    let mut frame = vec![0; sampling.n_bytes()];
    let (mut n_frames, mut kept, mut fits) = (0, VecDeque::new(), true);
    each_frame(program, path, &decoding, &mut frame, |frame| {
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
    each_frame(program, path, &decoding, &mut frame, |frame| {
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

/// Filters of `ffmpeg` that resample, draw over white, crop and scale the frames before they enter the pipe.
fn decoding(sampling: &ClipSampling, transparency: Transparency) -> Decoding {
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
    Decoding {
        filters: parts.join(","),
        decoder: match transparency {
            Transparency::WithDecoder(name) => Some(name),
            Transparency::None | Transparency::InPixels => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::tests::sampling;
    use super::*;

    #[test]
    fn the_memory_limit_does_not_change_the_clip() {
        let path = std::env::temp_dir().join(format!("long-{}.mkv", std::process::id()));
        let status = Command::new(FFMPEG)
            .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
            .args(["testsrc=size=16x16:rate=10:duration=4", "-c:v", "ffv1"])
            .arg(&path)
            .status()
            .expect("ffmpeg, which this test needs");
        assert!(status.success());
        let sampling = sampling(3, 4);
        let kept = read_middle(FFMPEG, &path, &sampling, MEMORY).unwrap();
        assert_eq!(kept.len(), 3);
        assert_ne!(kept[0], kept[2]);
        for memory in [0, 10 * sampling.n_bytes()] {
            assert_eq!(read_middle(FFMPEG, &path, &sampling, memory).unwrap(), kept);
        }
        std::fs::remove_file(path).unwrap();
    }
}
