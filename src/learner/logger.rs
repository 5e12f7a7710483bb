//! Logger of Burn's training loop that writes TensorBoard event files.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricId, NumericEntry};

use crate::run::EventWriter;

/// Logger that writes every numeric metric to TensorBoard event files, one TensorBoard run per split.
///
/// Burn passes no step to loggers. This one counts training steps; the mean over an epoch of any other split is
/// logged at the step that training has reached.
///
/// Register a [`FileMetricLogger`](burn::train::logger::FileMetricLogger) too: early stopping and the choice of
/// the best checkpoint read metrics back, which event files do not support. If a file cannot be written, one
/// warning is logged through `log`, and training continues without event files.
pub struct TensorBoardMetricLogger {
    directory: PathBuf,
    names: HashMap<MetricId, String>,
    writers: HashMap<String, EventWriter>,
    has_failed: bool,
    n_steps: usize,
}

impl TensorBoardMetricLogger {
    /// Creates a logger that writes to a directory, which is created at the first value.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self::starting_at(directory, 0)
    }

    /// Creates a logger for a training that resumes after `n_steps` steps.
    ///
    /// TensorBoard then ignores the values in earlier files that belong to later steps.
    pub fn starting_at(directory: impl AsRef<Path>, n_steps: usize) -> Self {
        Self {
            directory: directory.as_ref().to_owned(),
            names: HashMap::new(),
            writers: HashMap::new(),
            has_failed: false,
            n_steps,
        }
    }

    /// Writes one value, and creates the file of its split if there is none yet.
    fn write(&mut self, split: &Split, tag: &str, value: f64) -> io::Result<()> {
        let name = split.to_string();
        // Not through `entry`, whose closure cannot return the error of creating a file.
        if !self.writers.contains_key(&name) {
            let mut writer = EventWriter::create(&self.directory.join(&name))?;
            writer.session_start(self.n_steps)?;
            self.writers.insert(name.clone(), writer);
        }
        match self.writers.get_mut(&name) {
            Some(writer) => writer.scalar(tag, value, self.n_steps),
            None => Ok(()),
        }
    }

    /// Stops writing after an error, with one warning.
    fn stop_after_error(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.has_failed = true;
            self.writers.clear();
            log::warn!(
                "event files in {} cannot be written ({error}); training continues without them",
                self.directory.display()
            );
        }
    }
}

impl MetricLogger for TensorBoardMetricLogger {
    fn log(&mut self, update: MetricsUpdate, _epoch: usize, split: &Split) {
        // The final value of a metric for an epoch comes in an update of its own, which is not a step.
        let is_final = update
            .entries_numeric
            .iter()
            .any(|update| matches!(update.numeric_entry, Some(NumericEntry::Final(_))));
        let is_training = matches!(split, Split::Train);
        if is_training && !is_final {
            self.n_steps += 1;
        }
        // Training logs the value of each step, any other split only the final value of each epoch.
        if self.has_failed || is_training == is_final {
            return;
        }
        for update in update.entries_numeric {
            let name = self.names.get(&update.entry.metric_id).cloned();
            if let (Some(name), Some(entry)) = (name, update.numeric_entry) {
                let result = self.write(split, &name, entry.current());
                self.stop_after_error(result);
            }
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        _epoch: usize,
        _split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        // Burn takes the answer of the first logger that has one, so this one returns an error.
        Err(format!("{name}: event files cannot be read back"))
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        let name = definition.name.to_string();
        self.names.insert(definition.metric_id, name);
    }

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {
        if !self.has_failed {
            let flushed = self.writers.values_mut().try_for_each(EventWriter::flush);
            self.stop_after_error(flushed);
        }
    }
}
