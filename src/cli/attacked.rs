//! Pictures beside what an attack makes of them, for `analyze`.

use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use clap::{Args, ValueEnum};

use super::looking::Exhibits;
use super::progress::{Bar, Notes};
use super::{Failure, open, read_config};
use crate::analysis::inspect::Change;
use crate::data::{Attack, Sample, SampleBatcher, SampleSpec};
use crate::model::{Capture, Network, Task};
use crate::run::RunDirectory;
use crate::train::load_best;

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
        let attacker = Attacker::of_run(run, device_name)?;
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
                attacker.changed(&exhibits, range.clone(), attack, self.epsilon)
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

/// A model whose inputs have gradients.
struct Attacker {
    model: Network,
    task: Task,
    samples: SampleSpec,
    seed: u64,
    device: Device,
}

impl Attacker {
    fn of_run(root: &Path, device_name: &str) -> Result<Self, Failure> {
        let run = RunDirectory::open(root).map_err(Failure::CouldNotRun)?;
        let mut config = read_config(&run.config(), &[])?;
        let task = Task::of(&config.spec.model);
        if task == Task::PredictNextFrame {
            return Err(Failure::CouldNotRun(
                "--attack: the model predicts frames, expected one that tells classes".to_owned(),
            ));
        }
        config.spec.model = config.spec.model.without_dropout();
        let device = open(device_name)?.autodiff();
        let (model, _) = load_best(&run, &config, &device, &mut Notes)?;
        Ok(Self {
            model: model.no_grad(),
            task,
            samples: config.spec.samples,
            seed: config.spec.seed,
            device,
        })
    }

    /// Some of the exhibits, changed.
    fn changed(
        &self,
        exhibits: &Exhibits,
        range: Range<usize>,
        attack: Attack,
        epsilon: f64,
    ) -> Result<Vec<Sample>, Failure> {
        let samples = &exhibits.samples[range.clone()];
        let batcher = SampleBatcher { spec: self.samples };
        let clips = batcher.clips(samples, &self.device);
        let n_clips = samples.len();
        let scores = |clips| self.model.forward(clips, Capture::Logits).output;
        let classes = match exhibits.is_labelled {
            true => self.labels(samples),
            false => scores(clips.clone()).argmax(1),
        };
        // One row for a clip, or one for each of its frames.
        let losses = |clips: Tensor<5>| {
            let of_rows = log_softmax(scores(clips), 1).gather(1, classes.clone());
            let n_rows = of_rows.dims()[0];
            let of_clips = of_rows.neg().reshape([n_clips, n_rows / n_clips]);
            of_clips.mean_dim(1).squeeze_dim::<1>(1)
        };
        let changed = attack.apply(&clips, epsilon, self.seed, range.start, &losses);
        let pixels: Vec<f32> = changed
            .try_into_vec_as()
            .map_err(|e| Failure::No(format!("the changed pixels cannot be read: {e}")))?;
        let of_samples = pixels.chunks_exact(pixels.len() / n_clips).zip(samples);
        let changed = of_samples.map(|(pixels, sample)| {
            // Pixels of a model lie between -1 and 1.
            let pixels = pixels.iter().map(|pixel| 0.5 * pixel + 0.5).collect();
            Sample::new(pixels, sample.label)
        });
        Ok(changed.collect())
    }

    /// Right classes: `[n_rows, 1]`.
    fn labels(&self, samples: &[Sample]) -> Tensor<2, Int> {
        let n_rows = match self.task {
            Task::ClassifyFrames => self.samples.n_frames,
            _ => 1,
        };
        let of_rows = samples
            .iter()
            .flat_map(|sample| std::iter::repeat_n(sample.label as i64, n_rows));
        let labels: Vec<i64> = of_rows.collect();
        let shape = [labels.len(), 1];
        Tensor::from_data(TensorData::new(labels, shape), &self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DIGITS_SPEC;
    use crate::model::VitConfig;

    #[test]
    fn an_attack_raises_the_loss_within_its_bound_and_more_than_chance_does() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let model = VitConfig::new([8, 8], 1, 10, 2, 8, 2, 2).init(&device);
        let attacker = Attacker {
            model: Network::Vit(model).no_grad(),
            task: Task::Classify,
            samples: DIGITS_SPEC,
            seed: 0,
            device,
        };
        let pixels = |k: usize| (0..64).map(|p| ((p * k) % 7) as f32 / 7.0).collect();
        let samples: Vec<Sample> = [2, 3, 5].map(|k| Sample::new(pixels(k), k)).to_vec();
        let batcher = SampleBatcher { spec: DIGITS_SPEC };
        let log_probabilities = |samples: &[Sample], classes: Tensor<2, Int>| -> Vec<f64> {
            let clips = batcher.clips(samples, &attacker.device);
            let scores = attacker.model.forward(clips, Capture::Logits).output;
            let of_classes = log_softmax(scores, 1).gather(1, classes);
            of_classes.try_into_vec_as().unwrap()
        };
        for is_labelled in [true, false] {
            let exhibits = Exhibits {
                names: vec![String::new(); samples.len()],
                samples: samples.clone(),
                changes: Vec::new(),
                is_labelled,
            };
            let clips = batcher.clips(&samples, &attacker.device);
            let classes = match is_labelled {
                true => attacker.labels(&samples),
                false => attacker
                    .model
                    .forward(clips, Capture::Logits)
                    .output
                    .argmax(1),
            };
            let before = log_probabilities(&samples, classes.clone());
            let after = [Attack::Fgsm, PGD, Attack::Random].map(|attack| {
                let Ok(changed) = attacker.changed(&exhibits, 0..3, attack, 0.05) else {
                    panic!("{attack:?} fails");
                };
                for (old, new) in samples.iter().zip(&changed) {
                    let moved = old.pixels.iter().zip(&new.pixels);
                    let moved = moved.map(|(old, new)| (old - new).abs());
                    let most = moved.fold(0.0, f32::max);
                    assert!(most > 0.01 && most < 0.05 + 1e-5, "{attack:?}: {most}");
                    assert!(new.pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
                    assert_eq!(old.label, new.label);
                }
                log_probabilities(&changed, classes.clone())
            });
            for sample in 0..samples.len() {
                let [fgsm, pgd, random] = [0, 1, 2].map(|attack: usize| after[attack][sample]);
                assert!(fgsm < before[sample] && pgd < before[sample]);
                assert!(pgd < random, "{pgd} {random}");
            }
        }
    }
}
