//! Robustness and calibration metrics of a run's summary.

use super::error::TrainError;
use super::job::Job;
use super::observer::Observer;
use super::observer::report_problems;
use crate::data::{Attack, Corruption, Perturbation};
use crate::evaluate::{AttackedModel, PerturbedSettings};
use crate::model::Task;

/// Names of the calibration metrics, which are computed on clean samples.
const CALIBRATION: [&str; 2] = ["calibration_error", "brier"];

/// Robustness and calibration metrics on the test split; `None` if interrupted, empty if the configuration does not
/// request them.
pub(super) fn summary_metrics(
    job: &Job<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<(String, f64)>>, TrainError> {
    let Some(spec) = job.config.spec.robustness else {
        return Ok(Some(Vec::new()));
    };
    let loaded = AttackedModel::load(job.run, job.config, job.main_device());
    report_problems(&loaded, observer);
    let model = loaded?.model;
    let pgd = Attack::Pgd {
        n_steps: spec.pgd_steps,
        n_starts: spec.pgd_starts,
    };
    let evaluate = |perturbation| {
        let settings = PerturbedSettings::new(perturbation);
        model.evaluate_unless(&job.data.test, settings, job.stop)
    };
    let Some(clean) = evaluate(Perturbation::None)? else {
        return Ok(None);
    };
    let clean = clean.predictions.calibration()?;
    let values = [clean.calibration_error, clean.brier];
    let mut metrics: Vec<(String, f64)> = CALIBRATION
        .iter()
        .zip(values)
        .map(|(name, value)| ((*name).to_owned(), value))
        .collect();
    // The random change is no attack: it shows how much the attacks owe to their knowledge of the model.
    for (name, attack) in [
        ("fgsm", Attack::Fgsm),
        ("pgd", pgd),
        ("random", Attack::Random),
    ] {
        let epsilon = spec.epsilon;
        let Some(attacked) = evaluate(Perturbation::Attack { attack, epsilon })? else {
            return Ok(None);
        };
        metrics.push((
            format!("{name}_accuracy"),
            attacked.predictions.calibration()?.accuracy,
        ));
    }
    for corruption in Corruption::ALL {
        let severity = spec.severity;
        let Some(corrupted) = evaluate(Perturbation::Corrupt {
            corruption,
            severity,
        })?
        else {
            return Ok(None);
        };
        let name = corruption.name();
        metrics.push((
            format!("{name}_accuracy"),
            corrupted.predictions.calibration()?.accuracy,
        ));
        metrics.extend(
            corrupted
                .flip_rate
                .map(|rate| (format!("{name}_flip_rate"), rate)),
        );
    }
    Ok(Some(metrics))
}

/// Names of the metrics that [`summary_metrics`] returns for a task.
pub(super) fn names(task: Task) -> Vec<String> {
    let attacks = ["fgsm", "pgd", "random"].map(str::to_owned).into_iter();
    let corruptions = Corruption::ALL.map(|corruption| corruption.name().to_owned());
    let accuracies = attacks
        .chain(corruptions.clone())
        .map(|name| format!("{name}_accuracy"));
    let flip_rates = corruptions
        .into_iter()
        .map(|name| format!("{name}_flip_rate"));
    let accuracies = CALIBRATION.map(str::to_owned).into_iter().chain(accuracies);
    // A flip rate needs a predicted class for every frame.
    match task {
        Task::Classify => accuracies.collect(),
        Task::ClassifyFrames => accuracies.chain(flip_rates).collect(),
        Task::PredictNextFrame | Task::PredictMask | Task::Generate => Vec::new(),
    }
}
