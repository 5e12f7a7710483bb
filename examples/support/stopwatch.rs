//! Least and median time of a piece of work.

use std::time::{Duration, Instant};

/// How long each piece of work is repeated.
const BUDGET: Duration = Duration::from_millis(500);

/// Fewest repetitions of a piece of work that is slower than the budget.
const LEAST_REPEATS: usize = 3;

/// Times of many repetitions, in milliseconds.
pub struct Times {
    /// The least: what to compare, since other programs can only add to it.
    pub least: f64,
    /// The median.
    pub median: f64,
}

impl Times {
    /// The times of one item of a batch.
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
    work()?;
    let mut samples = Vec::new();
    let start = Instant::now();
    while samples.len() < LEAST_REPEATS || start.elapsed() < BUDGET {
        let start = Instant::now();
        work()?;
        samples.push(start.elapsed());
    }
    samples.sort_unstable();
    let milliseconds = |index: usize| samples[index].as_secs_f64() * 1e3;
    Ok(Times {
        least: milliseconds(0),
        median: milliseconds(samples.len() / 2),
    })
}
