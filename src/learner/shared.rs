//! A regulariser inside a model.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::Tensor;

use crate::error::Result;
use crate::loss::{Activations, Clock, TopologyLoss, TopologyRegularizer};

/// A regulariser that counts its own steps, shared by all clones.
///
/// A model's [`TrainStep`](burn::train::TrainStep) has neither a mutable state nor a step; hold one of
/// these in a field marked `#[module(skip)]`.
#[derive(Debug, Clone)]
pub struct SharedRegularizer {
    regularizer: Arc<Mutex<TopologyRegularizer>>,
    step: Arc<AtomicUsize>,
    steps_per_epoch: usize,
}

impl SharedRegularizer {
    /// Shares a regulariser in a training of so many optimiser steps an epoch.
    pub fn new(regularizer: TopologyRegularizer, steps_per_epoch: usize) -> Self {
        Self {
            regularizer: Arc::new(Mutex::new(regularizer)),
            step: Arc::new(AtomicUsize::new(0)),
            steps_per_epoch,
        }
    }

    /// Says how many steps were done before, after loading a checkpoint.
    pub fn set_step(&self, step: usize) {
        self.step.store(step, Ordering::Relaxed);
    }

    /// Where training stands.
    pub fn clock(&self) -> Clock {
        Clock {
            step: self.step.load(Ordering::Relaxed),
            steps_per_epoch: self.steps_per_epoch,
        }
    }

    /// Full weight of each penalty; `None` while a gradient share is not measured.
    pub fn weights(&self) -> Vec<Option<f64>> {
        self.lock(|regularizer| regularizer.weights().to_vec())
    }

    /// Measures gradient shares where they are due; see [`TopologyRegularizer::calibrate`].
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

    /// The penalties of this step; see [`TopologyRegularizer::forward`]. On an autodiff device the
    /// step is counted, so call it once in every training step.
    ///
    /// # Errors
    ///
    /// As [`TopologyRegularizer::forward`].
    pub fn forward(&self, activations: &Activations) -> Result<TopologyLoss> {
        let clock = self.clock();
        let loss = self.lock(|regularizer| regularizer.forward(activations, clock))?;
        if loss.loss.device().is_autodiff() {
            self.step.fetch_add(1, Ordering::Relaxed);
        }
        Ok(loss)
    }

    fn lock<T>(&self, use_it: impl FnOnce(&mut TopologyRegularizer) -> T) -> T {
        // A panic elsewhere leaves weights that are measured or not, both of which are fine.
        let mut regularizer = self
            .regularizer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        use_it(&mut regularizer)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::activation::softmax;
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::loss::TopologyPenalty;

    #[test]
    fn clones_share_the_step_and_evaluation_is_no_step() {
        let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(0)]).unwrap();
        let shared = SharedRegularizer::new(regularizer, 3);
        let activations = |device: &Device| {
            let scores = || Tensor::<4>::random([1, 2, 5, 5], Distribution::Default, device);
            Activations::of_attention((0..2).map(|_| softmax(scores(), 3)).collect(), 0)
        };
        let training = activations(&Device::flex().autodiff());
        shared.clone().forward(&training).unwrap();
        shared.forward(&activations(&Device::flex())).unwrap();
        assert_eq!(shared.clock().step, 1);
        shared.set_step(7);
        assert_eq!(shared.clone().clock().step, 7);
        assert_eq!(shared.weights(), [Some(1.0)]);
    }
}
