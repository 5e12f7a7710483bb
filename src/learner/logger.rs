//! Numbers of Burn's training loop in TensorBoard.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricId, NumericEntry};

use crate::run::EventWriter;

/// Writes every numeric metric to event files, one TensorBoard run per split.
///
/// Burn passes no step: training steps are counted, and the mean of an epoch of any other split
/// stands at the step that training has reached. Register a
/// [`FileMetricLogger`](burn::train::logger::FileMetricLogger) beside it: early stopping and the choice
/// of the best checkpoint read numbers back, which event files are not for. A file that cannot be
/// written is given up with one warning through `log`, and training goes on.
pub struct TensorBoardMetricLogger {
    directory: PathBuf,
    names: HashMap<MetricId, String>,
    writers: HashMap<String, EventWriter>,
    has_failed: bool,
    n_steps: usize,
}

impl TensorBoardMetricLogger {
    /// A logger that writes below a directory, which is made when there is something to write.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self::starting_at(directory, 0)
    }

    /// A logger of a training that goes on after so many steps; what TensorBoard has of later ones
    /// is declared void.
    pub fn starting_at(directory: impl AsRef<Path>, n_steps: usize) -> Self {
        Self {
            directory: directory.as_ref().to_owned(),
            names: HashMap::new(),
            writers: HashMap::new(),
            has_failed: false,
            n_steps,
        }
    }

    fn write(&mut self, split: &Split, tag: &str, value: f64) -> io::Result<()> {
        let name = split.to_string();
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

    fn give_up_on(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.has_failed = true;
            self.writers.clear();
            log::warn!(
                "event files in {} cannot be written ({error}); training goes on without them",
                self.directory.display()
            );
        }
    }
}

impl MetricLogger for TensorBoardMetricLogger {
    fn log(&mut self, update: MetricsUpdate, _epoch: usize, split: &Split) {
        // A metric's last word on an epoch comes in an update of its own, which is no step.
        let is_final = update
            .entries_numeric
            .iter()
            .any(|update| matches!(update.numeric_entry, Some(NumericEntry::Final(_))));
        let is_training = matches!(split, Split::Train);
        if is_training && !is_final {
            self.n_steps += 1;
        }
        if self.has_failed || is_training == is_final {
            return;
        }
        for update in update.entries_numeric {
            let name = self.names.get(&update.entry.metric_id).cloned();
            if let (Some(name), Some(entry)) = (name, update.numeric_entry) {
                let written = self.write(split, &name, entry.current());
                self.give_up_on(written);
            }
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        _epoch: usize,
        _split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        // The first logger that answers is believed; this one must not.
        Err(format!("{name}: event files are not read back"))
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        let name = definition.name.to_string();
        self.names.insert(definition.metric_id, name);
    }

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {
        if !self.has_failed {
            let flushed = self.writers.values_mut().try_for_each(EventWriter::flush);
            self.give_up_on(flushed);
        }
    }
}
