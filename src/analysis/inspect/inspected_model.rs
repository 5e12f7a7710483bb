//! Models that are inspected, and the preparation of image files for them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::super::preparation::preparation;
use super::forward_pass::{AppliedPerturbation, ClassNames, ForwardPass, InspectionInput};
use super::inspection_set::{InspectionItem, InspectionSet};
use crate::data::{DataSpec, Preparation, Sample, SampleSpec, read_prepared_image};
use crate::error::{Error, Result};
use crate::evaluate::{BestModel, EvaluateError, LoadedRun, TaskModel};
use crate::model::Task;
use crate::model::pretrained::{self, ModelOverrides};

/// Model under inspection.
#[derive(Debug, Clone)]
pub struct InspectedModel {
    /// Displayed name of the model.
    pub title: String,
    /// Notes on what was guessed or passed over in the files of pretrained weights, one sentence each.
    pub notes: Vec<String>,
    model: TaskModel,
    reader: ImageReader,
    /// Names of the classes by label, or fewer if not all are known; `None` without a trained classifier.
    classes: Option<Vec<String>>,
}

/// Preparation of image files for the model.
#[derive(Debug, Clone)]
enum ImageReader {
    /// Cropped and scaled as in the data set of the run.
    Data(DataSpec),
    /// Preprocessed as described in the files of the pretrained weights.
    Pretrained(Preparation),
}

impl InspectedModel {
    /// Loads the best checkpoint of a run.
    ///
    /// # Errors
    ///
    /// The errors of [`LoadedRun::best_model`].
    pub fn from_run(run: &LoadedRun) -> Result<BestModel<Self>, EvaluateError> {
        let BestModel {
            model,
            state,
            problems,
        } = run.best_model()?;
        let spec = &run.config.spec;
        let model = Self {
            title: spec.name.clone(),
            notes: Vec::new(),
            model,
            reader: ImageReader::Data(spec.data.clone()),
            classes: Some(run.classes()),
        };
        Ok(BestModel {
            model,
            state,
            problems,
        })
    }

    /// Loads pretrained weights of a model for images: a file or its directory.
    ///
    /// `image_size` is explained in [`ModelOverrides::image_size`].
    ///
    /// # Errors
    ///
    /// The errors of [`pretrained::open`]; [`Error::is_invalid_format`] if the weights are those of a model for clips.
    pub fn from_weights(
        path: &Path,
        image_size: Option<[usize; 2]>,
        device: &Device,
    ) -> Result<Self> {
        let overrides = ModelOverrides {
            image_size,
            ..ModelOverrides::default()
        };
        let pretrained = pretrained::open(path, &overrides, device)?;
        if pretrained.config.n_frames() > 1 {
            return Err(Error::invalid_format(format!(
                "{}: this is a {} for clips of {} frames, expected weights of a model for images; inspect a model for \
                 clips as a run that starts from such weights (model.init_from)",
                path.display(),
                pretrained.family.name(),
                pretrained.config.n_frames()
            )));
        }
        let [height, width] = pretrained.preprocessing.image_size;
        // Without names in the file, classes are shown by their numbers.
        let labels = pretrained.class_names.unwrap_or_default();
        Ok(Self {
            title: path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned(),
            notes: pretrained.notes,
            model: TaskModel {
                task: Task::from_config(&pretrained.config),
                samples: SampleSpec {
                    n_frames: 1,
                    n_channels: pretrained.config.n_channels(),
                    height,
                    width,
                    n_classes: pretrained.config.n_classes(),
                },
                network: pretrained.network,
                device: device.clone(),
                captions: None,
            },
            reader: ImageReader::Pretrained(preparation(&pretrained.preprocessing)),
            classes: pretrained.has_trained_head.then_some(labels),
        })
    }

    /// Reads images or clips from files.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] or [`Error::is_invalid_format`] for the first file that cannot be read.
    pub fn read_files(&self, paths: &[PathBuf]) -> Result<InspectionSet> {
        let read = |path: &PathBuf| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            // Files of the same name in several directories are told apart by their paths.
            let is_shared = |other: &&PathBuf| *other != path && other.file_name() == Some(name);
            let name = match paths.iter().find(is_shared) {
                Some(_) => path.as_os_str(),
                None => name,
            };
            Ok(InspectionItem {
                name: name.to_string_lossy().into_owned(),
                sample: self.read(path)?,
                perturbation: None,
            })
        };
        Ok(InspectionSet {
            items: paths.iter().map(read).collect::<Result<_>>()?,
            is_labelled: false,
        })
    }

    /// Reads one file as the model's input.
    fn read(&self, path: &Path) -> Result<Sample> {
        match &self.reader {
            ImageReader::Data(data) => data.read_sample(path),
            ImageReader::Pretrained(preparation) => {
                let pixels = read_prepared_image(path, self.model.samples, preparation)?;
                // A file has no label; the 0 is never read, because the set is not labelled.
                Ok(Sample::new(pixels, 0))
            }
        }
    }

    /// Runs the model on one batch: the items in `range`.
    ///
    /// # Errors
    ///
    /// The errors of [`ForwardPass::run`].
    pub fn forward_batch(&self, set: &InspectionSet, range: Range<usize>) -> Result<ForwardPass> {
        let items = &set.items[range.clone()];
        let names: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        let samples: Vec<Sample> = items.iter().map(|item| item.sample.clone()).collect();
        let perturbations: Vec<Option<AppliedPerturbation>> =
            items.iter().map(|item| item.perturbation.clone()).collect();
        let input = InspectionInput {
            names: &names,
            samples: &samples,
            perturbations: &perturbations,
            is_labelled: set.is_labelled,
            n_before: range.start,
            classes: match &self.classes {
                None => ClassNames::Unknown,
                Some(names) => ClassNames::Named(names),
            },
        };
        let TaskModel {
            network,
            task,
            samples: spec,
            device,
            ..
        } = &self.model;
        ForwardPass::run(network, *task, *spec, input, device)
    }
}
