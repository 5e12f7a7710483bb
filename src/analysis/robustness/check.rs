//! Whether attacks are what they say: a gradient that is hidden makes a weak attack, not a strong model.

use super::condition::Kind;
use super::measured::{Measured, Robustness};

/// More steps that find this much more had too few.
const CONVERGED: f64 = 0.015;

/// One check.
///
/// # Source
///
/// Athalye et al., "Obfuscated Gradients Give a False Sense of Security", 2018, section 3.1; Carlini et al., "On
/// Evaluating Adversarial Robustness", 2019.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What should be so.
    pub title: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it is.
    pub holds: bool,
}

/// All checks.
pub(super) fn checks(robustness: &Robustness) -> Vec<Check> {
    let accuracies = |kind: Kind| -> Vec<f64> {
        let of_kind = robustness.of(kind);
        of_kind.map(|measured| measured.scores.accuracy).collect()
    };
    let pgd = accuracies(Kind::Pgd);
    let mut checks = vec![
        at_least_as_strong(
            "PGD is at least as strong as FGSM",
            robustness,
            Kind::Pgd,
            Kind::Fgsm,
        ),
        at_least_as_strong(
            "random changes of the same size are no stronger than PGD",
            robustness,
            Kind::Pgd,
            Kind::Random,
        ),
    ];
    if robustness.plan.has_other {
        checks.push(at_least_as_strong(
            "attacks found on another model are no stronger",
            robustness,
            Kind::Pgd,
            Kind::Transfer,
        ));
    }
    let mut with_clean = vec![robustness.clean().scores.accuracy];
    with_clean.extend(&pgd);
    checks.push(Check {
        title: "accuracy falls as PGD may change more",
        found: with_clean
            .iter()
            .map(|accuracy| format!("{accuracy:.3}"))
            .collect::<Vec<_>>()
            .join(", "),
        holds: with_clean.is_sorted_by(|less, more| less >= more),
    });
    let chance = 1.0 / robustness.n_classes as f64;
    let last = pgd.last().copied().unwrap_or(f64::NAN);
    checks.push(Check {
        title: "the strongest PGD leaves no more than chance",
        found: format!("{last:.3}, chance {chance:.3}"),
        holds: last <= chance,
    });
    if let Some(longer) = robustness.of(Kind::LongPgd).next() {
        let usual = same_strength(robustness, Kind::Pgd, longer);
        checks.push(Check {
            title: "5 times the steps find hardly more",
            found: format!(
                "{:.3} in place of {usual:.3} at epsilon {}",
                longer.scores.accuracy, longer.condition.strength
            ),
            holds: usual - longer.scores.accuracy < CONVERGED,
        });
    }
    checks
}

fn same_strength(robustness: &Robustness, kind: Kind, other: &Measured) -> f64 {
    let mut of_kind = robustness.of(kind);
    let same = of_kind.find(|measured| measured.condition.strength == other.condition.strength);
    same.map_or(f64::NAN, |measured| measured.scores.accuracy)
}

/// At every strength the first leaves no more accuracy than the second.
fn at_least_as_strong(
    title: &'static str,
    robustness: &Robustness,
    strong: Kind,
    weak: Kind,
) -> Check {
    let gaps = robustness.of(weak).map(|weak| {
        let strong = same_strength(robustness, strong, weak);
        (weak.scores.accuracy - strong, weak.condition.strength)
    });
    let least = gaps.min_by(|a, b| a.0.total_cmp(&b.0));
    let (gap, epsilon) = least.unwrap_or((f64::NAN, f64::NAN));
    Check {
        title,
        found: match gap >= 0.0 {
            true => format!("by {gap:.3} or more, least at epsilon {epsilon}"),
            false => format!("at epsilon {epsilon} it leaves {:.3} more", -gap),
        },
        holds: gap >= 0.0,
    }
}
