//! The best checkpoint of a run, loaded as a model.

use burn::module::Module;
use burn::tensor::Device;

use super::error::EvaluateError;
use super::task_model::TaskModel;
use crate::config::Config;
use crate::error::Error;
use crate::model::{Network, check_parameters};
use crate::run::{CheckpointState, Checkpoints, RunDirectory, check_config};

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
/// [`EvaluateError::Checkpoint`] if there is no usable checkpoint, its weights do not fit the model, or one is not finite;
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
        let error = if problems.is_empty() {
            Error::file("no checkpoint to load: training has not reached its first validation")
        } else {
            Error::invalid_format("none of the checkpoints can be used")
        };
        return Err(EvaluateError::Checkpoint {
            error: error.within(directory.display()),
            problems,
        });
    };
    if let Err(error) = check_config(run, state, &path) {
        return Err(EvaluateError::Checkpoint { error, problems });
    }
    // The initial parameters do not matter: all of them are replaced by those of the checkpoint.
    let weights = path.join("model.bpk");
    let loaded = config
        .spec
        .model
        .init(device)
        .try_load_file(&weights)
        .map_err(|error| Error::invalid_format(weights.display().to_string()).because(error))
        .and_then(|network: Network| match check_parameters(&network) {
            Ok(()) => Ok(network),
            Err(error) => Err(error.within(weights.display())),
        });
    match loaded {
        Ok(network) => Ok(BestModel {
            model: TaskModel::new(network, &config.spec, device.clone()),
            state: state.clone(),
            problems,
        }),
        Err(error) => Err(EvaluateError::Checkpoint { error, problems }),
    }
}
