//! Reference of a training: a frozen copy of the weights that it started from.

use std::io;

use burn::module::Module;
use burn::prelude::*;

use super::error::TrainError;
use super::job::Job;
use super::parameters::number_parameters;
use crate::config::Spec;
use crate::error::Error;
use crate::loss::{Activations, Between};
use crate::model::{Capture, ModelOutput, Network};
use crate::run::{store_reference, stored_reference};

/// True if a penalty compares the model with the weights that it started from.
pub(super) fn is_compared(spec: &Spec) -> bool {
    let mut penalties = spec.penalties.iter();
    penalties.any(|penalty| penalty.is_between(Between::Reference))
}

/// Returns the reference of a run, on the main device without gradients.
///
/// `start` is the model before the first step; `None` if the run is resumed. It is stored in the run directory, so
/// that a resumed run has the same reference even if the pretrained weights have changed or are gone.
pub(super) fn open_reference(
    job: &Job<'_>,
    start: Option<&Network>,
) -> Result<Network, TrainError> {
    let directory = job.run.reference();
    if let Some(start) = start {
        store_reference(job.run, |file| {
            let record = start.valid().into_record();
            record.save(file).map_err(io::Error::other)
        })
        .map_err(TrainError::files(format_args!(
            "write {}",
            directory.display()
        )))?;
    }
    let cannot_use = |error: Error| {
        TrainError::Files(error.within(
            "the reference of this run, the weights that training started from, cannot be used, so start a new \
             run in another directory with `--output DIR`",
        ))
    };
    let file = stored_reference(job.run).map_err(cannot_use)?;
    let reference = job.config.spec.model.init(job.main_device());
    let reference = reference.try_load_file(&file).map_err(|error| {
        cannot_use(Error::invalid_format(file.display().to_string()).because(error))
    })?;
    Ok(number_parameters(reference.valid()))
}

/// Activations of the reference for a part of a batch; they have no graph, and dropout is off.
pub(super) fn reference_activations(
    reference: &Network,
    clips: Tensor<5>,
    capture: Capture,
) -> Activations {
    activations_of(reference.forward(clips.without_autodiff(), capture))
}

/// Activations of one view of a batch, from which the penalties are computed.
pub(super) fn activations_of(output: ModelOutput) -> Activations {
    Activations {
        hidden: output.hidden,
        within_frame_attention: output.within_frame_attention,
        ..Activations::from_attention(output.attention, output.tokens.n_prefix_tokens)
            .with_frames(output.tokens.n_frames)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::model::{NetworkConfig, VitConfig};

    #[test]
    fn the_reference_has_no_dropout_and_no_graph() {
        let device = Device::flex().autodiff();
        device.seed(1);
        let config = VitConfig::new([8, 8], 1, 3, 2, 8, 2, 2);
        let config = config.with_dropout(0.5).with_drop_path(0.5);
        let model = NetworkConfig::Vit(config).init(&device);
        let clips = Tensor::<5>::ones([2, 1, 1, 8, 8], &device);
        let of = |model: &Network| reference_activations(model, clips.clone(), Capture::Attention);
        let [first, again] = [0, 1].map(|_| of(&model.valid()).attention);
        for (first, again) in first.into_iter().zip(again) {
            assert!(!first.is_autodiff());
            assert_eq!(first.into_data(), again.into_data());
        }
        // With dropout, two forward passes differ after the first layer.
        let attention = || model.forward(clips.clone(), Capture::Attention).attention;
        let last = || attention().pop().unwrap().into_data();
        assert_ne!(last(), last());
    }
}
