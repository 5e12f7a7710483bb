//! `[logging]`, `[checkpoint]`, `[robustness]` and `[collapse]`, checked.

use super::{Condition, require, require_all, require_epsilon, require_severity};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{CollapseAction, RawConfig};
use crate::model::{NetworkConfig, VideoHead};

/// Checked `[logging]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggingSpec {
    /// Number of steps between two records of the training loss, at least 1.
    pub log_every_steps: usize,
    /// Number of epochs between two sets of images of diagrams and barcodes, at least 1.
    pub images_every_epochs: usize,
    /// Number of epochs between two records of temporal coherence, at least 1.
    pub coherence_every_epochs: usize,
    /// Number of images or frames of a split whose topology is measured, at least 1.
    pub topology_images: usize,
}

/// Checked `[checkpoint]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointSpec {
    /// Number of steps between two checkpoints within an epoch; `None` if there are none.
    pub every_steps: Option<usize>,
    /// Number of newest checkpoints that are kept, at least 1.
    pub keep_last: usize,
}

/// Checked `[collapse]` section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollapseSpec {
    /// Action when the attention of a layer collapses.
    pub action: CollapseAction,
    /// Fraction of the largest mean distance below which a layer counts as collapsed, 0 to 1.
    pub fraction_of_peak: f64,
}

/// Checked `[robustness]` section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustnessSpec {
    /// Largest change of a pixel by an attack, as a fraction of the range of pixels; above 0 and at
    /// most 1.
    pub epsilon: f64,
    /// Number of steps of projected gradient descent, at least 1.
    pub pgd_steps: usize,
    /// Number of starts of projected gradient descent, at least 1.
    pub pgd_starts: usize,
    /// Severity of the corruptions, 1 to 5.
    pub severity: usize,
}

/// Checks `[robustness]`; `None` if there is no such section.
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
            "robustness is measured for classifiers, and the model predicts frames; leave the \
             section out"
                .to_owned()
        },
    )?;
    require_epsilon(document, raw.epsilon, "robustness.epsilon")?;
    require_all(
        document,
        [
            Condition::at_least_one("robustness.pgd_steps", raw.pgd_steps),
            Condition::at_least_one("robustness.pgd_starts", raw.pgd_starts),
        ],
    )?;
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
    let (logging, checkpoint, collapse) = (raw.logging, raw.checkpoint, raw.collapse);
    let fraction = collapse.fraction_of_peak;
    require_all(
        document,
        [
            Condition::at_least_one("logging.log_every_steps", logging.log_every_steps),
            Condition::at_least_one("logging.images_every_epochs", logging.images_every_epochs),
            Condition::at_least_one(
                "logging.coherence_every_epochs",
                logging.coherence_every_epochs,
            ),
            Condition::at_least_one("logging.topology_images", logging.topology_images),
            Condition::at_least_one("checkpoint.keep_last", checkpoint.keep_last),
            Condition::at_least_one(
                "checkpoint.every_steps",
                // Absent is valid, and so is the 1 in its place.
                checkpoint.every_steps.unwrap_or(1),
            ),
            Condition::new(
                "collapse.fraction_of_peak",
                (0.0..=1.0).contains(&fraction),
                format!("fraction_of_peak is {fraction}, expected a number from 0 to 1"),
            ),
        ],
    )?;
    let logging = LoggingSpec {
        log_every_steps: logging.log_every_steps,
        images_every_epochs: logging.images_every_epochs,
        coherence_every_epochs: logging.coherence_every_epochs,
        topology_images: logging.topology_images,
    };
    let checkpoint = CheckpointSpec {
        every_steps: checkpoint.every_steps,
        keep_last: checkpoint.keep_last,
    };
    let collapse = CollapseSpec {
        action: collapse.action,
        fraction_of_peak: fraction,
    };
    Ok((logging, checkpoint, collapse))
}
