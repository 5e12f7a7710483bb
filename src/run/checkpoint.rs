//! Checkpoints: one directory each, whole or absent.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::directory::RunDirectory;
use super::sums;

/// Where training stood when a checkpoint was taken.
///
/// Order, augmentation and dropout are functions of seed, epoch, place and step, so the step is all
/// that is needed to go on with the same random numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Optimiser steps done.
    pub step: usize,
    /// What the validation split said of it; absent within an epoch.
    pub validation: Option<ValidationScore>,
    /// Full weight of each penalty; `null` while a gradient share is not measured.
    pub penalty_weights: Vec<Option<f64>>,
    /// Largest mean distance that each layer has had at a validation.
    pub peak_distances: Vec<f64>,
    /// Wall-clock seconds of training so far.
    pub seconds: f64,
    /// Of these, seconds within training steps.
    pub seconds_in_steps: f64,
    /// Of these, seconds in penalties.
    pub seconds_in_topology: f64,
    /// Length of `metrics.jsonl`; what lies beyond came later.
    pub metrics_bytes: u64,
    /// SHA-256 of the run's `config.toml`.
    pub config_sha256: String,
}

/// How well a checkpoint does on the validation split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValidationScore {
    /// What a better model has more of: accuracy, or the negative of an error.
    pub score: f64,
    /// The task's loss.
    pub loss: f64,
}

/// The checkpoints of a run: the newest few and the best are kept.
#[derive(Debug)]
pub struct Checkpoints {
    directory: PathBuf,
    keep_last: usize,
    /// In ascending order of their steps.
    sound: Vec<CheckpointState>,
}

const STATE: &str = "state.json";

impl Checkpoints {
    /// Looks at the checkpoints of a run and verifies each; one sentence for every one that cannot
    /// be used. Changes nothing.
    ///
    /// # Errors
    ///
    /// As reading the directory.
    pub fn open(run: &RunDirectory, keep_last: usize) -> io::Result<(Self, Vec<String>)> {
        let directory = run.checkpoints();
        let mut sound = Vec::new();
        let mut complaints = Vec::new();
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if let Some(step) = step_of(&path) {
                match read(&path, step) {
                    Ok(state) => sound.push(state),
                    Err(complaint) => complaints.push(complaint),
                }
            }
        }
        sound.sort_by_key(|state: &CheckpointState| state.step);
        let checkpoints = Self {
            directory,
            keep_last,
            sound,
        };
        Ok((checkpoints, complaints))
    }

    /// Repairs what a kill in the middle of [`Checkpoints::save`] can leave; only for the process
    /// that trains.
    ///
    /// # Errors
    ///
    /// As reading the directory and renaming.
    pub fn recover(run: &RunDirectory) -> io::Result<()> {
        for entry in std::fs::read_dir(run.checkpoints())? {
            let path = entry?.path();
            let whole = path.with_extension("");
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("replaced") if !whole.exists() => std::fs::rename(path, whole)?,
                Some("replaced" | "partial") => remove(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes one: `write` fills a directory that takes its name once it is whole and on the disk.
    /// Then those that are neither among the newest nor the best are removed.
    ///
    /// # Errors
    ///
    /// As writing, and what `write` returns; the checkpoints before stay as they are.
    pub fn save(
        &mut self,
        state: &CheckpointState,
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<PathBuf> {
        let path = self.path(state.step);
        let partial = path.with_extension("partial");
        remove(&partial)?;
        let written = fill(&partial, state, write).and_then(|()| self.put(&partial, &path));
        if let Err(error) = written {
            let _ = remove(&partial);
            return Err(error);
        }
        self.sound.retain(|known| known.step != state.step);
        self.sound.push(state.clone());
        self.prune()?;
        Ok(path)
    }

    /// The one best on the validation split: highest score, then lowest loss, then earliest.
    pub fn best(&self) -> Option<(&CheckpointState, ValidationScore, PathBuf)> {
        let scored = self
            .sound
            .iter()
            .filter_map(|state| Some((state, state.validation?)));
        let (state, score) = scored.max_by(|(a, a_score), (b, b_score)| {
            let by_score = a_score.score.total_cmp(&b_score.score);
            let by_loss = b_score.loss.total_cmp(&a_score.loss);
            by_score.then(by_loss).then(b.step.cmp(&a.step))
        })?;
        Some((state, score, self.path(state.step)))
    }

    /// The newest one.
    pub fn newest(&self) -> Option<(&CheckpointState, PathBuf)> {
        let state = self.sound.last()?;
        Some((state, self.path(state.step)))
    }

    /// The newest one whose records are all in a `metrics.jsonl` of this length; a sentence for
    /// every newer one.
    pub fn newest_within(
        &self,
        metrics_bytes: u64,
        complaints: &mut Vec<String>,
    ) -> Option<(CheckpointState, PathBuf)> {
        for state in self.sound.iter().rev() {
            let path = self.path(state.step);
            if state.metrics_bytes <= metrics_bytes {
                return Some((state.clone(), path));
            }
            complaints.push(format!(
                "{}: metrics.jsonl has {metrics_bytes} bytes, expected at least {}",
                path.display(),
                state.metrics_bytes
            ));
        }
        None
    }

    /// Puts everything away that lies beyond a step, under names that are no checkpoint's.
    ///
    /// # Errors
    ///
    /// As renaming.
    pub fn set_aside_after(&mut self, step: Option<usize>) -> io::Result<()> {
        self.sound.retain(|state| Some(state.step) <= step);
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if let Some(found) = step_of(&path)
                && self.sound.iter().all(|state| state.step != found)
            {
                let aside = path.with_extension("unusable");
                remove(&aside)?;
                std::fs::rename(path, aside)?;
            }
        }
        Ok(())
    }

    fn path(&self, step: usize) -> PathBuf {
        self.directory.join(step.to_string())
    }

    /// Gives a whole directory its name, in place of one that has it already.
    fn put(&self, partial: &Path, path: &Path) -> io::Result<()> {
        let replaced = path.with_extension("replaced");
        remove(&replaced)?;
        if path.exists() {
            std::fs::rename(path, &replaced)?;
        }
        std::fs::rename(partial, path)?;
        File::open(&self.directory)?.sync_all()?;
        remove(&replaced)
    }

    fn prune(&mut self) -> io::Result<()> {
        let best = self.best().map(|(state, ..)| state.step);
        let n_old = self.sound.len().saturating_sub(self.keep_last);
        let old: Vec<usize> = self.sound[..n_old]
            .iter()
            .map(|state| state.step)
            .filter(|&step| Some(step) != best)
            .collect();
        for step in old {
            // A removal that is cut short must not leave something that looks like a checkpoint.
            let doomed = self.path(step).with_extension("partial");
            std::fs::rename(self.path(step), &doomed)?;
            std::fs::remove_dir_all(doomed)?;
            self.sound.retain(|state| state.step != step);
        }
        Ok(())
    }
}

/// The step of a checkpoint's directory; `None` for anything else.
fn step_of(path: &Path) -> Option<usize> {
    path.file_name()?.to_str()?.parse().ok()
}

fn read(path: &Path, step: usize) -> Result<CheckpointState, String> {
    sums::verify(path)?;
    let file = path.join(STATE);
    let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let state: CheckpointState =
        serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    if state.step == step {
        Ok(state)
    } else {
        let found = state.step;
        Err(format!("{} is of step {found}", path.display()))
    }
}

fn fill(
    partial: &Path,
    state: &CheckpointState,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    std::fs::create_dir(partial)?;
    write(partial)?;
    std::fs::write(partial.join(STATE), serde_json::to_vec_pretty(state)?)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(partial)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    sums::seal(partial, &names)
}

fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
