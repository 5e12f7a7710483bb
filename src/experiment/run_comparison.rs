//! Comparison of runs that exist already: a study whose variants are the arms that the runs form.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::collect::StudyResults;
use super::report::{Sections, write_pages};
use super::study::{Cell, Origin, Study, Variant};
use super::study_file::is_allowed_in_name;
use crate::error::Result;
use crate::evaluate::{
    LoadedRun, RunInfo, SettingDifference, check_same_task, group_into_arms, setting_differences,
};
use crate::run::{Manifest, OutputDirectory};
use crate::train::RunSummary;

/// Runs grouped into arms, and the differences of the arms from the arm of the first run, seed by seed.
#[derive(Debug, Clone)]
pub struct RunComparison {
    /// The runs in the form of a study: each arm is a variant, and each run a cell.
    pub study: Study,
    /// Metrics of the finished runs, and the comparisons of the arms.
    pub results: StudyResults,
    /// For every arm but the first: the settings in which it differs from the first.
    pub settings: Vec<Vec<SettingDifference>>,
    /// Sentences about what limits the comparison, such as a run that is not finished.
    pub notes: Vec<String>,
}

impl RunComparison {
    /// Groups the runs that differ only in their seed, and compares every arm with that of the first run.
    ///
    /// The primary metric is the one that checkpoints are chosen by, on the test split; all others are secondary.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) if the runs have different tasks, a run is
    ///   passed twice, or an arm has no seed in common with the first.
    /// - The errors of [`RunSummary::read`].
    pub fn new(runs: &[LoadedRun]) -> Result<Self> {
        check_same_task(runs)?;
        let infos: Vec<RunInfo> = runs
            .iter()
            .map(|run| RunInfo::new(&run.name(), &run.config))
            .collect();
        let arms = group_into_arms(&infos)?;
        let names: Vec<String> = arms.iter().map(|arm| displayed_name(&arm.name)).collect();
        let variants = names.iter().enumerate().map(|(index, name)| Variant {
            name: name.clone(),
            arm: name.clone(),
            levels: std::collections::BTreeMap::new(),
            baseline: (index > 0).then_some(0),
        });
        let seeds: BTreeSet<u64> = infos.iter().map(|info| info.seed).collect();
        let mut cells = Vec::with_capacity(runs.len());
        let mut directories: Vec<PathBuf> = Vec::with_capacity(runs.len());
        for (variant, arm) in arms.iter().enumerate() {
            for (&seed, &index) in &arm.runs {
                let root = runs[index].run.root();
                cells.push(Cell {
                    id: root.display().to_string(),
                    variant,
                    seed,
                    config: runs[index].config.clone(),
                });
                directories.push(root.to_owned());
            }
        }
        let mut study = Study {
            origin: Origin::Comparison,
            name: "comparison".to_owned(),
            question: format!("Comparison of {}", in_words(&names)),
            primary: Vec::new(),
            secondary: Vec::new(),
            margin: None,
            seeds: seeds.into_iter().collect(),
            variants: variants.collect(),
            cells,
        };
        let mut names: BTreeSet<String> = BTreeSet::new();
        for run in runs {
            if let Some(summary) = RunSummary::read(&run.run)? {
                names.extend(summary.metrics.into_keys());
            }
        }
        let chosen_by = runs.first().and_then(|run| run.task().metrics().first());
        study.primary = chosen_by
            .iter()
            .map(|name| format!("test_{name}"))
            .collect();
        study.secondary = names
            .into_iter()
            .filter(|name| !study.primary.contains(name))
            .collect();
        let results = StudyResults::new(&study, directories)?;
        // All runs of an arm have the same settings, so its first run stands for all.
        let first_runs: Vec<&RunInfo> = arms
            .iter()
            .filter_map(|arm| arm.runs.values().next().map(|&run| &infos[run]))
            .collect();
        let settings = first_runs
            .iter()
            .skip(1)
            .map(|other| setting_differences(first_runs[0], other))
            .collect();
        Ok(Self {
            notes: notes(runs, &study, &results),
            study,
            results,
            settings,
        })
    }

    /// Seeds that an arm has in common with the first one.
    pub fn common_seeds(&self, variant: usize) -> usize {
        let seeds = |variant: usize| {
            let cells = self.study.cells.iter();
            cells
                .filter(move |cell| cell.variant == variant)
                .map(|cell| cell.seed)
        };
        let first: BTreeSet<u64> = seeds(0).collect();
        seeds(variant).filter(|seed| first.contains(seed)).count()
    }

    /// Returns the runs, the settings in which the arms differ, and all numbers of the comparison as JSON.
    pub fn to_json(&self) -> Value {
        let Study {
            cells, variants, ..
        } = &self.study;
        let runs = cells.iter().zip(&self.results.summaries);
        let runs = runs.map(|(cell, summary)| {
            json!({
                "run": cell.id,
                "arm": variants[cell.variant].name,
                "seed": cell.seed,
                "is_finished": summary.is_some(),
            })
        });
        let settings = self.settings.iter().zip(&variants[1..]);
        let settings = settings.map(|(settings, variant)| {
            let keys = settings.iter().map(|setting| {
                json!({
                    "key": setting.key,
                    "baseline": setting.first,
                    "arm": setting.second,
                })
            });
            json!({ "arm": variant.name, "settings": keys.collect::<Vec<_>>() })
        });
        let numbers = self.results.to_json(&self.study);
        json!({
            "baseline": variants.first().map(|variant| &variant.name),
            "runs": runs.collect::<Vec<_>>(),
            "settings_that_differ": settings.collect::<Vec<_>>(),
            "notes": self.notes,
            "metrics": numbers["metrics"],
        })
    }

    /// Writes the report, in the files of a study's report: `report.html`, `report.md`, `results.csv`, `summary.json` and
    /// `plots/`.
    ///
    /// # Errors
    ///
    /// The errors of [`OutputDirectory`].
    pub fn write_report(&self, output: OutputDirectory, command: &str) -> Result<()> {
        let sections = Sections {
            settings: &self.settings,
            notes: &self.notes,
        };
        write_pages(&self.study, &self.results, &sections, &output, command)?;
        output.finish()
    }
}

/// Returns the sentences about what limits the comparison.
fn notes(runs: &[LoadedRun], study: &Study, results: &StudyResults) -> Vec<String> {
    let mut notes: Vec<String> = study
        .cells
        .iter()
        .zip(&results.summaries)
        .filter(|(_, summary)| summary.is_none())
        .map(|(cell, _)| {
            format!(
                "{}: not finished, so that it has no metrics on the test split yet",
                cell.id
            )
        })
        .collect();
    let hash = |run: &LoadedRun| {
        let manifest = Manifest::read(&run.run.manifest());
        manifest.ok().map(|manifest| manifest.data_sha256)
    };
    let hashes: Vec<Option<String>> = runs.iter().map(hash).collect();
    let other = hashes
        .iter()
        .position(|hash| hash.is_some() && hashes[0].is_some() && *hash != hashes[0]);
    if let Some(other) = other {
        notes.push(format!(
            "{} and {} have different data (the SHA-256 differs), so a difference may come from the data",
            runs[0].name(),
            runs[other].name()
        ));
    }
    notes
}

/// Returns a name of an arm without characters that would change tables; names of directories may have any.
fn displayed_name(name: &str) -> String {
    let kept = |c: char| if is_allowed_in_name(c) { c } else { '-' };
    name.chars().map(kept).collect()
}

/// Returns names as a list in words: `a`, `a and b`, `a, b and c`.
fn in_words(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{displayed_name, in_words};

    #[test]
    fn names_are_listed_in_words() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(in_words(&names[..1]), "a");
        assert_eq!(in_words(&names[..2]), "a and b");
        assert_eq!(in_words(&names), "a, b and c");
        assert_eq!(displayed_name("a|b\u{202e}c é"), "a-b-c é");
    }
}
