//! Generated clips of moving handwritten digits with complete ground truth: label, masks, flow, topology.

mod clip_generator;
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

use self::clip_generator::ClipGenerator;
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
/// Clip `k` of a split has the kind `kinds[k % kinds.len()]` and shows digit `k % n_digits` of that split
/// of [`digits`]. Its motion depends only on the split and on `k`, not on the seed of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct MovingDigits {
    kinds: Vec<ClipKind>,
    n_frames: usize,
    /// Side of a frame, in pixels.
    side: usize,
    /// Number of clips of each digit.
    repeats: usize,
    /// Standard deviation of the noise in clips of kind `Noise`.
    noise: f32,
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
            Arc::new(GeneratedClips {
                settings: self.clone(),
                split,
                digits,
                indices_by_class,
            })
        };
        Splits {
            spec: self.spec(),
            // The numbers select random streams; changing them would change every clip.
            train: clips(0, &digits.train),
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
}

impl Dataset<Sample> for GeneratedClips {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        let MovingDigits {
            n_frames,
            side,
            noise,
            ..
        } = self.settings;
        let kind = self.settings.clip_kind(index);
        let digit = &self.digits[index % self.digits.len()];
        let mut random = random_stream(CLIP_SEED, &[self.split, index as u64]);
        // Drawn for every kind, so that the motion of a clip does not depend on whether it has a partner.
        let partner = self.indices_by_class[digit.label].choose(&mut random);
        let generator = ClipGenerator {
            kind,
            n_frames,
            side,
            digit: &digit.pixels,
            partner: partner.map_or(&digit.pixels, |&partner| &self.digits[partner].pixels),
        };
        let RenderedClip { mut pixels, truth } = generator.generate(&mut random);
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
        self.settings.repeats * self.digits.len()
    }
}

impl SampleSet for GeneratedClips {
    fn label(&self, index: usize) -> usize {
        self.digits[index % self.digits.len()].label
    }
}

/// Version of the clips, part of their digest: larger by 1 after every change of the generator that changes clips.
const GENERATOR_VERSION: u32 = 2;

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
