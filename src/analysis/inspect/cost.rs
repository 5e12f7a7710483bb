//! What an inspection costs: the number of its matrices and comparisons, and the time that is left.

use std::sync::Mutex;
use std::time::Instant;

use super::diagram_metric::compared_kinds;
use super::spec::InspectSpec;

/// Returns the number of shuffled copies of each layer, which show the distances that rows without common structure would
/// have.
///
/// One copy of many points is enough: with 1,369 points, the 2-Wasserstein distances to four copies differed by less than
/// 1 % in all but one of twelve layers.
pub(super) fn n_shuffles(n_points: usize) -> usize {
    if n_points <= 512 { 4 } else { 1 }
}

/// Number of images that are compared with each other and with their shuffled copies. The number of pairs grows with
/// its square.
pub(super) const MAX_PAIRED: usize = 32;

/// Number of pairs of images for which single heads are compared too.
pub(super) const MAX_HEAD_PAIRS: usize = 8;

/// Number of images for which every head is compared with every other.
pub(super) const MAX_HEAD_IMAGES: usize = 2;

/// Progress of an inspection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InspectionProgress {
    /// Number of matrices that are done.
    pub n_done: usize,
    /// Number of matrices of all images.
    pub n_matrices: usize,
    /// Number of points of each matrix.
    pub n_points: usize,
    /// Size of the files with the matrices of all images, in bytes.
    pub n_file_bytes: u64,
    /// Estimated number of seconds until everything but the page is done.
    pub seconds_left: f64,
}

/// Numbers of images, layers and heads of an inspection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) n_images: usize,
    pub(super) n_layers: usize,
    /// Number of single heads, without their mean.
    pub(super) n_heads: usize,
}

impl Counts {
    /// Number of matrices of one image.
    pub(super) fn matrices_per_image(self) -> usize {
        self.n_layers * (1 + self.n_heads)
    }

    /// Number of distances between two diagrams for one metric and homology dimension, at most.
    pub(super) fn n_comparisons(self) -> usize {
        let pairs = |n: usize| n * n.saturating_sub(1) / 2;
        let between_heads =
            self.n_images.min(MAX_HEAD_IMAGES) * pairs(self.n_layers * self.n_heads);
        let n_pairs = pairs(self.n_images.min(MAX_PAIRED));
        let between_images = self.n_layers * (n_pairs + n_pairs.min(MAX_HEAD_PAIRS) * self.n_heads);
        self.n_images * pairs(self.n_layers) + between_heads + between_images
    }
}

/// Measured seconds of one thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Time of one matrix.
    pub(super) matrix: f64,
    /// Time of one shuffled copy.
    pub(super) shuffle: f64,
    /// Time of one distance between two diagrams, mean over metrics and homology dimensions.
    pub(super) comparison: f64,
    /// Time of the forward pass of one image.
    pub(super) forward_pass: f64,
}

/// Estimate of the time that is left. It starts from the times of a sample, and follows the pace of the work.
#[derive(Debug)]
pub(super) struct WorkClock {
    sample: Sample,
    counts: Counts,
    n_points: usize,
    n_file_bytes: u64,
    started: Instant,
    /// Seconds of one thread for all work, at the pace of the sample.
    total: f64,
    done: Mutex<Done>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Done {
    n_matrices: usize,
    /// Seconds of one thread for the work that is done, at the pace of the sample.
    seconds: f64,
}

impl WorkClock {
    /// Starts the clock, after the forward pass of the first `n_passed` images.
    pub(super) fn new(
        sample: Sample,
        counts: Counts,
        n_passed: usize,
        n_points: usize,
        n_file_bytes: u64,
        spec: &InspectSpec,
    ) -> Self {
        let n_shuffled = counts.n_images.min(MAX_PAIRED) * counts.n_layers * n_shuffles(n_points);
        let n_kinds = compared_kinds(spec.max_homology_dim).len();
        let total = sample.matrix * (counts.n_images * counts.matrices_per_image()) as f64
            + sample.shuffle * n_shuffled as f64
            + sample.comparison * (n_kinds * counts.n_comparisons()) as f64
            // All threads work on a forward pass.
            + sample.forward_pass * counts.n_images.saturating_sub(n_passed) as f64 * n_threads();
        Self {
            sample,
            counts,
            n_points,
            n_file_bytes,
            started: Instant::now(),
            total,
            done: Mutex::default(),
        }
    }

    /// Counts matrices, shuffled copies and forward passes that are done, and returns the progress.
    pub(super) fn add(
        &self,
        n_matrices: usize,
        n_shuffles: usize,
        n_passed: usize,
    ) -> InspectionProgress {
        let seconds = self.sample.matrix * n_matrices as f64
            + self.sample.shuffle * n_shuffles as f64
            + self.sample.forward_pass * n_passed as f64 * n_threads();
        let done = match self.done.lock() {
            Ok(mut done) => {
                done.n_matrices += n_matrices;
                done.seconds += seconds;
                *done
            }
            // Another thread has panicked; only the progress display is wrong then.
            Err(_) => Done::default(),
        };
        // Until more has been done than the sample, its pace counts too: that of one thread, on all of them.
        let known = self.sample.matrix + self.sample.shuffle;
        let elapsed = self.started.elapsed().as_secs_f64() + known / n_threads();
        let pace = elapsed / (done.seconds + known).max(f64::MIN_POSITIVE);
        InspectionProgress {
            n_done: done.n_matrices,
            n_matrices: self.counts.n_images * self.counts.matrices_per_image(),
            n_points: self.n_points,
            n_file_bytes: self.n_file_bytes,
            seconds_left: (self.total - done.seconds).max(0.0) * pace,
        }
    }
}

fn n_threads() -> f64 {
    rayon::current_num_threads() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_that_of_the_sample_at_first_and_falls_to_zero() {
        let sample = Sample {
            matrix: 2.0,
            shuffle: 1.0,
            comparison: 0.0,
            forward_pass: 0.5,
        };
        let counts = Counts {
            n_images: 2,
            n_layers: 3,
            n_heads: 4,
        };
        let clock = WorkClock::new(sample, counts, 1, 9, 7, &InspectSpec::default());
        let first = clock.add(0, 0, 0);
        assert_eq!((first.n_done, first.n_matrices, first.n_points), (0, 30, 9));
        let expected = (60.0 + 24.0) / n_threads() + 0.5;
        assert!(
            (first.seconds_left / expected - 1.0).abs() < 0.01,
            "{first:?}"
        );
        let later = clock.add(29, 24, 1);
        // One matrix is left, at a pace that is now much faster than that of the sample.
        assert!(later.seconds_left < 2.0 / n_threads(), "{later:?}");
        assert_eq!(clock.add(1, 0, 0).seconds_left, 0.0);
    }

    #[test]
    fn comparisons_are_those_of_layers_heads_and_images() {
        let counts = |n_images, n_layers, n_heads| Counts {
            n_images,
            n_layers,
            n_heads,
        };
        assert_eq!(counts(1, 1, 0).n_comparisons(), 0);
        assert_eq!(counts(1, 2, 3).n_comparisons(), 1 + 15);
        // Layers 3 x 1, heads of two images 2 x 15, images 3 pairs x 2 layers x (1 + 3).
        assert_eq!(counts(3, 2, 3).n_comparisons(), 3 + 30 + 24);
    }
}
