//! Statistics of paired experiments: the same seeds, and the same test clips, in two arms.
//!
//! Plain Rust on slices of `f64`. [`PairedDifferences`] holds what one arm has more than the other;
//! [`PairedComparison`] says in one call what a report prints of them. The parts are there alone
//! as well: [`Bootstrap`] and [`t_interval`] for the uncertainty of the mean, [`sign_flip_test`] for a
//! difference, [`equivalence_test`] for the absence of one, [`EffectSize`] and [`PowerAnalysis`] for
//! the number of seeds of the next experiment, and [`holm`] for many tests at once.
//!
//! Beside them stand [`Fence`] for what lies far from most, and [`area_under_roc`] for how well a score tells
//! two groups apart.
//!
//! The seeds are what is repeated, so every test takes one number of each, its mean over the units.
//! Results do not depend on the number of threads, nor on the order of seeds and units beyond
//! rounding.

mod auroc;
mod bootstrap;
mod calibration;
mod comparison;
mod differences;
mod effect_size;
mod equivalence;
mod fence;
mod holm;
mod interval;
mod noncentral_t;
mod power;
mod predictions;
mod seed_moments;
mod sign_flip;
mod sorted_table;

pub use auroc::area_under_roc;
pub use bootstrap::Bootstrap;
pub use calibration::{Calibration, N_BINS};
pub use comparison::{PairedComparison, interval_of_mean};
pub use differences::{LARGEST_DIFFERENCE, PairedDifferences};
pub use effect_size::EffectSize;
pub use equivalence::{Equivalence, equivalence_test};
pub use fence::Fence;
pub use holm::holm;
pub use interval::{Interval, t_interval};
pub use power::{MAX_SEEDS, PowerAnalysis};
pub use predictions::{CalibrationIntervals, Predictions};
pub use sign_flip::{MAX_EXACT_SEEDS, N_RANDOM_DRAWS, SignFlipTest, sign_flip_test};

use crate::{Error, Result};

/// A probability strictly between 0 and 1.
fn check_share(name: &str, value: f64) -> Result<()> {
    if 0.0 < value && value < 1.0 {
        return Ok(());
    }
    Err(Error::invalid_parameter(format!(
        "{name} is {value}; expected a number above 0 and below 1"
    )))
}
