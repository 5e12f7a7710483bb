//! Checks of the attacks: if gradients are hidden, attacks are weak and a model only seems robust.

use super::condition::ConditionKind;
use super::results::{ConditionResult, Robustness};

/// Decrease of the accuracy with five times as many steps, at and above which the usual number of steps is too small.
const CONVERGENCE_TOLERANCE: f64 = 0.015;

/// Check that an attack is as strong as it should be.
///
/// # Source
///
/// Athalye et al., "Obfuscated Gradients Give a False Sense of Security", 2018, section 3.1; Carlini et al., "On
/// Evaluating Adversarial Robustness", 2019.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Expected property.
    pub title: &'static str,
    /// Measured values, as text.
    pub actual: String,
    /// True if the property holds.
    pub holds: bool,
}

/// Runs all checks.
pub(super) fn checks(robustness: &Robustness) -> Vec<Check> {
    let accuracies = |kind: ConditionKind| -> Vec<f64> {
        let results = robustness.by_kind(kind);
        results.map(|result| result.scores.accuracy).collect()
    };
    let pgd = accuracies(ConditionKind::Pgd);
    let mut checks = vec![
        at_least_as_strong(
            "PGD is at least as strong as FGSM",
            robustness,
            ConditionKind::Pgd,
            ConditionKind::Fgsm,
        ),
        at_least_as_strong(
            "PGD is at least as strong as random changes of the same size",
            robustness,
            ConditionKind::Pgd,
            ConditionKind::Random,
        ),
    ];
    if robustness.plan.has_other {
        checks.push(at_least_as_strong(
            "PGD is at least as strong as PGD against the other model",
            robustness,
            ConditionKind::Pgd,
            ConditionKind::Transfer,
        ));
    }
    let mut with_clean = vec![robustness.clean().scores.accuracy];
    with_clean.extend(&pgd);
    checks.push(Check {
        title: "accuracy decreases as epsilon of PGD increases",
        actual: with_clean
            .iter()
            .map(|accuracy| format!("{accuracy:.3}"))
            .collect::<Vec<_>>()
            .join(", "),
        holds: with_clean.is_sorted_by(|smaller, larger| smaller >= larger),
    });
    let chance = 1.0 / robustness.n_classes as f64;
    let last = pgd.last().copied().unwrap_or(f64::NAN);
    checks.push(Check {
        title: "accuracy under the strongest PGD is at most that by chance",
        actual: format!("accuracy {last:.3}, by chance {chance:.3}"),
        // Below chance is as good: an attack looks for a wrong class, not for a random one.
        holds: last <= chance,
    });
    // The numbers in the title are `LONG_PGD_FACTOR` and `CONVERGENCE_TOLERANCE`.
    if let Some(longer) = robustness.by_kind(ConditionKind::LongPgd).next() {
        let usual = accuracy_at_same_strength(robustness, ConditionKind::Pgd, longer);
        checks.push(Check {
            title: "5 times the steps of PGD lower the accuracy by less than 0.015",
            actual: format!(
                "accuracy {:.3} instead of {usual:.3} at epsilon {}",
                longer.scores.accuracy, longer.condition.strength
            ),
            holds: usual - longer.scores.accuracy < CONVERGENCE_TOLERANCE,
        });
    }
    checks
}

/// Returns the accuracy under a kind of perturbation with the same strength as another result; NaN if there is none.
fn accuracy_at_same_strength(
    robustness: &Robustness,
    kind: ConditionKind,
    other: &ConditionResult,
) -> f64 {
    robustness
        .by_kind(kind)
        // Both strengths come from one list of epsilons, so equal ones are equal to the last bit.
        .find(|result| result.condition.strength == other.condition.strength)
        .map_or(f64::NAN, |result| result.scores.accuracy)
}

/// Checks that the accuracy under `strong` is at most that under `weak`, at every strength.
fn at_least_as_strong(
    title: &'static str,
    robustness: &Robustness,
    strong: ConditionKind,
    weak: ConditionKind,
) -> Check {
    let gaps = robustness.by_kind(weak).map(|weak| {
        let accuracy = accuracy_at_same_strength(robustness, strong, weak);
        (weak.scores.accuracy - accuracy, weak.condition.strength)
    });
    let least = gaps.min_by(|a, b| a.0.total_cmp(&b.0));
    let (gap, epsilon) = least.unwrap_or((f64::NAN, f64::NAN));
    Check {
        title,
        actual: if gap >= 0.0 {
            format!(
                "accuracy under {} is lower by {gap:.3} or more; the difference is smallest at epsilon {epsilon}",
                strong.name()
            )
        } else {
            // NaN, if there is nothing to compare, ends here too and does not hold.
            format!(
                "accuracy under {} is higher by {:.3} at epsilon {epsilon}",
                strong.name(),
                -gap
            )
        },
        holds: gap >= 0.0,
    }
}
