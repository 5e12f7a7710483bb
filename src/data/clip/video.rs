//! A clip as a video file.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;

use super::ffmpeg::{FFMPEG, each_frame};
use super::{ClipCut, Crop};

/// Bytes of scaled frames that are kept while the length of a video is not yet known.
const MEMORY: usize = 128 << 20;

/// The frames of a clip; turned as the file says, and in colour.
///
/// # Errors
///
/// One sentence if any part of the file is missing or damaged, if it has no video stream, if there
/// are too few frames, or if there is no `ffmpeg`.
pub(super) fn read_video(path: &Path, cut: &ClipCut) -> Result<Vec<Vec<u8>>, String> {
    middle(FFMPEG, path, cut, MEMORY)
}

/// Only the last frame says where the middle was. Those that may belong to it are kept; where they
/// become too many, the file is decoded again up to the end of the clip.
fn middle(
    program: &str,
    path: &Path,
    cut: &ClipCut,
    memory: usize,
) -> Result<Vec<Vec<u8>>, String> {
    let filters = filters(cut);
    let mut frame = vec![0; cut.n_bytes()];
    let (mut n_frames, mut kept, mut fits) = (0, VecDeque::new(), true);
    each_frame(program, path, &filters, &mut frame, |frame| {
        n_frames += 1;
        if fits {
            kept.push_back(frame.to_vec());
            while n_frames - kept.len() < cut.first_of(n_frames) {
                kept.pop_front();
            }
            fits = kept.len() * frame.len() <= memory;
        } else {
            kept.clear();
        }
        ControlFlow::Continue(())
    })?;
    let mut places = cut.places(path, n_frames)?;
    if fits {
        let n_dropped = n_frames - kept.len();
        return Ok(places
            .map(|place| std::mem::take(&mut kept[place - n_dropped]))
            .collect());
    }
    let (mut clip, mut next) = (Vec::with_capacity(cut.n_frames), places.next());
    let mut place = 0;
    each_frame(program, path, &filters, &mut frame, |frame| {
        if next == Some(place) {
            clip.push(frame.to_vec());
            next = places.next();
        }
        place += 1;
        match next {
            Some(_) => ControlFlow::Continue(()),
            None => ControlFlow::Break(()),
        }
    })?;
    Ok(clip)
}

/// What is done to frames before they go through the pipe: resampled, cut and scaled, with rounding
/// that does not depend on the processor.
fn filters(cut: &ClipCut) -> String {
    let rate = cut.frame_rate.map(|rate| format!("fps={rate}"));
    // Square as it is seen, also where pixels are not square.
    let crop = match cut.crop {
        Crop::Center => Some("crop=w='min(iw,ih/sar)':h='min(ih,iw*sar)'".to_owned()),
        Crop::Stretch => None,
    };
    // Bilinear averages over the pixels that fall together, as the filter for images does; only at
    // the border do they differ, where this one repeats the outermost pixels.
    let scale = format!(
        "scale=w={0}:h={0}:flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact",
        cut.image_size
    );
    let parts: Vec<String> = rate.into_iter().chain(crop).chain([scale]).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::tests::cut;
    use super::*;

    #[test]
    fn a_video_that_does_not_fit_the_memory_gives_the_same_clip() {
        let path = std::env::temp_dir().join(format!("long-{}.mkv", std::process::id()));
        let status = Command::new(FFMPEG)
            .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
            .args(["testsrc=size=16x16:rate=10:duration=4", "-c:v", "ffv1"])
            .arg(&path)
            .status()
            .expect("ffmpeg, which this test needs");
        assert!(status.success());
        let cut = cut(3, 4);
        let kept = middle(FFMPEG, &path, &cut, MEMORY).unwrap();
        assert_eq!(kept.len(), 3);
        assert_ne!(kept[0], kept[2]);
        for memory in [0, 10 * cut.n_bytes()] {
            assert_eq!(middle(FFMPEG, &path, &cut, memory).unwrap(), kept);
        }
        std::fs::remove_file(path).unwrap();
    }
}
