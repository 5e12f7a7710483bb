//! Learning-rate range test: training at a rate that grows from step to step, to see where the loss falls and rises.

use super::error::TrainError;
use super::job::Job;
use super::observer::{Observer, SilentObserver};
use super::trainer::Trainer;
use crate::config::Config;
use crate::loss::Schedule;

/// Learning rate of the first step.
const FIRST: f64 = 1e-7;

/// Learning rate of the last step.
const LAST: f64 = 10.0;

/// Largest number of steps.
const N_STEPS: usize = 200;

/// Weight of the earlier losses in the smoothed loss.
const SMOOTHING: f64 = 0.98;

/// The test ends when the smoothed loss is this multiple of its smallest value.
const DIVERGED: f64 = 4.0;

/// Number of first steps that do not count, with rates up to 1e-5: the smoothed loss is the mean of about so many losses,
/// and has not settled before.
const N_SETTLING: usize = 50;

/// Result of a learning-rate range test.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeTest {
    /// Steps in their order.
    pub points: Vec<RangePoint>,
    /// Suggested learning rate, where the smoothed loss falls most steeply; `None` if it never falls.
    pub suggestion: Option<f64>,
}

/// Step of a learning-rate range test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangePoint {
    /// Learning rate of the step.
    pub lr: f64,
    /// Loss before the step: that of the task, and the weighted penalties.
    pub loss: f64,
    /// Mean of the losses so far, in which older ones count less and less.
    pub smoothed: f64,
}

/// Trains at learning rates from 1e-7 to 10, each a constant multiple of the one before, until the loss has risen far.
///
/// ```text
/// lr_k = 1e-7 (10 / 1e-7)^(k / 199)                                             k = 0, ..., 199
/// smoothed_k = sum_j 0.98^(k - j) loss_j / sum_j 0.98^(k - j)
/// ```
///
/// All penalties are at full weight from the first step on. `progress` is called with the number of steps done and of
/// all steps. The run directory of `job` is written to, and should be a temporary one.
///
/// # Errors
///
/// The errors of [`train`](super::train), except that divergence after the first steps only ends the test.
///
/// # Source
///
/// Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3; smoothing and suggestion as in fastai.
pub fn range_test(
    job: &Job<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<RangeTest, TrainError> {
    let mut config: Config = job.config.clone();
    // A schedule could keep a penalty switched off during the test.
    for penalty in &mut config.spec.penalties {
        penalty.schedule = Schedule::default();
    }
    let training = &mut config.spec.training;
    let steps_per_epoch = training.steps_per_epoch(job.data.train.len()).max(1);
    training.epochs = N_STEPS.div_ceil(steps_per_epoch);
    let job = Job {
        config: &config,
        ..*job
    };
    let observer: &mut dyn Observer = &mut SilentObserver;
    let mut trainer = Trainer::open(&job, observer)?;
    let mut points: Vec<RangePoint> = Vec::new();
    let (mut sum, mut weight, mut smallest) = (0.0, 0.0, f64::INFINITY);
    for step in 0..N_STEPS {
        let lr = FIRST * (LAST / FIRST).powf(step as f64 / (N_STEPS - 1) as f64);
        trainer.fixed_lr = Some(lr);
        let report = match trainer.take_step(observer) {
            Ok(report) => report,
            // The rate has become too large: also if the attention is such that a penalty cannot compare it.
            Err(TrainError::Diverged(_) | TrainError::Topology(_)) if step > N_SETTLING => break,
            Err(error) => return Err(error),
        };
        let loss = report.task_loss + report.topology_loss;
        sum = SMOOTHING * sum + loss;
        weight = SMOOTHING * weight + 1.0;
        let smoothed: f64 = sum / weight;
        points.push(RangePoint { lr, loss, smoothed });
        progress(step + 1, N_STEPS);
        if step >= N_SETTLING {
            smallest = smallest.min(smoothed);
        }
        if smoothed > DIVERGED * smallest {
            break;
        }
    }
    let suggestion = steepest_fall(&points);
    Ok(RangeTest { points, suggestion })
}

/// Learning rate at which the smoothed loss falls most steeply over the logarithm of the rate, before its minimum.
fn steepest_fall(points: &[RangePoint]) -> Option<f64> {
    let settled = points.get(N_SETTLING..)?;
    let lowest = settled
        .iter()
        .min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))?
        .lr;
    // The rates are equally spaced in their logarithm, so differences of the loss have the order of the slopes.
    let falls = settled
        .windows(3)
        .filter(|window| window[1].lr <= lowest)
        .map(|window| (window[2].smoothed - window[0].smoothed, window[1].lr));
    let (change, lr) = falls.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (change < 0.0).then_some(lr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(smoothed: impl Fn(f64) -> f64) -> Vec<RangePoint> {
        (0..200)
            .map(|k| {
                let exponent = -7.0 + 8.0 * f64::from(k) / 199.0;
                RangePoint {
                    lr: 10f64.powf(exponent),
                    loss: 0.0,
                    smoothed: smoothed(exponent),
                }
            })
            .collect()
    }

    #[test]
    fn the_suggestion_is_where_the_loss_falls_most_steeply() {
        // A fall that is steepest at 1e-3, and a rise from 1e-1 on.
        let valley = |x: f64| 2.0 - (2.0 * (x + 3.0)).tanh() + 5.0 * (x + 1.0).max(0.0);
        let mut noisy = points(valley);
        // The first loss stands alone, and may be low by chance.
        noisy[0].smoothed = 0.0;
        let suggestion = steepest_fall(&noisy).unwrap();
        assert!((suggestion.log10() + 3.0).abs() < 0.1, "{suggestion}");
        assert_eq!(steepest_fall(&points(|x| x)), None);
        assert_eq!(steepest_fall(&[]), None);
    }
}
