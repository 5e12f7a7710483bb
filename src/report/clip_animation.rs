//! A clip that plays, beside the diagram of each frame.

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame};

use super::canvas::{Canvas, Picture};
use super::persistence_diagram::{SIDE, drawn, largest};
use crate::topology::Diagram;

/// Frames that are shown beside others, as those of a clip and those predicted of it.
#[derive(Debug, Clone, Copy)]
pub struct ClipPanel<'a> {
    /// What they are.
    pub title: &'a str,
    /// `[n_frames, n_channels, height, width]`, between 0 and 1.
    pub pixels: &'a [f32],
    /// The frame of the animation that the first of them belongs to.
    pub first_frame: usize,
    /// What stands under each of them; empty for nothing.
    pub captions: &'a [String],
}

/// Side that frames are enlarged to, about.
const FRAME_SIDE: usize = 256;
const MARGIN: i32 = 14;
const TOP: i32 = 38;
const CAPTION: i32 = 22;
/// A slow clip lets one see what changes.
const MILLISECONDS_PER_FRAME: u32 = 400;
/// Colours are chosen from every so many pixels; a drawing has few.
const COLOR_SAMPLING: i32 = 10;

/// An animated GIF without end: the panels' frames, and, if there are any, the diagrams of each frame on
/// axes that stay.
///
/// Where there are fewer diagrams than frames, as of tubelets, each stands for as many frames; the last
/// frame has none if the model was not shown it.
///
/// # Shapes
///
/// - `shape`: channels, height and width of a frame
/// - `diagrams`: by frame and homology dimension
///
/// `unit` is what births and deaths are measured in. As high as a diagram, and wider by a frame for
/// each panel.
pub fn clip_animation(
    panels: &[ClipPanel<'_>],
    shape @ [n_channels, height, width]: [usize; 3],
    diagrams: &[Vec<Diagram<f64>>],
    title: &str,
    unit: &str,
) -> Picture {
    let size = n_channels * height * width;
    let n_frames = panels
        .iter()
        .map(|panel| panel.first_frame + panel.pixels.len() / size.max(1))
        .max()
        .unwrap_or_default();
    let scale = (FRAME_SIDE / height.max(width).max(1)).max(1);
    let panel_width = (width * scale) as i32 + MARGIN;
    let left_of_diagram = MARGIN + panel_width * panels.len() as i32;
    let below = match panels.iter().all(|panel| panel.captions.is_empty()) {
        true => MARGIN,
        false => MARGIN + CAPTION,
    };
    let bottom = TOP + (height * scale) as i32;
    let [whole_width, whole_height] = match diagrams.is_empty() {
        true => [left_of_diagram, bottom + below],
        false => [left_of_diagram + SIDE, SIDE.max(bottom + below)],
    };
    let scales = diagrams.iter().map(|diagrams| largest(diagrams));
    let longest = scales.fold(0.0, f64::max);

    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, COLOR_SAMPLING);
    encoder
        .set_repeat(Repeat::Infinite)
        .expect("memory takes every picture");
    let frames_per_diagram = (n_frames / diagrams.len().max(1)).max(1);
    for frame in 0..n_frames {
        let mut canvas = Canvas::new(whole_width as u32, whole_height as u32);
        for (place, panel) in panels.iter().enumerate() {
            let left = MARGIN + panel_width * place as i32;
            canvas.title(&format!("{}, frame {frame}", panel.title), [left, 12]);
            let shown = frame.checked_sub(panel.first_frame);
            let pixels = shown.and_then(|shown| panel.pixels.chunks_exact(size).nth(shown));
            if let Some(pixels) = pixels {
                canvas.frame(pixels, shape, [left, TOP], scale);
            }
            if let Some(caption) = shown.and_then(|shown| panel.captions.get(shown)) {
                canvas.title(caption, [left, bottom + MARGIN]);
            }
        }
        let of_frame = diagrams.get(frame / frames_per_diagram);
        let of_frame = of_frame.map_or(&[][..], Vec::as_slice);
        if !diagrams.is_empty() {
            canvas.paste(&drawn(of_frame, title, unit, longest), [left_of_diagram, 0]);
        }
        let image = DynamicImage::from(canvas.into_image()).into_rgba8();
        let delay = Delay::from_numer_denom_ms(MILLISECONDS_PER_FRAME, 1);
        encoder
            .encode_frame(Frame::from_parts(image, 0, 0, delay))
            .expect("memory takes every picture");
    }
    drop(encoder);
    Picture {
        width: whole_width as u32,
        height: whole_height as u32,
        bytes,
    }
}
