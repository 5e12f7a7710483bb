//! Work on the items of a file, in parallel.

use rayon::prelude::*;

use crate::error::Result;

/// Computes the result of every item in parallel, and reports how many are done after each batch.
///
/// Each thread works with a copy of `state`, whose buffers it keeps from one item to the next. A batch has `per_thread` items
/// for each thread.
///
/// # Errors
///
/// Returns the error of the first item that has one, in the order of the items.
pub(super) fn in_batches<S: Clone + Send + Sync, R: Send>(
    n_items: usize,
    per_thread: usize,
    state: &S,
    item: impl Fn(&mut S, usize) -> Result<R> + Sync,
    mut progress: impl FnMut(usize),
) -> Result<Vec<R>> {
    let batch_size = per_thread * rayon::current_num_threads();
    let mut results = Vec::with_capacity(n_items);
    while results.len() < n_items {
        let end = n_items.min(results.len() + batch_size);
        let batch: Vec<Result<R>> = (results.len()..end)
            .into_par_iter()
            .map_init(|| state.clone(), &item)
            .collect();
        // In the order of the file, so that the first bad item is reported.
        for result in batch {
            results.push(result?);
        }
        progress(results.len());
    }
    Ok(results)
}
