//! Provenance of a run: commands, versions, device and data.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::atomic_file::write_atomically;
use crate::child_process::run_to_end;
use crate::error::{Error, Result};
use crate::input_file;

/// Version of Burn. Cargo does not tell the versions of dependencies; `Cargo.toml` requires exactly this one.
const BURN_VERSION: &str = "0.22.1";

/// Provenance of a run: seed, data, and every process that trained it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of the data set.
    pub data_sha256: String,
    /// Sentences about what was passed over or left out in the data set when the run started.
    #[serde(default)]
    pub data_notes: Vec<String>,
    /// Process that started the run, then those that resumed it.
    pub sessions: Vec<Session>,
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
