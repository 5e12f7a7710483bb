//! Reads a study file and expands it into cells: every variant with every seed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::study_file::{Combination, RawStudy};
use crate::config::{Config, ConfigError, Document};
use crate::error::{Error, Result};
use crate::run::sha256_hex;
use crate::train::RunSummary;

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
        if document.has_key("run") && !document.has_key("arm") {
            let message = "is the configuration of one run, expected a study; `train` trains it";
            return Err(document.error_at("", message).into_error());
        }
        let raw = RawStudy::read(&document).map_err(ConfigError::into_error)?;
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
        for (index, arm) in raw.arm.iter().enumerate() {
            for Combination { levels, set } in raw.combinations(&arm.name) {
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
                overrides.push((index, [arm.set.overrides(), set].concat()));
            }
        }
        study
            .find_baselines(&raw.baseline)
            .map_err(|error| document.error_at("baseline", error).into_error())?;
        for (variant, (arm, set)) in overrides.iter().enumerate() {
            for &seed in &study.seeds {
                let cell = study.cell(&raw.base_in(directory), variant, set, seed);
                // The configuration has a location of its own; here follows that of the arm.
                let cell =
                    cell.map_err(|error| error.within(document.locate(&format!("arm.{arm}"))))?;
                study.cells.push(cell);
            }
        }
        study.check_cells()?;
        study.check_metrics(&document)?;
        Ok(study)
    }

    /// True if a file is a study rather than the configuration of a run, as far as its keys at the top level tell.
    ///
    /// A file that cannot be read is none; the error of reading it as a configuration says why.
    pub fn is_study(path: &Path) -> bool {
        Document::read(path, &[]).is_ok_and(|document| {
            !document.has_key("run")
                && ["question", "arm", "baseline"]
                    .iter()
                    .any(|key| document.has_key(key))
        })
    }

    /// Study file as TOML, with the defaults of its own keys filled in.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Study::read`] about the file itself; configurations are not read.
    pub fn resolved_toml(path: &Path) -> Result<String> {
        let document = Document::read(path, &[]).map_err(ConfigError::into_error)?;
        let raw = RawStudy::read(&document).map_err(ConfigError::into_error)?;
        Ok(raw.to_toml())
    }

    /// JSON schema of study files, for editors.
    pub fn schema() -> String {
        RawStudy::schema()
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
