//! Checked configuration: values that a run uses, made from the keys of a file.

mod augment;
mod data;
mod data_warnings;
mod memory;
mod missing;
mod model;
mod optimizer;
mod penalty_table;
mod pixel_table;
mod records;
mod simplices;
mod start;
mod topology;
mod training;

use self::topology::PenaltyContext;
use super::document::Document;
use super::error::ConfigError;
use super::raw::{CheckpointSpec, CollapseSpec, LoggingSpec, RawConfig, RobustnessSpec};
use crate::data::{
    Augment, DataSpec, N_SEVERITIES, SampleSpec, Splits, open_data, open_data_as, subset_per_class,
};
use crate::error::{Error, Result};
use crate::loss::{Alignment, Between, TopologyPenalty, Weight, distinct_names};
use crate::model::{NetworkConfig, Task};

pub(in crate::config) use data::ambiguous_directory;
pub(super) use data::complete;
pub use memory::LeastMemory;
pub(super) use missing::missing_keys;
pub use optimizer::{OptimizerSpec, UpdateRule};
pub use start::Start;
pub use training::{EarlyStopping, TrainingSpec};

/// Checked configuration of a run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name of the run.
    pub name: String,
    /// Seed of everything that is random.
    pub seed: u64,
    /// Data set, not opened yet.
    pub data: DataSpec,
    /// Shape of the samples, and number of classes.
    pub samples: SampleSpec,
    /// Architecture of the model.
    pub model: NetworkConfig,
    /// Pretrained weights and frozen layers to start from.
    pub start: Start,
    /// Checked `[training]` section.
    pub training: TrainingSpec,
    /// Checked `[robustness]` section; `None` if robustness is not measured.
    pub robustness: Option<RobustnessSpec>,
    /// Penalties, in the order of the `[[topology]]` tables.
    pub penalties: Vec<TopologyPenalty>,
    /// Checked `[logging]` section.
    pub logging: LoggingSpec,
    /// Checked `[checkpoint]` section.
    pub checkpoint: CheckpointSpec,
    /// Checked `[collapse]` section.
    pub collapse: CollapseSpec,
}

/// Condition on the value of a key, and the message if it does not hold.
struct Condition {
    key: String,
    holds: bool,
    message: String,
}

impl Condition {
    fn new(key: impl Into<String>, holds: bool, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            holds,
            message: message.into(),
        }
    }

    /// Condition that a count is from 1 to `most`; the message has the last part of `key`.
    ///
    /// The limits are far above what is useful; numbers beyond them are mistakes, and would exhaust the memory.
    fn count(key: impl Into<String>, value: usize, most: usize) -> Self {
        let key = key.into();
        let name = key.rsplit('.').next().unwrap_or(&key);
        let message = format!("{name} is {value}, expected 1 to {most}");
        Self::new(key, (1..=most).contains(&value), message)
    }

    /// Condition that a count is not 0; the message has the last part of `key`.
    fn at_least_one(key: impl Into<String>, value: usize) -> Self {
        let key = key.into();
        let name = key.rsplit('.').next().unwrap_or(&key);
        let message = format!("{name} is 0, expected at least 1");
        Self::new(key, value > 0, message)
    }
}

/// Checks conditions; the error has all keys with one that does not hold, and the first such condition of each.
fn require_all(
    document: &Document,
    conditions: impl IntoIterator<Item = Condition>,
) -> Result<(), ConfigError> {
    let mut failed: Vec<Condition> = Vec::new();
    for condition in conditions {
        let is_told = failed.iter().any(|earlier| earlier.key == condition.key);
        if !condition.holds && !is_told {
            failed.push(condition);
        }
    }
    let errors = failed
        .iter()
        .map(|condition| document.error_at(&condition.key, &condition.message));
    all_or(errors, ())
}

/// Returns `value` if there are no errors, or else all of them as one.
fn all_or<T>(errors: impl IntoIterator<Item = ConfigError>, value: T) -> Result<T, ConfigError> {
    ConfigError::all(errors).map_or(Ok(value), Err)
}

/// Errors of several checks, so that one of them does not hide the others.
#[derive(Default)]
struct Errors(Vec<ConfigError>);

impl Errors {
    /// Returns the value of a check that passed, and keeps the error of one that did not.
    fn keep<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    /// Returns all errors as one; there is at least one.
    fn joined(self, document: &Document) -> ConfigError {
        let all = ConfigError::all(self.0);
        all.unwrap_or_else(|| document.error_at("", "is not valid"))
    }
}

/// Checks one condition; the message is built only if it does not hold.
fn require(
    document: &Document,
    holds: bool,
    key: &str,
    message: impl FnOnce() -> String,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(document.error_at(key, message()))
    }
}

/// Checks the severity of a corruption.
fn require_severity(document: &Document, severity: usize, key: &str) -> Result<(), ConfigError> {
    require(
        document,
        (1..=N_SEVERITIES).contains(&severity),
        key,
        || format!("severity is {severity}, expected 1 to {N_SEVERITIES}"),
    )
}

/// Checks the largest change of a pixel by an attack.
fn require_epsilon(document: &Document, epsilon: f64, key: &str) -> Result<(), ConfigError> {
    require(document, 0.0 < epsilon && epsilon <= 1.0, key, || {
        format!("epsilon is {epsilon}, expected a number above 0 and at most 1")
    })
}

impl Spec {
    /// Opens the data set; the training split is reduced to `training.samples_per_class`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open_data`].
    pub fn open_data(&self) -> Result<Splits> {
        self.check_directory()?;
        Ok(self.reduced(open_data(&self.data)?))
    }

    /// Refuses a relative directory of the data that does not exist, and says where it was looked for.
    fn check_directory(&self) -> Result<()> {
        match self.data.directory() {
            Some(directory) if directory.is_relative() && !directory.exists() => {
                let working = std::env::current_dir().unwrap_or_default();
                Err(Error::file(format!(
                    "{}: no such directory, neither beside the configuration nor in the working directory, {}",
                    directory.display(),
                    working.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Opens the data set like [`Self::open_data`], with labels by the class names of a trained model.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open_data_as`].
    pub fn open_data_as(&self, classes: &[String]) -> Result<Splits> {
        Ok(self.reduced(open_data_as(&self.data, classes)?))
    }

    /// Reduces the training split to `training.samples_per_class`.
    fn reduced(&self, mut splits: Splits) -> Splits {
        if let Some(n) = self.training.samples_per_class {
            // Only the training split: evaluation stays comparable between numbers of samples.
            splits.train = subset_per_class(&splits.train, n, self.seed);
        }
        splits
    }

    /// Name of each penalty, all different; see [`TopologyPenalty::effective_name`].
    pub fn penalty_names(&self) -> Vec<String> {
        let names: Vec<_> = self
            .penalties
            .iter()
            .map(TopologyPenalty::name_or_default)
            .collect();
        distinct_names(&names)
    }

    /// Warnings about settings that have no effect, one line each.
    pub(super) fn warnings(&self, document: &Document) -> Vec<String> {
        let epochs = self.training.epochs;
        let in_training = match epochs {
            1 => "1 epoch (0)".to_owned(),
            2 => "2 epochs (0 and 1)".to_owned(),
            _ => format!("{epochs} epochs (0 to {})", epochs - 1),
        };
        let starts = self.penalties.iter().map(|p| p.schedule.start_epoch);
        let mut warnings = Vec::new();
        for ((index, start), name) in starts.enumerate().zip(self.penalty_names()) {
            if start >= epochs {
                let location = document.locate(&format!("topology.{index}.schedule.start_epoch"));
                warnings.push(format!(
                    "{location}: penalty {name} starts in epoch {start}, but training has only \
                     {in_training}, so it has no effect"
                ));
            }
        }
        for (index, (penalty, name)) in self.penalties.iter().zip(self.penalty_names()).enumerate()
        {
            // At 1, the penalty changes the model as much as the task does.
            if let Weight::GradientShare(share) = penalty.weight
                && share.abs() > 1.0
            {
                let location = document.locate(&format!("topology.{index}.weight.share"));
                warnings.push(format!(
                    "{location}: penalty {name} has a gradient share of {share}, so its gradient is larger than that of \
                     the task; shares are usually below 0.1"
                ));
            }
        }
        warnings.extend(self.frozen_layers_warnings(document));
        warnings
    }

    /// Warnings about penalties that compare frozen layers with the reference, which they stay equal to.
    fn frozen_layers_warnings(&self, document: &Document) -> Vec<String> {
        let n_frozen = self.start.n_frozen.unwrap_or(0);
        let names = self.penalty_names();
        let mut warnings = Vec::new();
        for (index, penalty) in self.penalties.iter().enumerate() {
            let pairs = penalty.layer_pairs(self.model.n_layers());
            // Layers that do not exist were refused before.
            let layers = pairs
                .unwrap_or_default()
                .into_iter()
                .map(|[layer, _]| layer);
            let frozen: Vec<String> = layers
                .filter(|&layer| layer < n_frozen)
                .map(|layer| layer.to_string())
                .collect();
            if penalty.is_between(Between::Reference) && !frozen.is_empty() {
                warnings.push(format!(
                    "{}: penalty {} compares frozen layers ({}), which stay equal to the reference and have no \
                     gradient; list only layers that are trained",
                    document.locate(&format!("topology.{index}.layers")),
                    names[index],
                    frozen.join(", ")
                ));
            }
        }
        warnings
    }

    /// Checks a file without opening the data set, whose shape follows from the file.
    pub(super) fn new(document: &Document, raw: &RawConfig) -> Result<Self, ConfigError> {
        let mut errors = Errors::default();
        errors.keep(check_name(document, &raw.run.name));
        errors.keep(records::check_records(document, raw));
        // Data, model, training, penalties: each is checked against those before it, if these are valid.
        let data = data::data(document, &raw.data)
            .and_then(|data| start::scaled_data(document, &raw.model, data));
        let data = errors.keep(data);
        let statistics = data.as_ref().and_then(|data| {
            let n_channels = data.sample_spec().n_channels;
            errors.keep(data::statistics(document, raw, n_channels))
        });
        let model = data
            .as_ref()
            .and_then(|data| errors.keep(model::model(document, &raw.model, data)))
            .map(|model| model.with_statistics(statistics.flatten()));
        let start = model
            .as_ref()
            .and_then(|model| errors.keep(start::start(document, &raw.model, model)));
        let (Some(data), Some(model), Some(start)) = (data, model, start) else {
            errors.keep(training::check_numbers(document, &raw.training));
            errors.keep(optimizer::check_settings(document, &raw.training.optimizer));
            return Err(errors.joined(document));
        };
        let samples = data.sample_spec();
        let robustness = errors.keep(records::robustness(document, raw, &model));
        let training = training::training(document, &raw.training, samples, &model, &start);
        let training = errors.keep(training);
        let context = PenaltyContext {
            document,
            model: &model,
            data: &data,
            seed: raw.run.seed,
            has_view: raw.training.view.is_some(),
            has_reference: start.init_from.is_some(),
        };
        let penalties = errors.keep(context.penalties(&raw.topology));
        if let (Some(training), Some(penalties)) = (&training, &penalties) {
            errors.keep(check_flow(document, training, penalties));
            errors.keep(check_shares(document, &model, penalties));
        }
        let (Some(robustness), Some(training), Some(penalties), true) =
            (robustness, training, penalties, errors.0.is_empty())
        else {
            return Err(errors.joined(document));
        };
        Ok(Self {
            name: raw.run.name.clone(),
            seed: raw.run.seed,
            data,
            samples,
            model,
            start,
            training,
            robustness,
            penalties,
            logging: raw.logging,
            checkpoint: raw.checkpoint,
            collapse: raw.collapse,
        })
    }
}

/// Checks `run.name`.
fn check_name(document: &Document, name: &str) -> Result<(), ConfigError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    require(
        document,
        // The name becomes a directory: the first character must not make it hidden or look like an option.
        name.chars().all(is_plain) && name.starts_with(char::is_alphanumeric),
        "run.name",
        || {
            format!(
                "run name `{name}` is not a plain file name, expected a letter or digit, then letters, digits, `.`, `_` and `-`"
            )
        },
    )
}

/// Checks that no gradient share of a generator is measured before its attention acts.
fn check_shares(
    document: &Document,
    model: &NetworkConfig,
    penalties: &[TopologyPenalty],
) -> Result<(), ConfigError> {
    let is_generator = Task::from_config(model) == Task::Generate;
    let conditions = penalties.iter().enumerate().map(|(index, penalty)| {
        let is_share = matches!(penalty.weight, Weight::GradientShare(_));
        Condition::new(
            format!("topology.{index}.weight"),
            !(is_generator && is_share) || penalty.schedule.start_epoch > 0,
            "a gradient share is measured when the penalty starts, and the attention of a new generator does not act yet, \
             since its gates are 0; set schedule.start_epoch to at least 1, or a fixed weight",
        )
    });
    require_all(document, conditions)
}

/// Checks that the known flow, if a penalty uses it, holds for the training samples.
fn check_flow(
    document: &Document,
    training: &TrainingSpec,
    penalties: &[TopologyPenalty],
) -> Result<(), ConfigError> {
    let uses_flow = penalties
        .iter()
        .any(|penalty| penalty.kind.alignment() == Alignment::Flow);
    require(
        document,
        // Augmentation moves the pixels of a clip, but not its ground truth.
        training.augment == Augment::default() || !uses_flow,
        "training.augment",
        || {
            "the known flow does not hold for augmented clips; leave augment out, or set \
             alignment = \"position\""
                .to_owned()
        },
    )?;
    let alphas = [
        ("mixup_alpha", training.mixing.mixup_alpha),
        ("cutmix_alpha", training.mixing.cutmix_alpha),
    ];
    require_all(
        document,
        alphas.map(|(key, alpha)| {
            Condition::new(
                format!("training.{key}"),
                alpha == 0.0 || !uses_flow,
                format!(
                    "the known flow does not hold for mixed clips; leave {key} out, or set alignment = \"position\""
                ),
            )
        }),
    )
}
