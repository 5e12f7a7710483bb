//! The calls into the engine that the measuring programs share, in one place.

use burn_topology::topology::{Diagram, DistanceMatrix, VietorisRips};
use burn_topology::{Real, Result};

/// Diagrams of a row-major matrix of `n` points, its check included.
pub fn diagrams<T: Real>(
    rips: &mut VietorisRips<T>,
    distances: &[T],
    n: usize,
) -> Result<Vec<Diagram<T>>> {
    rips.diagrams(&DistanceMatrix::new(distances, n)?)
}
