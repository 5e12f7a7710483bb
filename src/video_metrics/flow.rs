//! Optical flow estimated from frames, for clips whose true motion is unknown.

use super::motion::bilinear;

/// Side of the square window that is assumed to move as one, in pixels.
const WINDOW: usize = 7;

/// Number of Lucas-Kanade iterations at each scale of the pyramid.
const N_STEPS: usize = 8;

/// Smallest side that a frame may have after it is halved, in pixels.
const MIN_SIDE: usize = 16;

/// Added to the diagonal of the structure tensor, in squared brightness per pixel of the window. It makes
/// the system solvable where there is no texture, and the estimated motion there 0.
const REGULARISATION: f32 = 1e-4;

/// Motion from one frame to the next, estimated for every pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct OpticalFlow {
    /// Displacements in pixels, first the changes of the row and then those of the column: `[2, height, width]`.
    pub displacements: Vec<f32>,
    /// True where the content of a pixel is visible in the next frame too: `[height, width]`.
    pub is_visible_next: Vec<bool>,
}

/// Estimates the motion from one frame to the next with pyramidal Lucas-Kanade.
///
/// Each step solves, for the window of 7 by 7 pixels around every pixel,
///
/// ```text
/// (sum [Ir Ir, Ir Ic; Ir Ic, Ic Ic] + lambda I) step = -sum [Ir d; Ic d],  d = next(p + flow) - now(p)
/// ```
///
/// with the slopes `Ir` and `Ic` of the brightness along rows and columns and `lambda = 49 * 1e-4`, from
/// the coarsest scale to the finest. A pixel counts as visible in the next frame if its target lies in
/// the frame and the backward flow undoes the forward flow:
///
/// ```text
/// |flow(p) + back(p + flow(p))|^2 < 0.01 (|flow(p)|^2 + |back(p + flow(p))|^2) + 0.5
/// ```
///
/// Motions of more than about a fifth of the frame, surfaces without texture and objects whose
/// appearance changes are not estimated reliably.
///
/// # Shapes
///
/// - `frames`: the current and the next frame, `[n_channels, height, width]` each, pixels in `[0, 1]`
/// - `shape`: `[n_channels, height, width]`
///
/// # Panics
///
/// If the length of a frame does not equal the product of `shape`. Frames without pixels have an empty flow.
///
/// # Cost
///
/// A few thousand operations per pixel.
///
/// # Source
///
/// Bouguet, "Pyramidal Implementation of the Lucas Kanade Feature Tracker", 2000, for every pixel; the
/// visibility check as in Ruder et al., "Artistic Style Transfer for Videos", 2016, equation 5.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::optical_flow;
///
/// // A smooth hill of brightness that moves one pixel to the right.
/// let hill = |peak: f32| -> Vec<f32> {
///     let height = |k: usize| {
///         let [row, column] = [(k / 20) as f32 - 10.0, (k % 20) as f32 - peak];
///         (-(row * row + column * column) / 20.0).exp()
///     };
///     (0..400).map(height).collect()
/// };
/// let flow = optical_flow([&hill(9.0), &hill(10.0)], [1, 20, 20]).displacements;
/// assert!((flow[400 + 10 * 20 + 9] - 1.0).abs() < 0.1); // columns
/// assert!(flow[10 * 20 + 9].abs() < 0.1); // rows
/// ```
pub fn optical_flow(frames: [&[f32]; 2], shape: [usize; 3]) -> OpticalFlow {
    let [n_channels, height, width] = shape;
    let size = height * width;
    let grey = frames.map(|frame| {
        assert_eq!(
            frame.len(),
            n_channels * size,
            "the length of a frame does not fit its shape"
        );
        let mut grey = vec![0.0; size];
        // The length of a chunk may not be 0.
        for channel in frame.chunks_exact(size.max(1)) {
            for (sum, pixel) in grey.iter_mut().zip(channel) {
                *sum += pixel / n_channels as f32;
            }
        }
        Plane {
            pixels: grey,
            size: [height, width],
        }
    });
    let [now, next] = &grey;
    let forward_flow = lucas_kanade(now, next);
    let backward_flow = lucas_kanade(next, now);
    let is_visible = (0..size).map(|pixel| {
        let forward = [0, 1].map(|axis| forward_flow[axis].pixels[pixel]);
        let target = [
            (pixel / width) as f32 + forward[0],
            (pixel % width) as f32 + forward[1],
        ];
        // The frame reaches half a pixel beyond the centres of its outermost pixels.
        let is_inside = (-0.5..height as f32 - 0.5).contains(&target[0])
            && (-0.5..width as f32 - 0.5).contains(&target[1]);
        let backward = [0, 1].map(|axis| backward_flow[axis].at(target));
        let square = |v: [f32; 2]| v[0] * v[0] + v[1] * v[1];
        let gap = square([forward[0] + backward[0], forward[1] + backward[1]]);
        is_inside && gap < 0.01 * (square(forward) + square(backward)) + 0.5
    });
    OpticalFlow {
        is_visible_next: is_visible.collect(),
        displacements: forward_flow.map(|axis| axis.pixels).concat(),
    }
}

/// One value for each pixel of a frame: brightness, a slope or a displacement along one axis.
#[derive(Debug, Clone)]
struct Plane {
    /// `[height, width]`
    pixels: Vec<f32>,
    /// `[height, width]`
    size: [usize; 2],
}

impl Plane {
    /// Plane of zeros.
    fn zeros(size: [usize; 2]) -> Self {
        Self {
            pixels: vec![0.0; size[0] * size[1]],
            size,
        }
    }

    /// Evaluates a function of row and column at every pixel.
    fn from_fn(size: [usize; 2], value: impl Fn(usize, usize) -> f32) -> Self {
        let pixels = (0..size[0]).flat_map(|row| (0..size[1]).map(move |column| (row, column)));
        Self {
            pixels: pixels.map(|(row, column)| value(row, column)).collect(),
            size,
        }
    }

    /// Value at a fractional position, interpolated bilinearly.
    fn at(&self, position: [f32; 2]) -> f32 {
        bilinear(&self.pixels, self.size, position)
    }

    /// True if the plane can be halved without falling below [`MIN_SIDE`].
    fn is_large(&self) -> bool {
        self.size.iter().all(|&side| side >= 2 * MIN_SIDE)
    }

    /// Returns the plane at half the size: means of two by two pixels.
    fn halved(&self) -> Self {
        let size = self.size.map(|side| side / 2);
        // Interpolation in the middle of four pixels is their mean.
        Self::from_fn(size, |row, column| {
            self.at([2.0 * row as f32 + 0.5, 2.0 * column as f32 + 0.5])
        })
    }

    /// Central difference along an axis: half the difference of the two neighbours.
    fn slope(&self, axis: usize) -> Self {
        Self::from_fn(self.size, |row, column| {
            let around = [-1.0, 1.0].map(|step| {
                let mut neighbour = [row as f32, column as f32];
                neighbour[axis] += step;
                self.at(neighbour)
            });
            0.5 * (around[1] - around[0])
        })
    }

    /// Sums over the window around each pixel, clipped at the border.
    fn windowed(&self) -> Self {
        let [height, width] = self.size;
        let reach = WINDOW / 2;
        let around = |centre: usize, extent: usize| {
            centre.saturating_sub(reach)..(centre + reach + 1).min(extent)
        };
        // The window is separable: sums along rows first, then sums of those along columns.
        let row_sums = Self::from_fn(self.size, |row, column| {
            self.pixels[row * width..][around(column, width)]
                .iter()
                .sum()
        });
        Self::from_fn(self.size, |row, column| {
            around(row, height)
                .map(|row| row_sums.pixels[row * width + column])
                .sum()
        })
    }

    /// Means over the window around each pixel, clipped at the border.
    fn averaged(&self) -> Self {
        let ones = Self::from_fn(self.size, |_, _| 1.0).windowed();
        let sums = self.windowed();
        let pairs = sums.pixels.iter().zip(&ones.pixels);
        Self {
            pixels: pairs.map(|(sum, n)| sum / n).collect(),
            size: self.size,
        }
    }

    /// Product pixel by pixel.
    fn times(&self, other: &Self) -> Self {
        let pairs = self.pixels.iter().zip(&other.pixels);
        Self {
            pixels: pairs.map(|(a, b)| a * b).collect(),
            size: self.size,
        }
    }
}

/// Estimates the displacements along rows and along columns, from the coarsest scale to this one.
fn lucas_kanade(now: &Plane, next: &Plane) -> [Plane; 2] {
    let mut flow = if now.is_large() {
        let coarse = lucas_kanade(&now.halved(), &next.halved());
        // A displacement of one coarse pixel is one of two pixels here. The shift by a quarter of a
        // pixel maps the centres of pixels here to positions on the coarse grid.
        coarse.map(|axis| {
            Plane::from_fn(now.size, |row, column| {
                2.0 * axis.at([0.5 * row as f32 - 0.25, 0.5 * column as f32 - 0.25])
            })
        })
    } else {
        [Plane::zeros(now.size), Plane::zeros(now.size)]
    };
    // The slopes are those of the current frame, not of the displaced next one: they stay the same over
    // the iterations, and the structure tensor is computed only once.
    let slopes = [now.slope(0), now.slope(1)];
    let structure = [(0, 0), (0, 1), (1, 1)].map(|(a, b)| slopes[a].times(&slopes[b]).windowed());
    let width = now.size[1];
    let regularisation = REGULARISATION * (WINDOW * WINDOW) as f32;
    for _ in 0..N_STEPS {
        let change = Plane::from_fn(now.size, |row, column| {
            let pixel = row * width + column;
            let target = [
                row as f32 + flow[0].pixels[pixel],
                column as f32 + flow[1].pixels[pixel],
            ];
            next.at(target) - now.pixels[pixel]
        });
        let [by_row, by_column] = [0, 1].map(|axis| slopes[axis].times(&change).windowed());
        for pixel in 0..now.pixels.len() {
            // Cramer's rule for the 2 by 2 system [a, b; b, c] step = -[u, v].
            let [a, b, c] = [0, 1, 2].map(|index| structure[index].pixels[pixel]);
            let (a, c) = (a + regularisation, c + regularisation);
            // Above 0: a c >= b^2 holds for sums of squares and products, and both diagonal entries grew.
            let determinant = a * c - b * b;
            let [u, v] = [by_row.pixels[pixel], by_column.pixels[pixel]];
            let step = [(b * v - c * u) / determinant, (b * u - a * v) / determinant];
            // The linear model of brightness holds only within about one pixel.
            for (axis, step) in flow.iter_mut().zip(step) {
                axis.pixels[pixel] += step.clamp(-1.0, 1.0);
            }
        }
        // The model assumes that the pixels of a window move together. Without this average neighbouring
        // windows drift apart, and the iteration does not converge.
        for axis in &mut flow {
            *axis = axis.averaged();
        }
    }
    flow
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(size: [usize; 2], shift: [f32; 2]) -> Vec<f32> {
        let plane = Plane::from_fn(size, |row, column| {
            let [y, x] = [row as f32 - shift[0], column as f32 - shift[1]];
            0.5 + 0.2 * (0.5 * x + 0.2 * y).sin() + 0.2 * (0.45 * y - 0.1 * x).cos()
        });
        plane.pixels
    }

    #[test]
    fn shifts_are_estimated_to_a_tenth_of_a_pixel() {
        let size @ [height, width] = [40, 48];
        for shift in [[0.0, 0.0], [1.5, -2.25], [-3.0, 4.0]] {
            let frames = [pattern(size, [0.0; 2]), pattern(size, shift)];
            let OpticalFlow {
                displacements: flow,
                is_visible_next: is_visible,
            } = optical_flow([&frames[0], &frames[1]], [1, height, width]);
            let (mut error, mut n) = (0.0, 0.0);
            for pixel in (0..height * width).filter(|&pixel| is_visible[pixel]) {
                let [row, column] = [pixel / width, pixel % width];
                if (8..height - 8).contains(&row) && (8..width - 8).contains(&column) {
                    error +=
                        (flow[pixel] - shift[0]).hypot(flow[height * width + pixel] - shift[1]);
                    n += 1.0;
                }
            }
            assert!(
                n > 700.0 && error / n < 0.1,
                "{shift:?}: {} of {n}",
                error / n
            );
        }
    }

    #[test]
    fn frames_without_pixels_have_an_empty_flow() {
        for shape in [[1, 0, 5], [3, 5, 0], [1, 0, 0]] {
            let flow = optical_flow([&[], &[]], shape);
            assert!(flow.displacements.is_empty() && flow.is_visible_next.is_empty());
        }
    }

    #[test]
    fn frames_without_texture_do_not_move() {
        for shape in [[1, 1, 1], [3, 2, 5], [1, 20, 3]] {
            let frame = vec![0.4; shape.iter().product()];
            let OpticalFlow {
                displacements: flow,
                is_visible_next: is_visible,
            } = optical_flow([&frame, &frame], shape);
            assert!(flow.iter().all(|&pixels| pixels == 0.0));
            assert!(is_visible.iter().all(|&visible| visible));
        }
    }
}
