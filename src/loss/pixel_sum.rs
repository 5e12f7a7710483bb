//! Weighted sum of the penalties on pixels.

use burn::prelude::*;
use burn::tensor::DType;

use super::activations::Activations;
use super::frame_diagrams::HostFrames;
use crate::error::Result;
use crate::fused::with_gradient;

/// Weighted sum of all penalties on pixels.
pub(super) struct PixelSum {
    pub(super) frames: HostFrames,
    value: f64,
    /// Derivatives with respect to the predicted pixels.
    gradient: Vec<f64>,
    /// True if a penalty with a weight other than 0 is in it.
    pub(super) is_in_loss: bool,
}

impl PixelSum {
    /// Reads the frames; the sum is 0.
    pub(super) fn new(activations: &Activations) -> Result<Self> {
        let frames = HostFrames::read(activations.required_frames()?)?;
        Ok(Self {
            value: 0.0,
            gradient: vec![0.0; frames.is_within.len()],
            frames,
            is_in_loss: false,
        })
    }

    /// Adds a value and its derivatives with respect to some pixels, weighted.
    pub(super) fn add(
        &mut self,
        weight: f64,
        value: f64,
        gradient: impl IntoIterator<Item = (usize, f64)>,
    ) {
        self.is_in_loss = true;
        self.value += weight * value;
        for (pixel, derivative) in gradient {
            self.gradient[pixel] += weight * derivative;
        }
    }

    /// Returns the sum as a number with its gradient: `[1]`.
    pub(super) fn loss(self, activations: &Activations) -> Result<Tensor<1>> {
        let prediction = &activations.required_frames()?.prediction;
        let gradient = TensorData::new(self.gradient, self.frames.shape);
        let prediction = match prediction.dtype() {
            DType::F64 | DType::F32 => prediction.clone(),
            // The sum has at least 32 bits, as that of the other penalties.
            _ => prediction.clone().cast(DType::F32),
        };
        let gradient = gradient.convert_dtype(prediction.dtype());
        Ok(with_gradient(&prediction, self.value, gradient))
    }
}
