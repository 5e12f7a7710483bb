//! Persistence of the Vietoris-Rips filtration in dimensions 0 and 1.
//!
//! Edges enter one by one, in the order (length, smaller vertex, larger vertex). What an edge
//! `(i, j)` does is read off its *lune*, the common neighbours of `i` and `j` so far:
//!
//! - an empty lune joins two components, or gives birth to a class of dimension 1;
//! - otherwise all triangles over one connected component of the lune are homologous, so the first
//!   component fills the cycle that the edge closes, and each further component is one critical
//!   triangle that identifies two paths from `i` to `j`, by which a class may die.
//!
//! Why not the usual reduction of a (co)boundary matrix: a matrix of 197 points has 1.3 million
//! triangles but only some hundred critical ones, and finding them takes a few bitset operations
//! per edge. Both critical edges of each bar fall out without decoding simplices.
//!
//! Sources: [koyama2023] for lunes and their components, [boissonnat2013] for annotations,
//! [bauer2021] for the enclosing radius.
//!
//! [koyama2023]: https://arxiv.org/abs/2307.16333
//! [boissonnat2013]: https://arxiv.org/abs/1107.3793
//! [bauer2021]: https://doi.org/10.1007/s41468-021-00071-5

use super::annotation::Annotations;
use super::diagram::{Bar, Diagram, Edge};
use super::distance_matrix::DistanceMatrix;
use super::spanning_tree::SpanningTree;
use super::union_find::UnionFind;
use crate::error::{Error, Result};
use crate::real::Real;

/// The largest homology dimension the engine computes.
pub const MAX_HOMOLOGY_DIM: usize = 1;

/// Computes Vietoris-Rips persistence diagrams; owns the memory, so that a batch reuses it.
///
/// A simplex enters at its diameter, the largest of its pairwise distances.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, VietorisRips};
///
/// // The unit square: one cycle, born with the sides and filled by the diagonals.
/// let d = 2f64.sqrt();
/// let square = [
///     0.0, 1.0, d, 1.0,
///     1.0, 0.0, 1.0, d,
///     d, 1.0, 0.0, 1.0,
///     1.0, d, 1.0, 0.0,
/// ];
/// let mut rips = VietorisRips::new(1)?;
/// let diagrams = rips.diagrams(&DistanceMatrix::new(&square, 4)?);
/// assert_eq!(diagrams[1].bars.len(), 1);
/// assert_eq!((diagrams[1].bars[0].birth, diagrams[1].bars[0].death), (1.0, d));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug)]
pub struct VietorisRips<T: Real> {
    max_homology_dim: usize,
    spanning_tree: SpanningTree<T>,
    edges: Vec<(T::Bits, u32)>,
    adjacency: Adjacency,
    components: UnionFind,
    annotations: Annotations,
    births: Vec<Edge>,
    deaths: Vec<Option<Edge>>,
}

impl<T: Real> VietorisRips<T> {
    /// An engine for the dimensions `0..=max_homology_dim`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] above [`MAX_HOMOLOGY_DIM`].
    pub fn new(max_homology_dim: usize) -> Result<Self> {
        if max_homology_dim > MAX_HOMOLOGY_DIM {
            return Err(Error::invalid_parameter(format!(
                "max_homology_dim is {max_homology_dim}, expected at most {MAX_HOMOLOGY_DIM}"
            )));
        }
        Ok(Self {
            max_homology_dim,
            spanning_tree: SpanningTree::default(),
            edges: Vec::new(),
            adjacency: Adjacency::default(),
            components: UnionFind::default(),
            annotations: Annotations::default(),
            births: Vec::new(),
            deaths: Vec::new(),
        })
    }

    /// One diagram per homology dimension, from 0 to the largest asked for.
    ///
    /// Bars of length zero are left out. Infinite distances are never edges: points they keep
    /// apart stay in different components, each with an essential bar of dimension 0.
    ///
    /// Ties are broken by vertex numbers, so the critical edges repeat exactly; the bars do not
    /// depend on the order of the points.
    ///
    /// # Cost
    ///
    /// Dimension 0 alone: O(n^2). With dimension 1: sorting the edges up to the enclosing radius,
    /// O(n / 64) per edge for its lune, and sparse sums over Z/2 for the critical triangles.
    /// Memory O(n^2) and the non-zeros of those sums.
    pub fn diagrams(&mut self, distances: &DistanceMatrix<'_, T>) -> Vec<Diagram<T>> {
        if self.max_homology_dim == 0 {
            let edges: Vec<Edge> = self.spanning_tree.edges(distances).collect();
            return vec![component_diagram(distances, &edges)];
        }
        self.sort_edges(distances);
        let tree = self.insert_edges(distances.n_points());
        vec![
            component_diagram(distances, &tree),
            self.cycle_diagram(distances),
        ]
    }

    fn sort_edges(&mut self, distances: &DistanceMatrix<'_, T>) {
        let n = distances.n_points();
        let radius = distances.enclosing_radius();
        self.edges.clear();
        for i in 0..n {
            for (j, &length) in distances.row(i).iter().enumerate().skip(i + 1) {
                if length <= radius && length.is_finite() {
                    self.edges
                        .push((length.sortable_bits(), (i * n + j) as u32));
                }
            }
        }
        self.edges.sort_unstable();
    }

    /// Runs the filtration; returns the edges of the spanning forest, shortest first.
    fn insert_edges(&mut self, n_points: usize) -> Vec<Edge> {
        self.adjacency.reset(n_points);
        self.components.reset(n_points);
        self.annotations.reset(n_points);
        self.births.clear();
        self.deaths.clear();
        let mut tree = Vec::with_capacity(n_points.saturating_sub(1));
        let mut n_alive = 0usize;
        for &(_, index) in &self.edges {
            let index = index as usize;
            let (i, j) = (index / n_points, index % n_points);
            let edge = [i as u32, j as u32];
            match self.adjacency.intersect(i, j) {
                Some(vertex) => {
                    self.annotations.follow(index, vertex);
                    while n_alive > 0
                        && let Some(other) = self.adjacency.next_component()
                    {
                        if let Some(class) = self.annotations.identify([i, j], vertex, other) {
                            self.deaths[class] = Some(edge);
                            n_alive -= 1;
                        }
                    }
                }
                None if self.components.join(edge[0], edge[1]) => tree.push(edge),
                None => {
                    self.annotations.give_birth(index);
                    self.births.push(edge);
                    self.deaths.push(None);
                    n_alive += 1;
                }
            }
            self.adjacency.connect(i, j);
        }
        tree
    }

    fn cycle_diagram(&self, distances: &DistanceMatrix<'_, T>) -> Diagram<T> {
        let length = |[i, j]: Edge| distances.get(i as usize, j as usize);
        let bars = self
            .births
            .iter()
            .zip(&self.deaths)
            .map(|(&birth_edge, &death_edge)| Bar {
                birth: length(birth_edge),
                death: death_edge.map_or_else(T::infinity, length),
                birth_edge: Some(birth_edge),
                death_edge,
            });
        let (finite, essential): (Vec<_>, Vec<_>) = bars
            .filter(|bar| bar.birth < bar.death)
            .partition(|bar| !bar.is_essential());
        Diagram {
            homology_dim: 1,
            bars: [finite, essential].concat(),
        }
    }
}

fn component_diagram<T: Real>(distances: &DistanceMatrix<'_, T>, tree: &[Edge]) -> Diagram<T> {
    let bar = |death, death_edge| Bar {
        birth: T::zero(),
        death,
        birth_edge: None,
        death_edge,
    };
    let mut bars: Vec<_> = tree
        .iter()
        .map(|&[i, j]| bar(distances.get(i as usize, j as usize), Some([i, j])))
        .filter(|bar| bar.death > T::zero())
        .collect();
    let n_components = distances.n_points() - tree.len();
    bars.extend((0..n_components).map(|_| bar(T::infinity(), None)));
    Diagram {
        homology_dim: 0,
        bars,
    }
}

/// Neighbourhoods as bitsets, and the components of the last lune.
#[derive(Debug, Default)]
struct Adjacency {
    n_words: usize,
    rows: Vec<u64>,
    /// Vertices of the lune that no component found so far contains.
    rest: Vec<u64>,
    component: Vec<usize>,
}

impl Adjacency {
    fn reset(&mut self, n_points: usize) {
        self.n_words = n_points.div_ceil(64);
        self.rows.clear();
        self.rows.resize(n_points * self.n_words, 0);
        self.rest.clear();
        self.rest.resize(self.n_words, 0);
    }

    fn connect(&mut self, i: usize, j: usize) {
        self.rows[i * self.n_words + j / 64] |= 1 << (j % 64);
        self.rows[j * self.n_words + i / 64] |= 1 << (i % 64);
    }

    /// Takes the common neighbours of `i` and `j` as the lune and returns the lowest of them.
    fn intersect(&mut self, i: usize, j: usize) -> Option<usize> {
        let Self {
            n_words,
            rows,
            rest,
            ..
        } = self;
        let (row_i, row_j) = (
            &rows[i * *n_words..][..*n_words],
            &rows[j * *n_words..][..*n_words],
        );
        for ((word, a), b) in rest.iter_mut().zip(row_i).zip(row_j) {
            *word = a & b;
        }
        self.component.clear();
        let lowest = lowest_vertex(&self.rest)?;
        self.component.push(lowest);
        Some(lowest)
    }

    /// Finishes the component begun last; returns the lowest vertex of another, if there is one.
    fn next_component(&mut self) -> Option<usize> {
        let Self {
            n_words,
            rows,
            rest,
            component,
        } = self;
        if let Some(&vertex) = component.last() {
            rest[vertex / 64] &= !(1 << (vertex % 64));
        }
        while let Some(vertex) = component.pop() {
            let row = &rows[vertex * *n_words..][..*n_words];
            let mut any_left = 0;
            for (base, (word, neighbours)) in rest.iter_mut().zip(row).enumerate() {
                let mut reached = *word & neighbours;
                *word &= !neighbours;
                any_left |= *word;
                while reached != 0 {
                    component.push(base * 64 + reached.trailing_zeros() as usize);
                    reached &= reached - 1;
                }
            }
            if any_left == 0 {
                component.clear();
                return None;
            }
        }
        let lowest = lowest_vertex(rest)?;
        component.push(lowest);
        Some(lowest)
    }
}

fn lowest_vertex(words: &[u64]) -> Option<usize> {
    let (base, word) = words.iter().enumerate().find(|(_, word)| **word != 0)?;
    Some(base * 64 + word.trailing_zeros() as usize)
}
