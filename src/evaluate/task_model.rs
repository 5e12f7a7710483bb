//! A model together with its task.

use burn::prelude::*;

use super::flow::CaptionEncoder;
use crate::config::Spec;
use crate::data::{Sample, SampleBatcher, SampleSpec};
use crate::model::{Capture, ModelOutput, Network, Task};

/// Model with its task, the shape of its samples and its device: all that is needed to show samples to it.
#[derive(Debug, Clone)]
pub struct TaskModel {
    /// The model itself.
    pub network: Network,
    /// Task of the model.
    pub task: Task,
    /// Shape of the samples, and number of classes.
    pub samples: SampleSpec,
    /// Device of the model.
    pub device: Device,
    /// Encoder of captions; `None` unless the model is a generator.
    pub captions: Option<CaptionEncoder>,
}

impl TaskModel {
    /// Takes task and shape of the samples from a configuration; `device` is that of the network.
    pub fn new(network: Network, spec: &Spec, device: Device) -> Self {
        Self {
            network,
            task: Task::from_config(&spec.model),
            samples: spec.samples,
            device,
            captions: CaptionEncoder::from_spec(spec),
        }
    }

    /// Stacks samples into a tensor with pixels in `[-1, 1]`: `[n_samples, n_frames, n_channels, height, width]`.
    pub fn clips(&self, samples: &[Sample]) -> Tensor<5> {
        SampleBatcher { spec: self.samples }.clips(samples, &self.device)
    }

    /// Runs the model on stacked samples. A model that predicts frames receives all frames but the last.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        self.network.forward(self.task.model_input(clips), capture)
    }
}
