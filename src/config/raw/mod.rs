//! The configuration file as it is written: names, types and defaults, no judgement.
//!
//! Every struct refuses unknown keys. What a paper would report has no default.

mod data;
mod model;
mod records;
mod topology;
mod training;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use data::{RawClip, RawCrop, RawData, RawUnreadable};
pub use model::{
    RawActivation, RawBlock, RawDistillation, RawHead, RawLinearProbe, RawModel, RawPooling,
    RawPositions, RawSize, RawVideo,
};
pub use records::{RawCheckpoint, RawCollapse, RawCollapseAction, RawLogging, RawRobustness};
pub use topology::{
    All, RawAlignment, RawBetween, RawDirection, RawDistance, RawEdges, RawGroundNorm, RawHeads,
    RawLayers, RawNormalize, RawPairs, RawPartners, RawPenalty, RawPower, RawSchedule, RawSource,
    RawTokens, RawTopology, RawWeight,
};
pub use training::{RawAugment, RawLearningRate, RawOptimizer, RawTraining, RawView};

/// A whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "burn-topology configuration",
    description = "A training run; see reference.toml for every key."
)]
pub struct RawConfig {
    /// `[run]`
    pub run: RawRun,
    /// `[data]`
    pub data: RawData,
    /// `[model]`
    pub model: RawModel,
    /// `[training]`
    pub training: RawTraining,
    /// `[logging]`
    #[serde(default)]
    pub logging: RawLogging,
    /// `[checkpoint]`
    #[serde(default)]
    pub checkpoint: RawCheckpoint,
    /// `[collapse]`
    #[serde(default)]
    pub collapse: RawCollapse,
    /// `[robustness]`; absent: not measured
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robustness: Option<RawRobustness>,
    /// `[[topology]]`, as many as wanted
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology: Vec<RawTopology>,
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRun {
    /// Name of the run; its directory is `runs/<name>` unless `--out` says otherwise.
    pub name: String,
    /// Seed of initialisation, order, augmentation and dropout.
    pub seed: u64,
}
