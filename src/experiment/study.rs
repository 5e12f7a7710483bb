//! A study file, and the cells that it stands for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;

use crate::config::{Config, ConfigError, Document};
use crate::run::sha256_hex;
use crate::train::Summary;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStudy {
    question: String,
    base: PathBuf,
    seeds: Vec<u64>,
    baseline: String,
    primary: Vec<String>,
    #[serde(default)]
    secondary: Vec<String>,
    #[serde(default)]
    margin: Option<f64>,
    arm: Vec<RawArm>,
    #[serde(default)]
    factor: Vec<RawFactor>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArm {
    name: String,
    /// As after `--set`.
    #[serde(default)]
    set: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFactor {
    name: String,
    keys: Vec<String>,
    levels: Vec<Vec<Value>>,
    /// Of the levels, for tables; by default their values.
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    arms: Option<Vec<String>>,
}

/// A study: every variant with every seed.
#[derive(Debug, Clone)]
pub struct Study {
    /// Name of the file's directory.
    pub name: String,
    /// What it asks.
    pub question: String,
    /// Metrics that decide, as `test_accuracy`; declared beforehand.
    pub primary: Vec<String>,
    /// Metrics that are looked at.
    pub secondary: Vec<String>,
    /// Largest difference of a primary metric that makes none.
    pub margin: Option<f64>,
    /// Seeds, the same for every variant.
    pub seeds: Vec<u64>,
    /// Arms at each level of their factors.
    pub variants: Vec<Variant>,
    /// What is run, in the order of variants and seeds.
    pub cells: Vec<Cell>,
}

/// An arm at one level of each of its factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Name of the arm, and its levels.
    pub name: String,
    /// Name of the arm.
    pub arm: String,
    /// Level by factor.
    pub levels: BTreeMap<String, String>,
    /// The variant of the baseline arm that it is compared with; `None` of the baseline itself.
    pub baseline: Option<usize>,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Digest of its configuration without the name: the same wherever and in whichever order it is run.
    pub id: String,
    /// Place of its variant.
    pub variant: usize,
    /// Its seed.
    pub seed: u64,
    /// All of its configuration; its name is the study's and the id.
    pub config: Config,
}

impl Cell {
    /// Of its run, among the results of the study.
    pub fn directory(&self, out: &Path) -> PathBuf {
        out.join("cells").join(&self.id)
    }
}

impl Study {
    /// Reads a study file; the base configuration is looked for from the file's directory.
    ///
    /// # Errors
    ///
    /// One line: file, line and column of what is wrong in it, or the arm whose configuration is.
    pub fn read(path: &Path) -> Result<Self, String> {
        let document = Document::read(path, &[]).map_err(|error| error.to_string())?;
        let raw: RawStudy = document.deserialize().map_err(|error| error.to_string())?;
        check(&document, &raw).map_err(|error| error.to_string())?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = whole.parent().and_then(Path::file_name).unwrap_or_default();
        let mut study = Self {
            name: name.to_string_lossy().into_owned(),
            question: raw.question.clone(),
            primary: raw.primary.clone(),
            secondary: raw.secondary.clone(),
            margin: raw.margin,
            seeds: raw.seeds.clone(),
            variants: Vec::new(),
            cells: Vec::new(),
        };
        let mut overrides = Vec::new();
        for arm in &raw.arm {
            for (levels, mut set) in levels_of(&raw.factor, &arm.name) {
                let of_levels = levels
                    .iter()
                    .map(|(factor, level)| format!(" {factor}={level}"));
                let name = arm.name.clone() + &of_levels.collect::<String>();
                set.splice(0..0, arm.set.iter().cloned());
                study.variants.push(Variant {
                    name,
                    arm: arm.name.clone(),
                    levels,
                    baseline: None,
                });
                overrides.push(set);
            }
        }
        study
            .find_baselines(&raw.baseline)
            .map_err(|message| document.error_at("baseline", message).to_string())?;
        for (variant, set) in overrides.iter().enumerate() {
            for &seed in &study.seeds {
                let cell = study.cell(&directory.join(&raw.base), variant, set, seed)?;
                study.cells.push(cell);
            }
        }
        study.check_cells()?;
        study.check_metrics(&document)?;
        Ok(study)
    }

    fn cell(&self, base: &Path, variant: usize, set: &[String], seed: u64) -> Result<Cell, String> {
        let mut set = set.to_vec();
        set.extend([format!("run.seed={seed}"), "run.name=cell".to_owned()]);
        let said = |error: ConfigError| format!("arm {}: {error}", self.variants[variant].name);
        let mut config = Config::read(base, &set).map_err(said)?;
        let mut id = sha256_hex(config.to_toml().as_bytes());
        id.truncate(12);
        let name = format!("{}-{id}", plain(&self.name));
        config.raw.run.name.clone_from(&name);
        config.spec.name = name;
        Ok(Cell {
            id,
            variant,
            seed,
            config,
        })
    }

    /// The cell of this id, or else of this number.
    ///
    /// # Errors
    ///
    /// One sentence if there is none.
    pub fn cell_named(&self, name: &str) -> Result<&Cell, String> {
        let by_id = self.cells.iter().find(|cell| cell.id == name);
        let by_number = || self.cells.get(name.parse::<usize>().ok()?);
        by_id.or_else(by_number).ok_or_else(|| {
            let last = self.cells.len() - 1;
            format!("there is no cell {name}, expected one of 0 to {last}, or an id as `ablate status` prints")
        })
    }

    /// The variant of the baseline arm at the same levels of the factors that the baseline has.
    fn find_baselines(&mut self, baseline: &str) -> Result<(), String> {
        let variants = self.variants.clone();
        for variant in self
            .variants
            .iter_mut()
            .filter(|variant| variant.arm != baseline)
        {
            let fits = |other: &&Variant| {
                let mut levels = other.levels.iter();
                other.arm == baseline
                    && levels.all(|(factor, level)| variant.levels.get(factor) == Some(level))
            };
            let found: Vec<&Variant> = variants.iter().filter(fits).collect();
            let [only] = found[..] else {
                return Err(format!(
                    "{} variants of the baseline `{baseline}` are at the levels of `{}`, expected one",
                    found.len(),
                    variant.name
                ));
            };
            variant.baseline = variants.iter().position(|other| other == only);
        }
        Ok(())
    }

    fn check_cells(&self) -> Result<(), String> {
        let mut seen: BTreeMap<&str, &Cell> = BTreeMap::new();
        for cell in &self.cells {
            if let Some(same) = seen.insert(&cell.id, cell) {
                let [a, b] = [same, cell].map(|cell| &self.variants[cell.variant].name);
                return Err(format!(
                    "`{a}` and `{b}` have the same configuration at seed {}; take one of them out",
                    cell.seed
                ));
            }
        }
        Ok(())
    }

    fn check_metrics(&self, document: &Document) -> Result<(), String> {
        let tags = Summary::tags(&self.cells[0].config);
        let known: Vec<&str> = tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("summary/"))
            .collect();
        for (key, metrics) in [("primary", &self.primary), ("secondary", &self.secondary)] {
            if let Some(unknown) = metrics.iter().find(|metric| !known.contains(&&***metric)) {
                let message = format!(
                    "no run logs `{unknown}`, expected some of {}",
                    known.join(", ")
                );
                return Err(document.error_at(key, message).to_string());
            }
        }
        Ok(())
    }

    /// Primary and secondary metrics, in this order.
    pub fn metrics(&self) -> impl Iterator<Item = &String> {
        self.primary.iter().chain(&self.secondary)
    }
}

/// What needs no configuration to be checked.
fn check(document: &Document, raw: &RawStudy) -> Result<(), ConfigError> {
    let refuse = |key: &str, message: String| Err(document.error_at(key, message));
    if raw.seeds.is_empty() {
        return refuse(
            "seeds",
            "is an empty list, expected at least one seed".to_owned(),
        );
    }
    if let Some(seed) = duplicate(raw.seeds.iter()) {
        return refuse("seeds", format!("seed {seed} is there twice"));
    }
    if raw.primary.is_empty() {
        return refuse(
            "primary",
            "is an empty list, expected the metric that decides".to_owned(),
        );
    }
    if let Some(metric) = duplicate(raw.primary.iter().chain(&raw.secondary)) {
        return refuse("primary", format!("metric `{metric}` is there twice"));
    }
    if raw
        .margin
        .is_some_and(|margin| !(margin > 0.0 && margin.is_finite()))
    {
        return refuse("margin", "expected a positive number".to_owned());
    }
    if let Some(name) = duplicate(raw.arm.iter().map(|arm| &arm.name)) {
        return refuse("arm", format!("two arms are called `{name}`"));
    }
    let arms: Vec<&str> = raw.arm.iter().map(|arm| &*arm.name).collect();
    if !arms.contains(&&*raw.baseline) {
        let message = format!(
            "no arm is called `{}`, expected one of {}",
            raw.baseline,
            arms.join(", ")
        );
        return refuse("baseline", message);
    }
    if let Some(name) = duplicate(raw.factor.iter().map(|factor| &factor.name)) {
        return refuse("factor", format!("two factors are called `{name}`"));
    }
    for (place, factor) in raw.factor.iter().enumerate() {
        let at = |key: &str| format!("factor[{place}].{key}");
        if factor.keys.is_empty() {
            return refuse(
                &at("keys"),
                "is an empty list, expected the keys that are varied".to_owned(),
            );
        }
        if factor.levels.is_empty() {
            return refuse(
                &at("levels"),
                "is an empty list, expected at least one level".to_owned(),
            );
        }
        if let Some(level) = factor
            .levels
            .iter()
            .find(|level| level.len() != factor.keys.len())
        {
            let message = format!(
                "a level has {} values for {} keys, expected a value for each",
                level.len(),
                factor.keys.len()
            );
            return refuse(&at("levels"), message);
        }
        let names = factor.names.as_deref().unwrap_or_default();
        if factor.names.is_some() && names.len() != factor.levels.len() {
            let message = format!(
                "{} names for {} levels, expected a name for each",
                names.len(),
                factor.levels.len()
            );
            return refuse(&at("names"), message);
        }
        if let Some(name) = duplicate(names.iter()) {
            return refuse(&at("names"), format!("two levels are called `{name}`"));
        }
        let unknown = factor
            .arms
            .iter()
            .flatten()
            .find(|arm| !arms.contains(&&***arm));
        if let Some(unknown) = unknown {
            let message = format!(
                "no arm is called `{unknown}`, expected some of {}",
                arms.join(", ")
            );
            return refuse(&at("arms"), message);
        }
    }
    Ok(())
}

fn duplicate<T: Ord + Copy>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().find(|item| !seen.insert(*item))
}

/// Every combination of levels of the factors of an arm, and what it sets.
fn levels_of(factors: &[RawFactor], arm: &str) -> Vec<(BTreeMap<String, String>, Vec<String>)> {
    let mut found = vec![(BTreeMap::new(), Vec::new())];
    let is_of_arm = |factor: &&RawFactor| {
        let arms = factor.arms.as_ref();
        arms.is_none_or(|arms| arms.iter().any(|name| name == arm))
    };
    for factor in factors.iter().filter(is_of_arm) {
        let with_level = |(levels, set): &(BTreeMap<String, String>, Vec<String>)| {
            let of_level = factor.levels.iter().enumerate().map(|(place, level)| {
                let (mut levels, mut set) = (levels.clone(), set.clone());
                let texts: Vec<String> = level.iter().map(Value::to_string).collect();
                let name = factor.names.as_ref().map(|names| names[place].clone());
                let name = name.unwrap_or_else(|| texts.join(" ").replace('"', ""));
                levels.insert(factor.name.clone(), name);
                let values = factor.keys.iter().zip(&texts);
                set.extend(values.map(|(key, value)| format!("{key}={value}")));
                (levels, set)
            });
            of_level.collect::<Vec<_>>()
        };
        found = found.iter().flat_map(with_level).collect();
    }
    found
}

/// As the name of a run may be.
pub(super) fn plain(name: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(kept).collect();
    let trimmed = name.trim_start_matches(['-', '.', '_']);
    match trimmed {
        "" => "study".to_owned(),
        name => name.to_owned(),
    }
}
