//! `runs`: lists the runs and studies below a directory.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output::{log, print, print_json};
use super::tables::{duration, text_table};
use super::{Failure, message};
use crate::experiment::{Listed, ListedRun, ListedStudy, NamedValue, RunState, list_runs};
use crate::report::page::number;

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub(super) struct RunsArguments {
    /// Directories to search; runs and studies at any depth are found.
    #[arg(value_name = "DIR", default_value = "runs")]
    directories: Vec<PathBuf>,
    /// Order of the rows.
    #[arg(long, value_enum, default_value_t)]
    sort: Order,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Newest first.
    #[default]
    Time,
    /// By the best metric on the validation split, best first; runs of the same metric stand together.
    Metric,
    /// By path.
    Name,
}

/// Prints a row for each run and each study.
pub(super) fn run(arguments: &RunsArguments) -> Result<(), Failure> {
    let mut entries = Vec::new();
    for directory in &arguments.directories {
        if !directory.exists() {
            return Err(Failure::Error(format!(
                "{}: no such directory, expected one that has runs in it or below; pass it as `burn-topology runs DIR`",
                directory.display()
            )));
        }
        let listing = list_runs(directory)?;
        entries.extend(listing.entries);
        listing
            .notes
            .iter()
            .for_each(|note| log(&message::shortened(note)));
    }
    match arguments.sort {
        // A stable sort: entries of the same second stay in the order of their paths.
        Order::Time => entries.sort_by_key(|entry| std::cmp::Reverse(entry.started_unix_secs())),
        Order::Metric => entries.sort_by(by_metric),
        Order::Name => {}
    }
    if arguments.json {
        let entries: Vec<Value> = entries.iter().map(Listed::to_json).collect();
        return print_json(&json!(entries));
    }
    if entries.is_empty() {
        let directories = arguments.directories.iter();
        let directories: Vec<String> = directories.map(|d| d.display().to_string()).collect();
        log(&format!("there are no runs in {}", directories.join(", ")));
        return Ok(());
    }
    // The name of a single directory would stand in every row.
    let root = match &arguments.directories[..] {
        [only] => only.as_path(),
        _ => Path::new(""),
    };
    print(&table(&entries, root))
}

/// Order by the best metric; runs without one, and studies, come last.
fn by_metric(a: &Listed, b: &Listed) -> Ordering {
    let best = |entry: &Listed| match entry {
        Listed::Run(run) => run.best.clone(),
        Listed::Study(_) => None,
    };
    match (best(a), best(b)) {
        (Some(a), Some(b)) => a
            .name
            .cmp(&b.name)
            // Errors are better if they are lower.
            .then_with(|| match &*a.name {
                "mse" => a.value.total_cmp(&b.value),
                _ => b.value.total_cmp(&a.value),
            }),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Table with a row for each entry, whose path is shown relative to `root`.
fn table(entries: &[Listed], root: &Path) -> String {
    let mut table = text_table([
        "run",
        "begun (UTC)",
        "status",
        "epochs",
        "validation",
        "test",
        "time",
        "configuration",
    ]);
    for entry in entries {
        let path = match entry.path().strip_prefix(root) {
            Ok(path) if !path.as_os_str().is_empty() => path,
            _ => entry.path(),
        };
        let begun = entry.started_unix_secs().map_or("-".to_owned(), date);
        let [status, epochs, validation, test, time, config] = match entry {
            Listed::Run(run) => run_cells(run),
            Listed::Study(study) => study_cells(study),
        };
        let path = message::shortened(&path.display().to_string());
        table.add_row([path, begun, status, epochs, validation, test, time, config]);
    }
    format!("{table}\n")
}

/// Cells of a run after its name and date.
fn run_cells(run: &ListedRun) -> [String; 6] {
    let metric = |value: &Option<NamedValue>| {
        let words = |metric: &NamedValue| {
            format!("{} {}", metric.name.replace('_', " "), number(metric.value))
        };
        value.as_ref().map_or("-".to_owned(), words)
    };
    let stopped = match run.step {
        Some(step) => format!("stopped at step {step}"),
        None => "stopped before the first checkpoint".to_owned(),
    };
    let status = match &run.state {
        RunState::Finished => "finished".to_owned(),
        RunState::Running => "running".to_owned(),
        RunState::Stopped => stopped,
        RunState::Failed(reason) => format!("failed: {}", first_line(reason)),
        RunState::Damaged(reason) => format!("damaged: {}", first_line(reason)),
    };
    let epochs = match (run.epochs_done, run.epochs) {
        (Some(done), Some(epochs)) => format!("{done}/{epochs}"),
        _ => "-".to_owned(),
    };
    [
        status,
        epochs,
        metric(&run.best),
        metric(&run.test),
        run.seconds.map_or("-".to_owned(), duration),
        run.config.as_deref().map_or("-".to_owned(), file_name),
    ]
}

/// Last part of the path of a configuration, since most lie in one directory.
fn file_name(config: &str) -> String {
    let name = Path::new(config).file_name();
    name.map_or_else(
        || config.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Cells of a study after its name and date.
fn study_cells(study: &ListedStudy) -> [String; 6] {
    let running = match study.n_running {
        0 => String::new(),
        n => format!(", {n} running"),
    };
    let status = format!(
        "study: {} of {} finished{running}",
        study.n_finished,
        super::tables::counted(study.n_cells, "cell")
    );
    let [epochs, validation, test, time, config] = ["-"; 5].map(str::to_owned);
    [status, epochs, validation, test, time, config]
}

/// First line of a message, at most about as long as a path and a sentence.
fn first_line(message: &str) -> String {
    const MOST: usize = 120;
    let line = message::shortened(message.lines().next().unwrap_or_default());
    if line.chars().count() <= MOST {
        return line;
    }
    let start: String = line.chars().take(MOST).collect();
    format!("{start}...")
}

/// Date and time in UTC, as in `2026-11-27 09:30`.
fn date(unix_secs: u64) -> String {
    let (days, seconds) = (unix_secs / 86_400, unix_secs % 86_400);
    // Years of 365.2425 days in eras of 400 years that begin in March, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (seconds / 3600, seconds % 3600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_gregorian_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00"),
            (951_782_400, "2000-02-29 00:00"),
            (951_868_799, "2000-02-29 23:59"),
            (951_868_800, "2000-03-01 00:00"),
            (1_795_771_800, "2026-11-27 09:30"),
            (4_107_542_400, "2100-03-01 00:00"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn the_best_metric_comes_first_whether_it_is_higher_or_lower() {
        let run = |name: &str, metric: Option<(&str, f64)>| {
            Listed::Run(ListedRun {
                path: PathBuf::from(name),
                state: RunState::Finished,
                started_unix_secs: None,
                step: None,
                epochs_done: None,
                epochs: None,
                best: metric.map(|(name, value)| NamedValue {
                    name: name.to_owned(),
                    value,
                }),
                test: None,
                seconds: None,
                config: None,
            })
        };
        let mut entries = [
            run("none", None),
            run("far", Some(("mse", 0.5))),
            run("worse", Some(("accuracy", 0.5))),
            run("near", Some(("mse", 0.1))),
            run("better", Some(("accuracy", 0.9))),
        ];
        entries.sort_by(by_metric);
        let names = entries.iter().map(|entry| entry.path().to_str().unwrap());
        let names: Vec<&str> = names.collect();
        assert_eq!(names, ["better", "worse", "near", "far", "none"]);
    }
}
