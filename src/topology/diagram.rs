//! Bars, and where in the matrix they come from.

use crate::real::Real;

/// Two vertices, the smaller first.
pub type Edge = [u32; 2];

/// One bar of a persistence diagram, with the critical edges that realise its ends.
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
