//! Types of a configuration file: its keys, their types and their defaults, without checks.
//!
//! A choice that the file spells as the library does has the type of the library, which serde names
//! in snake case. A type `Raw...` is what the file writes in another form.
//!
//! The first paragraphs of the documentation comments of all these types are the descriptions in the
//! JSON schema, which editors show for each key. Every struct refuses unknown keys. Defaults are those of the library
//! where it has them, and a run stores them in its resolved configuration, so that nothing is hidden.

mod data;
mod model;
mod penalty_source;
mod records;
mod topology;
mod training;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use data::{RawCaptions, RawData, RawUnreadable};
pub use model::{RawBlock, RawGenerator, RawLinearProbe, RawModel, RawText, RawVideo};
pub use penalty_source::{RawBetween, RawPixels, RawSource};
pub use records::{CheckpointSpec, CollapseAction, CollapseSpec, LoggingSpec, RobustnessSpec};
pub use topology::{All, RawEdges, RawLayers, RawPartners, RawPenalty, RawTopology, RawWeight};
pub use training::{
    LearningRate, RawEarlyStopping, RawOptimizer, RawTraining, RawView, StoppingMetric,
};

/// Configuration file of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "burn-topology configuration",
    description = "Configuration of one training run; reference.toml explains every key."
)]
pub struct RawConfig {
    /// `[run]`: name and seed.
    pub run: RawRun,
    /// `[data]`: data set.
    pub data: RawData,
    /// `[model]`: architecture, and pretrained weights to start from.
    pub model: RawModel,
    /// `[training]`: epochs, batches, optimiser, learning-rate schedule and augmentation.
    pub training: RawTraining,
    /// `[logging]`: how often metrics and images are logged.
    #[serde(default)]
    pub logging: LoggingSpec,
    /// `[checkpoint]`: how often checkpoints are written, and how many are kept.
    #[serde(default)]
    pub checkpoint: CheckpointSpec,
    /// `[collapse]`: action when the attention of a layer collapses.
    #[serde(default)]
    pub collapse: CollapseSpec,
    /// `[robustness]`: attacks and corruptions on the test split after training; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robustness: Option<RobustnessSpec>,
    /// `[[topology]]`: one table for each penalty; absent: there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology: Vec<RawTopology>,
}

/// `[run]`: name and seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRun {
    /// Name of the run; its directory is `runs/<name>` unless `--output` gives another.
    pub name: String,
    /// Seed of initialisation, order of samples, augmentation, mixup and dropout.
    #[serde(default)]
    pub seed: u64,
}
