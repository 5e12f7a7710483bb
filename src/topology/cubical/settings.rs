//! Choices that a diagram depends on, and the bars that they leave.

use super::bars::{Construction, CubicalBar, CubicalDiagram, Filtration};
use crate::real::Real;

/// Choices that a diagram depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<T> {
    pub(super) filtration: Filtration,
    pub(super) construction: Construction,
    /// Least persistence of finite bars.
    pub(super) min_persistence: T,
}

impl<T: Real> Settings<T> {
    /// A diagram without bars.
    pub(super) fn empty_diagram(&self, homology_dim: usize) -> CubicalDiagram<T> {
        CubicalDiagram {
            homology_dim,
            filtration: self.filtration,
            bars: Vec::new(),
        }
    }

    /// Finite bar between two pixels; `None` if it is too short.
    pub(super) fn finite_bar(
        &self,
        values: &[T],
        [birth, death]: [usize; 2],
    ) -> Option<CubicalBar<T>> {
        let bar = CubicalBar {
            birth: values[birth],
            death: values[death],
            birth_pixel: birth,
            death_pixel: Some(death),
        };
        (bar.persistence() >= self.min_persistence).then_some(bar)
    }

    /// Essential bar that is born at a pixel.
    pub(super) fn essential_bar(&self, values: &[T], birth: usize) -> CubicalBar<T> {
        CubicalBar {
            birth: values[birth],
            death: self.filtration.end(),
            birth_pixel: birth,
            death_pixel: None,
        }
    }
}
