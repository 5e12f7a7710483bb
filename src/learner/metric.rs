//! Metric of the penalties for Burn's training loop.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

use super::output::TopologyInput;

/// Metric of the weighted sum of the penalties, or of one penalty before its weight.
///
/// A penalty that is off counts as 0. The value of an epoch is the mean over its steps.
#[derive(Debug, Clone)]
pub struct TopologyMetric {
    name: MetricName,
    /// Name of the only penalty measured; `None` for all of them.
    penalty: Option<String>,
    last: f64,
    sum: f64,
    n_steps: usize,
}

impl TopologyMetric {
    /// Weighted sum of the penalties, as it is added to the task loss.
    pub fn total() -> Self {
        Self::named("Topology loss".to_owned(), None)
    }

    /// Value of one penalty before its weight.
    ///
    /// `penalty` is one of [`TopologyRegularizer::names`](crate::loss::TopologyRegularizer::names),
    /// such as `h1_layers`.
    pub fn for_penalty(penalty: &str) -> Self {
        let name = format!("Topology penalty {penalty}");
        Self::named(name, Some(penalty.to_owned()))
    }

    /// Creates a metric with a displayed name; `penalty` is `None` for the weighted sum.
    fn named(name: String, penalty: Option<String>) -> Self {
        Self {
            name: Arc::new(name),
            penalty,
            last: 0.0,
            sum: 0.0,
            n_steps: 0,
        }
    }

    /// Mean over the steps of the current epoch; 0 before the first.
    fn mean(&self) -> f64 {
        self.sum / self.n_steps.max(1) as f64
    }
}

/// Formats a value for display and for Burn's log files.
fn entry(value: f64) -> SerializedEntry {
    SerializedEntry::new(format!("{value:.4}"), value.to_string())
}

impl Metric for TopologyMetric {
    type Input = TopologyInput;

    fn name(&self) -> MetricName {
        Arc::clone(&self.name)
    }

    fn attributes(&self) -> MetricAttributes {
        let attributes = NumericAttributes {
            unit: None,
            higher_is_better: false,
        };
        attributes.into()
    }

    fn update(
        &mut self,
        input: &TopologyInput,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.last = match &self.penalty {
            None => input
                .terms
                .iter()
                // A penalty of weight 0 adds nothing, also where its value is infinite.
                .filter(|term| term.weight != 0.0)
                .map(|term| term.weight * term.value)
                .sum(),
            Some(name) => {
                // Found by name: penalties that are off have no term, so positions differ from step to step.
                let term = input.terms.iter().find(|term| term.name == *name);
                term.map_or(0.0, |term| term.value)
            }
        };
        self.sum += self.last;
        self.n_steps += 1;
        Ok(entry(self.last))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(entry(self.mean()))
    }

    fn clear(&mut self) {
        (self.last, self.sum, self.n_steps) = (0.0, 0.0, 0);
    }
}

impl Numeric for TopologyMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(NumericEntry::Value(self.last))
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(NumericEntry::Aggregated {
            aggregated_value: self.mean(),
            count: self.n_steps,
        })
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.mean())
    }
}

#[cfg(test)]
mod tests {
    use burn::data::dataloader::Progress;

    use super::*;
    use crate::loss::TopologyTerm;

    fn metadata() -> MetricMetadata {
        MetricMetadata {
            progress: Progress {
                items_processed: 1,
                items_total: 1,
                unit: None,
            },
            iteration: None,
            lr: None,
        }
    }

    fn input(values: &[(usize, f64, f64)]) -> TopologyInput {
        let term = |&(index, value, weight)| TopologyTerm {
            index,
            name: format!("h{index}_layers"),
            value,
            weight,
            n_compared: 1,
            n_gated: 0,
        };
        TopologyInput {
            terms: values.iter().map(term).collect(),
        }
    }

    #[test]
    fn the_value_of_an_epoch_is_the_mean_over_its_steps() {
        let steps = [
            input(&[(0, 2.0, 0.5), (1, 3.0, 0.1)]),
            input(&[(1, 1.0, 0.1)]),
            input(&[]),
        ];
        for (mut metric, expected) in [
            (TopologyMetric::total(), [1.3, 0.1, 0.0]),
            (TopologyMetric::for_penalty("h1_layers"), [3.0, 1.0, 0.0]),
        ] {
            for (step, expected) in steps.iter().zip(expected) {
                metric.update(step, &metadata()).unwrap();
                assert!((metric.value().unwrap().current() - expected).abs() < 1e-12);
            }
            metric.compute().unwrap();
            let mean = expected.iter().sum::<f64>() / 3.0;
            assert!((metric.final_value().current() - mean).abs() < 1e-12);
            metric.clear();
            assert_eq!(metric.final_value().current(), 0.0);
        }
    }
}
