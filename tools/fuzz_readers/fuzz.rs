//! Reading of randomly changed files, with what went wrong.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use burn_topology::data::random_stream;
use rand::RngExt;

use super::case::Case;
use super::mutation::mutated;
use super::targets::Target;

/// Case `index` of a target: first the corpus as it is, then changes of it.
pub fn case(corpus: &[Case], seed: u64, index: usize) -> Case {
    if let Some(case) = corpus.get(index) {
        return case.clone();
    }
    let mut random = random_stream(seed, &[index as u64]);
    let chosen = &corpus[random.random_range(0..corpus.len())];
    mutated(chosen, corpus, &mut random)
}

/// Lets a target read a case from a directory, and returns the time it took.
///
/// # Errors
///
/// Message of a panic.
pub fn read(target: &Target, case: &Case, directory: &Path) -> Result<Duration, String> {
    case.write(directory).expect("a writable directory");
    let started = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| (target.read)(directory))) {
        Ok(()) => Ok(started.elapsed()),
        Err(panic) => Err(message(&*panic).to_owned()),
    }
}

/// Message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}
