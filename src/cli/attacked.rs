//! Attacked images beside their originals, for `analyze`.

use std::ops::Range;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::inspected_model::{InspectionItem, InspectionSet};
use super::progress::{Bar, MessageObserver};
use super::{Failure, read_run_config, select_device};
use crate::analysis::inspect::AppliedPerturbation;
use crate::data::{Attack, Perturbation, Sample};
use crate::run::RunDirectory;
use crate::train::AttackedModel;

/// Options of the attack on images.
#[derive(Debug, Args)]
pub struct AttackArguments {
    /// Show each image three times: unchanged, attacked, and randomly changed by the same amount. The attack moves it
    /// away from its label with `--split`, and from its predicted class with `--images`.
    #[arg(long, value_enum)]
    attack: Option<AttackName>,
    /// Largest change of a pixel, as a fraction of the range of pixels.
    #[arg(long, default_value = "0.05", requires = "attack", value_parser = fraction)]
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
        run: &Path,
        device_name: &str,
    ) -> Result<InspectionSet, Failure> {
        let Some(name) = self.attack else {
            return Ok(originals);
        };
        let (attack, attack_name) = match name {
            AttackName::Fgsm => (Attack::Fgsm, "FGSM"),
            AttackName::Pgd => (PGD, "PGD"),
        };
        let run = RunDirectory::open(run).map_err(Failure::Error)?;
        let config = read_run_config(&run.config())?;
        // Loaded a second time, because the inspected model has no gradients, which an attack needs.
        let model = AttackedModel::load(
            &run,
            &config,
            &select_device(device_name)?,
            &mut MessageObserver,
        )?;
        let attacks = [(attack, attack_name), (Attack::Random, "a random change")];
        let n_versions = 1 + attacks.len();
        let n_samples = originals.len();
        let mut bar = Bar::new(n_samples, "images attacked");
        let mut items = Vec::with_capacity(n_versions * n_samples);
        for start in (0..n_samples).step_by(BATCH_SIZE) {
            let range = start..n_samples.min(start + BATCH_SIZE);
            let [attacked, random] = attacks.map(|(attack, _)| {
                let epsilon = self.epsilon;
                let perturbation = Perturbation::Attack { attack, epsilon };
                perturb(&model, &originals, range.clone(), perturbation)
            });
            for (index, (attacked, random)) in range.clone().zip(attacked?.into_iter().zip(random?))
            {
                let original = &originals.items[index];
                items.push(original.clone());
                for ((_, attack_name), sample) in attacks.iter().zip([attacked, random]) {
                    let description = format!("{attack_name} with epsilon {}", self.epsilon);
                    items.push(InspectionItem {
                        name: format!("{}, {description}", original.name),
                        sample,
                        perturbation: Some(AppliedPerturbation {
                            // Each original is followed by its versions, so its position is not `index`.
                            original_clip: n_versions * index,
                            description,
                        }),
                    });
                }
            }
            bar.set(range.end);
        }
        bar.finish();
        Ok(InspectionSet {
            items,
            is_labelled: originals.is_labelled,
        })
    }
}

/// Number of images attacked at once.
const BATCH_SIZE: usize = 16;

/// Perturbs the items in `range`: away from their labels, or from their predicted classes if there are no labels.
fn perturb(
    model: &AttackedModel,
    set: &InspectionSet,
    range: Range<usize>,
    perturbation: Perturbation,
) -> Result<Vec<Sample>, Failure> {
    let samples: Vec<Sample> = set.items[range.clone()]
        .iter()
        .map(|item| item.sample.clone())
        .collect();
    let classes = if set.is_labelled {
        model.labels(&samples)
    } else {
        model.predicted_classes(&samples)?
    };
    let clips = model.perturbed(&samples, &classes, range.start, perturbation);
    let pixels: Vec<f32> = clips
        .try_into_vec_as()
        .map_err(|e| Failure::Error(format!("the perturbed pixels cannot be read: {e}")))?;
    let perturbed = pixels
        .chunks_exact(pixels.len() / samples.len())
        .zip(&samples)
        .map(|(pixels, sample)| {
            // The model's pixels lie between -1 and 1, those of samples between 0 and 1.
            let pixels = pixels.iter().map(|pixel| 0.5 * pixel + 0.5).collect();
            Sample::new(pixels, sample.label)
        });
    Ok(perturbed.collect())
}
