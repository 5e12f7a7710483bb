//! Minimum and median time of repeated work.

use std::time::{Duration, Instant};

/// Time for which each piece of work is repeated.
const BUDGET: Duration = Duration::from_millis(500);

/// Minimum number of repetitions, for work that is slower than the budget.
const MIN_REPEATS: usize = 3;

/// Times of many repetitions, in milliseconds.
pub struct Times {
    /// Minimum, the number to compare: other processes can only add to it.
    pub least: f64,
    /// Median.
    pub median: f64,
}

impl Times {
    /// Times per item of a batch.
    #[allow(dead_code, reason = "not every example times batches")]
    pub fn per_item(self, batch_size: usize) -> Self {
        let items = batch_size as f64;
        Self {
            least: self.least / items,
            median: self.median / items,
        }
    }
}

/// Runs `work` once unmeasured, then for [`BUDGET`]; stops at its first error.
pub fn measure<E>(mut work: impl FnMut() -> Result<(), E>) -> Result<Times, E> {
    // The first run fills caches and grows buffers.
    work()?;
    let mut samples = Vec::new();
    let started = Instant::now();
    while samples.len() < MIN_REPEATS || started.elapsed() < BUDGET {
        let repeat_started = Instant::now();
        work()?;
        samples.push(repeat_started.elapsed());
    }
    samples.sort_unstable();
    let milliseconds = |index: usize| samples[index].as_secs_f64() * 1e3;
    Ok(Times {
        least: milliseconds(0),
        median: milliseconds(samples.len() / 2),
    })
}
