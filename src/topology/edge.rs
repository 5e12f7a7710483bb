//! Edges packed into one word, and their sorting in the order of the filtration.

use super::distance_matrix::DistanceMatrix;
use crate::real::Real;

/// Edge as its two points, the smaller index first.
pub type Edge = [u32; 2];

/// Edge packed into one word, whose order as an integer is that of (smaller vertex, larger vertex).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PackedEdge(u32);

impl PackedEdge {
    /// Packs the edge of `i < j`, which are both below [`MAX_POINTS`](super::MAX_POINTS) and fit half a word.
    #[inline]
    pub(super) fn new(i: usize, j: usize) -> Self {
        debug_assert!(i < j);
        Self((i << 16 | j) as u32)
    }

    /// Vertices of the edge as indices, the smaller first.
    #[inline]
    pub(super) fn vertices(self) -> [usize; 2] {
        [(self.0 >> 16) as usize, (self.0 & 0xffff) as usize]
    }

    /// The edge in its public form.
    #[inline]
    pub(super) fn edge(self) -> Edge {
        [self.0 >> 16, self.0 & 0xffff]
    }
}

/// Sort key of an edge: the bits of its length, then its vertices.
///
/// The vertices break ties, which makes the order of the filtration total and the result reproducible.
pub(super) type EdgeKey<T> = (<T as Real>::Bits, PackedEdge);

/// Sorts the edges of distance matrices, and keeps its buffers for the next one.
#[derive(Debug, Clone)]
pub(super) struct EdgeSorter<T: Real> {
    /// Edges of the present matrix in the order of their vertices, and unused entries after them.
    ///
    /// Never shortened, because filling it anew for every matrix would cost as much as a pass over it.
    unsorted: Vec<EdgeKey<T>>,
    /// Edges in the order of the filtration; the same length.
    sorted: Vec<EdgeKey<T>>,
    /// Position in `sorted` at which each bucket ends; its start while the bucket is being filled.
    bucket_ends: Vec<u32>,
}

impl<T: Real> Default for EdgeSorter<T> {
    fn default() -> Self {
        Self {
            unsorted: Vec::new(),
            sorted: Vec::new(),
            bucket_ends: Vec::new(),
        }
    }
}

/// Largest number of edges in a bucket for which insertion sort is faster than a general sort.
const SHORT_BUCKET: usize = 24;

/// Binary logarithm of the largest number of buckets, whose counters then stay in the second-level cache.
const MAX_LOG2_BUCKETS: u32 = 16;

impl<T: Real> EdgeSorter<T> {
    /// Sorts the finite edges that are no longer than `longest`.
    ///
    /// A bucket sort: one pass distributes the `m` edges to about as many buckets, which are evenly spaced
    /// in the bits of the lengths. Most buckets then hold few edges, and one insertion sort over all of
    /// them finishes the order in O(m). Long buckets are sorted by comparison first, so that no
    /// distribution of lengths takes more than O(m log m).
    pub(super) fn sort(
        &mut self,
        distances: &DistanceMatrix<'_, T>,
        longest: T,
    ) -> impl Iterator<Item = PackedEdge> + Clone {
        let n_edges = self.collect(distances, longest);
        self.distribute(n_edges);
        let sorted = &mut self.sorted[..n_edges];
        insertion_sort(sorted);
        sorted.iter().map(|&(_, edge)| edge)
    }

    /// Writes the edges to `unsorted` in the order of their vertices, and returns their number.
    fn collect(&mut self, distances: &DistanceMatrix<'_, T>, longest: T) -> usize {
        let n = distances.n_points();
        // The largest finite number as a bound excludes infinite distances, which are never edges.
        let longest = longest.min(T::max_value()).sortable_bits();
        let n_pairs = n * n.saturating_sub(1) / 2;
        for keys in [&mut self.unsorted, &mut self.sorted] {
            if keys.len() < n_pairs {
                keys.resize(n_pairs, (T::zero().sortable_bits(), PackedEdge(0)));
            }
        }
        let mut n_kept = 0;
        for i in 0..n {
            let row = &distances.row(i)[i + 1..];
            // Every edge is written, and the position advances only past those that are kept: a branch
            // here would be mispredicted, since which edges are kept follows no pattern.
            let slots = &mut self.unsorted[n_kept..][..row.len()];
            let mut kept = 0;
            for (j, length) in (i + 1..n).zip(row) {
                let bits = length.sortable_bits();
                slots[kept] = (bits, PackedEdge::new(i, j));
                kept += usize::from(bits <= longest);
            }
            n_kept += kept;
        }
        n_kept
    }

    /// Copies the edges from `unsorted` to `sorted`, into buckets of ascending length.
    fn distribute(&mut self, n_edges: usize) {
        let bits = |key: &EdgeKey<T>| -> u64 { key.0.into() };
        let unsorted = &self.unsorted[..n_edges];
        let (least, largest) = unsorted
            .iter()
            .map(bits)
            .fold((u64::MAX, 0), |(low, high), b| (low.min(b), high.max(b)));
        // Without edges, `largest - least` would overflow.
        if n_edges == 0 {
            return;
        }
        // Bits of positive floating-point numbers grow with their logarithm, roughly, so equal ranges of
        // bits are equal ranges of ratios. The shift maps the range of all edges to the buckets.
        let log2_edges = usize::BITS - n_edges.leading_zeros();
        let log2_buckets = log2_edges.min(MAX_LOG2_BUCKETS);
        let shift = (u64::BITS - (largest - least).leading_zeros()).saturating_sub(log2_buckets);
        let bucket = |key: &EdgeKey<T>| ((bits(key) - least) >> shift) as usize;

        self.bucket_ends.clear();
        self.bucket_ends.resize(1 << log2_buckets, 0);
        for key in unsorted {
            self.bucket_ends[bucket(key)] += 1;
        }
        let (mut end, mut longest_bucket) = (0, 0);
        for count in &mut self.bucket_ends {
            longest_bucket = longest_bucket.max(*count);
            // The start of the bucket for now; filling the bucket below moves it to the end.
            (*count, end) = (end, end + *count);
        }
        for key in unsorted {
            let next = &mut self.bucket_ends[bucket(key)];
            self.sorted[*next as usize] = *key;
            *next += 1;
        }
        if longest_bucket as usize > SHORT_BUCKET {
            let mut start = 0;
            for &end in &self.bucket_ends {
                let bucket = &mut self.sorted[start..end as usize];
                if bucket.len() > SHORT_BUCKET {
                    bucket.sort_unstable();
                }
                start = end as usize;
            }
        }
    }
}

/// Sorts keys that are close to their final positions, in time proportional to the moves.
fn insertion_sort<K: Copy + Ord>(keys: &mut [K]) {
    for end in 1..keys.len() {
        let key = keys[end];
        let mut position = end;
        while position > 0 && key < keys[position - 1] {
            keys[position] = keys[position - 1];
            position -= 1;
        }
        keys[position] = key;
    }
}
