//! `generate`: clips from captions, by the best checkpoint of a generator.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::output::{check_output_file, log};
use super::progress::Bar;
use super::{Failure, log_problems, open_run};
use crate::counted::counted;
use crate::data::HeldOut;
use crate::evaluate::{BestModel, GeneratedClip, LoadedRun, SamplingSettings, Solver};
use crate::input_file;
use crate::model::Task;
use crate::report::{clip_grid, clip_rows, npy_bytes};
use crate::run::write_atomically;

/// Guidance from which on clips are usually distorted.
const LARGE_GUIDANCE: f64 = 8.0;

/// Number of steps below which clips are usually blurred.
const FEW_STEPS: usize = 5;

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    /// Run directory of a generator.
    run: PathBuf,
    /// Caption, such as "a five moves left".
    #[arg(required_unless_present = "captions")]
    caption: Option<String>,
    /// File of captions, one a line, in place of CAPTION.
    #[arg(long, value_name = "FILE", conflicts_with = "caption")]
    captions: Option<PathBuf>,
    /// File of the clips: an animation (.gif), or all frames of each clip in a row (.png).
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Also write the pixels as an array of NumPy: clips, frames, channels, rows, columns, from 0 to 1.
    #[arg(long, value_name = "FILE")]
    npy: Option<PathBuf>,
    /// Number of clips of each caption.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    n: u32,
    /// Number of steps from noise to a clip.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Method of the steps.
    #[arg(long, value_enum, default_value_t = SolverArgument::Euler)]
    solver: SolverArgument,
    /// Weight of the caption: 1 follows it and takes half the time, more exaggerates it, 0 ignores it.
    #[arg(long, default_value_t = 2.0, value_parser = guidance)]
    guidance: f64,
    /// Seed of the noise. The same caption and seed give the same clips.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also draw how the first clip forms: its estimate at every step, in a file NAME_trajectory.png beside NAME.
    #[arg(long)]
    trajectory: bool,
    /// Replace existing files.
    #[arg(long)]
    force: bool,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Value of `--solver`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SolverArgument {
    /// One prediction a step.
    Euler,
    /// Two predictions a step, and smaller errors.
    Heun,
}

/// Format of the clips, by the ending of their file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gif,
    Png,
}

/// Parses a guidance.
fn guidance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if f64::is_finite(value) && value >= 0.0 => Ok(value),
        _ => Err("expected a finite number of at least 0; 1 is no guidance".to_owned()),
    }
}

/// Generates clips and writes them.
pub(super) fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    let format = format(&arguments.output)?;
    let trajectory = (arguments.trajectory).then(|| trajectory_path(&arguments.output));
    let files = [
        Some(&arguments.output),
        arguments.npy.as_ref(),
        trajectory.as_ref(),
    ];
    for file in files.into_iter().flatten() {
        check_output_file(file, arguments.force)?;
    }
    let captions = captions(arguments)?;
    let loaded = open_run(&arguments.run, &arguments.device)?;
    if loaded.task() != Task::Generate {
        return Err(Failure::Error(format!(
            "{}: expected a run of a generator (model.kind = \"generator\"), found {}",
            arguments.run.display(),
            loaded.task().in_words()
        )));
    }
    let BestModel { model, state, .. } = log_problems(loaded.best_model())?;
    log(&format!("checkpoint of step {}", state.step));
    // All captions are read before the first clip is computed.
    if let Some(encoder) = &model.captions {
        for caption in &captions {
            encoder.vocabulary.encode(caption, encoder.max_words)?;
        }
    }
    warn(arguments, &loaded, &captions);
    let (n, steps) = (arguments.n as usize, arguments.steps as usize);
    let settings = SamplingSettings {
        n_steps: steps,
        solver: match arguments.solver {
            SolverArgument::Euler => Solver::Euler,
            SolverArgument::Heun => Solver::Heun,
        },
        guidance: arguments.guidance,
        seed: arguments.seed,
    };
    let mut bar = Bar::new(captions.len() * n * steps, "steps");
    let mut n_done = 0;
    let mut clips: Vec<GeneratedClip> = Vec::with_capacity(captions.len() * n);
    for caption in &captions {
        for index in 0..n {
            let mut clip = model.generate(caption, index, settings, &mut || {
                n_done += 1;
                bar.set(n_done);
            })?;
            if trajectory.is_none() || !clips.is_empty() {
                clip.trajectory = Vec::new();
            }
            clips.push(clip);
        }
    }
    bar.finish();
    let spec = model.samples;
    let shape = [spec.n_channels, spec.height, spec.width];
    let pixels: Vec<&[f32]> = clips.iter().map(|clip| clip.pixels.as_slice()).collect();
    let drawing = match format {
        Format::Gif => clip_grid(&pixels, shape),
        Format::Png => clip_rows(&pixels, shape),
    };
    write(&arguments.output, &drawing.bytes)?;
    if let Some(path) = &trajectory {
        let estimates: Vec<&[f32]> = clips[0].trajectory.iter().map(Vec::as_slice).collect();
        write(path, &clip_rows(&estimates, shape).bytes)?;
    }
    if let Some(path) = &arguments.npy {
        let shape = [
            clips.len(),
            spec.n_frames,
            spec.n_channels,
            spec.height,
            spec.width,
        ];
        write(path, &npy_bytes(&shape, pixels.concat())?)?;
    }
    log(&format!(
        "{} of {}: {}",
        counted(clips.len(), "clip"),
        counted(captions.len(), "caption"),
        arguments.output.display()
    ));
    Ok(())
}

/// Captions of the command line or of the file.
fn captions(arguments: &GenerateArguments) -> Result<Vec<String>, Failure> {
    let Some(path) = &arguments.captions else {
        return Ok(arguments.caption.iter().cloned().collect());
    };
    let shown = path.display();
    let bytes =
        input_file::read(path).map_err(|error| Failure::Error(format!("{shown}: {error}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Error(format!("{shown}: is not text in UTF-8, expected captions")))?;
    let captions: Vec<String> = text
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    if captions.is_empty() {
        return Err(Failure::Error(format!(
            "{shown}: has no caption, expected one a line"
        )));
    }
    Ok(captions)
}

/// Format of a file by its ending.
fn format(path: &Path) -> Result<Format, Failure> {
    let ending = path.extension().and_then(OsStr::to_str);
    match ending.map(str::to_lowercase).as_deref() {
        Some("gif") => Ok(Format::Gif),
        Some("png") => Ok(Format::Png),
        _ => Err(Failure::Error(format!(
            "--output {}: expected a file that ends in .gif or .png",
            path.display()
        ))),
    }
}

/// Path of the drawing of how a clip forms.
fn trajectory_path(output: &Path) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}_trajectory.png"))
}

/// Logs what may surprise in the clips.
fn warn(arguments: &GenerateArguments, loaded: &LoadedRun, captions: &[String]) {
    if arguments.guidance > LARGE_GUIDANCE {
        log(&format!(
            "a guidance of {} usually distorts clips; 1 to 4 are usual",
            arguments.guidance
        ));
    }
    if (arguments.steps as usize) < FEW_STEPS {
        log(&format!(
            "with {} clips are usually blurred; 20 are usual",
            counted(arguments.steps as usize, "step")
        ));
    }
    for caption in captions {
        match loaded.config.spec.data.held_out(caption) {
            HeldOut::Nothing => {}
            HeldOut::Combination => log(&format!(
                "`{caption}`: training had this digit and this motion, but never together"
            )),
            HeldOut::Paraphrase => log(&format!(
                "`{caption}`: training had such clips, but not in these words"
            )),
        }
    }
}

/// Writes a file completely or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_atomically(path, bytes)
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", path.display())))
}
