//! Statistics of paired experiments against scipy and statsmodels, and under their own laws.

mod peers;
mod properties;
mod simulations;

use burn_topology::statistics::PairedDifferences;

/// A table of one number per seed.
fn of_seeds(by_seed: &[f64]) -> PairedDifferences {
    let rows: Vec<[f64; 1]> = by_seed.iter().map(|&x| [x]).collect();
    PairedDifferences::new(&rows).expect("finite differences")
}
