//! Division of samples into the batches of forward passes, and the default number of samples in one.
//!
//! The size of a batch does not change a result, apart from rounding: means over batches are weighted by the sizes. It
//! limits the memory, so the default depends on what a forward pass keeps:
//!
//! | use | kept | default |
//! |---|---|---|
//! | prediction | class probabilities | 128 samples |
//! | evaluation on a split | outputs, and the attention of the first samples | 128 frames, in whole clips |
//! | attacks and corruptions of a split | gradients of the input | 120 samples |
//! | coherence, anomalies, attacked images of an inspection | attention of every layer | 16 samples |
//! | inspection | attention of every head of every layer, and hidden states | 1 sample |

use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::EvaluateError;
use crate::data::{Sample, Samples};
use crate::error::Error;

/// Number of samples per forward pass of a prediction.
pub(crate) const PREDICTION_BATCH: usize = 128;

/// Number of frames per forward pass of an evaluation; rounded up to whole clips.
pub(super) const EVALUATION_FRAMES: usize = 128;

/// Number of samples per forward pass under attacks and corruptions.
pub(super) const PERTURBATION_BATCH: usize = 120;

/// Number of samples per forward pass where the attention of every layer is kept.
pub(crate) const ATTENTION_BATCH: usize = 16;

/// Number of samples per forward pass of an inspection.
pub(crate) const INSPECTION_BATCH: usize = 1;

/// Chosen batch size, or the default.
pub(crate) fn size_or(chosen: Option<NonZeroUsize>, default: usize) -> usize {
    chosen.map_or(default, NonZeroUsize::get)
}

/// Cuts `0..n` into consecutive ranges of at most `batch_size` indices.
///
/// # Panics
///
/// If `batch_size` is 0.
///
/// # Example
///
/// ```
/// use burn_topology::evaluate::batch_ranges;
///
/// let ranges: Vec<_> = batch_ranges(5, 2).collect();
/// assert_eq!(ranges, [0..2, 2..4, 4..5]);
/// ```
pub fn batch_ranges(n: usize, batch_size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n)
        .step_by(batch_size)
        .map(move |start| start..n.min(start.saturating_add(batch_size)))
}

/// Reads the samples of each range and passes them on, until `check` breaks, which is asked before each range.
pub(super) fn for_each_batch<B>(
    samples: &Samples,
    ranges: impl Iterator<Item = Range<usize>>,
    check: &mut dyn FnMut() -> ControlFlow<B>,
    run: &mut dyn FnMut(Range<usize>, Vec<Sample>) -> Result<(), EvaluateError>,
) -> Result<ControlFlow<B>, EvaluateError> {
    for range in ranges {
        if let ControlFlow::Break(reason) = check() {
            return Ok(ControlFlow::Break(reason));
        }
        let items = samples
            .get_many(range.clone().collect())
            .map_err(|error| EvaluateError::Files(Error::sample(error)))?;
        run(range, items)?;
    }
    Ok(ControlFlow::Continue(()))
}

/// Check of [`for_each_batch`] that breaks once a flag is set.
pub(super) fn until(stop: &AtomicBool) -> impl FnMut() -> ControlFlow<()> {
    // Relaxed is enough, since no other data is passed along with the flag.
    move || {
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
