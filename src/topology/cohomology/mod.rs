//! Persistent cohomology of the Vietoris-Rips filtration in any dimension, over Z/2.
//!
//! Columns of the coboundary matrix are reduced from the last simplex to the first and made when
//! needed. Few need it: a simplex that is the pivot of a lower dimension is cleared, one whose pair is
//! seen from its facets and cofacets alone (apparent) is never written down, and one whose first
//! cofacet of equal rank is free (emergent) is paired at once. For dimensions 0 and 1 lunes are many
//! times faster; this is for what lies above.
//!
//! Source: [bauer2021].
//!
//! [bauer2021]: https://doi.org/10.1007/s41468-021-00071-5

mod complex;

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use self::complex::{Complex, Simplex};
use super::edge::PackedEdge;
use crate::error::{Error, Result};

/// Largest dimension of classes: their deaths have cofacets too.
pub(super) const MAX_DIM: usize = complex::MAX_VERTICES - 4;

/// Most simplices of one dimension that are listed: 4 GiB.
const MAX_SIMPLICES: usize = 1 << 28;

/// A class: the ranks of the edges that give birth and death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) birth: u32,
    pub(super) death: Option<u32>,
}

/// Reduces coboundary matrices; keeps its memory between complexes.
#[derive(Debug, Default, Clone)]
pub(super) struct Cohomology {
    complex: Complex,
    /// Column of each pivot.
    pivots: HashMap<u64, u32, BuildHasherDefault<Multiply>>,
    /// Simplices added to each column in its reduction, itself first.
    reductions: Vec<Simplex>,
    reduction_ends: Vec<usize>,
    boundary: BinaryHeap<Simplex>,
    added: BinaryHeap<Simplex>,
}

impl Cohomology {
    /// The classes of dimensions 1 to `max_dim`, in order of birth.
    ///
    /// `edges` are those of the complex in order, and whether they are in its spanning forest.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`] if there are too many simplices.
    pub(super) fn classes(
        &mut self,
        n_points: usize,
        max_dim: usize,
        edges: &[PackedEdge],
        in_tree: &[bool],
    ) -> Result<Vec<Vec<Class>>> {
        let vertices = || edges.iter().map(|edge| edge.vertices());
        self.complex.reset(n_points, max_dim + 1, vertices())?;
        let mut simplices: Vec<Simplex> = vertices().map(|edge| self.complex.edge(edge)).collect();
        let cycles = simplices.iter().filter(|edge| !in_tree[edge.rank as usize]);
        let mut columns: Vec<Simplex> = cycles
            .filter(|&&edge| self.complex.apparent_cofacet(edge, 1).is_none())
            .copied()
            .collect();
        let mut found = Vec::with_capacity(max_dim);
        for dim in 1..=max_dim {
            // The last in the filtration first.
            columns.sort_unstable();
            found.push(self.reduce(&columns, dim));
            if dim < max_dim {
                (simplices, columns) = self.next_dimension(&simplices, dim, dim + 1 < max_dim)?;
            }
        }
        Ok(found)
    }

    /// All simplices of the next dimension, where they are `kept`, and those that are still to be
    /// paired.
    fn next_dimension(
        &self,
        simplices: &[Simplex],
        dim: usize,
        kept: bool,
    ) -> Result<(Vec<Simplex>, Vec<Simplex>)> {
        let (mut all, mut columns) = (Vec::new(), Vec::new());
        for &simplex in simplices {
            for cofacet in self.complex.cofacets(simplex, dim).upper() {
                if kept {
                    all.push(cofacet);
                }
                if !self.pivots.contains_key(&cofacet.index)
                    && self.complex.apparent_facet(cofacet, dim + 1).is_none()
                    && self.complex.apparent_cofacet(cofacet, dim + 1).is_none()
                {
                    columns.push(cofacet);
                }
            }
            if all.len().max(columns.len()) > MAX_SIMPLICES {
                return Err(Error::invalid_distances(format!(
                    "more than {MAX_SIMPLICES} simplices of dimension {} are to be listed, expected \
                     fewer; take fewer points, a threshold or a lower max_homology_dim",
                    dim + 1
                )));
            }
        }
        Ok((all, columns))
    }

    fn reduce(&mut self, columns: &[Simplex], dim: usize) -> Vec<Class> {
        self.pivots.clear();
        self.reductions.clear();
        self.reduction_ends.clear();
        let mut classes = Vec::new();
        for (number, &column) in columns.iter().enumerate() {
            let pivot = self.pivot(column, dim);
            classes.push(Class {
                birth: column.rank,
                death: pivot.map(|pivot| pivot.rank),
            });
            if let Some(pivot) = pivot {
                self.pivots.insert(pivot.index, number as u32);
            }
            self.reductions.push(column);
            while let Some(simplex) = pop(&mut self.added) {
                self.reductions.push(simplex);
            }
            self.reduction_ends.push(self.reductions.len());
        }
        classes.retain(|class| class.death != Some(class.birth));
        classes.reverse();
        classes
    }

    /// The first cofacet of the reduced column; what was added stays in `added`.
    fn pivot(&mut self, column: Simplex, dim: usize) -> Option<Simplex> {
        self.boundary.clear();
        self.added.clear();
        let mut may_emerge = true;
        for cofacet in self.complex.cofacets(column, dim) {
            if may_emerge && cofacet.rank == column.rank {
                if !self.pivots.contains_key(&cofacet.index)
                    && self.complex.apparent_facet(cofacet, dim + 1).is_none()
                {
                    return Some(cofacet);
                }
                may_emerge = false;
            }
            self.boundary.push(cofacet);
        }
        loop {
            let pivot = peek(&mut self.boundary)?;
            if let Some(&other) = self.pivots.get(&pivot.index) {
                let other = other as usize;
                let start = other
                    .checked_sub(1)
                    .map_or(0, |before| self.reduction_ends[before]);
                for place in start..self.reduction_ends[other] {
                    let simplex = self.reductions[place];
                    self.added.push(simplex);
                    self.boundary.extend(self.complex.cofacets(simplex, dim));
                }
            } else if let Some(facet) = self.complex.apparent_facet(pivot, dim + 1) {
                self.added.push(facet);
                self.boundary.extend(self.complex.cofacets(facet, dim));
            } else {
                return Some(pivot);
            }
        }
    }
}

/// Takes the first simplex that occurs an odd number of times.
fn pop(heap: &mut BinaryHeap<Simplex>) -> Option<Simplex> {
    while let Some(simplex) = heap.pop() {
        let mut is_odd = true;
        while heap.peek() == Some(&simplex) {
            heap.pop();
            is_odd = !is_odd;
        }
        if is_odd {
            return Some(simplex);
        }
    }
    None
}

fn peek(heap: &mut BinaryHeap<Simplex>) -> Option<Simplex> {
    let simplex = pop(heap)?;
    heap.push(simplex);
    Some(simplex)
}

/// A hash for indices of simplices, which are all different already.
#[derive(Debug, Default, Clone)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, index: u64) {
        // The odd constant of SplitMix64; the rotation brings the mixed bits to where tables look.
        self.0 = (self.0 ^ index)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }
}

#[cfg(test)]
mod tests;
