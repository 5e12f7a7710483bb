//! What a model is put to.

use crate::data::{Attack, Corruption, N_SEVERITIES, Perturbation};

/// Times as many steps as usual, of the attack that tells whether more would find more.
const LONGER: usize = 5;

/// What is done, whatever its strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing.
    Clean,
    /// A random corner of the bound.
    Random,
    /// One step along the sign of the gradient.
    Fgsm,
    /// Projected gradient descent.
    Pgd,
    /// The same with five times the steps.
    LongPgd,
    /// Projected gradient descent against another model.
    Transfer,
    /// A corruption.
    Corrupted(Corruption),
}

impl Kind {
    /// As in tables and legends.
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

/// One way of changing all samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    /// What is done.
    pub kind: Kind,
    /// Largest change of a pixel, a fraction of the range of pixels, or severity from 1 to 5; 0 of what is clean.
    pub strength: f64,
    /// The same for the samples.
    pub perturbation: Perturbation,
}

impl Condition {
    /// As in tables.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Clean => "clean".to_owned(),
            Kind::Corrupted(corruption) => {
                format!("{}, severity {}", corruption.name(), self.strength)
            }
            kind => format!("{}, epsilon {}", kind.name(), self.strength),
        }
    }
}

/// What is measured: clean samples, attacks of growing strength, corruptions of all severities.
///
/// # Example
///
/// ```
/// use burn_topology::analysis::robustness::{Kind, Plan};
///
/// let plan = Plan::new(vec![0.05, 0.1], 20, 2, false)?;
/// let conditions = plan.conditions();
/// assert_eq!(conditions.len(), 1 + 2 * 3 + 1 + 4 * 5);
/// assert_eq!(conditions[0].kind, Kind::Clean);
/// assert!(Plan::new(vec![0.1, 0.05], 20, 2, false).is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Largest changes of a pixel by the attacks, rising.
    pub epsilons: Vec<f64>,
    /// Steps of projected gradient descent from each start.
    pub pgd_steps: usize,
    /// Its starts.
    pub pgd_starts: usize,
    /// Whether there is another model whose attacks are tried.
    pub has_other: bool,
}

impl Plan {
    /// A plan.
    ///
    /// # Errors
    ///
    /// One sentence if the strengths are not rising numbers above 0 and at most 1, or there are no steps or starts.
    pub fn new(
        epsilons: Vec<f64>,
        pgd_steps: usize,
        pgd_starts: usize,
        has_other: bool,
    ) -> Result<Self, String> {
        let is_rising = epsilons.is_sorted_by(|a, b| a < b);
        let are_fractions = epsilons.iter().all(|&e| 0.0 < e && e <= 1.0);
        if epsilons.is_empty() || !is_rising || !are_fractions {
            return Err(format!(
                "the strengths of attacks are {epsilons:?}, expected rising numbers above 0 and at most 1"
            ));
        }
        if pgd_steps == 0 || pgd_starts == 0 {
            return Err(format!(
                "projected gradient descent has {pgd_steps} steps and {pgd_starts} starts, expected at least 1 of \
                 each"
            ));
        }
        Ok(Self {
            epsilons,
            pgd_steps,
            pgd_starts,
            has_other,
        })
    }

    /// Everything that is measured, the clean samples first.
    pub fn conditions(&self) -> Vec<Condition> {
        let pgd = |n_steps| Attack::Pgd {
            n_steps,
            n_starts: self.pgd_starts,
        };
        let mut attacks = vec![
            (Kind::Random, Attack::Random),
            (Kind::Fgsm, Attack::Fgsm),
            (Kind::Pgd, pgd(self.pgd_steps)),
        ];
        if self.has_other {
            attacks.push((Kind::Transfer, pgd(self.pgd_steps)));
        }
        let attacked = |kind, attack, epsilon| Condition {
            kind,
            strength: epsilon,
            perturbation: Perturbation::Attack { attack, epsilon },
        };
        let mut conditions = vec![Condition {
            kind: Kind::Clean,
            strength: 0.0,
            perturbation: Perturbation::None,
        }];
        for (kind, attack) in attacks {
            let of_kind = self.epsilons.iter();
            conditions.extend(of_kind.map(|&epsilon| attacked(kind, attack, epsilon)));
        }
        let middle = self.epsilons[(self.epsilons.len() - 1) / 2];
        let longer = pgd(LONGER * self.pgd_steps);
        conditions.push(attacked(Kind::LongPgd, longer, middle));
        for corruption in Corruption::ALL {
            conditions.extend((1..=N_SEVERITIES).map(|severity| Condition {
                kind: Kind::Corrupted(corruption),
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
