//! Checks of the attacks: if gradients are hidden, attacks are weak and a model only seems robust.

use super::condition::{ConditionKind, LONG_PGD_FACTOR};
use super::results::{ConditionResult, Robustness};

/// Decrease of the accuracy with [`LONG_PGD_FACTOR`] times as many steps, at and above which the usual number of steps is too small.
const CONVERGENCE_TOLERANCE: f64 = 0.015;

/// Measured values of a check that has none. Such a check does not hold.
const NOTHING_TO_COMPARE: &str = "there is no accuracy to compare";

/// Check that an attack is as strong as it should be.
///
/// # Source
///
/// Athalye et al., "Obfuscated Gradients Give a False Sense of Security", 2018, section 3.1; Carlini et al., "On
/// Evaluating Adversarial Robustness", 2019.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Expected property.
    pub title: String,
    /// Measured values, as text.
    pub actual: String,
    /// True if the property holds.
    pub holds: bool,
}

impl Robustness {
    /// Checks that the attacks are as strong as they should be.
    pub fn checks(&self) -> Vec<Check> {
        checks(self)
    }
}

fn checks(robustness: &Robustness) -> Vec<Check> {
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
        title: "accuracy decreases as epsilon of PGD increases".to_owned(),
        actual: with_clean
            .iter()
            .map(|accuracy| format!("{accuracy:.3}"))
            .collect::<Vec<_>>()
            .join(", "),
        holds: with_clean.is_sorted_by(|smaller, larger| smaller >= larger),
    });
    let chance = 1.0 / robustness.n_classes as f64;
    let last = pgd.last();
    checks.push(Check {
        title: "accuracy under the strongest PGD is at most that by chance".to_owned(),
        actual: last.map_or(NOTHING_TO_COMPARE.to_owned(), |last| {
            format!("accuracy {last:.3}, by chance {chance:.3}")
        }),
        // Below chance is as good: an attack looks for a wrong class, not for a random one.
        holds: last.is_some_and(|&last| last <= chance),
    });
    if let Some(longer) = robustness.by_kind(ConditionKind::LongPgd).next() {
        let usual = accuracy_at_same_strength(robustness, ConditionKind::Pgd, longer);
        checks.push(Check {
            title: format!(
                "{LONG_PGD_FACTOR} times the steps of PGD lower the accuracy by less than {CONVERGENCE_TOLERANCE}"
            ),
            actual: usual.map_or(NOTHING_TO_COMPARE.to_owned(), |usual| {
                format!(
                    "accuracy {:.3} instead of {usual:.3} at epsilon {}",
                    longer.scores.accuracy, longer.condition.strength
                )
            }),
            holds: usual
                .is_some_and(|usual| usual - longer.scores.accuracy < CONVERGENCE_TOLERANCE),
        });
    }
    checks
}

/// Returns the accuracy under a kind of perturbation with the same strength as another result; `None` if there is none.
fn accuracy_at_same_strength(
    robustness: &Robustness,
    kind: ConditionKind,
    other: &ConditionResult,
) -> Option<f64> {
    robustness
        .by_kind(kind)
        // Both strengths come from one list of epsilons, so equal ones are equal to the last bit.
        .find(|result| result.condition.strength == other.condition.strength)
        .map(|result| result.scores.accuracy)
}

/// Checks that the accuracy under `strong` is at most that under `weak`, at every strength.
fn at_least_as_strong(
    title: &str,
    robustness: &Robustness,
    strong: ConditionKind,
    weak: ConditionKind,
) -> Check {
    let title = title.to_owned();
    let gaps = robustness.by_kind(weak).filter_map(|weak| {
        let accuracy = accuracy_at_same_strength(robustness, strong, weak)?;
        Some((weak.scores.accuracy - accuracy, weak.condition.strength))
    });
    let Some((gap, epsilon)) = gaps.min_by(|a, b| a.0.total_cmp(&b.0)) else {
        return Check {
            title,
            actual: NOTHING_TO_COMPARE.to_owned(),
            holds: false,
        };
    };
    Check {
        title,
        actual: if gap >= 0.0 {
            format!(
                "accuracy under {} is lower by {gap:.3} or more; the difference is smallest at epsilon {epsilon}",
                strong.name()
            )
        } else {
            format!(
                "accuracy under {} is higher by {:.3} at epsilon {epsilon}",
                strong.name(),
                -gap
            )
        },
        holds: gap >= 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::robustness::RobustnessPlan;
    use crate::statistics::Predictions;

    /// Returns results with these accuracies out of 8, by the kind of their condition, at the only epsilon.
    fn robustness(accuracies: &[(ConditionKind, usize)]) -> Robustness {
        let plan = RobustnessPlan::new(vec![0.1], 3, 1, false).unwrap();
        let conditions = plan.conditions();
        let result = |&(kind, n_correct): &(ConditionKind, usize)| {
            let condition = conditions.iter().find(|condition| condition.kind == kind);
            let predictions = Predictions {
                probabilities: [0.9, 0.1].repeat(8),
                labels: (0..8).map(|k| usize::from(k >= n_correct)).collect(),
                rows_per_sample: 1,
                n_classes: 2,
            };
            ConditionResult::new(*condition.unwrap(), &predictions, None, &[], &[]).unwrap()
        };
        Robustness {
            run: "run".to_owned(),
            other: None,
            samples: "test images".to_owned(),
            n_samples: 8,
            n_topology_samples: 0,
            n_classes: 2,
            results: accuracies.iter().map(result).collect(),
            between_images: Vec::new(),
            plan,
        }
    }

    #[test]
    fn checks_name_their_limits() {
        let checks = robustness(&[
            (ConditionKind::Clean, 8),
            (ConditionKind::Random, 7),
            (ConditionKind::Fgsm, 4),
            (ConditionKind::Pgd, 2),
            (ConditionKind::LongPgd, 2),
        ])
        .checks();
        assert!(checks.iter().all(|check| check.holds), "{checks:?}");
        let last = checks.last().unwrap();
        assert_eq!(
            last.title,
            "5 times the steps of PGD lower the accuracy by less than 0.015"
        );
        assert_eq!(
            last.actual,
            "accuracy 0.250 instead of 0.250 at epsilon 0.1"
        );
    }

    #[test]
    fn a_check_without_accuracies_does_not_hold() {
        let checks = robustness(&[(ConditionKind::Clean, 8), (ConditionKind::LongPgd, 2)]).checks();
        assert_eq!(checks.len(), 5);
        for check in &checks {
            assert!(!check.actual.contains("NaN"), "{check:?}");
        }
        let without: Vec<bool> = checks
            .iter()
            .filter(|check| check.actual == NOTHING_TO_COMPARE)
            .map(|check| check.holds)
            .collect();
        assert_eq!(without, [false; 4]);
    }
}
