//! Pictures beside what an attack makes of them, for `analyze`.

use std::ops::Range;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::looking::Exhibits;
use super::progress::{Bar, Notes};
use super::{Failure, open, read_config};
use crate::analysis::inspect::Change;
use crate::data::{Attack, Perturbation, Sample};
use crate::run::RunDirectory;
use crate::train::AttackedModel;

/// How pictures are attacked.
#[derive(Debug, Args)]
pub struct AttackArguments {
    /// Show each picture three times: as it is, moved against the model of the run, and moved as far at random.
    /// Away from its class with `--split`, from what the model says of it with `--images`.
    #[arg(long, value_enum)]
    attack: Option<AttackName>,
    /// Largest change of a pixel, as a share of the range of pixels.
    #[arg(long, default_value = "0.05", requires = "attack", value_parser = share)]
    epsilon: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AttackName {
    /// One step along the sign of the gradient.
    Fgsm,
    /// 20 such steps, kept within the bound.
    Pgd,
}

const PGD: Attack = Attack::Pgd {
    n_steps: 20,
    n_starts: 1,
};

fn share(text: &str) -> Result<f64, String> {
    let found = text.parse().ok();
    found
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "expected a number above 0 and up to 1".to_owned())
}

impl AttackArguments {
    /// Whether there is an attack.
    pub(super) fn is_asked_for(&self) -> bool {
        self.attack.is_some()
    }

    /// The exhibits, each followed by itself attacked and by itself changed at random, if there is an attack.
    pub(super) fn beside(
        &self,
        exhibits: Exhibits,
        run: &Path,
        device_name: &str,
    ) -> Result<Exhibits, Failure> {
        let Some(name) = self.attack else {
            return Ok(exhibits);
        };
        let (attack, by) = match name {
            AttackName::Fgsm => (Attack::Fgsm, "FGSM"),
            AttackName::Pgd => (PGD, "PGD"),
        };
        let run = RunDirectory::open(run).map_err(Failure::CouldNotRun)?;
        let config = read_config(&run.config(), &[])?;
        let model = AttackedModel::load(&run, &config, &open(device_name)?, &mut Notes)?;
        let kinds = [(attack, by), (Attack::Random, "a random change")];
        let n_clips = 1 + kinds.len();
        let n_samples = exhibits.samples.len();
        let mut bar = Bar::new(n_samples, "attacked");
        let mut all = Exhibits {
            names: Vec::new(),
            samples: Vec::new(),
            changes: Vec::new(),
            is_labelled: exhibits.is_labelled,
        };
        for start in (0..n_samples).step_by(BATCH_SIZE) {
            let range = start..n_samples.min(start + BATCH_SIZE);
            let changed = kinds.map(|(attack, _)| {
                let epsilon = self.epsilon;
                let attack = Perturbation::Attack { attack, epsilon };
                changed(&model, &exhibits, range.clone(), attack)
            });
            let [attacked, random] = changed;
            let [attacked, random] = [attacked?, random?];
            for (sample, both) in range.clone().zip(attacked.into_iter().zip(random)) {
                let name = &exhibits.names[sample];
                all.names.push(name.clone());
                all.samples.push(exhibits.samples[sample].clone());
                all.changes.push(None);
                for ((_, by), changed) in kinds.iter().zip([both.0, both.1]) {
                    let by = format!("{by} by {}", self.epsilon);
                    all.names.push(format!("{name}, {by}"));
                    all.samples.push(changed);
                    let of = n_clips * sample;
                    all.changes.push(Some(Change { of, by }));
                }
            }
            bar.set(range.end);
        }
        bar.finish();
        Ok(all)
    }
}

/// Pictures attacked at once.
const BATCH_SIZE: usize = 16;

/// Some of the exhibits, changed: away from their class, or from what the model says of them.
fn changed(
    model: &AttackedModel,
    exhibits: &Exhibits,
    range: Range<usize>,
    perturbation: Perturbation,
) -> Result<Vec<Sample>, Failure> {
    let samples = &exhibits.samples[range.clone()];
    let classes = match exhibits.is_labelled {
        true => model.right_classes(samples),
        false => model.said_classes(samples)?,
    };
    let clips = model.perturbed(samples, &classes, range.start, perturbation);
    let pixels: Vec<f32> = clips
        .try_into_vec_as()
        .map_err(|e| Failure::No(format!("the changed pixels cannot be read: {e}")))?;
    let of_samples = pixels
        .chunks_exact(pixels.len() / samples.len())
        .zip(samples);
    let changed = of_samples.map(|(pixels, sample)| {
        // Pixels of a model lie between -1 and 1.
        let pixels = pixels.iter().map(|pixel| 0.5 * pixel + 0.5).collect();
        Sample::new(pixels, sample.label)
    });
    Ok(changed.collect())
}
