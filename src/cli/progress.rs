//! Progress of a training: a progress bar on a terminal, plain lines otherwise, and the log file of the run.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::log;
use super::tables;
use crate::config::Spec;
use crate::evaluate::Evaluation;
use crate::run::RunDirectory;
use crate::train::{Observer, Profile, StepReport, peak_bytes};

/// Minimum time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Duration of an epoch from which on the validation after each of them is told.
const LONG_EPOCH: Duration = Duration::from_secs(1);

/// Time between two updates of a progress bar in which nothing is finished.
const TICK: Duration = Duration::from_millis(500);

/// Progress display of a training on stderr.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    log: Option<File>,
    epochs: usize,
    started: Instant,
    last_line: Instant,
    /// Time at which the last epoch ended, or the training began.
    epoch_started: Instant,
    n_samples: usize,
    /// Name of the samples: "images" or "clips".
    samples: &'static str,
    /// Number of steps taken by this process.
    n_steps: usize,
}

impl Progress {
    /// Starts the display. If the log file cannot be opened, lines go to stderr only.
    pub(super) fn new(run: &RunDirectory, spec: &Spec) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{bar:24} {pos}/{len} [{elapsed}<{eta}] {msg}";
            // The number of steps is not known before the first report.
            ProgressBar::new(0).with_style(
                ProgressStyle::with_template(style)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        Self {
            bar,
            log: File::options()
                .create(true)
                .append(true)
                .open(run.log())
                .ok(),
            epochs: spec.training.epochs,
            started: Instant::now(),
            last_line: Instant::now(),
            epoch_started: Instant::now(),
            n_samples: 0,
            samples: tables::sample_noun(spec),
            n_steps: 0,
        }
    }

    /// Removes the progress bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Writes a line to the log file only.
    pub(super) fn record(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            // The log file is only a copy; failing to write it must not hide the error that ended the training.
            let _ = writeln!(log, "{line}");
        }
    }

    /// Writes a line to stderr and to the log file.
    fn line(&mut self, line: &str) {
        match &self.bar {
            // The bar is taken off the screen for a moment; otherwise the two would overlap.
            Some(bar) => bar.suspend(|| log(line)),
            None => log(line),
        }
        self.record(line);
    }
}

impl Observer for Progress {
    fn step(&mut self, report: &StepReport) {
        self.n_samples += report.batch_size;
        self.n_steps += 1;
        // The clamp avoids a division by 0 on a coarse clock.
        let rate = self.n_samples as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let message = format!(
            "epoch {}/{} | {rate:.0} {}/s | task loss {:.4} | topology loss {:.4} | {:.1} % of the time on penalties",
            report.epoch + 1,
            self.epochs,
            self.samples,
            report.task_loss,
            report.topology_loss,
            100.0 * report.topology_share,
        );
        match &self.bar {
            Some(bar) => {
                if self.n_steps == 1 {
                    // Steps of earlier processes must not count towards the speed of this one.
                    bar.reset_eta();
                }
                bar.set_length(report.total_steps as u64);
                bar.set_position(report.step as u64);
                bar.set_message(message);
            }
            None if self.last_line.elapsed() > LINE_INTERVAL => {
                self.last_line = Instant::now();
                let left = report.total_steps - report.step;
                let eta = self.started.elapsed().as_secs_f64() * left as f64 / self.n_steps as f64;
                self.line(&format!(
                    "step {}/{} | {message} | {eta:.0} s left",
                    report.step, report.total_steps
                ));
            }
            None => {}
        }
    }

    fn epoch(&mut self, epoch: usize, validation: &Evaluation, elapsed: Duration) {
        let duration = self.epoch_started.elapsed();
        self.epoch_started = Instant::now();
        if is_told(epoch + 1, self.epochs, duration) {
            let mut line = format!(
                "epoch {}/{} | {:.1} s | validation {}, loss {:.4}",
                epoch + 1,
                self.epochs,
                elapsed.as_secs_f64(),
                tables::metrics(&validation.metrics),
                validation.loss,
            );
            let monitor = &validation.monitor;
            // Added to 0, because a sum of no numbers is -0.
            let distance = |dim| monitor.mean_distance_to_next(dim).map(|mean| mean + 0.0);
            if let (Some(h0), Some(h1)) = (distance(0), distance(1)) {
                line.push_str(&format!(
                    " | distance to next layer: H0 {h0:.4}, H1 {h1:.4}"
                ));
            }
            let distance = |dim| {
                monitor
                    .mean_distance_to_next_frame(dim)
                    .map(|mean| mean + 0.0)
            };
            if let (Some(h0), Some(h1)) = (distance(0), distance(1)) {
                line.push_str(&format!(" | to next frame: H0 {h0:.4}, H1 {h1:.4}"));
            }
            self.line(&line);
        }
    }

    fn message(&mut self, line: &str) {
        self.line(line);
    }

    fn profile(&mut self, profile: &Profile) {
        self.line(&tables::profile(profile, peak_bytes()));
    }
}

/// True if the validation after the epoch of this number, counted from 1, is told.
fn is_told(number: usize, epochs: usize, duration: Duration) -> bool {
    // Every tenth short epoch is enough here; `metrics.jsonl` has all of them.
    number.is_multiple_of(10) || number == epochs || duration >= LONG_EPOCH
}

/// Progress of a count on stderr: a progress bar on a terminal, plain lines otherwise, both with the time left.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    /// Name of the counted things, in the plural.
    unit: &'static str,
    total: usize,
    started: Instant,
    last_line: Instant,
}

impl Bar {
    /// Starts at 0 of `total`; `unit` names the counted things, in the plural.
    pub(super) fn new(total: usize, unit: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg} [{elapsed}]");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total as u64)
                .with_style(style)
                .with_message(unit);
            // The time that has passed is shown even while nothing is finished.
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            unit,
            total,
            started: Instant::now(),
            last_line: Instant::now(),
        }
    }

    /// Sets the number that is done; the time left follows from the pace so far.
    pub(super) fn set(&mut self, n_done: usize) {
        let n_left = self.total.saturating_sub(n_done);
        let pace = self.started.elapsed().as_secs_f64() / n_done.max(1) as f64;
        self.set_with_time_left(n_done, pace * n_left as f64);
    }

    /// Sets the number that is done and the number of seconds that are left.
    pub(super) fn set_with_time_left(&mut self, n_done: usize, seconds: f64) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(n_done as u64);
                bar.set_message(format!("{}, about {} left", self.unit, duration(seconds)));
            }
            None if self.last_line.elapsed() > LINE_INTERVAL => {
                self.last_line = Instant::now();
                log(&format!(
                    "{n_done}/{} {}, about {} left",
                    self.total,
                    self.unit,
                    duration(seconds)
                ));
            }
            None => {}
        }
    }

    /// Removes the progress bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Returns a time in words, rounded up: `12 s`, `3 min 05 s`, `2 h 10 min`.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, is_told};

    #[test]
    fn the_validations_of_long_epochs_are_told() {
        let short = Duration::from_millis(300);
        let told: Vec<usize> = (1..=25).filter(|&n| is_told(n, 25, short)).collect();
        assert_eq!(told, [10, 20, 25]);
        let long = Duration::from_millis(1100);
        assert!((1..=25).all(|n| is_told(n, 25, long)));
    }

    #[test]
    fn times_are_given_in_at_most_two_units() {
        let cases = [
            (0.0, "0 s"),
            (0.2, "1 s"),
            (59.5, "1 min 00 s"),
            (185.0, "3 min 05 s"),
            (7800.0, "2 h 10 min"),
            (f64::NAN, "0 s"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected);
        }
    }
}
