//! Persistent homology of volumes: union-finds for dimensions 0 and 2, a matrix reduction for dimension 1.
//!
//! See [`volume_lattice`](super::volume_lattice) for the cells of a volume. Edges that join two components give
//! dimension 0. In the reverse order, squares that join two cubes, or a cube and the outside, give
//! dimension 2. Each other square ends a class of dimension 1 that an edge which joins no components has begun. Which
//! one, the reduction of the boundary matrix tells: its columns are these squares and its rows these edges, so nothing
//! reduces to 0.

use num_traits::Bounded;

use super::bars::CubicalDiagram;
use super::cell_sorter::sort_cells;
use super::forest::ElderForest;
use super::grid::Volume;
use super::settings::Settings;
use super::volume_lattice::{CUBE, CellId, EDGES, OUTSIDE, SQUARES, VolumeLattice, parts};
use crate::real::Real;

/// Largest number of voxels of a volume whose diagrams above dimension 0 are computed: 16 x 64 x 64.
pub const MAX_REDUCED_VOXELS: usize = 1 << 16;

/// Cubical complex of one volume, and the buffers in which its diagrams are computed.
#[derive(Debug, Clone)]
pub(super) struct VolumeComplex<T: Real> {
    lattice: VolumeLattice<T>,
    /// Edges, and then those that join no components.
    edges: Vec<(T::Bits, CellId)>,
    /// Squares, and then those that separate no cubes.
    squares: Vec<(T::Bits, CellId)>,
    /// Buffer of the sort.
    spare: Vec<(T::Bits, CellId)>,
    forest: ElderForest,
}

impl<T: Real> Default for VolumeComplex<T> {
    fn default() -> Self {
        Self {
            lattice: VolumeLattice::default(),
            edges: Vec::new(),
            squares: Vec::new(),
            spare: Vec::new(),
            forest: ElderForest::default(),
        }
    }
}

impl<T: Real> VolumeComplex<T> {
    /// Computes the diagrams of the dimensions `0..=max_homology_dim`, which is at most 2.
    pub(super) fn diagrams(
        &mut self,
        volume: &Volume<'_, T>,
        settings: &Settings<T>,
        max_homology_dim: usize,
    ) -> Vec<CubicalDiagram<T>> {
        let mut diagrams: Vec<_> = (0..3).map(|dim| settings.empty_diagram(dim)).collect();
        let values = volume.values();
        if !values.is_empty() {
            self.lattice.fill(volume, settings, max_homology_dim > 0);
            let mut add = |dim: usize, pixels: [usize; 2]| {
                diagrams[dim]
                    .bars
                    .extend(settings.finite_bar(values, pixels));
            };
            let essential = self.pair_vertices(max_homology_dim == 0, |pixels| add(0, pixels));
            if max_homology_dim > 0 {
                self.pair_cubes(|pixels| add(2, pixels));
                self.reduce_squares(|pixels| add(1, pixels));
            }
            diagrams[0]
                .bars
                .push(settings.essential_bar(values, essential));
        }
        diagrams.truncate(max_homology_dim + 1);
        diagrams
    }

    /// Writes all cells along the given sets of axes to `cells`, in the order of the filtration.
    fn collect(
        &mut self,
        all_axes: [usize; 3],
        cells: &mut Vec<(T::Bits, CellId)>,
        mut is_kept: impl FnMut(CellId) -> bool,
    ) {
        cells.clear();
        for (vertex, open) in self.lattice.vertices() {
            for axes in all_axes {
                let cell = (8 * vertex + axes) as CellId;
                if axes & !open == 0 && is_kept(cell) {
                    cells.push((self.lattice.key(vertex, axes), cell));
                }
            }
        }
        sort_cells(cells, &mut self.spare);
    }

    /// Attaches each vertex to the other end of its earliest edge if that is an elder vertex.
    ///
    /// The vertex joins that component in any case, without a bar, see [`planar`](super::planar).
    fn attach_vertices(&self, forest: &mut ElderForest) {
        let keys = &self.lattice.vertex_keys;
        let mut is_behind = vec![0_u8; keys.len()];
        for (vertex, open) in self.lattice.vertices() {
            for axis in EDGES.into_iter().filter(|axis| open & axis != 0) {
                is_behind[vertex + self.lattice.steps[axis]] |= axis as u8;
            }
            // In ascending order of the edges.
            let backward = EDGES
                .into_iter()
                .filter(|axis| is_behind[vertex] & *axis as u8 != 0);
            let backward = backward.map(|axis| {
                (
                    vertex - self.lattice.steps[axis],
                    vertex - self.lattice.steps[axis],
                    axis,
                )
            });
            let forward = EDGES.into_iter().filter(|axis| open & axis != 0);
            let forward = forward.map(|axis| (vertex, vertex + self.lattice.steps[axis], axis));
            let earliest = backward
                .chain(forward)
                .find(|&(start, _, axis)| self.lattice.key(start, axis) == keys[vertex]);
            if let Some((_, other, _)) = earliest
                && (keys[other], other) < (keys[vertex], vertex)
            {
                forest.attach(vertex, other);
            }
        }
    }

    /// Finds the bars of dimension 0; returns the essential voxel.
    ///
    /// If only dimension 0 is asked for, most edges need not be sorted.
    fn pair_vertices(&mut self, is_alone: bool, mut add: impl FnMut([usize; 2])) -> usize {
        // Taken out while they change, so that the keys can be read at the same time.
        let mut forest = std::mem::take(&mut self.forest);
        let mut edges = std::mem::take(&mut self.edges);
        forest.reset(self.lattice.vertex_keys.len());
        if is_alone {
            self.attach_vertices(&mut forest);
            let steps = self.lattice.steps;
            self.collect(EDGES, &mut edges, |edge| {
                let (vertex, axes) = parts(edge);
                forest.find(vertex) != forest.find(vertex + steps[axes])
            });
        } else {
            self.collect(EDGES, &mut edges, |_| true);
        }
        let keys = &self.lattice.vertex_keys;
        edges.retain(|&(key, edge)| {
            let (vertex, axes) = parts(edge);
            let ends = [vertex, vertex + self.lattice.steps[axes]];
            let Some(dead) = forest.merge(ends, |a, b| (keys[a], a) < (keys[b], b)) else {
                return true;
            };
            if keys[dead] != key {
                add([self.lattice.voxel(dead, 0), self.lattice.voxel_of(edge)]);
            }
            false
        });
        let essential = self.lattice.voxel(forest.find(0), 0);
        (self.forest, self.edges) = (forest, edges);
        essential
    }

    /// Finds the bars of dimension 2 and keeps the squares that separate no cubes.
    fn pair_cubes(&mut self, mut add: impl FnMut([usize; 2])) {
        let mut forest = std::mem::take(&mut self.forest);
        let mut squares = std::mem::take(&mut self.squares);
        self.collect(SQUARES, &mut squares, |_| true);
        let keys = &self.lattice.cube_keys;
        forest.reset(keys.len());
        for (place, key) in keys.iter().enumerate() {
            if *key == T::Bits::max_value() {
                forest.attach(place, OUTSIDE);
            }
        }
        // The bars appear in the reverse order, as do the squares that are kept.
        let mut pairs = Vec::new();
        squares.reverse();
        squares.retain(|&(key, square)| {
            let (vertex, axes) = parts(square);
            let last = vertex + self.lattice.steps[CUBE];
            let sides = [last, last - self.lattice.steps[CUBE & !axes]];
            let Some(dead) = forest.merge(sides, |a, b| (keys[a], a) > (keys[b], b)) else {
                return true;
            };
            if keys[dead] != key {
                let cube = self.lattice.voxel(dead - self.lattice.steps[CUBE], CUBE);
                pairs.push([self.lattice.voxel_of(square), cube]);
            }
            false
        });
        squares.reverse();
        pairs.into_iter().rev().for_each(&mut add);
        (self.forest, self.squares) = (forest, squares);
    }

    /// Finds the bars of dimension 1 by a reduction of the boundaries of the squares that are left.
    fn reduce_squares(&self, mut add: impl FnMut([usize; 2])) {
        // Rank of each edge that begins a class, by its number among the edges.
        let mut ranks = vec![NO_RANK; 8 * self.lattice.vertex_keys.len()];
        for (rank, &(_, edge)) in self.edges.iter().enumerate() {
            ranks[edge as usize] = rank as u32;
        }
        // For each edge by rank, the reduced column whose largest entry it is.
        let mut columns: Vec<Vec<u32>> = vec![Vec::new(); self.edges.len()];
        let mut ends: Vec<Option<CellId>> = vec![None; self.edges.len()];
        let mut sum = Vec::new();
        for &(_, square) in &self.squares {
            let mut column = self.boundary(square, &ranks);
            // Equal to the boundary of an earlier chain until its last edge begins a class that is still open.
            while let Some(&last) = column.last() {
                let last = last as usize;
                if ends[last].is_none() {
                    ends[last] = Some(square);
                    columns[last] = column;
                    break;
                }
                symmetric_difference(&column, &columns[last], &mut sum);
                std::mem::swap(&mut column, &mut sum);
            }
        }
        for (&(key, edge), end) in self.edges.iter().zip(ends) {
            // Every class ends, since the whole volume has no holes.
            let Some(square) = end else { continue };
            let (vertex, axes) = parts(square);
            if self.lattice.key(vertex, axes) != key {
                add([self.lattice.voxel_of(edge), self.lattice.voxel_of(square)]);
            }
        }
    }

    /// Ranks of the edges of a square that begin a class, in ascending order.
    fn boundary(&self, square: CellId, ranks: &[u32]) -> Vec<u32> {
        let (vertex, axes) = parts(square);
        let mut column = Vec::with_capacity(4);
        for axis in EDGES.into_iter().filter(|axis| axes & axis != 0) {
            for start in [vertex, vertex + self.lattice.steps[axes & !axis]] {
                column.push(ranks[8 * start + axis]);
            }
        }
        column.retain(|&rank| rank != NO_RANK);
        column.sort_unstable();
        column
    }
}

/// Rank of edges that join two components, which begin no class.
const NO_RANK: u32 = u32::MAX;

/// Writes the entries that occur in one of two ascending lists to `sum`, in ascending order.
fn symmetric_difference(a: &[u32], b: &[u32], sum: &mut Vec<u32>) {
    sum.clear();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => {
                sum.push(a[i]);
                i += 1;
            }
            std::cmp::Ordering::Greater => {
                sum.push(b[j]);
                j += 1;
            }
            std::cmp::Ordering::Equal => {
                i += 1;
                j += 1;
            }
        }
    }
    sum.extend_from_slice(&a[i..]);
    sum.extend_from_slice(&b[j..]);
}
