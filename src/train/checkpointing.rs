//! Writing of checkpoints while a run trains, also on a disk that is full at times.

use std::io;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Bytes;

use super::error::TrainError;
use super::observer::Observer;
use super::optimizer::optimizer_record;
use super::run_files::require_lock;
use super::trainer::Trainer;
use crate::error::Error;
use crate::model::Network;
use crate::run::{CHECKPOINT_CONFIG, CheckpointState};

/// Weights of a checkpoint that are validated and evaluated: the moving average if there is one.
pub(super) const MODEL_FILE: &str = "model.bpk";

/// Weights of a checkpoint that training goes on from, if they are not those that are evaluated.
pub(super) const UNAVERAGED_FILE: &str = "unaveraged.bpk";

/// State of the optimiser in a checkpoint.
pub(super) const OPTIMIZER_FILE: &str = "optimizer.bpk";

impl Trainer<'_> {
    /// Writes a checkpoint. A failed write is reported once, and training continues; the best checkpoint waits in memory.
    pub(super) fn save(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let result = self.write_checkpoint();
        self.log_warnings(observer);
        match result {
            // A full disk may have room again later; a deleted run directory is final.
            Err(TrainError::Files(error))
                if self.job.run.root().is_dir() && self.job.lock.is_held() =>
            {
                if !self.is_failing {
                    observer.message(&format!(
                        "{error}; training continues, and tries again at the next checkpoint"
                    ));
                }
                self.is_failing = true;
                self.keep_if_best()
            }
            result => {
                self.is_failing = false;
                result
            }
        }
    }

    /// Writes a checkpoint of the current step.
    pub(super) fn write_checkpoint(&mut self) -> Result<(), TrainError> {
        let root = self.job.run.root();
        if !root.is_dir() {
            return Err(TrainError::Files(Error::file(format!(
                "{}: the run directory no longer exists, so nothing more can be saved; stopped at step {}",
                root.display(),
                self.step
            ))));
        }
        require_lock(self.job, self.step)?;
        // The log is on disk before the checkpoint, so that a usable checkpoint never points beyond its end.
        self.sync_metrics()?;
        let state = self.checkpoint_state();
        let models = self.stored_models();
        let (optimizer, config) = (&self.optimizer, self.job.config.to_toml());
        let write = |directory: &Path| {
            std::fs::write(directory.join(CHECKPOINT_CONFIG), &config)?;
            for (name, model) in models {
                let record = model.into_record();
                record
                    .save(directory.join(name))
                    .map_err(io::Error::other)?;
            }
            optimizer_record(optimizer)?
                .write_to_file(directory.join(OPTIMIZER_FILE))
                .map_err(io::Error::other)
        };
        let newest = self.newest_checkpoint("newest");
        self.checkpoints
            .save(&state, write)
            .map_err(TrainError::files(format_args!(
                "write the checkpoint of step {} ({newest})",
                self.step
            )))?;
        self.is_saved = true;
        Ok(())
    }

    /// Keeps a checkpoint that could not be written in memory, if the validation says that it is the best one so far.
    ///
    /// Without it, the run would end with another best checkpoint than on a disk with more room.
    fn keep_if_best(&mut self) -> Result<(), TrainError> {
        let state = self.checkpoint_state();
        if !self.checkpoints.would_be_best(&state) {
            return Ok(());
        }
        let encoded = |bytes: io::Result<Bytes>| match bytes {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) => Err(TrainError::files("encode a checkpoint")(error)),
        };
        let config = self.job.config.to_toml().into_bytes();
        let mut files = vec![(CHECKPOINT_CONFIG, config)];
        for (name, model) in self.stored_models() {
            let bytes = model.into_record().into_bytes();
            files.push((name, encoded(bytes.map_err(io::Error::other))?));
        }
        let bytes = optimizer_record(&self.optimizer)
            .and_then(|record| record.into_bytes().map_err(io::Error::other));
        files.push((OPTIMIZER_FILE, encoded(bytes)?));
        self.checkpoints.keep_in_memory(state, files);
        Ok(())
    }

    /// State of the current step.
    fn checkpoint_state(&self) -> CheckpointState {
        CheckpointState {
            step: self.step,
            validation: self.validation,
            penalty_weights: self.regularizer.weights().to_vec(),
            peak_distances: self.collapse.peaks().to_vec(),
            early_stopping: self.stopping.state(),
            seconds: self.timing.seconds(),
            seconds_in_steps: self.timing.in_steps,
            seconds_in_topology: self.timing.in_topology,
            metrics_bytes: self.log.n_bytes(),
            config_sha256: self.config_sha256.clone(),
        }
    }

    /// Models of a checkpoint, with the names of their files.
    fn stored_models(&self) -> Vec<(&'static str, Network)> {
        // The weights that are evaluated have the same name with and without an average.
        let mut models = vec![(MODEL_FILE, self.validated_model())];
        if self.averaged.is_some() {
            models.push((UNAVERAGED_FILE, self.model.valid()));
        }
        models
    }

    /// Path of the newest checkpoint after `label`, for messages.
    pub(super) fn newest_checkpoint(&self, label: &str) -> String {
        match self.checkpoints.newest() {
            Some((_, path)) => format!("{label}: {}", path.display()),
            None => "no checkpoint yet".to_owned(),
        }
    }

    /// Writes the log to disk.
    pub(super) fn sync_metrics(&mut self) -> Result<(), TrainError> {
        let path = self.job.run.metrics();
        self.log
            .sync()
            .map_err(TrainError::files(format_args!("write {}", path.display())))
    }
}
