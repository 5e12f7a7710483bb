//! Features of frames from a pretrained model for images.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use image::{DynamicImage, GrayImage, RgbImage};

use super::super::preparation::preparation;
use crate::data::{Preparation, Sample, SampleBatcher, SampleSpec, prepared_image};
use crate::error::{Error, Result};
use crate::evaluate::batch_ranges;
use crate::fused::read_values;
use crate::model::pretrained::{self, ModelOverrides};
use crate::model::{Network, Pooling, Vit};

/// Number of frames per forward pass: it limits the memory, and more would be no faster.
const BATCH: usize = 16;

/// Pretrained vision transformer whose pooled tokens are the features of a frame.
///
/// These are the input of the model's classifier, after the last norm: the class token, the mean of the patch tokens
/// in models without a class token, or both in a DINOv2 with a classifier.
#[derive(Debug, Clone)]
pub struct PretrainedEncoder {
    /// Notes on what was guessed or passed over in the files of the weights, one sentence each.
    pub notes: Vec<String>,
    path: PathBuf,
    family: &'static str,
    vit: Vit,
    preparation: Preparation,
    /// Shape of the images that the model takes.
    spec: SampleSpec,
    device: Device,
}

impl PretrainedEncoder {
    /// Loads pretrained weights of a model for images: a file or its directory.
    ///
    /// `image_size` is explained in [`ModelOverrides::image_size`].
    ///
    /// # Errors
    ///
    /// The errors of [`pretrained::open`]; [`Error::is_invalid_format`] if the weights are those of a model for clips.
    pub fn open(path: &Path, image_size: Option<[usize; 2]>, device: &Device) -> Result<Self> {
        let overrides = ModelOverrides {
            image_size,
            ..ModelOverrides::default()
        };
        let pretrained = pretrained::open(path, &overrides, device)?;
        let Network::Vit(vit) = pretrained.network else {
            return Err(Error::invalid_format(format!(
                "found a model for clips of {} frames, expected one for images, which encodes each frame alone",
                pretrained.config.n_frames()
            ))
            .within(path.display()));
        };
        let [height, width] = pretrained.preprocessing.image_size;
        Ok(Self {
            notes: pretrained.notes,
            path: path.to_owned(),
            family: pretrained.family.name(),
            vit,
            spec: SampleSpec {
                n_frames: 1,
                n_channels: pretrained.config.n_channels(),
                height,
                width,
                n_classes: pretrained.config.n_classes(),
            },
            preparation: preparation(&pretrained.preprocessing),
            device: device.clone(),
        })
    }

    /// File or directory of the weights.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Family of the model, which determines the names of the tensors.
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// Tokens that are the features.
    pub fn pooling(&self) -> Pooling {
        self.vit.pooling()
    }

    /// Height and width to which frames are scaled and cropped, in pixels.
    pub fn image_size(&self) -> [usize; 2] {
        [self.spec.height, self.spec.width]
    }

    /// Computes the features of frames: `[n_frames][n_features]`.
    ///
    /// A frame is prepared like an image file with its pixels, 8 bits each: scaled and cropped as the files of the
    /// weights state. `progress` is called with the number of frames done.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`] if the features cannot be read from their device.
    pub(super) fn features(
        &self,
        frames: &[&[f32]],
        shape: [usize; 3],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<f64>>> {
        let mut features = Vec::with_capacity(frames.len());
        for range in batch_ranges(frames.len(), BATCH) {
            let images: Vec<Sample> = frames[range.clone()]
                .iter()
                .map(|frame| {
                    let image = as_image(frame, shape);
                    // The label is not used.
                    Sample::new(prepared_image(image, self.spec, &self.preparation), 0)
                })
                .collect();
            let clips = SampleBatcher { spec: self.spec }.clips(&images, &self.device);
            let tokens: Tensor<2> = self.vit.features(clips.flatten(0, 1));
            let n_features = tokens.dims()[1];
            let values: Vec<f64> =
                read_values(tokens).map_err(|error| error.within("the features cannot be read"))?;
            features.extend(values.chunks_exact(n_features).map(<[f64]>::to_vec));
            progress(range.end);
        }
        Ok(features)
    }
}

/// Converts a frame with pixels in `[0, 1]` to an image of 8 bits per pixel and channel.
fn as_image(frame: &[f32], [n_channels, height, width]: [usize; 3]) -> DynamicImage {
    let size = height * width;
    let byte = |channel: usize, x: u32, y: u32| {
        let pixel = frame[channel * size + y as usize * width + x as usize];
        (255.0 * pixel).round() as u8
    };
    let [height, width] = [height as u32, width as u32];
    match n_channels {
        1 => GrayImage::from_fn(width, height, |x, y| image::Luma([byte(0, x, y)])).into(),
        _ => RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([0, 1, 2].map(|channel| byte(channel, x, y)))
        })
        .into(),
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::data::read_prepared_image;
    use crate::model::Capture;

    fn weights(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data_files/pretrained")
            .join(name)
    }

    #[test]
    fn a_frame_is_prepared_like_an_image_file() {
        let device = Device::flex();
        let encoder = PretrainedEncoder::open(&weights("dinov2_bare"), None, &device).unwrap();
        let shape = [3, 20, 26];
        let frame: Vec<f32> = (0..3 * 20 * 26)
            .map(|k| ((k * k) % 256) as f32 / 255.0)
            .collect();
        let file =
            std::env::temp_dir().join(format!("burn-topology-frame-{}.png", std::process::id()));
        as_image(&frame, shape).save(&file).unwrap();
        let pixels = read_prepared_image(&file, encoder.spec, &encoder.preparation).unwrap();
        std::fs::remove_file(file).unwrap();
        let clips = SampleBatcher { spec: encoder.spec }.clips(&[Sample::new(pixels, 0)], &device);
        // Without a classifier, the model returns its pooled tokens: the class token.
        let expected = Network::Vit(encoder.vit.clone())
            .forward(clips, Capture::Logits)
            .output;
        let expected: Vec<f64> = read_values(expected).unwrap();
        assert_eq!(encoder.pooling(), Pooling::Cls);
        // More frames than one batch.
        let frames = vec![&frame[..]; BATCH + 1];
        let mut done = Vec::new();
        let features = encoder
            .features(&frames, shape, &mut |n| done.push(n))
            .unwrap();
        assert_eq!((features.len(), done), (BATCH + 1, vec![BATCH, BATCH + 1]));
        for actual in features {
            assert_eq!(actual.len(), expected.len());
            for (actual, expected) in actual.iter().zip(&expected) {
                assert!((actual - expected).abs() < 1e-5, "{actual} {expected}");
            }
        }
    }

    #[test]
    fn grey_frames_and_models_with_a_classifier_are_encoded() {
        let encoder = PretrainedEncoder::open(&weights("dinov2"), None, &Device::flex()).unwrap();
        assert_eq!(encoder.pooling(), Pooling::ClsAndMean);
        let frame = [0.25; 64];
        let features = encoder.features(&[&frame], [1, 8, 8], &mut |_| {}).unwrap();
        assert!(features[0].iter().all(|value| value.is_finite()));
        assert_eq!(features[0].len() % 2, 0);
    }

    #[test]
    fn models_for_clips_are_refused() {
        let error =
            PretrainedEncoder::open(&weights("timesformer"), None, &Device::flex()).unwrap_err();
        assert!(error.is_invalid_format());
        let message = error.to_string();
        assert!(
            message.contains("timesformer: found a model for clips of"),
            "{message}"
        );
    }
}
