//! Weights that a training starts from: pretrained ones, or those of another run.

use std::path::Path;

use burn::tensor::Device;

use super::best_model::BestModel;
use super::error::EvaluateError;
use super::loaded_run::LoadedRun;
use crate::error::{Error, Result};
use crate::model::NetworkConfig;
use crate::model::pretrained::{Pretrained, open_matching};

/// Reads the weights that a training starts from: pretrained weights, or the best checkpoint of a run directory.
///
/// The architecture must be that of `config`, except for the sizes of input and output: see [`open_matching`].
///
/// # Errors
///
/// The errors of [`open_matching`]; for a run, those of [`LoadedRun::open`] and [`LoadedRun::best_model`] as well.
pub fn starting_weights(
    path: &Path,
    config: &NetworkConfig,
    device: &Device,
) -> Result<Pretrained> {
    // Only run directories contain a directory of this name.
    if !path.join("checkpoints").is_dir() {
        return open_matching(path, config, device);
    }
    let own = |error: EvaluateError| match error {
        EvaluateError::Files(error)
        | EvaluateError::Measurement(error)
        | EvaluateError::Topology(error)
        | EvaluateError::Checkpoint { error, .. } => error,
    };
    let run = LoadedRun::open(path, device.clone()).map_err(own)?;
    let BestModel {
        model,
        state,
        problems,
    } = run.best_model().map_err(own)?;
    let within = |error: Error| error.within(path.display());
    let mut stored = Pretrained::from_network(model.network, run.config.spec.model.clone(), None)
        .map_err(within)?;
    stored.notes.extend(problems);
    stored.notes.push(format!(
        "{}: the checkpoint of step {}",
        path.display(),
        state.step
    ));
    stored.matching(path, config, device)
}
