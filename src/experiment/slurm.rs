//! Cells run by a Slurm cluster: job arrays, and a job that collects.

use std::fmt::Display;
use std::path::Path;
use std::process::Command;

use super::pool::{CellState, state_of};
use super::study::{Cell, Study};
use crate::run::write_atomically;

/// How cells are handed to Slurm.
#[derive(Debug, Clone)]
pub struct Slurm {
    /// Cells at a time; as many as the cluster likes if `None`.
    pub n_running: Option<usize>,
    /// Threads of each; those that Slurm gives a task if `None`.
    pub n_threads: Option<usize>,
    /// Device of each.
    pub device: String,
    /// Of `sbatch`, as `--partition=gpu`; these win over ours.
    pub options: Vec<String>,
}

/// What Slurm took.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// Cells that were not finished.
    pub n_cells: usize,
    /// Of the arrays, one for as many cells as an array may have.
    pub arrays: Vec<String>,
    /// Of the job that collects when the arrays have ended.
    pub collecting: String,
}

impl Slurm {
    /// Hands the cells that are not finished to Slurm; `None` if there are none.
    ///
    /// A cell that reaches its time limit takes a checkpoint, and is queued again. Scripts, lists of cells and the
    /// numbers of jobs lie in `slurm`, what the jobs said in `logs`. `sbatch` keeps the present working directory.
    ///
    /// # Errors
    ///
    /// One sentence if Slurm is not there or refuses, if jobs of this study are still in its queue, or if a file
    /// cannot be written.
    pub fn submit(
        &self,
        file: &Path,
        study: &Study,
        out: &Path,
    ) -> Result<Option<Submitted>, String> {
        let cells = unfinished(study, out);
        if cells.is_empty() {
            return Ok(None);
        }
        let directory = out.join("slurm");
        let jobs = directory.join("jobs.txt");
        let queued = queued(&std::fs::read_to_string(&jobs).unwrap_or_default());
        if !queued.is_empty() {
            return Err(format!(
                "jobs {0} of this study are still in the queue; wait for them, or take them out by `scancel {0}`",
                queued.join(" ")
            ));
        }
        for directory in [&directory, &out.join("logs")] {
            std::fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
        }
        self.write_scripts(file, study, out, &cells)?;
        let mut arrays: Vec<String> = Vec::new();
        for (offset, n_tasks) in chunks(cells.len(), max_array_size()?) {
            let mut arguments = vec![array_option(n_tasks, self.n_running)];
            // A throttle holds within an array alone, so arrays follow each other.
            if let (Some(_), Some(before)) = (self.n_running, arrays.last()) {
                arguments.push(format!("--dependency=afterany:{before}"));
            }
            arrays.push(self.sbatch(&arguments, &directory.join("cells.sbatch"), Some(offset))?);
        }
        let dependency = format!("--dependency=afterany:{}", arrays.join(":"));
        let collecting = self.sbatch(&[dependency], &directory.join("collect.sbatch"), None)?;
        let numbers = format!("{}\n{collecting}\n", arrays.join("\n"));
        write_atomically(&jobs, numbers.as_bytes()).map_err(|error| cannot_write(&jobs, &error))?;
        Ok(Some(Submitted {
            n_cells: cells.len(),
            arrays,
            collecting,
        }))
    }

    /// What Slurm would say to the arrays, without handing them over; the scripts are left to be read.
    ///
    /// # Errors
    ///
    /// As [`Self::submit`].
    pub fn try_out(&self, file: &Path, study: &Study, out: &Path) -> Result<String, String> {
        let cells = unfinished(study, out);
        let directory = out.join("slurm");
        std::fs::create_dir_all(&directory).map_err(|error| cannot_write(&directory, &error))?;
        self.write_scripts(file, study, out, &cells)?;
        let n_tasks = cells.len().clamp(1, max_array_size()?);
        let options = [
            "--test-only".to_owned(),
            array_option(n_tasks, self.n_running),
        ];
        let script = directory.join("cells.sbatch");
        let said = command(
            "sbatch",
            options.iter().chain(&self.options).map(String::as_str),
            &[&script],
        )?;
        Ok(format!("{}: {}", script.display(), said.trim()))
    }

    fn sbatch(
        &self,
        arguments: &[String],
        script: &Path,
        offset: Option<usize>,
    ) -> Result<String, String> {
        let options = ["--parsable".to_owned()];
        let options = options
            .iter()
            .chain(arguments)
            .chain(&self.options)
            .map(String::as_str);
        let offset = offset.map(|offset| offset.to_string());
        let of_script: Vec<&Path> = std::iter::once(script)
            .chain(offset.as_deref().map(Path::new))
            .collect();
        let said = command("sbatch", options, &of_script)?;
        // A federation adds the cluster's name.
        let number = said.trim().split(';').next().unwrap_or_default();
        Ok(number.to_owned())
    }

    fn write_scripts(
        &self,
        file: &Path,
        study: &Study,
        out: &Path,
        cells: &[&Cell],
    ) -> Result<(), String> {
        let whole = |path: &Path| {
            let whole = std::path::absolute(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<String, String>(quoted(&whole.display().to_string()))
        };
        let program = std::env::current_exe()
            .map_err(|error| format!("this program cannot be found again: {error}"))?;
        let [program, file, out_name] = [whole(&program)?, whole(file)?, whole(out)?];
        let directory = out.join("slurm");
        let list: String = cells.iter().map(|cell| cell.id.clone() + "\n").collect();
        let threads = match self.n_threads {
            Some(n) => n.to_string(),
            None => "${SLURM_CPUS_PER_TASK:-1}".to_owned(),
        };
        let logs = std::path::absolute(out.join("logs")).map_err(|error| error.to_string())?;
        let header = |name: &str, output: &str| {
            format!(
                "#!/bin/bash\n#SBATCH --job-name={}\n#SBATCH --output={}\n#SBATCH --open-mode=append\n#SBATCH --requeue\n",
                quoted(&format!("{}{name}", study.name)),
                quoted(&logs.join(output).display().to_string())
            )
        };
        let array = format!(
            r#"{header}#SBATCH --signal=B:USR1@120
id=$(sed -n "$((SLURM_ARRAY_TASK_ID + $1))p" {list})
export RAYON_NUM_THREADS="{threads}"
{program} ablate {file} --out {out_name} --device {device} --cell "$id" &
cell=$!
is_warned=no
trap 'is_warned=yes; kill -USR1 "$cell"' USR1
trap 'kill -TERM "$cell"' TERM
wait "$cell"
code=$?
# A signal ends the waiting, not the cell.
while [ "$code" = 138 ] || [ "$code" = 143 ]; do
    wait "$cell"
    code=$?
done
if [ "$code" = 75 ] && [ "$is_warned" = yes ]; then
    exec scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"#,
            header = header("", "slurm-%A_%a.txt"),
            list = whole(&directory.join("cells.txt"))?,
            device = quoted(&self.device),
        );
        let collecting = format!(
            "{}exec {program} ablate collect {file} --out {out_name}\n",
            header("-collect", "slurm-%j.txt")
        );
        for (name, text) in [
            ("cells.txt", &list),
            ("cells.sbatch", &array),
            ("collect.sbatch", &collecting),
        ] {
            let path = directory.join(name);
            write_atomically(&path, text.as_bytes())
                .map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(())
    }
}

fn unfinished<'a>(study: &'a Study, out: &Path) -> Vec<&'a Cell> {
    let cells = study.cells.iter();
    cells
        .filter(|cell| state_of(out, cell) != CellState::Finished)
        .collect()
}

fn cannot_write(path: &Path, error: &dyn Display) -> String {
    format!("{}: cannot be written: {error}", path.display())
}

/// Tasks from one on, so many at a time.
fn array_option(n_tasks: usize, n_running: Option<usize>) -> String {
    let throttle = n_running.map_or(String::new(), |n| format!("%{n}"));
    format!("--array=1-{n_tasks}{throttle}")
}

/// Cells before each array, and its tasks.
fn chunks(n_cells: usize, max_tasks: usize) -> impl Iterator<Item = (usize, usize)> {
    let offsets = (0..n_cells).step_by(max_tasks);
    offsets.map(move |offset| (offset, max_tasks.min(n_cells - offset)))
}

/// Most tasks of an array whose first has number one.
fn max_array_size() -> Result<usize, String> {
    let config = command("scontrol", ["show", "config"], &[])?;
    let value = config
        .lines()
        .find_map(|line| line.strip_prefix("MaxArraySize")?.split('=').nth(1));
    // The number itself is not allowed as an index; Slurm's own default is 1001.
    let size = value
        .and_then(|value| value.trim().parse::<usize>().ok())
        .unwrap_or(1001);
    Ok(size.saturating_sub(1).max(1))
}

/// Which of these jobs are still in the queue; a job that Slurm has forgotten is not.
fn queued(jobs: &str) -> Vec<String> {
    let is_queued = |job: &&str| {
        let said = command("squeue", ["--noheader", "--format=%i", "--jobs", job], &[]);
        said.is_ok_and(|said| !said.trim().is_empty())
    };
    jobs.lines().filter(is_queued).map(str::to_owned).collect()
}

/// What a command of Slurm prints.
fn command<'a>(
    name: &str,
    options: impl IntoIterator<Item = &'a str>,
    of_script: &[&Path],
) -> Result<String, String> {
    let output = Command::new(name).args(options).args(of_script).output();
    let output = output.map_err(|error| {
        format!("`{name}` cannot be run ({error}); a launcher of Slurm needs a machine that hands jobs to it")
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        // `--test-only` speaks on stderr.
        true if output.stdout.is_empty() => Ok(text(&output.stderr)),
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "`{name}` refuses: {}",
            text(&output.stderr).trim().replace('\n', "; ")
        )),
    }
}

/// As one word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_hold_each_cell_once() {
        assert_eq!(chunks(4, 1000).collect::<Vec<_>>(), [(0, 4)]);
        assert_eq!(chunks(7, 3).collect::<Vec<_>>(), [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(array_option(7, Some(2)), "--array=1-7%2");
    }

    #[test]
    fn words_stay_words() {
        assert_eq!(quoted("it's 5 o'clock"), r"'it'\''s 5 o'\''clock'");
    }
}
