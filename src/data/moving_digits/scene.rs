//! Digits in their places, drawn frame by frame.

use crate::coherence::{FOREGROUND, betti_numbers};
use crate::data::ClipTruth;

/// Side of a digit, in its own pixels.
pub(super) const DIGIT_SIDE: usize = 8;

/// Brightness of a bar.
const BAR: f32 = 0.5;

/// Where a digit is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pose {
    /// Row and column of its middle, in pixels of the frame.
    pub(super) center: [f32; 2],
    /// Turn, in radians.
    pub(super) angle: f32,
    /// Pixels of the frame to a pixel of the digit.
    pub(super) scale: f32,
}

/// A digit and where it is in every frame; `None` where it is not there.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    /// `[DIGIT_SIDE, DIGIT_SIDE]`, between 0 and 1.
    pub(super) pixels: Vec<f32>,
    pub(super) poses: Vec<Option<Pose>>,
}

/// Digits over a dark frame; later ones are nearer.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) side: usize,
    pub(super) actors: Vec<Actor>,
    /// A still bar in front of everything: first and last row, first and last column, the last ones
    /// not included.
    pub(super) bar: Option<[[usize; 2]; 2]>,
}

impl Pose {
    /// The digit as it lies in its own grid, its top left pixel there.
    pub(super) fn upright(corner: [f32; 2]) -> Self {
        let half = (DIGIT_SIDE - 1) as f32 / 2.0;
        Self {
            center: corner.map(|place| place + half),
            angle: 0.0,
            scale: 1.0,
        }
    }

    /// Where a place of the frame lies on the digit.
    fn on_digit(self, [row, column]: [f32; 2]) -> [f32; 2] {
        let half = (DIGIT_SIDE - 1) as f32 / 2.0;
        let [y, x] = [row - self.center[0], column - self.center[1]];
        if self.angle == 0.0 && self.scale == 1.0 {
            return [y + half, x + half];
        }
        let (sin, cos) = self.angle.sin_cos();
        [
            (cos * y + sin * x) / self.scale + half,
            (cos * x - sin * y) / self.scale + half,
        ]
    }

    /// Where a place on the digit lies in the frame.
    fn in_frame(self, [row, column]: [f32; 2]) -> [f32; 2] {
        let half = (DIGIT_SIDE - 1) as f32 / 2.0;
        let [y, x] = [row - half, column - half];
        if self.angle == 0.0 && self.scale == 1.0 {
            return [y + self.center[0], x + self.center[1]];
        }
        let (sin, cos) = self.angle.sin_cos();
        [
            self.scale * (cos * y - sin * x) + self.center[0],
            self.scale * (sin * y + cos * x) + self.center[1],
        ]
    }
}

/// What is seen in a frame.
struct Drawn {
    pixels: Vec<f32>,
    mask: Vec<u8>,
}

impl Scene {
    /// The frames, `[n_frames, side, side]`, and what is known of them.
    pub(super) fn render(&self) -> (Vec<f32>, ClipTruth) {
        let n_frames = self.actors.first().map_or(0, |actor| actor.poses.len());
        let frames: Vec<Drawn> = (0..n_frames).map(|frame| self.draw(frame)).collect();
        let (mut flow, mut is_seen_next) = (Vec::new(), Vec::new());
        for (frame, pair) in frames.windows(2).enumerate() {
            let moved = self.moved(frame, &pair[0].mask);
            is_seen_next.extend(self.is_seen(&moved, &pair[0].mask, &pair[1].mask));
            for axis in 0..2 {
                flow.extend(moved.iter().map(|moved| moved[axis]));
            }
        }
        let betti = frames.iter().map(|drawn| self.betti_of(drawn));
        let truth = ClipTruth {
            betti: betti.collect(),
            masks: frames
                .iter()
                .flat_map(|drawn| &drawn.mask)
                .copied()
                .collect(),
            flow,
            is_seen_next,
        };
        (
            frames.into_iter().flat_map(|drawn| drawn.pixels).collect(),
            truth,
        )
    }

    /// Components and holes of the foreground of a frame.
    pub(super) fn betti(&self, frame: usize) -> [usize; 2] {
        self.betti_of(&self.draw(frame))
    }

    fn betti_of(&self, drawn: &Drawn) -> [usize; 2] {
        let foreground: Vec<bool> = drawn.mask.iter().map(|&mask| mask > 0).collect();
        betti_numbers(&foreground, [self.side; 2])
    }

    fn draw(&self, frame: usize) -> Drawn {
        let n_pixels = self.side * self.side;
        let mut drawn = Drawn {
            pixels: vec![0.0; n_pixels],
            mask: vec![0; n_pixels],
        };
        for (index, actor) in self.actors.iter().enumerate() {
            let Some(pose) = actor.poses[frame] else {
                continue;
            };
            for at in 0..n_pixels {
                let place = [(at / self.side) as f32, (at % self.side) as f32];
                let brightness = sample(&actor.pixels, pose.on_digit(place));
                if brightness >= FOREGROUND {
                    drawn.pixels[at] = brightness;
                    drawn.mask[at] = index as u8 + 1;
                } else if drawn.mask[at] == 0 {
                    drawn.pixels[at] = drawn.pixels[at].max(brightness);
                }
            }
        }
        if let Some([rows, columns]) = self.bar {
            for row in rows[0]..rows[1] {
                for column in columns[0]..columns[1] {
                    drawn.pixels[row * self.side + column] = BAR;
                    drawn.mask[row * self.side + column] = self.actors.len() as u8 + 1;
                }
            }
        }
        drawn
    }

    /// How far what is seen at each pixel goes, in rows and columns; nowhere if it vanishes.
    fn moved(&self, frame: usize, mask: &[u8]) -> Vec<[f32; 2]> {
        let moved = |(at, &mask): (usize, &u8)| {
            let actor = self.actors.get(usize::from(mask).wrapping_sub(1))?;
            let place = [(at / self.side) as f32, (at % self.side) as f32];
            let on_digit = actor.poses[frame]?.on_digit(place);
            let next = actor.poses[frame + 1]?.in_frame(on_digit);
            Some([next[0] - place[0], next[1] - place[1]])
        };
        mask.iter()
            .enumerate()
            .map(|pixel| moved(pixel).unwrap_or_default())
            .collect()
    }

    /// Whether what is seen at a pixel is seen where it goes, in one of the pixels around.
    fn is_seen(&self, moved: &[[f32; 2]], mask: &[u8], next: &[u8]) -> Vec<bool> {
        let side = self.side as i64;
        let is_there = |at: usize| {
            let place = [at as i64 / side, at as i64 % side];
            let around = [0, 1].map(|axis| {
                let target = place[axis] as f32 + moved[at][axis];
                [target.floor() as i64, target.ceil() as i64]
            });
            around[0].iter().any(|&row| {
                around[1].iter().any(|&column| {
                    let is_inside = (0..side).contains(&row) && (0..side).contains(&column);
                    is_inside && next[(row * side + column) as usize] == mask[at]
                })
            })
        };
        (0..mask.len()).map(is_there).collect()
    }
}

/// Bilinear; dark outside.
fn sample(digit: &[f32], [y, x]: [f32; 2]) -> f32 {
    let pixel = |row: i64, column: i64| {
        let side = DIGIT_SIDE as i64;
        let is_inside = (0..side).contains(&row) && (0..side).contains(&column);
        if is_inside {
            digit[(row * side + column) as usize]
        } else {
            0.0
        }
    };
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = (y - top, x - left);
    let (row, column) = (top as i64, left as i64);
    let upper = (1.0 - right) * pixel(row, column) + right * pixel(row, column + 1);
    let lower = (1.0 - right) * pixel(row + 1, column) + right * pixel(row + 1, column + 1);
    (1.0 - down) * upper + down * lower
}
