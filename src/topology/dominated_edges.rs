//! Edges that no diagram depends on, found from bounds of the lengths.
//!
//! # Dominated edges
//!
//! An edge `(i, j)` is *dominated* by a common neighbour `k` of its points if `k` is adjacent to all their other common
//! neighbours. The simplices that enter a flag complex with such an edge form a cone with the apex `k`, so that neither
//! a component nor a class of any dimension is born or dies [boissonnat2020]. Whether an edge is dominated when it
//! enters depends on the order of the other edges only, and bounds of the lengths often suffice to tell. Suppose that
//! edges of which the upper bound is below the lower bound of `(i, j)` come before it, and edges of which the lower bound
//! is not above its upper bound may come before it. Then `k` dominates `(i, j)` whatever the exact lengths are if
//!
//! - the edges from `k` to `i` and to `j` come before `(i, j)`, and
//! - for each other point `v` whose edges to `i` and to `j` both may come before it, the edge `(k, v)` does.
//!
//! # Why their lengths do not matter
//!
//! Let two assignments of lengths within the bounds differ in dominated edges only. Along the line from one to the
//! other the bounds stay valid, so these edges stay dominated, and all births and deaths are lengths of other edges,
//! which do not change. The diagram changes continuously along the line [cohen-steiner2007] and takes values from a
//! finite set, so it does not change at all.
//!
//! The same holds for critical edges, ties included. Edges of equal length enter in the order of their points, as if
//! the length of each edge were longer by its rank times an infinitesimal number. With it all lengths differ, so births
//! and deaths determine their edges, bars of length zero as well. It leaves the dominated edges dominated, because
//! "below" is meant strictly for the edges that come before.
//!
//! So a dominated edge may enter at any time within its bounds, and only the edges that are left need lengths. Here it
//! enters at its lower bound, and the vertex `k` is known without computing its lune. Edges whose lower bound exceeds an
//! upper bound of the enclosing radius enter a cone, and are left out.
//!
//! # Buckets
//!
//! Bounds are compared as buckets of nearly equal numbers, whose order is an integer. A bucket is a non-decreasing
//! function of a number, so that different buckets are proof of different numbers, and rounding needs no margin. In the
//! argument above the start of the bucket of a lower bound and the end of that of an upper bound take their places.
//!
//! [boissonnat2020]: https://doi.org/10.4230/LIPIcs.SoCG.2020.19
//! [cohen-steiner2007]: https://doi.org/10.1007/s00454-006-1276-5

use super::edge::{Edge, PackedEdge};

/// Largest number of points, for which the bounds of all edges take 16 MiB.
pub(crate) const MAX_BOUNDED_POINTS: usize = 2048;

/// Number of vertices that are searched for the apex of an edge before it is given up.
///
/// The search starts at the most central one. Four of five edges need none, because the latest apex of one of their
/// points is theirs too.
const MAX_TRIES: usize = 8;

/// Binary logarithm of the largest number of buckets, which then are about 0.1 % wide.
const MAX_LOG2_BUCKETS: u32 = 13;

/// Number of steps in which all edges are visited.
///
/// The sets of neighbours are updated once per step instead of once per edge: an edge comes before those of a step if it
/// comes before the first, and may come before them if it may come before one.
const MAX_STEPS: usize = 2048;

/// Edge with the buckets of its bounds, between points numbered by centrality.
#[derive(Debug, Clone, Copy, Default)]
struct BoundedEdge {
    lower: u16,
    upper: u16,
    points: [u16; 2],
}

/// Dominated edge that enters at the start of the bucket of its lower bound, between points numbered by centrality.
#[derive(Debug, Clone, Copy)]
struct DominatedEdge {
    lower: u16,
    apex: u16,
    points: [u16; 2],
}

/// Finds dominated edges, with buffers that are kept for the next matrix.
#[derive(Debug, Clone, Default)]
pub(super) struct DominatedEdges {
    /// Points, the most central first.
    order: Vec<u16>,
    /// Position of each point in `order`.
    rank: Vec<u16>,
    buckets: Buckets,
    /// Edges up to the enclosing radius, then unused entries.
    unsorted: Vec<BoundedEdge>,
    /// The same edges by their lower bounds, then unused entries.
    by_lower: Vec<BoundedEdge>,
    /// The same edges by their upper bounds, then unused entries.
    by_upper: Vec<BoundedEdge>,
    /// Position at which each bucket of lower and of upper bounds ends; its start while it is being filled.
    bucket_ends: [Vec<u32>; 2],
    /// Edges that are dominated, by their lower bounds.
    dominated: Vec<DominatedEdge>,
    /// The other edges up to the enclosing radius, sorted by their points.
    others: Vec<PackedEdge>,
    edges: Vec<Edge>,
}

/// Map from positive numbers to buckets: equal ranges of bits, which are roughly equal ranges of ratios.
#[derive(Debug, Clone, Copy, Default)]
struct Buckets {
    least: f32,
    shift: u32,
    last: u32,
}

impl Buckets {
    /// Divides the range from `least` to `largest` into up to `2^log2_buckets` buckets.
    fn new(least: f32, largest: f32, log2_buckets: u32) -> Self {
        let bits = largest.to_bits() - least.to_bits();
        let shift = (u32::BITS - bits.leading_zeros()).saturating_sub(log2_buckets);
        Self {
            least,
            shift,
            last: bits >> shift,
        }
    }

    /// Bucket of a number: the first one for smaller numbers, and beyond `last` for larger ones.
    #[inline(always)]
    fn of(self, value: f32) -> u32 {
        let value = if value > self.least {
            value
        } else {
            self.least
        };
        ((value.to_bits() - self.least.to_bits()) >> self.shift).min(self.last + 1)
    }
}

/// Pairs `(i, j)` with `j < i` in the order `(1, 0), (2, 0), (2, 1), ...`, one slice of bounds per `i`.
fn lines(bounds: &[[f32; 2]], n_points: usize) -> impl Iterator<Item = (usize, &[[f32; 2]])> {
    (0..n_points).map(|i| (i, &bounds[i * i.saturating_sub(1) / 2..][..i]))
}

impl DominatedEdges {
    /// Finds the dominated edges, and returns those up to the enclosing radius that are not known to be dominated.
    ///
    /// `bounds` are `[lower, upper]` of the squared lengths of the pairs `(i, j)` with `j < i`, in the order
    /// `(1, 0), (2, 0), (2, 1), ...`, finite and not negative. The edges are sorted.
    pub(super) fn find(&mut self, n_points: usize, bounds: &[[f32; 2]]) -> &[Edge] {
        assert!(n_points <= MAX_BOUNDED_POINTS, "too many points");
        self.number_points(n_points, bounds);
        let n_edges = self.sort(n_points, bounds);
        self.dominated.clear();
        self.others.clear();
        // Bit sets of a constant number of words, over which loops are unrolled.
        match n_points.div_ceil(64) {
            0..=1 => self.search::<1>(n_points, n_edges),
            2..=4 => self.search::<4>(n_points, n_edges),
            5 => self.search::<5>(n_points, n_edges),
            6..=8 => self.search::<8>(n_points, n_edges),
            9..=16 => self.search::<16>(n_points, n_edges),
            _ => self.search::<{ MAX_BOUNDED_POINTS / 64 }>(n_points, n_edges),
        }
        self.others.sort_unstable();
        self.edges.clear();
        self.edges
            .extend(self.others.iter().map(|edge| edge.edge()));
        &self.edges
    }

    /// Numbers the points by centrality, and sets the buckets.
    fn number_points(&mut self, n_points: usize, bounds: &[[f32; 2]]) {
        // For each point the largest upper bound, and the sum of all.
        let mut farthest = vec![0.0_f32; n_points];
        let mut sums = vec![0.0_f32; n_points];
        let mut least = f32::INFINITY;
        for (i, line) in lines(bounds, n_points) {
            let (mut of_line, mut sum) = (0.0_f32, 0.0);
            let others = farthest.iter_mut().zip(&mut sums);
            for ((other, other_sum), &[lower, upper]) in others.zip(line) {
                // Comparisons rather than `min` and `max`, whose rules for NaN cost instructions.
                *other = if upper > *other { upper } else { *other };
                of_line = if upper > of_line { upper } else { of_line };
                least = if lower < least { lower } else { least };
                *other_sum += upper;
                sum += upper;
            }
            farthest[i] = of_line;
            sums[i] = sum;
        }
        let mut order: Vec<(u32, u16)> = sums
            .iter()
            .zip(0..)
            .map(|(sum, i)| (sum.to_bits(), i))
            .collect();
        order.sort_unstable();
        self.order.clear();
        self.order.extend(order.iter().map(|&(_, i)| i));
        self.rank.resize(n_points, 0);
        for (&point, rank) in self.order.iter().zip(0..) {
            self.rank[usize::from(point)] = rank;
        }
        // Upper bound of the enclosing radius. Numbers far below it share one bucket.
        let radius = farthest.into_iter().reduce(f32::min).unwrap_or(0.0);
        let least = least.clamp(radius / 65_536.0, radius);
        let log2_pairs = usize::BITS - bounds.len().leading_zeros();
        self.buckets = Buckets::new(least, radius, log2_pairs.min(MAX_LOG2_BUCKETS));
    }

    /// Sorts the edges up to the enclosing radius by either bound, and returns their number.
    fn sort(&mut self, n_points: usize, bounds: &[[f32; 2]]) -> usize {
        let n_edges = self.collect(n_points, bounds);
        let unsorted = &self.unsorted[..n_edges];
        let [lower_ends, upper_ends] = &mut self.bucket_ends;
        for ends in [&mut *lower_ends, &mut *upper_ends] {
            ends.clear();
            // An upper bound may be beyond the last bucket.
            ends.resize(self.buckets.last as usize + 2, 0);
        }
        for edge in unsorted {
            lower_ends[usize::from(edge.lower)] += 1;
            upper_ends[usize::from(edge.upper)] += 1;
        }
        for ends in [&mut *lower_ends, &mut *upper_ends] {
            let mut end = 0;
            for count in ends {
                (*count, end) = (end, end + *count);
            }
        }
        for &edge in unsorted {
            let next = &mut lower_ends[usize::from(edge.lower)];
            self.by_lower[*next as usize] = edge;
            *next += 1;
            let next = &mut upper_ends[usize::from(edge.upper)];
            self.by_upper[*next as usize] = edge;
            *next += 1;
        }
        n_edges
    }

    /// Writes the edges up to the enclosing radius to `unsorted`, and returns their number.
    fn collect(&mut self, n_points: usize, bounds: &[[f32; 2]]) -> usize {
        // Never shortened, because filling them anew for every matrix would cost as much as a pass over them.
        for edges in [&mut self.unsorted, &mut self.by_lower, &mut self.by_upper] {
            if edges.len() < bounds.len() {
                edges.resize(bounds.len(), BoundedEdge::default());
            }
        }
        let buckets = self.buckets;
        let mut n_edges = 0;
        for (i, line) in lines(bounds, n_points) {
            let slots = &mut self.unsorted[n_edges..][..line.len()];
            let mut kept = 0;
            for (&[lower, upper], &rank) in line.iter().zip(&self.rank) {
                let lower = buckets.of(lower);
                // Every edge is written, without a branch that would be mispredicted.
                slots[kept] = BoundedEdge {
                    lower: lower as u16,
                    upper: buckets.of(upper) as u16,
                    points: [self.rank[i], rank],
                };
                kept += usize::from(lower <= buckets.last);
            }
            n_edges += kept;
        }
        n_edges
    }

    /// Searches an apex of each edge, with bit sets of `W` words.
    fn search<const W: usize>(&mut self, n_points: usize, n_edges: usize) {
        let mut graphs = Graphs::<W>::new(n_points);
        let by_lower = &self.by_lower[..n_edges];
        let by_upper = &self.by_upper[..n_edges];
        let (mut n_before, mut n_possible, mut latest) = (0, 0, 0);
        for step in by_lower.chunks(by_lower.len().div_ceil(MAX_STEPS).max(1)) {
            let first = step[0].lower;
            while n_before < by_upper.len() && by_upper[n_before].upper < first {
                connect(&mut graphs.before, by_upper[n_before].points);
                n_before += 1;
            }
            latest = step.iter().fold(latest, |most, edge| most.max(edge.upper));
            while n_possible < by_lower.len() && by_lower[n_possible].lower <= latest {
                connect(&mut graphs.possible, by_lower[n_possible].points);
                n_possible += 1;
            }
            for edge in step {
                let [i, j] = edge.points.map(usize::from);
                match graphs.apex([i, j]) {
                    Some(apex) => self.dominated.push(DominatedEdge {
                        lower: edge.lower,
                        apex,
                        points: edge.points,
                    }),
                    None => self.others.push(packed(&self.order, edge.points)),
                }
            }
        }
    }

    /// Merges edges with their squared lengths, sorted by length, into the dominated edges, up to the last one that is
    /// not dominated.
    ///
    /// Returns each edge with a vertex that dominates it, if one is known.
    pub(super) fn merge(
        &self,
        others: impl Iterator<Item = (PackedEdge, f32)>,
    ) -> impl Iterator<Item = (PackedEdge, Option<usize>)> {
        let mut others = others
            .map(|(edge, square)| (edge, self.buckets.of(square)))
            .peekable();
        let mut dominated = self.dominated.iter();
        let mut next_dominated = dominated.next();
        std::iter::from_fn(move || {
            let &(edge, bucket) = others.peek()?;
            if let Some(next) = next_dominated
                && u32::from(next.lower) <= bucket
            {
                next_dominated = dominated.next();
                let apex = self.order[usize::from(next.apex)];
                return Some((packed(&self.order, next.points), Some(usize::from(apex))));
            }
            others.next();
            Some((edge, None))
        })
    }
}

/// Edge between two points that are numbered by centrality.
#[inline(always)]
fn packed(order: &[u16], points: [u16; 2]) -> PackedEdge {
    let [i, j] = points.map(|point| usize::from(order[usize::from(point)]));
    PackedEdge::new(i.min(j), i.max(j))
}

/// Sets of neighbours of all points, with `64 W` bits each, and the apexes that were found last.
struct Graphs<const W: usize> {
    /// Neighbours by edges that come before the present ones, and each point itself.
    before: Vec<[u64; W]>,
    /// Neighbours by edges that may come before the present ones.
    possible: Vec<[u64; W]>,
    /// Apex of the latest edge of each point; at first the most central point.
    latest_apex: Vec<u16>,
}

impl<const W: usize> Graphs<W> {
    fn new(n_points: usize) -> Self {
        let mut before = vec![[0; W]; n_points];
        for (point, set) in before.iter_mut().enumerate() {
            set[point / 64] |= 1 << (point % 64);
        }
        Self {
            before,
            possible: vec![[0; W]; n_points],
            latest_apex: vec![0; n_points],
        }
    }

    /// Returns a vertex that dominates the edge of `i` and `j` whatever the exact lengths are, if one is found.
    #[inline(always)]
    fn apex(&mut self, [i, j]: [usize; 2]) -> Option<u16> {
        let mut candidates = intersection(&self.before[i], &self.before[j]);
        let common = intersection(&self.possible[i], &self.possible[j]);
        // Edges of a point are often dominated by the same vertex, and a guess costs less than a search.
        let guesses = [self.latest_apex[i], self.latest_apex[j]];
        if let Some(&apex) = guesses.iter().find(|&&guess| {
            let guess = usize::from(guess);
            contains(&candidates, guess) && !misses(&common, &self.before[guess])
        }) {
            return Some(self.found([i, j], apex));
        }
        for _ in 0..MAX_TRIES {
            let candidate = lowest(&candidates)?;
            let missed = difference(&common, &self.before[candidate]);
            match lowest(&missed) {
                None => return Some(self.found([i, j], candidate as u16)),
                // The next candidate must be a neighbour of what this one misses.
                Some(point) => candidates = intersection(&candidates, &self.before[point]),
            }
        }
        None
    }

    /// Remembers the apex of the edge of `i` and `j`, and returns it.
    #[inline(always)]
    fn found(&mut self, [i, j]: [usize; 2], apex: u16) -> u16 {
        self.latest_apex[i] = apex;
        self.latest_apex[j] = apex;
        apex
    }
}

/// Inserts an edge into a graph.
#[inline(always)]
fn connect<const W: usize>(graph: &mut [[u64; W]], points: [u16; 2]) {
    let [i, j] = points.map(usize::from);
    graph[i][j / 64] |= 1 << (j % 64);
    graph[j][i / 64] |= 1 << (i % 64);
}

#[inline(always)]
fn intersection<const W: usize>(a: &[u64; W], b: &[u64; W]) -> [u64; W] {
    std::array::from_fn(|word| a[word] & b[word])
}

#[inline(always)]
fn difference<const W: usize>(a: &[u64; W], b: &[u64; W]) -> [u64; W] {
    std::array::from_fn(|word| a[word] & !b[word])
}

/// True if a bit set has elements that another one does not have.
#[inline(always)]
fn misses<const W: usize>(a: &[u64; W], b: &[u64; W]) -> bool {
    // One test for all words, because most guesses miss nothing.
    difference(a, b).iter().fold(0, |any, word| any | word) != 0
}

#[inline(always)]
fn contains<const W: usize>(set: &[u64; W], element: usize) -> bool {
    set[element / 64] >> (element % 64) & 1 == 1
}

/// Lowest element of a bit set; `None` if it is empty.
#[inline(always)]
fn lowest<const W: usize>(set: &[u64; W]) -> Option<usize> {
    let word = set.iter().position(|&word| word != 0)?;
    Some(word * 64 + set[word].trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Diagram, DistanceMatrix, VietorisRips};

    /// Number in `[0, 1)` that depends on the seed and an index.
    fn noise(seed: u64, k: usize) -> f64 {
        let mixed = (seed ^ (k as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 40) as f64
            / (1_u64 << 24) as f64
    }

    /// Distances between random points in the plane, or without any structure; multiples of a number in a third of the
    /// cases, so that many are equal, and some zero.
    fn distances(seed: u64, n: usize) -> Vec<f32> {
        let place = |k: usize| noise(seed, 10_000 + k);
        let entry = |i: usize, j: usize| {
            let (i, j) = (i.min(j), i.max(j));
            let length = if i == j {
                0.0
            } else if seed.is_multiple_of(4) {
                noise(seed, i * n + j)
            } else {
                (place(2 * i) - place(2 * j)).hypot(place(2 * i + 1) - place(2 * j + 1))
            };
            if seed.is_multiple_of(3) {
                (length * 12.0).floor() as f32
            } else {
                length as f32
            }
        };
        (0..n * n).map(|at| entry(at / n, at % n)).collect()
    }

    /// Bounds that contain the square of each distance, up to `width` of it apart.
    fn bounds(distances: &[f32], n: usize, seed: u64, width: f64) -> Vec<[f32; 2]> {
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| i * n + j));
        let of_pair = |at: usize| {
            let square = f64::from(distances[at]).powi(2);
            let part = |k: usize| width * noise(seed, 2 * at + k + 77_777);
            // Rounded outward.
            let lower = (square * (1.0 - part(0))) as f32;
            let upper = (square * (1.0 + part(1))) as f32;
            [lower.next_down().max(0.0), upper.next_up()]
        };
        pairs.map(of_pair).collect()
    }

    fn diagrams(distances: &[f32], n: usize, threshold: f32) -> Vec<Diagram<f32>> {
        let rips = VietorisRips::new(1).and_then(|rips| rips.with_threshold(threshold));
        let matrix = DistanceMatrix::new(distances, n).expect("a distance matrix");
        rips.and_then(|mut rips| rips.diagrams(&matrix))
            .expect("few points")
    }

    /// Diagrams from the lengths of the edges that the bounds leave, and the fraction of these edges.
    fn bounded(
        distances: &[f32],
        bounds: &[[f32; 2]],
        n: usize,
        threshold: f32,
    ) -> (Vec<Diagram<f32>>, f64) {
        let rips = VietorisRips::new(1).and_then(|rips| rips.with_threshold(threshold));
        let mut rips = rips.expect("a threshold");
        let edges = rips.undominated_edges(n, bounds);
        let with_length = |&edge: &Edge| (edge, distances[edge[0] as usize * n + edge[1] as usize]);
        let lengths: Vec<(Edge, f32)> = edges.iter().map(with_length).collect();
        let fraction = lengths.len() as f64 / bounds.len().max(1) as f64;
        (
            rips.bounded_diagrams(n, &lengths).expect("few points"),
            fraction,
        )
    }

    #[test]
    fn diagrams_do_not_depend_on_the_lengths_of_dominated_edges() {
        let mut smallest = 1.0_f64;
        for seed in 0..400 {
            let n = (noise(seed, 0) * 70.0) as usize + usize::from(seed % 50 == 0) * 140;
            let distances = distances(seed, n);
            let width = [0.0, 1e-3, 0.05, 0.5][seed as usize / 3 % 4];
            let threshold = if seed % 5 == 0 { 0.4 } else { f32::INFINITY };
            let bounds = bounds(&distances, n, seed, width);
            let (diagrams_of_some, fraction) = bounded(&distances, &bounds, n, threshold);
            let all = diagrams(&distances, n, threshold);
            for (some, all) in diagrams_of_some.iter().zip(&all) {
                assert_eq!(some.bars, all.bars, "seed {seed}, {n} points");
            }
            smallest = smallest.min(fraction);
        }
        assert!(smallest < 0.1, "{smallest}");
    }

    #[test]
    fn wrong_bounds_give_wrong_diagrams() {
        let n = 60;
        let distances = distances(1, n);
        let mut bounds = bounds(&distances, n, 1, 1e-3);
        let all = diagrams(&distances, n, f32::INFINITY);
        assert_eq!(
            bounded(&distances, &bounds, n, f32::INFINITY).0[1].bars,
            all[1].bars
        );
        // Every ninth pair seems to be nearly as close as the closest ones.
        bounds
            .iter_mut()
            .step_by(9)
            .for_each(|b| *b = b.map(|x| 1e-3 * x));
        assert_ne!(
            bounded(&distances, &bounds, n, f32::INFINITY).0[1].bars,
            all[1].bars
        );
    }
}
