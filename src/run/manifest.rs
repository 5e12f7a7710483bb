//! What ran, and on what.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Everything needed to know where a run's numbers come from.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest {
    /// The command line.
    pub command: Vec<String>,
    /// Start, in seconds since 1970.
    pub started_unix_secs: u64,
    /// Commit of the repository the run was started in, if any.
    pub git_commit: Option<String>,
    /// Whether that repository had uncommitted changes.
    pub git_dirty: Option<bool>,
    /// Version of this crate.
    pub crate_version: &'static str,
    /// Version of Burn.
    pub burn_version: &'static str,
    /// Name of the device.
    pub device: String,
    /// Processor architecture, and the vector extensions found on it.
    pub cpu: Vec<&'static str>,
    /// Threads of the host's work.
    pub threads: usize,
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of the data.
    pub data_sha256: String,
}

impl Manifest {
    /// Gathers what the process and its surroundings tell.
    pub fn gather(device: &str, seed: u64, data_sha256: &str) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            command: std::env::args().collect(),
            started_unix_secs: since_1970.as_secs(),
            git_commit: git(&["rev-parse", "HEAD"]),
            git_dirty: git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
            crate_version: env!("CARGO_PKG_VERSION"),
            burn_version: "0.22.1",
            device: device.to_owned(),
            cpu: cpu(),
            threads: rayon::current_num_threads(),
            seed,
            data_sha256: data_sha256.to_owned(),
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn cpu() -> Vec<&'static str> {
    let mut found = vec![std::env::consts::ARCH];
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
                .map(|(name, _)| *name),
        );
    }
    found
}
