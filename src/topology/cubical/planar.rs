//! Persistent homology of images by two union-finds.
//!
//! See [`lattice`](super::lattice) for the vertices, edges and faces of an image.
//!
//! In the order of the filtration, each edge either joins two components, or it closes a cycle. Edges of the first
//! kind form a spanning tree, and the merged components give dimension 0 by the elder rule. Turned around, the edges
//! of the second kind join the faces on both of their sides, again as a spanning tree: a hole that an edge closes is
//! filled when the last face inside of it enters, and that is dimension 1, by the elder rule backwards. The outside is
//! never filled, so it is the eldest face.
//!
//! Most merges join a cell that enters at the same value, and make no bar. A vertex whose earliest edge leads to an
//! elder vertex merges there and then in any case, whatever happens elsewhere (an *apparent pair*), and so does a face
//! whose last edge leads to a face that enters later. One pass over the image finds these pairs, and only the other
//! edges, about a third of the edges of noise and a fiftieth of those of a smooth image, have to be sorted.
//!
//! Sources: [bleile2021] for the duality of the two constructions, [bauer2021] for apparent pairs.
//!
//! [bleile2021]: https://arxiv.org/abs/2102.11397
//! [bauer2021]: https://doi.org/10.1007/s41468-021-00071-5

use num_traits::Bounded;

use super::bars::{Construction, CubicalDiagram};
use super::cell_sorter::sort_cells;
use super::forest::ElderForest;
use super::grid::GreyImage;
use super::lattice::{EdgeId, Lattice};
use super::settings::Settings;
use crate::real::Real;

/// An edge and the vertex or face that it is paired with.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellPair {
    /// Vertex whose component the edge ends, or face that fills the hole which the edge has closed.
    pub(super) cell: usize,
    pub(super) edge: EdgeId,
}

/// Cubical complex of one image, and the buffers in which its diagrams are computed.
#[derive(Debug, Clone)]
pub(super) struct PlanarComplex<T: Real> {
    pub(super) lattice: Lattice<T>,
    /// Of the two edges that begin at each vertex: which are paired with vertices, and which with faces.
    roles: Vec<u8>,
    /// Edges that were collected last, in the order of the filtration, with their keys.
    edges: Vec<(T::Bits, EdgeId)>,
    /// Buffer of the sort.
    spare: Vec<(T::Bits, EdgeId)>,
    vertices: ElderForest,
    faces: ElderForest,
    /// Pairs of positive persistence of dimension 0, in the order in which components die.
    pub(super) components: Vec<CellPair>,
    /// Pairs of positive persistence of dimension 1, in the reverse order in which holes are born.
    pub(super) holes: Vec<CellPair>,
}

/// Bits of `roles`, for the edge down; those of the edge to the right are one place further to the left.
const WITH_VERTEX: u8 = 1;
const WITH_FACE: u8 = 4;

impl<T: Real> Default for PlanarComplex<T> {
    fn default() -> Self {
        Self {
            lattice: Lattice::default(),
            roles: Vec::new(),
            edges: Vec::new(),
            spare: Vec::new(),
            vertices: ElderForest::default(),
            faces: ElderForest::default(),
            components: Vec::new(),
            holes: Vec::new(),
        }
    }
}

impl<T: Real> PlanarComplex<T> {
    /// Computes the diagrams of an image.
    ///
    /// `record` is called with the dimension and the cells of each finite bar, in the order of the diagrams.
    pub(super) fn diagrams(
        &mut self,
        image: &GreyImage<'_, T>,
        settings: &Settings<T>,
        mut record: impl FnMut(usize, CellPair),
    ) -> [CubicalDiagram<T>; 2] {
        let mut diagrams = [0, 1].map(|dim| settings.empty_diagram(dim));
        let values = image.values();
        if values.is_empty() {
            return diagrams;
        }
        self.pair(image, settings);
        let lattice = &self.lattice;
        let [components, holes] = diagrams.each_mut().map(|diagram| &mut diagram.bars);
        for pair in &self.components {
            let pixels = [
                lattice.vertex_pixel(pair.cell),
                lattice.edge_pixel(pair.edge),
            ];
            if let Some(bar) = settings.finite_bar(values, pixels) {
                record(0, *pair);
                components.push(bar);
            }
        }
        let essential = lattice.vertex_pixel(self.vertices.find(0));
        components.push(settings.essential_bar(values, essential));
        for pair in self.holes.iter().rev() {
            let pixels = [lattice.edge_pixel(pair.edge), lattice.face_pixel(pair.cell)];
            if let Some(bar) = settings.finite_bar(values, pixels) {
                record(1, *pair);
                holes.push(bar);
            }
        }
        diagrams
    }

    /// Computes the pairs of an image, which must not be empty.
    pub(super) fn pair(&mut self, image: &GreyImage<'_, T>, settings: &Settings<T>) {
        self.lattice
            .fill(image, settings.filtration, settings.construction);
        self.roles.clear();
        self.roles.resize(self.lattice.n_vertices(), 0);
        self.lattice.reset_vertices(&mut self.vertices);
        self.lattice.reset_faces(&mut self.faces);
        match settings.construction {
            Construction::TopCells => {
                self.pair_apparent_vertices::<true>();
                self.pair_apparent_faces::<true>();
            }
            Construction::Vertices => {
                self.pair_apparent_vertices::<false>();
                self.pair_apparent_faces::<false>();
            }
        }
        // The edges without a role yet.
        self.collect_edges(0);
        self.pair_vertices();
        self.pair_faces();
    }

    /// Pairs each vertex with its earliest edge if that leads to an elder vertex.
    fn pair_apparent_vertices<const TOP_CELLS: bool>(&mut self) {
        let [n_rows, n_columns] = self.lattice.shape();
        for row in 0..n_rows {
            for column in 0..n_columns {
                let vertex = row * n_columns + column;
                let key = self.lattice.vertex_key(vertex);
                // The earliest edge has the key of the vertex if it leads to an elder vertex.
                let is_first =
                    |edge: usize| self.lattice.edge_key::<TOP_CELLS>(edge as EdgeId) == key;
                // In ascending order of the edges.
                let (other, edge) = if row > 0 && is_first(2 * (vertex - n_columns)) {
                    (vertex - n_columns, 2 * (vertex - n_columns))
                } else if column > 0 && is_first(2 * (vertex - 1) + 1) {
                    (vertex - 1, 2 * (vertex - 1) + 1)
                } else if row + 1 < n_rows && is_first(2 * vertex) {
                    (vertex + n_columns, 2 * vertex)
                } else if column + 1 < n_columns && is_first(2 * vertex + 1) {
                    (vertex + 1, 2 * vertex + 1)
                } else {
                    continue;
                };
                if self.lattice.is_elder_vertex(other, vertex) {
                    self.vertices.attach(vertex, other);
                    self.roles[edge / 2] |= WITH_VERTEX << (edge & 1);
                }
            }
        }
    }

    /// Pairs each face with its last edge if that leads to a face that enters later.
    fn pair_apparent_faces<const TOP_CELLS: bool>(&mut self) {
        let [n_rows, n_columns] = self.lattice.shape();
        for row in 0..n_rows - 1 {
            for column in 0..n_columns - 1 {
                let vertex = row * n_columns + column;
                let face = vertex + n_columns + 1;
                let key = self.lattice.face_key(face);
                // The last edge has the key of the face if it leads to a face that enters later.
                let is_last =
                    |edge: usize| self.lattice.edge_key::<TOP_CELLS>(edge as EdgeId) == key;
                // In descending order of the edges.
                let (other, edge) = if is_last(2 * (vertex + n_columns) + 1) {
                    (face + n_columns, 2 * (vertex + n_columns) + 1)
                } else if is_last(2 * (vertex + 1)) {
                    (face + 1, 2 * (vertex + 1))
                } else if is_last(2 * vertex + 1) {
                    (face - n_columns, 2 * vertex + 1)
                } else if is_last(2 * vertex) {
                    (face - 1, 2 * vertex)
                } else {
                    continue;
                };
                if self.lattice.is_elder_face(other, face) {
                    self.faces.attach(face, other);
                    self.roles[edge / 2] |= WITH_FACE << (edge & 1);
                }
            }
        }
    }

    /// Collects the edges of one role, in the order of the filtration.
    fn collect_edges(&mut self, role: u8) {
        match self.lattice.construction() {
            Construction::TopCells => self.collect::<true>(role),
            Construction::Vertices => self.collect::<false>(role),
        }
        sort_cells(&mut self.edges, &mut self.spare);
    }

    /// Collects the edges of one role, in ascending order of their numbers.
    fn collect<const TOP_CELLS: bool>(&mut self, role: u8) {
        let [n_rows, n_columns] = self.lattice.shape();
        let mask = WITH_VERTEX | WITH_FACE;
        let edges = &mut self.edges;
        edges.clear();
        for row in 0..n_rows {
            // Every edge of a row is written, and the end advances only past those that are kept: a branch here would
            // be mispredicted, since the roles follow no pattern.
            let mut kept = edges.len();
            edges.resize(kept + 2 * n_columns, (T::Bits::max_value(), 0));
            for column in 0..n_columns {
                let vertex = row * n_columns + column;
                let roles = self.roles[vertex];
                if row + 1 < n_rows {
                    let edge = 2 * vertex as EdgeId;
                    edges[kept] = (self.lattice.edge_key::<TOP_CELLS>(edge), edge);
                    kept += usize::from(roles & mask == role);
                }
                if column + 1 < n_columns {
                    let edge = 2 * vertex as EdgeId + 1;
                    edges[kept] = (self.lattice.edge_key::<TOP_CELLS>(edge), edge);
                    kept += usize::from(roles >> 1 & mask == role);
                }
            }
            edges.truncate(kept);
        }
    }

    /// Pairs the edges that join two components with vertices, in the order of the filtration, and removes them.
    fn pair_vertices(&mut self) {
        let Self {
            lattice, vertices, ..
        } = self;
        self.components.clear();
        self.edges.retain(|&(key, edge)| {
            let is_elder = |a, b| lattice.is_elder_vertex(a, b);
            let Some(vertex) = vertices.merge(lattice.ends(edge), is_elder) else {
                return true;
            };
            self.roles[edge as usize / 2] |= WITH_VERTEX << (edge & 1);
            if lattice.vertex_key(vertex) != key {
                self.components.push(CellPair { cell: vertex, edge });
            }
            false
        });
    }

    /// Pairs the edges that join no components with faces, in the reverse order.
    fn pair_faces(&mut self) {
        let Self { lattice, faces, .. } = self;
        self.holes.clear();
        for &(key, edge) in self.edges.iter().rev() {
            self.roles[edge as usize / 2] |= WITH_FACE << (edge & 1);
            let is_elder = |a, b| lattice.is_elder_face(a, b);
            // Such an edge always separates two different sets of faces.
            if let Some(face) = faces.merge(lattice.sides(edge), is_elder)
                && lattice.face_key(face) != key
            {
                self.holes.push(CellPair { cell: face, edge });
            }
        }
    }

    /// Collects the edges that are paired with vertices.
    pub(super) fn collect_edges_with_vertices(&mut self) {
        self.collect_edges(WITH_VERTEX);
    }

    /// Collects the edges that are paired with faces.
    pub(super) fn collect_edges_with_faces(&mut self) {
        self.collect_edges(WITH_FACE);
    }

    /// Edges that were collected last, in the order of the filtration, with their keys.
    pub(super) fn edges(&self) -> &[(T::Bits, EdgeId)] {
        &self.edges
    }
}
