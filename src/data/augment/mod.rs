//! Augmentation of training images: random changes of their geometry, their colours and their parts.

mod color;
mod erasing;
mod geometry;
mod rand_augment;

use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::erasing::erase;
use self::geometry::{Window, move_image};
use super::SampleSpec;
use super::random_stream::Stream;

pub use color::ColorJitter;
pub use rand_augment::RandAugment;

/// Random changes of a training sample, applied in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Largest shift along each axis, in whole pixels; pixels from outside of the image are black.
    ///
    /// This equals padding by that many pixels and then cropping at random.
    pub shift: usize,
    /// Largest rotation about the centre in either direction, in degrees; pixels from outside of the
    /// image are black.
    pub rotation: f32,
    /// Smallest area of the random crop that is scaled up to the whole image, as a fraction of the
    /// image; 1 for no crop.
    ///
    /// The aspect ratio of the crop lies between 3/4 and 4/3, uniform in its logarithm.
    ///
    /// # Source
    ///
    /// Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 6; drawn as in
    /// torchvision's `RandomResizedCrop`, scaled bilinearly.
    pub min_crop_area: f32,
    /// True to mirror half of the images left to right.
    pub flip: bool,
    /// RandAugment: several random changes of one strength; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rand_augment: Option<RandAugment>,
    /// Random changes of brightness, contrast, saturation and hue; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color_jitter: Option<ColorJitter>,
    /// Probability of replacing a random rectangle by noise (random erasing).
    #[serde(skip_serializing_if = "is_zero")]
    pub erasing_probability: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            shift: 0,
            rotation: 0.0,
            min_crop_area: 1.0,
            flip: false,
            rand_augment: None,
            color_jitter: None,
            erasing_probability: 0.0,
        }
    }
}

impl Augment {
    /// Returns the pixels of a training sample in an epoch, changed at random.
    ///
    /// The result depends only on the seed of the run, the epoch and the index of the sample, so that a resumed run sees
    /// the same samples.
    ///
    /// # Shapes
    ///
    /// - `pixels`: `[n_frames, n_channels, height, width]`, row-major
    pub fn apply_in_epoch(
        &self,
        pixels: &[f32],
        spec: SampleSpec,
        seed: u64,
        [epoch, index]: [usize; 2],
    ) -> Vec<f32> {
        // One stream per sample, so that the result does not depend on the number of threads.
        let mut random = Stream::Augmentation { epoch, index }.of(seed);
        self.apply(pixels, spec, &mut random)
    }

    /// Returns the pixels of a sample after one random change, the same for all of its frames.
    ///
    /// # Shapes
    ///
    /// - `pixels`: `[n_frames, n_channels, height, width]`, row-major
    pub fn apply(&self, pixels: &[f32], spec: SampleSpec, random: &mut impl Rng) -> Vec<f32> {
        let largest_shift = self.shift as i32;
        let shift = [0; 2].map(|_| random.random_range(-largest_shift..=largest_shift) as f32);
        let degrees = self.rotation * random.random_range(-1.0..=1.0f32);
        // One change for all frames: the motion within a clip must stay as it was.
        let mut pixels = move_image(pixels, spec, shift, degrees);
        // The options below draw no random numbers while they are off, so that adding one to the program
        // leaves all runs without it as they were. Shift and rotation always draw.
        if self.min_crop_area < 1.0 {
            let window = Window::draw_crop([spec.height, spec.width], self.min_crop_area, random);
            pixels = window.enlarge(&pixels, spec);
        }
        if self.flip && random.random_bool(0.5) {
            pixels.chunks_mut(spec.width).for_each(<[f32]>::reverse);
        }
        if let Some(augment) = &self.rand_augment {
            pixels = augment.apply(pixels, spec, random);
        }
        if let Some(jitter) = &self.color_jitter {
            jitter.apply(&mut pixels, spec, random);
        }
        if self.erasing_probability > 0.0 && random.random_bool(self.erasing_probability) {
            erase(&mut pixels, spec, random);
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: SampleSpec = SampleSpec {
        n_frames: 1,
        n_channels: 1,
        height: 3,
        width: 3,
        n_classes: 2,
    };
    const IMAGE: [f32; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

    #[test]
    fn the_default_changes_nothing() {
        let mut random = crate::data::random_stream(0, &[]);
        assert_eq!(Augment::default().apply(&IMAGE, SPEC, &mut random), IMAGE);
    }

    #[test]
    fn options_that_are_off_draw_no_random_numbers() {
        let augment = Augment {
            shift: 1,
            ..Augment::default()
        };
        let stream = || crate::data::random_stream(5, &[]);
        let (mut used, mut expected) = (stream(), stream());
        let actual = augment.apply(&IMAGE, SPEC, &mut used);
        let shift = [0; 2].map(|_| expected.random_range(-1..=1) as f32);
        let _degrees = expected.random_range(-1.0..=1.0f32);
        assert_eq!(actual, move_image(&IMAGE, SPEC, shift, 0.0));
        assert_eq!(used, expected);
    }

    #[test]
    fn half_of_the_images_are_mirrored() {
        let augment = Augment {
            flip: true,
            ..Augment::default()
        };
        let mirrored = [3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 9.0, 8.0, 7.0];
        let mut random = crate::data::random_stream(0, &[]);
        let mut n_mirrored = 0;
        for _ in 0..1000 {
            let actual = augment.apply(&IMAGE, SPEC, &mut random);
            assert!(actual == mirrored || actual == IMAGE, "{actual:?}");
            n_mirrored += usize::from(actual == mirrored);
        }
        assert!((450..550).contains(&n_mirrored), "{n_mirrored}");
    }
}
