//! Persistent cohomology of the Vietoris-Rips filtration in any dimension, over Z/2.
//!
//! A *facet* of a simplex lacks one of its vertices; a *cofacet* has one more. The coboundary matrix has one
//! column per simplex, whose non-zero entries are the cofacets. Columns are reduced from the last simplex
//! of the filtration to the first, and the first cofacet that is left in a reduced column, its *pivot*, is
//! where the class of the column dies.
//!
//! Columns are enumerated when they are needed and never stored. Few are needed at all:
//!
//! - clearing: a simplex that is the pivot of a lower dimension gives birth to nothing;
//! - apparent pairs: the pair of a simplex is often determined by its facets and cofacets alone;
//! - emergent pairs: if the first cofacet with the same longest edge is not a pivot yet, it is the pivot.
//!
//! In dimensions 0 and 1 lunes are many times faster; this module is for the dimensions above.
//!
//! Source: [bauer2021], the algorithm of Ripser.
//!
//! [bauer2021]: https://doi.org/10.1007/s41468-021-00071-5

mod complex;

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use self::complex::{Complex, Simplex};
use super::edge::PackedEdge;
use crate::error::{Error, Result};

/// Largest homology dimension: a death there has `MAX_DIM + 2` vertices, and its cofacets one more.
pub(super) const MAX_DIM: usize = complex::MAX_VERTICES - 4;

/// Memory for the simplices of one dimension that are listed, in bytes, unless another limit is set: 4 GiB.
const DEFAULT_LIMIT: u64 = 1 << 32;

/// Homology class, as the ranks of its birth edge and its death edge in the order of the filtration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) birth: u32,
    /// `None` for an essential class.
    pub(super) death: Option<u32>,
}

/// Reduces coboundary matrices, and keeps its buffers for the next complex.
#[derive(Debug, Default, Clone)]
pub(super) struct Cohomology {
    /// Largest size of a list of simplices, in bytes; `None` for the default.
    memory_limit: Option<u64>,
    complex: Complex,
    /// For each pivot of the present dimension, by its index, the number of its column.
    pivots: HashMap<u64, u32, BuildHasherDefault<MultiplicativeHasher>>,
    /// Simplices whose columns sum up to each reduced column, that of the column itself first.
    ///
    /// Reduced columns are recomputed from these when they are added to another, since the sums have far
    /// fewer terms than the columns have entries.
    reductions: Vec<Simplex>,
    /// Position in `reductions` at which each column ends.
    reduction_ends: Vec<usize>,
    /// Entries of the column that is being reduced; those that occur an even number of times cancel.
    coboundary: BinaryHeap<Simplex>,
    /// Simplices whose columns have been added to it; again an even number cancels.
    added: BinaryHeap<Simplex>,
}

impl Cohomology {
    /// Sets the memory for the simplices of one dimension, in bytes.
    pub(super) fn set_memory_limit(&mut self, bytes: u64) {
        self.memory_limit = Some(bytes);
    }

    /// Largest number of simplices of one dimension that are listed.
    fn max_simplices(&self) -> u64 {
        self.memory_limit.unwrap_or(DEFAULT_LIMIT) / size_of::<Simplex>() as u64
    }

    /// Refuses a complex of which a list of simplices would exceed the limit, before any is made.
    fn check_size(&self, max_dim: usize) -> Result<()> {
        // The simplices of the last dimension are visited, but not listed.
        for dim in 2..max_dim {
            if self.complex.count_simplices(dim, self.max_simplices()) > self.max_simplices() {
                return Err(self.too_many(dim));
            }
        }
        Ok(())
    }

    fn too_many(&self, dim: usize) -> Error {
        let max_simplices = self.max_simplices();
        let gigabytes = (max_simplices * size_of::<Simplex>() as u64) as f64 / 1e9;
        Error::invalid_distances(format!(
            "there are more than {max_simplices} simplices of dimension {dim}, which take more than {gigabytes:.3} GB of \
             memory, expected fewer; use fewer points, a threshold, a lower max_homology_dim or a higher memory limit"
        ))
    }

    /// Computes the classes of dimensions 1 to `max_dim`, in ascending order of birth.
    ///
    /// `edges` are the edges of the complex in the order of the filtration, and `in_tree` is true for those
    /// of its spanning forest.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`] if there are too many simplices to number or to list.
    pub(super) fn classes(
        &mut self,
        n_points: usize,
        max_dim: usize,
        edges: &[PackedEdge],
        in_tree: &[bool],
    ) -> Result<Vec<Vec<Class>>> {
        let vertices = || edges.iter().map(|edge| edge.vertices());
        self.complex.reset(n_points, max_dim + 1, vertices())?;
        self.check_size(max_dim)?;
        let mut simplices: Vec<Simplex> = vertices().map(|edge| self.complex.edge(edge)).collect();
        // Edges of the forest are the pivots of dimension 0: cleared.
        let mut columns: Vec<Simplex> = simplices
            .iter()
            .filter(|edge| !in_tree[edge.rank as usize])
            .filter(|&&edge| self.complex.apparent_cofacet(edge, 1).is_none())
            .copied()
            .collect();
        let mut classes = Vec::with_capacity(max_dim);
        for dim in 1..=max_dim {
            // The last simplex of the filtration first, see `Ord` of `Simplex`.
            columns.sort_unstable();
            classes.push(self.reduce(&columns, dim));
            if dim < max_dim {
                (simplices, columns) = self.next_dimension(&simplices, dim, dim + 1 < max_dim)?;
            }
        }
        Ok(classes)
    }

    /// Lists the simplices of dimension `dim + 1`, and those of them whose columns must be reduced.
    ///
    /// The first list is needed to go on to dimension `dim + 2`; it stays empty unless `is_list_needed`.
    fn next_dimension(
        &self,
        simplices: &[Simplex],
        dim: usize,
        is_list_needed: bool,
    ) -> Result<(Vec<Simplex>, Vec<Simplex>)> {
        let (mut all, mut columns) = (Vec::new(), Vec::new());
        for &simplex in simplices {
            for cofacet in self.complex.cofacets(simplex, dim).upper() {
                if is_list_needed {
                    all.push(cofacet);
                }
                // Neither cleared nor in an apparent pair, as death or as birth.
                if !self.pivots.contains_key(&cofacet.index)
                    && self.complex.apparent_facet(cofacet, dim + 1).is_none()
                    && self.complex.apparent_cofacet(cofacet, dim + 1).is_none()
                {
                    columns.push(cofacet);
                }
            }
            if all.len().max(columns.len()) as u64 > self.max_simplices() {
                return Err(self.too_many(dim + 1));
            }
        }
        Ok((all, columns))
    }

    /// Reduces all columns of one dimension, and returns the classes that are born with them.
    fn reduce(&mut self, columns: &[Simplex], dim: usize) -> Vec<Class> {
        self.pivots.clear();
        self.reductions.clear();
        self.reduction_ends.clear();
        let mut classes = Vec::new();
        // Pivots stay until the next dimension has been listed, where they clear columns.
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
        // The same longest edge: a bar of persistence zero, whatever the lengths.
        classes.retain(|class| class.death != Some(class.birth));
        // Columns came from the last to the first.
        classes.reverse();
        classes
    }

    /// Reduces a column and returns its pivot; `None` if it becomes zero, that is, for an essential class.
    ///
    /// The simplices whose columns were added are left in `added`.
    fn pivot(&mut self, column: Simplex, dim: usize) -> Option<Simplex> {
        self.coboundary.clear();
        self.added.clear();
        // Cofacets are enumerated in descending order of index, so the first of equal rank is the first of all
        // in the filtration. If it is no pivot yet, the pair is emergent, and the rest need not be enumerated.
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
            self.coboundary.push(cofacet);
        }
        loop {
            let pivot = peek(&mut self.coboundary)?;
            if let Some(&other) = self.pivots.get(&pivot.index) {
                // Adds the reduced column that has this pivot, as the columns it is the sum of.
                let other = other as usize;
                let start = other
                    .checked_sub(1)
                    .map_or(0, |before| self.reduction_ends[before]);
                for position in start..self.reduction_ends[other] {
                    let simplex = self.reductions[position];
                    self.added.push(simplex);
                    self.coboundary.extend(self.complex.cofacets(simplex, dim));
                }
            } else if let Some(facet) = self.complex.apparent_facet(pivot, dim + 1) {
                // The pivot belongs to an apparent pair, whose column is reduced as it is.
                self.added.push(facet);
                self.coboundary.extend(self.complex.cofacets(facet, dim));
            } else {
                return Some(pivot);
            }
        }
    }
}

/// Removes and returns the first simplex that occurs an odd number of times; `None` if there is none.
///
/// Over Z/2, equal simplices cancel in pairs. They are only found here, because a heap cannot search.
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

/// Returns the first simplex that occurs an odd number of times, and leaves one copy of it in the heap.
fn peek(heap: &mut BinaryHeap<Simplex>) -> Option<Simplex> {
    let simplex = pop(heap)?;
    heap.push(simplex);
    Some(simplex)
}

/// Fast hasher for the indices of simplices, for which one multiplication mixes the bits well enough.
#[derive(Debug, Default, Clone)]
struct MultiplicativeHasher(u64);

impl Hasher for MultiplicativeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, index: u64) {
        // The odd constant of SplitMix64. The high bits of the product are mixed best; the rotation moves
        // them to the low end, from which the hash table takes its positions.
        self.0 = (self.0 ^ index)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }
}

#[cfg(test)]
mod tests;
