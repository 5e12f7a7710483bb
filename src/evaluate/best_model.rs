//! A checkpoint of a run, loaded as a model.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;

use super::error::EvaluateError;
use super::task_model::TaskModel;
use crate::config::Config;
use crate::error::Error;
use crate::model::{Network, check_parameters};
use crate::run::{CheckpointState, Checkpoints, RunDirectory, check_config};

/// Checkpoint of a run whose model is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The checkpoint that is best on the validation split.
    #[default]
    Best,
    /// The newest checkpoint.
    Last,
    /// The checkpoint in this directory, which must be one of the run's.
    Directory(PathBuf),
}

/// Model of a checkpoint, by default the one that is best on the validation split.
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
    chosen_model(run, config, device, &CheckpointChoice::Best)
}

/// Loads the model of a checkpoint.
///
/// # Errors
///
/// The errors of [`best_model`]; [`EvaluateError::Checkpoint`] also if there is no such checkpoint.
pub(super) fn chosen_model(
    run: &RunDirectory,
    config: &Config,
    device: &Device,
    choice: &CheckpointChoice,
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
    let (state, path) = match find(&checkpoints, choice, run, !problems.is_empty()) {
        Ok(found) => found,
        Err(error) => return Err(EvaluateError::Checkpoint { error, problems }),
    };
    if let Err(error) = check_config(run, &state, &path) {
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
            state,
            problems,
        }),
        Err(error) => Err(EvaluateError::Checkpoint { error, problems }),
    }
}

/// Finds a checkpoint among the usable ones.
fn find(
    checkpoints: &Checkpoints,
    choice: &CheckpointChoice,
    run: &RunDirectory,
    has_problems: bool,
) -> Result<(CheckpointState, PathBuf), Error> {
    let found = match choice {
        CheckpointChoice::Best => checkpoints.best().map(|(state, _, path)| (state, path)),
        CheckpointChoice::Last => checkpoints.newest(),
        CheckpointChoice::Directory(wanted) => {
            let found = checkpoints.find(|path| is_same(path, wanted));
            let found = found.map(|(state, path)| (state.clone(), path));
            return found.ok_or_else(|| {
                Error::invalid_parameter(format!(
                    "{} is none of the usable checkpoints, expected `best`, `last`, or the directory of one, such as {}",
                    wanted.display(),
                    checkpoints
                        .newest()
                        .map_or("<run>/checkpoints/<step>".to_owned(), |(_, path)| path
                            .display()
                            .to_string())
                ))
            });
        }
    };
    let found = found.map(|(state, path)| (state.clone(), path));
    found.ok_or_else(|| {
        let error = if has_problems {
            Error::invalid_format("none of the checkpoints can be used")
        } else {
            Error::file("no checkpoint to load: training has not reached its first validation")
        };
        error.within(run.checkpoints().display())
    })
}

/// True if two paths lead to the same directory.
fn is_same(a: &Path, b: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().ok();
    a == b || canonical(a).is_some_and(|a| Some(a) == canonical(b))
}
