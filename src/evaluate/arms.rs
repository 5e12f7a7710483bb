//! Grouping of runs into arms, whose runs differ only in their seed, and the settings in which arms differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::loaded_run::LoadedRun;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::Task;

/// Name, seed and settings of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Name of the run directory.
    pub name: String,
    /// Random seed.
    pub seed: u64,
    /// Values of the configuration by key, without the `[run]` table (name and seed).
    pub settings: BTreeMap<String, String>,
}

/// Runs of one configuration, one for each seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// Common beginning of the names of its runs.
    pub name: String,
    /// Index of each run in the list of runs, by seed.
    pub runs: BTreeMap<u64, usize>,
}

impl RunInfo {
    /// Reads seed and settings from a configuration.
    pub fn new(name: &str, config: &Config) -> Self {
        let settings = config
            .settings()
            .into_iter()
            // Name and seed distinguish the runs of an arm, so they are not among its settings.
            .filter(|(key, _)| key != "run" && !key.starts_with("run."))
            .map(|(key, value)| match value {
                Value::String(text) => (key, text),
                value => (key, value.to_string()),
            });
        Self {
            name: name.to_owned(),
            seed: config.spec.seed,
            settings: settings.collect(),
        }
    }
}

/// Groups runs into arms by their settings, in the order of the runs.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if there are no runs, if two runs have the same settings and seed, or if an arm has
/// no seed in common with the first.
pub fn group_into_arms(runs: &[RunInfo]) -> Result<Vec<Arm>> {
    let mut arms: Vec<Arm> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        // All runs of an arm have the same settings, so its first run stands for all.
        let has_same_settings = |arm: &&mut Arm| {
            let first = arm.runs.values().next();
            first.is_some_and(|&first| runs[first].settings == run.settings)
        };
        let Some(arm) = arms.iter_mut().find(has_same_settings) else {
            arms.push(Arm {
                name: run.name.clone(),
                runs: BTreeMap::from([(run.seed, index)]),
            });
            continue;
        };
        if let Some(same) = arm.runs.insert(run.seed, index) {
            return Err(Error::invalid_parameter(format!(
                "{} and {} have the same configuration and the same seed {}; pass one of them",
                runs[same].name, run.name, run.seed
            )));
        }
        arm.name = common_name(&arm.name, &run.name);
    }
    let Some((first, others)) = arms.split_first() else {
        return Err(Error::invalid_parameter(
            "there are no runs, expected at least 1",
        ));
    };
    for arm in others {
        if arm.runs.keys().all(|seed| !first.runs.contains_key(seed)) {
            return Err(Error::invalid_parameter(format!(
                "{} and {} have no seed in common; runs are compared seed by seed",
                first.name, arm.name
            )));
        }
    }
    // Names such as 1 and 2 have no common beginning, and two arms may share theirs: these arms get a number.
    let n_arms = arms.len();
    for index in 0..n_arms {
        let has_same_name = |arm: &Arm| arm.name == arms[index].name;
        let needs_name = arms[index].name.is_empty() || arms[..index].iter().any(has_same_name);
        if needs_name {
            arms[index].name = format!("arm {}", index + 1);
        }
    }
    Ok(arms)
}

/// Returns the common beginning of two names, without trailing digits, separators and the word `seed`.
fn common_name(a: &str, b: &str) -> String {
    let pairs = a.chars().zip(b.chars());
    let common: String = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    // Trailing digits belong to the seeds: a_10 and a_11 have the beginning a_1 in common.
    let trimmed = common.trim_end_matches(|c: char| c.is_ascii_digit() || "-_. ".contains(c));
    trimmed
        .trim_end_matches("seed")
        .trim_end_matches(['-', '_', '.', ' '])
        .to_owned()
}

/// Value of a setting that a run does not have.
const MISSING: &str = "-";

/// A setting that differs between two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDifference {
    /// Key in the configuration.
    pub key: String,
    /// Value of the first run; a dash if it does not have the key.
    pub first: String,
    /// Value of the second run; a dash if it does not have the key.
    pub second: String,
}

/// Lists the settings that differ between two runs, sorted by key.
pub fn setting_differences(first: &RunInfo, second: &RunInfo) -> Vec<SettingDifference> {
    let mut keys: Vec<&String> = first
        .settings
        .keys()
        .chain(second.settings.keys())
        .collect();
    keys.sort();
    keys.dedup();
    let value = |run: &RunInfo, key: &String| {
        run.settings
            .get(key)
            .map_or(MISSING.to_owned(), String::clone)
    };
    keys.into_iter()
        .filter(|key| first.settings.get(*key) != second.settings.get(*key))
        .map(|key| SettingDifference {
            key: key.clone(),
            first: value(first, key),
            second: value(second, key),
        })
        .collect()
}

/// Shortens a list of differences for display: a table that only one of the runs has, such as a penalty, becomes one line.
///
/// The line has the path of the table, such as `topology.h0_layers`, the number of its settings and its weight.
pub fn shortened_differences(differences: &[SettingDifference]) -> Vec<SettingDifference> {
    let mut shortened: Vec<SettingDifference> = Vec::new();
    let mut rest = differences;
    while let Some(first) = rest.first() {
        let table = penalty_table(&first.key);
        let is_of_table = |difference: &&SettingDifference| {
            table.is_some() && penalty_table(&difference.key) == table
        };
        let n = rest.iter().take_while(is_of_table).count().max(1);
        let (group, others) = rest.split_at(n);
        rest = others;
        let is_missing = |side: fn(&SettingDifference) -> &String| {
            group.iter().all(|difference| side(difference) == MISSING)
        };
        // Runs that both have the penalty differ in some of its settings, each of which is a line.
        let [missing_in_first, missing_in_second] =
            [is_missing(|d| &d.first), is_missing(|d| &d.second)];
        match table {
            Some(table) if n > 1 && missing_in_first != missing_in_second => {
                let text = in_one_line(group, missing_in_second);
                let [first, second] = if missing_in_first {
                    [MISSING.to_owned(), text]
                } else {
                    [text, MISSING.to_owned()]
                };
                let key = table.to_owned();
                shortened.push(SettingDifference { key, first, second });
            }
            _ => shortened.extend(group.iter().cloned()),
        }
    }
    shortened
}

/// Path of the table of a penalty, which is the beginning of the path of its settings.
fn penalty_table(key: &str) -> Option<&str> {
    let name_and_key = key.strip_prefix("topology.")?;
    let (name, _) = name_and_key.split_once('.')?;
    Some(&key[.."topology.".len() + name.len()])
}

/// Number of settings of a penalty, and its weight.
fn in_one_line(group: &[SettingDifference], is_first: bool) -> String {
    let weight = group.iter().find_map(|difference| {
        let ends = ["weight.share", "weight.value"];
        let end = ends.into_iter().find(|end| difference.key.ends_with(end))?;
        let value = if is_first {
            &difference.first
        } else {
            &difference.second
        };
        Some(format!(", {end} = {value}"))
    });
    format!("{} settings{}", group.len(), weight.unwrap_or_default())
}

/// Checks that all runs have the same task, and that none is listed twice.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] with the names of the runs.
pub fn check_same_task(runs: &[LoadedRun]) -> Result<()> {
    let mut paths = BTreeSet::new();
    for loaded in runs {
        let root = loaded.run.root();
        // One directory may be listed under two paths.
        let path = root.canonicalize();
        if !paths.insert(path.unwrap_or_else(|_| root.to_owned())) {
            return Err(Error::invalid_parameter(format!(
                "{}: run is passed twice, expected once",
                root.display()
            )));
        }
        let [first_task, task] = [&runs[0], loaded].map(LoadedRun::task);
        if first_task != task {
            return Err(Error::invalid_parameter(format!(
                "{} predicts {} and {} predicts {}; pass runs of the same task",
                loaded.name(),
                predicted(task),
                runs[0].name(),
                predicted(first_task)
            )));
        }
    }
    Ok(())
}

/// Prediction of a task, in words.
fn predicted(task: Task) -> &'static str {
    match task {
        Task::Classify => "the class of an image or clip",
        Task::ClassifyFrames => "the class of every frame",
        Task::PredictNextFrame => "the next frame",
        Task::Generate => "clips from captions",
        Task::PredictMask => "the mask of an image",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, seed: u64, weight: &str) -> RunInfo {
        RunInfo {
            name: name.to_owned(),
            seed,
            settings: BTreeMap::from([("topology.0.weight".to_owned(), weight.to_owned())]),
        }
    }

    #[test]
    fn a_penalty_that_only_one_run_has_is_one_line() {
        let difference = |key: &str, first: &str, second: &str| SettingDifference {
            key: key.to_owned(),
            first: first.to_owned(),
            second: second.to_owned(),
        };
        let differences = [
            difference("model.d_model", "8", "16"),
            difference("topology.h0_layers.order", "-", "2"),
            difference("topology.h0_layers.weight.share", "-", "0.1"),
            difference("topology.h1_layers.order", "1", "2"),
            difference("topology.h1_layers.weight.share", "0.2", "0.1"),
            difference("topology.h1_views.order", "2", "-"),
            difference("topology.h1_views.weight.value", "3", "-"),
        ];
        let shortened = shortened_differences(&differences);
        let expected = [
            differences[0].clone(),
            difference("topology.h0_layers", "-", "2 settings, weight.share = 0.1"),
            differences[3].clone(),
            differences[4].clone(),
            difference("topology.h1_views", "2 settings, weight.value = 3", "-"),
        ];
        assert_eq!(shortened, expected);
    }

    #[test]
    fn runs_are_grouped_by_settings_and_named_by_prefix() {
        let runs = [
            run("plain_10", 10, "0"),
            run("penalised-seed10", 10, "1"),
            run("plain_11", 11, "0"),
            run("penalised-seed11", 11, "1"),
        ];
        let arms = group_into_arms(&runs).unwrap();
        let names: Vec<&str> = arms.iter().map(|arm| &*arm.name).collect();
        assert_eq!(names, ["plain", "penalised"]);
        assert_eq!(arms[1].runs, BTreeMap::from([(10, 1), (11, 3)]));
        assert_eq!(
            setting_differences(&runs[0], &runs[1]),
            [SettingDifference {
                key: "topology.0.weight".to_owned(),
                first: "0".to_owned(),
                second: "1".to_owned(),
            }]
        );
        let same = group_into_arms(&[run("a", 3, "0"), run("b", 3, "0")]).unwrap_err();
        assert!(same.is_invalid_parameter());
        let same = same.to_string();
        assert!(same.starts_with("a and b have the same configuration and the same seed 3"));
        let apart = group_into_arms(&[run("a", 3, "0"), run("b", 4, "1")]).unwrap_err();
        let apart = apart.to_string();
        assert!(apart.starts_with("a and b have no seed in common"));
        let unnamed =
            group_into_arms(&[run("1", 1, "0"), run("2", 2, "0"), run("1", 1, "1")]).unwrap();
        assert_eq!(unnamed[0].name, "arm 1");
        let none = group_into_arms(&[]).unwrap_err();
        assert_eq!(none.to_string(), "there are no runs, expected at least 1");
    }
}
