//! Factors of a clip of moving digits: what can be said of it, with a margin that makes it certain.

use super::ClipKind;
use super::scene::{DIGIT_SIDE, Pose, Scene};

/// All that a caption says about a clip of moving digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Factors {
    /// Class of the digit.
    pub(super) digit: usize,
    /// Class of the second digit; `None` if there is none.
    pub(super) partner: Option<usize>,
    pub(super) action: Action,
}

/// Motion of the digits, and what covers or changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) motion: Motion,
    pub(super) scenery: Scenery,
}

/// Motion of the digits of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    /// One digit that does not move.
    Still,
    /// One digit on a straight path.
    Move {
        direction: Direction,
        /// `None` if the distance is neither clearly short nor clearly long.
        speed: Option<Speed>,
    },
    /// One digit that turns back at the border.
    Bounce,
    /// One digit that rotates and changes its size.
    Turn { turn: Turn, growth: Growth },
    /// Two digits that do not touch.
    Apart(Side),
    /// Two digits that end on top of each other.
    Merge(Side),
    /// Two digits that start on top of each other.
    Split(Side),
    /// One digit, joined by a second one.
    Appear(Side),
}

/// What covers or changes the digits of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenery {
    /// Nothing.
    Plain,
    /// A static bar in front of the digit.
    Bar,
    /// Noise in every frame.
    Noise,
    /// A blur of random width in every frame.
    Blur,
}

/// Direction of a path: eighth of the full circle, counted from the right and counterclockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction(pub(super) usize);

/// Distance that a digit covers in the clip, as a share of the largest one along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speed {
    Slow,
    Fast,
}

/// Direction of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Counterclockwise.
    Left,
    /// Clockwise.
    Right,
}

/// Change of the size of a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    Grow,
    Shrink,
}

/// Axis along which two digits lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Along a row.
    Beside,
    /// Along a column.
    Above,
}

/// Largest angle between a path and the middle of its direction, in eighths of the full circle: 12.5 degrees, 10 from
/// the next direction.
const MOST_OFF_DIRECTION: f32 = 12.5 / 45.0;

/// Largest distance of a slow path, and smallest of a fast one, as shares of the room along an axis.
const SLOW_AND_FAST: [f32; 2] = [0.6, 0.75];

/// Smallest distance in pixels that is called a motion; shorter ones that are not 0 are not described.
const LEAST_DISTANCE: f32 = 2.0;

/// Smallest speed along an axis, in pixels per frame, before and after a digit turns back.
const LEAST_BOUNCE: f32 = 0.5;

/// Smallest change of the size of a digit, as a share of it.
const LEAST_GROWTH: f32 = 0.06;

/// Smallest difference, in pixels, between the distances of two digits along both axes.
const LEAST_SIDE: f32 = 4.0;

impl Action {
    /// Describes a scene of a kind; `None` if a word of its caption would be doubtful.
    pub(super) fn of(kind: ClipKind, scene: &Scene) -> Option<Self> {
        let motion = match kind {
            ClipKind::Still
            | ClipKind::Constant
            | ClipKind::Noise
            | ClipKind::Blur
            | ClipKind::Occlusion => straight(scene),
            ClipKind::Bounce => bounces(scene).then_some(Motion::Bounce),
            ClipKind::RotateScale => turns(scene),
            ClipKind::TwoDigits => side(scene, 0..n_frames(scene)).map(Motion::Apart),
            ClipKind::Merge => side(scene, 0..1).map(Motion::Merge),
            ClipKind::Split => side(scene, n_frames(scene) - 1..n_frames(scene)).map(Motion::Split),
            ClipKind::Appear => side(scene, 0..n_frames(scene)).map(Motion::Appear),
        }?;
        let scenery = match kind {
            ClipKind::Noise => Scenery::Noise,
            ClipKind::Blur => Scenery::Blur,
            _ if scene.bar.is_some() => Scenery::Bar,
            _ => Scenery::Plain,
        };
        Some(Self { motion, scenery })
    }

    /// All actions that captions of a kind of clip can describe.
    pub(super) fn all(kind: ClipKind) -> Vec<Self> {
        let sides = [Side::Beside, Side::Above];
        let motions: Vec<Motion> = match kind {
            ClipKind::Still => vec![Motion::Still],
            ClipKind::Constant | ClipKind::Noise | ClipKind::Blur | ClipKind::Occlusion => {
                let speeds = [None, Some(Speed::Slow), Some(Speed::Fast)];
                (0..8)
                    .map(Direction)
                    .flat_map(|direction| speeds.map(|speed| Motion::Move { direction, speed }))
                    .collect()
            }
            ClipKind::Bounce => vec![Motion::Bounce],
            ClipKind::RotateScale => [Turn::Left, Turn::Right]
                .into_iter()
                .flat_map(|turn| {
                    [Growth::Grow, Growth::Shrink].map(|growth| Motion::Turn { turn, growth })
                })
                .collect(),
            ClipKind::TwoDigits => sides.map(Motion::Apart).to_vec(),
            ClipKind::Merge => sides.map(Motion::Merge).to_vec(),
            ClipKind::Split => sides.map(Motion::Split).to_vec(),
            ClipKind::Appear => sides.map(Motion::Appear).to_vec(),
        };
        let scenery = match kind {
            ClipKind::Noise => Scenery::Noise,
            ClipKind::Blur => Scenery::Blur,
            ClipKind::Occlusion => Scenery::Bar,
            _ => Scenery::Plain,
        };
        let action = |motion| Self { motion, scenery };
        motions.into_iter().map(action).collect()
    }
}

/// Number of frames of a scene.
fn n_frames(scene: &Scene) -> usize {
    scene.actors[0].poses.len()
}

/// First and last pose of the first digit, which is present in every frame.
fn ends(scene: &Scene) -> Option<[Pose; 2]> {
    let poses = &scene.actors[0].poses;
    Some([(*poses.first()?)?, (*poses.last()?)?])
}

/// Direction and speed of a straight path.
fn straight(scene: &Scene) -> Option<Motion> {
    let [first, last] = ends(scene)?;
    let [down, right] = [0, 1].map(|axis| last.center[axis] - first.center[axis]);
    let distance = down.hypot(right);
    if distance == 0.0 {
        return Some(Motion::Still);
    }
    if distance < LEAST_DISTANCE {
        return None;
    }
    let eighths = (-down).atan2(right).to_degrees() / 45.0;
    let nearest = eighths.round();
    if (eighths - nearest).abs() > MOST_OFF_DIRECTION {
        return None;
    }
    let share = distance / (scene.side - DIGIT_SIDE) as f32;
    let speed = match share {
        share if share <= SLOW_AND_FAST[0] => Some(Speed::Slow),
        share if share >= SLOW_AND_FAST[1] => Some(Speed::Fast),
        _ => None,
    };
    Some(Motion::Move {
        direction: Direction(nearest.rem_euclid(8.0) as usize),
        speed,
    })
}

/// True if the first digit clearly moves one way and back along an axis.
fn bounces(scene: &Scene) -> bool {
    let centers: Vec<[f32; 2]> = (scene.actors[0].poses.iter().flatten())
        .map(|pose| pose.center)
        .collect();
    (0..2).any(|axis| {
        let steps = centers.windows(2).map(|pair| pair[1][axis] - pair[0][axis]);
        let (least, most) = steps.fold((0.0f32, 0.0f32), |(least, most), step| {
            (least.min(step), most.max(step))
        });
        least <= -LEAST_BOUNCE && most >= LEAST_BOUNCE
    })
}

/// Rotation and growth of the first digit.
fn turns(scene: &Scene) -> Option<Motion> {
    let [first, last] = ends(scene)?;
    let (angle, growth) = (last.angle - first.angle, last.scale / first.scale - 1.0);
    if angle == 0.0 || growth.abs() < LEAST_GROWTH {
        return None;
    }
    Some(Motion::Turn {
        // Rows count downwards, so that a positive angle is counterclockwise for the viewer.
        turn: if angle > 0.0 { Turn::Left } else { Turn::Right },
        growth: if growth > 0.0 {
            Growth::Grow
        } else {
            Growth::Shrink
        },
    })
}

/// Axis along which the two digits lie, on average over the frames of a range that have both.
fn side(scene: &Scene, frames: std::ops::Range<usize>) -> Option<Side> {
    let poses = frames.map(|frame| [0, 1].map(|actor: usize| scene.actors[actor].poses[frame]));
    let (mut sums, mut n) = ([0.0; 2], 0.0f32);
    for pair in poses {
        if let [Some(first), Some(second)] = pair {
            for (axis, sum) in sums.iter_mut().enumerate() {
                *sum += (second.center[axis] - first.center[axis]).abs();
            }
            n += 1.0;
        }
    }
    let [rows, columns] = sums.map(|sum| sum / n.max(1.0));
    if (rows - columns).abs() < LEAST_SIDE {
        return None;
    }
    Some(if columns > rows {
        Side::Beside
    } else {
        Side::Above
    })
}
