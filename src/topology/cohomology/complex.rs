//! The Vietoris-Rips complex, never written out: simplices by number, their facets and cofacets.
//!
//! A simplex is a number in the combinatorial number system, `sum C(v_k, k + 1)` over its vertices
//! in ascending order, and the rank of its longest edge among all edges. Ranks instead of lengths
//! leave no ties among edges, and make the order that of dimension 1.

use crate::error::{Error, Result};

/// The rank of pairs that are no edges.
pub(super) const NO_EDGE: u32 = u32::MAX;

/// Most vertices of a simplex that is looked at.
pub(super) const MAX_VERTICES: usize = 12;

/// The vertices of a simplex, highest first.
#[derive(Debug, Clone, Copy)]
struct Vertices {
    all: [u32; MAX_VERTICES],
    len: usize,
}

impl Vertices {
    fn get(&self, place: usize) -> usize {
        self.all[place] as usize
    }
}

/// A simplex and the rank of its longest edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Simplex {
    pub(super) rank: u32,
    pub(super) index: u64,
}

impl Ord for Simplex {
    /// The largest enters the filtration first: the lowest rank, then the highest index.
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

/// The edges of a complex, by rank, and the numbers of its simplices.
#[derive(Debug, Default, Clone)]
pub(super) struct Complex {
    n_points: usize,
    /// Row-major; [`NO_EDGE`] on the diagonal and for pairs that are none.
    ranks: Vec<u32>,
    /// `binomials[k][v]` is `C(v, k)`.
    binomials: Vec<Vec<u64>>,
}

impl Complex {
    /// Takes the edges in ascending order.
    ///
    /// # Errors
    ///
    /// If simplices of `max_dim` cannot be numbered.
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

    fn choose(&self, v: usize, k: usize) -> u64 {
        self.binomials[k][v]
    }

    fn rank(&self, i: usize, j: usize) -> u32 {
        self.ranks[i * self.n_points + j]
    }

    pub(super) fn edge(&self, [i, j]: [usize; 2]) -> Simplex {
        let (low, high) = (i.min(j), i.max(j));
        Simplex {
            rank: self.rank(i, j),
            index: self.choose(high, 2) + low as u64,
        }
    }

    /// The largest vertex `v <= below` with `C(v, k) <= index`.
    fn max_vertex(&self, index: u64, k: usize, below: usize) -> usize {
        let row = &self.binomials[k][..=below];
        row.partition_point(|&count| count <= index) - 1
    }

    fn vertices(&self, mut index: u64, dim: usize) -> Vertices {
        let mut all = [0; MAX_VERTICES];
        let mut below = self.n_points - 1;
        for (vertex, k) in all.iter_mut().zip((1..=dim + 1).rev()) {
            below = self.max_vertex(index, k, below);
            index -= self.choose(below, k);
            *vertex = below as u32;
        }
        Vertices { all, len: dim + 1 }
    }

    /// The cofacets of a simplex that are in the complex, by falling index.
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

    /// The first facet, by falling removed vertex, that has the simplex' longest edge.
    fn facet_of_equal_rank(&self, simplex: Simplex, dim: usize) -> Option<u64> {
        let vertices = self.vertices(simplex.index, dim);
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

    fn rank_without(&self, vertices: &Vertices, removed: usize) -> u32 {
        let mut rank = 0;
        for a in (0..vertices.len).filter(|&a| a != removed) {
            for b in (0..a).filter(|&b| b != removed) {
                rank = rank.max(self.rank(vertices.get(a), vertices.get(b)));
            }
        }
        rank
    }

    fn cofacet_of_equal_rank(&self, simplex: Simplex, dim: usize) -> Option<Simplex> {
        self.cofacets(simplex, dim)
            .find(|cofacet| cofacet.rank == simplex.rank)
    }

    /// The facet that a simplex forms a pair of length zero with, seen without any reduction.
    pub(super) fn apparent_facet(&self, simplex: Simplex, dim: usize) -> Option<Simplex> {
        let facet = Simplex {
            rank: simplex.rank,
            index: self.facet_of_equal_rank(simplex, dim)?,
        };
        let back = self.cofacet_of_equal_rank(facet, dim - 1)?;
        (back == simplex).then_some(facet)
    }

    /// The cofacet that a simplex forms a pair of length zero with, seen without any reduction.
    pub(super) fn apparent_cofacet(&self, simplex: Simplex, dim: usize) -> Option<Simplex> {
        let cofacet = self.cofacet_of_equal_rank(simplex, dim)?;
        let back = self.facet_of_equal_rank(cofacet, dim + 1)?;
        (back == simplex.index).then_some(cofacet)
    }
}

/// Cofacets of one simplex, by falling index.
pub(super) struct Cofacets<'a> {
    complex: &'a Complex,
    rank: u32,
    /// Parts of the simplex' index that belong to vertices below and above the new one.
    below: u64,
    above: u64,
    /// One above the next vertex to try.
    next: usize,
    /// Vertices of the simplex below it.
    k: usize,
    vertices: Vertices,
}

impl Cofacets<'_> {
    /// Those whose new vertex is higher than all others: each simplex is such a cofacet of one facet.
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
