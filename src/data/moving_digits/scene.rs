//! Scenes of posed digits, rendered frame by frame with their ground truth.

use std::ops::Range;

use crate::data::ClipTruth;
use crate::video_metrics::{FOREGROUND_THRESHOLD, betti_numbers};

/// Side of the image of a digit, in its own pixels.
pub(super) const DIGIT_SIDE: usize = 8;

/// Brightness of the occluding bar.
const BAR_BRIGHTNESS: f32 = 0.5;

/// Position, rotation and size of a digit in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pose {
    /// Row and column of the centre of the digit, in pixels of the frame.
    pub(super) center: [f32; 2],
    /// Rotation, in radians.
    pub(super) angle: f32,
    /// Size of a pixel of the digit, in pixels of the frame.
    pub(super) scale: f32,
}

/// A digit with its pose in every frame.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    /// `[DIGIT_SIDE, DIGIT_SIDE]`, in `[0, 1]`.
    pub(super) pixels: Vec<f32>,
    /// Pose in each frame; `None` where the digit is absent.
    pub(super) poses: Vec<Option<Pose>>,
}

/// Digits over a black background; later ones cover earlier ones.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    /// Side of a frame, in pixels.
    pub(super) side: usize,
    pub(super) actors: Vec<Actor>,
    /// Static bar in front of all digits.
    pub(super) bar: Option<Bar>,
}

/// Static rectangle that covers what lies behind it.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Pose {
    /// Unrotated pose at the digit's own size, with its top left pixel at this row and column.
    pub(super) fn upright(corner: [f32; 2]) -> Self {
        let half = (DIGIT_SIDE - 1) as f32 / 2.0;
        Self {
            center: corner.map(|coordinate| coordinate + half),
            angle: 0.0,
            scale: 1.0,
        }
    }

    /// Maps a position in the frame to one on the digit.
    fn frame_to_digit(self, [row, column]: [f32; 2]) -> [f32; 2] {
        let half = (DIGIT_SIDE - 1) as f32 / 2.0;
        let [y, x] = [row - self.center[0], column - self.center[1]];
        // Saves the trigonometry for most digits, which are neither rotated nor scaled.
        if self.angle == 0.0 && self.scale == 1.0 {
            return [y + half, x + half];
        }
        let (sin, cos) = self.angle.sin_cos();
        [
            (cos * y + sin * x) / self.scale + half,
            (cos * x - sin * y) / self.scale + half,
        ]
    }

    /// Maps a position on the digit to one in the frame; the inverse of [`Pose::frame_to_digit`].
    fn digit_to_frame(self, [row, column]: [f32; 2]) -> [f32; 2] {
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

/// Pixels and mask of one frame.
struct RenderedFrame {
    /// Brightness: `[side, side]`.
    pixels: Vec<f32>,
    /// Index of the object at each pixel, 0 for the background: `[side, side]`.
    mask: Vec<u8>,
}

/// Frames of a clip with their ground truth.
pub(super) struct RenderedClip {
    /// `[n_frames, side, side]`
    pub(super) pixels: Vec<f32>,
    pub(super) truth: ClipTruth,
}

impl Scene {
    /// Renders all frames together with masks, flow and Betti numbers.
    pub(super) fn render(&self) -> RenderedClip {
        let n_frames = self.actors.first().map_or(0, |actor| actor.poses.len());
        let frames: Vec<RenderedFrame> = (0..n_frames)
            .map(|frame| self.render_frame(frame))
            .collect();
        let (mut flow, mut is_visible_next) = (Vec::new(), Vec::new());
        for (frame, pair) in frames.windows(2).enumerate() {
            let displacements = self.displacements(frame, &pair[0].mask);
            is_visible_next.extend(self.visible_next(&displacements, &pair[0].mask, &pair[1].mask));
            // All rows of displacements, then all columns: one plane for each axis.
            for axis in 0..2 {
                flow.extend(displacements.iter().map(|displacement| displacement[axis]));
            }
        }
        let betti = frames.iter().map(|frame| self.mask_betti(frame)).collect();
        let truth = ClipTruth {
            betti,
            masks: frames
                .iter()
                .flat_map(|frame| &frame.mask)
                .copied()
                .collect(),
            flow,
            is_visible_next,
        };
        RenderedClip {
            pixels: frames.into_iter().flat_map(|frame| frame.pixels).collect(),
            truth,
        }
    }

    /// Numbers of components and holes of the foreground of a frame.
    pub(super) fn betti(&self, frame: usize) -> [usize; 2] {
        self.mask_betti(&self.render_frame(frame))
    }

    /// Numbers of components and holes of the mask of a rendered frame.
    fn mask_betti(&self, frame: &RenderedFrame) -> [usize; 2] {
        let foreground: Vec<bool> = frame.mask.iter().map(|&object| object > 0).collect();
        betti_numbers(&foreground, [self.side; 2])
    }

    /// Renders one frame: digits in their order, then the bar.
    fn render_frame(&self, frame: usize) -> RenderedFrame {
        let n_pixels = self.side * self.side;
        let mut rendered = RenderedFrame {
            pixels: vec![0.0; n_pixels],
            mask: vec![0; n_pixels],
        };
        for (index, actor) in self.actors.iter().enumerate() {
            let Some(pose) = actor.poses[frame] else {
                continue;
            };
            for pixel in 0..n_pixels {
                // Each pixel of the frame is looked up on the digit, which leaves no gaps in an enlarged one.
                let position = [(pixel / self.side) as f32, (pixel % self.side) as f32];
                let brightness = interpolate(&actor.pixels, pose.frame_to_digit(position));
                if brightness >= FOREGROUND_THRESHOLD {
                    rendered.pixels[pixel] = brightness;
                    // A scene has at most two digits and a bar, so a byte is enough.
                    rendered.mask[pixel] = index as u8 + 1;
                } else if rendered.mask[pixel] == 0 {
                    // The dim edge of a digit must not darken the edge of another one.
                    rendered.pixels[pixel] = rendered.pixels[pixel].max(brightness);
                }
            }
        }
        if let Some(bar) = &self.bar {
            for row in bar.rows.clone() {
                for column in bar.columns.clone() {
                    rendered.pixels[row * self.side + column] = BAR_BRIGHTNESS;
                    rendered.mask[row * self.side + column] = self.actors.len() as u8 + 1;
                }
            }
        }
        rendered
    }

    /// Displacement of each pixel's content to the next frame, in rows and columns.
    ///
    /// It is 0 for the background, for the bar and for a digit that is absent from the next frame.
    fn displacements(&self, frame: usize, mask: &[u8]) -> Vec<[f32; 2]> {
        let displacement = |(pixel, &object): (usize, &u8)| {
            // The background wraps around to an index without an actor, as the bar has one.
            let actor = self.actors.get(usize::from(object).wrapping_sub(1))?;
            let position = [(pixel / self.side) as f32, (pixel % self.side) as f32];
            let on_digit = actor.poses[frame]?.frame_to_digit(position);
            let next = actor.poses[frame + 1]?.digit_to_frame(on_digit);
            Some([next[0] - position[0], next[1] - position[1]])
        };
        mask.iter()
            .enumerate()
            .map(|pixel| displacement(pixel).unwrap_or_default())
            .collect()
    }

    /// True where the content of a pixel is visible in the next frame: where one of the four pixels around
    /// its target shows the same object.
    fn visible_next(&self, displacements: &[[f32; 2]], mask: &[u8], next: &[u8]) -> Vec<bool> {
        let side = self.side as i64;
        let is_visible = |pixel: usize| {
            let position = [pixel as i64 / side, pixel as i64 % side];
            let around = [0, 1].map(|axis| {
                let target = position[axis] as f32 + displacements[pixel][axis];
                [target.floor() as i64, target.ceil() as i64]
            });
            around[0].iter().any(|&row| {
                around[1].iter().any(|&column| {
                    // Content that leaves the frame is not visible in the next one.
                    let is_inside = (0..side).contains(&row) && (0..side).contains(&column);
                    is_inside && next[(row * side + column) as usize] == mask[pixel]
                })
            })
        };
        (0..mask.len()).map(is_visible).collect()
    }
}

/// Interpolates a digit bilinearly at a fractional position; black outside of it.
fn interpolate(digit: &[f32], [y, x]: [f32; 2]) -> f32 {
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
    // Weights of the lower and of the right neighbours.
    let (down, right) = (y - top, x - left);
    let (row, column) = (top as i64, left as i64);
    let upper = (1.0 - right) * pixel(row, column) + right * pixel(row, column + 1);
    let lower = (1.0 - right) * pixel(row + 1, column) + right * pixel(row + 1, column + 1);
    (1.0 - down) * upper + down * lower
}
