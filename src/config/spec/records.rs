//! The checked sections that say what is kept and watched.

use super::{require, require_epsilon, require_severity};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawCollapseAction, RawConfig};
use crate::model::{NetworkConfig, VideoHead};

/// The checked `[logging]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggingSpec {
    /// Steps between two records of the training loss, at least 1.
    pub log_every_steps: usize,
    /// Epochs between two sets of pictures, at least 1.
    pub pictures_every_epochs: usize,
    /// Epochs between two records of temporal coherence, at least 1.
    pub coherence_every_epochs: usize,
    /// Images of a split whose topology is measured, at least 1.
    pub topology_images: usize,
}

/// The checked `[checkpoint]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointSpec {
    /// Steps between two checkpoints within an epoch.
    pub every_steps: Option<usize>,
    /// Newest checkpoints kept, at least 1.
    pub keep_last: usize,
}

/// The checked `[collapse]` section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollapseSpec {
    /// What happens at an alarm.
    pub action: CollapseAction,
    /// Fraction of the largest mean distance below which a layer is in alarm, 0 to 1.
    pub fraction_of_peak: f64,
}

/// What happens when a layer's attention collapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollapseAction {
    /// Nothing beside the number in the records.
    Off,
    /// The person watching is told.
    Warn,
    /// Training ends.
    Stop,
}

/// The checked `[robustness]` section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustnessSpec {
    /// Largest change of a pixel by an attack, a fraction of the range of pixels, above 0 and at most 1.
    pub epsilon: f64,
    /// Steps of projected gradient descent, at least 1.
    pub pgd_steps: usize,
    /// Its starts, at least 1.
    pub pgd_starts: usize,
    /// How much images are corrupted, 1 to 5.
    pub severity: usize,
}

/// Checks `[robustness]`.
pub(super) fn robustness(
    document: &Document,
    raw: &RawConfig,
    model: &NetworkConfig,
) -> Result<Option<RobustnessSpec>, ConfigError> {
    let Some(raw) = raw.robustness else {
        return Ok(None);
    };
    require(
        document,
        model.head() != VideoHead::NextFrame,
        "robustness",
        || {
            "robustness is that of classes, and the model predicts frames; leave the section out"
                .to_owned()
        },
    )?;
    require_epsilon(document, raw.epsilon, "robustness.epsilon")?;
    for (key, value) in [("pgd_steps", raw.pgd_steps), ("pgd_starts", raw.pgd_starts)] {
        require(document, value > 0, &format!("robustness.{key}"), || {
            format!("{key} is 0, expected at least 1")
        })?;
    }
    require_severity(document, raw.severity, "robustness.severity")?;
    Ok(Some(RobustnessSpec {
        epsilon: raw.epsilon,
        pgd_steps: raw.pgd_steps,
        pgd_starts: raw.pgd_starts,
        severity: raw.severity,
    }))
}

/// Checks `[logging]`, `[checkpoint]` and `[collapse]`.
pub(super) fn records(
    document: &Document,
    raw: &RawConfig,
) -> Result<(LoggingSpec, CheckpointSpec, CollapseSpec), ConfigError> {
    let at_least_one = |key: &str, value: usize| {
        require(document, value > 0, key, || {
            let name = key.rsplit('.').next().unwrap_or(key);
            format!("{name} is 0, expected at least 1")
        })
    };
    at_least_one("logging.log_every_steps", raw.logging.log_every_steps)?;
    let every_epochs = raw.logging.pictures_every_epochs;
    at_least_one("logging.pictures_every_epochs", every_epochs)?;
    let coherence_every_epochs = raw.logging.coherence_every_epochs;
    at_least_one("logging.coherence_every_epochs", coherence_every_epochs)?;
    at_least_one("logging.topology_images", raw.logging.topology_images)?;
    at_least_one("checkpoint.keep_last", raw.checkpoint.keep_last)?;
    if let Some(every_steps) = raw.checkpoint.every_steps {
        at_least_one("checkpoint.every_steps", every_steps)?;
    }
    let fraction_of_peak = raw.collapse.fraction_of_peak;
    require(
        document,
        (0.0..=1.0).contains(&fraction_of_peak),
        "collapse.fraction_of_peak",
        || format!("fraction_of_peak is {fraction_of_peak}, expected a number from 0 to 1"),
    )?;
    let logging = LoggingSpec {
        log_every_steps: raw.logging.log_every_steps,
        pictures_every_epochs: every_epochs,
        coherence_every_epochs,
        topology_images: raw.logging.topology_images,
    };
    let checkpoint = CheckpointSpec {
        every_steps: raw.checkpoint.every_steps,
        keep_last: raw.checkpoint.keep_last,
    };
    let collapse = CollapseSpec {
        action: match raw.collapse.action {
            RawCollapseAction::Off => CollapseAction::Off,
            RawCollapseAction::Warn => CollapseAction::Warn,
            RawCollapseAction::Stop => CollapseAction::Stop,
        },
        fraction_of_peak,
    };
    Ok((logging, checkpoint, collapse))
}
