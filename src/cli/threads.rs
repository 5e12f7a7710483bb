//! Threads that the commands compute with.

use std::num::NonZeroU16;

use rayon::ThreadPoolBuilder;

use super::Failure;

/// Largest number of threads that compute, more than any machine has cores.
const MAX_THREADS: usize = 4096;

/// Starts the threads that everything parallel runs in: as many as given, otherwise `RAYON_NUM_THREADS`, otherwise one
/// for each processor core.
///
/// # Errors
///
/// The operating system refuses to start so many threads, or `RAYON_NUM_THREADS` asks for more than 4096.
pub(super) fn start_threads(n_threads: Option<NonZeroU16>) -> Result<(), Failure> {
    let asked = std::env::var("RAYON_NUM_THREADS").unwrap_or_default();
    // Starting as many as the system allows takes minutes.
    if n_threads.is_none() && asked.parse().is_ok_and(|n: usize| n > MAX_THREADS) {
        return Err(Failure::Error(format!(
            "the environment variable RAYON_NUM_THREADS is {asked}, expected at most {MAX_THREADS}"
        )));
    }
    // rayon takes 0 for its default.
    let n_threads = n_threads.map_or(0, |n| usize::from(n.get()));
    ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build_global()
        .map_err(|error| {
            Failure::Error(format!(
                "the system refuses to start threads ({error}); ask for fewer with `--threads N`, or raise the limit of \
                 processes (`ulimit -u`)"
            ))
        })
}
