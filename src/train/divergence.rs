//! Likeliest cause of a divergence, and what to do.

/// Multiple of the task loss from which a penalty counts as the cause of a divergence.
const DOMINATES: f64 = 1e3;

/// Penalty that is far larger than the task loss.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DominantPenalty {
    pub(super) name: String,
    /// Weight with its schedule.
    pub(super) weight: f64,
    /// Penalty with its weight, without the weight, and loss of the task.
    pub(super) weighted: f64,
    pub(super) task: f64,
}

impl DominantPenalty {
    /// Finds the largest of the penalties, given as names, values and weights; `None` if none of them dominates.
    pub(super) fn among<'a>(
        terms: impl IntoIterator<Item = (&'a str, f64, f64)>,
        task: f64,
    ) -> Option<Self> {
        terms
            .into_iter()
            .map(|(name, value, weight)| Self {
                name: name.to_owned(),
                weight,
                weighted: value * weight,
                task,
            })
            .filter(|term| {
                !term.weighted.is_finite() || term.weighted.abs() > DOMINATES * task.abs()
            })
            // A value that is not finite is the largest of all.
            .max_by(|a, b| f64::total_cmp(&a.weighted.abs(), &b.weighted.abs()))
    }

    /// Sentence about the cause, with advice.
    fn advice(&self) -> String {
        let Self {
            name,
            weight,
            weighted,
            task,
        } = self;
        format!(
            "the penalty {name} was {weighted:.2e} (weight {weight:.2e}) beside a task loss of {task:.2e}; lower \
             topology.{name}.weight"
        )
    }
}

/// Likeliest cause of a divergence, and what to do; `lr` is NaN outside of a step.
pub(super) fn advice(
    dominant: Option<&DominantPenalty>,
    lr: f64,
    weight_decay: f64,
    clip_norm: Option<f64>,
) -> String {
    let decay = lr * weight_decay;
    match (dominant, clip_norm) {
        (Some(penalty), _) => penalty.advice(),
        // Beyond 2, every step makes the parameters larger and turns their signs.
        (None, _) if decay > 1.0 && weight_decay > 1.0 => format!(
            "weight decay times learning rate is {decay:.2e}, expected far less than 1; lower \
             training.optimizer.weight_decay"
        ),
        (None, None) => "lower training.optimizer.lr or set training.clip_norm".to_owned(),
        // Advice that has been followed already does not help.
        (None, Some(_)) => "lower training.optimizer.lr".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_penalty_far_above_the_task_loss_is_a_cause() {
        let found = |terms: &[(&'static str, f64, f64)]| {
            let found = DominantPenalty::among(terms.iter().copied(), 2.0);
            found.map(|penalty| penalty.name)
        };
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("h0_layers", 5.0, 0.1)]), None);
        assert_eq!(
            found(&[("h0_layers", 5.0, 1e30)]),
            Some("h0_layers".to_owned())
        );
        let terms = [("h0_layers", 5.0, 1e30), ("h1_layers", f64::NAN, 0.1)];
        assert_eq!(found(&terms), Some("h1_layers".to_owned()));
        let penalty = DominantPenalty::among([("h0_layers", 5.0, 1e30)], 2.0);
        assert_eq!(
            penalty.unwrap().advice(),
            "the penalty h0_layers was 5.00e30 (weight 1.00e30) beside a task loss of 2.00e0; lower \
             topology.h0_layers.weight"
        );
        let decay = advice(None, 0.1, 1e30, None);
        assert!(
            decay.ends_with("lower training.optimizer.weight_decay"),
            "{decay}"
        );
        // Weight decay of a usual size is not the cause.
        assert!(advice(None, 1e30, 0.05, None).starts_with("lower training.optimizer.lr"));
        assert_eq!(
            advice(None, f64::NAN, 1e30, Some(1.0)),
            "lower training.optimizer.lr"
        );
    }
}
