//! Metrics over time, written to `metrics.jsonl` and to TensorBoard.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::atomic_file::{is_at, write_atomically};
use super::directory::RunDirectory;
use super::event_writer::EventWriter;

/// One value of a metric.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Record<'a> {
    /// Number of optimiser steps done.
    pub step: usize,
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Split that was measured: `train`, `validation` or `test`.
    pub split: &'a str,
    /// Name of the metric.
    pub name: &'a str,
    /// Value of the metric; `null` in the file if it is not finite.
    pub value: f64,
}

impl Record<'_> {
    /// TensorBoard tag: the name if it contains a `/`, else `<split>/<name>`.
    pub fn tag(&self) -> String {
        if self.name.contains('/') {
            self.name.to_owned()
        } else {
            format!("{}/{}", self.split, self.name)
        }
    }
}

/// Writer of records to `metrics.jsonl` and to a TensorBoard event file.
///
/// Lines that cannot be written, for example to a full disk, are kept in memory and written with later
/// lines, so that `metrics.jsonl` loses nothing if space is freed in time. An event file that cannot be
/// written is abandoned. There is one warning for each series of failures. If `metrics.jsonl` is removed while it is
/// open here, [`sync`](Self::sync) writes it again.
pub struct MetricsLog {
    file: File,
    path: PathBuf,
    /// Number of bytes of whole lines in the file.
    written: u64,
    pending: Vec<u8>,
    is_failing: bool,
    events: Option<EventWriter>,
    warnings: Vec<String>,
}

/// Number of bytes that are collected before they are written.
const BUFFER_SIZE: usize = 1 << 14;

impl MetricsLog {
    /// Opens both files of a run to continue at `next_step`.
    ///
    /// `metrics.jsonl` is cut to its first `bytes` bytes, and TensorBoard will ignore earlier values at
    /// `next_step` and later.
    ///
    /// # Errors
    ///
    /// `metrics.jsonl` cannot be opened; [`io::ErrorKind::UnexpectedEof`] if it is shorter than `bytes`.
    pub fn open(run: &RunDirectory, bytes: u64, next_step: usize) -> io::Result<Self> {
        let path = run.metrics();
        let file = File::options().read(true).write(true).open(&path)?;
        if file.metadata()?.len() < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Records after the checkpoint are logged again by the steps that are repeated.
        file.set_len(bytes)?;
        let mut log = Self {
            file,
            path,
            written: bytes,
            pending: Vec::new(),
            is_failing: false,
            events: None,
            warnings: Vec::new(),
        };
        match EventWriter::create(&run.tensorboard()) {
            Ok(writer) => log.events = Some(writer),
            Err(error) => log.warn_of_events(&error),
        }
        log.write_event(|events| events.session_start(next_step));
        Ok(log)
    }

    /// Appends one value to both files.
    pub fn log(&mut self, record: Record<'_>) {
        // Cannot fail: the writer is memory, and a number that is not finite becomes `null`.
        serde_json::to_writer(&mut self.pending, &record).expect("a number can be written");
        self.pending.push(b'\n');
        // While writes fail, only `sync` tries again: one attempt for each record would slow training down.
        if self.pending.len() > BUFFER_SIZE && !self.is_failing {
            // A failure is reported by its warning, and the lines stay in memory.
            let _ = self.write_lines();
        }
        self.write_event(|events| events.scalar(&record.tag(), record.value, record.step));
    }

    /// Writes to the event file only.
    pub fn write_event(&mut self, write: impl FnOnce(&mut EventWriter) -> io::Result<()>) {
        if let Some(Err(error)) = self.events.as_mut().map(write) {
            // The event may be half written, and TensorBoard reads no further than that.
            self.events = None;
            self.warn_of_events(&error);
        }
    }

    /// Writes everything to the disk.
    ///
    /// # Errors
    ///
    /// `metrics.jsonl` cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.write_event(EventWriter::flush);
        self.write_lines()?;
        self.restore()?;
        self.file.sync_data()
    }

    /// Length of `metrics.jsonl` in bytes once all lines are written.
    pub fn n_bytes(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Writes the file again if it was removed: while it is open, its content is still there.
    fn restore(&mut self) -> io::Result<()> {
        if is_at(&self.file, &self.path) {
            return Ok(());
        }
        if self.path.symlink_metadata().is_ok() {
            return Err(io::Error::other(
                "another file has taken its place; move that file elsewhere",
            ));
        }
        let mut lines = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        let mut content = (&self.file).take(self.written);
        content.read_to_end(&mut lines)?;
        write_atomically(&self.path, &lines)?;
        self.file = File::options().read(true).write(true).open(&self.path)?;
        let warning = "metrics.jsonl had been removed, and was written again";
        self.warnings.push(warning.to_owned());
        Ok(())
    }

    /// Returns the warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn write_lines(&mut self) -> io::Result<()> {
        // Starts at the last whole line, because an earlier write may have failed half-way.
        let written = self
            .file
            .seek(SeekFrom::Start(self.written))
            .and_then(|_| self.file.write_all(&self.pending));
        if let Err(error) = written {
            // Half a line would make the file unreadable until the next attempt.
            let _ = self.file.set_len(self.written);
            if !self.is_failing {
                self.warnings.push(format!(
                    "metrics.jsonl cannot be written ({error}); training continues, and its lines are kept in memory until there is space"
                ));
            }
            self.is_failing = true;
            return Err(error);
        }
        self.is_failing = false;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn warn_of_events(&mut self, error: &io::Error) {
        self.warnings.push(format!(
            "the TensorBoard event file cannot be written ({error}); training continues, and metrics.jsonl has every value"
        ));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::run::Manifest;

    #[test]
    fn a_log_that_was_removed_is_written_again() {
        let name = format!("burn-topology-metrics-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let manifest = Manifest::default();
        let (run, lock) = RunDirectory::create(&root, "", &manifest).unwrap();
        let mut log = MetricsLog::open(&run, 0, 0).unwrap();
        let mut record = |step: usize| {
            log.log(Record {
                step,
                epoch: 0,
                split: "train",
                name: "loss",
                value: 0.5,
            });
            let synced = log.sync().map(|()| log.n_bytes());
            (synced, log.take_warnings().len())
        };
        assert_eq!(record(0).1, 0);
        std::fs::remove_file(run.metrics()).unwrap();
        let (n_bytes, n_warnings) = record(1);
        assert_eq!(n_warnings, 1);
        let text = std::fs::read_to_string(run.metrics()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(n_bytes.unwrap(), text.len() as u64);
        record(2).0.unwrap();
        let text = std::fs::read_to_string(run.metrics()).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        // A file of someone else is not replaced.
        std::fs::remove_file(run.metrics()).unwrap();
        std::fs::write(run.metrics(), "mine").unwrap();
        assert!(record(3).0.is_err());
        let text = std::fs::read_to_string(run.metrics()).unwrap();
        assert_eq!(text, "mine");
        drop(lock);
        std::fs::remove_dir_all(root).unwrap();
    }
}
