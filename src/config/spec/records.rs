//! `[logging]`, `[checkpoint]`, `[robustness]` and `[collapse]`, checked.

use super::{Condition, require, require_all, require_epsilon, require_severity};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawConfig, RobustnessSpec};
use crate::model::{NetworkConfig, Task};

/// Checks `[robustness]`; `None` if there is no such section.
pub(super) fn robustness(
    document: &Document,
    raw: &RawConfig,
    model: &NetworkConfig,
) -> Result<Option<RobustnessSpec>, ConfigError> {
    let Some(raw) = raw.robustness else {
        return Ok(None);
    };
    let task = Task::from_config(model);
    require(document, task.predicts_classes(), "robustness", || {
        format!(
            "robustness is measured for classifiers, and this is {}; leave the section out",
            task.in_words()
        )
    })?;
    require_epsilon(document, raw.epsilon, "robustness.epsilon")?;
    require_all(
        document,
        [
            Condition::at_least_one("robustness.pgd_steps", raw.pgd_steps),
            Condition::at_least_one("robustness.pgd_starts", raw.pgd_starts),
        ],
    )?;
    require_severity(document, raw.severity, "robustness.severity")?;
    Ok(Some(raw))
}

/// Checks `[logging]`, `[checkpoint]` and `[collapse]`.
pub(super) fn check_records(document: &Document, raw: &RawConfig) -> Result<(), ConfigError> {
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
    )
}
