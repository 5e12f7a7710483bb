//! An existing run, its data and its best checkpoint.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;

use super::attacked_model::AttackedModel;
use super::error::EvaluateError;
use super::task_model::TaskModel;
use crate::config::Config;
use crate::data::Splits;
use crate::run::{CheckpointState, Checkpoints, RunDirectory};

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

/// Model of the checkpoint that is best on the validation split.
#[derive(Debug, Clone)]
pub struct BestModel<M = TaskModel> {
    /// The model with the parameters of the checkpoint.
    pub model: M,
    /// State of the training at the checkpoint.
    pub state: CheckpointState,
    /// One message for each checkpoint of the run that cannot be used.
    pub problems: Vec<String>,
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
            .map_err(|error| EvaluateError::Files(error.to_string()))?;
        Ok(Self {
            run,
            config,
            device,
        })
    }

    /// Name of the run directory; for `.`, the name of the current directory.
    pub fn name(&self) -> String {
        let root = self.run.root();
        let absolute = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let name = absolute.file_name().unwrap_or(root.as_os_str());
        name.to_string_lossy().into_owned()
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

    /// Loads the model of the best checkpoint for attacks and corruptions.
    ///
    /// # Errors
    ///
    /// The errors of [`AttackedModel::load`].
    pub fn attacked_model(&self) -> Result<BestModel<AttackedModel>, EvaluateError> {
        AttackedModel::load(&self.run, &self.config, &self.device)
    }
}

/// Messages about the checkpoints that cannot be used, whether or not another one could be loaded.
pub fn checkpoint_problems<M>(loaded: &Result<BestModel<M>, EvaluateError>) -> &[String] {
    match loaded {
        Ok(best) => &best.problems,
        Err(EvaluateError::Checkpoint { problems, .. }) => problems,
        Err(_) => &[],
    }
}

/// Loads the model of the checkpoint that is best on the validation split.
///
/// # Errors
///
/// [`EvaluateError::Checkpoint`] if there is no usable checkpoint, or its weights do not fit the model;
/// [`EvaluateError::Files`] if the checkpoints cannot be listed.
pub fn best_model(
    run: &RunDirectory,
    config: &Config,
    device: &Device,
) -> Result<BestModel, EvaluateError> {
    let directory = run.checkpoints();
    let (checkpoints, unusable) =
        Checkpoints::open(run, config.spec.checkpoint.keep_last).map_err(EvaluateError::files(
            format_args!("read {}", directory.display()),
        ))?;
    let problems: Vec<String> = unusable
        .iter()
        .map(|reason| format!("checkpoint not used: {reason}"))
        .collect();
    let Some((state, _, path)) = checkpoints.best() else {
        let reason = if problems.is_empty() {
            "no checkpoint to load: training has not reached its first validation"
        } else {
            "none of the checkpoints can be used"
        };
        return Err(EvaluateError::Checkpoint {
            message: format!("{}: {reason}", directory.display()),
            problems,
        });
    };
    // The initial parameters do not matter: all of them are replaced by those of the checkpoint.
    let weights = path.join("model.bpk");
    match config.spec.model.init(device).try_load_file(&weights) {
        Ok(network) => Ok(BestModel {
            model: TaskModel::new(network, &config.spec, device.clone()),
            state: state.clone(),
            problems,
        }),
        Err(error) => Err(EvaluateError::Checkpoint {
            message: format!("{}: {error}", weights.display()),
            problems,
        }),
    }
}
