//! Cells of the cubical complex of an image, and the order in which they enter the filtration.
//!
//! Both constructions are a lattice of vertices, with an edge between neighbours of a row or a column and a face in
//! each square of four vertices. In the V-construction the pixels are the vertices; in the T-construction they are the
//! faces, and the vertices are their corners. Everything beyond the border is one more face, the *outside*.
//!
//! The order is total: by value, then by dimension, then by position; an edge has the position of its first vertex,
//! and the edge down comes before the edge to the right. Results are thus reproducible, ties included.

use num_traits::Bounded;

use super::bars::{Construction, Filtration};
use super::forest::ElderForest;
use super::grid::GreyImage;
use crate::real::Real;

/// Edge as a number: twice its first vertex, plus 1 if it leads to the right and not down.
pub(super) type EdgeId = u32;

/// Vertices, edges and faces of one image, with integers as *keys* in the order in which they enter.
#[derive(Debug, Clone)]
pub(super) struct Lattice<T: Real> {
    construction: Construction,
    /// Numbers of rows and columns of vertices.
    shape: [usize; 2],
    vertex_keys: Vec<T::Bits>,
    /// Key of each face, with that of the face below and right of vertex `v` at `v + n_columns + 1`.
    ///
    /// The faces of row -1, of the last row and of the last column, which also lie left of the first column, are
    /// the outside.
    face_keys: Vec<T::Bits>,
}

/// Place among the faces of the face that stands for the outside.
const OUTSIDE: usize = 0;

/// Key of the outside, which never enters.
fn never<B: Bounded>() -> B {
    B::max_value()
}

impl<T: Real> Default for Lattice<T> {
    fn default() -> Self {
        Self {
            construction: Construction::default(),
            shape: [0, 0],
            vertex_keys: Vec::new(),
            face_keys: Vec::new(),
        }
    }
}

impl<T: Real> Lattice<T> {
    /// Sets the keys of all cells from the pixels of an image, which must not be empty.
    pub(super) fn fill(
        &mut self,
        image: &GreyImage<'_, T>,
        filtration: Filtration,
        construction: Construction,
    ) {
        self.construction = construction;
        let key = |value: &T| filtration.ascending(*value).ordered_bits();
        match construction {
            Construction::Vertices => self.fill_from_vertices(image, key),
            Construction::TopCells => self.fill_from_faces(image, key),
        }
    }

    /// Sets the keys of all cells from those of the vertices: a face enters with its last vertex.
    fn fill_from_vertices(&mut self, image: &GreyImage<'_, T>, key: impl Fn(&T) -> T::Bits) {
        self.shape = image.shape();
        let [n_rows, n_columns] = self.shape;
        self.vertex_keys.clear();
        self.vertex_keys.extend(image.values().iter().map(key));
        self.face_keys.clear();
        self.face_keys
            .resize(n_rows * n_columns + n_columns + 1, never());
        let rows = self.vertex_keys.chunks_exact(n_columns);
        for (row, (upper, lower)) in rows.clone().zip(rows.skip(1)).enumerate() {
            let start = row * n_columns + n_columns + 1;
            let faces = &mut self.face_keys[start..start + n_columns - 1];
            for ((face, upper), lower) in
                faces.iter_mut().zip(upper.windows(2)).zip(lower.windows(2))
            {
                *face = upper[0].max(upper[1]).max(lower[0]).max(lower[1]);
            }
        }
    }

    /// Sets the keys of all cells from those of the faces: a vertex enters with the first face around it.
    fn fill_from_faces(&mut self, image: &GreyImage<'_, T>, key: impl Fn(&T) -> T::Bits) {
        let [height, width] = image.shape();
        let (n_rows, n_columns) = (height + 1, width + 1);
        self.shape = [n_rows, n_columns];
        let n_vertices = n_rows * n_columns;
        self.face_keys.clear();
        self.face_keys.resize(n_vertices + n_columns + 1, never());
        for (row, values) in image.values().chunks_exact(width).enumerate() {
            let start = row * n_columns + n_columns + 1;
            for (face, value) in self.face_keys[start..start + width].iter_mut().zip(values) {
                *face = key(value);
            }
        }
        let faces = |offset: usize| self.face_keys[offset..offset + n_vertices].iter();
        let below = faces(n_columns).zip(faces(n_columns + 1));
        let around = faces(0).zip(faces(1)).zip(below);
        self.vertex_keys.clear();
        self.vertex_keys
            .extend(around.map(|((a, b), (c, d))| *a.min(b).min(c).min(d)));
    }

    /// Construction of the complex.
    pub(super) fn construction(&self) -> Construction {
        self.construction
    }

    /// Numbers of rows and columns of vertices.
    #[inline]
    pub(super) fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Number of places of vertices.
    pub(super) fn n_vertices(&self) -> usize {
        self.vertex_keys.len()
    }

    /// Number of places of faces.
    pub(super) fn n_faces(&self) -> usize {
        self.face_keys.len()
    }

    /// Key of a vertex.
    #[inline]
    pub(super) fn vertex_key(&self, vertex: usize) -> T::Bits {
        self.vertex_keys[vertex]
    }

    /// Key of a face.
    #[inline]
    pub(super) fn face_key(&self, face: usize) -> T::Bits {
        self.face_keys[face]
    }

    /// The two vertices of an edge, the first one first.
    #[inline]
    pub(super) fn ends(&self, edge: EdgeId) -> [usize; 2] {
        let first = (edge >> 1) as usize;
        [first, first + if edge & 1 == 0 { self.shape[1] } else { 1 }]
    }

    /// The two faces beside an edge, the first one first.
    #[inline]
    pub(super) fn sides(&self, edge: EdgeId) -> [usize; 2] {
        let n_columns = self.shape[1];
        let second = (edge >> 1) as usize + n_columns + 1;
        [second - if edge & 1 == 0 { 1 } else { n_columns }, second]
    }

    /// Key of an edge, where the construction is known when the program is compiled.
    #[inline]
    pub(super) fn edge_key<const TOP_CELLS: bool>(&self, edge: EdgeId) -> T::Bits {
        if TOP_CELLS {
            let [first, second] = self.sides(edge);
            self.face_keys[first].min(self.face_keys[second])
        } else {
            let [first, second] = self.ends(edge);
            self.vertex_keys[first].max(self.vertex_keys[second])
        }
    }

    /// Key of an edge.
    fn key(&self, edge: EdgeId) -> T::Bits {
        match self.construction {
            Construction::TopCells => self.edge_key::<true>(edge),
            Construction::Vertices => self.edge_key::<false>(edge),
        }
    }

    /// True if the first vertex enters before the second.
    #[inline]
    pub(super) fn is_elder_vertex(&self, a: usize, b: usize) -> bool {
        (self.vertex_keys[a], a) < (self.vertex_keys[b], b)
    }

    /// True if the first face enters after the second, so that it is the elder one in the reverse order.
    #[inline]
    pub(super) fn is_elder_face(&self, a: usize, b: usize) -> bool {
        // The key of the outside is larger than that of any face, so its place does not matter.
        (self.face_keys[a], a) > (self.face_keys[b], b)
    }

    /// Makes every vertex a set of its own.
    pub(super) fn reset_vertices(&self, vertices: &mut ElderForest) {
        vertices.reset(self.vertex_keys.len());
    }

    /// Makes every face a set of its own, and all places of the outside one set.
    pub(super) fn reset_faces(&self, faces: &mut ElderForest) {
        faces.reset(self.face_keys.len());
        for (place, key) in self.face_keys.iter().enumerate() {
            if *key == never() {
                faces.attach(place, OUTSIDE);
            }
        }
    }

    /// Pixel with which a vertex enters.
    pub(super) fn vertex_pixel(&self, vertex: usize) -> usize {
        match self.construction {
            Construction::Vertices => vertex,
            Construction::TopCells => {
                let n_columns = self.shape[1];
                let around = [
                    vertex,
                    vertex + 1,
                    vertex + n_columns,
                    vertex + n_columns + 1,
                ];
                self.face_pixel(self.first_face(around, self.vertex_keys[vertex]))
            }
        }
    }

    /// Pixel with which an edge enters.
    pub(super) fn edge_pixel(&self, edge: EdgeId) -> usize {
        let key = self.key(edge);
        match self.construction {
            Construction::Vertices => self.last_vertex(self.ends(edge), key),
            Construction::TopCells => self.face_pixel(self.first_face(self.sides(edge), key)),
        }
    }

    /// Pixel with which a face enters.
    pub(super) fn face_pixel(&self, face: usize) -> usize {
        let n_columns = self.shape[1];
        let vertex = face - n_columns - 1;
        match self.construction {
            Construction::Vertices => {
                let around = [
                    vertex,
                    vertex + 1,
                    vertex + n_columns,
                    vertex + n_columns + 1,
                ];
                self.last_vertex(around, self.face_keys[face])
            }
            Construction::TopCells => vertex / n_columns * (n_columns - 1) + vertex % n_columns,
        }
    }

    /// First of some faces in ascending order that has a key, which one of them has.
    fn first_face<const N: usize>(&self, faces: [usize; N], key: T::Bits) -> usize {
        let first = faces.into_iter().find(|face| self.face_keys[*face] == key);
        first.unwrap_or(OUTSIDE)
    }

    /// Last of some vertices in ascending order that has a key, which one of them has.
    fn last_vertex<const N: usize>(&self, vertices: [usize; N], key: T::Bits) -> usize {
        let last = vertices
            .into_iter()
            .rev()
            .find(|vertex| self.vertex_keys[*vertex] == key);
        last.unwrap_or_default()
    }
}
