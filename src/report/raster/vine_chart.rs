//! Draws vines, the persistence of components and holes over the frames of a clip, as a PNG image.

use embedded_graphics::text::Alignment;

use super::axis::Axis;
use super::canvas::{Canvas, EncodedImage, FAINT, INK, color};
use crate::topology::Vine;

/// Width in pixels up to which TensorBoard shows an image without scaling it.
const WIDTH: i32 = 344;
const LEFT: i32 = 40;
const RIGHT: i32 = WIDTH - 16;
/// Height of one panel with its title, and that of the axis of frames below all panels.
const PANEL: i32 = 150;
const BELOW: i32 = 48;

/// Vines of one clip in a chart that may show several clips, one below the other.
#[derive(Debug, Clone, Copy)]
pub struct VinePanel<'a> {
    /// Title above the vines.
    pub title: &'a str,
    /// Vines of the clip.
    pub vines: &'a [Vine],
    /// Number of the first frame of the clip.
    pub first_frame: usize,
}

/// Draws the persistences of vines over `n_frames` frames, from 0 to 1, as lines with marks.
///
/// Components and holes have the colours and marks of their homology dimensions. The image is 344 pixels wide, and 150
/// high for each panel.
pub fn vine_chart(panels: &[VinePanel<'_>], n_frames: usize) -> EncodedImage {
    let bottom = PANEL * panels.len() as i32;
    let mut canvas = Canvas::new(WIDTH as u32, (bottom + BELOW) as u32);
    let across = Axis {
        range: [0.0, n_frames.saturating_sub(1).max(1) as f64],
        pixels: [LEFT, RIGHT],
    };
    for (index, panel) in panels.iter().enumerate() {
        let base = PANEL * (index as i32 + 1);
        let up = Axis {
            range: [0.0, 1.0],
            pixels: [base, base - PANEL + 28],
        };
        canvas.title(panel.title, [8, base - PANEL + 12]);
        for (value, label) in up.ticks(3) {
            let y = up.pixel(value);
            canvas.line([LEFT, y], [RIGHT, y], FAINT, 1);
            canvas.text(&label, [LEFT - 6, y], Alignment::Right);
        }
        canvas.line([LEFT, base], [RIGHT, base], INK, 1);
        for vine in panel.vines {
            let first = panel.first_frame + vine.first_frame;
            let points: Vec<[i32; 2]> = vine
                .persistences()
                .enumerate()
                .map(|(offset, y)| [across.pixel((first + offset) as f64), up.pixel(y)])
                .collect();
            for pair in points.windows(2) {
                canvas.line(pair[0], pair[1], color(vine.homology_dim), 2);
            }
            for point in points {
                canvas.mark(point, vine.homology_dim);
            }
        }
    }
    for (value, label) in across.ticks(5) {
        let x = across.pixel(value);
        canvas.text(&label, [x, bottom + 14], Alignment::Center);
    }
    let centre = (LEFT + RIGHT) / 2;
    let legend = "frame; persistence of components (discs) and holes";
    canvas.text(legend, [centre, bottom + 34], Alignment::Center);
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::vines;

    #[test]
    fn vines_are_drawn_in_the_colours_of_their_dimensions() {
        let full = [0.8; 9];
        let ring = [0.8, 0.8, 0.8, 0.8, 0.2, 0.8, 0.8, 0.8, 0.8];
        let vines = vines(&[full, ring, ring].concat(), [3, 3], 0.1).unwrap();
        let panel = VinePanel {
            title: "clip",
            vines: &vines,
            first_frame: 0,
        };
        let empty = VinePanel {
            title: "nothing",
            vines: &[],
            first_frame: 1,
        };
        let chart = vine_chart(&[panel, empty], 3);
        assert_eq!((chart.width, chart.height), (344, 348));
        let image = image::load_from_memory(&chart.bytes).unwrap().to_rgb8();
        let count = |dim: usize| {
            use embedded_graphics::pixelcolor::RgbColor;
            let colour = color(dim);
            let wanted = image::Rgb([colour.r(), colour.g(), colour.b()]);
            image.pixels().filter(|pixel| **pixel == wanted).count()
        };
        // The component lasts for three frames, the hole for two.
        assert!(
            count(0) > count(1) && count(1) > 100,
            "{} {}",
            count(0),
            count(1)
        );
        // Nothing is no panel.
        assert_eq!(vine_chart(&[], 0).height, 48);
    }
}
