//! `training.optimizer` and `training.schedule`: checked optimiser and learning-rate schedule.

use super::{Condition, Start, require, require_all};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{LearningRate, RawOptimizer};

/// Checked `training.optimizer`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerSpec {
    /// Rule by which the parameters are updated.
    pub rule: UpdateRule,
    /// Largest learning rate.
    pub lr: f64,
    /// Weight decay, with `l2_sp` that of the classifier only.
    pub weight_decay: f64,
    /// Weight decay of all other parameters towards the pretrained weights, above 0; `None` if they decay towards 0.
    pub l2_sp: Option<f64>,
    /// Factor of the learning rate from each layer to the one before it, above 0 and at most 1.
    pub layer_decay: f64,
}

/// Rule by which an optimiser updates the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UpdateRule {
    /// Adam with decoupled weight decay.
    AdamW,
    /// Stochastic gradient descent.
    Sgd {
        /// Factor of the previous update in the next one, at least 0 and below 1; 0 is off.
        momentum: f64,
        /// True for Nesterov's momentum.
        nesterov: bool,
    },
    /// Sign of an average of gradients, with decoupled weight decay.
    Lion,
}

impl UpdateRule {
    /// Number of averages that the optimiser keeps for each parameter.
    pub fn n_moments(self) -> usize {
        match self {
            Self::AdamW => 2,
            Self::Sgd { momentum: 0.0, .. } => 0,
            Self::Sgd { .. } | Self::Lion => 1,
        }
    }
}

/// Checks `training.optimizer` against the weights that training starts from.
pub(super) fn optimizer(
    document: &Document,
    raw: &RawOptimizer,
    start: &Start,
) -> Result<OptimizerSpec, ConfigError> {
    let spec = unchecked(raw);
    check_numbers(document, &spec)?;
    require(
        document,
        spec.l2_sp.is_none() || start.init_from.is_some(),
        "training.optimizer.l2_sp",
        || {
            "l2_sp is a decay towards pretrained weights, but training starts from random ones; set \
             model.init_from, or leave l2_sp out"
                .to_owned()
        },
    )?;
    Ok(spec)
}

/// Checks the settings alone, for a configuration whose other parts are not valid.
pub(super) fn check_settings(document: &Document, raw: &RawOptimizer) -> Result<(), ConfigError> {
    check_numbers(document, &unchecked(raw))
}

/// Takes the settings as they are written.
fn unchecked(raw: &RawOptimizer) -> OptimizerSpec {
    match *raw {
        RawOptimizer::Adamw {
            lr,
            weight_decay,
            l2_sp,
            layer_decay,
        } => OptimizerSpec {
            rule: UpdateRule::AdamW,
            lr,
            weight_decay,
            l2_sp,
            layer_decay,
        },
        RawOptimizer::Sgd {
            lr,
            weight_decay,
            momentum,
            nesterov,
            l2_sp,
            layer_decay,
        } => OptimizerSpec {
            rule: UpdateRule::Sgd { momentum, nesterov },
            lr,
            weight_decay,
            l2_sp,
            layer_decay,
        },
        RawOptimizer::Lion {
            lr,
            weight_decay,
            l2_sp,
            layer_decay,
        } => OptimizerSpec {
            rule: UpdateRule::Lion,
            lr,
            weight_decay,
            l2_sp,
            layer_decay,
        },
    }
}

/// Checks the ranges of all numbers.
fn check_numbers(document: &Document, spec: &OptimizerSpec) -> Result<(), ConfigError> {
    let OptimizerSpec {
        rule,
        lr,
        weight_decay,
        layer_decay,
        ..
    } = *spec;
    // Absent is valid, and so is the 1 in its place.
    let l2_sp = spec.l2_sp.unwrap_or(1.0);
    // Other optimisers have no momentum, and no Nesterov's momentum.
    let (momentum, nesterov) = match rule {
        UpdateRule::Sgd { momentum, nesterov } => (momentum, nesterov),
        UpdateRule::AdamW | UpdateRule::Lion => (0.0, false),
    };
    require_all(
        document,
        [
            Condition::new(
                "training.optimizer.lr",
                lr > 0.0 && lr.is_finite(),
                format!("lr is {lr}, expected a finite number above 0"),
            ),
            Condition::new(
                "training.optimizer.weight_decay",
                weight_decay >= 0.0 && weight_decay.is_finite(),
                format!("weight_decay is {weight_decay}, expected a finite number of at least 0"),
            ),
            Condition::new(
                "training.optimizer.l2_sp",
                // At 0 nothing would decay but the classifier, which looks like an absent key and is not.
                l2_sp > 0.0 && l2_sp.is_finite(),
                format!(
                    "l2_sp is {l2_sp}, expected a finite number above 0; leave it out for ordinary weight decay"
                ),
            ),
            Condition::new(
                "training.optimizer.layer_decay",
                // At 0 all layers but the last would stand still, which `freeze` is for.
                layer_decay > 0.0 && layer_decay <= 1.0,
                format!(
                    "layer_decay is {layer_decay}, expected a factor above 0 and at most 1; 1 is off"
                ),
            ),
            Condition::new(
                "training.optimizer.momentum",
                (0.0..1.0).contains(&momentum),
                format!(
                    "momentum is {momentum}, expected a factor of at least 0 and below 1; 0 is off"
                ),
            ),
            Condition::new(
                "training.optimizer.nesterov",
                !nesterov || momentum > 0.0,
                "nesterov is true, but momentum is 0; set momentum, or leave nesterov out",
            ),
        ],
    )
}

/// Checks `training.schedule`.
pub(super) fn schedule(
    document: &Document,
    schedule: LearningRate,
) -> Result<LearningRate, ConfigError> {
    let key = |name: &str| format!("training.schedule.{name}");
    let is_above_1 = |value: f64| value >= 1.0 && value.is_finite();
    match schedule {
        LearningRate::Constant {} | LearningRate::Cosine { .. } | LearningRate::Linear { .. } => {}
        LearningRate::Step {
            every_epochs,
            factor,
            ..
        } => require_all(
            document,
            [
                Condition::at_least_one(key("every_epochs"), every_epochs),
                Condition::new(
                    key("factor"),
                    factor > 0.0 && factor < 1.0,
                    format!("factor is {factor}, expected a number above 0 and below 1"),
                ),
            ],
        )?,
        LearningRate::OneCycle {
            rise,
            start_divisor,
            end_divisor,
        } => require_all(
            document,
            [
                Condition::new(
                    key("rise"),
                    (0.0..1.0).contains(&rise),
                    format!("rise is {rise}, expected a fraction of at least 0 and below 1"),
                ),
                Condition::new(
                    key("start_divisor"),
                    is_above_1(start_divisor),
                    format!(
                        "start_divisor is {start_divisor}, expected a finite number of at least 1"
                    ),
                ),
                Condition::new(
                    key("end_divisor"),
                    is_above_1(end_divisor),
                    format!("end_divisor is {end_divisor}, expected a finite number of at least 1"),
                ),
            ],
        )?,
    }
    Ok(schedule)
}
