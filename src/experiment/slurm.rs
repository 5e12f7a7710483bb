//! Runs the cells of a study on a Slurm cluster: job arrays, and a job that collects the results.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::pool::{CellState, cell_state};
use super::study::{Cell, Study};
use crate::child_process::{ChildError, run_to_end};
use crate::error::{Error, Result};
use crate::input_file;
use crate::run::write_atomically;

/// Longest time for which a command of Slurm may print nothing. A busy controller takes up to a minute to answer.
const SILENCE: Duration = Duration::from_secs(120);

/// Largest size of what a command of Slurm prints, in bytes; the configuration of a large cluster has some tens of KiB.
const MAX_ANSWER: usize = 1 << 22;

/// Settings of the jobs that run the cells of a study on a Slurm cluster.
#[derive(Debug, Clone)]
pub struct Slurm {
    /// Largest number of cells that run at the same time; as many as the cluster allows if `None`.
    pub max_running: Option<usize>,
    /// Number of threads of each cell; the number of CPUs that Slurm gives the task if `None`.
    pub n_threads: Option<usize>,
    /// Device that each cell runs on.
    pub device: String,
    /// True if the report may replace files that no earlier report wrote.
    pub replaces_others: bool,
    /// Further options of `sbatch`, such as `--partition=gpu`; they override the ones set here.
    pub options: Vec<String>,
}

/// Jobs that Slurm accepted for a study.
#[derive(Debug, Clone)]
pub struct SubmittedJobs {
    /// Number of unfinished cells, each of which has a task in an array.
    pub n_cells: usize,
    /// Numbers of the job arrays; more than one if there are more cells than an array may have tasks.
    pub array_jobs: Vec<String>,
    /// Number of the job that collects the results when the arrays have ended.
    pub collect_job: String,
}

impl Slurm {
    /// Submits the unfinished cells to Slurm; `None` if there are none.
    ///
    /// A cell that reaches its time limit writes a checkpoint and is queued again. The scripts, the list of cells and
    /// the job numbers are in `slurm`, the output of the jobs in `logs`. The jobs run in the current working
    /// directory.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if Slurm is missing or refuses a job, if jobs of this study are still in its queue, or
    /// if a file cannot be written.
    pub fn submit(&self, file: &Path, study: &Study, out: &Path) -> Result<Option<SubmittedJobs>> {
        let cells = unfinished(study, out);
        if cells.is_empty() {
            return Ok(None);
        }
        let directory = out.join("slurm");
        let jobs = directory.join("jobs.txt");
        // A second submission would run every cell twice: `cells.txt`, which the queued tasks read when they start,
        // would be replaced too.
        let queued = queued_jobs(&input_file::read_text(&jobs).unwrap_or_default());
        if !queued.is_empty() {
            return Err(Error::file(format!(
                "jobs {0} of this study are still in the queue; wait for them, or cancel them with `scancel {0}`",
                queued.join(" ")
            )));
        }
        for directory in [&directory, &out.join("logs")] {
            std::fs::create_dir_all(directory)
                .map_err(|error| Error::cannot_write(directory, error))?;
        }
        self.write_scripts(file, study, out, &cells)?;
        let mut arrays: Vec<String> = Vec::new();
        for (offset, n_tasks) in chunks(cells.len(), max_array_size()?) {
            let mut arguments = vec![array_option(n_tasks, self.max_running)];
            // Slurm limits the number of running tasks per array only, so each array waits for the one before.
            if let (Some(_), Some(before)) = (self.max_running, arrays.last()) {
                arguments.push(format!("--dependency=afterany:{before}"));
            }
            arrays.push(self.sbatch(&arguments, &directory.join("cells.sbatch"), Some(offset))?);
        }
        // `afterany`: results are collected even if some cells fail.
        let dependency = format!("--dependency=afterany:{}", arrays.join(":"));
        let collect_job = self.sbatch(&[dependency], &directory.join("collect.sbatch"), None)?;
        let numbers = format!("{}\n{collect_job}\n", arrays.join("\n"));
        write_atomically(&jobs, numbers.as_bytes())
            .map_err(|error| Error::cannot_write(&jobs, error))?;
        Ok(Some(SubmittedJobs {
            n_cells: cells.len(),
            array_jobs: arrays,
            collect_job,
        }))
    }

    /// Returns the answer of `sbatch --test-only`, without submitting anything; the scripts are written for inspection.
    ///
    /// # Errors
    ///
    /// See [`Self::submit`].
    pub fn test_submission(&self, file: &Path, study: &Study, out: &Path) -> Result<String> {
        let cells = unfinished(study, out);
        let directory = out.join("slurm");
        std::fs::create_dir_all(&directory)
            .map_err(|error| Error::cannot_write(&directory, error))?;
        self.write_scripts(file, study, out, &cells)?;
        // At least one task, because Slurm has no empty arrays.
        let n_tasks = cells.len().clamp(1, max_array_size()?);
        let options = [
            "--test-only".to_owned(),
            array_option(n_tasks, self.max_running),
        ];
        let script = directory.join("cells.sbatch");
        let answer = run_command(
            "sbatch",
            options.iter().chain(&self.options).map(String::as_str),
            &[&script],
        )?;
        Ok(format!("{}: {}", script.display(), answer.trim()))
    }

    /// Submits a script and returns the number of its job; `offset` becomes the script's argument.
    fn sbatch(&self, arguments: &[String], script: &Path, offset: Option<usize>) -> Result<String> {
        // The user's options come last: of two that contradict each other, `sbatch` takes the later.
        let options = std::iter::once("--parsable")
            .chain(arguments.iter().map(String::as_str))
            .chain(self.options.iter().map(String::as_str));
        let offset = offset.map(|offset| offset.to_string());
        let script_and_arguments: Vec<&Path> = std::iter::once(script)
            .chain(offset.as_deref().map(Path::new))
            .collect();
        let answer = run_command("sbatch", options, &script_and_arguments)?;
        // In a federation of clusters the answer is `number;cluster`.
        let number = answer.trim().split(';').next().unwrap_or_default();
        Ok(number.to_owned())
    }

    /// Writes the list of cells and the scripts of both kinds of job.
    fn write_scripts(&self, file: &Path, study: &Study, out: &Path, cells: &[&Cell]) -> Result<()> {
        let program = std::env::current_exe().map_err(|error| {
            Error::file("the path of this program cannot be determined").because(error)
        })?;
        let [program, file, out_name] = [
            quoted_path(&program)?,
            quoted_path(file)?,
            quoted_path(out)?,
        ];
        let directory = out.join("slurm");
        let list: String = cells.iter().map(|cell| cell.id.clone() + "\n").collect();
        let logs = std::path::absolute(out.join("logs"))
            .map_err(|error| Error::file(error.to_string()).caused_by(error))?;
        let header = |name: &str, output: &str| {
            format!(
                "#!/bin/bash\n#SBATCH --job-name={}\n#SBATCH --output={}\n#SBATCH --open-mode=append\n#SBATCH --requeue\n",
                quoted(&format!("{}{name}", study.name)),
                quoted(&logs.join(output).display().to_string())
            )
        };
        let array = self.array_script(&ArrayScript {
            header: header("", "slurm-%A_%a.txt"),
            program: &program,
            file: &file,
            out: &out_name,
            list: quoted_path(&directory.join("cells.txt"))?,
        });
        let collect_job = format!(
            "{}exec {program} ablate collect {file} --output {out_name}{}\n",
            header("-collect", "slurm-%j.txt"),
            self.force()
        );
        for (name, text) in [
            ("cells.txt", &list),
            ("cells.sbatch", &array),
            ("collect.sbatch", &collect_job),
        ] {
            let path = directory.join(name);
            write_atomically(&path, text.as_bytes())
                .map_err(|error| Error::cannot_write(&path, error))?;
        }
        Ok(())
    }

    /// Option of the program that is the same in all jobs.
    fn force(&self) -> &'static str {
        if self.replaces_others { " --force" } else { "" }
    }

    /// Returns the script of an array, whose tasks each run the cell on one line of the list.
    ///
    /// Two minutes before the time limit, Slurm sends USR1 to the script, which passes it on so that the cell writes a
    /// checkpoint; then the task is queued again. A cell that was stopped for another reason, such as `scancel`, exits
    /// with the same code 75 and must not be queued again: hence `is_warned`.
    fn array_script(&self, names: &ArrayScript<'_>) -> String {
        let ArrayScript {
            header,
            program,
            file,
            out,
            list,
        } = names;
        let device = quoted(&self.device);
        let force = self.force();
        let threads = match self.n_threads {
            Some(n) => n.to_string(),
            None => "${SLURM_CPUS_PER_TASK:-1}".to_owned(),
        };
        format!(
            r#"{header}#SBATCH --signal=B:USR1@120
id=$(sed -n "$((SLURM_ARRAY_TASK_ID + $1))p" {list})
export RAYON_NUM_THREADS="{threads}"
{program} ablate {file} --output {out} --device {device}{force} --cell "$id" &
cell=$!
is_warned=no
trap 'is_warned=yes; kill -USR1 "$cell"' USR1
trap 'kill -TERM "$cell"' TERM
wait "$cell"
# A signal interrupts `wait` while the cell is still writing its checkpoint. The code of `wait` does not tell this from
# a cell that died of the same signal, so the process itself is looked for.
while kill -0 "$cell" 2> /dev/null; do
    wait "$cell"
done
# Once more, for the exit code of the cell: it may have ended just after a signal interrupted the last `wait`.
wait "$cell"
code=$?
if [ "$code" = 75 ] && [ "$is_warned" = yes ]; then
    exec scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"#
        )
    }
}

/// Parts of the script of an array; paths are absolute and quoted for the shell.
struct ArrayScript<'a> {
    header: String,
    program: &'a str,
    file: &'a str,
    out: &'a str,
    /// File with the id of one cell per line.
    list: String,
}

/// Returns the cells that have no result yet, in the order of the study.
fn unfinished<'a>(study: &'a Study, out: &Path) -> Vec<&'a Cell> {
    study
        .cells
        .iter()
        .filter(|cell| cell_state(out, cell) != CellState::Finished)
        .collect()
}

/// Returns the option for an array of tasks numbered from 1, of which at most `max_running` run at the same time.
fn array_option(n_tasks: usize, max_running: Option<usize>) -> String {
    let throttle = max_running.map_or(String::new(), |n| format!("%{n}"));
    format!("--array=1-{n_tasks}{throttle}")
}

/// Splits cells into arrays: for each, the number of cells before it and the number of its tasks.
fn chunks(n_cells: usize, max_tasks: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n_cells)
        .step_by(max_tasks)
        .map(move |offset| (offset, max_tasks.min(n_cells - offset)))
}

/// Returns the largest number of tasks of an array that is numbered from 1.
fn max_array_size() -> Result<usize> {
    let config = run_command("scontrol", ["show", "config"], &[])?;
    let value = config
        .lines()
        .find_map(|line| line.strip_prefix("MaxArraySize")?.split('=').nth(1));
    // The index must be below MaxArraySize. Slurm's own default is 1001.
    let size = value
        .and_then(|value| value.trim().parse::<usize>().ok())
        .unwrap_or(1001);
    Ok(size.saturating_sub(1).max(1))
}

/// Returns the jobs, one per line of `jobs`, that are still in the queue.
fn queued_jobs(jobs: &str) -> Vec<String> {
    // `squeue` fails for a job that ended so long ago that Slurm no longer knows it.
    let is_queued = |job: &&str| {
        run_command("squeue", ["--noheader", "--format=%i", "--jobs", job], &[])
            .is_ok_and(|answer| !answer.trim().is_empty())
    };
    jobs.lines().filter(is_queued).map(str::to_owned).collect()
}

/// Runs a command of Slurm and returns its output.
fn run_command<'a>(
    name: &str,
    options: impl IntoIterator<Item = &'a str>,
    script_and_arguments: &[&Path],
) -> Result<String> {
    let mut command = Command::new(name);
    command.args(options).args(script_and_arguments);
    answer(&mut command, SILENCE)
}

/// Output of a command that may print nothing for some time; if it prints nothing at all, what it says as an error.
fn answer(command: &mut Command, silence: Duration) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (printed, ending) =
        run_to_end(command, silence, MAX_ANSWER).map_err(|error| match error {
            ChildError::Io(error) => Error::file(format!(
                "`{name}` cannot be run ({error}); --launcher slurm needs a machine from which jobs can be submitted"
            ))
            .caused_by(error),
            error => Error::file(format!(
                "`{name}` was ended: {error}; try again when Slurm answers, which `sinfo` tells"
            )),
        })?;
    let error = ending.first_error.unwrap_or_default();
    if !ending.status.success() {
        return Err(Error::file(format!("`{name}` failed: {error}")));
    }
    // `sbatch --test-only` prints its answer to stderr.
    if printed.is_empty() {
        Ok(error)
    } else {
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }
}

/// Returns a path as one absolute word of a shell command, since jobs may start in another directory.
fn quoted_path(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::file(path.display().to_string()).because(error))?;
    Ok(quoted(&absolute.display().to_string()))
}

/// Quotes text so that it is one word of a shell command.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_cover_each_cell_once() {
        assert_eq!(chunks(4, 1000).collect::<Vec<_>>(), [(0, 4)]);
        assert_eq!(chunks(7, 3).collect::<Vec<_>>(), [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(array_option(7, Some(2)), "--array=1-7%2");
    }

    #[test]
    fn a_missing_command_is_an_error_of_files() {
        let error = run_command("no-such-command", [], &[]).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
        let error = run_command("false", [], &[]).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.to_string(), "`false` failed: ");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_hangs_or_floods_is_ended_with_one_sentence() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            answer(&mut command, Duration::from_millis(500))
        };
        assert_eq!(shell("echo 7; echo warning >&2").unwrap(), "7\n");
        assert_eq!(
            shell("echo sbatch: Job 7 to start >&2").unwrap(),
            "sbatch: Job 7 to start"
        );
        for (script, reason) in [
            ("sleep 60", "it wrote nothing for 0.5 s"),
            ("exec cat /dev/zero", "it wrote more than 4194304 bytes"),
            ("sleep 60 & echo 7; sleep 60", "it wrote nothing for 0.5 s"),
        ] {
            let error = shell(script).unwrap_err();
            assert!(error.is_file_error());
            let expected = format!("`sh` was ended: {reason}; try again");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        let error = shell("echo no partition >&2; exit 1").unwrap_err();
        assert_eq!(error.to_string(), "`sh` failed: no partition");
    }

    /// Runs the script of an array for a cell that consists of shell commands, and sends a signal to the script once
    /// the cell has created the file `ready`; returns the exit code and the output.
    #[cfg(target_os = "linux")]
    fn run_array_script(name: &str, cell: &str, signal: Option<&str>) -> (Option<i32>, String) {
        use std::process::Stdio;
        use std::time::{Duration, Instant};

        let directory =
            std::env::temp_dir().join(format!("burn-topology-slurm-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let slurm = Slurm {
            max_running: None,
            n_threads: None,
            device: "flex".to_owned(),
            replaces_others: false,
            options: Vec::new(),
        };
        let script = slurm.array_script(&ArrayScript {
            header: "#!/bin/bash\n".to_owned(),
            program: "bash ./cell.sh",
            file: "study.toml",
            out: "out",
            list: "cells.txt".to_owned(),
        });
        for (file, text) in [
            ("cells.sbatch", &*script),
            ("cell.sh", cell),
            ("cells.txt", "0123456789ab\n"),
            // Stands for Slurm's own program.
            ("scontrol", "#!/bin/bash\necho \"scontrol $*\"\n"),
        ] {
            std::fs::write(directory.join(file), text).unwrap();
        }
        let status = Command::new("chmod")
            .args(["+x", "scontrol"])
            .current_dir(&directory)
            .status();
        assert!(status.unwrap().success());
        let path = std::env::var("PATH").unwrap_or_default();
        let mut process = Command::new("bash")
            .args(["cells.sbatch", "0"])
            .current_dir(&directory)
            .env("PATH", format!("{}:{path}", directory.display()))
            .env("SLURM_ARRAY_TASK_ID", "1")
            .env("SLURM_ARRAY_JOB_ID", "7")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let wait_for = |is_done: &mut dyn FnMut() -> bool, what: &str| {
            while !is_done() {
                assert!(started.elapsed() < Duration::from_secs(60), "{what}");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        if let Some(signal) = signal {
            wait_for(&mut || directory.join("ready").exists(), "no cell");
            let sent = Command::new("kill")
                .args([format!("-{signal}"), process.id().to_string()])
                .status();
            assert!(sent.unwrap().success());
        }
        let mut has_ended = || process.try_wait().unwrap().is_some();
        wait_for(&mut has_ended, "the script does not end");
        let output = process.wait_with_output().unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn array_tasks_end_with_their_cells() {
        // A cell that dies of the same signals as a task that Slurm stops.
        for (signal, code) in [("TERM", 143), ("USR1", 138)] {
            let cell = format!("kill -{signal} $$\n");
            let (actual, output) = run_array_script(signal, &cell, None);
            assert_eq!((actual, &*output), (Some(code), ""));
        }
        let (code, output) = run_array_script("failure", "exit 1\n", None);
        assert_eq!((code, &*output), (Some(1), ""));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn array_tasks_are_queued_again_at_their_time_limit_only() {
        // Writing a checkpoint takes a moment.
        let cell = "trap 'sleep 0.3; exit 75' USR1 TERM\nsleep 0.2; touch ready\nwhile :; do sleep 0.01; done\n";
        let (code, output) = run_array_script("limit", cell, Some("USR1"));
        assert_eq!((code, &*output), (Some(0), "scontrol requeue 7_1\n"));
        let (code, output) = run_array_script("cancelled", cell, Some("TERM"));
        assert_eq!((code, &*output), (Some(75), ""));
    }

    #[test]
    fn quoted_words_stay_one_word() {
        assert_eq!(quoted("it's 5 o'clock"), r"'it'\''s 5 o'\''clock'");
    }
}
