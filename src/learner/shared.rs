//! Regulariser that a model can hold.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::Tensor;

use crate::error::Result;
use crate::loss::{Activations, Clock, TopologyLoss, TopologyRegularizer};

/// Regulariser that counts its own steps; all clones share its weights and its step.
///
/// [`TrainStep`](burn::train::TrainStep) borrows the model immutably and does not know the step, so hold this
/// in a field of the model that is marked `#[module(skip)]`.
#[derive(Debug, Clone)]
pub struct SharedRegularizer {
    regularizer: Arc<Mutex<TopologyRegularizer>>,
    /// Number of training passes done so far, on all devices.
    n_passes: Arc<AtomicUsize>,
    steps_per_epoch: usize,
    passes_per_step: usize,
}

impl SharedRegularizer {
    /// Creates a shared regulariser; `steps_per_epoch` is the number of optimiser steps in an epoch.
    pub fn new(regularizer: TopologyRegularizer, steps_per_epoch: usize) -> Self {
        Self {
            regularizer: Arc::new(Mutex::new(regularizer)),
            n_passes: Arc::new(AtomicUsize::new(0)),
            steps_per_epoch,
            passes_per_step: 1,
        }
    }

    /// Sets the number of calls of [`forward`](Self::forward) in training that make one optimiser step, 1 unless it is set.
    ///
    /// It is the number of devices that Burn's loop trains on, times the number of batches over which it accumulates
    /// gradients. 0 counts as 1.
    #[must_use]
    pub fn with_passes_per_step(self, passes_per_step: usize) -> Self {
        Self {
            passes_per_step: passes_per_step.max(1),
            ..self
        }
    }

    /// Sets the number of steps done so far, for example after loading a checkpoint.
    pub fn set_step(&self, step: usize) {
        // Relaxed everywhere: the number guards no other memory.
        self.n_passes
            .store(step * self.passes_per_step, Ordering::Relaxed);
    }

    /// Progress of training: the steps done so far.
    pub fn clock(&self) -> Clock {
        Clock {
            step: self.n_passes.load(Ordering::Relaxed) / self.passes_per_step,
            steps_per_epoch: self.steps_per_epoch,
        }
    }

    /// Full weight of each penalty, without its schedule; `None` while a gradient share is not measured.
    pub fn weights(&self) -> Vec<Option<f64>> {
        self.lock(|regularizer| regularizer.weights().to_vec())
    }

    /// Measures the weights of gradient shares that are due; see [`TopologyRegularizer::calibrate`].
    ///
    /// The regulariser is locked meanwhile, so the closure must not call its methods, nor those of a clone. On several
    /// devices the first that comes measures, on its own batch, and the others wait.
    ///
    /// # Errors
    ///
    /// As [`TopologyRegularizer::calibrate`].
    pub fn calibrate<M: Module>(
        &self,
        model: &M,
        forward: impl FnMut() -> (Tensor<1>, Activations),
    ) -> Result<()> {
        let clock = self.clock();
        self.lock(|regularizer| regularizer.calibrate(model, clock, forward).map(drop))
    }

    /// Computes the penalties of this step; see [`TopologyRegularizer::forward`].
    ///
    /// On an autodiff device it counts the pass, so call it once for each batch of training; see
    /// [`with_passes_per_step`](Self::with_passes_per_step). On other devices, as in validation, it does not. Several
    /// devices compute their penalties at the same time.
    ///
    /// # Errors
    ///
    /// As [`TopologyRegularizer::forward`].
    pub fn forward(&self, activations: &Activations) -> Result<TopologyLoss> {
        let clock = self.clock();
        // A copy, which shares its buffers, so that the lock is not held while the penalties are computed.
        let regularizer = self.lock(|regularizer| regularizer.clone());
        let loss = regularizer.forward(activations, clock)?;
        // Only training runs on an autodiff device. A failed evaluation has returned above and does not count.
        if loss.loss.device().is_autodiff() {
            self.n_passes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(loss)
    }

    /// Calls a function with exclusive access to the regulariser.
    fn lock<T>(&self, function: impl FnOnce(&mut TopologyRegularizer) -> T) -> T {
        // After a panic elsewhere each weight is either measured or not, and both states are valid.
        let mut regularizer = self
            .regularizer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        function(&mut regularizer)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::activation::softmax;
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::loss::TopologyPenalty;

    #[test]
    fn clones_share_the_step_and_evaluation_does_not_count() {
        let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(0)]).unwrap();
        let shared = SharedRegularizer::new(regularizer, 3);
        let activations = |device: &Device| {
            let scores = || Tensor::<4>::random([1, 2, 5, 5], Distribution::Default, device);
            Activations::from_attention((0..2).map(|_| softmax(scores(), 3)).collect(), 0)
        };
        let training = activations(&Device::flex().autodiff());
        shared.clone().forward(&training).unwrap();
        shared.forward(&activations(&Device::flex())).unwrap();
        assert_eq!(shared.clock().step, 1);
        shared.set_step(7);
        assert_eq!(shared.clone().clock().step, 7);
        // On two devices, two passes make a step.
        let shared = shared.with_passes_per_step(2);
        shared.set_step(3);
        for step in [3, 4, 4, 5] {
            shared.forward(&training).unwrap();
            assert_eq!(shared.clock().step, step);
        }
        assert_eq!(shared.weights(), [Some(1.0)]);
    }
}
