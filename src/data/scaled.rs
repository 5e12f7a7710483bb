//! Images of a data set, scaled to another size when they are needed.

use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};

use super::{Sample, SampleSet, SampleSpec, Samples, Splits};

/// Shape of the samples after scaling them to squares.
pub(super) fn scaled_spec(spec: SampleSpec, image_size: usize) -> SampleSpec {
    SampleSpec {
        height: image_size,
        width: image_size,
        ..spec
    }
}

/// Scales the images of all splits to squares, as [`read_image`](super::read_image) scales files.
pub(super) fn scaled(splits: Splits, image_size: usize) -> Splits {
    let from = splits.spec;
    let scale = |samples: Samples| -> Samples {
        Arc::new(Scaled {
            samples,
            from,
            image_size,
        })
    };
    Splits {
        spec: scaled_spec(from, image_size),
        train: scale(splits.train),
        validation: scale(splits.validation),
        test: scale(splits.test),
        ..splits
    }
}

/// Samples of a split, and the size that they are scaled to.
struct Scaled {
    samples: Samples,
    from: SampleSpec,
    image_size: usize,
}

impl Scaled {
    /// Scales one sample, plane by plane.
    fn scale(&self, sample: Sample) -> Sample {
        let (height, width) = (self.from.height, self.from.width);
        let side = self.image_size as u32;
        let pixels = sample
            .pixels
            .chunks(height * width)
            .flat_map(|plane| {
                let plane: ImageBuffer<Luma<f32>, _> =
                    ImageBuffer::from_raw(width as u32, height as u32, plane.to_vec())
                        .expect("a plane has height times width pixels");
                resize(&plane, side, side, FilterType::Triangle).into_raw()
            })
            .collect();
        Sample { pixels, ..sample }
    }
}

impl Dataset<Sample> for Scaled {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        Ok(self.scale(self.samples.get(index)?))
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<Sample>, DatasetError> {
        let samples = self.samples.get_many(indices)?;
        Ok(samples
            .into_iter()
            .map(|sample| self.scale(sample))
            .collect())
    }

    fn len(&self) -> usize {
        self.samples.len()
    }
}

impl SampleSet for Scaled {
    fn label(&self, index: usize) -> usize {
        self.samples.label(index)
    }

    fn file(&self, index: usize) -> Option<String> {
        self.samples.file(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;

    #[test]
    fn scaled_images_keep_their_labels_their_range_and_their_mean() {
        let splits = scaled(digits(), 24);
        assert_eq!((splits.spec.height, splits.spec.width), (24, 24));
        let original = digits().test;
        let mean = |sample: &Sample| sample.pixels.iter().sum::<f32>() / sample.pixels.len() as f32;
        for index in [0, 7, 100] {
            let (before, after) = (
                original.get(index).unwrap(),
                splits.test.get(index).unwrap(),
            );
            assert_eq!(after, splits.test.get_many(vec![index]).unwrap()[0]);
            assert_eq!((after.label, after.pixels.len()), (before.label, 24 * 24));
            assert!(after.pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            let (before, after) = (mean(&before), mean(&after));
            assert!((before - after).abs() < 0.02, "{before} {after}");
        }
        assert_eq!(splits.train.len(), digits().train.len());
    }
}
