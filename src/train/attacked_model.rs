//! A trained classifier under attacks and corruptions.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::error::TrainError;
use super::evaluate::load_best;
use super::observer::Observer;
use crate::config::Config;
use crate::data::{
    MixedLabel, Perturbation, Sample, SampleBatcher, SampleSpec, Samples, soft_targets,
};
use crate::loss::AttentionTopology;
use crate::model::{Capture, Network, Task};
use crate::run::RunDirectory;
use crate::statistics::Predictions;
use crate::video_metrics::flip_rate;

/// Number of samples per forward pass.
const BATCH_SIZE: usize = 120;

/// Trained classifier whose inputs can be differentiated, for gradient-based attacks.
///
/// It lives on an autodiff device, has no dropout, and its parameters are constant.
#[derive(Debug)]
pub struct AttackedModel {
    model: Network,
    task: Task,
    samples: SampleSpec,
    seed: u64,
    device: Device,
}

/// Predictions and attention topology of a model on perturbed samples.
#[derive(Debug, Clone)]
pub struct PerturbedEvaluation {
    /// Class probabilities: one row per sample, or one row per frame if the model classifies frames.
    pub predictions: Predictions,
    /// Fraction of frames whose predicted class differs from that of the frame before; `None` for a single frame.
    pub flip_rate: Option<f64>,
    /// Attention topology of the first samples: for each layer, one entry per image or frame.
    pub topology: Vec<Vec<AttentionTopology>>,
}

impl AttackedModel {
    /// Loads the model of a run's best checkpoint.
    ///
    /// Random perturbations depend only on the run's seed and on the index of the sample.
    ///
    /// # Errors
    ///
    /// The errors of [`load_best`]; [`TrainError::Files`] if the model is not a classifier.
    pub fn load(
        run: &RunDirectory,
        config: &Config,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let mut config = config.clone();
        // On an autodiff device Burn applies dropout, which would make the gradients of attacks random.
        config.spec.model = config.spec.model.without_dropout();
        let task = Task::from_config(&config.spec.model);
        if task == Task::PredictNextFrame {
            return Err(TrainError::Files(format!(
                "{}: expected a classifier, found a model that predicts frames",
                run.root().display()
            )));
        }
        let device = device.clone().autodiff();
        let (model, _) = load_best(run, &config, &device, observer)?;
        Ok(Self {
            // Only inputs need gradients; without those of the parameters, attacks are faster.
            model: model.no_grad(),
            task,
            samples: config.spec.samples,
            seed: config.spec.seed,
            device,
        })
    }

    /// Number of output rows per sample.
    fn rows_per_sample(&self) -> usize {
        match self.task {
            Task::ClassifyFrames => self.samples.n_frames,
            _ => 1,
        }
    }

    /// Label of every output row.
    pub fn labels(&self, samples: &[Sample]) -> Vec<usize> {
        let n_rows = self.rows_per_sample();
        samples
            .iter()
            .flat_map(|sample| std::iter::repeat_n(sample.label, n_rows))
            .collect()
    }

    /// Predicted class of every output row.
    ///
    /// # Errors
    ///
    /// [`TrainError::Files`] if the scores cannot be read.
    pub fn predicted_classes(&self, samples: &[Sample]) -> Result<Vec<usize>, TrainError> {
        let clips = SampleBatcher { spec: self.samples }.clips(samples, &self.device);
        let predictions = Predictions {
            probabilities: read_probabilities(self.model.forward(clips, Capture::Logits).output)?,
            labels: Vec::new(),
            rows_per_sample: self.rows_per_sample(),
            n_classes: self.samples.n_classes,
        };
        Ok(predictions.most_probable())
    }

    /// Perturbs samples, moving them away from the given class of every output row; see [`Perturbation::apply`].
    ///
    /// Returns model inputs. `first_index` is the index of the first sample in its data set; it selects the random
    /// stream of each sample, so that the result does not depend on the batch size.
    pub fn perturbed(
        &self,
        samples: &[Sample],
        classes: &[usize],
        first_index: usize,
        perturbation: Perturbation,
    ) -> Tensor<5> {
        let classes: Vec<MixedLabel> = classes
            .iter()
            .map(|&class| MixedLabel::unmixed(class))
            .collect();
        let targets = soft_targets(&classes, self.samples.n_classes, 0.0, &self.device);
        let losses = |clips: Tensor<5>| {
            let output = self.model.forward(clips, Capture::Logits).output;
            self.task
                .sample_losses(output, targets.clone(), samples.len())
        };
        let (spec, seed) = (self.samples, self.seed);
        perturbation.apply(samples, spec, seed, first_index, &self.device, &losses)
    }

    /// Evaluates the model on perturbed samples; `None` if interrupted by `stop`.
    ///
    /// Attacks are computed against the model `against`: this one, or another one for transferred attacks. The
    /// attention topology is computed for the first `n_watched` samples. `progress` is called with the number of
    /// samples that are done.
    ///
    /// # Errors
    ///
    /// [`TrainError::Files`] if samples or scores cannot be read; [`TrainError::Topology`] if the attention is not
    /// finite.
    pub fn evaluate(
        &self,
        samples: &Samples,
        perturbation: Perturbation,
        against: &Self,
        n_watched: usize,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Option<PerturbedEvaluation>, TrainError> {
        let mut predictions = Predictions {
            probabilities: Vec::new(),
            labels: Vec::new(),
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
            let classes = self.labels(&items);
            let clips = against.perturbed(&items, &classes, start, perturbation);
            let n_watched_here = n_watched.saturating_sub(start).min(items.len());
            // Keeping attention costs memory and time; only the watched samples need it.
            let capture = match n_watched_here {
                0 => Capture::Logits,
                _ => Capture::Attention,
            };
            let output = self.model.forward(clips, capture);
            predictions
                .probabilities
                .extend(read_probabilities(output.output)?);
            predictions.labels.extend(classes);
            // Batches without captured attention have no layers, and must not drop those collected before.
            topology.resize_with(output.attention.len().max(topology.len()), Vec::new);
            // Within a batch the watched samples come first, and unwatched ones may follow.
            let n_images = n_watched_here * output.tokens.n_frames;
            for (images, layer) in topology.iter_mut().zip(output.attention) {
                let layer = layer.slice_dim(0, 0..n_images);
                images.extend(AttentionTopology::measure(
                    layer,
                    output.tokens.n_prefix_tokens,
                )?);
            }
            progress(end);
        }
        Ok(Some(PerturbedEvaluation {
            flip_rate: mean_flip_rate(&predictions),
            predictions,
            topology,
        }))
    }
}

/// Class probabilities of a batch, row by row, on the host.
fn read_probabilities(scores: Tensor<2>) -> Result<Vec<f64>, TrainError> {
    softmax(scores.without_autodiff(), 1)
        .try_into_vec_as()
        .map_err(|e| TrainError::Files(format!("the scores cannot be read: {e}")))
}

/// Mean flip rate over the samples; `None` if a sample has a single row.
fn mean_flip_rate(predictions: &Predictions) -> Option<f64> {
    let classes = predictions.most_probable();
    let rates: Vec<f64> = classes
        .chunks_exact(predictions.rows_per_sample)
        .map(flip_rate)
        .collect::<Option<_>>()?;
    Some(rates.iter().sum::<f64>() / rates.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Attack, DIGITS_SPEC};
    use crate::model::VitConfig;

    #[test]
    fn attacks_lower_the_probability_of_the_given_class() {
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
        let labels = attacked.labels(&samples);
        assert_eq!(labels, [2, 3, 5]);
        let probabilities = |clips| {
            read_probabilities(attacked.model.forward(clips, Capture::Logits).output).unwrap()
        };
        let before = probabilities(attacked.perturbed(&samples, &labels, 0, Perturbation::None));
        let predicted = attacked.predicted_classes(&samples).unwrap();
        let largest = |row: &[f64]| row.iter().copied().fold(0.0, f64::max);
        for (row, class) in before.chunks(10).zip(&predicted) {
            assert_eq!(row[*class], largest(row));
        }
        let other = [7, 7, 0];
        for classes in [&labels[..], &other] {
            let attack = Attack::Pgd {
                n_steps: 20,
                n_starts: 1,
            };
            let after = [attack, Attack::Random].map(|attack| {
                let epsilon = 0.05;
                let attack = Perturbation::Attack { attack, epsilon };
                probabilities(attacked.perturbed(&samples, classes, 0, attack))
            });
            for (sample, class) in classes.iter().enumerate() {
                let at_class = |probabilities: &[f64]| probabilities[10 * sample + class];
                let [pgd, random] = [at_class(&after[0]), at_class(&after[1])];
                assert!(pgd < at_class(&before) && pgd < random);
            }
        }
    }
}
