//! Runs that differ in nothing but the seed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reading::Reading;
use crate::config::Config;

/// What runs are told apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// What it is called: the name of its directory.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// Its configuration but for name and seed.
    pub settings: BTreeMap<String, String>,
}

/// A run, and what its model did on the suite.
#[derive(Debug, Clone)]
pub struct RunReading {
    /// Which run.
    pub info: RunInfo,
    /// What its model did.
    pub reading: Reading,
}

/// Runs of one configuration, one for each seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// What the names of its runs have in common.
    pub name: String,
    /// Places of its runs, by seed.
    pub runs: BTreeMap<u64, usize>,
}

impl RunInfo {
    /// Of the run of this name and configuration.
    pub fn new(name: &str, config: &Config) -> Self {
        let settings = config.settings().into_iter();
        let settings = settings
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

/// The arms, that of the first run first.
///
/// # Errors
///
/// One sentence if two runs differ in nothing, or if an arm has no seed that the first has.
pub fn arms(runs: &[RunInfo]) -> Result<Vec<Arm>, String> {
    let mut arms: Vec<Arm> = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let of_first = |arm: &&mut Arm| {
            let first = arm.runs.values().next();
            first.is_some_and(|&first| runs[first].settings == run.settings)
        };
        let Some(arm) = arms.iter_mut().find(of_first) else {
            arms.push(Arm {
                name: run.name.clone(),
                runs: BTreeMap::from([(run.seed, place)]),
            });
            continue;
        };
        if let Some(same) = arm.runs.insert(run.seed, place) {
            return Err(format!(
                "{} and {} have the same configuration and the same seed {}; pass one of them",
                runs[same].name, run.name, run.seed
            ));
        }
        arm.name = in_common(&arm.name, &run.name);
    }
    for arm in &arms[1..] {
        if arm.runs.keys().all(|seed| !arms[0].runs.contains_key(seed)) {
            return Err(format!(
                "{} and {} have no seed in common; runs are compared seed by seed",
                arms[0].name, arm.name
            ));
        }
    }
    let n_arms = arms.len();
    for place in 0..n_arms {
        let is_taken = |arm: &Arm| arm.name == arms[place].name;
        let is_poor = arms[place].name.is_empty() || arms[..place].iter().any(is_taken);
        if is_poor {
            arms[place].name = format!("arm {}", place + 1);
        }
    }
    Ok(arms)
}

/// What two names begin with, without what stood before a seed.
fn in_common(a: &str, b: &str) -> String {
    let pairs = a.chars().zip(b.chars());
    let common: String = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    let trimmed = common.trim_end_matches(|c: char| c.is_ascii_digit() || "-_. ".contains(c));
    trimmed
        .trim_end_matches("seed")
        .trim_end_matches(['-', '_', '.', ' '])
        .to_owned()
}

/// Settings of two runs that differ: key, value of the first, value of the second; a dash where there is
/// none.
pub fn differences(first: &RunInfo, second: &RunInfo) -> Vec<[String; 3]> {
    let keys = first.settings.keys().chain(second.settings.keys());
    let mut keys: Vec<&String> = keys.collect();
    keys.sort();
    keys.dedup();
    let of =
        |run: &RunInfo, key: &String| run.settings.get(key).map_or("-".to_owned(), String::clone);
    keys.into_iter()
        .filter(|key| first.settings.get(*key) != second.settings.get(*key))
        .map(|key| [key.clone(), of(first, key), of(second, key)])
        .collect()
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
    fn runs_are_told_apart_by_their_settings_and_named_by_what_they_share() {
        let runs = [
            run("plain_10", 10, "0"),
            run("penalised-seed10", 10, "1"),
            run("plain_11", 11, "0"),
            run("penalised-seed11", 11, "1"),
        ];
        let found = arms(&runs).unwrap();
        let names: Vec<&str> = found.iter().map(|arm| &*arm.name).collect();
        assert_eq!(names, ["plain", "penalised"]);
        assert_eq!(found[1].runs, BTreeMap::from([(10, 1), (11, 3)]));
        assert_eq!(
            differences(&runs[0], &runs[1]),
            [["topology.0.weight", "0", "1"].map(str::to_owned)]
        );
        let same = arms(&[run("a", 3, "0"), run("b", 3, "0")]).unwrap_err();
        assert!(same.starts_with("a and b have the same configuration and the same seed 3"));
        let apart = arms(&[run("a", 3, "0"), run("b", 4, "1")]).unwrap_err();
        assert!(apart.starts_with("a and b have no seed in common"));
        let unnamed = arms(&[run("1", 1, "0"), run("2", 2, "0"), run("1", 1, "1")]).unwrap();
        assert_eq!(unnamed[0].name, "arm 1");
    }
}
