//! Statistics of paired experiments: the same seeds, and the same test clips, in two arms.
//!
//! Everything here works on slices of `f64`. [`PairedDifferences`] holds the differences of one arm from the
//! baseline; [`PairedComparison`] computes in one call everything that a report prints of them. The
//! parts can be used alone: [`Bootstrap`] and [`t_interval`] for the uncertainty of the mean,
//! [`sign_flip_test`] for a difference, [`equivalence_test`] for the absence of one, [`EffectSize`]
//! and [`PowerAnalysis`] for the number of seeds of the next experiment, and [`holm`] for several
//! tests at once.
//!
//! For the predictions of a classifier there are [`Calibration`], [`Predictions`] and [`ConfusionMatrix`], for outliers
//! [`TukeyFence`], and for a score that separates two groups [`area_under_roc`].
//!
//! The seeds are the independent repetitions of an experiment, so every test takes one number per
//! seed: its mean over the units. Results do not depend on the number of threads, and up to rounding
//! they do not depend on the order of seeds and units.

mod auroc;
mod bootstrap;
mod calibration;
mod comparison;
mod confusion;
mod differences;
mod effect_size;
mod equivalence;
mod holm;
mod interval;
mod noncentral_t;
mod power;
mod predictions;
mod seed_moments;
mod sign_flip;
mod sorted_table;
mod tukey_fence;

pub use auroc::area_under_roc;
pub use bootstrap::Bootstrap;
pub use calibration::{Calibration, N_BINS};
pub use comparison::{PairedComparison, interval_of_mean};
pub use confusion::{ClassScores, ConfusionMatrix};
pub use differences::{LARGEST_DIFFERENCE, PairedDifferences};
pub use effect_size::EffectSize;
pub use equivalence::{Equivalence, equivalence_test};
pub use holm::holm;
pub use interval::{Interval, t_interval};
pub use power::{MAX_SEEDS, PowerAnalysis};
pub use predictions::{CalibrationIntervals, Predictions};
pub use sign_flip::{MAX_EXACT_SEEDS, N_RANDOM_DRAWS, SignFlipTest, sign_flip_test};
pub use tukey_fence::TukeyFence;

use crate::{Error, Result};

/// Checks that a parameter lies strictly between 0 and 1.
fn check_fraction(name: &str, value: f64) -> Result<()> {
    // False for NaN, too.
    if 0.0 < value && value < 1.0 {
        return Ok(());
    }
    Err(Error::invalid_parameter(format!(
        "{name} is {value}; expected a number above 0 and below 1"
    )))
}
