//! A model whose inputs have gradients, and what it makes of samples that were changed.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::error::TrainError;
use super::evaluate::load_best;
use super::observer::Observer;
use crate::coherence::flip_rate;
use crate::config::Config;
use crate::data::{
    MixedLabel, Perturbation, Sample, SampleBatcher, SampleSpec, Samples, soft_targets,
};
use crate::loss::AttentionTopology;
use crate::model::{Capture, Network, Task};
use crate::run::RunDirectory;
use crate::statistics::Predictions;

/// Samples per batch.
const BATCH_SIZE: usize = 120;

/// A classifier such that gradients of its inputs can be taken: on an autodiff device, without dropout, its parameters
/// constant.
#[derive(Debug)]
pub struct AttackedModel {
    model: Network,
    task: Task,
    samples: SampleSpec,
    seed: u64,
    device: Device,
}

/// What a model makes of perturbed samples.
#[derive(Debug, Clone)]
pub struct PerturbedReading {
    /// Probabilities of classes; a row for each frame of models that classify frames.
    pub predictions: Predictions,
    /// Share of frames whose class is not that of the frame before; `None` of what has one frame.
    pub flip_rate: Option<f64>,
    /// Topology of the attention, by layer, of the images or frames of the first samples.
    pub topology: Vec<Vec<AttentionTopology>>,
}

impl AttackedModel {
    /// The model of a run's best checkpoint; random numbers are of the run's seed and of a sample's place.
    ///
    /// # Errors
    ///
    /// As [`load_best`]; [`TrainError::Files`] if the model tells no classes.
    pub fn load(
        run: &RunDirectory,
        config: &Config,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let mut config = config.clone();
        config.spec.model = config.spec.model.without_dropout();
        let task = Task::of(&config.spec.model);
        if task == Task::PredictNextFrame {
            return Err(TrainError::Files(format!(
                "{}: the model predicts frames, expected one that tells classes",
                run.root().display()
            )));
        }
        let device = device.clone().autodiff();
        let (model, _) = load_best(run, &config, &device, observer)?;
        Ok(Self {
            model: model.no_grad(),
            task,
            samples: config.spec.samples,
            seed: config.spec.seed,
            device,
        })
    }

    /// Rows of the output of a sample.
    fn rows_per_sample(&self) -> usize {
        match self.task {
            Task::ClassifyFrames => self.samples.n_frames,
            _ => 1,
        }
    }

    /// The right class of every row.
    pub fn right_classes(&self, samples: &[Sample]) -> Vec<usize> {
        let n_rows = self.rows_per_sample();
        let of_samples = samples.iter();
        of_samples
            .flat_map(|sample| std::iter::repeat_n(sample.label, n_rows))
            .collect()
    }

    /// The class that the model finds most probable in every row.
    ///
    /// # Errors
    ///
    /// [`TrainError::Files`] if the scores cannot be read.
    pub fn said_classes(&self, samples: &[Sample]) -> Result<Vec<usize>, TrainError> {
        let clips = SampleBatcher { spec: self.samples }.clips(samples, &self.device);
        let predictions = Predictions {
            probabilities: read_scores(self.model.forward(clips, Capture::Logits).output)?,
            classes: Vec::new(),
            rows_per_sample: self.rows_per_sample(),
            n_classes: self.samples.n_classes,
        };
        Ok(predictions.most_probable())
    }

    /// Samples as the model sees them, perturbed away from a class of every row; see [`Perturbation::apply`].
    ///
    /// `first_place` is the place of the first sample in the data.
    pub fn perturbed(
        &self,
        samples: &[Sample],
        classes: &[usize],
        first_place: usize,
        perturbation: Perturbation,
    ) -> Tensor<5> {
        let classes = classes.iter().map(|&class| MixedLabel::whole(class));
        let classes: Vec<MixedLabel> = classes.collect();
        let targets = soft_targets(&classes, self.samples.n_classes, 0.0, &self.device);
        let losses = |clips: Tensor<5>| {
            let output = self.model.forward(clips, Capture::Logits).output;
            self.task
                .sample_losses(output, targets.clone(), samples.len())
        };
        let (spec, seed) = (self.samples, self.seed);
        perturbation.apply(samples, spec, seed, first_place, &self.device, &losses)
    }

    /// What the model makes of perturbed samples; `None` if asked to stop meanwhile.
    ///
    /// `against` is the model that attacks are found on: this one, or another. The topology is that of the first
    /// `n_watched` samples. `progress` is told how many samples are done.
    ///
    /// # Errors
    ///
    /// [`TrainError::Files`] if samples or scores cannot be read; attention that is not finite.
    pub fn read(
        &self,
        samples: &Samples,
        perturbation: Perturbation,
        against: &Self,
        n_watched: usize,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<PerturbedReading>, TrainError> {
        let mut predictions = Predictions {
            probabilities: Vec::new(),
            classes: Vec::new(),
            rows_per_sample: self.rows_per_sample(),
            n_classes: self.samples.n_classes,
        };
        let mut topology = Vec::new();
        for start in (0..samples.len()).step_by(BATCH_SIZE) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let end = samples.len().min(start + BATCH_SIZE);
            let items = samples
                .get_many((start..end).collect())
                .map_err(|e| TrainError::Files(e.to_string()))?;
            let classes = self.right_classes(&items);
            let clips = against.perturbed(&items, &classes, start, perturbation);
            let n_here = n_watched.saturating_sub(start).min(items.len());
            let capture = match n_here {
                0 => Capture::Logits,
                _ => Capture::Attention,
            };
            let output = self.model.forward(clips, capture);
            predictions
                .probabilities
                .extend(read_scores(output.output)?);
            predictions.classes.extend(classes);
            topology.resize_with(output.attention.len().max(topology.len()), Vec::new);
            let n_images = n_here * output.tokens.n_frames;
            for (found, layer) in topology.iter_mut().zip(output.attention) {
                let layer = layer.slice_dim(0, 0..n_images);
                found.extend(AttentionTopology::read(
                    layer,
                    output.tokens.n_prefix_tokens,
                )?);
            }
            progress(end);
        }
        Ok(Some(PerturbedReading {
            flip_rate: flip_rate_of(&predictions),
            predictions,
            topology,
        }))
    }
}

fn read_scores(scores: Tensor<2>) -> Result<Vec<f64>, TrainError> {
    softmax(scores.without_autodiff(), 1)
        .try_into_vec_as()
        .map_err(|e| TrainError::Files(format!("the scores cannot be read: {e}")))
}

fn flip_rate_of(predictions: &Predictions) -> Option<f64> {
    let classes = predictions.most_probable();
    let rates = classes
        .chunks_exact(predictions.rows_per_sample)
        .map(flip_rate);
    let rates: Vec<f64> = rates.collect::<Option<_>>()?;
    Some(rates.iter().sum::<f64>() / rates.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Attack, DIGITS_SPEC};
    use crate::model::VitConfig;

    #[test]
    fn an_attack_moves_away_from_the_class_it_is_given() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let model = VitConfig::new([8, 8], 1, 10, 2, 8, 2, 2).init(&device);
        let attacked = AttackedModel {
            model: Network::Vit(model).no_grad(),
            task: Task::Classify,
            samples: DIGITS_SPEC,
            seed: 0,
            device,
        };
        let pixels = |k: usize| (0..64).map(|p| ((p * k) % 7) as f32 / 7.0).collect();
        let samples: Vec<Sample> = [2, 3, 5].map(|k| Sample::new(pixels(k), k)).to_vec();
        let right = attacked.right_classes(&samples);
        assert_eq!(right, [2, 3, 5]);
        let said =
            |clips| read_scores(attacked.model.forward(clips, Capture::Logits).output).unwrap();
        let before = said(attacked.perturbed(&samples, &right, 0, Perturbation::None));
        let found = attacked.said_classes(&samples).unwrap();
        let most = |row: &[f64]| row.iter().copied().fold(0.0, f64::max);
        for (row, class) in before.chunks(10).zip(&found) {
            assert_eq!(row[*class], most(row));
        }
        let other = [7, 7, 0];
        for classes in [&right[..], &other] {
            let attack = Attack::Pgd {
                n_steps: 20,
                n_starts: 1,
            };
            let after = [attack, Attack::Random].map(|attack| {
                let epsilon = 0.05;
                let attack = Perturbation::Attack { attack, epsilon };
                said(attacked.perturbed(&samples, classes, 0, attack))
            });
            for (sample, class) in classes.iter().enumerate() {
                let of = |probabilities: &[f64]| probabilities[10 * sample + class];
                assert!(of(&after[0]) < of(&before) && of(&after[0]) < of(&after[1]));
            }
        }
    }
}
