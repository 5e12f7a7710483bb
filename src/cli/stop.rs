//! Signals that stop a training after its current step.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Flag that is set by SIGINT, SIGTERM and SIGUSR1.
///
/// A SIGINT that follows any of these signals ends the process at once. SIGUSR1 is what Slurm is usually asked to send
/// before a time limit.
pub(super) fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    // Registered before the handler that sets the flag: handlers run in order, so the first SIGINT only sets it.
    flag::register_conditional_shutdown(SIGINT, 128 + SIGINT, Arc::clone(&stop))?;
    flag::register(SIGINT, Arc::clone(&stop))?;
    flag::register(SIGTERM, Arc::clone(&stop))?;
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&stop))?;
    Ok(stop)
}
