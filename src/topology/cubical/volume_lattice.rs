//! Cells of the cubical complex of a volume, and the order in which they enter the filtration.
//!
//! As in [`lattice`](super::lattice), both constructions are a lattice of vertices with edges, squares and cubes between
//! them. In the V-construction the voxels are the vertices, in the T-construction they are the cubes. Everything beyond
//! the border is one more cube, the *outside*. Cells enter by value, then by dimension, then by position.

use num_traits::Bounded;

use super::bars::Construction;
use super::grid::Volume;
use super::settings::Settings;
use crate::real::Real;

/// A cell as a number: eight times its first vertex, plus the axes along which it extends as bits.
///
/// Bit `a` stands for axis `a`. Edges have one bit, squares two, cubes three.
pub(super) type CellId = u32;

/// Axes of the edges and of the squares as bits, in the order in which cells of one vertex enter.
pub(super) const EDGES: [usize; 3] = [1, 2, 4];
pub(super) const SQUARES: [usize; 3] = [3, 5, 6];
/// All axes.
pub(super) const CUBE: usize = 7;

/// Place among the cubes of the cube that stands for the outside.
pub(super) const OUTSIDE: usize = 0;

/// Cells of one volume, with integers as *keys* in the order in which they enter.
#[derive(Debug, Clone)]
pub(super) struct VolumeLattice<T: Real> {
    construction: Construction,
    /// Numbers of vertices along each axis.
    shape: [usize; 3],
    /// Step from a vertex to the next one along the axes of each set of axes.
    pub(super) steps: [usize; 8],
    pub(super) vertex_keys: Vec<T::Bits>,
    /// Key of each cube, with that of the cube after vertex `v` at `v + steps[CUBE]`; the rest is the outside.
    pub(super) cube_keys: Vec<T::Bits>,
}

impl<T: Real> Default for VolumeLattice<T> {
    fn default() -> Self {
        Self {
            construction: Construction::default(),
            shape: [0; 3],
            steps: [0; 8],
            vertex_keys: Vec::new(),
            cube_keys: Vec::new(),
        }
    }
}

impl<T: Real> VolumeLattice<T> {
    /// Sets the keys of all vertices, and of all cubes where they are needed.
    pub(super) fn fill(
        &mut self,
        volume: &Volume<'_, T>,
        settings: &Settings<T>,
        needs_cubes: bool,
    ) {
        self.construction = settings.construction;
        let is_cubes = self.construction == Construction::TopCells;
        self.shape = volume.shape().map(|side| side + usize::from(is_cubes));
        let [_, height, width] = self.shape;
        let steps = [height * width, width, 1];
        self.steps = std::array::from_fn(|axes| {
            (0..3)
                .filter(|a| axes >> a & 1 == 1)
                .map(|a| steps[a])
                .sum()
        });
        let n_vertices = self.shape.iter().product::<usize>();
        let margin = self.steps[CUBE];
        let key = |value: &T| settings.filtration.ascending(*value).ordered_bits();
        self.vertex_keys.clear();
        self.cube_keys.clear();
        self.cube_keys
            .resize(n_vertices + margin, T::Bits::max_value());
        if is_cubes {
            let vertices = self.starts_of_cubes();
            for (vertex, value) in vertices.zip(volume.values()) {
                self.cube_keys[vertex + margin] = key(value);
            }
            let first = |vertex: usize| {
                let around = self.steps.iter().map(|step| self.cube_keys[vertex + step]);
                around.min().unwrap_or_else(T::Bits::max_value)
            };
            self.vertex_keys = (0..n_vertices).map(first).collect();
        } else {
            self.vertex_keys.extend(volume.values().iter().map(key));
            if needs_cubes {
                for vertex in self.starts_of_cubes() {
                    self.cube_keys[vertex + margin] = self.key(vertex, CUBE);
                }
            }
        }
    }

    /// All vertices in ascending order, each with the set of axes along which another vertex follows.
    pub(super) fn vertices(&self) -> impl Iterator<Item = (usize, usize)> + use<T> {
        let ([depth, height, width], steps) = (self.shape, self.steps);
        (0..depth).flat_map(move |frame| {
            (0..height).flat_map(move |row| {
                (0..width).map(move |column| {
                    let follows = [frame + 1 < depth, row + 1 < height, column + 1 < width];
                    let open = (0..3).map(|axis| usize::from(follows[axis]) << axis).sum();
                    (frame * steps[1] + row * steps[2] + column * steps[4], open)
                })
            })
        })
    }

    /// Vertices after which a cube follows, in ascending order.
    fn starts_of_cubes(&self) -> impl Iterator<Item = usize> + use<T> {
        let vertices = self.vertices().filter(|(_, open)| *open == CUBE);
        vertices.map(|(vertex, _)| vertex)
    }

    /// Key of the cell that extends from a vertex along some axes.
    pub(super) fn key(&self, vertex: usize, axes: usize) -> T::Bits {
        match self.construction {
            Construction::Vertices => {
                let keys =
                    subsets(axes).map(|subset| self.vertex_keys[vertex + self.steps[subset]]);
                keys.max().unwrap_or_else(T::Bits::min_value)
            }
            Construction::TopCells => {
                let keys = self
                    .cubes_around(vertex, axes)
                    .map(|cube| self.cube_keys[cube]);
                keys.min().unwrap_or_else(T::Bits::max_value)
            }
        }
    }

    /// Places of the cubes around a cell, in descending order.
    fn cubes_around(&self, vertex: usize, axes: usize) -> impl Iterator<Item = usize> {
        let last = vertex + self.steps[CUBE];
        subsets(CUBE & !axes).map(move |subset| last - self.steps[subset])
    }

    /// Voxel with which a cell enters: the first or the last of those of its key, whichever decides.
    pub(super) fn voxel(&self, vertex: usize, axes: usize) -> usize {
        let key = self.key(vertex, axes);
        match self.construction {
            Construction::Vertices => {
                let vertices = subsets(axes).map(|subset| vertex + self.steps[subset]);
                let last = vertices
                    .filter(|vertex| self.vertex_keys[*vertex] == key)
                    .max();
                last.unwrap_or_default()
            }
            Construction::TopCells => {
                let cubes = self.cubes_around(vertex, axes);
                let first = cubes.filter(|cube| self.cube_keys[*cube] == key).min();
                let vertex = first.unwrap_or_default() - self.steps[CUBE];
                let [_, height, width] = self.shape;
                let [frame, row, column] = [
                    vertex / (height * width),
                    vertex / width % height,
                    vertex % width,
                ];
                (frame * (height - 1) + row) * (width - 1) + column
            }
        }
    }

    /// Voxel of a cell.
    pub(super) fn voxel_of(&self, cell: CellId) -> usize {
        let (vertex, axes) = parts(cell);
        self.voxel(vertex, axes)
    }
}

/// First vertex of a cell, and the axes along which it extends.
pub(super) fn parts(cell: CellId) -> (usize, usize) {
    (cell as usize / 8, cell as usize % 8)
}

/// Subsets of a set of axes, the empty one first.
fn subsets(axes: usize) -> impl Iterator<Item = usize> {
    (0..8).filter(move |subset| subset & !axes == 0)
}
