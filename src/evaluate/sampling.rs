//! Generation of clips: the flow of a generator is followed from noise to clips.

use burn::prelude::*;

use super::error::EvaluateError;
use super::task_model::TaskModel;
use crate::data::generation_noise;
use crate::error::Error;
use crate::fused::read_values;
use crate::model::{Capture, Conditions, ModelInput};

/// Method that follows the flow of a generator over steps of equal length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Solver {
    /// Euler's method: one prediction a step.
    #[default]
    Euler,
    /// Heun's method: two predictions a step, except for the last, and an error that falls with the square of the length.
    Heun,
}

/// Settings of a generation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingSettings {
    /// Number of steps from noise to the clip, at least 1.
    pub n_steps: usize,
    /// Method of the steps.
    pub solver: Solver,
    /// Weight of the caption: 1 follows it, more exaggerates it, 0 ignores it.
    pub guidance: f64,
    /// Seed of the noise.
    pub seed: u64,
}

/// Clip that was generated from a caption.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedClip {
    /// Pixels in `[0, 1]`: `[n_frames, n_channels, height, width]`.
    pub pixels: Vec<f32>,
    /// Estimate of the clean clip at the beginning of every step, as `pixels`.
    pub trajectory: Vec<Vec<f32>>,
}

impl TaskModel {
    /// Generates a clip from a caption; `index` tells several clips of one caption apart.
    ///
    /// ```text
    /// dx / dt = v_0(x, t) + w (v_c(x, t) - v_0(x, t))       from noise at t = 1 to the clip at t = 0
    /// ```
    ///
    /// Here `v_c` is the velocity that the model predicts with the caption, `v_0` without one, and `w` the guidance. With
    /// `w = 1` the model is not asked without the caption, and with `w = 0` not with it. The same caption, seed and index
    /// start from the same noise for every model of the same shape. `progress` is called after every step. Every clip has forward passes of its own, so that it
    /// does not depend, in any bit, on the clips that are generated with it.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if the model is no generator, the caption cannot be encoded, or the model predicts
    /// numbers that are not finite.
    ///
    /// # Cost
    ///
    /// One forward pass for each prediction, of two clips if `w` is neither 0 nor 1.
    ///
    /// # Source
    ///
    /// Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022, equation 6.
    pub fn generate(
        &self,
        caption: &str,
        index: usize,
        settings: SamplingSettings,
        progress: &mut dyn FnMut(),
    ) -> Result<GeneratedClip, EvaluateError> {
        let field = self.field(caption, settings.guidance)?;
        let spec = self.samples;
        let noise = generation_noise(
            settings.seed,
            caption,
            index,
            spec.n_frames * spec.frame_len(),
        );
        let shape = [1, spec.n_frames, spec.n_channels, spec.height, spec.width];
        let mut clip = Tensor::<5>::from_data(TensorData::new(noise, shape), &self.device);
        let mut trajectory = Vec::new();
        let n_steps = settings.n_steps;
        for step in 0..n_steps {
            let level = 1.0 - step as f64 / n_steps as f64;
            let next = 1.0 - (step + 1) as f64 / n_steps as f64;
            let velocity = field.velocity(clip.clone(), level);
            trajectory.push(self.pixels(clip.clone() - velocity.clone() * level)?);
            let length = next - level;
            // At level 0 there is no noise left to predict.
            let velocity = if settings.solver == Solver::Heun && step + 1 < n_steps {
                let ahead = clip.clone() + velocity.clone() * length;
                (velocity + field.velocity(ahead, next)) / 2.0
            } else {
                velocity
            };
            clip = clip + velocity * length;
            progress();
        }
        Ok(GeneratedClip {
            pixels: self.pixels(clip)?,
            trajectory,
        })
    }

    /// Field of velocities for a caption.
    fn field(&self, caption: &str, guidance: f64) -> Result<Field<'_>, EvaluateError> {
        let Some(encoder) = &self.captions else {
            return Err(EvaluateError::Files(Error::invalid_parameter(format!(
                "expected a generator, found {}",
                self.task.in_words()
            ))));
        };
        // Both, or only one of them if the other has the weight 0.
        let captions: &[Option<&str>] = match guidance {
            1.0 => &[Some(caption)],
            0.0 => {
                // Refused all the same if it cannot be encoded.
                encoder
                    .vocabulary
                    .encode(caption, encoder.max_words)
                    .map_err(EvaluateError::Files)?;
                &[None]
            }
            _ => &[Some(caption), None],
        };
        Ok(Field {
            model: self,
            captions: encoder
                .stack(captions, &self.device)
                .map_err(EvaluateError::Files)?,
            guidance,
        })
    }

    /// Pixels of a clip in `[0, 1]`.
    fn pixels(&self, clip: Tensor<5>) -> Result<Vec<f32>, EvaluateError> {
        let values: Vec<f32> = read_values(clip)
            .map_err(|error| EvaluateError::Files(error.within("the clip cannot be read")))?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(EvaluateError::Files(Error::invalid_parameter(
                "the model predicts numbers that are not finite; use another checkpoint, or a smaller guidance",
            )));
        }
        Ok(self.task.as_pixels(&values))
    }
}

/// Velocities of a model for one caption.
struct Field<'a> {
    model: &'a TaskModel,
    /// The caption, an absent one, or both: `[1 or 2, max_words]`.
    captions: Tensor<2, Int>,
    guidance: f64,
}

impl Field<'_> {
    /// Velocity of a clip `[1, n_frames, n_channels, height, width]` at a noise level.
    fn velocity(&self, clip: Tensor<5>, level: f64) -> Tensor<5> {
        let n = self.captions.dims()[0];
        let shape = clip.dims();
        let input = ModelInput {
            clips: clip.repeat_dim(0, n),
            conditions: Some(Conditions {
                level: Tensor::full([n], level, &self.model.device),
                captions: self.captions.clone(),
            }),
        };
        let output = self.model.network.forward(input, Capture::Logits).output;
        let [_, n_frames, n_channels, height, width] = shape;
        let velocities = output.reshape([n, n_frames, n_channels, height, width]);
        if n == 1 {
            return velocities;
        }
        let captioned = velocities.clone().slice_dim(0, 0..1);
        let free = velocities.slice_dim(0, 1..2);
        free.clone() + (captioned - free) * self.guidance
    }
}
