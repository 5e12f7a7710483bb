//! Metrics over time, written to `metrics.jsonl` and to TensorBoard.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use serde::Serialize;

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
/// written is abandoned. There is one warning for each series of failures.
pub struct MetricsLog {
    file: File,
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
        let file = File::options().write(true).open(run.metrics())?;
        if file.metadata()?.len() < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Records after the checkpoint are logged again by the steps that are repeated.
        file.set_len(bytes)?;
        let mut log = Self {
            file,
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

    /// Writes everything to the disk, and returns the length of `metrics.jsonl` in bytes.
    ///
    /// # Errors
    ///
    /// `metrics.jsonl` cannot be written.
    pub fn sync(&mut self) -> io::Result<u64> {
        self.write_event(EventWriter::flush);
        self.write_lines()?;
        self.file.sync_data()?;
        Ok(self.written)
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
