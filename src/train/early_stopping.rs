//! Early stopping: the end of a training whose validation no longer improves.

use crate::config::{EarlyStopping, StoppingMetric};
use crate::run::{StoppingState, ValidationScore};

/// Watches the validations of a training.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoppingMonitor {
    /// Condition; `None` if training never ends early.
    spec: Option<EarlyStopping>,
    /// `None` before the first validation.
    state: Option<StoppingState>,
}

impl StoppingMonitor {
    /// Continues from the state of a checkpoint; `None` for a new run.
    pub(super) fn new(spec: Option<EarlyStopping>, state: Option<StoppingState>) -> Self {
        Self { spec, state }
    }

    /// State for a checkpoint; `None` without early stopping, and before the first validation.
    pub(super) fn state(&self) -> Option<StoppingState> {
        self.state
    }

    /// Counts the epochs without an improvement from 0 again.
    pub(super) fn restart_count(&mut self) {
        if let Some(state) = &mut self.state {
            state.epochs_without_improvement = 0;
        }
    }

    /// Adds the validation of an epoch.
    pub(super) fn update(&mut self, validation: ValidationScore) {
        let Some(spec) = self.spec else {
            return;
        };
        // Higher is better.
        let score = match spec.metric {
            StoppingMetric::Accuracy
            | StoppingMetric::Mse
            | StoppingMetric::Dice
            | StoppingMetric::FlowLoss => validation.score,
            StoppingMetric::Loss => -validation.loss,
        };
        let improved = StoppingState {
            best: score,
            epochs_without_improvement: 0,
        };
        self.state = Some(match self.state {
            None => improved,
            // False if the score is not a number.
            Some(state) if score > state.best + spec.min_delta => improved,
            Some(state) => StoppingState {
                epochs_without_improvement: state.epochs_without_improvement + 1,
                ..state
            },
        });
    }

    /// True if training has to end.
    pub(super) fn is_exhausted(&self) -> bool {
        match (self.spec, self.state) {
            (Some(spec), Some(state)) => state.epochs_without_improvement >= spec.patience,
            _ => false,
        }
    }

    /// Sentence about the end of a training after `n_epochs` of `epochs`; `None` without early stopping.
    pub(super) fn message(&self, n_epochs: usize, epochs: usize) -> Option<String> {
        let spec = self.spec?;
        let by = match spec.min_delta {
            0.0 => String::new(),
            min_delta => format!(" by more than {min_delta}"),
        };
        let during = match spec.patience {
            1 => "in the last epoch".to_owned(),
            patience => format!("in the last {patience} epochs"),
        };
        Some(format!(
            "early stopping after epoch {n_epochs} of {epochs}: validation {} has not improved{by} {during}",
            spec.metric.name()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of the epoch after which training ends, for these validations; `None` if it does not.
    fn end(spec: EarlyStopping, validations: &[[f64; 2]]) -> Option<usize> {
        let mut monitor = StoppingMonitor::new(Some(spec), None);
        let mut epochs = validations.iter().enumerate();
        let (epoch, _) = epochs.find(|(_, [score, loss])| {
            // Continued from its state each time, as after a resume.
            monitor = StoppingMonitor::new(Some(spec), monitor.state());
            monitor.update(ValidationScore {
                score: *score,
                loss: *loss,
            });
            monitor.is_exhausted()
        })?;
        Some(epoch + 1)
    }

    #[test]
    fn training_ends_after_patience_epochs_without_an_improvement() {
        let spec = |metric, patience, min_delta| EarlyStopping {
            patience,
            metric,
            min_delta,
        };
        let validations = [[0.5, 3.0], [0.6, 2.0], [0.6, 1.5], [0.61, 1.4], [0.6, 1.39]];
        let accuracy = StoppingMetric::Accuracy;
        assert_eq!(end(spec(accuracy, 1, 0.0), &validations), Some(3));
        assert_eq!(end(spec(accuracy, 2, 0.0), &validations), None);
        // 0.61 exceeds 0.6 by less than min_delta.
        assert_eq!(end(spec(accuracy, 2, 0.05), &validations), Some(4));
        let loss = StoppingMetric::Loss;
        assert_eq!(end(spec(loss, 1, 0.0), &validations), None);
        assert_eq!(end(spec(loss, 2, 0.2), &validations), Some(5));
        let nan = [[0.5, 1.0], [f64::NAN, 1.0]];
        assert_eq!(end(spec(accuracy, 1, 0.0), &nan), Some(2));
    }

    #[test]
    fn the_message_says_what_was_watched() {
        let spec = EarlyStopping {
            patience: 3,
            metric: StoppingMetric::Loss,
            min_delta: 0.01,
        };
        let monitor = StoppingMonitor::new(Some(spec), None);
        assert_eq!(
            monitor.message(7, 40).unwrap(),
            "early stopping after epoch 7 of 40: validation loss has not improved by more than 0.01 in the last 3 epochs"
        );
    }
}
