//! Conditions under which a model is measured: clean samples, attacks and corruptions.

use crate::counted::counted;
use crate::data::{Attack, Corruption, N_SEVERITIES, Perturbation};
use crate::error::{Error, Result};

/// Factor by which the long attack has more steps; it shows whether more steps would find more errors.
pub(super) const LONG_PGD_FACTOR: usize = 5;

// The names of the long attack are constants that contain the factor.
const _: () = assert!(LONG_PGD_FACTOR == 5);

/// Kind of perturbation, without its strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionKind {
    /// No perturbation.
    Clean,
    /// Every pixel moves up or down by epsilon, at random.
    Random,
    /// One step along the sign of the gradient.
    Fgsm,
    /// Projected gradient descent.
    Pgd,
    /// Projected gradient descent with five times the steps.
    LongPgd,
    /// Projected gradient descent against another model; the samples are then given to this one.
    Transfer,
    /// Corruption that does not depend on the model.
    Corrupted(Corruption),
}

impl ConditionKind {
    /// Returns the name in tables and legends.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Random => "random change",
            Self::Fgsm => "FGSM",
            Self::Pgd => "PGD",
            Self::LongPgd => "PGD, 5 times the steps",
            Self::Transfer => "PGD against the other model",
            Self::Corrupted(corruption) => corruption.name(),
        }
    }
}

/// A perturbation of all samples, with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustnessCondition {
    /// Kind of perturbation.
    pub kind: ConditionKind,
    /// Epsilon of an attack, as a fraction of the range of pixels, or severity of a corruption from 1 to 5; 0 for clean
    /// samples.
    pub strength: f64,
    /// Perturbation with all of its settings.
    pub perturbation: Perturbation,
}

impl RobustnessCondition {
    /// Returns the name in tables, with the strength.
    pub fn name(&self) -> String {
        match self.kind {
            ConditionKind::Clean => "clean".to_owned(),
            ConditionKind::Corrupted(corruption) => {
                format!("{}, severity {}", corruption.name(), self.strength)
            }
            kind => format!("{}, epsilon {}", kind.name(), self.strength),
        }
    }
}

/// Plan of the conditions: clean samples, attacks of increasing strength, corruptions of all severities.
///
/// # Example
///
/// ```
/// use burn_topology::analysis::robustness::{ConditionKind, RobustnessPlan};
///
/// let plan = RobustnessPlan::new(vec![0.05, 0.1], 20, 2, false)?;
/// let conditions = plan.conditions();
/// assert_eq!(conditions.len(), 1 + 2 * 3 + 1 + 4 * 5);
/// assert_eq!(conditions[0].kind, ConditionKind::Clean);
/// assert!(RobustnessPlan::new(vec![0.1, 0.05], 20, 2, false).is_err());
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RobustnessPlan {
    /// Epsilons of the attacks, in increasing order.
    pub epsilons: Vec<f64>,
    /// Number of steps of projected gradient descent from each start.
    pub pgd_steps: usize,
    /// Number of starts of projected gradient descent.
    pub pgd_starts: usize,
    /// True if attacks on another model are tried too.
    pub has_other: bool,
}

impl RobustnessPlan {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the epsilons are not numbers above 0 and at most 1 in increasing order, or if
    /// there are no epsilons, steps or starts.
    pub fn new(
        epsilons: Vec<f64>,
        pgd_steps: usize,
        pgd_starts: usize,
        has_other: bool,
    ) -> Result<Self> {
        // Comparisons with NaN are false, so NaN is refused as well.
        let is_increasing = epsilons.is_sorted_by(|a, b| a < b);
        let are_fractions = epsilons.iter().all(|&e| 0.0 < e && e <= 1.0);
        if epsilons.is_empty() || !is_increasing || !are_fractions {
            return Err(Error::invalid_parameter(format!(
                "the epsilons of the attacks are {epsilons:?}, expected numbers above 0 and at most 1 in \
                 increasing order"
            )));
        }
        if pgd_steps == 0 || pgd_starts == 0 {
            return Err(Error::invalid_parameter(format!(
                "projected gradient descent has {} and {}, expected at least 1 of each",
                counted(pgd_steps, "step"),
                counted(pgd_starts, "start")
            )));
        }
        Ok(Self {
            epsilons,
            pgd_steps,
            pgd_starts,
            has_other,
        })
    }

    /// Returns all conditions, clean samples first. Without epsilons there are no attacks.
    pub fn conditions(&self) -> Vec<RobustnessCondition> {
        let pgd = |n_steps| Attack::Pgd {
            n_steps,
            n_starts: self.pgd_starts,
        };
        let mut attacks = vec![
            (ConditionKind::Random, Attack::Random),
            (ConditionKind::Fgsm, Attack::Fgsm),
            (ConditionKind::Pgd, pgd(self.pgd_steps)),
        ];
        if self.has_other {
            attacks.push((ConditionKind::Transfer, pgd(self.pgd_steps)));
        }
        let attacked = |kind, attack, epsilon| RobustnessCondition {
            kind,
            strength: epsilon,
            perturbation: Perturbation::Attack { attack, epsilon },
        };
        // Clean samples come first: all other conditions are compared with them.
        let mut conditions = vec![RobustnessCondition {
            kind: ConditionKind::Clean,
            strength: 0.0,
            perturbation: Perturbation::None,
        }];
        for (kind, attack) in attacks {
            let epsilons = self.epsilons.iter();
            conditions.extend(epsilons.map(|&epsilon| attacked(kind, attack, epsilon)));
        }
        // The long attack checks convergence, for which one strength is enough.
        let middle = self.epsilons.get(self.epsilons.len().saturating_sub(1) / 2);
        let long = pgd(LONG_PGD_FACTOR * self.pgd_steps);
        conditions.extend(middle.map(|&epsilon| attacked(ConditionKind::LongPgd, long, epsilon)));
        for corruption in Corruption::ALL {
            conditions.extend((1..=N_SEVERITIES).map(|severity| RobustnessCondition {
                kind: ConditionKind::Corrupted(corruption),
                strength: severity as f64,
                perturbation: Perturbation::Corrupt {
                    corruption,
                    severity,
                },
            }));
        }
        conditions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_refused_are_named() {
        for (epsilons, pgd_starts, expected) in [
            (
                vec![0.1, 0.05],
                1,
                "the epsilons of the attacks are [0.1, 0.05], expected numbers above 0 and at most 1 in increasing order",
            ),
            (vec![], 1, "the epsilons of the attacks are [], expected"),
            (
                vec![0.1],
                0,
                "projected gradient descent has 1 step and 0 starts, expected at least 1 of each",
            ),
        ] {
            let error = RobustnessPlan::new(epsilons, 1, pgd_starts, false).unwrap_err();
            assert!(error.is_invalid_parameter());
            let message = error.to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn a_plan_without_epsilons_has_no_attacks() {
        // The fields are public, so that `new` may be passed by.
        let plan = RobustnessPlan {
            epsilons: Vec::new(),
            pgd_steps: 1,
            pgd_starts: 1,
            has_other: true,
        };
        let conditions = plan.conditions();
        assert_eq!(conditions.len(), 1 + 4 * N_SEVERITIES);
        assert!(
            conditions[1..]
                .iter()
                .all(|condition| matches!(condition.kind, ConditionKind::Corrupted(_)))
        );
    }
}
