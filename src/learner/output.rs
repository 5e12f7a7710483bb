//! What a training step returns.

use burn::tensor::ExecutionError;
use burn::train::ItemLazy;
use burn::train::metric::{
    AccuracyInput, Adaptor, ConfusionStatsInput, LossInput, PerplexityInput, TopKAccuracyInput,
};

use crate::loss::TopologyTerm;

/// A task's output with the penalties that were added to its loss.
///
/// It stands wherever the task's output stood: the metrics of classification read through it.
#[derive(Debug, Clone)]
pub struct RegularizedOutput<T> {
    /// The task's own output, as [`ClassificationOutput`](burn::train::ClassificationOutput).
    pub task: T,
    /// One entry per penalty that was on.
    pub terms: Vec<TopologyTerm>,
}

/// What a [`TopologyMetric`](super::TopologyMetric) reads; already on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyInput {
    /// One entry per penalty that was on.
    pub terms: Vec<TopologyTerm>,
}

impl<T: ItemLazy> ItemLazy for RegularizedOutput<T> {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(Self {
            task: self.task.sync()?,
            terms: self.terms,
        })
    }
}

impl<T> Adaptor<TopologyInput> for RegularizedOutput<T> {
    fn adapt(&self) -> TopologyInput {
        TopologyInput {
            terms: self.terms.clone(),
        }
    }
}

macro_rules! read_through {
    ($($input:ty),*) => {$(
        impl<T: Adaptor<$input>> Adaptor<$input> for RegularizedOutput<T> {
            fn adapt(&self) -> $input {
                self.task.adapt()
            }
        }
    )*};
}

read_through!(
    AccuracyInput,
    ConfusionStatsInput,
    LossInput,
    PerplexityInput,
    TopKAccuracyInput
);
