//! Checkpoints: one directory each, whole or absent.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::directory::RunDirectory;

/// Where training stood when a checkpoint was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Optimiser steps done.
    pub step: usize,
    /// Epochs done.
    pub epoch: usize,
    /// Accuracy on the validation split, a fraction.
    pub validation_accuracy: f64,
    /// Cross-entropy on the validation split, in nats.
    pub validation_loss: f64,
    /// Full weight of each penalty; `null` while a gradient share is not measured.
    pub penalty_weights: Vec<Option<f64>>,
}

/// The checkpoints of a run: the newest and the best are kept.
#[derive(Debug)]
pub struct Checkpoints {
    directory: PathBuf,
}

impl Checkpoints {
    /// Those of a run.
    pub fn of(run: &RunDirectory) -> Self {
        Self {
            directory: run.checkpoints(),
        }
    }

    /// Takes one: `write` fills a directory that takes its name once it is whole. Then those that
    /// are neither the newest nor the best are removed.
    ///
    /// # Errors
    ///
    /// As writing, and what `write` returns.
    pub fn save(
        &self,
        state: &CheckpointState,
        write: impl FnOnce(&std::path::Path) -> io::Result<()>,
    ) -> io::Result<PathBuf> {
        let partial = self.directory.join(format!("{}.partial", state.step));
        std::fs::create_dir_all(&partial)?;
        write(&partial)?;
        std::fs::write(
            partial.join("state.json"),
            serde_json::to_vec_pretty(state)?,
        )?;
        let path = self.path(state.step);
        std::fs::rename(partial, &path)?;
        let all = self.list()?;
        let best = best_of(&all).map(|best| best.step);
        for old in all
            .iter()
            .filter(|old| old.step != state.step && Some(old.step) != best)
        {
            std::fs::remove_dir_all(self.path(old.step))?;
        }
        Ok(path)
    }

    /// The one best on the validation split: highest accuracy, then lowest loss, then earliest.
    ///
    /// # Errors
    ///
    /// As reading the directory.
    pub fn best(&self) -> io::Result<Option<(CheckpointState, PathBuf)>> {
        let best = best_of(&self.list()?).cloned();
        Ok(best.map(|state| {
            let path = self.path(state.step);
            (state, path)
        }))
    }

    /// The newest one.
    ///
    /// # Errors
    ///
    /// As reading the directory.
    pub fn newest(&self) -> io::Result<Option<PathBuf>> {
        let newest = self.list()?.into_iter().map(|state| state.step).max();
        Ok(newest.map(|step| self.path(step)))
    }

    fn path(&self, step: usize) -> PathBuf {
        self.directory.join(step.to_string())
    }

    fn list(&self) -> io::Result<Vec<CheckpointState>> {
        if !self.directory.is_dir() {
            return Ok(Vec::new());
        }
        let mut states = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            let is_whole = entry.file_name().to_string_lossy().parse::<usize>().is_ok();
            if is_whole {
                let bytes = std::fs::read(entry.path().join("state.json"))?;
                states.push(serde_json::from_slice(&bytes)?);
            }
        }
        Ok(states)
    }
}

fn best_of(states: &[CheckpointState]) -> Option<&CheckpointState> {
    let rank = |state: &CheckpointState| (state.validation_accuracy, -state.validation_loss);
    states.iter().max_by(|a, b| {
        let (a_rank, b_rank) = (rank(a), rank(b));
        a_rank
            .0
            .total_cmp(&b_rank.0)
            .then(a_rank.1.total_cmp(&b_rank.1))
            .then(b.step.cmp(&a.step))
    })
}
