//! Attacked images beside their originals, for `analyze`.

use clap::{Args, ValueEnum};

use super::progress::Bar;
use super::{BatchArguments, Failure, log_problems};
use crate::analysis::inspect::InspectionSet;
use crate::data::Attack;
use crate::evaluate::LoadedRun;

/// Options of the attack on images.
#[derive(Debug, Args)]
pub(super) struct AttackArguments {
    /// Show each image three times: unchanged, attacked, and randomly changed by the same amount. The attack moves it
    /// away from its label with `--split`, and from its predicted class with `--images`.
    #[arg(long, value_enum)]
    attack: Option<AttackName>,
    /// Largest change of a pixel, as a fraction of the range of pixels.
    #[arg(long, alias = "epsilons", default_value = "0.05", requires = "attack", value_parser = fraction)]
    epsilon: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AttackName {
    /// Fast gradient sign method: one step along the sign of the gradient.
    Fgsm,
    /// Projected gradient descent: 20 such steps that together stay within epsilon.
    Pgd,
}

/// Projected gradient descent of `--attack pgd`.
const PGD: Attack = Attack::Pgd {
    n_steps: 20,
    n_starts: 1,
};

/// Parses a fraction above 0 and up to 1.
fn fraction(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|fraction| *fraction > 0.0 && *fraction <= 1.0)
        .ok_or_else(|| "expected a number above 0 and up to 1".to_owned())
}

impl AttackArguments {
    /// True if an attack is requested.
    pub(super) fn is_requested(&self) -> bool {
        self.attack.is_some()
    }

    /// Adds an attacked and a randomly changed version after each image; returns the set unchanged without an attack.
    pub(super) fn add_attacked(
        &self,
        originals: InspectionSet,
        run: &LoadedRun,
        batch: BatchArguments,
    ) -> Result<InspectionSet, Failure> {
        let Some(name) = self.attack else {
            return Ok(originals);
        };
        let attack = match name {
            AttackName::Fgsm => Attack::Fgsm,
            AttackName::Pgd => PGD,
        };
        // Loaded a second time, because the inspected model has no gradients, which an attack needs.
        let model = log_problems(run.attacked_model())?.model;
        let mut bar = Bar::new(originals.items.len(), "images attacked");
        let progress = &mut |n_images| bar.set(n_images);
        let attacked =
            originals.with_attacked(&model, attack, self.epsilon, batch.batch_size, progress)?;
        bar.finish();
        Ok(attacked)
    }
}
