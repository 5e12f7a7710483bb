//! Numbers over time, in `metrics.jsonl` and TensorBoard at once.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use serde::Serialize;

use super::directory::RunDirectory;
use super::event_writer::EventWriter;

/// One number.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Record<'a> {
    /// Optimiser steps done.
    pub step: usize,
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// `train`, `validation` or `test`.
    pub split: &'a str,
    /// What is measured.
    pub name: &'a str,
    /// The number; `null` in the file if it is not finite.
    pub value: f64,
}

impl Record<'_> {
    /// The TensorBoard tag: names with a group of their own keep it, others stand under the split.
    pub fn tag(&self) -> String {
        if self.name.contains('/') {
            self.name.to_owned()
        } else {
            format!("{}/{}", self.split, self.name)
        }
    }
}

/// Writes records to both places.
///
/// What a full disk refuses is kept in memory and tried again with the next lines, so that
/// `metrics.jsonl` loses nothing if room is made in time. An event file that cannot be written is
/// given up. Each says so once.
pub struct MetricsLog {
    file: File,
    /// Bytes of the file that are whole lines.
    written: u64,
    pending: Vec<u8>,
    is_failing: bool,
    events: Option<EventWriter>,
    warnings: Vec<String>,
}

/// Bytes gathered before they are written.
const BUFFER_SIZE: usize = 1 << 14;

impl MetricsLog {
    /// Opens both files of a run; lines beyond `bytes` are cut off, and TensorBoard is told that what
    /// it has at `next_step` and later is void.
    ///
    /// # Errors
    ///
    /// As opening `metrics.jsonl`, or [`io::ErrorKind::UnexpectedEof`] if it is shorter.
    pub fn open(run: &RunDirectory, bytes: u64, next_step: usize) -> io::Result<Self> {
        let file = File::options().write(true).open(run.metrics())?;
        if file.metadata()?.len() < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
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
        log.show(|events| events.session_start(next_step));
        Ok(log)
    }

    /// Appends one number.
    pub fn log(&mut self, record: Record<'_>) {
        serde_json::to_writer(&mut self.pending, &record).expect("a number can be written");
        self.pending.push(b'\n');
        if self.pending.len() > BUFFER_SIZE && !self.is_failing {
            // The warning says it; the lines stay.
            let _ = self.write_lines();
        }
        self.show(|events| events.scalar(&record.tag(), record.value, record.step));
    }

    /// Writes something to the event file alone.
    pub fn show(&mut self, write: impl FnOnce(&mut EventWriter) -> io::Result<()>) {
        if let Some(Err(error)) = self.events.as_mut().map(write) {
            self.events = None;
            self.warn_of_events(&error);
        }
    }

    /// Hands everything to the disk, and returns the length of `metrics.jsonl`.
    ///
    /// # Errors
    ///
    /// As writing `metrics.jsonl`.
    pub fn sync(&mut self) -> io::Result<u64> {
        self.show(EventWriter::flush);
        self.write_lines()?;
        self.file.sync_data()?;
        Ok(self.written)
    }

    /// What to tell the person watching since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn write_lines(&mut self) -> io::Result<()> {
        // A write that failed half-way is written over.
        let written = self
            .file
            .seek(SeekFrom::Start(self.written))
            .and_then(|_| self.file.write_all(&self.pending));
        if let Err(error) = written {
            let _ = self.file.set_len(self.written);
            if !self.is_failing {
                self.warnings.push(format!(
                    "metrics.jsonl cannot be written ({error}); training goes on, and its lines are kept in memory until there is room"
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
            "the TensorBoard event file cannot be written ({error}); training goes on, and metrics.jsonl has every number"
        ));
    }
}
