//! Attacks, corruptions and calibration in a run's summary.

use super::attacked_model::AttackedModel;
use super::error::TrainError;
use super::observer::Observer;
use super::trainer::Job;
use crate::data::{Attack, Corruption, Perturbation};
use crate::model::Task;

/// Of predictions on clean samples, in the summary.
const CALIBRATION: [&str; 2] = ["calibration_error", "brier"];

/// Metrics of the test split in a run's summary beside those of the task, where the configuration asks for them.
pub(super) fn summary_metrics(
    job: &Job<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<(String, f64)>>, TrainError> {
    let Some(spec) = job.config.spec.robustness else {
        return Ok(Some(Vec::new()));
    };
    let model = AttackedModel::load(job.run, job.config, job.device, observer)?;
    let pgd = Attack::Pgd {
        n_steps: spec.pgd_steps,
        n_starts: spec.pgd_starts,
    };
    let read = |perturbation| {
        let samples = &job.data.test;
        model.read(samples, perturbation, &model, 0, job.stop, &mut |_| {})
    };
    let Some(clean) = read(Perturbation::None)? else {
        return Ok(None);
    };
    let clean = clean.predictions.calibration()?;
    let values = [clean.calibration_error, clean.brier];
    let calibration = CALIBRATION.iter().zip(values);
    let mut metrics: Vec<(String, f64)> = calibration
        .map(|(name, value)| ((*name).to_owned(), value))
        .collect();
    for (name, attack) in [
        ("fgsm", Attack::Fgsm),
        ("pgd", pgd),
        ("random", Attack::Random),
    ] {
        let epsilon = spec.epsilon;
        let Some(found) = read(Perturbation::Attack { attack, epsilon })? else {
            return Ok(None);
        };
        metrics.push((
            format!("{name}_accuracy"),
            found.predictions.calibration()?.accuracy,
        ));
    }
    for corruption in Corruption::ALL {
        let severity = spec.severity;
        let Some(found) = read(Perturbation::Corrupt {
            corruption,
            severity,
        })?
        else {
            return Ok(None);
        };
        let name = corruption.name();
        metrics.push((
            format!("{name}_accuracy"),
            found.predictions.calibration()?.accuracy,
        ));
        metrics.extend(
            found
                .flip_rate
                .map(|rate| (format!("{name}_flip_rate"), rate)),
        );
    }
    Ok(Some(metrics))
}

/// Names of [`summary_metrics`].
pub(super) fn names(task: Task) -> Vec<String> {
    let attacks = ["fgsm", "pgd", "random"].map(str::to_owned).into_iter();
    let corruptions = Corruption::ALL.map(|corruption| corruption.name().to_owned());
    let accuracies = attacks
        .chain(corruptions.clone())
        .map(|name| format!("{name}_accuracy"));
    let flips = corruptions
        .into_iter()
        .map(|name| format!("{name}_flip_rate"));
    let accuracies = CALIBRATION.map(str::to_owned).into_iter().chain(accuracies);
    match task {
        Task::Classify => accuracies.collect(),
        Task::ClassifyFrames => accuracies.chain(flips).collect(),
        Task::PredictNextFrame => Vec::new(),
    }
}
