//! Clips stored as animated GIFs.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::{
    AnimationDecoder, DynamicImage, Frame, Frames, ImageDecoder, ImageError, ImageResult, Limits,
};

use super::super::image_file::decoding_error;
use super::ClipSampling;
use crate::error::Result;

/// Shortest delay that is taken literally, in milliseconds; a shorter one means "as fast as possible".
const SHORTEST_MS: u64 = 20;

/// Delay that replaces a shorter one, in milliseconds, as in browsers and `ffmpeg`.
const DEFAULT_MS: u64 = 100;

/// Reads the frames of a clip, cropped and scaled; pixels that no frame has painted are black.
///
/// # Errors
///
/// If any frame of the file cannot be decoded, or if there are too few.
pub(super) fn read_animation(path: &Path, sampling: &ClipSampling) -> Result<Vec<Vec<u8>>> {
    let describe = |error: ImageError| {
        let message = format!("cannot be decoded ({error}), expected a complete GIF");
        decoding_error(message, error).within(path.display())
    };
    // The file is decoded twice, first for the times and then for the pixels: all frames at their full
    // size would take too much memory.
    let mut ends = Vec::new();
    let mut time = 0;
    for frame in decoder(path).map_err(describe)? {
        time += display_ms(&frame.map_err(describe)?);
        ends.push(time);
    }
    let source_frames = match sampling.frame_rate {
        None => (0..ends.len()).collect(),
        Some(rate) => resample(&ends, rate),
    };
    let selected: Vec<usize> = sampling
        .frame_indices(path, source_frames.len())?
        .map(|index| source_frames[index])
        .collect();
    let mut clip = Vec::with_capacity(selected.len());
    for (index, frame) in decoder(path).map_err(describe)?.enumerate() {
        // A frame that is displayed for long can occur several times.
        let n_times = selected.iter().filter(|&&frame| frame == index).count();
        if n_times > 0 {
            let frame = frame.map_err(describe)?;
            let colour = DynamicImage::from(frame.into_buffer()).into_rgb8();
            clip.extend(std::iter::repeat_n(sampling.scale_frame(&colour), n_times));
        }
        // Later frames have been decoded once already, so damage in them is known.
        if clip.len() == selected.len() {
            break;
        }
    }
    Ok(clip)
}

/// Opens a GIF for decoding frame by frame, within the memory limits of the decoder.
fn decoder(path: &Path) -> ImageResult<Frames<'static>> {
    let mut decoder = GifDecoder::new(BufReader::new(File::open(path)?))?;
    // A decoder that is opened directly has no limits, unlike `ImageReader`.
    decoder.set_limits(Limits::default())?;
    Ok(decoder.into_frames())
}

/// Time for which a frame is displayed, in milliseconds.
fn display_ms(frame: &Frame) -> u64 {
    let (numerator, denominator) = frame.delay().numer_denom_ms();
    match u64::from(numerator / denominator.max(1)) {
        delay if delay < SHORTEST_MS => DEFAULT_MS,
        delay => delay,
    }
}

/// Indices of the frames that are displayed at multiples of `1 / rate` seconds, given the time at which
/// each frame ends, in milliseconds.
fn resample(ends: &[u64], rate: f64) -> Vec<usize> {
    let time = |tick: usize| tick as f64 * 1000.0 / rate;
    (0..)
        .map(|tick| ends.partition_point(|&end| end as f64 <= time(tick)))
        .take_while(|&frame| frame < ends.len())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_takes_the_frame_displayed_at_each_tick() {
        // Frames begin at 0, 100, 150 and 400 ms.
        let ends = [100, 150, 400, 500];
        assert_eq!(resample(&ends, 10.0), [0, 1, 2, 2, 3]);
        assert_eq!(resample(&ends, 20.0), [0, 0, 1, 2, 2, 2, 2, 2, 3, 3]);
        assert_eq!(resample(&ends, 1.0), [0]);
        assert_eq!(resample(&[], 1.0), [0; 0]);
    }
}
