//! Statistics of paired experiments: agreement with scipy and statsmodels, and general properties.

mod peers;
mod properties;
mod simulations;

use burn_topology::statistics::PairedDifferences;

/// Creates a table with one number per seed.
fn one_unit_table(by_seed: &[f64]) -> PairedDifferences {
    let rows: Vec<[f64; 1]> = by_seed.iter().map(|&x| [x]).collect();
    PairedDifferences::new(&rows).expect("finite differences")
}
