//! Where a training starts: at the beginning, or at the newest checkpoint that can be used.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;

use super::charts;
use super::collapse::CollapseWatch;
use super::error::TrainError;
use super::observer::Observer;
use super::optimizer::{freeze, number_parameters};
use super::prefetch::{Prefetch, SampleOrder};
use super::timing::{Profile, Timing};
use super::trainer::{Job, Trainer};
use crate::loss::TopologyRegularizer;
use crate::model::pretrained::open_as;
use crate::nn::AdamW;
use crate::run::{CheckpointState, Checkpoints, MetricsLog, RunDirectory, sha256_hex};

/// The checkpoints of a run and the one to go on from.
struct Start {
    checkpoints: Checkpoints,
    newest: Option<(CheckpointState, PathBuf)>,
    config_sha256: String,
}

impl Start {
    /// Looks for the newest checkpoint that can be used; those that cannot are told of, and put
    /// away once it is sure that training goes on without them.
    fn find(
        run: &RunDirectory,
        keep_last: usize,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let reading = || TrainError::files(format!("read {}", run.root().display()));
        Checkpoints::recover(run).map_err(reading())?;
        let config_sha256 = sha256_hex(&std::fs::read(run.config()).map_err(reading())?);
        let (mut checkpoints, mut complaints) =
            Checkpoints::open(run, keep_last).map_err(reading())?;
        let metrics = run.metrics();
        let metrics_bytes = match metrics.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) => return Err(TrainError::Files(format!("{}: {error}", metrics.display()))),
        };
        let newest = checkpoints.newest_within(metrics_bytes, &mut complaints);
        for complaint in &complaints {
            observer.note(&format!("checkpoint not used: {complaint}"));
        }
        match &newest {
            Some((state, path)) if state.config_sha256 != config_sha256 => {
                return Err(TrainError::Files(format!(
                    "{} was taken under another configuration than {}, expected the same; put the file back, or train anew with `--out DIR`",
                    path.display(),
                    run.config().display()
                )));
            }
            Some((state, _)) => observer.note(&format!("going on from step {}", state.step)),
            None if complaints.is_empty() => {}
            None => {
                return Err(TrainError::Files(format!(
                    "{}: no checkpoint can be used; start over in another directory with `--out DIR`",
                    run.checkpoints().display()
                )));
            }
        }
        checkpoints
            .set_aside_after(newest.as_ref().map(|(state, _)| state.step))
            .map_err(TrainError::files("set unusable checkpoints aside"))?;
        Ok(Self {
            checkpoints,
            newest,
            config_sha256,
        })
    }
}

impl<'a> Trainer<'a> {
    /// As the newest usable checkpoint says, or as the configuration alone.
    pub(super) fn open(job: &'a Job<'a>, observer: &mut dyn Observer) -> Result<Self, TrainError> {
        let (run, spec) = (job.run, &job.config.spec);
        let start = Start::find(run, spec.checkpoint.keep_last, observer)?;
        let (metrics_bytes, next_step) = match &start.newest {
            // What the checkpoint's own step has logged stays.
            Some((state, _)) => (state.metrics_bytes, state.step + 1),
            None => (0, 0),
        };
        let log = MetricsLog::open(run, metrics_bytes, next_step).map_err(TrainError::files(
            format_args!("write in {}", run.root().display()),
        ))?;
        let device = job.device.clone().autodiff();
        device.seed(spec.seed);
        let network = match (&spec.start.init_from, &start.newest) {
            (Some(weights), None) => {
                observer.note(&format!("starting from {}", weights.display()));
                open_as(weights, &spec.model, &device).map_err(TrainError::Files)?
            }
            // A checkpoint has all that was read.
            _ => spec.model.init(&device),
        };
        let network = match spec.start.n_frozen {
            Some(n_blocks) => freeze(network, n_blocks),
            None => network,
        };
        let steps_per_epoch = spec.training.steps_per_epoch(job.data.train.len());
        let mut trainer = Self {
            job,
            model: number_parameters(network),
            optimizer: ModuleOptimizer::from(AdamW {
                weight_decay: spec.training.weight_decay as f32,
                ..AdamW::default()
            }),
            regularizer: TopologyRegularizer::new(spec.penalties.clone())?,
            device,
            step: 0,
            timing: Timing::new(0.0, 0.0, 0.0),
            profile: Profile::default(),
            recent: Profile::default(),
            samples: Prefetch::new(SampleOrder {
                samples: job.data.train.clone(),
                spec: spec.samples,
                augment: spec.training.augment,
                seed: spec.seed,
                batch_size: spec.training.batch_size,
                steps_per_epoch,
                n_steps: spec.training.epochs * steps_per_epoch,
            }),
            collapse: CollapseWatch::new(spec.collapse, Vec::new()),
            validation: None,
            is_saved: false,
            is_failing: false,
            checkpoints: start.checkpoints,
            log,
            config_sha256: start.config_sha256,
        };
        match start.newest {
            Some((state, path)) => trainer.restore(state, &path)?,
            None => trainer.log.show(|events| charts::start(events, job.config)),
        }
        trainer.tell_warnings(observer);
        Ok(trainer)
    }

    fn restore(&mut self, state: CheckpointState, path: &Path) -> Result<(), TrainError> {
        let cannot = |what: &str, error: &dyn std::fmt::Display| {
            TrainError::Files(format!("{}: {error}", path.join(what).display()))
        };
        self.model = self
            .model
            .clone()
            .try_load_file(path.join("model.bpk"))
            .map_err(|error| cannot("model.bpk", &error))?;
        self.optimizer = self
            .optimizer
            .clone()
            .load(path.join("optimizer.bpk"))
            .map_err(|error| cannot("optimizer.bpk", &error))?;
        self.regularizer
            .set_weights(state.penalty_weights)
            .map_err(|error| cannot("state.json", &error))?;
        self.collapse = CollapseWatch::new(self.job.config.spec.collapse, state.peak_distances);
        self.step = state.step;
        self.validation = state.validation;
        self.is_saved = true;
        self.timing = Timing::new(
            state.seconds,
            state.seconds_in_steps,
            state.seconds_in_topology,
        );
        Ok(())
    }
}
