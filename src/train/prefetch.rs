//! Samples of the next steps, made or decoded while the present one is computed.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::error::TrainError;
use crate::data::{Augment, Sample, SampleSpec, Samples, epoch_order, random_stream};

/// Steps that are prepared ahead.
const AHEAD: usize = 2;

/// What decides the samples of every step.
#[derive(Clone)]
pub(super) struct SampleOrder {
    pub(super) samples: Samples,
    pub(super) spec: SampleSpec,
    pub(super) augment: Augment,
    pub(super) seed: u64,
    pub(super) batch_size: usize,
    pub(super) steps_per_epoch: usize,
    /// Steps of the whole run.
    pub(super) n_steps: usize,
}

/// Hands out the samples of one step after the other.
pub(super) struct Prefetch {
    order: SampleOrder,
    /// Steps asked for and not yet taken, the first one first.
    asked: VecDeque<usize>,
    requests: SyncSender<usize>,
    answers: Receiver<Result<Vec<Sample>, String>>,
}

impl SampleOrder {
    /// The augmented samples of a step; what happens to one depends on seed, epoch and place alone.
    fn samples_of(
        &self,
        step: usize,
        order: &mut Option<(usize, Vec<usize>)>,
    ) -> Result<Vec<Sample>, String> {
        let epoch = step / self.steps_per_epoch;
        if order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            *order = Some((epoch, epoch_order(self.samples.len(), self.seed, epoch)));
        }
        let order = order.as_ref().map_or(&[][..], |(_, order)| order);
        let indices = order
            .chunks(self.batch_size)
            .nth(step % self.steps_per_epoch);
        let indices = indices.unwrap_or_default();
        let found = self.samples.get_many(indices.to_vec());
        let mut found = found.map_err(|e| e.to_string())?;
        let places = found.par_iter_mut().zip(indices);
        places.for_each(|(sample, &index)| {
            let mut random = random_stream(self.seed, &[epoch as u64, index as u64]);
            sample.pixels = self.augment.apply(&sample.pixels, self.spec, &mut random);
        });
        Ok(found)
    }
}

impl Prefetch {
    pub(super) fn new(order: SampleOrder) -> Self {
        let (requests, to_do) = sync_channel::<usize>(AHEAD);
        let (done, answers) = sync_channel(AHEAD);
        let worker = order.clone();
        // Threads of its own: those of the training wait for what is made here.
        let pool = ThreadPoolBuilder::new()
            .num_threads(rayon::current_num_threads())
            .build();
        // Ends when the requests do.
        thread::spawn(move || {
            let mut order = None;
            for step in to_do {
                let samples = match &pool {
                    Ok(pool) => pool.install(|| worker.samples_of(step, &mut order)),
                    Err(error) => Err(format!("no threads to read samples with: {error}")),
                };
                if done.send(samples).is_err() {
                    break;
                }
            }
        });
        Self {
            order,
            asked: VecDeque::new(),
            requests,
            answers,
        }
    }

    /// The samples of a step; those of the next ones are asked for.
    pub(super) fn take(&mut self, step: usize) -> Result<Vec<Sample>, TrainError> {
        const GONE: &str = "the thread that reads samples ended";
        loop {
            let last = self.order.n_steps.min(step + AHEAD);
            let next = self.asked.back().map_or(step, |asked| asked + 1);
            for step in next..last.max(step + 1) {
                self.requests
                    .send(step)
                    .map_err(|_| TrainError::Files(GONE.to_owned()))?;
                self.asked.push_back(step);
            }
            let answer = self.answers.recv();
            let answer = answer.map_err(|_| TrainError::Files(GONE.to_owned()))?;
            // Steps are taken one after the other, save where a caller goes back.
            if self.asked.pop_front() == Some(step) {
                return answer.map_err(TrainError::Files);
            }
        }
    }
}
