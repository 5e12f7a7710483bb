//! Motion estimated from the frames, where nobody knows it.

use super::motion::sample;

/// Side of the window that moves as one, in pixels.
const WINDOW: usize = 7;

/// Steps at each scale.
const N_STEPS: usize = 8;

/// Smallest side of a frame that is halved once more, in pixels.
const MIN_SIDE: usize = 16;

/// Added to the structure of a window, of the square of the brightness per pixel: where there is none,
/// nothing is said to move.
const REGULARISATION: f32 = 1e-4;

/// The motion from one frame to the next: displacements in pixels, rows then columns,
/// `[2, height, width]`, and whether a pixel is seen in the next frame, `[height, width]`.
///
/// Pyramidal Lucas-Kanade: windows of seven by seven pixels move as one, from a coarse scale to the fine.
/// A pixel counts as seen where the motion back undoes the motion there.
///
/// It is an estimate: motions of more than about a fifth of the frame, plain surfaces and things that
/// change their looks are beyond it.
///
/// # Shapes
///
/// - `frames`: `[n_channels, height, width]` each, pixels in `[0, 1]`
/// - `shape`: channels, height, width
///
/// # Panics
///
/// If the lengths do not fit.
///
/// # Cost
///
/// Some thousand operations for each pixel.
///
/// # Source
///
/// Bouguet, "Pyramidal Implementation of the Lucas Kanade Feature Tracker", 2000, for every pixel; the
/// check as in Ruder et al., "Artistic Style Transfer for Videos", 2016, equation 5.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::optical_flow;
///
/// // A smooth hill that goes one pixel to the right.
/// let hill = |peak: f32| -> Vec<f32> {
///     let height = |k: usize| {
///         let [row, column] = [(k / 20) as f32 - 10.0, (k % 20) as f32 - peak];
///         (-(row * row + column * column) / 20.0).exp()
///     };
///     (0..400).map(height).collect()
/// };
/// let (flow, _) = optical_flow([&hill(9.0), &hill(10.0)], [1, 20, 20]);
/// assert!((flow[400 + 10 * 20 + 9] - 1.0).abs() < 0.1); // columns
/// assert!(flow[10 * 20 + 9].abs() < 0.1); // rows
/// ```
pub fn optical_flow(frames: [&[f32]; 2], shape: [usize; 3]) -> (Vec<f32>, Vec<bool>) {
    let [n_channels, height, width] = shape;
    let size = height * width;
    let grey = frames.map(|frame| {
        assert_eq!(frame.len(), n_channels * size, "a frame is not whole");
        let mut grey = vec![0.0; size];
        for channel in frame.chunks_exact(size) {
            for (sum, pixel) in grey.iter_mut().zip(channel) {
                *sum += pixel / n_channels as f32;
            }
        }
        Picture {
            pixels: grey,
            size: [height, width],
        }
    });
    let [now, next] = &grey;
    let there = motion(now, next);
    let back = motion(next, now);
    let is_seen = (0..size).map(|at| {
        let forward = [0, 1].map(|axis| there[axis].pixels[at]);
        let place = [
            (at / width) as f32 + forward[0],
            (at % width) as f32 + forward[1],
        ];
        let is_inside = (-0.5..height as f32 - 0.5).contains(&place[0])
            && (-0.5..width as f32 - 0.5).contains(&place[1]);
        let backward = [0, 1].map(|axis| back[axis].at(place));
        let square = |v: [f32; 2]| v[0] * v[0] + v[1] * v[1];
        let gap = square([forward[0] + backward[0], forward[1] + backward[1]]);
        is_inside && gap < 0.01 * (square(forward) + square(backward)) + 0.5
    });
    let is_seen = is_seen.collect();
    (there.map(|axis| axis.pixels).concat(), is_seen)
}

/// Numbers by row and column.
#[derive(Debug, Clone)]
struct Picture {
    pixels: Vec<f32>,
    size: [usize; 2],
}

impl Picture {
    fn zeros(size: [usize; 2]) -> Self {
        Self {
            pixels: vec![0.0; size[0] * size[1]],
            size,
        }
    }

    fn made(size: [usize; 2], of: impl Fn(usize, usize) -> f32) -> Self {
        let places = (0..size[0]).flat_map(|row| (0..size[1]).map(move |column| (row, column)));
        Self {
            pixels: places.map(|(row, column)| of(row, column)).collect(),
            size,
        }
    }

    fn at(&self, place: [f32; 2]) -> f32 {
        sample(&self.pixels, self.size, place)
    }

    fn is_large(&self) -> bool {
        self.size.iter().all(|&side| side >= 2 * MIN_SIDE)
    }

    /// Half as large, means of two by two pixels.
    fn halved(&self) -> Self {
        let size = self.size.map(|side| side / 2);
        Self::made(size, |row, column| {
            self.at([2.0 * row as f32 + 0.5, 2.0 * column as f32 + 0.5])
        })
    }

    /// Half the difference of the neighbours along an axis.
    fn slope(&self, axis: usize) -> Self {
        Self::made(self.size, |row, column| {
            let around = [-1.0, 1.0].map(|step| {
                let mut place = [row as f32, column as f32];
                place[axis] += step;
                self.at(place)
            });
            0.5 * (around[1] - around[0])
        })
    }

    /// Sums over the windows around each pixel, cut at the border.
    fn windowed(&self) -> Self {
        let [height, width] = self.size;
        let reach = WINDOW / 2;
        let around = |place: usize, extent: usize| {
            place.saturating_sub(reach)..(place + reach + 1).min(extent)
        };
        let along = Self::made(self.size, |row, column| {
            self.pixels[row * width..][around(column, width)]
                .iter()
                .sum()
        });
        Self::made(self.size, |row, column| {
            around(row, height)
                .map(|row| along.pixels[row * width + column])
                .sum()
        })
    }

    /// Means over the windows.
    fn averaged(&self) -> Self {
        let ones = Self::made(self.size, |_, _| 1.0).windowed();
        let sums = self.windowed();
        let pairs = sums.pixels.iter().zip(&ones.pixels);
        Self {
            pixels: pairs.map(|(sum, n)| sum / n).collect(),
            size: self.size,
        }
    }

    fn times(&self, other: &Self) -> Self {
        let pairs = self.pixels.iter().zip(&other.pixels);
        Self {
            pixels: pairs.map(|(a, b)| a * b).collect(),
            size: self.size,
        }
    }
}

/// Displacements in rows and columns.
fn motion(now: &Picture, next: &Picture) -> [Picture; 2] {
    let mut flow = if now.is_large() {
        let coarse = motion(&now.halved(), &next.halved());
        coarse.map(|axis| {
            Picture::made(now.size, |row, column| {
                2.0 * axis.at([0.5 * row as f32 - 0.25, 0.5 * column as f32 - 0.25])
            })
        })
    } else {
        [Picture::zeros(now.size), Picture::zeros(now.size)]
    };
    let slopes = [now.slope(0), now.slope(1)];
    let structure = [(0, 0), (0, 1), (1, 1)].map(|(a, b)| slopes[a].times(&slopes[b]).windowed());
    let width = now.size[1];
    let regularisation = REGULARISATION * (WINDOW * WINDOW) as f32;
    for _ in 0..N_STEPS {
        let change = Picture::made(now.size, |row, column| {
            let at = row * width + column;
            let place = [
                row as f32 + flow[0].pixels[at],
                column as f32 + flow[1].pixels[at],
            ];
            next.at(place) - now.pixels[at]
        });
        let [by_row, by_column] = [0, 1].map(|axis| slopes[axis].times(&change).windowed());
        for at in 0..now.pixels.len() {
            let [a, b, c] = [0, 1, 2].map(|index| structure[index].pixels[at]);
            let (a, c) = (a + regularisation, c + regularisation);
            let determinant = a * c - b * b;
            let [u, v] = [by_row.pixels[at], by_column.pixels[at]];
            let step = [(b * v - c * u) / determinant, (b * u - a * v) / determinant];
            // A window knows nothing of what lies beyond a pixel.
            for (axis, step) in flow.iter_mut().zip(step) {
                axis.pixels[at] += step.clamp(-1.0, 1.0);
            }
        }
        // Neighbours were taken to move as one, and are held to it: the steps do not settle otherwise.
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
        let picture = Picture::made(size, |row, column| {
            let [y, x] = [row as f32 - shift[0], column as f32 - shift[1]];
            0.5 + 0.2 * (0.5 * x + 0.2 * y).sin() + 0.2 * (0.45 * y - 0.1 * x).cos()
        });
        picture.pixels
    }

    #[test]
    fn a_shift_is_found_and_undone() {
        let size @ [height, width] = [40, 48];
        for shift in [[0.0, 0.0], [1.5, -2.25], [-3.0, 4.0]] {
            let frames = [pattern(size, [0.0; 2]), pattern(size, shift)];
            let (flow, is_seen) = optical_flow([&frames[0], &frames[1]], [1, height, width]);
            let (mut error, mut n) = (0.0, 0.0);
            for at in (0..height * width).filter(|&at| is_seen[at]) {
                let [row, column] = [at / width, at % width];
                if (8..height - 8).contains(&row) && (8..width - 8).contains(&column) {
                    error += (flow[at] - shift[0]).hypot(flow[height * width + at] - shift[1]);
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
    fn plain_small_and_coloured_frames_do_not_move() {
        for shape in [[1, 1, 1], [3, 2, 5], [1, 20, 3]] {
            let frame = vec![0.4; shape.iter().product()];
            let (flow, is_seen) = optical_flow([&frame, &frame], shape);
            assert!(flow.iter().all(|&pixels| pixels == 0.0));
            assert!(is_seen.iter().all(|&seen| seen));
        }
    }
}
