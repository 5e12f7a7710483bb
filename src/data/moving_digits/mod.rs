//! Clips of handwritten digits that move, of which everything is known: class, masks, flow, topology.

mod plan;
mod scene;

use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_distr::{Distribution, Normal, Uniform};
use rayon::prelude::*;

use self::plan::Plan;
use super::batch::random_stream;
use super::digits::{DIGITS_SPEC, digits};
use super::{Sample, SampleSpec, Samples, Splits};

/// What happens in a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipKind {
    /// A digit at constant velocity.
    Constant,
    /// A digit at constant speed, thrown back at the borders.
    Bounce,
    /// A digit, larger, that turns and swells or shrinks while it drifts.
    RotateScale,
    /// A digit at constant velocity behind a still grey bar.
    Occlusion,
    /// A digit at constant velocity under independent Gaussian noise in every frame.
    Noise,
    /// A digit at constant velocity, each frame blurred by its own width.
    Blur,
    /// Two digits of a class that never touch.
    TwoDigits,
    /// Two digits of a class that come together.
    Merge,
    /// Two digits of a class that part.
    Split,
    /// A digit, and from some frame on a second one of its class.
    Appear,
}

impl ClipKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Constant,
        Self::Bounce,
        Self::RotateScale,
        Self::Occlusion,
        Self::Noise,
        Self::Blur,
        Self::TwoDigits,
        Self::Merge,
        Self::Split,
        Self::Appear,
    ];

    /// As configurations spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Bounce => "bounce",
            Self::RotateScale => "rotate_scale",
            Self::Occlusion => "occlusion",
            Self::Noise => "noise",
            Self::Blur => "blur",
            Self::TwoDigits => "two_digits",
            Self::Merge => "merge",
            Self::Split => "split",
            Self::Appear => "appear",
        }
    }

    /// Whether what is seen changes from frame to frame by more than its motion.
    pub fn corrupts_frames(self) -> bool {
        matches!(self, Self::Noise | Self::Blur)
    }

    /// Whether the Betti numbers of the foreground are the same in all frames of every clip.
    ///
    /// Those of [`ClipKind::Occlusion`] may be or not, as the bar cuts; those of the last three surely
    /// are not.
    pub fn keeps_topology(self) -> bool {
        !matches!(
            self,
            Self::Occlusion | Self::Merge | Self::Split | Self::Appear
        )
    }

    fn has_two(self) -> bool {
        matches!(
            self,
            Self::TwoDigits | Self::Merge | Self::Split | Self::Appear
        )
    }
}

/// Digits in motion.
///
/// Clip `k` of a split is of the kind `kinds[k % kinds.len()]` and of digit `k % n_digits` of that
/// split of [`digits`]; its motion depends on the split and `k` alone, not on the seed of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct MovingDigits {
    kinds: Vec<ClipKind>,
    n_frames: usize,
    side: usize,
    repeats: usize,
    noise: f32,
}

/// Smallest side of a frame, in pixels: room to move.
const MIN_SIDE: usize = 12;

/// Smallest side of a frame with two digits next to each other.
const MIN_SIDE_OF_TWO: usize = 16;

/// Largest standard deviation of a blur, in pixels.
const MAX_BLUR: f32 = 1.0;

impl MovingDigits {
    /// Clips of these kinds: `n_frames` frames of `side` by `side` pixels, `repeats` clips of each
    /// digit, `noise` the standard deviation of the pixels' noise in clips of kind `Noise`.
    ///
    /// # Errors
    ///
    /// One sentence if there is no kind, less than two frames or no repeat, the frames are too small, or
    /// the noise is not between 0 and 1.
    pub fn new(
        kinds: Vec<ClipKind>,
        n_frames: usize,
        side: usize,
        repeats: usize,
        noise: f32,
    ) -> Result<Self, String> {
        if kinds.is_empty() {
            return Err("clips is an empty list, expected at least one kind".to_owned());
        }
        if n_frames < 2 {
            return Err(format!("n_frames is {n_frames}, expected at least 2"));
        }
        if repeats == 0 {
            return Err("repeats is 0, expected at least 1".to_owned());
        }
        let least = match kinds.iter().any(|kind| kind.has_two()) {
            true => MIN_SIDE_OF_TWO,
            false => MIN_SIDE,
        };
        if side < least {
            return Err(format!(
                "side is {side}, expected at least {least} pixels for digits of 8 to move in"
            ));
        }
        if !(0.0..=1.0).contains(&noise) {
            return Err(format!(
                "noise is {noise}, expected a standard deviation from 0 to 1"
            ));
        }
        Ok(Self {
            kinds,
            n_frames,
            side,
            repeats,
            noise,
        })
    }

    /// Shape of the clips.
    pub fn spec(&self) -> SampleSpec {
        SampleSpec {
            n_frames: self.n_frames,
            height: self.side,
            width: self.side,
            ..DIGITS_SPEC
        }
    }

    /// The kind of a clip.
    pub fn kind_of(&self, index: usize) -> ClipKind {
        self.kinds[index % self.kinds.len()]
    }

    /// Clips of the three splits of the digits, no digit in two of them; made whenever one is asked for.
    ///
    /// # Cost
    ///
    /// About a tenth of a millisecond for a clip of 8 frames of 16 by 16 pixels.
    pub fn splits(&self) -> Splits {
        let digits = digits();
        let clips = |split: u64, digits: &Samples| -> Samples {
            let digits = digits.iter().map(|digit| digit.expect("embedded digits"));
            let digits: Vec<Sample> = digits.collect();
            let mut of_class = vec![Vec::new(); DIGITS_SPEC.n_classes];
            for (index, digit) in digits.iter().enumerate() {
                of_class[digit.label].push(index);
            }
            Arc::new(MadeClips {
                settings: self.clone(),
                split,
                digits,
                of_class,
            })
        };
        Splits {
            spec: self.spec(),
            train: clips(0, &digits.train),
            validation: clips(1, &digits.validation),
            test: clips(2, &digits.test),
            sha256: digits.sha256,
            unreadable: Vec::new(),
        }
    }
}

/// The clips of one split.
struct MadeClips {
    settings: MovingDigits,
    split: u64,
    digits: Vec<Sample>,
    /// Places of the digits of each class.
    of_class: Vec<Vec<usize>>,
}

impl Dataset<Sample> for MadeClips {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        let MovingDigits {
            n_frames,
            side,
            noise,
            ..
        } = self.settings;
        let kind = self.settings.kind_of(index);
        let digit = &self.digits[index % self.digits.len()];
        let mut random = random_stream(CLIP_SEED, &[self.split, index as u64]);
        let partner = self.of_class[digit.label].choose(&mut random);
        let plan = Plan {
            kind,
            n_frames,
            side,
            digit: &digit.pixels,
            partner: partner.map_or(&digit.pixels, |&partner| &self.digits[partner].pixels),
        };
        let (mut pixels, truth) = plan.clip(&mut random);
        match kind {
            ClipKind::Noise => add_noise(&mut pixels, noise, &mut random),
            ClipKind::Blur => blur(&mut pixels, side, &mut random),
            _ => {}
        }
        Ok(Sample {
            pixels,
            label: digit.label,
            truth: Some(Arc::new(truth)),
        })
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<Sample>, DatasetError> {
        indices
            .into_par_iter()
            .map(|index| self.get(index))
            .collect()
    }

    fn len(&self) -> usize {
        self.settings.repeats * self.digits.len()
    }
}

/// Names the motions; changing it would make results incomparable.
const CLIP_SEED: u64 = 1;

fn add_noise(pixels: &mut [f32], deviation: f32, random: &mut impl Rng) {
    let normal = Normal::new(0.0, deviation).expect("checked when the clips were set up");
    for pixel in pixels {
        *pixel = (*pixel + normal.sample(random)).clamp(0.0, 1.0);
    }
}

/// Each frame by a Gaussian of its own width.
fn blur(pixels: &mut [f32], side: usize, random: &mut impl Rng) {
    let widths = Uniform::new_inclusive(0.0, MAX_BLUR).expect("a range of numbers");
    for frame in pixels.chunks_exact_mut(side * side) {
        let width = widths.sample(random).max(f32::MIN_POSITIVE);
        let weight = |gap: usize| (-0.5 * (gap as f32 / width).powi(2)).exp();
        // Beyond three widths there is nothing left.
        let reach = (3.0 * width).ceil() as usize;
        let total = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f32>();
        for stride in [1, side] {
            let source = frame.to_vec();
            for (at, pixel) in frame.iter_mut().enumerate() {
                let place = (at / stride) % side;
                let mut sum = source[at];
                for gap in 1..=reach {
                    let before = if place >= gap {
                        source[at - gap * stride]
                    } else {
                        0.0
                    };
                    let after = if place + gap < side {
                        source[at + gap * stride]
                    } else {
                        0.0
                    };
                    sum += weight(gap) * (before + after);
                }
                *pixel = sum / total;
            }
        }
    }
}
