//! A study file: its keys, their checks, and the combinations of the levels of factors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::changes::{Changes, ListOrTable};
use crate::config::{ConfigError, Document, schema_of};
use crate::counted::counted;

/// Study file: a question, the runs that answer it, and the metrics that decide.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "burn-topology study",
    description = "A study: a question, the runs that answer it, and the metrics that decide; reference_study.toml \
                   explains every key."
)]
pub(super) struct RawStudy {
    /// Question that the study answers.
    pub(super) question: String,
    /// Configuration of every cell, relative to this file.
    pub(super) base: PathBuf,
    /// Seeds; every variant runs with each of them.
    pub(super) seeds: Vec<u64>,
    /// Name of the arm that the others are compared with.
    pub(super) baseline: String,
    /// Metrics on which the question is decided; p-values are adjusted over all their comparisons.
    pub(super) primary: Vec<String>,
    /// Metrics that are reported, but not decided on.
    #[serde(default)]
    pub(super) secondary: Vec<String>,
    /// Equivalence margin: size below which a difference in a primary metric would not matter; absent: no test of
    /// equivalence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) margin: Option<f64>,
    /// `[[arm]]`: one table for each setting that is compared.
    pub(super) arm: Vec<RawArm>,
    /// `[[factor]]`: one table for each setting that is varied within arms; absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) factor: Vec<RawFactor>,
}

/// `[[arm]]`: a setting that is compared with the others.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawArm {
    /// Name in tables and plots.
    pub(super) name: String,
    /// Changes of the base configuration: a list as after `--set`, or a table of settings; absent: none.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    #[schemars(with = "ListOrTable")]
    pub(super) set: Changes,
}

/// `[[factor]]`: a setting that is varied within arms.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFactor {
    /// Name in tables and plots.
    pub(super) name: String,
    /// Configuration keys that vary together.
    pub(super) keys: Vec<String>,
    /// Levels: for one key its values; for several keys a list of their values for each level, in the order of `keys`.
    /// A value that is itself a list is written in a list for one key too.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub(super) levels: Vec<Level>,
    /// Names of the levels in tables and plots; absent: their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) names: Option<Vec<String>>,
    /// Arms in which the factor is varied; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) arms: Option<Vec<String>>,
}

/// One level of a factor: the values of its keys, in their order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Level(Vec<Value>);

impl From<Value> for Level {
    /// A value that is no list is that of the only key.
    fn from(value: Value) -> Self {
        match value {
            Value::Array(values) => Self(values),
            value => Self(vec![value]),
        }
    }
}

impl RawStudy {
    /// Reads the keys of a study file, and checks all that can be checked without reading configurations.
    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        let raw: Self = document.deserialize()?;
        raw.check(document)?;
        Ok(raw)
    }

    /// JSON schema of study files.
    pub(super) fn schema() -> String {
        schema_of::<Self>()
    }

    /// Study file with its defaults filled in.
    pub(super) fn to_toml(&self) -> String {
        // Cannot fail: everything in it comes from a TOML file.
        toml::to_string(self).expect("every study can be written")
    }

    /// Path of the base configuration of a study in a directory.
    pub(super) fn base_in(&self, directory: &Path) -> PathBuf {
        directory.join(&self.base)
    }

    /// Checks all keys; the error has every problem that is found.
    fn check(&self, document: &Document) -> Result<(), ConfigError> {
        let mut problems: Vec<(String, String)> = Vec::new();
        self.check_lists(&mut problems);
        self.check_names(&mut problems);
        let arms: Vec<&str> = self.arm.iter().map(|arm| &*arm.name).collect();
        if !arms.contains(&&*self.baseline) {
            let message = format!(
                "no arm is called `{}`, expected one of {}",
                self.baseline,
                arms.join(", ")
            );
            problems.push(("baseline".to_owned(), message));
        }
        for (index, factor) in self.factor.iter().enumerate() {
            if let Err((key, message)) = factor.check(&arms) {
                problems.push((format!("factor[{index}].{key}"), message));
            }
        }
        let n_cells = self.n_cells();
        if n_cells > MAX_CELLS {
            let message = format!(
                "the levels of all factors, arms and seeds make {n_cells:.3e} cells, expected at most {MAX_CELLS}"
            );
            problems.push(("factor".to_owned(), message));
        }
        let errors = problems
            .iter()
            .map(|(key, message)| document.error_at(key, message));
        ConfigError::all(errors).map_or(Ok(()), Err)
    }

    /// Checks the lists of seeds and metrics, and the margin.
    fn check_lists(&self, problems: &mut Vec<(String, String)>) {
        let mut refuse = |key: &str, message: String| problems.push((key.to_owned(), message));
        if self.seeds.is_empty() {
            refuse(
                "seeds",
                "is an empty list, expected at least one seed".to_owned(),
            );
        }
        if let Some(seed) = duplicate(self.seeds.iter()) {
            refuse("seeds", format!("seed {seed} is listed twice"));
        }
        if self.primary.is_empty() {
            let message = "is an empty list, expected at least one primary metric";
            refuse("primary", message.to_owned());
        }
        if let Some(metric) = duplicate(self.primary.iter().chain(&self.secondary)) {
            refuse("primary", format!("metric `{metric}` is listed twice"));
        }
        let is_positive = |margin: f64| margin > 0.0 && margin.is_finite();
        if self.margin.is_some_and(|margin| !is_positive(margin)) {
            refuse("margin", "expected a positive number".to_owned());
        }
    }

    /// Checks the names of arms, factors and levels.
    ///
    /// They become lines of tables, labels of plots and names of directories.
    fn check_names(&self, problems: &mut Vec<(String, String)>) {
        let mut check = |key: String, name: &str| {
            let message = if name.trim().is_empty() {
                "a name is empty, expected at least one letter".to_owned()
            } else if let Some(bad) = name.chars().find(|&c| !is_allowed_in_name(c)) {
                format!(
                    "the name `{}` has the character `{}`, expected none of `/`, `\\`, `|`, control characters and characters \
                     that change the direction of text",
                    name.escape_debug(),
                    bad.escape_debug()
                )
            } else if name.starts_with(['=', '+', '-', '@', '.']) {
                format!(
                    "the name `{name}` begins like a formula or a hidden file, expected a letter or digit first"
                )
            } else {
                return;
            };
            problems.push((key, message));
        };
        for (index, arm) in self.arm.iter().enumerate() {
            check(format!("arm[{index}].name"), &arm.name);
        }
        for (index, factor) in self.factor.iter().enumerate() {
            check(format!("factor[{index}].name"), &factor.name);
            for name in factor.names.iter().flatten() {
                check(format!("factor[{index}].names"), name);
            }
        }
        if let Some(name) = duplicate(self.arm.iter().map(|arm| &arm.name)) {
            let message = format!("two arms are called `{name}`");
            problems.push(("arm".to_owned(), message));
        }
        if let Some(name) = duplicate(self.factor.iter().map(|factor| &factor.name)) {
            let message = format!("two factors are called `{name}`");
            problems.push(("factor".to_owned(), message));
        }
    }

    /// Number of cells, which may exceed every integer type.
    fn n_cells(&self) -> f64 {
        let of_arm = |arm: &RawArm| -> f64 {
            let varied = self
                .factor
                .iter()
                .filter(|factor| factor.is_varied_in(&arm.name));
            varied.map(|factor| factor.levels.len() as f64).product()
        };
        self.seeds.len() as f64 * self.arm.iter().map(of_arm).sum::<f64>()
    }

    /// Returns every combination of the levels of the factors that are varied in an arm.
    pub(super) fn combinations(&self, arm: &str) -> Vec<Combination> {
        // Starts with the empty combination; the last factor varies fastest.
        let mut combinations = vec![Combination {
            levels: BTreeMap::new(),
            set: Vec::new(),
        }];
        for factor in self.factor.iter().filter(|factor| factor.is_varied_in(arm)) {
            combinations = combinations
                .iter()
                .flat_map(|combination| {
                    (0..factor.levels.len()).map(|level| combination.with_level(factor, level))
                })
                .collect();
        }
        combinations
    }
}

/// True for characters that leave tables, plots and paths as they are.
pub(super) fn is_allowed_in_name(c: char) -> bool {
    let changes_direction =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends_line = matches!(c, '\u{2028}' | '\u{2029}');
    !(c.is_control() || changes_direction || ends_line || matches!(c, '/' | '\\' | '|'))
}

/// Largest number of cells of a study, whose configurations all lie in memory.
const MAX_CELLS: f64 = 100_000.0;

/// Returns the first item that equals an earlier one; `None` if all differ.
fn duplicate<T: Ord + Copy>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let mut earlier = BTreeSet::new();
    items.find(|item| !earlier.insert(*item))
}

impl RawFactor {
    /// True if the factor is varied in an arm.
    fn is_varied_in(&self, arm: &str) -> bool {
        let arms = self.arms.as_ref();
        arms.is_none_or(|arms| arms.iter().any(|name| name == arm))
    }

    /// Checks the lists; the error is the key at fault and the message.
    fn check(&self, arms: &[&str]) -> Result<(), (&'static str, String)> {
        if self.keys.is_empty() {
            let message = "is an empty list, expected the keys that vary".to_owned();
            return Err(("keys", message));
        }
        if self.levels.is_empty() {
            let message = "is an empty list, expected at least one level".to_owned();
            return Err(("levels", message));
        }
        let n_keys = self.keys.len();
        if let Some(level) = self.levels.iter().find(|level| level.0.len() != n_keys) {
            let hint = match n_keys {
                1 => {
                    "; a list that is the value of the key itself is written in two pairs of brackets"
                }
                _ => "",
            };
            let message = format!(
                "a level has {}, expected {n_keys}: one for each key{hint}",
                counted(level.0.len(), "value"),
            );
            return Err(("levels", message));
        }
        let names = self.names.as_deref().unwrap_or_default();
        if self.names.is_some() && names.len() != self.levels.len() {
            let message = format!(
                "{} for {}, expected a name for each level",
                counted(names.len(), "name"),
                counted(self.levels.len(), "level")
            );
            return Err(("names", message));
        }
        if let Some(name) = duplicate(names.iter()) {
            return Err(("names", format!("two levels are called `{name}`")));
        }
        let unknown = self
            .arms
            .iter()
            .flatten()
            .find(|arm| !arms.contains(&&***arm));
        if let Some(unknown) = unknown {
            let message = format!(
                "no arm is called `{unknown}`, expected one of {}",
                arms.join(", ")
            );
            return Err(("arms", message));
        }
        Ok(())
    }
}

/// One combination of the levels of several factors.
#[derive(Clone)]
pub(super) struct Combination {
    /// Name of the level of each factor, by the factor's name.
    pub(super) levels: BTreeMap<String, String>,
    /// Changes of the configuration, written as after `--set`.
    pub(super) set: Vec<String>,
}

impl Combination {
    /// Returns the combination with one more factor, at the level with this index.
    fn with_level(&self, factor: &RawFactor, level: usize) -> Self {
        let mut combination = self.clone();
        let values = factor.levels[level].0.iter();
        let texts: Vec<String> = values.map(Value::to_string).collect();
        let name = match &factor.names {
            Some(names) => names[level].clone(),
            // Quotes are TOML syntax and not part of a name.
            None => texts.join(" ").replace('"', ""),
        };
        combination.levels.insert(factor.name.clone(), name);
        let changes = factor.keys.iter().zip(&texts);
        combination
            .set
            .extend(changes.map(|(key, value)| format!("{key}={value}")));
        combination
    }
}
