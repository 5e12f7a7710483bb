//! What ran, and on what.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::directory::write_atomically;

/// Where a run's numbers come from: how it was started, and how it was resumed each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of the data.
    pub data_sha256: String,
    /// The process that began the run, then those that resumed it.
    pub sessions: Vec<Session>,
}

/// One process that trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The command line.
    pub command: Vec<String>,
    /// Start, in seconds since 1970.
    pub started_unix_secs: u64,
    /// Commit of the repository the process was started in, if any.
    pub git_commit: Option<String>,
    /// Whether that repository had uncommitted changes.
    pub git_dirty: Option<bool>,
    /// Version of this crate.
    pub crate_version: String,
    /// Version of Burn.
    pub burn_version: String,
    /// Name of the device.
    pub device: String,
    /// Processor architecture, and the vector extensions found on it.
    pub cpu: Vec<String>,
    /// Threads of the host's work.
    pub threads: usize,
}

impl Session {
    /// Gathers what the process and its surroundings tell.
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
            burn_version: "0.22.1".to_owned(),
            device: device.to_owned(),
            cpu: cpu(),
            threads: rayon::current_num_threads(),
        }
    }
}

impl Manifest {
    /// The manifest of a run.
    ///
    /// # Errors
    ///
    /// One sentence with the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let cannot = |error: &dyn Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(path).map_err(|error| cannot(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| cannot(&error))
    }

    /// Writes it, in place of one that is there.
    ///
    /// # Errors
    ///
    /// As writing.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_atomically(path, &serde_json::to_vec_pretty(self)?)
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn cpu() -> Vec<String> {
    let mut found = vec![std::env::consts::ARCH.to_owned()];
    #[cfg(target_arch = "x86_64")]
    {
        let extensions = [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ];
        found.extend(
            extensions
                .iter()
                .filter(|(_, has)| *has)
                .map(|(name, _)| (*name).to_owned()),
        );
    }
    found
}
