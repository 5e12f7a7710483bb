//! Checkpoints: one directory each, complete or absent.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint_state::{CheckpointState, STATE, ValidationScore, best_of, read};
use super::checksums;
use super::directory::RunDirectory;
use crate::counted::counted;

/// Usable checkpoints of a run; the newest ones and the best one are kept.
#[derive(Debug)]
pub struct Checkpoints {
    directory: PathBuf,
    keep_last: usize,
    /// Checkpoints that passed verification, in ascending order of their steps.
    usable: Vec<CheckpointState>,
    /// Best checkpoint so far, if it could not be written.
    unwritten: Option<Unwritten>,
}

/// Checkpoint whose files are in memory.
#[derive(Debug)]
struct Unwritten {
    state: CheckpointState,
    /// Name and content of each file.
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Checkpoints {
    /// Opens the checkpoints of a run, and verifies each of them.
    ///
    /// Returns one sentence for every checkpoint that cannot be used. Changes no files.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn open(run: &RunDirectory, keep_last: usize) -> io::Result<(Self, Vec<String>)> {
        let directory = run.checkpoints();
        let mut usable = Vec::new();
        let mut complaints = Vec::new();
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if let Some(step) = step_of(&path) {
                match read(&path, step) {
                    Ok(state) => usable.push(state),
                    Err(complaint) => complaints.push(complaint.to_string()),
                }
            }
        }
        // A directory is listed in any order; `newest` and `prune` rely on this one.
        usable.sort_by_key(|state: &CheckpointState| state.step);
        let checkpoints = Self {
            directory,
            keep_last,
            usable,
            unwritten: None,
        };
        Ok((checkpoints, complaints))
    }

    /// Cleans up after a process that was killed within [`Checkpoints::save`].
    ///
    /// Only the process that trains in the directory may call it.
    ///
    /// # Errors
    ///
    /// The directory cannot be read, or a part of it cannot be renamed or removed.
    pub fn recover(run: &RunDirectory) -> io::Result<()> {
        for entry in std::fs::read_dir(run.checkpoints())? {
            let path = entry?.path();
            let complete = path.with_extension("");
            match path.extension().and_then(|extension| extension.to_str()) {
                // Killed between two renames: the replaced checkpoint is the only complete one.
                Some("replaced") if !complete.exists() => std::fs::rename(path, complete)?,
                Some("replaced" | "partial") => remove(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Saves a checkpoint, whose files `write` writes into a given directory.
    ///
    /// The directory gets its name once it is complete and on the disk. A better checkpoint in memory
    /// ([`keep_in_memory`](Self::keep_in_memory)) is written first. Checkpoints that are neither among the newest nor the
    /// best are removed afterwards.
    ///
    /// # Errors
    ///
    /// The files cannot be written, or `write` fails; earlier checkpoints stay usable. Or an old checkpoint
    /// cannot be removed; the new one is complete then.
    pub fn save(
        &mut self,
        state: &CheckpointState,
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<PathBuf> {
        if let Some(earlier) = self.unwritten.take_if(|kept| kept.state.step != state.step) {
            // First, because whoever resumes from a later checkpoint does not come to this step again.
            let written = self.write(&earlier.state, |directory| earlier.write(directory));
            if let Err(error) = written {
                self.unwritten = Some(earlier);
                return Err(error);
            }
        }
        self.write(state, write)?;
        self.unwritten = None;
        self.prune()?;
        Ok(self.path(state.step))
    }

    /// True if a checkpoint would be the best one of those on the disk and in memory.
    pub fn would_be_best(&self, state: &CheckpointState) -> bool {
        let kept = self.unwritten.iter().map(|kept| &kept.state);
        let others = self.usable.iter().chain(kept);
        let others = others.filter(|other| other.step != state.step);
        best_of(others.chain([state])).is_some_and(|(best, _)| best.step == state.step)
    }

    /// Keeps the best checkpoint so far in memory, because it could not be written. [`save`](Self::save) writes it later.
    pub fn keep_in_memory(&mut self, state: CheckpointState, files: Vec<(&'static str, Vec<u8>)>) {
        self.unwritten = Some(Unwritten { state, files });
    }

    /// Best checkpoint on the validation split: that with the highest score; at ties the lowest loss, then the
    /// earliest step. A score or loss that is not a number is never the best.
    pub fn best(&self) -> Option<(&CheckpointState, ValidationScore, PathBuf)> {
        let (state, score) = best_of(self.usable.iter())?;
        Some((state, score, self.path(state.step)))
    }

    /// Newest checkpoint.
    pub fn newest(&self) -> Option<(&CheckpointState, PathBuf)> {
        let state = self.usable.last()?;
        Some((state, self.path(state.step)))
    }

    /// Usable checkpoint whose path fulfils a condition.
    pub fn find(&self, condition: impl Fn(&Path) -> bool) -> Option<(&CheckpointState, PathBuf)> {
        let mut all = self
            .usable
            .iter()
            .map(|state| (state, self.path(state.step)));
        all.find(|(_, path)| condition(path))
    }

    /// Newest checkpoint whose records all lie within the first `metrics_bytes` bytes of `metrics.jsonl`.
    ///
    /// `complaints` gets one sentence for every newer checkpoint.
    pub fn newest_within(
        &self,
        metrics_bytes: u64,
        complaints: &mut Vec<String>,
    ) -> Option<(CheckpointState, PathBuf)> {
        for state in self.usable.iter().rev() {
            let path = self.path(state.step);
            if state.metrics_bytes <= metrics_bytes {
                return Some((state.clone(), path));
            }
            complaints.push(format!(
                "{}: metrics.jsonl has {}, expected at least {}",
                path.display(),
                counted(usize::try_from(metrics_bytes).unwrap_or(usize::MAX), "byte"),
                state.metrics_bytes
            ));
        }
        None
    }

    /// Renames all checkpoints after a step, and all unusable ones, to `<step>.unusable`.
    ///
    /// Also removes checkpoints that are neither among the newest nor the best: a process that is killed right after it
    /// saved one leaves an old one.
    ///
    /// # Errors
    ///
    /// A directory cannot be renamed or removed.
    pub fn set_aside_after(&mut self, step: Option<usize>) -> io::Result<()> {
        self.usable.retain(|state| Some(state.step) <= step);
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if let Some(step) = step_of(&path)
                && self.usable.iter().all(|state| state.step != step)
            {
                let aside = path.with_extension("unusable");
                // The same step may have been set aside before.
                remove(&aside)?;
                std::fs::rename(path, aside)?;
            }
        }
        self.prune()
    }

    /// Writes a checkpoint, which is usable then.
    fn write(
        &mut self,
        state: &CheckpointState,
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.path(state.step);
        // In the same directory, because a rename is atomic only within one file system.
        let partial = path.with_extension("partial");
        remove(&partial)?;
        let written = fill(&partial, state, write).and_then(|()| self.publish(&partial, &path));
        if let Err(error) = written {
            // The error of writing matters more than one of cleaning up.
            let _ = remove(&partial);
            return Err(error);
        }
        self.usable.retain(|known| known.step != state.step);
        self.usable.push(state.clone());
        // One that waited in memory can be older than others.
        self.usable.sort_by_key(|state| state.step);
        Ok(())
    }

    fn path(&self, step: usize) -> PathBuf {
        self.directory.join(step.to_string())
    }

    /// Gives a complete directory its final name, and replaces a checkpoint that has that name.
    fn publish(&self, partial: &Path, path: &Path) -> io::Result<()> {
        let replaced = path.with_extension("replaced");
        remove(&replaced)?;
        if path.exists() {
            // A directory with files cannot be replaced by a rename, so the old one has to make room first.
            std::fs::rename(path, &replaced)?;
        }
        std::fs::rename(partial, path)?;
        // The old checkpoint may go only once both renames are on the disk.
        File::open(&self.directory)?.sync_all()?;
        remove(&replaced)
    }

    /// Removes checkpoints that are neither among the newest nor the best.
    fn prune(&mut self) -> io::Result<()> {
        let best = self.best().map(|(state, ..)| state.step);
        let n_old = self.usable.len().saturating_sub(self.keep_last);
        let old: Vec<usize> = self.usable[..n_old]
            .iter()
            .map(|state| state.step)
            .filter(|&step| Some(step) != best)
            .collect();
        for step in old {
            // Renamed first: a removal that is interrupted must not leave part of a checkpoint.
            let removed = self.path(step).with_extension("partial");
            std::fs::rename(self.path(step), &removed)?;
            // Before the removal, which may fail: the checkpoint has lost its name already.
            self.usable.retain(|state| state.step != step);
            std::fs::remove_dir_all(removed)?;
        }
        Ok(())
    }
}

impl Unwritten {
    fn write(&self, directory: &Path) -> io::Result<()> {
        self.files
            .iter()
            .try_for_each(|(name, content)| std::fs::write(directory.join(name), content))
    }
}

/// Step of a checkpoint's directory; `None` for other paths.
fn step_of(path: &Path) -> Option<usize> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Writes a checkpoint with its state and checksums into a new directory.
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
    // Listed in any order; sorted, the file of checksums is the same for the same contents.
    names.sort();
    checksums::seal(partial, &names)
}

/// Removes a directory, if it exists.
fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// Checkpoints in a directory, one for each score, with the steps 1, 2 and so on.
    fn checkpoints(directory: &Path, keep_last: usize, scores: &[[f64; 2]]) -> Checkpoints {
        let state = |(index, &[score, loss]): (usize, &[f64; 2])| CheckpointState {
            step: index + 1,
            validation: Some(ValidationScore { score, loss }),
            penalty_weights: Vec::new(),
            peak_distances: Vec::new(),
            early_stopping: None,
            seconds: 0.0,
            seconds_in_steps: 0.0,
            seconds_in_topology: 0.0,
            metrics_bytes: 0,
            config_sha256: String::new(),
        };
        Checkpoints {
            directory: directory.to_owned(),
            keep_last,
            usable: scores.iter().enumerate().map(state).collect(),
            unwritten: None,
        }
    }

    #[test]
    fn a_score_that_is_not_a_number_is_never_the_best() {
        let best = |scores: &[[f64; 2]]| {
            let checkpoints = checkpoints(Path::new("a"), 1, scores);
            checkpoints.best().map(|(state, ..)| state.step)
        };
        assert_eq!(best(&[[0.4, 1.0], [0.6, 2.0], [0.6, 1.5]]), Some(3));
        // A division 0 / 0 has a sign, and which one depends on the processor.
        for nan in [f64::NAN, -f64::NAN] {
            assert_eq!(best(&[[0.4, 1.0], [nan, 1.0], [0.6, nan]]), Some(1));
            assert_eq!(best(&[[nan, 1.0]]), None);
        }
    }

    #[test]
    fn missing_and_damaged_checkpoints_give_errors_of_different_kinds() {
        let name = format!("burn-topology-checkpoint-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let error = read(&directory, 3).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(STATE), "{}").unwrap();
        checksums::seal(&directory, &[STATE.to_owned()]).unwrap();
        assert!(read(&directory, 3).unwrap_err().is_invalid_format());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        let name = format!("burn-topology-seconds-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let state = &checkpoints(&directory, 1, &[[0.1, 1.0]]).usable[0];
        for (seconds, is_valid) in [(12.5, true), (-1.0, false), (1e308, false)] {
            let state = CheckpointState {
                seconds,
                ..state.clone()
            };
            fill(&directory, &state, |_| Ok(())).unwrap();
            let read = read(&directory, 1);
            assert_eq!(read.is_ok(), is_valid, "{seconds}");
            assert!(read.err().iter().all(Error::is_invalid_format));
            std::fs::remove_dir_all(&directory).unwrap();
        }
    }

    #[test]
    fn a_checkpoint_that_a_killed_process_left_is_removed_when_the_run_resumes() {
        let name = format!("burn-topology-left-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        for step in ["1", "2", "3"] {
            std::fs::create_dir_all(directory.join(step)).unwrap();
        }
        let mut checkpoints = checkpoints(&directory, 1, &[[0.1, 1.0], [0.3, 1.0], [0.2, 1.0]]);
        checkpoints.set_aside_after(Some(3)).unwrap();
        // The best and the newest stay.
        let is_there = |step: &str| directory.join(step).exists();
        assert_eq!(["1", "2", "3"].map(is_there), [false, true, true]);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_checkpoint_that_cannot_be_removed_is_not_used_again() {
        let name = format!("burn-topology-prune-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        // A file in place of the first checkpoint can be renamed, but not removed as a directory.
        std::fs::write(directory.join("1"), "").unwrap();
        let mut checkpoints = checkpoints(&directory, 1, &[[0.1, 1.0], [0.2, 1.0]]);
        assert!(checkpoints.prune().is_err());
        assert!(directory.join("1.partial").exists());
        let steps: Vec<usize> = checkpoints.usable.iter().map(|state| state.step).collect();
        assert_eq!(steps, [2]);
        assert!(checkpoints.prune().is_ok());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_best_checkpoint_waits_in_memory_for_room_on_the_disk() {
        let name = format!("burn-topology-unwritten-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let scores = [[0.2, 1.0], [0.5, 1.0], [0.4, 1.0], [0.1, 1.0], [0.3, 1.0]];
        let states = checkpoints(&directory, 1, &scores).usable;
        let mut checkpoints = checkpoints(&directory, 1, &[]);
        let weights =
            |state: &CheckpointState| vec![("weights", state.step.to_string().into_bytes())];
        let mut save = |state: &CheckpointState, has_room: bool| {
            let saved = checkpoints.save(state, |partial| {
                std::fs::write(partial.join("weights"), state.step.to_string())?;
                if has_room {
                    Ok(())
                } else {
                    Err(io::ErrorKind::StorageFull.into())
                }
            });
            if saved.is_err() && checkpoints.would_be_best(state) {
                checkpoints.keep_in_memory(state.clone(), weights(state));
            }
            let kept = checkpoints.unwritten.as_ref().map(|kept| kept.state.step);
            (saved.is_ok(), kept)
        };
        assert_eq!(save(&states[0], true), (true, None));
        assert_eq!(save(&states[1], false), (false, Some(2)));
        // A file in the way stands for a disk that has no room for the one in memory; the next one is not better.
        std::fs::write(directory.join("2.partial"), "").unwrap();
        assert_eq!(save(&states[2], true), (false, Some(2)));
        std::fs::remove_file(directory.join("2.partial")).unwrap();
        // With room for one, that is the best one: nobody comes to its step again.
        assert_eq!(save(&states[3], false), (false, None));
        assert_eq!(save(&states[4], true), (true, None));
        let (_, _, best) = checkpoints.best().unwrap();
        assert_eq!(best, directory.join("2"));
        assert_eq!(std::fs::read(best.join("weights")).unwrap(), b"2");
        assert_eq!(read(&best, 2).unwrap(), states[1]);
        let mut names: Vec<_> = std::fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["2", "5"]);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
