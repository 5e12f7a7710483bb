//! The Vietoris-Rips complex in implicit form: simplices as numbers, and their facets and cofacets.
//!
//! A simplex with the vertices `v_0 < v_1 < ...` is represented by its index in the combinatorial number
//! system and the rank of its longest edge:
//!
//! ```text
//! index = C(v_0, 1) + C(v_1, 2) + C(v_2, 3) + ...
//! ```
//!
//! where `C(v, k)` are binomial coefficients. The rank of an edge is its position in the order of the
//! filtration. Ranks are used in place of lengths because they have no ties, so that the critical edges of
//! all dimensions follow from one order of edges.

use crate::error::{Error, Result};

/// Rank of a pair of points that is not an edge.
pub(super) const NO_EDGE: u32 = u32::MAX;

/// Largest number of vertices of a simplex, which bounds the arrays of vertices.
pub(super) const MAX_VERTICES: usize = 12;

/// Vertices of a simplex in descending order.
#[derive(Debug, Clone, Copy)]
struct Vertices {
    all: [u32; MAX_VERTICES],
    len: usize,
}

impl Vertices {
    fn get(&self, position: usize) -> usize {
        self.all[position] as usize
    }
}

/// Simplex of a known dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Simplex {
    /// Rank of the longest edge.
    pub(super) rank: u32,
    /// Index in the combinatorial number system.
    pub(super) index: u64,
}

impl Ord for Simplex {
    /// Compares by the filtration in reverse: the simplex that enters first (lowest rank, then highest index)
    /// is the greatest, so that a max-heap returns it first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_rank = other.rank.cmp(&self.rank);
        by_rank.then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Simplex {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Vietoris-Rips complex, given by the ranks of its edges.
#[derive(Debug, Default, Clone)]
pub(super) struct Complex {
    n_points: usize,
    /// Rank of each pair of points, `[n_points, n_points]`; [`NO_EDGE`] on the diagonal and for pairs that
    /// are not joined.
    ranks: Vec<u32>,
    /// `binomials[k][v]` is `C(v, k)`.
    binomials: Vec<Vec<u64>>,
}

/// Counts the simplices of a complex.
struct Counter {
    /// For each point the points before it that are joined to it, as bits, `[n_points, n_words]`.
    before: Vec<u64>,
    n_words: usize,
    /// Counting ends above this number.
    limit: u64,
    count: u64,
    /// For each number of points to add: the points that are joined to all points so far.
    common: Vec<Vec<u64>>,
}

impl Counter {
    /// Counts the ways to add `n_more` points, each from `candidates` and joined to the others.
    fn count(&mut self, candidates: &[u64], n_more: usize) {
        if n_more == 1 {
            let n: u32 = candidates.iter().map(|word| word.count_ones()).sum();
            self.count += u64::from(n);
            return;
        }
        let mut common = std::mem::take(&mut self.common[n_more - 1]);
        for (index, &word) in candidates.iter().enumerate() {
            let mut rest = word;
            while rest != 0 && self.count <= self.limit {
                let point = 64 * index + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let before = &self.before[point * self.n_words..][..self.n_words];
                for ((common, candidate), before) in common.iter_mut().zip(candidates).zip(before) {
                    *common = candidate & before;
                }
                self.count(&common, n_more - 1);
            }
        }
        self.common[n_more - 1] = common;
    }
}

impl Complex {
    /// Replaces the complex by that of the given edges, which are in the order of the filtration.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`] if indices of simplices of dimension `max_dim` do not fit 64 bits.
    pub(super) fn reset(
        &mut self,
        n_points: usize,
        max_dim: usize,
        edges: impl Iterator<Item = [usize; 2]>,
    ) -> Result<()> {
        self.n_points = n_points;
        self.ranks.clear();
        self.ranks.resize(n_points * n_points, NO_EDGE);
        for (rank, [i, j]) in edges.enumerate() {
            self.ranks[i * n_points + j] = rank as u32;
            self.ranks[j * n_points + i] = rank as u32;
        }
        self.binomials.clear();
        self.binomials.push(vec![1; n_points + 1]);
        for k in 1..=max_dim + 1 {
            let mut row = vec![0_u64; n_points + 1];
            for v in 1..=n_points {
                let sum = row[v - 1].checked_add(self.binomials[k - 1][v - 1]);
                row[v] = sum.ok_or_else(|| {
                    Error::invalid_distances(format!(
                        "{n_points} points have more simplices of dimension {max_dim} than 64 bits \
                         can count, expected fewer points or a lower max_homology_dim"
                    ))
                })?;
            }
            self.binomials.push(row);
        }
        Ok(())
    }

    /// Number of simplices of a dimension of at least 1, or a number above `limit` if there are more.
    ///
    /// # Cost
    ///
    /// O(n / 64) for each simplex of the dimension below, but no more than for `limit` simplices of this one.
    pub(super) fn count_simplices(&self, dim: usize, limit: u64) -> u64 {
        let n_words = self.n_points.div_ceil(64);
        // For each point the points before it that are joined to it, as bits.
        let mut before = vec![0_u64; self.n_points * n_words];
        for i in 0..self.n_points {
            for j in (0..i).filter(|&j| self.rank(i, j) != NO_EDGE) {
                before[i * n_words + j / 64] |= 1 << (j % 64);
            }
        }
        let mut counter = Counter {
            before,
            n_words,
            limit,
            count: 0,
            common: vec![vec![0; n_words]; dim],
        };
        for point in 0..self.n_points {
            let bits = counter.before[point * n_words..][..n_words].to_vec();
            counter.count(&bits, dim);
        }
        counter.count
    }

    /// Binomial coefficient `C(v, k)`.
    fn choose(&self, v: usize, k: usize) -> u64 {
        self.binomials[k][v]
    }

    /// Rank of a pair of points, or [`NO_EDGE`].
    fn rank(&self, i: usize, j: usize) -> u32 {
        self.ranks[i * self.n_points + j]
    }

    /// The simplex of an edge.
    pub(super) fn edge(&self, [i, j]: [usize; 2]) -> Simplex {
        let (low, high) = (i.min(j), i.max(j));
        Simplex {
            rank: self.rank(i, j),
            index: self.choose(high, 2) + low as u64,
        }
    }

    /// Largest vertex `v <= below` with `C(v, k) <= index`.
    fn max_vertex(&self, index: u64, k: usize, below: usize) -> usize {
        let row = &self.binomials[k][..=below];
        row.partition_point(|&count| count <= index) - 1
    }

    /// Decodes the vertices of the simplex with this index.
    fn vertices(&self, mut index: u64, dim: usize) -> Vertices {
        let mut all = [0; MAX_VERTICES];
        let mut below = self.n_points - 1;
        // Greedy: the highest vertex is the largest whose binomial coefficient fits, and so on with the
        // remainder.
        for (vertex, k) in all.iter_mut().zip((1..=dim + 1).rev()) {
            below = self.max_vertex(index, k, below);
            index -= self.choose(below, k);
            *vertex = below as u32;
        }
        Vertices { all, len: dim + 1 }
    }

    /// Enumerates the cofacets of a simplex that are in the complex, in descending order of their indices.
    pub(super) fn cofacets(&self, simplex: Simplex, dim: usize) -> Cofacets<'_> {
        Cofacets {
            complex: self,
            rank: simplex.rank,
            below: simplex.index,
            above: 0,
            next: self.n_points,
            k: dim + 1,
            vertices: self.vertices(simplex.index, dim),
        }
    }

    /// Index of the facet with the same longest edge whose removed vertex is the highest; `None` if every
    /// facet has a shorter one.
    fn facet_of_equal_rank(&self, simplex: Simplex, dim: usize) -> Option<u64> {
        let vertices = self.vertices(simplex.index, dim);
        // The index of a facet without decoding: vertices above the removed one move down by one position.
        let (mut below, mut above) = (simplex.index, 0);
        for removed in 0..=dim {
            let (vertex, k) = (vertices.get(removed), dim - removed);
            below -= self.choose(vertex, k + 1);
            if self.rank_without(&vertices, removed) == simplex.rank {
                return Some(above + below);
            }
            above += self.choose(vertex, k);
        }
        None
    }

    /// Rank of the longest edge of a facet.
    fn rank_without(&self, vertices: &Vertices, removed: usize) -> u32 {
        let mut rank = 0;
        for a in (0..vertices.len).filter(|&a| a != removed) {
            for b in (0..a).filter(|&b| b != removed) {
                rank = rank.max(self.rank(vertices.get(a), vertices.get(b)));
            }
        }
        rank
    }

    /// First cofacet with the same longest edge, in descending order of indices; `None` if all have a longer one.
    fn cofacet_of_equal_rank(&self, simplex: Simplex, dim: usize) -> Option<Simplex> {
        self.cofacets(simplex, dim)
            .find(|cofacet| cofacet.rank == simplex.rank)
    }

    /// Facet with which a simplex forms an apparent pair; `None` if there is none.
    ///
    /// Each of the two is the other's first cofacet or facet of equal rank. Such pairs have persistence zero,
    /// and reducing the matrix would give them too.
    pub(super) fn apparent_facet(&self, simplex: Simplex, dim: usize) -> Option<Simplex> {
        let facet = Simplex {
            rank: simplex.rank,
            index: self.facet_of_equal_rank(simplex, dim)?,
        };
        let back = self.cofacet_of_equal_rank(facet, dim - 1)?;
        (back == simplex).then_some(facet)
    }

    /// Cofacet with which a simplex forms an apparent pair; `None` if there is none.
    pub(super) fn apparent_cofacet(&self, simplex: Simplex, dim: usize) -> Option<Simplex> {
        let cofacet = self.cofacet_of_equal_rank(simplex, dim)?;
        let back = self.facet_of_equal_rank(cofacet, dim + 1)?;
        (back == simplex.index).then_some(cofacet)
    }
}

/// Iterator over the cofacets of one simplex, in descending order of their indices.
pub(super) struct Cofacets<'a> {
    complex: &'a Complex,
    /// Rank of the simplex.
    rank: u32,
    /// Part of the cofacet's index that belongs to vertices below the new one.
    below: u64,
    /// Part of the cofacet's index that belongs to vertices above the new one, which move up by one position.
    above: u64,
    /// The next vertex to try, plus one.
    next: usize,
    /// Number of vertices of the simplex that are below the next vertex.
    k: usize,
    /// Vertices of the simplex.
    vertices: Vertices,
}

impl Cofacets<'_> {
    /// Keeps the cofacets whose new vertex is higher than all others.
    ///
    /// Every simplex is such a cofacet of exactly one facet, so that each is listed once.
    pub(super) fn upper(self) -> impl Iterator<Item = Simplex> {
        let above = self.vertices.get(0) + 1;
        let smallest = self.complex.choose(above, self.vertices.len + 1);
        self.take_while(move |cofacet| cofacet.index >= smallest)
    }
}

impl Iterator for Cofacets<'_> {
    type Item = Simplex;

    fn next(&mut self) -> Option<Simplex> {
        while self.next > 0 {
            self.next -= 1;
            let (vertex, k) = (self.next, self.k);
            // A vertex of the simplex itself: its term of the index moves from `below` to `above`.
            if k > 0 && self.vertices.get(self.vertices.len - k) == vertex {
                self.below -= self.complex.choose(vertex, k);
                self.above += self.complex.choose(vertex, k + 1);
                self.k -= 1;
                continue;
            }
            let row = &self.complex.ranks[vertex * self.complex.n_points..];
            let others = &self.vertices.all[..self.vertices.len];
            let ranks = others.iter().map(|&other| row[other as usize]);
            let rank = ranks.fold(self.rank, u32::max);
            // `NO_EDGE` is the largest number: one missing edge suffices to leave the cofacet out.
            if rank != NO_EDGE {
                return Some(Simplex {
                    rank,
                    index: self.above + self.complex.choose(vertex, k + 1) + self.below,
                });
            }
        }
        None
    }
}
