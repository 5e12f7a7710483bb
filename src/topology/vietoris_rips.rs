//! Persistent homology of the Vietoris-Rips filtration.
//!
//! Edges enter one by one, in the order (length, smaller vertex, larger vertex). The effect of an edge
//! `(i, j)` depends on its *lune*, the set of common neighbours of `i` and `j` at that moment:
//!
//! - If the lune is empty, the edge joins two components, or a class of dimension 1 is born with it.
//! - Otherwise the edge closes cycles, one for each path of two edges through a vertex of the lune. Paths
//!   through one connected component of the lune are homologous. The triangle over the first component
//!   fills the new cycle at once. The triangle over each further component is critical: it makes two paths
//!   from `i` to `j` homologous, by which a class may die.
//!
//! The usual method reduces a boundary or coboundary matrix. A matrix of 197 points has 1.3 million
//! triangles, but only some hundred critical ones, and lunes find these with a few operations on bit sets
//! per edge. They also give the critical edges of each bar directly, without decoding simplices. Dimensions
//! above 1 have no such shortcut and use cohomology.
//!
//! Where bounds of the distances are known, most edges need neither a length nor a lune; see
//! [`dominated_edges`](super::dominated_edges).
//!
//! Sources: [koyama2023] for lunes and their components, [boissonnat2013] for annotations,
//! [bauer2021] for the enclosing radius.
//!
//! [koyama2023]: https://arxiv.org/abs/2307.16333
//! [boissonnat2013]: https://arxiv.org/abs/1304.6813
//! [bauer2021]: https://doi.org/10.1007/s41468-021-00071-5

use super::annotation::Annotations;
use super::cohomology::{self, Cohomology};
use super::diagram::{Bar, Diagram};
use super::distance_matrix::{DistanceMatrix, MAX_POINTS};
use super::dominated_edges::DominatedEdges;
use super::edge::{Edge, EdgeKey, EdgeSorter, PackedEdge};
use super::lune::Lunes;
use super::spanning_tree::SpanningTree;
use super::union_find::UnionFind;
use crate::error::{Error, Result};
use crate::real::Real;

/// Largest homology dimension that [`VietorisRips`] computes.
///
/// Dimensions above 1 are for analysis rather than for training: they use a slower method, and there are
/// millions of simplices in each.
pub const MAX_HOMOLOGY_DIM: usize = cohomology::MAX_DIM;

/// Computes Vietoris-Rips persistence diagrams, and keeps its buffers for the next matrix.
///
/// A simplex enters the filtration at its diameter, the largest pairwise distance of its points.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, VietorisRips};
///
/// // The unit square: one cycle, born with the last side and filled when the diagonals enter.
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
    cohomology: Cohomology,
    dominated: DominatedEdges,
}

/// State of the filtration in dimensions 0 and 1 while edges are inserted, and its critical edges.
#[derive(Debug, Default, Clone)]
struct Filtration {
    lunes: Lunes,
    components: UnionFind,
    annotations: Annotations,
    /// Edges of the spanning forest, shortest first.
    tree: Vec<Edge>,
    /// Birth edge of each class of dimension 1.
    births: Vec<Edge>,
    /// Death edge of each class of dimension 1; `None` while it is alive.
    deaths: Vec<Option<Edge>>,
}

impl<T: Real> VietorisRips<T> {
    /// Prepares the dimensions `0..=max_homology_dim`, without a threshold.
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
            cohomology: Cohomology::default(),
            dominated: DominatedEdges::default(),
        })
    }

    /// Sets the threshold: the filtration ends at this diameter, and edges of exactly this length are kept.
    ///
    /// Classes that are alive at the threshold are essential in the diagrams.
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
    /// // Three points on a line, at 0, 1 and 3: the last one is joined only at 2.
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

    /// Sets how much memory the simplices of one dimension may take, in bytes; without this 4 GiB.
    ///
    /// It concerns dimensions above 1. Matrices whose simplices would take more are refused before these are listed.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::{DistanceMatrix, VietorisRips};
    ///
    /// // All points are at distance 1, so that every three of them are a triangle: 1,140 triangles of 16 bytes.
    /// let distances: Vec<f64> = (0..400).map(|k| f64::from(k / 20 != k % 20)).collect();
    /// let matrix = DistanceMatrix::new(&distances, 20)?;
    /// assert!(VietorisRips::new(3)?.with_memory_limit(18_240).diagrams(&matrix).is_ok());
    /// let refused = VietorisRips::new(3)?.with_memory_limit(18_239).diagrams(&matrix);
    /// assert!(refused.unwrap_err().is_invalid_distances());
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.cohomology.set_memory_limit(bytes);
        self
    }

    /// Computes one diagram per homology dimension, from 0 to the largest of this value.
    ///
    /// Bars of persistence zero are left out. Infinite distances are never edges: points that are separated
    /// by them stay in different components, each with an essential bar of dimension 0.
    ///
    /// Ties are broken by the indices of the points, so that equal matrices have equal critical edges. The
    /// births and deaths do not depend on the order of the points.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`] if annotations of classes would take more than 4 GiB, or lists of simplices more
    /// than the [memory limit](Self::with_memory_limit). Up to dimension 1 this takes thousands of points without any
    /// structure.
    ///
    /// # Cost
    ///
    /// Dimension 0 alone: O(n^2). With dimension 1: sorting the edges up to the enclosing radius, O(n / 64)
    /// per edge for its lune, and sparse sums over Z/2 for the critical triangles. Dimensions above 1: a
    /// visit of every simplex of each dimension.
    ///
    /// Memory: O(n^2) and the non-zeros of the sums. The buffers are kept, so that up to dimension 1 only
    /// the diagrams are allocated if an earlier matrix was as large.
    pub fn diagrams(&mut self, distances: &DistanceMatrix<'_, T>) -> Result<Vec<Diagram<T>>> {
        let with_length = |edge: Edge| (edge, distances.get(edge[0] as usize, edge[1] as usize));
        // Dimension 0 alone needs the spanning tree only, and no sorting of all edges.
        if self.max_homology_dim == 0 {
            let tree = self.spanning_tree.edges(distances, self.threshold);
            return Ok(vec![component_diagram(
                distances.n_points(),
                tree.map(with_length),
            )]);
        }
        // Nothing is born or dies beyond the enclosing radius, so longer edges need not be sorted.
        let longest = distances.enclosing_radius().min(self.threshold);
        let edges = self.edges.sort(distances, longest);
        self.filtration
            .insert(edges.clone().map(|edge| (edge, None)), distances.n_points())?;
        let mut diagrams = vec![
            component_diagram(
                distances.n_points(),
                self.filtration.tree.iter().copied().map(with_length),
            ),
            diagram(1, self.filtration.cycles(), |edge| with_length(edge).1),
        ];
        if self.max_homology_dim > 1 {
            let edges: Vec<PackedEdge> = edges.collect();
            self.add_higher_diagrams(distances, &edges, &mut diagrams)?;
        }
        Ok(diagrams)
    }

    /// Computes the diagram of dimension 0 from the edges of a graph, without distances between other points.
    ///
    /// If the graph contains the minimum spanning tree of a distance matrix, this is the diagram of dimension 0 of the
    /// matrix, with the same critical edges. `PairwiseDistances::spanning_edges` finds such edges without computing all
    /// distances.
    ///
    /// # Shapes
    ///
    /// `edges` holds `([i, j], length)` with `i < j < n_points` in any order, no edge twice.
    ///
    /// # Cost
    ///
    /// O(m log m) for `m` edges.
    ///
    /// # Panics
    ///
    /// If a point of an edge is not below `n_points`, or `n_points` exceeds [`MAX_POINTS`](super::MAX_POINTS).
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::VietorisRips;
    ///
    /// let mut rips = VietorisRips::new(0)?;
    /// let diagram = rips.component_diagram(3, &[([0, 2], 5.0), ([0, 1], 1.0), ([1, 2], 2.0)]);
    /// let deaths: Vec<f64> = diagram.finite().map(|bar| bar.death).collect();
    /// assert_eq!(deaths, [1.0, 2.0]);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn component_diagram(&mut self, n_points: usize, edges: &[(Edge, T)]) -> Diagram<T> {
        assert!(n_points <= MAX_POINTS, "too many points");
        let longest = self.threshold.min(T::max_value());
        let sorted = sorted_by_length(edges, longest);
        self.filtration.components.reset(n_points);
        let tree = sorted
            .into_iter()
            .map(|((_, edge), length)| (edge.edge(), length))
            .filter(|(edge, _)| self.filtration.components.join(*edge));
        component_diagram(n_points, tree)
    }

    /// Finds the edges whose lengths the diagrams of dimensions 0 and 1 depend on, and a few more, from bounds.
    ///
    /// [`bounded_diagrams`](Self::bounded_diagrams) computes the diagrams from the lengths of these edges.
    ///
    /// # Shapes
    ///
    /// `bounds` are `[lower, upper]` of the squared distances of the pairs `(i, j)` with `j < i`, in the order
    /// `(1, 0), (2, 0), (2, 1), ...`, finite and not negative. The edges are sorted by their points.
    ///
    /// # Panics
    ///
    /// If `n_points` exceeds [`MAX_BOUNDED_POINTS`](super::MAX_BOUNDED_POINTS).
    pub(crate) fn undominated_edges(&mut self, n_points: usize, bounds: &[[f32; 2]]) -> &[Edge] {
        self.dominated.find(n_points, bounds)
    }

    /// Computes the diagrams of dimensions 0 and 1 from the lengths of the edges that
    /// [`undominated_edges`](Self::undominated_edges) has returned last, in the same order.
    ///
    /// They are those of [`diagrams`](Self::diagrams) for any matrix with these lengths and within the bounds, with the
    /// same critical edges.
    ///
    /// # Errors
    ///
    /// As [`diagrams`](Self::diagrams).
    pub(crate) fn bounded_diagrams(
        &mut self,
        n_points: usize,
        lengths: &[(Edge, T)],
    ) -> Result<Vec<Diagram<T>>> {
        let sorted = sorted_by_length(lengths, self.threshold);
        let squares = sorted.iter().map(|&((_, edge), length)| {
            let length = length.to_f64_exact();
            (edge, (length * length) as f32)
        });
        self.filtration
            .insert(self.dominated.merge(squares), n_points)?;
        let length = |edge: Edge| {
            let position = lengths.partition_point(|(other, _)| *other < edge);
            lengths[position].1
        };
        let tree = self.filtration.tree.iter();
        Ok(vec![
            component_diagram(n_points, tree.map(|&edge| (edge, length(edge)))),
            diagram(1, self.filtration.cycles(), length),
        ])
    }

    /// Appends the diagrams above dimension 1, after the filtration of `edges` has been computed.
    fn add_higher_diagrams(
        &mut self,
        distances: &DistanceMatrix<'_, T>,
        edges: &[PackedEdge],
        diagrams: &mut Vec<Diagram<T>>,
    ) -> Result<()> {
        let (n_points, max_dim) = (distances.n_points(), self.max_homology_dim);
        // Both lists are in the order of the filtration, so one pass marks the edges of the forest.
        let mut tree = self.filtration.tree.iter().peekable();
        let in_tree: Vec<bool> = edges
            .iter()
            .map(|edge| tree.next_if_eq(&&edge.edge()).is_some())
            .collect();
        let classes = self
            .cohomology
            .classes(n_points, max_dim, edges, &in_tree)?;
        // Dimension 1 is computed a second time there, because its pivots are needed to clear dimension 2;
        // its diagram exists already.
        for (below, classes) in classes.iter().enumerate().skip(1) {
            let edge = |rank: u32| edges[rank as usize].edge();
            let bars = classes
                .iter()
                .map(|class| (edge(class.birth), class.death.map(edge)));
            let length = |[i, j]: Edge| distances.get(i as usize, j as usize);
            diagrams.push(diagram(below + 1, bars, length));
        }
        Ok(())
    }
}

impl Filtration {
    /// Inserts all edges of a complex into an empty one, each with a vertex that dominates it if one is known.
    ///
    /// A vertex *dominates* an edge if it is adjacent to both its ends and to all other vertices of its lune. The lune is
    /// then connected and not empty, and need not be computed.
    fn insert(
        &mut self,
        edges: impl Iterator<Item = (PackedEdge, Option<usize>)>,
        n_points: usize,
    ) -> Result<()> {
        let n_words = self.lunes.reset(n_points);
        self.components.reset(n_points);
        self.annotations.reset(n_points);
        self.tree.clear();
        self.births.clear();
        self.deaths.clear();
        // Up to 320 points the number of words per bit set is a constant, and loops over them are unrolled.
        match n_words {
            1 => self.insert_all::<1>(edges),
            2 => self.insert_all::<2>(edges),
            3 => self.insert_all::<3>(edges),
            4 => self.insert_all::<4>(edges),
            5 => self.insert_all::<5>(edges),
            _ => self.insert_all::<0>(edges),
        }
    }

    /// Inserts all edges, with bit sets of `W` words, or of any number of words if `W` is 0.
    fn insert_all<const W: usize>(
        &mut self,
        edges: impl Iterator<Item = (PackedEdge, Option<usize>)>,
    ) -> Result<()> {
        let mut n_alive = 0usize;
        for (edge, apex) in edges {
            let ends = edge.vertices();
            // Lunes come first, because they are non-empty for nearly all edges, and then the edge joins no
            // components.
            if let Some(apex) = apex {
                self.annotations.set_via(edge, apex);
            } else if let Some(first) = self.lunes.intersect::<W>(ends) {
                self.annotations.set_via(edge, first);
                let mut component = first;
                // Further components matter only if a class is alive that can die.
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
                self.annotations.add_class(edge);
                self.births.push(edge.edge());
                self.deaths.push(None);
                n_alive += 1;
            }
            // The edge itself must not be part of the graph while its lune is computed.
            self.lunes.connect::<W>(ends);
        }
        Ok(())
    }

    /// Birth and death edge of each class of dimension 1.
    fn cycles(&self) -> impl Iterator<Item = (Edge, Option<Edge>)> + Clone {
        self.births.iter().copied().zip(self.deaths.iter().copied())
    }
}

/// Edges up to a length, with their sort keys, in the order of the filtration.
fn sorted_by_length<T: Real>(edges: &[(Edge, T)], longest: T) -> Vec<(EdgeKey<T>, T)> {
    let reachable = edges.iter().filter(|(_, length)| *length <= longest);
    let mut sorted: Vec<(EdgeKey<T>, T)> = reachable
        .map(|&([i, j], length)| {
            let edge = PackedEdge::new(i as usize, j as usize);
            ((length.sortable_bits(), edge), length)
        })
        .collect();
    // Keys are unique, so the sort need not be stable.
    sorted.sort_unstable_by_key(|(key, _)| *key);
    sorted
}

/// Diagram of the bars of positive persistence between critical edges `(birth, death)`, finite bars first.
fn diagram<T: Real>(
    homology_dim: usize,
    ends: impl Iterator<Item = (Edge, Option<Edge>)> + Clone,
    length: impl Fn(Edge) -> T + Copy,
) -> Diagram<T> {
    let bars = ends
        .map(|(birth_edge, death_edge)| Bar {
            birth: length(birth_edge),
            death: death_edge.map_or_else(T::infinity, length),
            birth_edge: Some(birth_edge),
            death_edge,
        })
        .filter(|bar| bar.birth < bar.death);
    let finite = bars.clone().filter(|bar| !bar.is_essential());
    Diagram {
        homology_dim,
        bars: finite.chain(bars.filter(Bar::is_essential)).collect(),
    }
}

/// Diagram of dimension 0: one death per edge of the spanning forest, one essential bar per component.
fn component_diagram<T: Real>(
    n_points: usize,
    tree: impl Iterator<Item = (Edge, T)>,
) -> Diagram<T> {
    let bar = |death, death_edge| Bar {
        birth: T::zero(),
        death,
        birth_edge: None,
        death_edge,
    };
    let mut n_components = n_points;
    let mut bars = Vec::with_capacity(n_points);
    for (edge, length) in tree {
        n_components -= 1;
        // Duplicate points are joined at 0, without a bar.
        if length > T::zero() {
            bars.push(bar(length, Some(edge)));
        }
    }
    bars.extend((0..n_components).map(|_| bar(T::infinity(), None)));
    Diagram {
        homology_dim: 0,
        bars,
    }
}
