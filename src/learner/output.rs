//! Output of a training step, with the terms of the penalties.

use burn::tensor::ExecutionError;
use burn::train::ItemLazy;
use burn::train::metric::{
    AccuracyInput, Adaptor, ConfusionStatsInput, LossInput, PerplexityInput, TopKAccuracyInput,
};

use crate::loss::TopologyTerm;

/// Output of a task, with the terms of the penalties that were added to its loss.
///
/// It replaces the task's own output: the metrics of classification accept it too.
#[derive(Debug, Clone)]
pub struct RegularizedOutput<T> {
    /// Output of the task itself, such as [`ClassificationOutput`](burn::train::ClassificationOutput).
    pub task: T,
    /// Terms of the penalties that were on.
    pub terms: Vec<TopologyTerm>,
}

/// Input of a [`TopologyMetric`](super::TopologyMetric): the terms of one step, already on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyInput {
    /// Terms of the penalties that were on.
    pub terms: Vec<TopologyTerm>,
}

impl<T: ItemLazy> ItemLazy for RegularizedOutput<T> {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(Self {
            task: self.task.sync()?,
            // Terms are on the host already, so there is nothing to wait for.
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

/// Forwards the inputs of metrics to the output of the task.
macro_rules! adapt_by_task {
    ($($input:ty),*) => {$(
        // Written out for each input: a blanket implementation would overlap with that for `TopologyInput`.
        impl<T: Adaptor<$input>> Adaptor<$input> for RegularizedOutput<T> {
            fn adapt(&self) -> $input {
                self.task.adapt()
            }
        }
    )*};
}

adapt_by_task!(
    AccuracyInput,
    ConfusionStatsInput,
    LossInput,
    PerplexityInput,
    TopKAccuracyInput
);
