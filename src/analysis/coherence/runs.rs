//! Runs that are measured on the same clips.

use std::num::NonZeroUsize;

use super::files::reported_clips;
use super::frame_encoder::SuiteFeatures;
use super::measurement::measure;
use super::run_measurement::RunMeasurement;
use super::suite::Suite;
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::evaluate::{
    Arm, EvaluateError, LoadedRun, RunInfo, check_same_task, checkpoint_problems, group_into_arms,
    same_classes,
};
use crate::model::Task;

/// Runs of the same task and the same shape of clips, grouped into arms.
#[derive(Debug)]
pub struct ComparableRuns {
    runs: Vec<LoadedRun>,
    infos: Vec<RunInfo>,
    arms: Vec<Arm>,
}

impl ComparableRuns {
    /// Checks that the runs can be compared, and groups them.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a run is passed twice, if two runs differ in their task, in the shape of their
    /// clips or in their classes, and the errors of [`group_into_arms`].
    pub fn new(runs: Vec<LoadedRun>) -> Result<Self> {
        check_alike(&runs)?;
        let infos: Vec<RunInfo> = runs
            .iter()
            .map(|run| RunInfo::new(&run.name(), &run.config))
            .collect();
        Ok(Self {
            arms: group_into_arms(&infos)?,
            infos,
            runs,
        })
    }

    /// Runs, in the order in which they were passed; at least one.
    pub fn runs(&self) -> &[LoadedRun] {
        &self.runs
    }

    /// Task of all runs.
    pub fn task(&self) -> Option<Task> {
        let first = self.runs.first()?;
        Some(first.task())
    }

    /// Says that runs were trained on different data sets, with one sentence; empty if they were not.
    ///
    /// Runs that did not store what they were trained on are left out.
    pub fn data_differences(&self) -> Vec<String> {
        let mut known = self
            .runs
            .iter()
            .filter_map(|run| Some((run, &run.manifest.as_ref()?.data_sha256)));
        let Some((first, digest)) = known.next() else {
            return Vec::new();
        };
        let others: Vec<String> = known
            .filter(|(_, other)| *other != digest)
            .map(|(run, _)| run.name())
            .collect();
        if others.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "trained on another data set than {} (the SHA-256 differs): {}; a difference between these runs may come \
             from the data",
            first.name(),
            others.join(", ")
        )]
    }

    /// Arms of the runs.
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// Measures the best checkpoint of every run on a suite.
    ///
    /// `features` are those of the true frames of the suite; without them, models that predict frames have no feature
    /// metrics. `progress` is called with the number of clips done, over all runs, and `message` with one line for each
    /// checkpoint that cannot be used.
    ///
    /// # Errors
    ///
    /// The errors of [`LoadedRun::best_model`]; [`EvaluateError::Measurement`] with the name of the run and the error
    /// of [`measure`].
    pub fn measure(
        &self,
        suite: &Suite,
        features: Option<&SuiteFeatures>,
        batch_size: Option<NonZeroUsize>,
        progress: &mut dyn FnMut(usize),
        message: &mut dyn FnMut(&str),
    ) -> Result<Vec<RunMeasurement>, EvaluateError> {
        let reported = reported_clips(suite);
        let mut measurements = Vec::with_capacity(self.runs.len());
        for (index, (run, info)) in self.runs.iter().zip(&self.infos).enumerate() {
            let loaded = run.best_model();
            for problem in checkpoint_problems(&loaded) {
                message(problem);
            }
            let n_before = index * suite.clips.len();
            let measurement = measure(
                &loaded?.model,
                suite,
                features,
                &reported,
                batch_size,
                &mut |n_clips| progress(n_before + n_clips),
            )
            .map_err(|error| EvaluateError::Measurement(error.within(&info.name)))?;
            measurements.push(RunMeasurement {
                info: info.clone(),
                measurement,
            });
        }
        Ok(measurements)
    }
}

/// Checks that all runs have the same task, shape of clips and classes, and that none is listed twice.
fn check_alike(runs: &[LoadedRun]) -> Result<()> {
    check_same_task(runs)?;
    let Some(first) = runs.first() else {
        return Ok(());
    };
    if first.task() == Task::PredictMask {
        return Err(Error::invalid_parameter(format!(
            "{} predicts masks of single images; expected runs of models of clips",
            first.name()
        )));
    }
    for loaded in runs {
        let shapes = [first, loaded].map(|run| run.config.spec.samples);
        if shapes[0] != shapes[1] {
            let [first_shape, shape] = shapes.map(|s| {
                format!(
                    "{} of {} by {} by {} and {}",
                    counted(s.n_frames, "frame"),
                    s.n_channels,
                    s.height,
                    s.width,
                    counted(s.n_classes, "class")
                )
            });
            return Err(Error::invalid_parameter(format!(
                "{} takes {shape} and {} takes {first_shape}; pass runs with the same shape of clips and number of classes",
                loaded.name(),
                first.name()
            )));
        }
        same_classes(first, loaded)?;
    }
    Ok(())
}
