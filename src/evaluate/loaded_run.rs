//! An existing run, its data and its best checkpoint.

use std::path::Path;

use burn::tensor::Device;

use super::attacked_model::AttackedModel;
use super::best_model::{BestModel, CheckpointChoice, best_model, chosen_model};
use super::error::EvaluateError;
use crate::config::Config;
use crate::data::Splits;
use crate::model::Task;
use crate::run::RunDirectory;

/// Existing run that is evaluated, not trained.
#[derive(Debug, Clone)]
pub struct LoadedRun {
    /// Directory of the run.
    pub run: RunDirectory,
    /// Configuration of the run.
    pub config: Config,
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
        // Warnings are not passed on: the file is a record of the run, and nobody should edit it.
        let config = Config::read(&run.config(), &[])
            .map_err(|error| EvaluateError::Files(error.into_error()))?;
        Ok(Self {
            run,
            config,
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

    /// Opens the data set that the run was trained on.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if the data cannot be read.
    pub fn data(&self) -> Result<Splits, EvaluateError> {
        self.config.spec.open_data().map_err(EvaluateError::Files)
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
