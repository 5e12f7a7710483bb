//! Generated pictures of damaged glyphs with the whole glyph as their target, whose topology is known.

mod drawing;
mod glyph;

use std::f32::consts::TAU;
use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};
use rand::{Rng, RngExt};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use self::drawing::{AffineMap, for_pixels_of};
use self::glyph::{Glyph, Segment};
use super::corruption::{add_noise, blur};
use super::random_stream::random_stream;
use super::{Sample, SampleSet, SampleSpec, Samples, Splits};
use crate::error::{Error, Result};
use crate::hexadecimal::hexadecimal;
use crate::video_metrics::betti_numbers;

/// Settings of a data set of generated pictures of damaged glyphs.
///
/// A sample has two frames: the damaged picture, and the mask of the whole glyph, whose pixels are 0 or 1. The Betti
/// numbers of the mask are those of the glyph. Sample `k` of a split shows glyph `k % 13`; where it lies and how it is damaged
/// depend only on the split and on `k`, not on the seed of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DamagedGlyphs {
    /// Height and width of a picture, in pixels.
    pub side: usize,
    /// Number of samples of the training split.
    pub n_train: usize,
    /// Number of samples of the validation split, and of the test split.
    pub n_test: usize,
    /// Number of cuts through strokes: lines in which the glyph is erased.
    pub n_cuts: usize,
    /// Number of stray lines beside and across the glyph.
    pub n_lines: usize,
    /// Standard deviation of a Gaussian blur, in pixels; 0 for none.
    pub blur: f64,
    /// Standard deviation of Gaussian noise; pixels lie in `[0, 1]`.
    pub noise: f64,
}

/// Smallest side of a picture, in pixels: below it, holes of glyphs would close.
const MIN_SIDE: usize = 24;

/// Largest side of a picture, in pixels. A larger one is taken for a typing error, as are the next two numbers.
const MAX_SIDE: usize = 1024;

/// Largest number of samples of a split.
const MAX_SAMPLES: usize = 10_000_000;

/// Largest number of cuts, and of stray lines.
const MAX_LINES: usize = 1000;

/// Seed of the pictures. A changed seed would change every picture.
const GLYPH_SEED: u64 = 2;

/// Text of which the digest of the data is taken. It must change whenever the pictures of equal settings change.
const VERSION: &str = "damaged glyphs, version 1";

/// Number of placements that are tried until the mask has the Betti numbers of its glyph.
const N_PLACEMENTS: usize = 50;

impl DamagedGlyphs {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// The name of the key, and a message that begins with it, if a number is outside of its range: 24 to 1,024 pixels, at least
    /// one sample of every glyph in each split, a blur from 0 to the side, and noise from 0 to 1.
    pub fn check_by_name(&self) -> std::result::Result<(), (&'static str, String)> {
        let n_glyphs = Glyph::ALL.len();
        let counts = [
            ("side", self.side, MIN_SIDE, MAX_SIDE),
            ("n_train", self.n_train, n_glyphs, MAX_SAMPLES),
            ("n_test", self.n_test, n_glyphs, MAX_SAMPLES),
            ("n_cuts", self.n_cuts, 0, MAX_LINES),
            ("n_lines", self.n_lines, 0, MAX_LINES),
        ];
        for (key, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err((key, format!("{key} is {value}, expected {least} to {most}")));
            }
        }
        let deviations = [
            ("blur", self.blur, self.side as f64),
            ("noise", self.noise, 1.0),
        ];
        for (key, value, most) in deviations {
            if !(0.0..=most).contains(&value) {
                return Err((
                    key,
                    format!("{key} is {value}, expected a standard deviation from 0 to {most}"),
                ));
            }
        }
        Ok(())
    }

    /// Shape of the samples, and number of glyphs.
    pub fn spec(&self) -> SampleSpec {
        SampleSpec {
            n_frames: 2,
            n_channels: 1,
            height: self.side,
            width: self.side,
            n_classes: Glyph::ALL.len(),
        }
    }

    /// Returns the three splits; samples are generated on access.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] for settings that [`Self::check_by_name`] refuses.
    ///
    /// # Cost
    ///
    /// About a tenth of a millisecond for a sample of 32 by 32 pixels.
    pub fn splits(&self) -> Result<Splits> {
        self.check_by_name()
            .map_err(|(_, message)| Error::invalid_parameter(message))?;
        let samples = |split, len| -> Samples {
            Arc::new(GeneratedGlyphs {
                settings: *self,
                split,
                len,
            })
        };
        Ok(Splits {
            spec: self.spec(),
            // The numbers select random streams; changing them would change every picture.
            train: samples(0, self.n_train),
            validation: samples(1, self.n_test),
            test: samples(2, self.n_test),
            classes: Glyph::ALL.map(|glyph| glyph.name().to_owned()).into(),
            sha256: hexadecimal(&Sha256::digest(VERSION)),
            notes: Vec::new(),
        })
    }
}

/// Samples of one split, generated on access.
struct GeneratedGlyphs {
    settings: DamagedGlyphs,
    /// Number of the split within the keys of random streams: 0, 1 or 2.
    split: u64,
    len: usize,
}

impl Dataset<Sample> for GeneratedGlyphs {
    fn get(&self, index: usize) -> std::result::Result<Sample, DatasetError> {
        let label = self.label(index);
        let mut random = random_stream(GLYPH_SEED, &[self.split, index as u64]);
        let mask = placed(Glyph::ALL[label], self.settings.side, &mut random);
        let mut pixels = self.settings.damaged(&mask, &mut random);
        pixels.extend(mask);
        Ok(Sample::new(pixels, label))
    }

    fn get_many(&self, indices: Vec<usize>) -> std::result::Result<Vec<Sample>, DatasetError> {
        // Each sample has its own random stream, so samples can be generated in any order.
        let samples = indices.into_par_iter().map(|index| self.get(index));
        samples.collect()
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl SampleSet for GeneratedGlyphs {
    fn label(&self, index: usize) -> usize {
        index % Glyph::ALL.len()
    }
}

/// Mask of a glyph at a random place, size, rotation and width of its strokes: `[side, side]`, 0 or 1.
///
/// The mask has the Betti numbers of the glyph: a placement in which a hole closes, or two strokes touch, is drawn again.
fn placed(glyph: Glyph, side: usize, random: &mut impl Rng) -> Vec<f32> {
    let segments = glyph.segments();
    for _ in 0..N_PLACEMENTS {
        let width = side as f32 * random.random_range(0.06..0.1);
        let size = side as f32 * random.random_range(0.55..0.72);
        let aspect: f32 = random.random_range(0.85..1.0);
        let (sine, cosine) = (TAU * random.random_range(-0.04..0.04_f32)).sin_cos();
        let matrix = [
            [size * aspect * cosine, -size * sine],
            [size * aspect * sine, size * cosine],
        ];
        let mask = drawn(&segments, matrix, width, side, || random.random());
        if betti_of(&mask, side) == glyph.betti() {
            return mask;
        }
    }
    upright(glyph, side)
}

/// Mask of a glyph in the middle, as large as it becomes.
fn upright(glyph: Glyph, side: usize) -> Vec<f32> {
    let size = 0.72 * side as f32;
    let matrix = [[size, 0.0], [0.0, size]];
    drawn(&glyph.segments(), matrix, 0.06 * side as f32, side, || 0.5)
}

/// Draws segments, mapped by a matrix and shifted to a place where they lie in the picture.
///
/// `place` gives the place on each axis, from 0 (left, top) to 1 (right, bottom).
fn drawn(
    segments: &[Segment],
    matrix: [[f32; 2]; 2],
    width: f32,
    side: usize,
    mut place: impl FnMut() -> f32,
) -> Vec<f32> {
    let unshifted = AffineMap {
        matrix,
        shift: [0.0; 2],
    };
    let ends: Vec<[f32; 2]> = segments
        .iter()
        .flat_map(|&segment| unshifted.segment(segment))
        .collect();
    let shift = [0, 1].map(|axis| {
        let values = ends.iter().map(|end| end[axis]);
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        // One pixel stays free at each border.
        let room = side as f32 - 2.0 - width - (high - low);
        1.0 + 0.5 * width - low + place() * room.max(0.0)
    });
    let map = AffineMap { matrix, shift };
    let mut mask = vec![0.0; side * side];
    for &segment in segments {
        for_pixels_of(map.segment(segment), width, side, |pixel| mask[pixel] = 1.0);
    }
    mask
}

impl DamagedGlyphs {
    /// Returns a damaged copy of a mask, with pixels in `[0, 1]`: cut, crossed by stray lines, blurred, then with noise.
    fn damaged(&self, mask: &[f32], random: &mut impl Rng) -> Vec<f32> {
        let side = self.side as f32;
        let mut pixels = mask.to_vec();
        let foreground: Vec<usize> = (0..mask.len()).filter(|&pixel| mask[pixel] > 0.5).collect();
        for _ in 0..self.n_cuts {
            // Through a pixel of the glyph, so that every cut removes something.
            let pixel = foreground[random.random_range(0..foreground.len())];
            let center = [pixel % self.side, pixel / self.side].map(|k| k as f32 + 0.5);
            let cut = random_segment(center, 0.25 * side, random);
            let width = side * random.random_range(0.05..0.1);
            for_pixels_of(cut, width, self.side, |pixel| pixels[pixel] = 0.0);
        }
        for _ in 0..self.n_lines {
            let center = [0, 1].map(|_| random.random_range(0.0..side));
            let line = random_segment(center, side * random.random_range(0.2..0.5), random);
            let width = side * random.random_range(0.04..0.08);
            let brightness: f32 = random.random_range(0.5..1.0);
            for_pixels_of(line, width, self.side, |pixel| {
                pixels[pixel] = pixels[pixel].max(brightness);
            });
        }
        if self.blur > 0.0 {
            blur(&mut pixels, self.side, self.blur);
        }
        add_noise(&mut pixels, self.noise, random);
        pixels
    }
}

/// Segment with this centre and length, in a random direction.
fn random_segment(center: [f32; 2], length: f32, random: &mut impl Rng) -> Segment {
    let (sine, cosine) = (TAU * random.random::<f32>()).sin_cos();
    let half = [0.5 * length * cosine, 0.5 * length * sine];
    [
        [center[0] - half[0], center[1] - half[1]],
        [center[0] + half[0], center[1] + half[1]],
    ]
}

/// Betti numbers of a mask.
fn betti_of(mask: &[f32], side: usize) -> [usize; 2] {
    let is_foreground: Vec<bool> = mask.iter().map(|&pixel| pixel > 0.5).collect();
    betti_numbers(&is_foreground, [side, side])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(side: usize) -> DamagedGlyphs {
        DamagedGlyphs {
            side,
            n_train: 260,
            n_test: 130,
            n_cuts: 2,
            n_lines: 2,
            blur: 0.7,
            noise: 0.2,
        }
    }

    #[test]
    fn masks_have_the_betti_numbers_of_their_glyphs() {
        for side in [24, 32, 57, 64] {
            let splits = settings(side).splits().unwrap();
            for sample in splits.train.iter() {
                let sample = sample.unwrap();
                let mask = &sample.pixels[side * side..];
                assert!(mask.iter().all(|&pixel| pixel == 0.0 || pixel == 1.0));
                assert_eq!(betti_of(mask, side), Glyph::ALL[sample.label].betti());
            }
        }
    }

    #[test]
    fn upright_glyphs_have_their_betti_numbers_at_every_side() {
        for side in MIN_SIDE..=128 {
            for glyph in Glyph::ALL {
                let betti = betti_of(&upright(glyph, side), side);
                assert_eq!(betti, glyph.betti(), "{} of {side} pixels", glyph.name());
            }
        }
    }

    #[test]
    fn glyphs_do_not_touch_the_border() {
        let side = 32;
        let splits = settings(side).splits().unwrap();
        for sample in splits.train.iter().chain(splits.test.iter()) {
            let mask = &sample.unwrap().pixels[side * side..];
            for k in 0..side {
                let last = side - 1;
                let border = [k, last * side + k, k * side, k * side + last];
                assert!(border.into_iter().all(|pixel| mask[pixel] == 0.0));
            }
        }
    }

    #[test]
    fn damage_changes_the_topology_of_most_pictures() {
        let side = 32;
        let clean = DamagedGlyphs {
            blur: 0.0,
            noise: 0.0,
            ..settings(side)
        };
        let splits = clean.splits().unwrap();
        let n_changed = splits
            .test
            .iter()
            .filter(|sample| {
                let sample = sample.as_ref().unwrap();
                betti_of(&sample.pixels[..side * side], side) != Glyph::ALL[sample.label].betti()
            })
            .count();
        // Of 130 pictures, each with two cuts and two stray lines.
        assert!(n_changed > 100, "{n_changed}");
    }

    #[test]
    fn pictures_without_damage_are_their_masks() {
        let whole = DamagedGlyphs {
            n_cuts: 0,
            n_lines: 0,
            blur: 0.0,
            noise: 0.0,
            ..settings(32)
        };
        for sample in whole.splits().unwrap().test.iter() {
            let pixels = sample.unwrap().pixels;
            assert_eq!(pixels[..32 * 32], pixels[32 * 32..]);
        }
    }

    #[test]
    fn samples_depend_on_split_and_index_alone() {
        let splits = settings(32).splits().unwrap();
        let again = settings(32).splits().unwrap();
        assert_eq!(splits.train.get(5).unwrap(), again.train.get(5).unwrap());
        assert_ne!(splits.train.get(5).unwrap(), splits.test.get(5).unwrap());
        assert_ne!(splits.train.get(5).unwrap(), splits.train.get(18).unwrap());
        let together = splits.train.get_many(vec![18, 5]).unwrap();
        assert_eq!(together[1], splits.train.get(5).unwrap());
        // The strength of noise does not change the glyphs.
        let louder = DamagedGlyphs {
            noise: 0.4,
            ..settings(32)
        };
        let louder = louder.splits().unwrap().train.get(5).unwrap();
        assert_eq!(
            louder.pixels[32 * 32..],
            splits.train.get(5).unwrap().pixels[32 * 32..]
        );
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let mistakes = [
            (
                "side",
                DamagedGlyphs {
                    side: 23,
                    ..settings(32)
                },
            ),
            (
                "side",
                DamagedGlyphs {
                    side: 1025,
                    ..settings(32)
                },
            ),
            (
                "n_train",
                DamagedGlyphs {
                    n_train: 12,
                    ..settings(32)
                },
            ),
            (
                "n_test",
                DamagedGlyphs {
                    n_test: 0,
                    ..settings(32)
                },
            ),
            (
                "n_cuts",
                DamagedGlyphs {
                    n_cuts: 1001,
                    ..settings(32)
                },
            ),
            (
                "n_lines",
                DamagedGlyphs {
                    n_lines: 1001,
                    ..settings(32)
                },
            ),
            (
                "blur",
                DamagedGlyphs {
                    blur: 33.0,
                    ..settings(32)
                },
            ),
            (
                "noise",
                DamagedGlyphs {
                    noise: f64::NAN,
                    ..settings(32)
                },
            ),
        ];
        for (expected, settings) in mistakes {
            let (key, message) = settings.check_by_name().unwrap_err();
            assert_eq!(key, expected);
            assert!(message.starts_with(expected), "{message}");
            assert!(settings.splits().is_err());
        }
        assert!(settings(32).check_by_name().is_ok());
    }
}
