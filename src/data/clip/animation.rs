//! Clips stored as animated image files: GIF, WebP and PNG.

use std::path::Path;

use super::super::decoding::frames;
use super::video::too_many_frames;
use super::{ClipSampling, MAX_SOURCE_FRAMES, MEMORY};
use crate::error::{Error, Result};

/// Largest number of pixels of an animation, over all frames: 11 seconds of 1280 by 720 pixels at 25 frames per second.
///
/// All frames are decoded, which takes a few seconds for so many; a few bytes of a file can ask for any number.
const MAX_PIXELS: u64 = 1 << 28;

/// Reads the frames of a clip, cropped and scaled.
///
/// # Errors
///
/// If any frame of the file cannot be decoded, or if there are too few.
pub(super) fn read_animation(path: &Path, sampling: &ClipSampling) -> Result<Vec<Vec<u8>>> {
    read_within(path, sampling, MEMORY)
}

/// Reads the frames of a clip from an animation whose length is not known in advance.
///
/// The scaled frames are kept while they take at most `memory` bytes; otherwise the file is decoded a second time, up
/// to the end of the clip.
fn read_within(path: &Path, sampling: &ClipSampling, memory: usize) -> Result<Vec<Vec<u8>>> {
    let (mut ends, mut kept, mut fits) = (Vec::new(), Vec::new(), true);
    let (mut time, mut n_pixels) = (0, 0);
    for frame in frames(path)? {
        let frame = frame?;
        let (width, height) = frame.pixels.dimensions();
        n_pixels += u64::from(width) * u64::from(height);
        if n_pixels > MAX_PIXELS || ends.len() == MAX_SOURCE_FRAMES {
            return Err(Error::invalid_format(format!(
                "{}: too long for an animation (more than {} frames of {width} by {height} pixels), expected at most \
                 {MAX_SOURCE_FRAMES} frames and {} million pixels over all of them; convert it to a video",
                path.display(),
                ends.len(),
                MAX_PIXELS / 1_000_000
            )));
        }
        time += frame.microseconds;
        ends.push(time);
        fits = fits && (kept.len() + 1) * sampling.n_bytes() <= memory;
        if fits {
            kept.push(sampling.scale_frame(&frame.pixels));
        } else {
            kept.clear();
        }
    }
    let source_frames = match sampling.frame_rate {
        None => (0..ends.len()).collect(),
        Some(rate) => {
            let seconds = time as f64 / 1e6;
            if seconds * rate > MAX_SOURCE_FRAMES as f64 {
                return Err(
                    Error::invalid_format(too_many_frames(seconds, rate)).within(path.display())
                );
            }
            resample(&ends, rate)
        }
    };
    let selected = sampling
        .frame_indices(path, source_frames.len())?
        .map(|index| source_frames[index]);
    if fits {
        // A frame that is displayed for long can occur several times.
        return Ok(selected.map(|index| kept[index].clone()).collect());
    }
    let selected: Vec<usize> = selected.collect();
    let mut clip = Vec::with_capacity(selected.len());
    for (index, frame) in frames(path)?.enumerate() {
        let frame = frame?;
        let n_times = selected.iter().filter(|&&frame| frame == index).count();
        if n_times > 0 {
            clip.extend(std::iter::repeat_n(
                sampling.scale_frame(&frame.pixels),
                n_times,
            ));
        }
        // Later frames have been decoded once already, so damage in them is known.
        if clip.len() == selected.len() {
            break;
        }
    }
    Ok(clip)
}

/// Indices of the frames that are displayed at multiples of `1 / rate` seconds, given the time at which
/// each frame ends, in microseconds.
fn resample(ends: &[u64], rate: f64) -> Vec<usize> {
    let time = |tick: usize| tick as f64 * 1e6 / rate;
    (0..)
        .map(|tick| ends.partition_point(|&end| end as f64 <= time(tick)))
        .take_while(|&frame| frame < ends.len())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use image::codecs::gif::GifEncoder;
    use image::{Frame, Rgba, RgbaImage};

    use super::super::tests::sampling;
    use super::*;

    #[test]
    fn resampling_takes_the_frame_displayed_at_each_tick() {
        // Frames begin at 0, 100, 150 and 400 ms.
        let ends = [100_000, 150_000, 400_000, 500_000];
        assert_eq!(resample(&ends, 10.0), [0, 1, 2, 2, 3]);
        assert_eq!(resample(&ends, 20.0), [0, 0, 1, 2, 2, 2, 2, 2, 3, 3]);
        assert_eq!(resample(&ends, 1.0), [0]);
        assert_eq!(resample(&[], 1.0), [0; 0]);
    }

    #[test]
    fn the_memory_limit_does_not_change_the_clip() {
        let path = std::env::temp_dir().join(format!("long-{}.gif", std::process::id()));
        let mut encoder = GifEncoder::new(File::create(&path).unwrap());
        for number in 0..9 {
            let image = RgbaImage::from_pixel(8, 8, Rgba([10 * number, 0, 0, 255]));
            encoder.encode_frame(Frame::new(image)).unwrap();
        }
        drop(encoder);
        let mut resampled = sampling(4, 2);
        resampled.frame_rate = Some(15.0);
        for sampling in [sampling(3, 2), resampled] {
            let kept = read_within(&path, &sampling, MEMORY).unwrap();
            assert_eq!(kept.len(), sampling.n_frames);
            assert_ne!(kept[0], kept[2]);
            for memory in [0, 5 * sampling.n_bytes()] {
                assert_eq!(read_within(&path, &sampling, memory).unwrap(), kept);
            }
        }
        std::fs::remove_file(path).unwrap();
    }
}
