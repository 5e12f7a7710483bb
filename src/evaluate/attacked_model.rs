//! A trained classifier under attacks and corruptions.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::batches::{PERTURBATION_BATCH, batch_ranges, for_each_batch, size_or, until};
use super::best_model::{BestModel, best_model};
use super::error::EvaluateError;
use super::predict::check_classifier;
use super::task_model::TaskModel;
use crate::config::Config;
use crate::data::{MixedLabel, Perturbation, Sample, SampleSpec, Samples, soft_targets};
use crate::fused::read_values;
use crate::loss::AttentionTopology;
use crate::mean::mean;
use crate::model::{Capture, Task};
use crate::run::RunDirectory;
use crate::statistics::Predictions;
use crate::video_metrics::flip_rate;

/// Trained classifier whose inputs can be differentiated, for gradient-based attacks.
///
/// It lives on an autodiff device, has no dropout, and its parameters are constant.
#[derive(Debug)]
pub struct AttackedModel {
    model: TaskModel,
    seed: u64,
}

/// Settings of an evaluation on perturbed samples.
#[derive(Debug, Clone, Copy)]
pub struct PerturbedSettings<'a> {
    /// Perturbation of every sample.
    pub perturbation: Perturbation,
    /// Model that attacks are computed against: another one for transferred attacks, `None` for the model itself.
    pub against: Option<&'a AttackedModel>,
    /// Number of samples whose attention topology is computed: the first of the split.
    pub n_topology_samples: usize,
    /// Number of samples per forward pass; `None` for 120.
    pub batch_size: Option<NonZeroUsize>,
}

impl PerturbedSettings<'_> {
    /// Settings of a perturbation that uses the model itself, without attention topology.
    pub fn new(perturbation: Perturbation) -> Self {
        Self {
            perturbation,
            against: None,
            n_topology_samples: 0,
            batch_size: None,
        }
    }
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
    /// The errors of [`best_model`]; [`EvaluateError::Files`] if the model is not a classifier.
    pub fn load(
        run: &RunDirectory,
        config: &Config,
        device: &Device,
    ) -> Result<BestModel<Self>, EvaluateError> {
        let mut config = config.clone();
        // On an autodiff device Burn applies dropout, which would make the gradients of attacks random.
        config.spec.model = config.spec.model.without_dropout();
        check_classifier(Task::from_config(&config.spec.model))
            .map_err(|error| EvaluateError::Files(error.within(run.root().display())))?;
        let BestModel {
            model,
            state,
            problems,
        } = best_model(run, &config, &device.clone().autodiff())?;
        let model = Self {
            model: TaskModel {
                // Only inputs need gradients; without those of the parameters, attacks are faster.
                network: model.network.no_grad(),
                ..model
            },
            seed: config.spec.seed,
        };
        Ok(BestModel {
            model,
            state,
            problems,
        })
    }

    /// Shape of the samples, and number of classes.
    pub fn samples(&self) -> SampleSpec {
        self.model.samples
    }

    /// Number of output rows per sample.
    fn rows_per_sample(&self) -> usize {
        match self.model.task {
            Task::ClassifyFrames => self.model.samples.n_frames,
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
    /// [`EvaluateError::Files`] if the scores cannot be read.
    pub fn predicted_classes(&self, samples: &[Sample]) -> Result<Vec<usize>, EvaluateError> {
        let clips = self.model.clips(samples);
        let predictions = Predictions {
            probabilities: read_probabilities(self.model.forward(clips, Capture::Logits).output)?,
            ..self.no_predictions()
        };
        Ok(predictions.most_probable())
    }

    /// Predictions of no samples.
    fn no_predictions(&self) -> Predictions {
        Predictions {
            probabilities: Vec::new(),
            labels: Vec::new(),
            rows_per_sample: self.rows_per_sample(),
            n_classes: self.model.samples.n_classes,
        }
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
        let TaskModel {
            task,
            samples: spec,
            device,
            ..
        } = &self.model;
        let targets = soft_targets(&classes, spec.n_classes, 0.0, device);
        let losses = |clips: Tensor<5>| {
            let output = self.model.forward(clips, Capture::Logits).output;
            task.sample_losses(output, targets.clone(), samples.len())
        };
        perturbation.apply(samples, *spec, self.seed, first_index, device, &losses)
    }

    /// Evaluates the model on perturbed samples. `progress` is called with the number of samples that are done.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if samples or scores cannot be read; [`EvaluateError::Topology`] if the attention is
    /// not finite.
    pub fn evaluate(
        &self,
        samples: &Samples,
        settings: PerturbedSettings<'_>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<PerturbedEvaluation, EvaluateError> {
        let mut always = || ControlFlow::<Infallible>::Continue(());
        let ControlFlow::Continue(evaluation) =
            self.evaluate_while(samples, settings, &mut always, progress)?;
        Ok(evaluation)
    }

    /// Evaluates like [`Self::evaluate`], but returns `None` if `stop` is set before the last batch, and without progress.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::evaluate`].
    pub fn evaluate_unless(
        &self,
        samples: &Samples,
        settings: PerturbedSettings<'_>,
        stop: &AtomicBool,
    ) -> Result<Option<PerturbedEvaluation>, EvaluateError> {
        let evaluation = self.evaluate_while(samples, settings, &mut until(stop), &mut |_| {})?;
        Ok(evaluation.continue_value())
    }

    /// Evaluates the model as long as `check`, which is called before each batch, does not break.
    fn evaluate_while<B>(
        &self,
        samples: &Samples,
        settings: PerturbedSettings<'_>,
        check: &mut dyn FnMut() -> ControlFlow<B>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<ControlFlow<B, PerturbedEvaluation>, EvaluateError> {
        let batch_size = size_or(settings.batch_size, PERTURBATION_BATCH);
        let mut predictions = self.no_predictions();
        let mut topology = Vec::new();
        let finished = for_each_batch(
            samples,
            batch_ranges(samples.len(), batch_size),
            check,
            &mut |range, items| {
                let end = range.end;
                self.add_batch(range, &items, settings, &mut predictions, &mut topology)?;
                progress(end);
                Ok(())
            },
        )?;
        Ok(match finished {
            ControlFlow::Continue(()) => ControlFlow::Continue(PerturbedEvaluation {
                flip_rate: mean_flip_rate(&predictions),
                predictions,
                topology,
            }),
            ControlFlow::Break(reason) => ControlFlow::Break(reason),
        })
    }

    /// Perturbs one batch, runs the model on it, and adds its predictions and topology.
    fn add_batch(
        &self,
        range: Range<usize>,
        items: &[Sample],
        settings: PerturbedSettings<'_>,
        predictions: &mut Predictions,
        topology: &mut Vec<Vec<AttentionTopology>>,
    ) -> Result<(), EvaluateError> {
        let classes = self.labels(items);
        let against = settings.against.unwrap_or(self);
        let clips = against.perturbed(items, &classes, range.start, settings.perturbation);
        let n_watched = settings
            .n_topology_samples
            .saturating_sub(range.start)
            .min(items.len());
        // Keeping attention costs memory and time; only the watched samples need it.
        let capture = match n_watched {
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
        let n_images = n_watched * output.tokens.n_frames;
        for (images, layer) in topology.iter_mut().zip(output.attention) {
            let layer = layer.slice_dim(0, 0..n_images);
            images.extend(AttentionTopology::measure(
                layer,
                output.tokens.n_prefix_tokens,
            )?);
        }
        Ok(())
    }
}

/// Class probabilities of a batch, row by row, on the host.
fn read_probabilities(scores: Tensor<2>) -> Result<Vec<f64>, EvaluateError> {
    read_values(softmax(scores.without_autodiff(), 1))
        .map_err(|error| EvaluateError::Files(error.within("the scores cannot be read")))
}

/// Mean flip rate over the samples; `None` if a sample has a single row.
fn mean_flip_rate(predictions: &Predictions) -> Option<f64> {
    let classes = predictions.most_probable();
    let rates: Vec<f64> = classes
        .chunks_exact(predictions.rows_per_sample)
        .map(flip_rate)
        .collect::<Option<_>>()?;
    mean(rates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Attack, DIGITS_SPEC};
    use crate::model::{Network, VitConfig};

    #[test]
    fn attacks_lower_the_probability_of_the_given_class() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let model = VitConfig::new([8, 8], 1, 10, 2, 8, 2, 2).init(&device);
        let attacked = AttackedModel {
            model: TaskModel {
                network: Network::Vit(model).no_grad(),
                task: Task::Classify,
                samples: DIGITS_SPEC,
                device,
                captions: None,
            },
            seed: 0,
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
