//! Draws clips as an animated GIF, next to the persistence diagram of each frame.

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame};

use super::canvas::{Canvas, EncodedImage};
use super::persistence_diagram::{SIDE, draw, largest};
use crate::topology::Diagram;

/// Frames of one clip in an animation, which may show several clips next to each other.
#[derive(Debug, Clone, Copy)]
pub struct ClipPanel<'a> {
    /// Title above the frames.
    pub title: &'a str,
    /// Values between 0 and 1, `[n_frames, n_channels, height, width]`.
    pub pixels: &'a [f32],
    /// Frame of the animation at which the clip starts, from 0.
    pub first_frame: usize,
    /// Text below each frame; empty if there is none.
    pub captions: &'a [String],
}

/// Approximate side that frames are enlarged to, in pixels.
const FRAME_SIDE: usize = 256;
const MARGIN: i32 = 14;
const TOP: i32 = 38;
/// Height of the captions, in pixels.
const CAPTION: i32 = 22;
/// Duration of a frame; long enough to see what changes.
const MILLISECONDS_PER_FRAME: u32 = 400;
/// The palette is chosen from every tenth pixel, which is enough because a drawing has few colours.
const COLOR_SAMPLING: i32 = 10;

/// Draws clips next to each other, and the persistence diagrams of each frame, as an animated GIF that repeats forever.
///
/// All diagrams have the same axes. With fewer diagrams than frames, as for tubelets, each diagram is shown for several
/// frames; a last frame that was not a model input has none. `unit` is the unit of births and deaths.
///
/// # Shapes
///
/// - `shape`: channels, height and width of a frame
/// - `diagrams`: by frame and homology dimension; empty for an animation without diagrams
pub fn clip_animation(
    panels: &[ClipPanel<'_>],
    shape @ [n_channels, height, width]: [usize; 3],
    diagrams: &[Vec<Diagram<f64>>],
    title: &str,
    unit: &str,
) -> EncodedImage {
    let size = n_channels * height * width;
    let n_frames = panels
        .iter()
        .map(|panel| panel.first_frame + panel.pixels.len() / size.max(1))
        .max()
        .unwrap_or_default();
    // A whole number, so that every pixel of the frame becomes a square of the same size.
    let scale = (FRAME_SIDE / height.max(width).max(1)).max(1);
    let panel_width = (width * scale) as i32 + MARGIN;
    let left_of_diagram = MARGIN + panel_width * panels.len() as i32;
    let below = if panels.iter().all(|panel| panel.captions.is_empty()) {
        MARGIN
    } else {
        MARGIN + CAPTION
    };
    let bottom = TOP + (height * scale) as i32;
    let [total_width, total_height] = if diagrams.is_empty() {
        [left_of_diagram, bottom + below]
    } else {
        [left_of_diagram + SIDE, SIDE.max(bottom + below)]
    };
    // One end of the axes for all frames, so that the diagrams can be compared.
    let axis_end = diagrams
        .iter()
        .map(|diagrams| largest(diagrams))
        .fold(0.0, f64::max);

    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, COLOR_SAMPLING);
    encoder
        .set_repeat(Repeat::Infinite)
        .expect("writing to memory cannot fail");
    let frames_per_diagram = (n_frames / diagrams.len().max(1)).max(1);
    for frame in 0..n_frames {
        let mut canvas = Canvas::new(total_width as u32, total_height as u32);
        for (index, panel) in panels.iter().enumerate() {
            let left = MARGIN + panel_width * index as i32;
            canvas.title(&format!("{}, frame {frame}", panel.title), [left, 12]);
            let clip_frame = frame.checked_sub(panel.first_frame);
            let pixels = clip_frame.and_then(|index| panel.pixels.chunks_exact(size).nth(index));
            if let Some(pixels) = pixels {
                canvas.frame(pixels, shape, [left, TOP], scale);
            }
            if let Some(caption) = clip_frame.and_then(|index| panel.captions.get(index)) {
                canvas.title(caption, [left, bottom + MARGIN]);
            }
        }
        let frame_diagrams = diagrams
            .get(frame / frames_per_diagram)
            .map_or(&[][..], Vec::as_slice);
        if !diagrams.is_empty() {
            let diagram = draw(frame_diagrams, title, unit, axis_end);
            canvas.paste(&diagram, [left_of_diagram, 0]);
        }
        let image = DynamicImage::from(canvas.into_image()).into_rgba8();
        let delay = Delay::from_numer_denom_ms(MILLISECONDS_PER_FRAME, 1);
        encoder
            .encode_frame(Frame::from_parts(image, 0, 0, delay))
            .expect("writing to memory cannot fail");
    }
    // The encoder writes the end of the file when it is dropped.
    drop(encoder);
    EncodedImage {
        width: total_width as u32,
        height: total_height as u32,
        bytes,
    }
}
