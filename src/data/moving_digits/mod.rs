//! Generated clips of moving handwritten digits with complete ground truth: label, masks, flow, topology.

mod captions;
mod clip_generator;
mod factors;
mod grammar;
mod scene;

use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_distr::{Distribution, Uniform};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::captions::DigitCaptions;
use self::clip_generator::{ClipGenerator, DescribedClip};
use self::factors::Factors;
use self::scene::RenderedClip;
use super::add_noise;
use super::digits::{DIGITS_SPEC, digits};
use super::random_stream::random_stream;
use super::{Sample, SampleSet, SampleSpec, Samples, Splits};
use crate::choice::word;
use crate::error::{Error, Result};
use crate::hexadecimal::hexadecimal;

/// Kind of a generated clip: the motion of its digits, and how its frames are corrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClipKind {
    /// One digit at constant velocity.
    Constant,
    /// One digit at constant speed that bounces off the border.
    Bounce,
    /// One enlarged digit that rotates, grows or shrinks, and drifts.
    RotateScale,
    /// One digit at constant velocity behind a static grey bar.
    Occlusion,
    /// One digit at constant velocity, with independent Gaussian noise in every frame.
    Noise,
    /// One digit at constant velocity, with a Gaussian blur of random width in every frame.
    Blur,
    /// Two digits of one class that never touch.
    TwoDigits,
    /// Two separate digits of one class that end on top of each other, which changes the topology.
    Merge,
    /// Two digits of one class that start on top of each other and separate, which changes the topology.
    Split,
    /// One digit, joined at some frame by a second one of its class, which changes the topology.
    Appear,
    /// One digit that does not move.
    Still,
}

/// Second digit of clips with two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partners {
    /// Another digit of the same class.
    #[default]
    SameDigit,
    /// A digit of any class.
    AnyDigit,
}

impl ClipKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
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
        Self::Still,
    ];

    /// Name in configurations and tables.
    pub fn name(self) -> String {
        word(&self)
    }

    /// True if frames change by more than the motion of the digits: for noise and blur.
    pub fn corrupts_frames(self) -> bool {
        matches!(self, Self::Noise | Self::Blur)
    }

    /// True if the Betti numbers of the foreground are the same in all frames of every clip.
    ///
    /// Those of [`ClipKind::Occlusion`] change in some clips, depending on the bar. Those of
    /// [`ClipKind::Merge`], [`ClipKind::Split`] and [`ClipKind::Appear`] change in every clip.
    pub fn keeps_topology(self) -> bool {
        !matches!(
            self,
            Self::Occlusion | Self::Merge | Self::Split | Self::Appear
        )
    }

    /// True for kinds with two digits.
    fn has_two(self) -> bool {
        matches!(
            self,
            Self::TwoDigits | Self::Merge | Self::Split | Self::Appear
        )
    }
}

/// Settings of a data set of generated clips of moving digits.
///
/// Without captions, clip `k` of a split has the kind `kinds[k % kinds.len()]` and shows digit `k % n_digits` of that split
/// of [`digits`]. With captions, some of these clips are held out of the training split, see [`DigitCaptions`]. The motion
/// of a clip depends only on the split and on `k`, not on the seed of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct MovingDigits {
    kinds: Vec<ClipKind>,
    n_frames: usize,
    /// Side of a frame, in pixels.
    side: usize,
    /// Number of clips of each digit.
    repeats: usize,
    /// Number of clips of each digit outside of the training split; `None` for `repeats`.
    evaluation_repeats: Option<usize>,
    /// Standard deviation of the noise in clips of kind `Noise`.
    noise: f32,
    partners: Partners,
    /// `None` for clips without captions.
    captions: Option<DigitCaptions>,
}

/// Smallest side of a frame, in pixels: a digit of 8 pixels needs room to move.
const MIN_SIDE: usize = 12;

/// Smallest side of a frame for kinds with two digits, in pixels: they must fit next to each other.
const MIN_SIDE_OF_TWO: usize = 16;

/// Largest side of a frame, in pixels. A larger one is taken for a typing error, as are the next two numbers.
const MAX_SIDE: usize = 4096;

/// Largest number of frames of a clip.
const MAX_FRAMES: usize = 10_000;

/// Largest number of clips of each digit.
const MAX_REPEATS: usize = 100_000;

/// Largest standard deviation of a blur, in pixels.
const MAX_BLUR: f32 = 1.0;

impl MovingDigits {
    /// Checks and stores the settings: clips of these kinds with `n_frames` frames of `side` by `side`
    /// pixels, `repeats` for each digit.
    ///
    /// `noise` is the standard deviation of the noise in clips of kind [`ClipKind::Noise`], for pixels in
    /// `[0, 1]`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there is no kind, if there are fewer than two frames, no repeat or more than
    /// anyone needs, if the frames are too small or too large, or if the noise is not between 0 and 1.
    pub fn new(
        kinds: Vec<ClipKind>,
        n_frames: usize,
        side: usize,
        repeats: usize,
        noise: f32,
    ) -> Result<Self> {
        if kinds.is_empty() {
            return Err(Error::invalid_parameter(
                "clips is an empty list, expected at least one kind",
            ));
        }
        if !(2..=MAX_FRAMES).contains(&n_frames) {
            return Err(Error::invalid_parameter(format!(
                "n_frames is {n_frames}, expected 2 to {MAX_FRAMES}"
            )));
        }
        if !(1..=MAX_REPEATS).contains(&repeats) {
            return Err(Error::invalid_parameter(format!(
                "repeats is {repeats}, expected 1 to {MAX_REPEATS}"
            )));
        }
        let least = if kinds.iter().any(|kind| kind.has_two()) {
            MIN_SIDE_OF_TWO
        } else {
            MIN_SIDE
        };
        if !(least..=MAX_SIDE).contains(&side) {
            return Err(Error::invalid_parameter(format!(
                "side is {side}, expected {least} to {MAX_SIDE} pixels for digits of 8 to move in"
            )));
        }
        if !(0.0..=1.0).contains(&noise) {
            return Err(Error::invalid_parameter(format!(
                "noise is {noise}, expected a standard deviation from 0 to 1"
            )));
        }
        Ok(Self {
            kinds,
            n_frames,
            side,
            repeats,
            evaluation_repeats: None,
            noise,
            partners: Partners::default(),
            captions: None,
        })
    }

    /// Gives every clip a caption, whose words are all certain: motions that would be doubtful are drawn again.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if combinations of digit and kind are held out and there is only one kind.
    pub fn with_captions(mut self, captions: DigitCaptions) -> Result<Self> {
        if captions.hold_out && self.kinds.iter().all(|kind| *kind == self.kinds[0]) {
            return Err(Error::invalid_parameter(
                "clips has a single kind, so no combination of digit and kind can be held out; list more kinds, or set \
                 captions.hold_out = false",
            ));
        }
        self.captions = Some(captions);
        Ok(self)
    }

    /// Chooses the second digits of clips with two.
    #[must_use]
    pub fn with_partners(mut self, partners: Partners) -> Self {
        self.partners = partners;
        self
    }

    /// Sets the number of clips of each digit in the validation and the test split.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if it is 0 or more than anyone needs.
    pub fn with_evaluation_repeats(mut self, repeats: usize) -> Result<Self> {
        if !(1..=MAX_REPEATS).contains(&repeats) {
            return Err(Error::invalid_parameter(format!(
                "evaluation_repeats is {repeats}, expected 1 to {MAX_REPEATS}"
            )));
        }
        self.evaluation_repeats = Some(repeats);
        Ok(self)
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

    /// Kind of the clip with this index.
    pub fn clip_kind(&self, index: usize) -> ClipKind {
        self.kinds[index % self.kinds.len()]
    }

    /// Returns clips of the three splits of the digits; no digit occurs in two splits.
    ///
    /// Clips are generated on access. The digest is that of the embedded digits and of the version of the generator.
    ///
    /// # Cost
    ///
    /// About a tenth of a millisecond for a clip of 8 frames of 16 by 16 pixels.
    pub fn splits(&self) -> Splits {
        let digits = digits();
        let clips = |split: u64, digits: &Samples| -> Samples {
            let digits: Vec<Sample> = digits
                .iter()
                .map(|digit| digit.expect("embedded digits"))
                .collect();
            let mut indices_by_class = vec![Vec::new(); DIGITS_SPEC.n_classes];
            for (index, digit) in digits.iter().enumerate() {
                indices_by_class[digit.label].push(index);
            }
            let kept = self.kept(split, &digits);
            Arc::new(GeneratedClips {
                settings: self.clone(),
                split,
                digits,
                indices_by_class,
                kept,
            })
        };
        Splits {
            spec: self.spec(),
            // The numbers select random streams; changing them would change every clip.
            train: clips(TRAINING, &digits.train),
            validation: clips(1, &digits.validation),
            test: clips(2, &digits.test),
            classes: digits.classes,
            sha256: hexadecimal(&Sha256::digest(format!(
                "{} {GENERATOR_VERSION}",
                digits.sha256
            ))),
            notes: Vec::new(),
        }
    }
}

/// Clips of one split, generated on access.
struct GeneratedClips {
    settings: MovingDigits,
    /// Number of the split within the keys of random streams: 0, 1 or 2.
    split: u64,
    digits: Vec<Sample>,
    /// Indices of the digits of each class within `digits`.
    indices_by_class: Vec<Vec<usize>>,
    /// Clips that are not held out.
    kept: KeptClips,
}

/// Numbers of the clips of a split that are not held out of it, in a pattern that repeats.
struct KeptClips {
    /// Numbers of the clips in one period that are kept, ascending.
    in_period: Vec<usize>,
    period: usize,
    /// Number of clips that are kept.
    len: usize,
}

impl KeptClips {
    /// Number, among all clips, of a clip that is kept.
    fn number(&self, index: usize) -> usize {
        let n = self.in_period.len();
        index / n * self.period + self.in_period[index % n]
    }
}

impl MovingDigits {
    /// Clips of a split that are not held out of it.
    fn kept(&self, split: u64, digits: &[Sample]) -> KeptClips {
        let repeats = match split {
            TRAINING => self.repeats,
            _ => self.evaluation_repeats.unwrap_or(self.repeats),
        };
        let n_clips = repeats * digits.len();
        // Kinds and digits repeat together, so that no list of all clips is needed, of which there may be millions.
        let period = self.kinds.len() * digits.len();
        let in_period: Vec<usize> = (0..period)
            .filter(|&number| {
                let (label, kind) = (digits[number % digits.len()].label, self.clip_kind(number));
                split != TRAINING || !self.is_held_out(label, kind)
            })
            .collect();
        let rest = in_period.partition_point(|&number| number < n_clips % period);
        KeptClips {
            len: n_clips / period * in_period.len() + rest,
            in_period,
            period,
        }
    }
}

impl GeneratedClips {
    /// Chooses a second digit: its index within `digits`.
    fn partner(&self, kind: ClipKind, digit: &Sample, random: &mut impl Rng) -> Option<usize> {
        match self.settings.partners {
            Partners::SameDigit => self.indices_by_class[digit.label].choose(random).copied(),
            Partners::AnyDigit => {
                // A held-out combination must not occur as a second digit either.
                let is_allowed = |class: &usize| {
                    !self.settings.is_held_out(*class, kind) || *class == digit.label
                };
                let classes: Vec<usize> = (0..self.indices_by_class.len())
                    .filter(is_allowed)
                    .collect();
                let class = *classes.choose(random)?;
                self.indices_by_class[class].choose(random).copied()
            }
        }
    }
}

impl Dataset<Sample> for GeneratedClips {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        let MovingDigits {
            n_frames,
            side,
            noise,
            ..
        } = self.settings;
        let index = self.kept.number(index);
        let kind = self.settings.clip_kind(index);
        let digit = &self.digits[index % self.digits.len()];
        let mut random = random_stream(CLIP_SEED, &[self.split, index as u64]);
        // Drawn for every kind, so that the motion of a clip does not depend on whether it has a partner.
        let partner = self.partner(kind, digit, &mut random);
        let generator = ClipGenerator {
            kind,
            n_frames,
            side,
            digit: &digit.pixels,
            partner: partner.map_or(&digit.pixels, |partner| &self.digits[partner].pixels),
        };
        let (clip, caption) = match self.settings.captions {
            None => (generator.generate(&mut random), None),
            Some(captions) => {
                let DescribedClip {
                    clip,
                    action,
                    is_fallback,
                } = generator.generate_described(&mut random);
                let partner = partner.filter(|_| kind.has_two()).map(|partner| {
                    // The second digit of a fallback scene is a copy.
                    if is_fallback {
                        digit
                    } else {
                        &self.digits[partner]
                    }
                    .label
                });
                let factors = Factors {
                    digit: digit.label,
                    partner,
                    action,
                };
                // A stream of its own, so that wordings do not change the clips.
                let mut random = random_stream(CLIP_SEED, &[self.split, index as u64, WORDING]);
                let is_held_out = self.settings.is_held_out(digit.label, kind);
                let is_training = self.split == TRAINING;
                let caption = captions.caption(&factors, is_training, is_held_out, &mut random);
                (clip, Some(Arc::new(caption)))
            }
        };
        let RenderedClip { mut pixels, truth } = clip;
        // After rendering: the ground truth is that of the clip before its corruption.
        match kind {
            ClipKind::Noise => add_noise(&mut pixels, f64::from(noise), &mut random),
            ClipKind::Blur => blur(&mut pixels, side, &mut random),
            _ => {}
        }
        Ok(Sample {
            pixels,
            label: digit.label,
            truth: Some(Arc::new(truth)),
            caption,
        })
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<Sample>, DatasetError> {
        indices
            // Each clip has its own random stream, so clips can be generated in any order.
            .into_par_iter()
            .map(|index| self.get(index))
            .collect()
    }

    fn len(&self) -> usize {
        self.kept.len
    }
}

impl SampleSet for GeneratedClips {
    fn label(&self, index: usize) -> usize {
        self.digits[self.kept.number(index) % self.digits.len()].label
    }
}

/// Version of the clips, part of their digest: larger by 1 after every change of the generator that changes clips.
const GENERATOR_VERSION: u32 = 2;
/// Number of the training split within the keys of random streams.
const TRAINING: u64 = 0;

/// Third word of the key of the stream that chooses the wording of a caption.
const WORDING: u64 = 1;

/// Seed of the motions; changing it would make results incomparable with earlier ones.
const CLIP_SEED: u64 = 1;

/// Blurs each frame with a Gaussian of its own random width; the background continues beyond the border.
fn blur(pixels: &mut [f32], side: usize, random: &mut impl Rng) {
    let widths = Uniform::new_inclusive(0.0, MAX_BLUR).expect("a range of numbers");
    for frame in pixels.chunks_exact_mut(side * side) {
        // Avoids a division by 0; a width as small as this leaves the frame as it is.
        let width = widths.sample(random).max(f32::MIN_POSITIVE);
        let weight = |gap: usize| (-0.5 * (gap as f32 / width).powi(2)).exp();
        // Beyond three standard deviations the weights are negligible.
        let reach = (3.0 * width).ceil() as usize;
        let total = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f32>();
        // A Gaussian is separable: along rows, where neighbours are one pixel apart, then along columns.
        for stride in [1, side] {
            // A copy, because neighbours need the pixels from before this pass.
            let source = frame.to_vec();
            for (index, pixel) in frame.iter_mut().enumerate() {
                let position = (index / stride) % side;
                let mut sum = source[index];
                for gap in 1..=reach {
                    let before = if position >= gap {
                        source[index - gap * stride]
                    } else {
                        0.0
                    };
                    let after = if position + gap < side {
                        source[index + gap * stride]
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
