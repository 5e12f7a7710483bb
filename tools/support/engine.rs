//! Calls of the library that the measuring programs share.

use burn_topology::topology::{Diagram, DistanceMatrix, VietorisRips};
use burn_topology::{Real, Result};

/// Persistence diagrams of a row-major matrix of `n` points, including the check of the matrix.
pub fn diagrams<T: Real>(
    rips: &mut VietorisRips<T>,
    distances: &[T],
    n: usize,
) -> Result<Vec<Diagram<T>>> {
    rips.diagrams(&DistanceMatrix::new(distances, n)?)
}
