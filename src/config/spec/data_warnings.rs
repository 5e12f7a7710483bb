//! Warnings about settings that do not fit the size of the data set.

use super::Spec;
use crate::config::raw::{LearningRate, LoggingSpec};
use crate::counted::counted;
use crate::data::{DataSpec, Splits};

impl Spec {
    /// Warnings about settings that do not fit the size of the data set, one sentence each.
    ///
    /// They are about batches and numbers of samples that are larger than the data set, and about warm-ups that are
    /// longer than the training. `data` is the data set as [`Spec::open_data`] opens it.
    pub fn data_warnings(&self, data: &Splits) -> Vec<String> {
        let training = &self.training;
        let n_samples = data.train.len();
        let mut warnings = Vec::new();
        if training.batch_size > n_samples {
            warnings.push(format!(
                "training.batch_size is {}, but there {} only {}, so every epoch has one step",
                training.batch_size,
                are(n_samples),
                counted(n_samples, "training sample")
            ));
        }
        warnings.extend(self.samples_per_class_warning(data));
        let most = data.validation.len().max(data.test.len()) * self.samples.n_frames;
        let n_watched = self.logging.topology_images;
        if n_watched > most && n_watched != LoggingSpec::default().topology_images {
            warnings.push(format!(
                "logging.topology_images is {n_watched}, but no split has more than {}, which are all measured",
                counted(most, "image")
            ));
        }
        let steps_per_epoch = training.steps_per_epoch(n_samples);
        let n_steps = steps_per_epoch.saturating_mul(training.epochs);
        let warmup_steps = match training.schedule {
            LearningRate::Cosine { warmup_steps }
            | LearningRate::Linear { warmup_steps }
            | LearningRate::Step { warmup_steps, .. } => warmup_steps,
            LearningRate::Constant {} | LearningRate::OneCycle { .. } => 0,
        };
        if warmup_steps > n_steps {
            warnings.push(format!(
                "training.schedule.warmup_steps is {warmup_steps}, but training has only {}, so the learning rate never \
                 reaches {}",
                counted(n_steps, "step"),
                training.optimizer.lr
            ));
        }
        for (penalty, name) in self.penalties.iter().zip(self.penalty_names()) {
            let start = penalty.schedule.start_epoch.saturating_mul(steps_per_epoch);
            // A penalty that never starts has a warning of its own.
            let n_left = n_steps.saturating_sub(start);
            let warmup_steps = penalty.schedule.warmup_steps;
            if n_left > 0 && warmup_steps > n_left {
                warnings.push(format!(
                    "penalty {name} has a warm-up of {}, but only {} of training {} left after its start, so it never has \
                     its full weight",
                    counted(warmup_steps, "step"),
                    counted(n_left, "step"),
                    are(n_left)
                ));
            }
        }
        warnings
    }

    /// The same warnings before the data set is opened, if its size is known; empty for files.
    pub(in crate::config) fn embedded_data_warnings(&self) -> Vec<String> {
        let data = match &self.data {
            DataSpec::Scaled { data, .. } => data,
            data => data,
        };
        match data {
            DataSpec::Digits | DataSpec::MovingDigits(_) | DataSpec::DamagedGlyphs(_) => self
                .open_data()
                .map(|data| self.data_warnings(&data))
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Warning about classes that have fewer samples than `training.samples_per_class`.
    fn samples_per_class_warning(&self, data: &Splits) -> Option<String> {
        let n_asked = self.training.samples_per_class?;
        let mut counts = vec![0; self.samples.n_classes];
        for index in 0..data.train.len() {
            counts[data.train.label(index)] += 1;
        }
        let n_smaller = counts.iter().filter(|&&count| count < n_asked).count();
        let largest = counts.iter().max().copied().unwrap_or_default();
        let least = counts.iter().min().copied().unwrap_or_default();
        match n_smaller {
            0 => None,
            n if n == counts.len() => Some(format!(
                "training.samples_per_class is {n_asked}, but no class has more than {}, which are all used",
                counted(largest, "training sample")
            )),
            n => Some(format!(
                "training.samples_per_class is {n_asked}, but {} {} fewer training samples (the smallest {least})",
                counted(n, "class"),
                if n == 1 { "has" } else { "have" }
            )),
        }
    }
}

/// Verb that stands before a number and its noun.
fn are(n: usize) -> &'static str {
    if n == 1 { "is" } else { "are" }
}
