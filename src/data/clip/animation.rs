//! A clip as an animated GIF.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, DynamicImage, Frame, Frames, ImageDecoder, Limits};

use super::ClipCut;

/// Delays below `SHORTEST_MS` are files that ask for "as fast as possible"; `USUAL_MS` is what
/// browsers and `ffmpeg` make of them.
const SHORTEST_MS: u64 = 20;
const USUAL_MS: u64 = 100;

/// The frames of a clip; what is transparent to the last is black.
///
/// # Errors
///
/// One sentence if any frame of the file cannot be decoded, or if there are too few.
pub(super) fn read_animation(path: &Path, cut: &ClipCut) -> Result<Vec<Vec<u8>>, String> {
    let refuse = |error: String| {
        format!(
            "{}: cannot be decoded ({error}), expected a whole GIF",
            path.display()
        )
    };
    // Once for the times and once for the pixels: frames as large as in the file are many bytes.
    let mut ends = Vec::new();
    let mut time = 0;
    for frame in decoder(path).map_err(refuse)? {
        time += shown_ms(&frame.map_err(|error| refuse(error.to_string()))?);
        ends.push(time);
    }
    let shown = match cut.frame_rate {
        None => (0..ends.len()).collect(),
        Some(rate) => at_ticks(&ends, rate),
    };
    let wanted: Vec<usize> = cut
        .places(path, shown.len())?
        .map(|place| shown[place])
        .collect();
    let mut clip = Vec::with_capacity(wanted.len());
    for (index, frame) in decoder(path).map_err(refuse)?.enumerate() {
        let n_times = wanted.iter().filter(|&&place| place == index).count();
        if n_times > 0 {
            let frame = frame.map_err(|error| refuse(error.to_string()))?;
            let colour = DynamicImage::from(frame.into_buffer()).into_rgb8();
            clip.extend(std::iter::repeat_n(cut.scaled(&colour), n_times));
        }
        if clip.len() == wanted.len() {
            break;
        }
    }
    Ok(clip)
}

fn decoder(path: &Path) -> Result<Frames<'static>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut decoder = GifDecoder::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    decoder
        .set_limits(Limits::default())
        .map_err(|error| error.to_string())?;
    Ok(decoder.into_frames())
}

fn shown_ms(frame: &Frame) -> u64 {
    let (numerator, denominator) = frame.delay().numer_denom_ms();
    match u64::from(numerator / denominator.max(1)) {
        delay if delay < SHORTEST_MS => USUAL_MS,
        delay => delay,
    }
}

/// The frame that is shown at each tick, given when each frame ends, in milliseconds.
fn at_ticks(ends: &[u64], rate: f64) -> Vec<usize> {
    let tick = |number: usize| number as f64 * 1000.0 / rate;
    (0..)
        .map(|number| ends.partition_point(|&end| end as f64 <= tick(number)))
        .take_while(|&frame| frame < ends.len())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_shows_the_newest_frame() {
        // Frames begin at 0, 100, 150 and 400 ms.
        let ends = [100, 150, 400, 500];
        assert_eq!(at_ticks(&ends, 10.0), [0, 1, 2, 2, 3]);
        assert_eq!(at_ticks(&ends, 20.0), [0, 0, 1, 2, 2, 2, 2, 2, 3, 3]);
        assert_eq!(at_ticks(&ends, 1.0), [0]);
        assert_eq!(at_ticks(&[], 1.0), [0; 0]);
    }
}
