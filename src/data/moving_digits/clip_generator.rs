//! Generation of one clip: random paths, redrawn until the topology behaves as the kind of clip requires.

use rand::{Rng, RngExt};

use super::ClipKind;
use super::factors::Action;
use super::scene::{Actor, Bar, DIGIT_SIDE, Pose, RenderedClip, Scene};

/// Number of random scenes that are tried before the fallback.
const ATTEMPTS: usize = 24;

/// Number of random scenes that are tried before the fallback if the clip has a caption, all of whose words must be
/// certain.
const CAPTIONED_ATTEMPTS: usize = 400;

/// Scale of the digits of the fallback scene: small enough for two of them to fit into a frame side by
/// side.
const SMALL: f32 = 0.75;

/// Range of a coordinate, in pixels: smallest and largest value.
type CoordinateRange = [f32; 2];

/// Clip with a description of what it shows.
pub(super) struct DescribedClip {
    pub(super) clip: RenderedClip,
    pub(super) action: Action,
    /// True if no random scene fitted; the second of two digits is a copy of the first then.
    pub(super) is_fallback: bool,
}

/// Generator of a clip of one kind.
pub(super) struct ClipGenerator<'a> {
    pub(super) kind: ClipKind,
    pub(super) n_frames: usize,
    /// Side of a frame, in pixels.
    pub(super) side: usize,
    /// Pixels of the digit: `[DIGIT_SIDE, DIGIT_SIDE]`.
    pub(super) digit: &'a [f32],
    /// Pixels of another digit, for kinds with two digits.
    pub(super) partner: &'a [f32],
}

impl ClipGenerator<'_> {
    /// Generates a clip whose topology behaves as its kind requires, and whose motion can be described with certainty.
    pub(super) fn generate_described(&self, random: &mut impl Rng) -> DescribedClip {
        let n_separate = self.n_separate();
        for _ in 0..CAPTIONED_ATTEMPTS {
            let scene = self.random_scene(random);
            // The description is checked first, because the topology needs rendered frames.
            if let Some(action) = Action::of(self.kind, &scene)
                && self.fits_kind(&scene, n_separate)
            {
                return DescribedClip {
                    clip: scene.render(),
                    action,
                    is_fallback: false,
                };
            }
        }
        for attempt in 0.. {
            // A digit that can hardly bounce or turn without a change of its topology moves on a straight line in the end.
            let (kind, scene) = if attempt < ATTEMPTS || self.kind.has_two() {
                (self.kind, self.fallback_scene(random))
            } else {
                let path = self.whole_pixel_line(random);
                (
                    ClipKind::Constant,
                    self.scene(vec![actor(self.digit, path)]),
                )
            };
            if let Some(action) = Action::of(kind, &scene) {
                return DescribedClip {
                    clip: scene.render(),
                    action,
                    is_fallback: true,
                };
            }
        }
        unreachable!("some straight line has a certain direction")
    }

    /// Generates a clip whose topology behaves as its kind requires.
    pub(super) fn generate(&self, random: &mut impl Rng) -> RenderedClip {
        let n_separate = self.n_separate();
        // Bounded, because no random scene is certain to fit; the fallback always does.
        for _ in 0..ATTEMPTS {
            let scene = self.random_scene(random);
            if self.fits_kind(&scene, n_separate) {
                return scene.render();
            }
        }
        self.fallback_scene(random).render()
    }

    /// Number of components of both digits while they do not touch; 0 for kinds with one digit.
    fn n_separate(&self) -> usize {
        if self.kind.has_two() {
            self.n_separate_components()
        } else {
            0
        }
    }

    /// True if the topology of a scene behaves as its kind requires.
    ///
    /// `n_separate` is the number of components of both digits while they do not touch. Only the frames
    /// needed for the answer are rendered.
    fn fits_kind(&self, scene: &Scene, n_separate: usize) -> bool {
        let last = self.n_frames - 1;
        let components = |frame: usize| scene.betti(frame)[0];
        let is_constant = || {
            let first = scene.betti(0);
            (1..=last).all(|frame| scene.betti(frame) == first)
        };
        match self.kind {
            ClipKind::Still | ClipKind::Occlusion => true,
            ClipKind::TwoDigits => components(0) == n_separate && is_constant(),
            ClipKind::Merge => components(0) == n_separate && components(last) < n_separate,
            ClipKind::Split | ClipKind::Appear => {
                components(last) == n_separate && components(0) < n_separate
            }
            _ => is_constant(),
        }
    }

    /// Number of components of both digits together while they do not touch.
    ///
    /// A digit itself can have several components.
    fn n_separate_components(&self) -> usize {
        let n_components = |pixels: &[f32]| {
            let poses = vec![Some(Pose::upright([0.0; 2]))];
            let scene = Scene {
                side: DIGIT_SIDE,
                actors: vec![actor(pixels, poses)],
                bar: None,
            };
            scene.betti(0)[0]
        };
        n_components(self.digit) + n_components(self.partner)
    }

    /// Draws a random scene of this kind, without regard to its topology.
    fn random_scene(&self, random: &mut impl Rng) -> Scene {
        let room = (self.side - DIGIT_SIDE) as f32;
        let digit = |poses| actor(self.digit, poses);
        match self.kind {
            ClipKind::Still => self.scene(vec![digit(self.still_path(room, random))]),
            ClipKind::Constant | ClipKind::Noise | ClipKind::Blur => {
                self.scene(vec![digit(self.straight_path(room, random))])
            }
            ClipKind::Occlusion => {
                let scene = self.scene(vec![digit(self.straight_path(room, random))]);
                self.add_bar(scene, random)
            }
            ClipKind::Bounce => {
                self.scene(vec![digit(self.bouncing_path([[0.0, room]; 2], random))])
            }
            ClipKind::RotateScale => self.scene(vec![digit(self.rotating_path(1.0, random))]),
            ClipKind::TwoDigits => {
                let poses = self
                    .half_ranges(random)
                    .map(|ranges| self.bouncing_path(ranges, random));
                self.two_digit_scene(poses)
            }
            ClipKind::Merge => self.two_digit_scene(self.merging_paths(random)),
            ClipKind::Split => self.two_digit_scene(self.merging_paths(random).map(reversed)),
            ClipKind::Appear => {
                let [first, mut second] = self
                    .half_ranges(random)
                    .map(|ranges| self.bouncing_path(ranges, random));
                // From the second frame on, so that every clip shows the change.
                let first_frame = random.random_range(1..self.n_frames);
                second[..first_frame].fill(None);
                self.two_digit_scene([first, second])
            }
        }
    }

    /// Scene of these digits without a bar.
    fn scene(&self, actors: Vec<Actor>) -> Scene {
        Scene {
            side: self.side,
            actors,
            bar: None,
        }
    }

    /// Scene of the digit and its partner on these two paths.
    fn two_digit_scene(&self, [first, second]: [Vec<Option<Pose>>; 2]) -> Scene {
        self.scene(vec![actor(self.digit, first), actor(self.partner, second)])
    }

    /// Evaluates a function of time at every frame.
    fn poses(&self, pose: impl Fn(f32) -> Pose) -> Vec<Option<Pose>> {
        (0..self.n_frames)
            .map(|frame| Some(pose(frame as f32)))
            .collect()
    }

    /// Path of a digit that stays at a random place.
    fn still_path(&self, room: f32, random: &mut impl Rng) -> Vec<Option<Pose>> {
        let corner = [0; 2].map(|_| random.random_range(0.0..=room));
        self.poses(|_| Pose::upright(corner))
    }

    /// Path at constant velocity between two random corners at least a third of `room` apart.
    ///
    /// `room` is the largest coordinate of the corner of a digit within the frame.
    fn straight_path(&self, room: f32, random: &mut impl Rng) -> Vec<Option<Pose>> {
        let mut random_corner = || [0; 2].map(|_| random.random_range(0.0..=room));
        let from = random_corner();
        let mut to = random_corner();
        // Closer corners would give an almost static clip.
        while (to[0] - from[0]).abs().max((to[1] - from[1]).abs()) < room / 3.0 {
            to = random_corner();
        }
        let n_steps = (self.n_frames - 1) as f32;
        let between =
            |frame: f32, axis: usize| from[axis] + (to[axis] - from[axis]) * frame / n_steps;
        self.poses(|frame| Pose::upright([between(frame, 0), between(frame, 1)]))
    }

    /// Path at constant speed whose corner bounces at the ends of the ranges of both axes.
    fn bouncing_path(
        &self,
        ranges: [CoordinateRange; 2],
        random: &mut impl Rng,
    ) -> Vec<Option<Pose>> {
        let start = ranges.map(|[low, high]| random.random_range(low..=high));
        let velocity = [0; 2].map(|_| {
            let speed = random.random_range(0.6..=1.8f32);
            if random.random_bool(0.5) {
                speed
            } else {
                -speed
            }
        });
        let coordinate = |frame: f32, axis: usize| {
            let [low, high] = ranges[axis];
            low + reflect(start[axis] - low + velocity[axis] * frame, high - low)
        };
        self.poses(|frame| Pose::upright([coordinate(frame, 0), coordinate(frame, 1)]))
    }

    /// Path of an enlarged digit that rotates about its centre, changes its size and drifts slightly.
    ///
    /// `extent` is the part of the whole motion that is made: 1 for all of it, 0 for none.
    fn rotating_path(&self, extent: f32, random: &mut impl Rng) -> Vec<Option<Pose>> {
        // At this scale the digit fills the frame up to half a pixel of its own on each side.
        let largest = self.side as f32 / (DIGIT_SIDE as f32 + 1.0);
        let [from, to] = [0; 2].map(|_| largest * random.random_range(0.75..=0.95f32));
        let turn = random.random_range(0.15..=0.5f32);
        let turn = extent * if random.random_bool(0.5) { turn } else { -turn };
        // Half of the turn on either side of a nearly upright pose, so that the digit stays recognisable.
        let start = random.random_range(-0.2..=0.2f32) - turn / 2.0;
        let drift = [0; 2].map(|_| extent * random.random_range(-0.5..=0.5f32));
        let growth = extent * (to - from);
        let middle = (self.side - 1) as f32 / 2.0;
        let n_steps = (self.n_frames - 1) as f32;
        self.poses(|frame| {
            let share = frame / n_steps;
            Pose {
                center: drift.map(|drift| middle + drift * (2.0 * share - 1.0)),
                angle: start + turn * share,
                scale: from + growth * share,
            }
        })
    }

    /// Ranges of the corners of two digits along both axes that keep each digit in its own half of the
    /// frame.
    fn half_ranges(&self, random: &mut impl Rng) -> [[CoordinateRange; 2]; 2] {
        let room = (self.side - DIGIT_SIDE) as f32;
        let middle = (self.side / 2) as f32;
        let near = [0.0, middle - DIGIT_SIDE as f32];
        let far = [middle, room];
        let whole = [0.0, room];
        if random.random_bool(0.5) {
            [[near, whole], [far, whole]]
        } else {
            [[whole, near], [whole, far]]
        }
    }

    /// Paths of two digits that start in different halves of the frame and end on top of each other.
    fn merging_paths(&self, random: &mut impl Rng) -> [Vec<Option<Pose>>; 2] {
        let halves = self.half_ranges(random);
        let from = halves.map(|ranges| ranges.map(|[low, high]| random.random_range(low..=high)));
        // Both digits move to the middle between their starts, with a small offset in opposite directions so
        // that they do not always coincide.
        let meeting = [0, 1].map(|axis| (from[0][axis] + from[1][axis]) / 2.0);
        let offset = [0; 2].map(|_| random.random_range(-1.5..=1.5f32));
        let room = (self.side - DIGIT_SIDE) as f32;
        let to = [1.0, -1.0].map(|sign: f32| {
            // The offset must not push a digit out of the frame.
            [0, 1].map(|axis| (meeting[axis] + sign * offset[axis]).clamp(0.0, room))
        });
        let n_steps = (self.n_frames - 1) as f32;
        [0, 1].map(|digit: usize| {
            let between = |frame: f32, axis: usize| {
                from[digit][axis] + (to[digit][axis] - from[digit][axis]) * frame / n_steps
            };
            self.poses(|frame| Pose::upright([between(frame, 0), between(frame, 1)]))
        })
    }

    /// Adds a horizontal or vertical bar across the position of the first digit in the middle frame.
    fn add_bar(&self, scene: Scene, random: &mut impl Rng) -> Scene {
        let thickness = self.side / 5;
        let middle = self.n_frames / 2;
        let center = scene.actors[0].poses[middle].map_or([0.0; 2], |pose| pose.center);
        let axis = usize::from(random.random_bool(0.5));
        let start = (center[axis].round() as usize).saturating_sub(thickness / 2);
        let across = start..(start + thickness).min(self.side);
        let along = 0..self.side;
        let [rows, columns] = if axis == 0 {
            [across, along]
        } else {
            [along, across]
        };
        Scene {
            bar: Some(Bar { rows, columns }),
            ..scene
        }
    }

    /// Scene that is certain to have the topology that its kind requires, with the motion of the kind.
    ///
    /// Digits move by whole pixels, which preserves their topology. A second digit is a copy of the first one, so that
    /// merging makes the two coincide.
    fn fallback_scene(&self, random: &mut impl Rng) -> Scene {
        let n_steps = self.n_frames - 1;
        let copy = |poses| actor(self.digit, poses);
        match self.kind {
            ClipKind::Still => self.random_scene(random),
            ClipKind::RotateScale => self.gentle_rotation(random),
            ClipKind::TwoDigits | ClipKind::Merge | ClipKind::Split | ClipKind::Appear => {
                let quarter = self.side as f32 / 4.0;
                let middle = (self.side - 1) as f32 / 2.0;
                let small = |row: f32, column: f32| Pose {
                    center: [row, column],
                    angle: 0.0,
                    scale: SMALL,
                };
                let ends = [middle - quarter, middle + quarter];
                // Half of the digit, whose outermost pixels may lie on the border of the frame.
                let reach = (middle - SMALL * (DIGIT_SIDE - 1) as f32 / 2.0).floor();
                let gliding = ends.map(|row| {
                    self.poses(|frame| {
                        let column = (reach * (2.0 * frame / n_steps as f32 - 1.0)).round();
                        small(row, middle + column)
                    })
                });
                let meeting = ends.map(|row| {
                    self.poses(|frame| small(row + (middle - row) * frame / n_steps as f32, middle))
                });
                let [first, second] = match self.kind {
                    ClipKind::Merge => meeting,
                    ClipKind::Split => meeting.map(reversed),
                    ClipKind::Appear => {
                        let [first, mut second] = gliding;
                        second[..(self.n_frames / 2).max(1)].fill(None);
                        [first, second]
                    }
                    _ => gliding,
                };
                self.scene(vec![copy(first), copy(second)])
            }
            ClipKind::Bounce => self.scene(vec![copy(self.whole_pixel_bounce(random))]),
            _ => self.scene(vec![copy(self.whole_pixel_line(random))]),
        }
    }

    /// Scene of a digit that rotates, grows or shrinks and drifts as little as its topology needs to stay the same.
    fn gentle_rotation(&self, random: &mut impl Rng) -> Scene {
        let mut extent = 0.5;
        loop {
            for _ in 0..ATTEMPTS {
                let path = self.rotating_path(extent, random);
                let scene = self.scene(vec![actor(self.digit, path)]);
                if self.fits_kind(&scene, 0) {
                    return scene;
                }
            }
            // Ends at the latest when nothing moves any more, since all frames are then the same.
            extent /= 2.0;
        }
    }

    /// Path between two random corners at least a third of the room apart, rounded to whole pixels in every frame.
    fn whole_pixel_line(&self, random: &mut impl Rng) -> Vec<Option<Pose>> {
        let room = self.side - DIGIT_SIDE;
        let mut random_corner = || [0; 2].map(|_| random.random_range(0..=room));
        let from = random_corner();
        let mut to = random_corner();
        while (0..2).all(|axis| 3 * to[axis].abs_diff(from[axis]) < room) {
            to = random_corner();
        }
        let n_steps = (self.n_frames - 1) as f32;
        let between = |frame: f32, axis: usize| {
            let [from, to] = [from[axis] as f32, to[axis] as f32];
            (from + (to - from) * frame / n_steps).round()
        };
        self.poses(|frame| Pose::upright([between(frame, 0), between(frame, 1)]))
    }

    /// Path that moves by one pixel per frame along each axis and bounces off the border.
    fn whole_pixel_bounce(&self, random: &mut impl Rng) -> Vec<Option<Pose>> {
        let room = self.side - DIGIT_SIDE;
        let start = [0; 2].map(|_| random.random_range(0..=room) as f32);
        let velocity = [0; 2].map(|_| {
            if random.random_bool(0.5) {
                1.0
            } else {
                -1.0f32
            }
        });
        let coordinate =
            |frame: f32, axis: usize| reflect(start[axis] + velocity[axis] * frame, room as f32);
        self.poses(|frame| Pose::upright([coordinate(frame, 0), coordinate(frame, 1)]))
    }
}

/// Digit with its pose in every frame.
fn actor(pixels: &[f32], poses: Vec<Option<Pose>>) -> Actor {
    Actor {
        pixels: pixels.to_vec(),
        poses,
    }
}

/// Poses in the opposite order of time.
fn reversed(mut poses: Vec<Option<Pose>>) -> Vec<Option<Pose>> {
    poses.reverse();
    poses
}

/// Folds a distance into `[0, length]` by reflection at both ends.
fn reflect(distance: f32, length: f32) -> f32 {
    // A range without room, as in the smallest frames: the remainder below would be NaN.
    if length == 0.0 {
        return 0.0;
    }
    // The motion repeats after one way there and one way back.
    let along = distance.rem_euclid(2.0 * length);
    if along > length {
        2.0 * length - along
    } else {
        along
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::data::digits::digits;
    use crate::data::random_stream::random_stream;

    #[test]
    fn fallback_scenes_have_the_topology_and_the_motion_of_their_kind() {
        let samples = digits().test;
        for kind in ClipKind::ALL {
            for (n_frames, side) in [(2, 16), (8, 16), (30, 17), (5, 32)] {
                for index in (0..samples.len()).step_by(7) {
                    let digit = samples.get(index).unwrap().pixels;
                    let generator = ClipGenerator {
                        kind,
                        n_frames,
                        side,
                        digit: &digit,
                        // The second digit of the scene is a copy of the first one.
                        partner: &digit,
                    };
                    let mut random = random_stream(3, &[index as u64]);
                    let scene = generator.fallback_scene(&mut random);
                    let n_separate = generator.n_separate_components();
                    let shown = format!("{kind:?}, {n_frames} frames of {side}, digit {index}");
                    assert!(generator.fits_kind(&scene, n_separate), "{shown}");
                    for actor in &scene.actors {
                        let poses: Vec<Pose> = actor.poses.iter().flatten().copied().collect();
                        let [first, last] = [poses[0], poses[poses.len() - 1]];
                        let is_still = poses.iter().all(|pose| *pose == first);
                        let may_be_still = kind == ClipKind::Still || poses.len() == 1;
                        assert!(!is_still || may_be_still, "{shown}");
                        if kind == ClipKind::RotateScale {
                            let turn = (last.angle - first.angle).abs();
                            let growth = (last.scale / first.scale - 1.0).abs();
                            assert!(turn > 0.001 && growth > 0.0, "{shown}: {turn} {growth}");
                        }
                    }
                }
            }
        }
    }
}
