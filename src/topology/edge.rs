//! Edges, packed and in the order of the filtration.

use super::distance_matrix::DistanceMatrix;
use crate::real::Real;

/// Two vertices, the smaller first.
pub type Edge = [u32; 2];

/// An edge in one word, whose order is that of (smaller vertex, larger vertex).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PackedEdge(u32);

impl PackedEdge {
    /// `i < j`, both below [`MAX_POINTS`](super::MAX_POINTS), which fits half a word.
    #[inline]
    pub(super) fn new(i: usize, j: usize) -> Self {
        debug_assert!(i < j);
        Self((i << 16 | j) as u32)
    }

    #[inline]
    pub(super) fn vertices(self) -> [usize; 2] {
        [(self.0 >> 16) as usize, (self.0 & 0xffff) as usize]
    }

    #[inline]
    pub(super) fn edge(self) -> Edge {
        [self.0 >> 16, self.0 & 0xffff]
    }
}

/// Length as sortable bits, then the vertices: the total order of all edges.
pub(super) type EdgeKey<T> = (<T as Real>::Bits, PackedEdge);

/// Sorts the edges of matrices; keeps its memory between them.
#[derive(Debug, Clone)]
pub(super) struct EdgeSorter<T: Real> {
    /// As long as any matrix needed; the edges of this one come first.
    unsorted: Vec<EdgeKey<T>>,
    sorted: Vec<EdgeKey<T>>,
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

/// Edges in a bucket up to which insertion is faster than any other sort.
const SHORT_BUCKET: usize = 24;

/// Most buckets, as a power of two: their counters stay within a second-level cache.
const MAX_LOG2_BUCKETS: u32 = 16;

impl<T: Real> EdgeSorter<T> {
    /// The finite edges no longer than `longest`, in order.
    ///
    /// One pass puts them into about as many buckets as there are edges, evenly spaced in the bits
    /// of the lengths, and an insertion sort ends the work; buckets that stay long are sorted by
    /// comparison, so that no distribution of lengths is worse than O(m log m).
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

    /// Writes the edges in the order of their vertices; returns how many there are.
    fn collect(&mut self, distances: &DistanceMatrix<'_, T>, longest: T) -> usize {
        let n = distances.n_points();
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
            // Every edge is written and only those kept are counted: which are is no pattern that
            // a processor could predict.
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

    /// Moves the edges into buckets of rising length.
    fn distribute(&mut self, n_edges: usize) {
        let bits = |key: &EdgeKey<T>| -> u64 { key.0.into() };
        let unsorted = &self.unsorted[..n_edges];
        let (least, largest) = unsorted
            .iter()
            .map(bits)
            .fold((u64::MAX, 0), |(low, high), b| (low.min(b), high.max(b)));
        if n_edges == 0 {
            return;
        }
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
            // The start for now; the edges that come in move it to the end.
            (*count, end) = (end, end + *count);
        }
        for key in unsorted {
            let place = &mut self.bucket_ends[bucket(key)];
            self.sorted[*place as usize] = *key;
            *place += 1;
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

fn insertion_sort<K: Copy + Ord>(keys: &mut [K]) {
    for end in 1..keys.len() {
        let key = keys[end];
        let mut place = end;
        while place > 0 && key < keys[place - 1] {
            keys[place] = keys[place - 1];
            place -= 1;
        }
        keys[place] = key;
    }
}
