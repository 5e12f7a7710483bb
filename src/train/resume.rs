//! Start of a training: from the beginning, or from the newest usable checkpoint.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;

use super::averaged_weights::AveragedWeights;
use super::charts;
use super::checkpointing::{MODEL_FILE, OPTIMIZER_FILE, UNAVERAGED_FILE};
use super::collapse::CollapseMonitor;
use super::early_stopping::StoppingMonitor;
use super::error::TrainError;
use super::job::Job;
use super::l2_sp::L2Sp;
use super::learning_rate::learning_rate;
use super::observer::Observer;
use super::optimizer::optimizer;
use super::parameters::{freeze, number_parameters};
use super::prefetch::{Prefetch, SampleOrder};
use super::reference::{is_compared, open_reference};
use super::timing::{Profile, Timing};
use super::trainer::Trainer;
use crate::error::Error;
use crate::evaluate::{CaptionEncoder, starting_weights};
use crate::input_file;
use crate::loss::TopologyRegularizer;
use crate::run::{
    CheckpointState, Checkpoints, Manifest, MetricsLog, RunDirectory, check_config, sha256_hex,
};

/// Checkpoints of a run, and the one to resume from.
struct Start {
    checkpoints: Checkpoints,
    /// State and directory of the newest usable checkpoint; `None` for a new run.
    newest: Option<(CheckpointState, PathBuf)>,
    config_sha256: String,
    /// Number of epochs of the configuration that the checkpoint was written with, if the run was extended since.
    extended_from: Option<usize>,
}

impl Start {
    /// Finds the newest usable checkpoint. Unusable ones are reported, and set aside once training continues
    /// without them.
    fn find(
        run: &RunDirectory,
        keep_last: usize,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let cannot_read = || TrainError::files(format!("read {}", run.root().display()));
        // First, since a process that was killed while saving may have left its checkpoint under another name.
        Checkpoints::recover(run).map_err(cannot_read())?;
        let config_sha256 = sha256_hex(&input_file::read(&run.config()).map_err(cannot_read())?);
        let (mut checkpoints, mut problems) =
            Checkpoints::open(run, keep_last).map_err(cannot_read())?;
        let metrics = run.metrics();
        // A checkpoint counts only if the log holds everything that it had logged; the log is cut to that length.
        let metrics_bytes = metrics
            .metadata()
            .map_err(|error| {
                TrainError::Files(Error::file(metrics.display().to_string()).because(error))
            })?
            .len();
        let newest = checkpoints.newest_within(metrics_bytes, &mut problems);
        for problem in &problems {
            observer.message(&format!("checkpoint not used: {problem}"));
        }
        let mut extended_from = None;
        match &newest {
            Some((state, path)) => {
                check_config(run, state, path).map_err(TrainError::Files)?;
                if state.config_sha256 != config_sha256 {
                    extended_from = epochs_before_extension(run, &state.config_sha256)?;
                }
                observer.message(&format!("resuming from step {}", state.step));
            }
            None if problems.is_empty() => {}
            None => {
                return Err(TrainError::Files(Error::invalid_format(format!(
                    "{}: no checkpoint can be used; start a new run in another directory with `--output DIR`",
                    run.checkpoints().display()
                ))));
            }
        }
        checkpoints
            .set_aside_after(newest.as_ref().map(|(state, _)| state.step))
            .map_err(TrainError::files("set aside unusable checkpoints"))?;
        Ok(Self {
            checkpoints,
            newest,
            config_sha256,
            extended_from,
        })
    }
}

/// Number of epochs of the configuration with this digest, from which the run was extended; `None` if it was not.
fn epochs_before_extension(
    run: &RunDirectory,
    config_sha256: &str,
) -> Result<Option<usize>, TrainError> {
    let manifest = Manifest::read(&run.manifest()).map_err(TrainError::Files)?;
    let mut extensions = manifest.extensions.iter();
    let extension = extensions.find(|extension| extension.config_sha256 == config_sha256);
    Ok(extension.map(|extension| extension.from_epochs))
}

impl<'a> Trainer<'a> {
    /// Creates a trainer from the newest usable checkpoint, or from the configuration if there is none.
    pub(super) fn open(job: &'a Job<'a>, observer: &mut dyn Observer) -> Result<Self, TrainError> {
        let (run, spec) = (job.run, &job.config.spec);
        let start = Start::find(run, spec.checkpoint.keep_last, observer)?;
        let (metrics_bytes, next_step) = match &start.newest {
            // Events of the checkpoint's own step are kept; those of later steps are logged again.
            Some((state, _)) => (state.metrics_bytes, state.step + 1),
            None => (0, 0),
        };
        let log = MetricsLog::open(run, metrics_bytes, next_step).map_err(TrainError::files(
            format_args!("write in {}", run.root().display()),
        ))?;
        let devices: Vec<Device> = job
            .devices
            .iter()
            .map(|device| device.clone().autodiff())
            .collect();
        let device = &devices[0];
        // Determines the initial parameters. Every step seeds the device again, see `step_seed`.
        device.seed(spec.seed);
        let network = match (&spec.start.init_from, &start.newest) {
            (Some(weights), None) => {
                observer.message(&format!("starting from {}", weights.display()));
                let pretrained =
                    starting_weights(weights, &spec.model, device).map_err(TrainError::Files)?;
                for note in &pretrained.notes {
                    observer.message(note);
                }
                pretrained.network
            }
            // A checkpoint already contains what was read from `init_from`.
            _ => spec.model.init(device),
        };
        let network = match spec.start.n_frozen {
            Some(n_blocks) => freeze(network, n_blocks),
            None => network,
        };
        // Before the optimiser's moments are loaded, which refer to parameters by these numbers.
        let model = number_parameters(network);
        let optimizer_spec = &spec.training.optimizer;
        let (mut references, mut l2_sp) = (Vec::new(), None);
        if is_compared(spec) || optimizer_spec.l2_sp.is_some() {
            let reference = open_reference(job, start.newest.is_none().then_some(&model))?;
            l2_sp = (optimizer_spec.l2_sp)
                .map(|alpha| L2Sp::new(&reference, alpha, optimizer_spec.weight_decay));
            if is_compared(spec) {
                let on_device = |device: &Device| reference.clone().to_device(device);
                references = job.devices.iter().map(on_device).collect();
            }
        }
        let steps_per_epoch = spec.training.steps_per_epoch(job.data.train.len());
        let averaged =
            (spec.training.ema_decay).map(|decay| AveragedWeights::new(decay, model.valid()));
        let mut trainer = Self {
            job,
            model,
            optimizer: optimizer(optimizer_spec),
            averaged,
            references,
            l2_sp,
            regularizer: TopologyRegularizer::new(spec.penalties.clone())?,
            devices,
            fixed_lr: None,
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
            })
            .map_err(TrainError::Files)?,
            captions: CaptionEncoder::from_spec(spec),
            collapse: CollapseMonitor::new(spec.collapse, Vec::new()),
            stopping: StoppingMonitor::new(spec.training.early_stopping, None),
            dominant: None,
            zero_gradients: vec![None; spec.penalties.len()],
            validation: None,
            is_saved: false,
            is_failing: false,
            checkpoints: start.checkpoints,
            log,
            config_sha256: start.config_sha256,
        };
        match start.newest {
            Some((state, path)) => {
                trainer.restore(state, &path)?;
                if let Some(epochs) = start.extended_from {
                    trainer.extend_from(epochs, observer);
                }
            }
            None => trainer
                .log
                .write_event(|events| charts::start(events, job.config, job.run)),
        }
        trainer.log_warnings(observer);
        Ok(trainer)
    }

    /// Restores everything that the checkpoint in `path` holds.
    fn restore(&mut self, state: CheckpointState, path: &Path) -> Result<(), TrainError> {
        let in_file = |file: &str| Error::invalid_format(path.join(file).display().to_string());
        let file = match self.averaged {
            Some(_) => UNAVERAGED_FILE,
            None => MODEL_FILE,
        };
        self.model = self
            .model
            .clone()
            .try_load_file(path.join(file))
            .map_err(|error| TrainError::Files(in_file(file).because(error)))?;
        if let Some(averaged) = &mut self.averaged {
            averaged.model = (averaged.model.clone())
                .try_load_file(path.join(MODEL_FILE))
                .map_err(|error| TrainError::Files(in_file(MODEL_FILE).because(error)))?;
        }
        self.optimizer = self
            .optimizer
            .clone()
            .load(path.join(OPTIMIZER_FILE))
            .map_err(|error| TrainError::Files(in_file(OPTIMIZER_FILE).because(error)))?;
        self.regularizer
            .set_weights(state.penalty_weights)
            .map_err(|error| TrainError::Files(in_file("state.json").because(error)))?;
        self.collapse = CollapseMonitor::new(self.job.config.spec.collapse, state.peak_distances);
        self.stopping = StoppingMonitor::new(
            self.job.config.spec.training.early_stopping,
            state.early_stopping,
        );
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

    /// Goes on from a checkpoint that was written when the run had fewer epochs.
    fn extend_from(&mut self, epochs: usize, observer: &mut dyn Observer) {
        let training = &self.job.config.spec.training;
        let last_step = self.step.saturating_sub(1);
        let before = learning_rate(training, last_step, epochs * self.steps_per_epoch());
        let after = learning_rate(training, self.step, self.total_steps());
        observer.message(&format!(
            "this run now has {} epochs instead of {epochs}: the learning rate follows its schedule over all of them, \
             and goes on at {after:.2e} (the last step had {before:.2e})",
            training.epochs
        ));
        // Otherwise a run that early stopping had ended would end again at once.
        self.stopping.restart_count();
        self.log
            .write_event(|events| charts::extended(events, self.job.config, self.step));
    }
}
