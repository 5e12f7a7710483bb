//! A line for each cell at work and a bar for the study; plain lines off a terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output::tell;
use crate::experiment::{Cell, PoolEvent, Study};

/// Shows a pool at work on stderr.
pub struct PoolProgress<'a> {
    study: &'a Study,
    /// All bars, and that of the study, which lies lowest.
    terminal: Option<(MultiProgress, ProgressBar)>,
    /// By cell at work.
    lines: BTreeMap<String, ProgressBar>,
    n_finished: usize,
    /// A line for each cell that ended without a result.
    pub failures: Vec<String>,
}

impl<'a> PoolProgress<'a> {
    /// No cell is at work.
    pub fn new(study: &'a Study) -> Self {
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

    /// Shows what the pool tells.
    pub fn tell(&mut self, event: &PoolEvent<'_>) {
        match event {
            PoolEvent::Started(cell) => self.begin(cell),
            PoolEvent::Says(cell, said) => {
                if let Some(line) = self.lines.get(&cell.id) {
                    line.set_message(format!("{} | {said}", self.name(cell)));
                }
            }
            PoolEvent::Killed(cell) => self.end(cell, "was killed, and is gone on with"),
            PoolEvent::Finished(cell) => {
                self.n_finished += 1;
                let done = format!(
                    "finished ({} of {})",
                    self.n_finished,
                    self.study.cells.len()
                );
                self.end(cell, &done);
                if let Some((_, bar)) = &self.terminal {
                    bar.set_position(self.n_finished as u64);
                }
            }
            PoolEvent::Failed(cell, said) => {
                let line = format!("failed: {said}");
                self.failures.push(format!("{} | {line}", self.name(cell)));
                self.end(cell, &line);
            }
        }
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        if let Some((all, _)) = &self.terminal {
            let _ = all.clear();
        }
        self.terminal = None;
    }

    fn begin(&mut self, cell: &Cell) {
        match &self.terminal {
            None => tell(&format!("{} | begun", self.name(cell))),
            Some((all, _)) => {
                let style = ProgressStyle::with_template("{elapsed:>5} {wide_msg}");
                let line = ProgressBar::new_spinner()
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                let line = all.insert_from_back(1, line);
                line.set_message(format!("{} | begun", self.name(cell)));
                self.lines.insert(cell.id.clone(), line);
            }
        }
    }

    fn end(&mut self, cell: &Cell, how: &str) {
        let text = format!("{} | {how}", self.name(cell));
        if let Some(line) = self.lines.remove(&cell.id) {
            line.finish_and_clear();
        }
        match &self.terminal {
            None => tell(&text),
            Some((all, _)) => {
                let _ = all.println(text);
            }
        }
    }

    fn name(&self, cell: &Cell) -> String {
        format!(
            "{} {}, seed {}",
            cell.id, self.study.variants[cell.variant].name, cell.seed
        )
    }
}
