//! Provenance of a run: commands, versions, device and data.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::atomic_file::write_atomically;
use crate::child_process::run_to_end;
use crate::counted::counted;
use crate::data::Splits;
use crate::error::{Error, Result};
use crate::input_file;

/// Version of Burn. Cargo does not tell the versions of dependencies; `Cargo.toml` requires exactly this one.
const BURN_VERSION: &str = "0.22.1";

/// Provenance of a run: seed, data, and every process that trained it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Manifest {
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of the data set.
    pub data_sha256: String,
    /// Sentences about what was passed over or left out in the data set when the run started.
    #[serde(default)]
    pub data_notes: Vec<String>,
    /// Name of each class, by label; empty in runs of earlier versions.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Number of samples of each split; `None` in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_samples: Option<SplitSizes>,
    /// Directory of the data set; `None` if the data set has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_directory: Option<DataDirectory>,
    /// Process that started the run, then those that resumed it.
    pub sessions: Vec<Session>,
    /// Extensions of the run to more epochs, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// Extension of a run to more epochs, as recorded in its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Number of epochs before.
    pub from_epochs: usize,
    /// Number of epochs after.
    pub to_epochs: usize,
    /// SHA-256 of `config.toml` before, which is stored in the checkpoints written until then.
    pub config_sha256: String,
}

/// Number of samples of each split of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSizes {
    /// Number of samples that the run is trained on.
    pub train: usize,
    /// Number of validation samples.
    pub validation: usize,
    /// Number of test samples.
    pub test: usize,
}

impl SplitSizes {
    /// Counts the samples of a data set.
    pub fn of(data: &Splits) -> Self {
        Self {
            train: data.train.len(),
            validation: data.validation.len(),
            test: data.test.len(),
        }
    }
}

/// Directory of a data set, as seen from anywhere and as seen from the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDirectory {
    /// Absolute path.
    pub absolute: PathBuf,
    /// Path that starts at the run directory, by which a project that was moved or copied finds its own data.
    pub from_run: PathBuf,
}

impl DataDirectory {
    /// Describes the directory of the data of a run; relative paths start at the working directory.
    ///
    /// # Errors
    ///
    /// A path is relative and there is no working directory.
    pub fn new(directory: &Path, run: &Path) -> io::Result<Self> {
        let [absolute, run] = [directory, run].map(std::path::absolute);
        let (absolute, run) = (absolute?, run?);
        Ok(Self {
            from_run: relative_path(&run, &absolute),
            absolute,
        })
    }

    /// Directory that exists now: the one that lies as before from the run, or else that at the absolute path.
    pub fn locate(&self, run: &Path) -> Option<PathBuf> {
        [run.join(&self.from_run), self.absolute.clone()]
            .into_iter()
            .find(|directory| directory.is_dir())
    }
}

/// Path from one absolute directory to another path; the other path itself if they have nothing in common.
fn relative_path(from: &Path, to: &Path) -> PathBuf {
    let normal = |path: &Path| -> Vec<PathBuf> {
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::ParentDir if parts.len() > 1 => {
                    parts.pop();
                }
                Component::CurDir | Component::ParentDir => {}
                other => parts.push(PathBuf::from(other.as_os_str())),
            }
        }
        parts
    };
    let (from, to) = (normal(from), normal(to));
    let n_common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if n_common == 0 {
        return to.iter().collect();
    }
    let up = std::iter::repeat_n(PathBuf::from(".."), from.len() - n_common);
    up.chain(to[n_common..].iter().cloned()).collect()
}

/// Process that trained a run, and the machine that it ran on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Command line of the process.
    pub command: Vec<String>,
    /// Start of the process, in seconds since 1970.
    pub started_unix_secs: u64,
    /// Git commit of the working directory; `None` if it is in no repository.
    pub git_commit: Option<String>,
    /// True if that repository had uncommitted changes; `None` if there is none.
    pub git_dirty: Option<bool>,
    /// Version of this crate.
    pub crate_version: String,
    /// Version of Burn.
    pub burn_version: String,
    /// Name of the device.
    pub device: String,
    /// Processor architecture, followed by the vector extensions that it has.
    pub cpu: Vec<String>,
    /// Number of threads for work on the processor.
    pub threads: usize,
}

impl Session {
    /// Describes this process, which trains on the device with this name.
    pub fn gather(device: &str) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            command: std::env::args().collect(),
            started_unix_secs: since_1970.as_secs(),
            git_commit: git(&["rev-parse", "HEAD"]),
            git_dirty: git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            burn_version: BURN_VERSION.to_owned(),
            device: device.to_owned(),
            cpu: cpu(),
            threads: rayon::current_num_threads(),
        }
    }
}

impl Manifest {
    /// Describes a run in the directory `run` that this session starts.
    ///
    /// `directory` is that of the data set, if it has one.
    pub fn new(
        seed: u64,
        data: &Splits,
        directory: Option<&Path>,
        run: &Path,
        session: Session,
    ) -> Self {
        Self {
            seed,
            data_sha256: data.sha256.clone(),
            data_notes: data.notes.clone(),
            classes: data.classes.clone(),
            n_samples: Some(SplitSizes::of(data)),
            // Without a working directory, the path in the configuration is all that there is.
            data_directory: directory.and_then(|directory| DataDirectory::new(directory, run).ok()),
            sessions: vec![session],
            extensions: Vec::new(),
        }
    }

    /// Sentence about the data set not being the one that the run was trained on; `None` if it is.
    ///
    /// `name` names the data set. The sizes of splits are compared where they are known.
    pub fn data_change(&self, name: &str, data: &Splits) -> Option<String> {
        if data.sha256 == self.data_sha256 {
            return None;
        }
        let now = SplitSizes::of(data);
        let sizes = self.n_samples.map(|then| {
            [
                ("training", then.train, now.train),
                ("validation", then.validation, now.validation),
                ("test", then.test, now.test),
            ]
        });
        let changed: Vec<String> = sizes
            .into_iter()
            .flatten()
            .filter(|(_, then, now)| then != now)
            .map(|(split, then, now)| {
                format!("{}, {now} now", counted(then, &format!("{split} sample")))
            })
            .collect();
        let change = match changed[..] {
            [] => {
                "the numbers of samples are the same, but names, sizes or contents of files differ"
                    .to_owned()
            }
            _ => format!("there were {}", changed.join(", ")),
        };
        Some(format!(
            "{name}: this is not the data set that the run was trained on (its SHA-256 differs): {change}"
        ))
    }

    /// Reads the manifest of a run.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file cannot be read, [`Error::is_invalid_format`] if it is not a manifest.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = input_file::read(path).map_err(|error| Error::file(&name).because(error))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::invalid_format(name).because(error))
    }

    /// Writes the manifest, and replaces an existing file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_atomically(path, &serde_json::to_vec_pretty(self)?)
    }
}

/// Time for which git may print nothing: a repository on a disk that does not answer must not keep training waiting.
const GIT_SILENCE: Duration = Duration::from_secs(30);

/// Largest number of bytes that git may print, enough for a hundred thousand changed files.
const MAX_GIT: usize = 16 << 20;

fn git(arguments: &[&str]) -> Option<String> {
    // No git, or no repository, is no reason not to train.
    let mut command = Command::new("git");
    let (printed, ending) = run_to_end(command.args(arguments), GIT_SILENCE, MAX_GIT).ok()?;
    let text = String::from_utf8(printed).ok()?;
    ending.status.success().then(|| text.trim().to_owned())
}

fn cpu() -> Vec<String> {
    let mut features = vec![std::env::consts::ARCH.to_owned()];
    #[cfg(target_arch = "x86_64")]
    {
        // Extensions that select kernels, and with them the last bits of results.
        let extensions = [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ];
        features.extend(
            extensions
                .iter()
                .filter(|(_, is_present)| *is_present)
                .map(|(name, _)| (*name).to_owned()),
        );
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_that_moves_finds_its_own_data() {
        let root = std::env::temp_dir().join(format!("burn-topology-data-{}", std::process::id()));
        let (before, after) = (root.join("before"), root.join("after"));
        std::fs::create_dir_all(before.join("my images")).unwrap();
        std::fs::create_dir_all(before.join("runs/a")).unwrap();
        let directory =
            DataDirectory::new(&before.join("my images"), &before.join("./runs/../runs/a"));
        let directory = directory.unwrap();
        assert_eq!(directory.from_run, Path::new("../../my images"));
        let found = |run: &Path| {
            directory
                .locate(run)
                .map(|path| path.canonicalize().unwrap())
        };
        let canonical = |path: &Path| Some(path.canonicalize().unwrap());
        // Another place of the run alone, then of everything.
        std::fs::create_dir_all(root.join("elsewhere/deep/a")).unwrap();
        let images = before.join("my images");
        assert_eq!(found(&root.join("elsewhere/deep/a")), canonical(&images));
        std::fs::rename(&before, &after).unwrap();
        assert_eq!(
            found(&after.join("runs/a")),
            canonical(&after.join("my images"))
        );
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(directory.locate(&after.join("runs/a")), None);
        assert_eq!(
            relative_path(Path::new("/a/b"), Path::new("/a/b")),
            Path::new("")
        );
    }

    #[test]
    fn a_change_of_the_data_is_one_sentence() {
        let data = crate::data::digits();
        let session = Session::gather("flex");
        let manifest = Manifest::new(0, &data, None, Path::new("a"), session);
        assert_eq!(manifest.data_change("digits", &data), None);
        assert_eq!(manifest.classes[3], "3");
        let mut other = crate::data::digits();
        other.sha256.push('0');
        let message = manifest.data_change("digits", &other).unwrap();
        assert!(
            message.ends_with("names, sizes or contents of files differ"),
            "{message}"
        );
        other.test = other.validation.clone();
        other.train = other.validation.clone();
        assert_eq!(
            manifest.data_change("digits", &other).unwrap(),
            "digits: this is not the data set that the run was trained on (its SHA-256 differs): there were 1077 training samples, 360 now"
        );
    }

    #[test]
    fn a_missing_and_a_damaged_manifest_give_errors_of_different_kinds() {
        let name = format!("burn-topology-manifest-{}.json", std::process::id());
        let path = std::env::temp_dir().join(name);
        let error = Manifest::read(&path).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
        std::fs::write(&path, "{").unwrap();
        assert!(Manifest::read(&path).unwrap_err().is_invalid_format());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_version_of_burn_is_the_one_that_cargo_requires() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let manifest: toml::Table = text.parse().unwrap();
        let required = manifest["dependencies"]["burn"]["version"].as_str();
        assert_eq!(required, Some(format!("={BURN_VERSION}").as_str()));
    }
}
