//! Persistence diagrams, and the bars and critical edges they consist of.

use super::edge::Edge;
use crate::real::Real;

/// One bar of a persistence diagram: birth and death of a homology class, and its critical edges.
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
    /// Diameter at which the class disappears; `inf` for an essential class.
    pub death: T,
    /// Edge whose length is `birth`; `None` in dimension 0, where every point is born at 0.
    pub birth_edge: Option<Edge>,
    /// Edge whose length is `death`; `None` for an essential class.
    pub death_edge: Option<Edge>,
}

impl<T: Real> Bar<T> {
    /// Persistence `death - birth` of the bar, in the unit of the distances.
    pub fn persistence(&self) -> T {
        self.death - self.birth
    }

    /// True if the class never dies.
    pub fn is_essential(&self) -> bool {
        self.death_edge.is_none()
    }

    /// Converts birth and death to `f64`, exactly.
    pub fn to_f64(&self) -> Bar<f64> {
        Bar {
            birth: self.birth.to_f64_exact(),
            death: self.death.to_f64_exact(),
            birth_edge: self.birth_edge,
            death_edge: self.death_edge,
        }
    }
}

/// Persistence diagram: all bars of one homology dimension, the finite ones first.
///
/// Finite bars have positive persistence; those of persistence 0 are left out.
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
    /// Finite bars, then essential bars: in ascending order of death in dimension 0, of birth above.
    pub bars: Vec<Bar<T>>,
}

impl<T: Real> Diagram<T> {
    /// Finite bars: those of classes that die.
    pub fn finite(&self) -> impl Iterator<Item = &Bar<T>> {
        self.bars.iter().filter(|bar| !bar.is_essential())
    }

    /// Essential bars: those of classes that never die.
    pub fn essential(&self) -> impl Iterator<Item = &Bar<T>> {
        self.bars.iter().filter(|bar| bar.is_essential())
    }

    /// Converts all births and deaths to `f64`, exactly.
    pub fn to_f64(&self) -> Diagram<f64> {
        Diagram {
            homology_dim: self.homology_dim,
            bars: self.bars.iter().map(Bar::to_f64).collect(),
        }
    }

    /// Total persistence: the sum of the persistences of the finite bars, in the unit of the distances.
    pub fn total_persistence(&self) -> T {
        self.finite().map(Bar::persistence).sum()
    }

    /// Largest persistence of a finite bar; 0 without finite bars.
    pub fn largest_persistence(&self) -> T {
        self.finite().map(Bar::persistence).fold(T::zero(), T::max)
    }
}
