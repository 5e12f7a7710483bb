//! What happens in a clip: paths drawn at random until the topology does what its kind promises.

use rand::{Rng, RngExt};

use super::ClipKind;
use super::scene::{Actor, DIGIT_SIDE, Pose, Scene};
use crate::data::ClipTruth;

/// Scenes that are drawn before the one that cannot fail.
const ATTEMPTS: usize = 24;

/// Side of a digit that is made to fit into half a frame for sure, over its own side.
const SMALL: f32 = 0.75;

/// The frames of a clip and what is known of them.
type Clip = (Vec<f32>, ClipTruth);

/// Draws scenes of a kind.
pub(super) struct Plan<'a> {
    pub(super) kind: ClipKind,
    pub(super) n_frames: usize,
    pub(super) side: usize,
    pub(super) digit: &'a [f32],
    /// Another digit of the class, where there are two.
    pub(super) partner: &'a [f32],
}

impl Plan<'_> {
    /// A scene whose topology does what its kind promises.
    pub(super) fn clip(&self, random: &mut impl Rng) -> Clip {
        let apart = match self.kind.has_two() {
            true => self.n_apart(),
            false => 0,
        };
        for _ in 0..ATTEMPTS {
            let scene = self.scene(random);
            if self.is_as_promised(&scene, apart) {
                return scene.render();
            }
        }
        self.sure_scene(random).render()
    }

    /// Looks at no more frames than it takes to say no.
    fn is_as_promised(&self, scene: &Scene, apart: usize) -> bool {
        let last = self.n_frames - 1;
        let components = |frame: usize| scene.betti(frame)[0];
        let stays = || {
            let first = scene.betti(0);
            (1..=last).all(|frame| scene.betti(frame) == first)
        };
        match self.kind {
            ClipKind::Occlusion => true,
            ClipKind::TwoDigits => components(0) == apart && stays(),
            ClipKind::Merge => components(0) == apart && components(last) < apart,
            ClipKind::Split | ClipKind::Appear => {
                components(last) == apart && components(0) < apart
            }
            _ => stays(),
        }
    }

    /// Components of both digits when they do not touch.
    fn n_apart(&self) -> usize {
        let of = |pixels: &[f32]| {
            let poses = vec![Some(Pose::upright([0.0; 2]))];
            let scene = Scene {
                side: DIGIT_SIDE,
                actors: vec![actor(pixels, poses)],
                bar: None,
            };
            scene.betti(0)[0]
        };
        of(self.digit) + of(self.partner)
    }

    fn scene(&self, random: &mut impl Rng) -> Scene {
        let room = (self.side - DIGIT_SIDE) as f32;
        let digit = |poses| actor(self.digit, poses);
        match self.kind {
            ClipKind::Constant | ClipKind::Noise | ClipKind::Blur => {
                self.of(vec![digit(self.straight(room, random))])
            }
            ClipKind::Occlusion => {
                let scene = self.of(vec![digit(self.straight(room, random))]);
                self.with_bar(scene, random)
            }
            ClipKind::Bounce => self.of(vec![digit(self.bouncing([[0.0, room]; 2], random))]),
            ClipKind::RotateScale => self.of(vec![digit(self.turning(random))]),
            ClipKind::TwoDigits => {
                let [a, b] = self.halves(random);
                let poses = [a, b].map(|ranges| self.bouncing(ranges, random));
                self.of_two(poses)
            }
            ClipKind::Merge => self.of_two(self.merging(random)),
            ClipKind::Split => self.of_two(self.merging(random).map(reversed)),
            ClipKind::Appear => {
                let [a, b] = self.halves(random);
                let [first, mut second] = [a, b].map(|ranges| self.bouncing(ranges, random));
                let appears = random.random_range(1..self.n_frames);
                second[..appears].fill(None);
                self.of_two([first, second])
            }
        }
    }

    fn of(&self, actors: Vec<Actor>) -> Scene {
        Scene {
            side: self.side,
            actors,
            bar: None,
        }
    }

    fn of_two(&self, [first, second]: [Vec<Option<Pose>>; 2]) -> Scene {
        let first = actor(self.digit, first);
        self.of(vec![first, actor(self.partner, second)])
    }

    fn poses(&self, pose: impl Fn(f32) -> Pose) -> Vec<Option<Pose>> {
        (0..self.n_frames)
            .map(|frame| Some(pose(frame as f32)))
            .collect()
    }

    /// From one place to another that is some way off, at constant velocity.
    fn straight(&self, room: f32, random: &mut impl Rng) -> Vec<Option<Pose>> {
        let mut place = || [0; 2].map(|_| random.random_range(0.0..=room));
        let from = place();
        let mut to = place();
        while (to[0] - from[0]).abs().max((to[1] - from[1]).abs()) < room / 3.0 {
            to = place();
        }
        let n_steps = (self.n_frames - 1) as f32;
        let between =
            |frame: f32, axis: usize| from[axis] + (to[axis] - from[axis]) * frame / n_steps;
        self.poses(|frame| Pose::upright([between(frame, 0), between(frame, 1)]))
    }

    /// At constant speed, its corner thrown back at the ends of both ranges.
    fn bouncing(&self, ranges: [[f32; 2]; 2], random: &mut impl Rng) -> Vec<Option<Pose>> {
        let start = ranges.map(|[low, high]| random.random_range(low..=high));
        let velocity = [0; 2].map(|_| {
            let speed = random.random_range(0.6..=1.8f32);
            if random.random_bool(0.5) {
                speed
            } else {
                -speed
            }
        });
        let place = |frame: f32, axis: usize| {
            let [low, high] = ranges[axis];
            low + mirrored(start[axis] - low + velocity[axis] * frame, high - low)
        };
        self.poses(|frame| Pose::upright([place(frame, 0), place(frame, 1)]))
    }

    /// About its middle, larger than life, drifting a little.
    fn turning(&self, random: &mut impl Rng) -> Vec<Option<Pose>> {
        let largest = self.side as f32 / (DIGIT_SIDE as f32 + 1.0);
        let [from, to] = [0; 2].map(|_| largest * random.random_range(0.75..=0.95f32));
        let turn = random.random_range(0.15..=0.5f32);
        let turn = if random.random_bool(0.5) { turn } else { -turn };
        let start = random.random_range(-0.2..=0.2f32) - turn / 2.0;
        let drift = [0; 2].map(|_| random.random_range(-0.5..=0.5f32));
        let middle = (self.side - 1) as f32 / 2.0;
        let n_steps = (self.n_frames - 1) as f32;
        self.poses(|frame| {
            let share = frame / n_steps;
            Pose {
                center: drift.map(|drift| middle + drift * (2.0 * share - 1.0)),
                angle: start + turn * share,
                scale: from + (to - from) * share,
            }
        })
    }

    /// Ranges of two digits' corners, by axis, that keep them in two halves of the frame.
    fn halves(&self, random: &mut impl Rng) -> [[[f32; 2]; 2]; 2] {
        let room = (self.side - DIGIT_SIDE) as f32;
        let middle = (self.side / 2) as f32;
        let near = [0.0, middle - DIGIT_SIDE as f32];
        let far = [middle, room];
        let whole = [0.0, room];
        match random.random_bool(0.5) {
            true => [[near, whole], [far, whole]],
            false => [[whole, near], [whole, far]],
        }
    }

    /// Apart at first, one over the other in the end.
    fn merging(&self, random: &mut impl Rng) -> [Vec<Option<Pose>>; 2] {
        let halves = self.halves(random);
        let from = halves.map(|ranges| ranges.map(|[low, high]| random.random_range(low..=high)));
        let meeting = [0, 1].map(|axis| (from[0][axis] + from[1][axis]) / 2.0);
        let off = [0; 2].map(|_| random.random_range(-1.5..=1.5f32));
        let room = (self.side - DIGIT_SIDE) as f32;
        let to = [1.0, -1.0].map(|sign: f32| {
            [0, 1].map(|axis| (meeting[axis] + sign * off[axis]).clamp(0.0, room))
        });
        let n_steps = (self.n_frames - 1) as f32;
        [0, 1].map(|digit: usize| {
            let between = |frame: f32, axis: usize| {
                from[digit][axis] + (to[digit][axis] - from[digit][axis]) * frame / n_steps
            };
            self.poses(|frame| Pose::upright([between(frame, 0), between(frame, 1)]))
        })
    }

    /// Over part of the way of the first digit.
    fn with_bar(&self, scene: Scene, random: &mut impl Rng) -> Scene {
        let thickness = self.side / 5;
        let middle = self.n_frames / 2;
        let center = scene.actors[0].poses[middle].map_or([0.0; 2], |pose| pose.center);
        let axis = usize::from(random.random_bool(0.5));
        let start = (center[axis].round() as usize).saturating_sub(thickness / 2);
        let across = [start, (start + thickness).min(self.side)];
        let along = [0, self.side];
        Scene {
            bar: Some(if axis == 0 {
                [across, along]
            } else {
                [along, across]
            }),
            ..scene
        }
    }

    /// One that surely does what the kind promises: whole pixels, and a second digit like the first.
    fn sure_scene(&self, random: &mut impl Rng) -> Scene {
        let room = self.side - DIGIT_SIDE;
        let n_steps = self.n_frames - 1;
        let twin = |poses| actor(self.digit, poses);
        match self.kind {
            ClipKind::RotateScale => {
                // As large as whole pixels make it, drifting by them.
                let poses = self.whole_steps(room, n_steps, random);
                self.of(vec![twin(poses)])
            }
            ClipKind::TwoDigits | ClipKind::Merge | ClipKind::Split | ClipKind::Appear => {
                let quarter = self.side as f32 / 4.0;
                let middle = (self.side - 1) as f32 / 2.0;
                let small = |row: f32| Pose {
                    center: [row, middle],
                    angle: 0.0,
                    scale: SMALL,
                };
                let ends = [middle - quarter, middle + quarter];
                let still = ends.map(|row| self.poses(|_| small(row)));
                let meets = ends.map(|row| {
                    self.poses(|frame| small(row + (middle - row) * frame / n_steps as f32))
                });
                let [first, second] = match self.kind {
                    ClipKind::Merge => meets,
                    ClipKind::Split => meets.map(reversed),
                    ClipKind::Appear => {
                        let [first, mut second] = still;
                        second[..self.n_frames / 2].fill(None);
                        [first, second]
                    }
                    _ => still,
                };
                self.of(vec![twin(first), twin(second)])
            }
            _ => self.of(vec![twin(self.whole_steps(room, n_steps, random))]),
        }
    }

    /// A pixel each frame along one axis or both, as far as there is room.
    fn whole_steps(&self, room: usize, n_steps: usize, random: &mut impl Rng) -> Vec<Option<Pose>> {
        let step = [0; 2].map(|_| {
            if n_steps <= room {
                random.random_range(0..=1usize)
            } else {
                0
            }
        });
        let start = step.map(|step| random.random_range(0..=room - step * n_steps));
        self.poses(|frame| {
            let place = |axis: usize| start[axis] as f32 + step[axis] as f32 * frame;
            Pose::upright([place(0), place(1)])
        })
    }
}

fn actor(pixels: &[f32], poses: Vec<Option<Pose>>) -> Actor {
    Actor {
        pixels: pixels.to_vec(),
        poses,
    }
}

fn reversed(mut poses: Vec<Option<Pose>>) -> Vec<Option<Pose>> {
    poses.reverse();
    poses
}

/// A place that has run that far on a way of this length, back and forth.
fn mirrored(run: f32, length: f32) -> f32 {
    if length == 0.0 {
        return 0.0;
    }
    let along = run.rem_euclid(2.0 * length);
    if along > length {
        2.0 * length - along
    } else {
        along
    }
}
