//! Progress of a study: a line for each running cell and a progress bar; plain lines if stderr is not a terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output::log;
use crate::experiment::{Cell, PoolEvent, Study};

/// Progress display of a study on stderr.
pub(super) struct PoolProgress<'a> {
    study: &'a Study,
    /// All bars, and the bar of the study below them; `None` if stderr is not a terminal.
    terminal: Option<(MultiProgress, ProgressBar)>,
    /// Line of each running cell, by cell id.
    lines: BTreeMap<String, ProgressBar>,
    n_finished: usize,
    /// One message for each cell that ended without a result.
    pub failures: Vec<String>,
}

impl<'a> PoolProgress<'a> {
    /// Starts the display, with no cell running.
    pub(super) fn new(study: &'a Study) -> Self {
        let terminal = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let style =
                ProgressStyle::with_template("{bar:24} {pos}/{len} cells [{elapsed}<{eta}]");
            let bar = ProgressBar::new(study.cells.len() as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            let bar = all.add(bar);
            (all, bar)
        });
        Self {
            study,
            terminal,
            lines: BTreeMap::new(),
            n_finished: 0,
            failures: Vec::new(),
        }
    }

    /// Shows an event of the pool.
    pub(super) fn log(&mut self, event: &PoolEvent<'_>) {
        match event {
            PoolEvent::Started(cell) => self.begin(cell),
            PoolEvent::LogLine(cell, message) => {
                // Without a terminal there are no lines, and the logs of several cells would be mixed up.
                if let Some(line) = self.lines.get(&cell.id) {
                    line.set_message(format!("{} | {message}", self.name(cell)));
                }
            }
            PoolEvent::Killed(cell) => {
                self.end(cell, "was killed; resuming it from its checkpoint")
            }
            PoolEvent::Finished(cell) => {
                self.n_finished += 1;
                let progress = format!(
                    "finished ({} of {})",
                    self.n_finished,
                    self.study.cells.len()
                );
                self.end(cell, &progress);
                if let Some((_, bar)) = &self.terminal {
                    bar.set_position(self.n_finished as u64);
                }
            }
            PoolEvent::Failed(cell, reason) => {
                let line = format!("failed: {reason}");
                self.failures.push(format!("{} | {line}", self.name(cell)));
                self.end(cell, &line);
            }
        }
    }

    /// Removes the bars.
    pub(super) fn finish(&mut self) {
        if let Some((all, _)) = &self.terminal {
            let _ = all.clear();
        }
        self.terminal = None;
    }

    /// Shows that a cell was started.
    fn begin(&mut self, cell: &Cell) {
        match &self.terminal {
            None => log(&format!("{} | started", self.name(cell))),
            Some((all, _)) => {
                let style = ProgressStyle::with_template("{elapsed:>5} {wide_msg}");
                let line = ProgressBar::new_spinner()
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                // Above the bar of the study, which stays at the bottom.
                let line = all.insert_from_back(1, line);
                line.set_message(format!("{} | started", self.name(cell)));
                self.lines.insert(cell.id.clone(), line);
            }
        }
    }

    /// Removes the line of a cell, and prints its outcome.
    fn end(&mut self, cell: &Cell, outcome: &str) {
        let text = format!("{} | {outcome}", self.name(cell));
        if let Some(line) = self.lines.remove(&cell.id) {
            line.finish_and_clear();
        }
        match &self.terminal {
            None => log(&text),
            Some((all, _)) => {
                // Printed above the bars, which a direct write to stderr would garble.
                let _ = all.println(text);
            }
        }
    }

    /// Id, variant and seed of a cell.
    fn name(&self, cell: &Cell) -> String {
        format!(
            "{} {}, seed {}",
            cell.id, self.study.variants[cell.variant].name, cell.seed
        )
    }
}
