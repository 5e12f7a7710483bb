//! Bars, and where in the matrix they come from.

use super::edge::Edge;
use crate::real::Real;

/// One bar of a persistence diagram, with the critical edges that realise its ends.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, VietorisRips};
///
/// let pair = [0.0, 3.0, 3.0, 0.0];
/// let diagrams = VietorisRips::new(0)?.diagrams(&DistanceMatrix::new(&pair, 2)?)?;
/// let [merged, last] = diagrams[0].bars[..] else { panic!("two components") };
/// assert_eq!(merged.persistence(), 3.0);
/// assert_eq!((merged.birth_edge, merged.death_edge), (None, Some([0, 1])));
/// assert!(last.is_essential() && last.death == f64::INFINITY);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar<T> {
    /// Diameter at which the class appears.
    pub birth: T,
    /// Diameter at which it disappears; `inf` for an essential class.
    pub death: T,
    /// The edge whose length is `birth`; `None` in dimension 0, where vertices are born at 0.
    pub birth_edge: Option<Edge>,
    /// The edge whose length is `death`; `None` for an essential class.
    pub death_edge: Option<Edge>,
}

impl<T: Real> Bar<T> {
    /// `death - birth`.
    pub fn persistence(&self) -> T {
        self.death - self.birth
    }

    /// Whether the class never dies.
    pub fn is_essential(&self) -> bool {
        self.death_edge.is_none()
    }

    /// The bar with its numbers in `f64`, exact.
    pub fn to_f64(&self) -> Bar<f64> {
        Bar {
            birth: self.birth.to_f64_exact(),
            death: self.death.to_f64_exact(),
            birth_edge: self.birth_edge,
            death_edge: self.death_edge,
        }
    }
}

/// The bars of one homology dimension: finite ones of positive length, then the essential ones.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, VietorisRips};
///
/// // Three points on a line, at 0, 1 and 3.
/// let line = [0.0, 1.0, 3.0, 1.0, 0.0, 2.0, 3.0, 2.0, 0.0];
/// let diagrams = VietorisRips::new(0)?.diagrams(&DistanceMatrix::new(&line, 3)?)?;
/// let components = &diagrams[0];
/// let deaths: Vec<f64> = components.finite().map(|bar| bar.death).collect();
/// assert_eq!(deaths, [1.0, 2.0]);
/// assert_eq!(components.essential().count(), 1);
/// assert_eq!((components.total_persistence(), components.largest_persistence()), (3.0, 2.0));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Diagram<T> {
    /// Homology dimension of every bar.
    pub homology_dim: usize,
    /// Dimension 0: in order of death. Dimension 1: in order of birth.
    pub bars: Vec<Bar<T>>,
}

impl<T: Real> Diagram<T> {
    /// The bars that die.
    pub fn finite(&self) -> impl Iterator<Item = &Bar<T>> {
        self.bars.iter().filter(|bar| !bar.is_essential())
    }

    /// The bars that never die.
    pub fn essential(&self) -> impl Iterator<Item = &Bar<T>> {
        self.bars.iter().filter(|bar| bar.is_essential())
    }

    /// The diagram with its numbers in `f64`, exact.
    pub fn to_f64(&self) -> Diagram<f64> {
        Diagram {
            homology_dim: self.homology_dim,
            bars: self.bars.iter().map(Bar::to_f64).collect(),
        }
    }

    /// Sum of the finite persistences, in the unit of the distances.
    pub fn total_persistence(&self) -> T {
        self.finite().map(Bar::persistence).sum()
    }

    /// The largest finite persistence; 0 without finite bars.
    pub fn largest_persistence(&self) -> T {
        self.finite().map(Bar::persistence).fold(T::zero(), T::max)
    }
}
