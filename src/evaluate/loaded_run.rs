//! An existing run, its data and its best checkpoint.

use std::path::Path;

use burn::tensor::Device;

use super::attacked_model::AttackedModel;
use super::best_model::{BestModel, CheckpointChoice, best_model, chosen_model};
use super::error::EvaluateError;
use crate::config::{Config, ConfigError};
use crate::data::{Splits, numbered_classes, open_data, open_data_as};
use crate::error::{Error, Result as OwnResult};
use crate::model::Task;
use crate::run::{Manifest, RunDirectory};

/// Existing run that is evaluated, not trained.
#[derive(Debug, Clone)]
pub struct LoadedRun {
    /// Directory of the run.
    pub run: RunDirectory,
    /// Configuration of the run, with the directory where the data set lies now.
    pub config: Config,
    /// Provenance of the run; `None` if its file is missing.
    pub manifest: Option<Manifest>,
    /// Device that models are loaded on, without autodiff.
    pub device: Device,
}

impl LoadedRun {
    /// Opens a run directory. Neither data nor weights are read yet.
    ///
    /// [`open_device`](crate::run::open_device) gives the device of a name.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if there is no run, or its configuration is not valid.
    pub fn open(root: &Path, device: Device) -> Result<Self, EvaluateError> {
        let run = RunDirectory::open(root).map_err(EvaluateError::Files)?;
        let (config, manifest) = read_run(&run).map_err(EvaluateError::Files)?;
        Ok(Self {
            run,
            config,
            manifest,
            device,
        })
    }

    /// Name of the run directory; for `.`, the name of the current directory.
    pub fn name(&self) -> String {
        self.run.name()
    }

    /// Task that the model of the run is trained for.
    pub fn task(&self) -> Task {
        Task::from_config(&self.config.spec.model)
    }

    /// Name of each class of the model, by label; numbers if the run is of a version that did not store names.
    pub fn classes(&self) -> Vec<String> {
        match &self.manifest {
            Some(manifest) if !manifest.classes.is_empty() => manifest.classes.clone(),
            _ => numbered_classes(self.config.spec.samples.n_classes),
        }
    }

    /// Label of a class by its name, or by its number if no class has this name.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) with the classes that there are.
    pub fn label_of(&self, class: &str) -> OwnResult<usize> {
        let classes = self.classes();
        if let Some(label) = classes.iter().position(|name| name == class) {
            return Ok(label);
        }
        // A number above the last label would be taken for a class that has no sample.
        let number = class.parse().ok().filter(|&label| label < classes.len());
        number.ok_or_else(|| {
            let last = classes.len().saturating_sub(1);
            if classes == numbered_classes(classes.len()) {
                return Error::invalid_parameter(format!(
                    "there is no class {class}, expected 0 to {last}"
                ));
            }
            let names: Vec<String> = classes.iter().take(10).map(|n| format!("`{n}`")).collect();
            let more = match classes.len() - names.len() {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            Error::invalid_parameter(format!(
                "there is no class `{class}`, expected one of {}{more}, or a number from 0 to {last}",
                names.join(", ")
            ))
        })
    }

    /// Opens the data set that the run was trained on; its classes have the labels that they had in training.
    ///
    /// If the data set has changed since, the last of its notes says so.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if the data cannot be read, or has a class that the model does not know.
    pub fn data(&self) -> Result<Splits, EvaluateError> {
        let spec = &self.config.spec;
        let data = match self.known_classes() {
            Some(classes) => spec.open_data_as(classes),
            None => spec.open_data(),
        };
        self.with_change(data)
    }

    /// Opens the data set like [`Self::data`], with the whole training split, of which training may have used a subset.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::data`].
    pub fn whole_data(&self) -> Result<Splits, EvaluateError> {
        let spec = &self.config.spec.data;
        let data = match self.known_classes() {
            Some(classes) => open_data_as(spec, classes),
            None => open_data(spec),
        };
        self.with_change(data)
    }

    /// Stored names of the classes.
    fn known_classes(&self) -> Option<&[String]> {
        let classes = &self.manifest.as_ref()?.classes;
        (!classes.is_empty()).then_some(classes)
    }

    /// Adds a note if a data set is not the one of the training.
    fn with_change(&self, data: OwnResult<Splits>) -> Result<Splits, EvaluateError> {
        let mut data = data.map_err(EvaluateError::Files)?;
        let directory = self.config.spec.data.directory();
        let name = directory.map_or_else(|| self.name(), |path| path.display().to_string());
        let change = self
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.data_change(&name, &data));
        data.notes.extend(change);
        Ok(data)
    }

    /// Loads the model of the best checkpoint.
    ///
    /// # Errors
    ///
    /// The errors of [`best_model`].
    pub fn best_model(&self) -> Result<BestModel, EvaluateError> {
        best_model(&self.run, &self.config, &self.device)
    }

    /// Loads the model of a checkpoint.
    ///
    /// # Errors
    ///
    /// The errors of [`best_model`]; [`EvaluateError::Checkpoint`] also if there is no such checkpoint.
    pub fn model_of(&self, choice: &CheckpointChoice) -> Result<BestModel, EvaluateError> {
        chosen_model(&self.run, &self.config, &self.device, choice)
    }

    /// Loads the model of the best checkpoint for attacks and corruptions.
    ///
    /// # Errors
    ///
    /// The errors of [`AttackedModel::load`].
    pub fn attacked_model(&self) -> Result<BestModel<AttackedModel>, EvaluateError> {
        AttackedModel::load(&self.run, &self.config, &self.device)
    }
}

/// Reads the configuration and the provenance of a run, and finds the directory where its data set lies now.
///
/// That is the one that lies from the run as before, so that a project can be moved or copied as a whole; else the one
/// that the run was trained with, if it still exists; else the one in the configuration. Warnings of the configuration
/// are not passed on: the file is a record of the run, and nobody should edit it.
///
/// # Errors
///
/// [`Error::is_file_error`](crate::Error::is_file_error) if a file cannot be read,
/// [`Error::is_invalid_format`](crate::Error::is_invalid_format) if it is not valid.
pub fn read_run(run: &RunDirectory) -> OwnResult<(Config, Option<Manifest>)> {
    let mut config = Config::read(&run.config(), &[]).map_err(ConfigError::into_error)?;
    let file = run.manifest();
    // Runs can be evaluated without it.
    let manifest = file.exists().then(|| Manifest::read(&file)).transpose()?;
    if let Some(manifest) = &manifest {
        set_data_directory(&mut config, manifest, run);
    }
    Ok((config, manifest))
}

/// Changes the directory of the data to where it lies now, as [`read_run`] explains.
fn set_data_directory(config: &mut Config, manifest: &Manifest, run: &RunDirectory) {
    let Some(stored) = &manifest.data_directory else {
        return;
    };
    let data = &mut config.spec.data;
    let canonical = |path: &Path| path.canonicalize().ok();
    let written = data.directory().and_then(canonical);
    match stored.locate(run.root()) {
        // The path in the configuration is kept where it leads to the same place: it is shorter in messages.
        Some(found) if written.is_none() || written != canonical(&found) => {
            data.set_directory(found);
        }
        // Where it was, for the message that it is no longer there.
        None if written.is_none() => data.set_directory(stored.absolute.clone()),
        _ => {}
    }
}

/// Finds the data of a configuration that is the record of a run, if its own path leads nowhere.
///
/// `path` is that of the configuration. Nothing is changed if it is not in a run directory.
pub fn locate_data(config: &mut Config, path: &Path) {
    let is_missing = |directory: &Path| !directory.exists();
    if !config.spec.data.directory().is_some_and(is_missing) {
        return;
    }
    let Some(run) = path.parent().and_then(|root| RunDirectory::open(root).ok()) else {
        return;
    };
    if let Ok(manifest) = Manifest::read(&run.manifest()) {
        set_data_directory(config, &manifest, &run);
    }
}

/// Checks that two runs know the same classes by the same labels; runs that did not store names pass.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) that names both runs and the first difference.
pub fn same_classes(run: &LoadedRun, other: &LoadedRun) -> OwnResult<()> {
    let (Some(classes), Some(others)) = (run.known_classes(), other.known_classes()) else {
        return Ok(());
    };
    let different = classes
        .iter()
        .zip(others)
        .position(|(class, other)| class != other);
    match different {
        None => Ok(()),
        Some(label) => Err(Error::invalid_parameter(format!(
            "class {label} is `{}` in {} and `{}` in {}; pass runs that were trained on the same classes",
            classes[label],
            run.name(),
            others[label],
            other.name()
        ))),
    }
}
