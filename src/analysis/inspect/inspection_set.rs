//! Images or clips that are inspected, with attacked versions of them.

use std::num::NonZeroUsize;
use std::ops::Range;

use super::forward_pass::AppliedPerturbation;
use crate::data::{Attack, Perturbation, Sample, Samples};
use crate::error::{Error, Result};
use crate::evaluate::{ATTENTION_BATCH, AttackedModel, EvaluateError, batch_ranges, size_or};
use crate::fused::read_values;

/// Images or clips to inspect.
#[derive(Debug, Clone)]
pub struct InspectionSet {
    /// Images or clips, in order.
    pub items: Vec<InspectionItem>,
    /// True if the labels of the samples are those of a data set.
    pub is_labelled: bool,
}

/// One image or clip to inspect.
#[derive(Debug, Clone)]
pub struct InspectionItem {
    /// Displayed name.
    pub name: String,
    /// Pixels and label.
    pub sample: Sample,
    /// Perturbation that was applied; `None` for an original image.
    pub perturbation: Option<AppliedPerturbation>,
}

impl InspectionSet {
    /// Reads samples of a split, which are named after their files, or after their index and the name of their class.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] or [`Error::is_invalid_format`] if a sample cannot be read.
    pub fn from_split(split: &Samples, indices: &[usize], classes: &[String]) -> Result<Self> {
        let read = |&index: &usize| {
            let sample = split.get(index).map_err(Error::sample)?;
            Ok(InspectionItem {
                name: split.file(index).unwrap_or_else(|| {
                    let class = classes.get(sample.label).cloned();
                    let class = class.unwrap_or_else(|| sample.label.to_string());
                    format!("{index}, class {class}")
                }),
                sample,
                perturbation: None,
            })
        };
        Ok(Self {
            items: indices.iter().map(read).collect::<Result<_>>()?,
            is_labelled: true,
        })
    }

    /// Adds an attacked and a randomly changed version after each image.
    ///
    /// The attack moves an image away from its label, or from its predicted class if there are no labels. `epsilon` is
    /// the largest change of a pixel, as a fraction of the range of pixels; `batch_size` is 16 if `None`. `progress` is
    /// called with the number of images done.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if results cannot be read from the device.
    pub fn with_attacked(
        &self,
        model: &AttackedModel,
        attack: Attack,
        epsilon: f64,
        batch_size: Option<NonZeroUsize>,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self, EvaluateError> {
        let attacks = [attack, Attack::Random];
        let n_versions = 1 + attacks.len();
        let mut items = Vec::with_capacity(n_versions * self.items.len());
        for range in batch_ranges(self.items.len(), size_or(batch_size, ATTENTION_BATCH)) {
            let [attacked, random] = attacks.map(|attack| {
                let perturbation = Perturbation::Attack { attack, epsilon };
                self.perturbed(model, range.clone(), perturbation)
            });
            for (index, (attacked, random)) in range.clone().zip(attacked?.into_iter().zip(random?))
            {
                let original = &self.items[index];
                items.push(original.clone());
                for (attack, sample) in attacks.into_iter().zip([attacked, random]) {
                    let description = format!("{} with epsilon {epsilon}", attack_name(attack));
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
            progress(range.end);
        }
        Ok(Self {
            items,
            is_labelled: self.is_labelled,
        })
    }

    /// Perturbs the items in `range`.
    fn perturbed(
        &self,
        model: &AttackedModel,
        range: Range<usize>,
        perturbation: Perturbation,
    ) -> Result<Vec<Sample>, EvaluateError> {
        let samples: Vec<Sample> = self.items[range.clone()]
            .iter()
            .map(|item| item.sample.clone())
            .collect();
        let classes = if self.is_labelled {
            model.labels(&samples)
        } else {
            model.predicted_classes(&samples)?
        };
        let clips = model.perturbed(&samples, &classes, range.start, perturbation);
        let pixels: Vec<f32> = read_values(clips).map_err(|error| {
            EvaluateError::Files(error.within("the perturbed pixels cannot be read"))
        })?;
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
}

/// Name of an attack in the names of its images.
fn attack_name(attack: Attack) -> &'static str {
    match attack {
        Attack::Fgsm => "FGSM",
        Attack::Pgd { .. } => "PGD",
        Attack::Random => "a random change",
    }
}
