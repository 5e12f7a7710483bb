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
use super::diagram::{Bar, Diagram};
use super::distance_matrix::DistanceMatrix;
use super::edge::{Edge, EdgeSorter, PackedEdge};
use super::lune::Lunes;
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
/// let diagrams = rips.diagrams(&DistanceMatrix::new(&square, 4)?)?;
/// assert_eq!(diagrams[1].bars.len(), 1);
/// assert_eq!((diagrams[1].bars[0].birth, diagrams[1].bars[0].death), (1.0, d));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct VietorisRips<T: Real> {
    max_homology_dim: usize,
    threshold: T,
    spanning_tree: SpanningTree<T>,
    edges: EdgeSorter<T>,
    filtration: Filtration,
}

/// What inserting the edges one by one works on, and what it finds.
#[derive(Debug, Default, Clone)]
struct Filtration {
    lunes: Lunes,
    components: UnionFind,
    annotations: Annotations,
    /// Edges of the spanning forest, shortest first.
    tree: Vec<Edge>,
    births: Vec<Edge>,
    deaths: Vec<Option<Edge>>,
}

impl<T: Real> VietorisRips<T> {
    /// An engine for the dimensions `0..=max_homology_dim`, without a threshold.
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
            threshold: T::infinity(),
            spanning_tree: SpanningTree::default(),
            edges: EdgeSorter::default(),
            filtration: Filtration::default(),
        })
    }

    /// Ends the filtration at this diameter; edges equal to it are kept.
    ///
    /// Classes that are alive there never die in the diagrams: they are essential.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the threshold is negative or NaN.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::{DistanceMatrix, VietorisRips};
    ///
    /// // Three points on a line, at 0, 1 and 3: the last one stays apart below 2.
    /// let line = [0.0, 1.0, 3.0, 1.0, 0.0, 2.0, 3.0, 2.0, 0.0];
    /// let mut rips = VietorisRips::new(0)?.with_threshold(1.5)?;
    /// let diagrams = rips.diagrams(&DistanceMatrix::new(&line, 3)?)?;
    /// assert_eq!(diagrams[0].essential().count(), 2);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn with_threshold(mut self, threshold: T) -> Result<Self> {
        if threshold.is_nan() || threshold < T::zero() {
            return Err(Error::invalid_parameter(format!(
                "threshold is {threshold}, expected a diameter of at least 0"
            )));
        }
        self.threshold = threshold;
        Ok(self)
    }

    /// One diagram per homology dimension, from 0 to the largest asked for.
    ///
    /// Bars of length zero are left out. Infinite distances are never edges: points they keep
    /// apart stay in different components, each with an essential bar of dimension 0.
    ///
    /// Ties are broken by vertex numbers, so the critical edges repeat exactly; the bars do not
    /// depend on the order of the points.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`] if following the classes would take more memory than a few
    /// GiB, which takes thousands of points without any structure.
    ///
    /// # Cost
    ///
    /// Dimension 0 alone: O(n^2). With dimension 1: sorting the edges up to the enclosing radius,
    /// O(n / 64) per edge for its lune, and sparse sums over Z/2 for the critical triangles.
    /// Memory O(n^2) and the non-zeros of those sums, kept for the next matrix: nothing is
    /// allocated but the diagrams once a matrix of this size has been seen.
    pub fn diagrams(&mut self, distances: &DistanceMatrix<'_, T>) -> Result<Vec<Diagram<T>>> {
        if self.max_homology_dim == 0 {
            let tree: Vec<Edge> = self
                .spanning_tree
                .edges(distances, self.threshold)
                .collect();
            return Ok(vec![component_diagram(distances, &tree)]);
        }
        let longest = distances.enclosing_radius().min(self.threshold);
        let edges = self.edges.sort(distances, longest);
        self.filtration.insert(edges, distances.n_points())?;
        Ok(vec![
            component_diagram(distances, &self.filtration.tree),
            self.filtration.cycle_diagram(distances),
        ])
    }
}

impl Filtration {
    fn insert(&mut self, edges: impl Iterator<Item = PackedEdge>, n_points: usize) -> Result<()> {
        let n_words = self.lunes.reset(n_points);
        self.components.reset(n_points);
        self.annotations.reset(n_points);
        self.tree.clear();
        self.births.clear();
        self.deaths.clear();
        match n_words {
            1 => self.insert_all::<1>(edges),
            2 => self.insert_all::<2>(edges),
            3 => self.insert_all::<3>(edges),
            4 => self.insert_all::<4>(edges),
            5 => self.insert_all::<5>(edges),
            _ => self.insert_all::<0>(edges),
        }
    }

    fn insert_all<const W: usize>(
        &mut self,
        edges: impl Iterator<Item = PackedEdge>,
    ) -> Result<()> {
        let mut n_alive = 0usize;
        for edge in edges {
            let ends = edge.vertices();
            if let Some(first) = self.lunes.intersect::<W>(ends) {
                self.annotations.follow(edge, first);
                let mut component = first;
                while n_alive > 0
                    && let Some(other) = self.lunes.next_component::<W>(component)
                {
                    if let Some(class) = self.annotations.identify(edge, first, other)? {
                        self.deaths[class] = Some(edge.edge());
                        n_alive -= 1;
                    }
                    component = other;
                }
            } else if self.components.join(edge.edge()) {
                self.tree.push(edge.edge());
            } else {
                self.annotations.give_birth(edge);
                self.births.push(edge.edge());
                self.deaths.push(None);
                n_alive += 1;
            }
            self.lunes.connect::<W>(ends);
        }
        Ok(())
    }

    fn cycle_diagram<T: Real>(&self, distances: &DistanceMatrix<'_, T>) -> Diagram<T> {
        let length = |[i, j]: Edge| distances.get(i as usize, j as usize);
        let bars = || {
            let ends = self.births.iter().zip(&self.deaths);
            let bars = ends.map(|(&birth_edge, &death_edge)| Bar {
                birth: length(birth_edge),
                death: death_edge.map_or_else(T::infinity, length),
                birth_edge: Some(birth_edge),
                death_edge,
            });
            bars.filter(|bar| bar.birth < bar.death)
        };
        let finite = bars().filter(|bar| !bar.is_essential());
        Diagram {
            homology_dim: 1,
            bars: finite.chain(bars().filter(Bar::is_essential)).collect(),
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
