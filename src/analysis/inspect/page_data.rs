//! Compressed data of one matrix for the interactive part of the page.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::matrix_topology::MatrixData;
use crate::distance::{DistanceElement, ScaledPoints, multidimensional_scaling};
use crate::report::plot::VIRIDIS;
use crate::topology::{DistanceMatrix, Edge, representative_cycles};

/// Number of positions of the diameter slider, from before the first edge to the last birth or death.
pub(super) const N_STOPS: usize = 241;

/// Level of an edge that is longer than the last stop.
const NEVER: u8 = u8::MAX;

/// Number of edges up to which a complex is drawn; more are only counted. All edges of 256 points are fewer.
pub(super) const MAX_EDGES: usize = 40_000;

/// Number of bars of dimension 1, the longest ones, whose representative cycles are on the page.
pub(super) const MAX_CYCLES: usize = 400;

/// Number of levels of attention, one for each colour in which the page draws it. The largest weight of a row has the last
/// level, and a weight of 0 has level 0.
const ATTENTION_LEVELS: usize = VIRIDIS.len();

/// Diameters of the slider positions, in ascending order.
///
/// A distance is stored as the first stop that reaches it. The 1-skeleton drawn at a stop is therefore exact, with
/// one byte for each edge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stops(Vec<f64>);

impl Stops {
    /// Chooses the stops from the shortest edge and the births and deaths.
    ///
    /// Stop 0 lies before the shortest edge, stop 1 at it, and the last stop at the last birth or death. In between,
    /// the stops are evenly spaced in a position `u` that weighs diameters and events equally, since births and
    /// deaths are often concentrated in a small part of the range:
    ///
    /// ```text
    /// u(event) = 1/2 (event - shortest) / (last - shortest) + 1/2 rank(event) / (n_events - 1)
    /// ```
    pub(super) fn new(shortest: f64, mut events: Vec<f64>) -> Self {
        events.push(shortest);
        // Components are born at 0, before the first edge; stop 0 already shows them.
        events.retain(|event| *event >= shortest);
        events.sort_by(f64::total_cmp);
        events.dedup();
        // Not empty: it holds at least the shortest edge.
        let last = events[events.len() - 1];
        let range = last - shortest;
        // All edges have the same length, or there is only one point.
        if range <= 0.0 {
            return Self(vec![shortest; N_STOPS]);
        }
        let n_gaps = (events.len() - 1) as f64;
        let positions: Vec<f64> = events
            .iter()
            .enumerate()
            .map(|(rank, event)| 0.5 * (event - shortest) / range + 0.5 * rank as f64 / n_gaps)
            .collect();
        let mut diameters = vec![(shortest - range / N_STOPS as f64).max(0.0)];
        for stop in 0..N_STOPS - 1 {
            let target = stop as f64 / (N_STOPS - 2) as f64;
            let above = positions.partition_point(|position| *position < target);
            diameters.push(match above {
                0 => shortest,
                above if above == positions.len() => last,
                above => {
                    let (low, high) = (positions[above - 1], positions[above]);
                    let share = (target - low) / (high - low);
                    events[above - 1] + share * (events[above] - events[above - 1])
                }
            });
        }
        // Interpolation may round the last stop below the last event, which would then never be drawn.
        diameters[N_STOPS - 1] = last;
        Self(diameters)
    }

    /// Returns the index of the first stop that reaches a length, at least 1; [`NEVER`] if no stop does.
    pub(super) fn level(&self, length: f64) -> u8 {
        let stop = 1 + self.0[1..].partition_point(|diameter| *diameter < length);
        if stop < N_STOPS { stop as u8 } else { NEVER }
    }
}

/// Usual sizes of packed data on the page, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedBytes {
    /// Size of one matrix.
    pub(super) matrix: usize,
    /// Size of the cosines of one layer.
    pub(super) cosines: usize,
}

/// Returns the usual sizes of packed data, measured on attention of a trained model.
pub(super) fn packed_bytes(n_points: usize, n_tokens: usize) -> PackedBytes {
    let pairs = |n: usize| n * n.saturating_sub(1) / 2;
    let edges = pairs(n_points).min(MAX_EDGES);
    PackedBytes {
        matrix: 1_000
            + 45 * n_points
            + 68 * edges / 100
            + pairs(n_points) / 50
            + 21 * n_tokens * n_tokens / 100,
        cosines: 11 * pairs(n_tokens) / 10,
    }
}

/// Returns the data of a matrix for the page: base64 of deflated bytes. `attention` is empty without attention.
///
/// ```text
/// u32, little endian   length of the JSON text
/// JSON text            stops, bars, coordinates
/// u8 for each pair     level of the distance, pairs i < j row by row
/// u8 for each weight   level of the attention, relative to the largest of its row
/// ```
pub(super) fn pack<T: DistanceElement>(data: &MatrixData<T>, attention: &[f32]) -> String {
    let n = data.distances.len().isqrt();
    let stops = stops(data, n);
    let mut levels: Vec<u8> = upper(&data.distances, n)
        .map(|length| stops.level(length))
        .collect();
    let counts = leave_out_late_edges(&mut levels, n);
    let text = json(data, &stops, counts.as_ref(), attention.len().isqrt());
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes.extend(levels);
    let n_tokens = attention.len().isqrt();
    for row in attention.chunks_exact(n_tokens.max(1)) {
        let largest = row.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        // The square root spreads small weights: most of a row lies far below its largest weight.
        let level = |x: &f32| (ATTENTION_LEVELS as f32 * (x / largest).sqrt()) as usize;
        bytes.extend(row.iter().map(|x| level(x).min(ATTENTION_LEVELS - 1) as u8));
    }
    deflated(&bytes)
}

/// Returns the distances above the diagonal, row by row.
fn upper<T: DistanceElement>(distances: &[T], n: usize) -> impl Iterator<Item = f64> {
    (0..n).flat_map(move |i| {
        let row = distances[i * n + i + 1..(i + 1) * n].iter();
        row.map(|length| length.to_f64_exact())
    })
}

/// Returns the slider positions for a matrix.
fn stops<T: DistanceElement>(data: &MatrixData<T>, n: usize) -> Stops {
    let shortest = upper(&data.distances, n).fold(f64::INFINITY, f64::min);
    let bars = data
        .topology
        .diagrams
        .iter()
        .flat_map(|diagram| &diagram.bars);
    let ends = bars.flat_map(|bar| [bar.birth, bar.death]);
    let events = ends.filter(|end| end.is_finite()).collect();
    Stops::new(if shortest.is_finite() { shortest } else { 0.0 }, events)
}

/// Edges of a matrix that are drawn only up to some stop, because there are too many.
struct EdgeCounts {
    /// Last stop whose edges are in the data.
    last_drawn: usize,
    /// Number of edges at each stop.
    by_stop: [usize; N_STOPS],
}

/// Leaves out the edges from the stop on at which there are more than [`MAX_EDGES`]; `None` if there never are.
///
/// If that is the first stop with edges, the first one of each point is kept, so that it joins equal points: they have no
/// bars, from which the page would know their components.
fn leave_out_late_edges(levels: &mut [u8], n: usize) -> Option<EdgeCounts> {
    let mut by_stop = [0; N_STOPS];
    for &level in &*levels {
        if level != NEVER {
            by_stop[usize::from(level)] += 1;
        }
    }
    for stop in 1..N_STOPS {
        by_stop[stop] += by_stop[stop - 1];
    }
    if by_stop[N_STOPS - 1] <= MAX_EDGES {
        return None;
    }
    let last_drawn = by_stop.partition_point(|&count| count <= MAX_EDGES) - 1;
    let mut is_joined = vec![last_drawn > 0; n];
    let ends = (0..n).flat_map(|i| i + 1..n);
    for (level, end) in levels.iter_mut().zip(ends) {
        let is_first = *level == 1 && !std::mem::replace(&mut is_joined[end], true);
        if usize::from(*level) > last_drawn && !is_first {
            *level = NEVER;
        }
    }
    Some(EdgeCounts {
        last_drawn,
        by_stop,
    })
}

/// Returns the representative cycles of the longest bars of dimension 1, by bar; the others are empty.
fn cycles<T: DistanceElement>(data: &MatrixData<T>, n: usize) -> Vec<Vec<u32>> {
    let Some(diagram) = data.topology.diagrams.get(1) else {
        return Vec::new();
    };
    let mut longest: Vec<usize> = (0..diagram.bars.len()).collect();
    let persistence = |bar: usize| diagram.bars[bar].persistence();
    longest.sort_by(|&a, &b| persistence(b).total_cmp(&persistence(a)));
    longest.truncate(MAX_CYCLES);
    // Every bar of dimension 1 has a birth edge.
    let births: Vec<Edge> = longest
        .iter()
        .filter_map(|&bar| diagram.bars[bar].birth_edge)
        .collect();
    let matrix = DistanceMatrix::from_symmetric(&data.distances, n);
    let mut cycles = vec![Vec::new(); diagram.bars.len()];
    for (bar, cycle) in longest
        .into_iter()
        .zip(representative_cycles(&matrix, &births))
    {
        cycles[bar] = cycle;
    }
    cycles
}

/// Returns the JSON text with stops, bars and coordinates, written by hand to limit the digits of each number.
fn json<T: DistanceElement>(
    data: &MatrixData<T>,
    stops: &Stops,
    counts: Option<&EdgeCounts>,
    n_tokens: usize,
) -> String {
    let n = data.distances.len().isqrt();
    let cycles = cycles(data, n);
    let diameters: Vec<String> = stops.0.iter().map(|d| format!("{d:.5e}")).collect();
    let mut text = format!(
        "{{\"points\":{n},\"tokens\":{n_tokens},\"stops\":[{}],",
        diameters.join(",")
    );
    if let Some(EdgeCounts {
        last_drawn,
        by_stop,
    }) = counts
    {
        let counts: Vec<String> = by_stop.iter().map(usize::to_string).collect();
        let _ = write!(
            text,
            "\"lastDrawn\":{last_drawn},\"edgeCounts\":[{}],",
            counts.join(",")
        );
    }
    text.push_str("\"bars\":[");
    for (position, diagram) in data.topology.diagrams.iter().enumerate() {
        text.push_str(if position == 0 { "[" } else { ",[" });
        for (index, bar) in diagram.bars.iter().enumerate() {
            let edge =
                |edge: Option<Edge>| edge.map_or("0".to_owned(), |[a, b]| format!("[{a},{b}]"));
            let death = if bar.death.is_finite() {
                format!("{:.5e}", bar.death)
            } else {
                "null".to_owned()
            };
            let comma = if index == 0 { "" } else { "," };
            let cycle = match diagram.homology_dim {
                1 => cycles.get(index),
                _ => None,
            };
            let cycle: Vec<String> = cycle.into_iter().flatten().map(u32::to_string).collect();
            let _ = write!(
                text,
                "{comma}[{:.5e},{death},{},{},[{}]]",
                bar.birth,
                edge(bar.birth_edge),
                edge(bar.death_edge),
                cycle.join(",")
            );
        }
        text.push(']');
    }
    text.push_str("],\"space\":[");
    let distances: Vec<f64> = data.distances.iter().map(|x| x.to_f64_exact()).collect();
    let ScaledPoints {
        points,
        variance_shares: shares,
    } = multidimensional_scaling(&distances, n);
    let extent = points
        .iter()
        .flatten()
        .fold(0.0_f64, |most, x| most.max(x.abs()));
    // Three digits are enough for drawing.
    for (index, x) in points.iter().flatten().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let coordinate = if extent > 0.0 {
            (1000.0 * x / extent).round()
        } else {
            0.0
        };
        let _ = write!(text, "{comma}{coordinate}");
    }
    let _ = write!(
        text,
        "],\"shares\":[{:.3},{:.3},{:.3}]}}",
        shares[0], shares[1], shares[2]
    );
    text
}

/// Returns the cosines of all pairs of vectors, from -1 to 1 in 256 levels, as base64 of deflated bytes.
pub(super) fn pack_cosines(vectors: &[f32], n_tokens: usize) -> String {
    let width = vectors.len().checked_div(n_tokens).unwrap_or(0).max(1);
    let units: Vec<Vec<f32>> = vectors
        .chunks_exact(width)
        .map(|vector| {
            let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
            let length = square.sqrt().max(f64::MIN_POSITIVE);
            vector
                .iter()
                .map(|x| (f64::from(*x) / length) as f32)
                .collect()
        })
        .collect();
    let mut bytes = Vec::with_capacity(n_tokens * n_tokens / 2);
    for (i, a) in units.iter().enumerate() {
        for b in &units[i + 1..] {
            let cosine = dot(a, b);
            bytes.push((127.5 * (cosine + 1.0)).round().clamp(0.0, 255.0) as u8);
        }
    }
    deflated(&bytes)
}

/// Scalar product, in sixteen lanes, because the additions of a single running sum would wait for each other.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut lanes = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for (lane, (x, y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += x * y;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(x, y)| x * y);
    lanes.into_iter().chain(rest).sum()
}

/// Deflates bytes and encodes them in base64.
fn deflated(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    BASE64_STANDARD.encode(written.expect("writing to memory cannot fail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_enters_at_the_first_stop_that_reaches_it() {
        let crowded = (0..500).map(|k| 0.31 + 1e-6 * f64::from(k)).chain([0.57]);
        for (shortest, events) in [
            (0.31, crowded.collect()),
            (0.0, vec![0.0, 1.0]),
            (1e-7, vec![0.0, 1e-7, 2e-7]),
            (0.5, vec![]),
        ] {
            let last = events.iter().copied().fold(shortest, f64::max);
            let stops = Stops::new(shortest, events);
            assert_eq!(stops.0.len(), N_STOPS);
            assert!(stops.0.is_sorted());
            assert_eq!(stops.level(shortest), 1);
            assert!(usize::from(stops.level(last)) < N_STOPS);
            assert_eq!(stops.level(1.01 * last + 1e-3), NEVER);
            for k in 0..=1000 {
                let length = shortest + (last - shortest) * f64::from(k) / 1000.0;
                let level = usize::from(stops.level(length.min(last)));
                assert!(stops.0[level] >= length.min(last));
                assert!(
                    level == 1 || stops.0[level - 1] < length,
                    "{length} at {level}"
                );
            }
        }
    }

    #[test]
    fn only_edges_that_can_be_drawn_are_stored() {
        let n = 300;
        let n_edges = n * (n - 1) / 2;
        let mut few: Vec<u8> = (0..1000).map(|k| (k % 240) as u8 + 1).collect();
        assert!(leave_out_late_edges(&mut few, 46).is_none());
        let mut many: Vec<u8> = (0..n_edges).map(|k| (k % 200) as u8 + 1).collect();
        let counts = leave_out_late_edges(&mut many, n).unwrap();
        let n_stored = many.iter().filter(|level| **level != NEVER).count();
        assert_eq!(n_stored, counts.by_stop[counts.last_drawn]);
        assert!(n_stored <= MAX_EDGES && counts.by_stop[counts.last_drawn + 1] > MAX_EDGES);
        assert_eq!(counts.by_stop[N_STOPS - 1], n_edges);
        // Points that are all equal stay joined.
        let mut equal = vec![1; n_edges];
        let counts = leave_out_late_edges(&mut equal, n).unwrap();
        assert_eq!((counts.last_drawn, counts.by_stop[1]), (0, n_edges));
        assert_eq!(equal.iter().filter(|level| **level == 1).count(), n - 1);
    }

    #[test]
    fn crowded_births_and_deaths_are_resolved() {
        let events = (0..100).map(|k| 1e-3 + 1e-6 * f64::from(k)).chain([1.0]);
        let stops = Stops::new(1e-3, events.collect());
        let n_crowded = stops.0.iter().filter(|d| **d <= 1.1e-3).count();
        assert!((110..=125).contains(&n_crowded), "{n_crowded}");
    }
}
