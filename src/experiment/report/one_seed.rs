//! Warning about differences of a single pair of runs.

use crate::experiment::collect::StudyResults;

/// Warning if a difference is that of a single pair of runs; `None` if every difference has several.
pub(crate) fn one_seed(collected: &StudyResults) -> Option<&'static str> {
    let mut differences = collected
        .results
        .iter()
        .flatten()
        .filter_map(|result| result.difference.as_ref());
    differences
        .any(|difference| difference.n_seeds == 1)
        .then_some(
            "One seed says nothing of another training: a difference of a single pair of runs has no interval, and training \
             the same arm again with another seed may change it as much.",
        )
}
