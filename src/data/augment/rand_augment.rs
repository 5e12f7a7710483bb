//! RandAugment: several random changes of one strength.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::color;
use super::geometry::{map_affine, move_image};
use crate::data::SampleSpec;

/// RandAugment: a number of random changes, drawn from fourteen kinds, all of one strength.
///
/// # Source
///
/// Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2020, with the
/// ranges of torchvision: magnitude 10 is the end of each range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandAugment {
    /// Number of changes of each sample, one after the other.
    pub n_operations: usize,
    /// Strength of the changes, 0 to 10.
    pub magnitude: f32,
}

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Identity,
    AutoContrast,
    Equalize,
    Rotate,
    Solarize,
    Saturation,
    Posterize,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
}

impl Operation {
    /// The changes of the paper.
    const ALL: [Self; 14] = [
        Self::Identity,
        Self::AutoContrast,
        Self::Equalize,
        Self::Rotate,
        Self::Solarize,
        Self::Saturation,
        Self::Posterize,
        Self::Contrast,
        Self::Brightness,
        Self::Sharpness,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
    ];

    /// Changes a sample, all frames alike. `strength` is from -1 to 1; its sign is the direction of changes that have one.
    fn apply(self, pixels: Vec<f32>, spec: SampleSpec, strength: f32) -> Vec<f32> {
        /// Largest rotation, in degrees.
        const ROTATION: f32 = 30.0;
        /// Largest shear: columns per row, or rows per column.
        const SHEAR: f32 = 0.3;
        /// Largest shift, as a fraction of the side.
        const SHIFT: f32 = 150.0 / 331.0;
        /// Largest change of a factor.
        const FACTOR: f32 = 0.9;
        let factor = 1.0 + FACTOR * strength;
        let shift = |side: usize| (SHIFT * strength * side as f32).trunc();
        let mut pixels = pixels;
        match self {
            Self::Identity => {}
            Self::AutoContrast => color::autocontrast(&mut pixels, spec),
            Self::Equalize => color::equalize(&mut pixels, spec),
            Self::Solarize => color::solarize(&mut pixels, 1.0 - strength.abs()),
            Self::Posterize => {
                color::posterize(&mut pixels, 8 - (4.0 * strength.abs()).round() as u32);
            }
            Self::Saturation => color::saturation(&mut pixels, spec, factor),
            Self::Contrast => color::contrast(&mut pixels, spec, factor),
            Self::Brightness => color::brightness(&mut pixels, factor),
            Self::Sharpness => color::sharpness(&mut pixels, spec, factor),
            Self::Rotate => return move_image(&pixels, spec, [0.0; 2], ROTATION * strength),
            Self::TranslateX => {
                return move_image(&pixels, spec, [0.0, shift(spec.width)], 0.0);
            }
            Self::TranslateY => {
                return move_image(&pixels, spec, [shift(spec.height), 0.0], 0.0);
            }
            Self::ShearX => {
                let inverse = [[1.0, 0.0], [SHEAR * strength, 1.0]];
                return map_affine(&pixels, spec, [0.0; 2], inverse);
            }
            Self::ShearY => {
                let inverse = [[1.0, SHEAR * strength], [0.0, 1.0]];
                return map_affine(&pixels, spec, [0.0; 2], inverse);
            }
        }
        pixels
    }
}

impl RandAugment {
    /// Changes a sample at random.
    pub(super) fn apply(
        &self,
        mut pixels: Vec<f32>,
        spec: SampleSpec,
        random: &mut impl Rng,
    ) -> Vec<f32> {
        for _ in 0..self.n_operations {
            let operation = Operation::ALL.choose(random).expect("there are some");
            let sign = if random.random_bool(0.5) { 1.0 } else { -1.0 };
            pixels = operation.apply(pixels, spec, sign * self.magnitude / 10.0);
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
        height: 4,
        width: 5,
        n_classes: 2,
    };

    fn ramp() -> Vec<f32> {
        (0..20).map(|k| k as f32 / 19.0).collect()
    }

    #[test]
    fn strength_0_changes_only_what_has_no_strength() {
        for operation in Operation::ALL {
            let changed = operation.apply(ramp(), SPEC, 0.0);
            let has_strength = !matches!(
                operation,
                // A threshold of 1 inverts white, which is the last pixel.
                Operation::AutoContrast | Operation::Equalize | Operation::Solarize
            );
            if has_strength {
                for (value, expected) in changed.iter().zip(ramp()) {
                    // Posterisation to eight bits rounds.
                    assert!((value - expected).abs() < 3e-3, "{operation:?} {changed:?}");
                }
            }
        }
    }

    #[test]
    fn shifts_and_shears_move_in_their_direction() {
        // 0.45 of five columns is two whole columns.
        let right = Operation::TranslateX.apply(ramp(), SPEC, 1.0);
        let left = Operation::TranslateX.apply(ramp(), SPEC, -1.0);
        for (row, source) in ramp().chunks(5).enumerate() {
            let place = 5 * row;
            assert_eq!(right[place..place + 2], [0.0; 2]);
            assert_eq!(right[place + 2..place + 5], source[..3]);
            assert_eq!(left[place..place + 3], source[2..]);
        }
        let down = Operation::TranslateY.apply(ramp(), SPEC, 1.0);
        assert_eq!(down[5..], ramp()[..15]);
        // A column of white moves in opposite directions above and below the middle.
        let column: Vec<f32> = (0..20).map(|k| f32::from(u8::from(k % 5 == 2))).collect();
        let sheared = Operation::ShearX.apply(column, SPEC, 1.0);
        assert!(sheared[3] > 0.3 && sheared[1] == 0.0, "{sheared:?}");
        assert!(sheared[16] > 0.3 && sheared[18] == 0.0, "{sheared:?}");
    }

    #[test]
    fn every_kind_is_drawn_and_frames_are_changed_alike() {
        let clip = SampleSpec {
            n_frames: 2,
            n_channels: 3,
            ..SPEC
        };
        let frame: Vec<f32> = (0..60).map(|k| ((7 * k) % 60) as f32 / 59.0).collect();
        let start = [&frame[..], &frame].concat();
        let augment = RandAugment {
            n_operations: 2,
            magnitude: 9.0,
        };
        let mut random = crate::data::random_stream(1, &[]);
        let mut results = Vec::new();
        for _ in 0..300 {
            let pixels = augment.apply(start.clone(), clip, &mut random);
            assert_eq!(pixels.len(), start.len());
            assert_eq!(pixels[..60], pixels[60..]);
            assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            if !results.contains(&pixels) {
                results.push(pixels);
            }
        }
        // Pairs of fourteen kinds, most of them in two directions.
        assert!(results.len() > 100, "{}", results.len());
    }
}
