//! Memory that a run needs at least, known before anything is allocated.

use super::Spec;

/// Bytes of a number in `f32`.
const NUMBER: f64 = 4.0;

/// Numbers for each trained parameter beside the moments of the optimiser: its value and its gradient.
const PER_TRAINED_PARAMETER: f64 = 2.0;

/// Memory that a run needs at least, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeastMemory {
    /// Number of parameters of the model.
    pub n_parameters: f64,
    /// Parameters, with the gradients and moments of those that are trained.
    pub parameters: f64,
    /// Number of samples in a forward pass.
    pub n_samples: usize,
    /// Samples of a forward pass with their attention maps, and the activations that the backward pass needs.
    pub samples: f64,
}

impl LeastMemory {
    /// Everything together.
    pub fn total(self) -> f64 {
        self.parameters + self.samples
    }
}

impl Spec {
    /// Computes the memory that training needs at least.
    ///
    /// It is a lower bound: the data set, intermediate results, the library and other processes come in addition.
    pub fn least_memory(&self) -> LeastMemory {
        let size = self.model.size();
        let parts = self.training.gradient_accumulation.max(1);
        let n_samples = self.training.batch_size.div_ceil(parts);
        let pixels = [
            self.samples.n_frames,
            self.samples.n_channels,
            self.samples.height,
            self.samples.width,
        ];
        let pixels: f64 = pixels.into_iter().map(|extent| extent as f64).product();
        // Of frozen layers there are only the values, and nothing is kept for a backward pass.
        let n_moments = self.training.optimizer.rule.n_moments() as f64;
        let n_averages = f64::from(u8::from(self.training.ema_decay.is_some()));
        let (copies, activations) = match self.start.n_frozen {
            None => (
                PER_TRAINED_PARAMETER + n_moments + n_averages,
                size.n_activations + size.n_attention_weights,
            ),
            Some(_) => (1.0 + n_averages, 0.0),
        };
        LeastMemory {
            n_parameters: size.n_parameters,
            parameters: NUMBER * copies * size.n_parameters,
            n_samples,
            samples: NUMBER * n_samples as f64 * (pixels + activations),
        }
    }
}
