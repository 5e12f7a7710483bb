//! Prefetching: the samples of the next step are loaded and augmented while the current step is computed.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::error::TrainError;
use crate::data::{Augment, Sample, SampleSpec, Samples, epoch_order};
use crate::error::{Error, Result};

/// Number of steps whose samples are requested at the same time: the current step and the next.
const AHEAD: usize = 2;

/// Everything that determines the samples of every step.
#[derive(Clone)]
pub(super) struct SampleOrder {
    pub(super) samples: Samples,
    pub(super) spec: SampleSpec,
    pub(super) augment: Augment,
    pub(super) seed: u64,
    pub(super) batch_size: usize,
    pub(super) steps_per_epoch: usize,
    /// Number of steps of the whole run.
    pub(super) n_steps: usize,
}

/// Order in which the samples of one epoch are visited.
struct EpochOrder {
    epoch: usize,
    indices: Vec<usize>,
}

/// Loader that prepares the samples of consecutive steps in a background thread.
pub(super) struct Prefetch {
    order: SampleOrder,
    /// Steps that were requested and not yet taken, oldest first.
    requested: VecDeque<usize>,
    requests: SyncSender<usize>,
    /// Results, in the order of the requests.
    responses: Receiver<Result<Vec<Sample>>>,
}

impl SampleOrder {
    /// Loads and augments the samples of a step.
    ///
    /// The augmentation of a sample depends only on the seed, the epoch and its index, so that a resumed run sees
    /// the same samples. `order` caches the sample order of one epoch.
    fn load_step(&self, step: usize, order: &mut Option<EpochOrder>) -> Result<Vec<Sample>> {
        let epoch = step / self.steps_per_epoch;
        if order.as_ref().is_none_or(|order| order.epoch != epoch) {
            *order = Some(EpochOrder {
                epoch,
                indices: epoch_order(self.samples.len(), self.seed, epoch),
            });
        }
        let indices = order
            .as_ref()
            .map_or(&[][..], |order| order.indices.as_slice())
            .chunks(self.batch_size)
            .nth(step % self.steps_per_epoch)
            .unwrap_or_default();
        let mut samples = self
            .samples
            .get_many(indices.to_vec())
            .map_err(Error::sample)?;
        samples
            .par_iter_mut()
            .zip(indices)
            .for_each(|(sample, &index)| {
                let (augment, place) = (self.augment, [epoch, index]);
                sample.pixels = augment.apply_in_epoch(&sample.pixels, self.spec, self.seed, place);
            });
        Ok(samples)
    }
}

impl Prefetch {
    /// Starts the background thread.
    ///
    /// # Errors
    ///
    /// The system refuses the threads.
    pub(super) fn new(order: SampleOrder) -> Result<Self> {
        // Steps are taken in order, so at most `AHEAD` requests are open, and no sender ever waits for room.
        let (requests, steps) = sync_channel::<usize>(AHEAD);
        let (results, responses) = sync_channel(AHEAD);
        let worker = order.clone();
        // A thread pool of its own: threads of the global pool may be waiting for these samples, which would deadlock.
        let pool = ThreadPoolBuilder::new()
            .num_threads(rayon::current_num_threads())
            .build()
            .map_err(|error| {
                Error::file("the system refuses threads to read samples").because(error)
            })?;
        // The thread ends when `requests` is dropped with the `Prefetch`.
        let load = move || {
            let mut order = None;
            for step in steps {
                let samples = pool.install(|| worker.load_step(step, &mut order));
                if results.send(samples).is_err() {
                    break;
                }
            }
        };
        Builder::new().spawn(load).map_err(|error| {
            Error::file("the system refuses a thread to read samples").because(error)
        })?;
        Ok(Self {
            order,
            requested: VecDeque::new(),
            requests,
            responses,
        })
    }

    /// Returns the samples of a step, and requests those of the next one.
    pub(super) fn take(&mut self, step: usize) -> Result<Vec<Sample>, TrainError> {
        const GONE: &str = "the thread that reads samples has ended";
        loop {
            let last = self.order.n_steps.min(step + AHEAD);
            let next = self.requested.back().map_or(step, |last| last + 1);
            for step in next..last.max(step + 1) {
                self.requests
                    .send(step)
                    .map_err(|_| TrainError::Files(Error::file(GONE)))?;
                self.requested.push_back(step);
            }
            let samples = self
                .responses
                .recv()
                .map_err(|_| TrainError::Files(Error::file(GONE)))?;
            // Steps are usually taken in order; after a jump back, stale responses are discarded here.
            if self.requested.pop_front() == Some(step) {
                return samples.map_err(TrainError::Files);
            }
        }
    }
}
