//! Clips stored as video files.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;

use super::ffmpeg::{FFMPEG, each_frame};
use super::{ClipSampling, Crop};
use crate::error::Result;

/// Largest size of the scaled frames kept in memory before the length of a video is known, in bytes.
const MEMORY: usize = 128 << 20;

/// Reads the frames of a clip, rotated as the file specifies, cropped and scaled, in colour.
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
    let filters = filters(sampling);
    let mut frame = vec![0; sampling.n_bytes()];
    let (mut n_frames, mut kept, mut fits) = (0, VecDeque::new(), true);
    each_frame(program, path, &filters, &mut frame, |frame| {
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
    each_frame(program, path, &filters, &mut frame, |frame| {
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

/// Filters of `ffmpeg` that resample, crop and scale the frames before they enter the pipe.
///
/// The flags of the scaler make its rounding independent of the processor.
fn filters(sampling: &ClipSampling) -> String {
    let rate = sampling.frame_rate.map(|rate| format!("fps={rate}"));
    // The crop is square as displayed: `sar` is the ratio of the sides of a pixel.
    let crop = match sampling.crop {
        Crop::Center => Some("crop=w='min(iw,ih/sar)':h='min(ih,iw*sar)'".to_owned()),
        Crop::Stretch => None,
    };
    // `bilinear` averages over all source pixels of an output pixel, as the filter for images does. They
    // differ only at the border, where this one repeats the outermost pixels.
    let scale = format!(
        "scale=w={0}:h={0}:flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact",
        sampling.image_size
    );
    let parts: Vec<String> = rate.into_iter().chain(crop).chain([scale]).collect();
    parts.join(",")
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
