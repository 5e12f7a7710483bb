//! Numbers over time, in `metrics.jsonl` and TensorBoard at once.

use std::fs::File;
use std::io::{self, BufWriter, Write};

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
pub struct MetricsLog {
    lines: BufWriter<File>,
    events: Option<EventWriter>,
}

impl MetricsLog {
    /// Opens both files of a run.
    ///
    /// # Errors
    ///
    /// As opening `metrics.jsonl` and the event file.
    pub fn create(run: &RunDirectory) -> io::Result<Self> {
        Ok(Self {
            lines: BufWriter::new(File::create_new(run.metrics())?),
            events: Some(EventWriter::create(&run.tensorboard())?),
        })
    }

    /// Appends one number. An event file that cannot be written is given up, and the warning that
    /// says so is returned once; `metrics.jsonl` goes on.
    ///
    /// # Errors
    ///
    /// As writing `metrics.jsonl`.
    pub fn log(&mut self, record: Record<'_>) -> io::Result<Option<String>> {
        serde_json::to_writer(&mut self.lines, &record)?;
        self.lines.write_all(b"\n")?;
        let written = match &mut self.events {
            Some(events) => events.scalar(&record.tag(), record.value, record.step),
            None => Ok(()),
        };
        Ok(self.give_up_on(written))
    }

    /// Hands everything to the file system; the warning is as in [`MetricsLog::log`].
    ///
    /// # Errors
    ///
    /// As writing `metrics.jsonl`.
    pub fn flush(&mut self) -> io::Result<Option<String>> {
        self.lines.flush()?;
        let written = self.events.as_mut().map_or(Ok(()), EventWriter::flush);
        Ok(self.give_up_on(written))
    }

    fn give_up_on(&mut self, written: io::Result<()>) -> Option<String> {
        let error = written.err()?;
        self.events = None;
        Some(format!(
            "the TensorBoard event file cannot be written ({error}); training goes on, and metrics.jsonl has every number"
        ))
    }
}
