//! What a run needs, checked: the file's words turned into the values they stand for.

mod data;
mod model;
mod records;
mod start;
mod topology;
mod training;

use super::document::Document;
use super::error::ConfigError;
use super::raw::RawConfig;
use crate::data::{
    Augment, DataSpec, N_SEVERITIES, SampleSpec, Splits, few_of_each_class, open_data,
};
use crate::loss::{Alignment, TopologyPenalty};
use crate::model::NetworkConfig;

pub use records::{CheckpointSpec, CollapseAction, CollapseSpec, LoggingSpec, RobustnessSpec};
pub use start::Start;
pub use training::{LearningRate, TrainingSpec};

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name of the run.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The data set, not yet opened.
    pub data: DataSpec,
    /// Shape of its samples.
    pub samples: SampleSpec,
    /// The model.
    pub model: NetworkConfig,
    /// Where it starts from.
    pub start: Start,
    /// The training.
    pub training: TrainingSpec,
    /// Attacks and corruptions at the end; `None` if there are none.
    pub robustness: Option<RobustnessSpec>,
    /// The penalties.
    pub penalties: Vec<TopologyPenalty>,
    /// What is logged.
    pub logging: LoggingSpec,
    /// What is kept.
    pub checkpoint: CheckpointSpec,
    /// What is watched.
    pub collapse: CollapseSpec,
}

/// Whether a condition that the file must meet holds; the message is built only if not.
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

/// Checks how much samples are corrupted.
fn require_severity(document: &Document, severity: usize, key: &str) -> Result<(), ConfigError> {
    require(
        document,
        (1..=N_SEVERITIES).contains(&severity),
        key,
        || format!("severity is {severity}, expected 1 to {N_SEVERITIES}"),
    )
}

/// Checks how much an attack may change a pixel.
fn require_epsilon(document: &Document, epsilon: f64, key: &str) -> Result<(), ConfigError> {
    require(document, 0.0 < epsilon && epsilon <= 1.0, key, || {
        format!("epsilon is {epsilon}, expected a number above 0 and at most 1")
    })
}

impl Spec {
    /// The samples; of those to learn from as many as the training asks for.
    ///
    /// # Errors
    ///
    /// As [`open_data`]; samples that must be read to know their classes and cannot be.
    pub fn open_data(&self) -> Result<Splits, String> {
        let mut splits = open_data(&self.data)?;
        if let Some(n) = self.training.samples_per_class {
            splits.train = few_of_each_class(&splits.train, n, self.seed)?;
        }
        Ok(splits)
    }

    /// Checks what a file says against itself and against the shape of the data, which need not be
    /// at hand.
    pub(super) fn new(document: &Document, raw: &RawConfig) -> Result<Self, ConfigError> {
        let name = raw.run.name.clone();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        require(
            document,
            name.chars().all(plain) && name.starts_with(char::is_alphanumeric),
            "run.name",
            || {
                format!(
                    "run name `{name}` is not a plain file name, expected letters, digits, `.`, `_` and `-`"
                )
            },
        )?;
        let (logging, checkpoint, collapse) = records::records(document, raw)?;
        let data = data::data(document, &raw.data)?;
        let samples = data.samples();
        let model = model::model(document, &raw.model, samples)?;
        let robustness = records::robustness(document, raw, &model)?;
        let start = start::start(document, &raw.model, &model)?;
        let training = training::training(document, &raw.training, samples, &model)?;
        let penalties = raw
            .topology
            .iter()
            .enumerate()
            .map(|(index, table)| {
                let has_view = training.view.is_some();
                topology::penalty(
                    document,
                    index,
                    table,
                    raw.run.seed,
                    &model,
                    &data,
                    has_view,
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let is_aligned = |penalty: &TopologyPenalty| penalty.alignment == Alignment::Flow;
        require(
            document,
            training.augment == Augment::default() || !penalties.iter().any(is_aligned),
            "training.augment",
            || {
                "augmented clips do not move as their flow says; leave it out, or align by position"
                    .into()
            },
        )?;
        Ok(Self {
            name,
            seed: raw.run.seed,
            data,
            samples,
            model,
            start,
            training,
            robustness,
            penalties,
            logging,
            checkpoint,
            collapse,
        })
    }
}
