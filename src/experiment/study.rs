//! Reads a study file and expands it into cells: every variant with every seed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use toml::{Table, Value};

use crate::config::{Config, ConfigError, Document};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::run::sha256_hex;
use crate::train::RunSummary;

/// Content of a study file, before it is checked and expanded.
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

/// An `[[arm]]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArm {
    name: String,
    /// Changes of the base configuration.
    #[serde(default)]
    set: Changes,
}

/// Changes of the base configuration by an arm, in one of two forms.
#[derive(Debug)]
enum Changes {
    /// List of changes, each written as on the command line after `--set`.
    List(Vec<String>),
    /// Settings by their keys, as in a configuration.
    Table(Table),
}

impl Default for Changes {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

// Written out, because the error of an untagged enum would not say which entry is at fault.
impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrTable;

        impl<'de> Visitor<'de> for ListOrTable {
            type Value = Changes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of changes as after --set, or a table of settings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Changes, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Changes::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Changes, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(table)).map(Changes::Table)
            }
        }

        deserializer.deserialize_any(ListOrTable)
    }
}

impl Changes {
    /// Returns the changes as they are written after `--set`.
    fn overrides(&self) -> Vec<String> {
        match self {
            Self::List(changes) => changes.clone(),
            Self::Table(table) => {
                let mut overrides = Vec::new();
                collect_overrides("", table, &mut overrides);
                overrides
            }
        }
    }
}

/// Appends the settings in `table`, which is at `path`, as they are written after `--set`.
fn collect_overrides(path: &str, table: &Table, overrides: &mut Vec<String>) {
    for (key, value) in table {
        let path = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        match value {
            Value::Table(inner) if !inner.contains_key("kind") => {
                collect_overrides(&path, inner, overrides);
            }
            // The keys beside `kind` belong to that kind, so such a table replaces the one of the base whole.
            value => overrides.push(format!("{path}={value}")),
        }
    }
}

/// A `[[factor]]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFactor {
    name: String,
    /// Configuration keys that vary together.
    keys: Vec<String>,
    /// Values of the keys at each level, in the order of `keys`.
    levels: Vec<Vec<Value>>,
    /// Names of the levels in tables and plots; their values by default.
    #[serde(default)]
    names: Option<Vec<String>>,
    /// Arms in which the factor is varied; all by default.
    #[serde(default)]
    arms: Option<Vec<String>>,
}

/// Time at which it was decided what a study compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Before the runs, in a study file.
    StudyFile,
    /// After the runs, which `compare` was given.
    Comparison,
}

impl Origin {
    /// What one run of a study is called.
    pub(crate) fn run_noun(self) -> &'static str {
        match self {
            Self::StudyFile => "cell",
            Self::Comparison => "run",
        }
    }

    /// What the runs that differ only in their seed are called together.
    pub(crate) fn arm_noun(self) -> &'static str {
        match self {
            Self::StudyFile => "variant",
            Self::Comparison => "arm",
        }
    }
}

/// A study: a question, and the cells (every variant with every seed) that answer it.
#[derive(Debug, Clone)]
pub struct Study {
    /// Time at which it was decided what is compared.
    pub origin: Origin,
    /// Name of the study: the name of the directory that holds the file.
    pub name: String,
    /// Question that the study answers.
    pub question: String,
    /// Primary metrics, such as `test_accuracy`: the question is decided on them.
    pub primary: Vec<String>,
    /// Secondary metrics: reported, but not decided on.
    pub secondary: Vec<String>,
    /// Equivalence margin: size below which a difference in a primary metric would not matter.
    pub margin: Option<f64>,
    /// Seeds, the same for every variant.
    pub seeds: Vec<u64>,
    /// Variants: every arm at each combination of the levels of its factors.
    pub variants: Vec<Variant>,
    /// Cells, by variant and then by seed.
    pub cells: Vec<Cell>,
}

/// An arm at one level of each of its factors.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Name of the variant: the arm, and the level of each factor.
    pub name: String,
    /// Name of the arm.
    pub arm: String,
    /// Name of the level of each factor, by the factor's name.
    pub levels: BTreeMap<String, String>,
    /// Index of the variant of the baseline arm that this one is compared with; `None` for the baseline itself.
    pub baseline: Option<usize>,
}

/// One run of a study: one variant with one seed.
#[derive(Debug, Clone)]
pub struct Cell {
    /// First 12 digits of the SHA-256 digest of the configuration without its name.
    ///
    /// It does not depend on the machine or on the other cells of the study.
    pub id: String,
    /// Index of the variant in [`Study::variants`].
    pub variant: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Complete configuration of the run, whose name is made of the study's name and the id.
    pub config: Config,
}

impl Cell {
    /// Returns the run directory of this cell within the output directory of the study.
    pub fn directory(&self, out: &Path) -> PathBuf {
        out.join("cells").join(&self.id)
    }
}

impl Study {
    /// Reads a study file; the path of its base configuration is relative to the file's directory.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file or that of the base cannot be read, [`Error::is_invalid_format`] for their
    /// contents; the message begins with file, line and column, or with the arm whose configuration is invalid.
    pub fn read(path: &Path) -> Result<Self> {
        let document = Document::read(path, &[]).map_err(ConfigError::into_error)?;
        let raw: RawStudy = document.deserialize().map_err(ConfigError::into_error)?;
        check(&document, &raw).map_err(ConfigError::into_error)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        // Canonical, so that a file in the current directory has a parent with a name.
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = canonical
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        let mut study = Self {
            origin: Origin::StudyFile,
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
            for Combination { levels, set } in combinations(&raw.factor, &arm.name) {
                let level_names: String = levels
                    .iter()
                    .map(|(factor, level)| format!(" {factor}={level}"))
                    .collect();
                study.variants.push(Variant {
                    name: arm.name.clone() + &level_names,
                    arm: arm.name.clone(),
                    levels,
                    baseline: None,
                });
                // The arm's own changes first: a factor may vary a key of a table that the arm adds.
                overrides.push([arm.set.overrides(), set].concat());
            }
        }
        study
            .find_baselines(&raw.baseline)
            .map_err(|error| document.error_at("baseline", error).into_error())?;
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

    /// Reads the configuration of a variant with a seed.
    fn cell(&self, base: &Path, variant: usize, set: &[String], seed: u64) -> Result<Cell> {
        let mut set = set.to_vec();
        // The same name for all cells while the digest is taken, since the final name contains the digest.
        set.extend([format!("run.seed={seed}"), "run.name=cell".to_owned()]);
        let mut config = Config::read(base, &set).map_err(|error| {
            let arm = &self.variants[variant].name;
            error.into_error().within(format_args!("arm {arm}"))
        })?;
        let mut id = sha256_hex(config.identity().as_bytes());
        // 48 bits make a clash within a study very unlikely; `check_cells` would refuse it.
        id.truncate(12);
        let name = format!("{}-{id}", run_name(&self.name));
        config.raw.run.name.clone_from(&name);
        config.spec.name = name;
        Ok(Cell {
            id,
            variant,
            seed,
            config,
        })
    }

    /// Returns the cell with this id, or else the cell with this number (from 0).
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there is no such cell.
    pub fn find_cell(&self, name: &str) -> Result<&Cell> {
        // An id may consist of decimal digits only, so it is tried before the number.
        let by_id = self.cells.iter().find(|cell| cell.id == name);
        let by_number = || self.cells.get(name.parse::<usize>().ok()?);
        by_id.or_else(by_number).ok_or_else(|| {
            let last = self.cells.len() - 1;
            Error::invalid_parameter(format!(
                "there is no cell {name}, expected a number from 0 to {last}, or an id from `ablate status`"
            ))
        })
    }

    /// Gives every other variant its baseline: the baseline arm at the same levels of the factors that it has.
    fn find_baselines(&mut self, baseline: &str) -> Result<()> {
        // A copy, since baselines are looked up while the variants are changed.
        let variants = self.variants.clone();
        for variant in self
            .variants
            .iter_mut()
            .filter(|variant| variant.arm != baseline)
        {
            let is_baseline = |other: &&Variant| {
                let mut levels = other.levels.iter();
                other.arm == baseline
                    && levels.all(|(factor, level)| variant.levels.get(factor) == Some(level))
            };
            let candidates: Vec<&Variant> = variants.iter().filter(is_baseline).collect();
            let [only] = candidates[..] else {
                return Err(Error::invalid_format(format!(
                    "the baseline `{baseline}` has {} variants at the levels of `{}`, expected one",
                    candidates.len(),
                    variant.name
                )));
            };
            variant.baseline = variants.iter().position(|other| other == only);
        }
        Ok(())
    }

    /// Refuses two cells with the same configuration: their results would count as independent.
    fn check_cells(&self) -> Result<()> {
        let mut cells_by_id: BTreeMap<&str, &Cell> = BTreeMap::new();
        for cell in &self.cells {
            if let Some(same) = cells_by_id.insert(&cell.id, cell) {
                let [a, b] = [same, cell].map(|cell| &self.variants[cell.variant].name);
                return Err(Error::invalid_format(format!(
                    "`{a}` and `{b}` have the same configuration with seed {}; remove one of them",
                    cell.seed
                )));
            }
        }
        Ok(())
    }

    /// Refuses metrics that no run logs.
    fn check_metrics(&self, document: &Document) -> Result<()> {
        // The first cell stands for all: the arms of a study share the task, which determines what is logged.
        let tags = RunSummary::tags(&self.cells[0].config);
        let logged: Vec<&str> = tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("summary/"))
            .collect();
        for (key, metrics) in [("primary", &self.primary), ("secondary", &self.secondary)] {
            if let Some(unknown) = metrics.iter().find(|metric| !logged.contains(&&***metric)) {
                let message = format!(
                    "no run logs `{unknown}`, expected one of {}",
                    logged.join(", ")
                );
                return Err(document.error_at(key, message).into_error());
            }
        }
        Ok(())
    }

    /// Returns the primary metrics, then the secondary ones.
    pub fn metrics(&self) -> impl Iterator<Item = &String> {
        self.primary.iter().chain(&self.secondary)
    }
}

/// Checks everything that can be checked without reading the configurations.
fn check(document: &Document, raw: &RawStudy) -> Result<(), ConfigError> {
    let refuse = |key: &str, message: String| Err(document.error_at(key, message));
    if raw.seeds.is_empty() {
        let message = "is an empty list, expected at least one seed".to_owned();
        return refuse("seeds", message);
    }
    if let Some(seed) = duplicate(raw.seeds.iter()) {
        return refuse("seeds", format!("seed {seed} is listed twice"));
    }
    if raw.primary.is_empty() {
        let message = "is an empty list, expected at least one primary metric".to_owned();
        return refuse("primary", message);
    }
    if let Some(metric) = duplicate(raw.primary.iter().chain(&raw.secondary)) {
        return refuse("primary", format!("metric `{metric}` is listed twice"));
    }
    if raw
        .margin
        .is_some_and(|margin| !(margin > 0.0 && margin.is_finite()))
    {
        return refuse("margin", "expected a positive number".to_owned());
    }
    check_names(raw).map_err(|(key, message)| document.error_at(&key, message))?;
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
    for (index, factor) in raw.factor.iter().enumerate() {
        check_factor(factor, &arms).map_err(|(key, message)| {
            document.error_at(&format!("factor[{index}].{key}"), message)
        })?;
    }
    let n_cells = n_cells(raw);
    if n_cells > MAX_CELLS {
        let message = format!(
            "the levels of all factors, arms and seeds make {n_cells:.3e} cells, expected at most {MAX_CELLS}"
        );
        return refuse("factor", message);
    }
    Ok(())
}

/// Checks the names of arms, factors and levels; the error is the key at fault and the message.
///
/// They become lines of tables, labels of plots and names of directories.
fn check_names(raw: &RawStudy) -> Result<(), (String, String)> {
    let check = |key: String, name: &str| {
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
            return Ok(());
        };
        Err((key, message))
    };
    for (index, arm) in raw.arm.iter().enumerate() {
        check(format!("arm[{index}].name"), &arm.name)?;
    }
    for (index, factor) in raw.factor.iter().enumerate() {
        check(format!("factor[{index}].name"), &factor.name)?;
        for name in factor.names.iter().flatten() {
            check(format!("factor[{index}].names"), name)?;
        }
    }
    Ok(())
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

/// Number of cells, which may exceed every integer type.
fn n_cells(raw: &RawStudy) -> f64 {
    let of_arm = |arm: &RawArm| -> f64 {
        let varied = raw
            .factor
            .iter()
            .filter(|factor| factor.is_varied_in(&arm.name));
        varied.map(|factor| factor.levels.len() as f64).product()
    };
    raw.seeds.len() as f64 * raw.arm.iter().map(of_arm).sum::<f64>()
}

/// Checks one factor; the error is the key at fault and the message.
fn check_factor(factor: &RawFactor, arms: &[&str]) -> Result<(), (&'static str, String)> {
    if factor.keys.is_empty() {
        let message = "is an empty list, expected the keys that vary".to_owned();
        return Err(("keys", message));
    }
    if factor.levels.is_empty() {
        let message = "is an empty list, expected at least one level".to_owned();
        return Err(("levels", message));
    }
    let n_keys = factor.keys.len();
    if let Some(level) = factor.levels.iter().find(|level| level.len() != n_keys) {
        let message = format!(
            "a level has {}, expected {}: one for each key",
            counted(level.len(), "value"),
            n_keys
        );
        return Err(("levels", message));
    }
    let names = factor.names.as_deref().unwrap_or_default();
    if factor.names.is_some() && names.len() != factor.levels.len() {
        let message = format!(
            "{} for {}, expected a name for each level",
            counted(names.len(), "name"),
            counted(factor.levels.len(), "level")
        );
        return Err(("names", message));
    }
    if let Some(name) = duplicate(names.iter()) {
        return Err(("names", format!("two levels are called `{name}`")));
    }
    let unknown = factor
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

/// Returns the first item that equals an earlier one; `None` if all differ.
fn duplicate<T: Ord + Copy>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let mut earlier = std::collections::BTreeSet::new();
    items.find(|item| !earlier.insert(*item))
}

/// One combination of the levels of several factors.
#[derive(Clone)]
struct Combination {
    /// Name of the level of each factor, by the factor's name.
    levels: BTreeMap<String, String>,
    /// Changes of the configuration, written as after `--set`.
    set: Vec<String>,
}

impl RawFactor {
    /// True if the factor is varied in an arm.
    fn is_varied_in(&self, arm: &str) -> bool {
        let arms = self.arms.as_ref();
        arms.is_none_or(|arms| arms.iter().any(|name| name == arm))
    }
}

/// Returns every combination of the levels of the factors that are varied in an arm.
fn combinations(factors: &[RawFactor], arm: &str) -> Vec<Combination> {
    // Starts with the empty combination; the last factor varies fastest.
    let mut combinations = vec![Combination {
        levels: BTreeMap::new(),
        set: Vec::new(),
    }];
    for factor in factors.iter().filter(|factor| factor.is_varied_in(arm)) {
        combinations = combinations
            .iter()
            .flat_map(|combination| {
                (0..factor.levels.len()).map(|level| combination.with_level(factor, level))
            })
            .collect();
    }
    combinations
}

impl Combination {
    /// Returns the combination with one more factor, at the level with this index.
    fn with_level(&self, factor: &RawFactor, level: usize) -> Self {
        let mut combination = self.clone();
        let texts: Vec<String> = factor.levels[level].iter().map(Value::to_string).collect();
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

/// Turns a name into one that a run may have: ASCII letters, digits, `.`, `_` and `-`.
pub(super) fn run_name(name: &str) -> String {
    let replace_others = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(replace_others).collect();
    // The name of a run must start with a letter or a digit.
    let trimmed = name.trim_start_matches(['-', '.', '_']);
    match trimmed {
        "" => "study".to_owned(),
        name => name.to_owned(),
    }
}
