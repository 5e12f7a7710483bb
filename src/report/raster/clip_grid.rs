//! Draws generated clips: as an animated grid, or frame by frame in rows.

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame};

use super::canvas::{Canvas, EncodedImage};

/// Approximate side that frames are enlarged to, in pixels.
const FRAME_SIDE: usize = 128;

/// Space between frames, in pixels.
const GAP: usize = 4;

/// Duration of a frame, in milliseconds.
const MILLISECONDS_PER_FRAME: u32 = 150;

/// Grid of frames of the same shape.
struct Grid {
    /// Channels, height and width of a frame.
    shape: [usize; 3],
    n_columns: usize,
    n_rows: usize,
    /// Side of the square that stands for a pixel.
    scale: usize,
}

impl Grid {
    fn new(shape: [usize; 3], [n_rows, n_columns]: [usize; 2]) -> Self {
        let side = shape[1].max(shape[2]).max(1);
        Self {
            shape,
            n_columns,
            n_rows,
            scale: (FRAME_SIDE / side).max(1),
        }
    }

    /// Empty canvas of the size of the grid.
    fn canvas(&self) -> Canvas {
        let size = |n: usize, side: usize| (GAP + n * (side * self.scale + GAP)) as u32;
        Canvas::new(
            size(self.n_columns, self.shape[2]),
            size(self.n_rows, self.shape[1]),
        )
    }

    /// Draws a frame at a row and column.
    fn draw(&self, canvas: &mut Canvas, pixels: &[f32], row: usize, column: usize) {
        let at = |index: usize, side: usize| (GAP + index * (side * self.scale + GAP)) as i32;
        let corner = [at(column, self.shape[2]), at(row, self.shape[1])];
        canvas.frame(pixels, self.shape, corner, self.scale);
    }
}

/// Draws clips in a grid that is as square as possible, as an animated GIF that repeats forever.
///
/// # Shapes
///
/// - `clips`: values between 0 and 1, `[n_frames, n_channels, height, width]` each
/// - `shape`: channels, height and width of a frame
pub fn clip_grid(clips: &[&[f32]], shape: [usize; 3]) -> EncodedImage {
    let size = shape.iter().product::<usize>().max(1);
    let n_columns = (1..).find(|n| n * n >= clips.len()).unwrap_or(1);
    let grid = Grid::new(shape, [clips.len().div_ceil(n_columns.max(1)), n_columns]);
    let n_frames = clips
        .iter()
        .map(|clip| clip.len() / size)
        .max()
        .unwrap_or(0);
    let (width, height) = {
        let image = grid.canvas().into_image();
        image.dimensions()
    };
    let mut bytes = Vec::new();
    // The slowest search for the palette: frames are small, and their greys should be right.
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 1);
    encoder
        .set_repeat(Repeat::Infinite)
        .expect("writing to memory cannot fail");
    for frame in 0..n_frames {
        let mut canvas = grid.canvas();
        for (index, clip) in clips.iter().enumerate() {
            if let Some(pixels) = clip.chunks_exact(size).nth(frame) {
                grid.draw(&mut canvas, pixels, index / n_columns, index % n_columns);
            }
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
        width,
        height,
        bytes,
    }
}

/// Draws clips below each other, each as a row of all its frames, as PNG; see [`clip_grid`] for the shapes.
pub fn clip_rows(clips: &[&[f32]], shape: [usize; 3]) -> EncodedImage {
    let size = shape.iter().product::<usize>().max(1);
    let n_frames = clips
        .iter()
        .map(|clip| clip.len() / size)
        .max()
        .unwrap_or(0);
    let grid = Grid::new(shape, [clips.len(), n_frames]);
    let mut canvas = grid.canvas();
    for (row, clip) in clips.iter().enumerate() {
        for (column, pixels) in clip.chunks_exact(size).enumerate() {
            grid.draw(&mut canvas, pixels, row, column);
        }
    }
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_drawn_at_its_place() {
        // Three clips of two frames of 2 by 4 pixels, whose brightness tells clip and frame.
        let clips: Vec<Vec<f32>> = (0..3)
            .map(|clip| {
                (0..2)
                    .flat_map(|frame| [(2 * clip + frame) as f32 / 5.0; 8])
                    .collect()
            })
            .collect();
        let clips: Vec<&[f32]> = clips.iter().map(Vec::as_slice).collect();
        let rows = image::load_from_memory(&clip_rows(&clips, [1, 2, 4]).bytes).unwrap();
        assert_eq!((rows.width(), rows.height()), (4 + 2 * 132, 4 + 3 * 68));
        let grey = |image: &image::RgbImage, x: u32, y: u32| image.get_pixel(x, y)[0];
        let rows = rows.into_rgb8();
        assert_eq!(grey(&rows, 10, 10), 0);
        assert_eq!(grey(&rows, 4 + 132 + 10, 10), 51);
        assert_eq!(grey(&rows, 10, 4 + 68 + 10), 102);
        let gif = clip_grid(&clips, [1, 2, 4]);
        let first = image::load_from_memory(&gif.bytes).unwrap().into_rgb8();
        assert_eq!([first.width(), first.height()], [gif.width, gif.height]);
        assert_eq!([gif.width, gif.height], [4 + 2 * 132, 4 + 2 * 68]);
        for (x, y, expected) in [(10, 10, 0), (4 + 132 + 10, 10, 102), (10, 4 + 68 + 10, 204)] {
            assert!(grey(&first, x, y).abs_diff(expected) < 4);
        }
    }
}
