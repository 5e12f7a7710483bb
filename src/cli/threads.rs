//! Threads that the commands compute with.

use std::num::NonZeroU16;

use rayon::ThreadPoolBuilder;

use super::Failure;

/// Starts the threads that everything parallel runs in: as many as given, otherwise `RAYON_NUM_THREADS`, otherwise one
/// for each processor core.
///
/// # Errors
///
/// The operating system refuses to start so many threads.
pub(super) fn start_threads(n_threads: Option<NonZeroU16>) -> Result<(), Failure> {
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
