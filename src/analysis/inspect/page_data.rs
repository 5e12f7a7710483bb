//! Compressed data of one matrix for the interactive part of the page.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::matrix_topology::MatrixData;
use crate::distance::ScaledPoints;

/// Number of positions of the diameter slider, from before the first edge to the last birth or death.
pub(super) const N_STOPS: usize = 241;

/// Level of an edge that is longer than the last stop.
const NEVER: u8 = u8::MAX;

/// Level of the largest weight of an attention row. A weight of 0 has level 0.
const LAST_ATTENTION_LEVEL: f32 = 31.0;

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

impl MatrixData {
    /// Returns the slider positions for this matrix.
    fn stops(&self) -> Stops {
        let n = self.coordinates.points.len();
        let shortest = self.upper(n).fold(f64::INFINITY, f64::min);
        let bars = self
            .topology
            .diagrams
            .iter()
            .flat_map(|diagram| &diagram.bars);
        let ends = bars.flat_map(|bar| [bar.birth, bar.death]);
        let events = ends.filter(|end| end.is_finite()).collect();
        Stops::new(if shortest.is_finite() { shortest } else { 0.0 }, events)
    }

    /// Returns the distances above the diagonal, row by row.
    fn upper(&self, n: usize) -> impl Iterator<Item = f64> {
        (0..n).flat_map(move |i| self.distances[i * n + i + 1..(i + 1) * n].iter().copied())
    }

    /// Returns the data for the page: base64 of deflated bytes.
    ///
    /// ```text
    /// u32, little endian   length of the JSON text
    /// JSON text            stops, bars, coordinates
    /// u8 for each pair     level of the distance, pairs i < j row by row
    /// u8 for each weight   level of the attention, relative to the largest of its row
    /// ```
    pub(super) fn pack(&self) -> String {
        let n = self.coordinates.points.len();
        let stops = self.stops();
        let text = self.json(&stops);
        let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
        bytes.extend(text.bytes());
        bytes.extend(self.upper(n).map(|length| stops.level(length)));
        let n_tokens = self.attention.len().isqrt();
        for row in self.attention.chunks_exact(n_tokens.max(1)) {
            let largest = row.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
            // The square root spreads small weights: most of a row lies far below its largest weight.
            let level = |x: &f32| (LAST_ATTENTION_LEVEL * (x / largest).sqrt()).round() as u8;
            bytes.extend(row.iter().map(level));
        }
        deflated(&bytes)
    }

    /// Returns the JSON text with stops, bars and coordinates, written by hand to limit the digits of each number.
    fn json(&self, stops: &Stops) -> String {
        let n_tokens = self.attention.len().isqrt();
        let diameters: Vec<String> = stops.0.iter().map(|d| format!("{d:.5e}")).collect();
        let mut text = format!(
            "{{\"points\":{},\"tokens\":{n_tokens},\"stops\":[{}],\"bars\":[",
            self.coordinates.points.len(),
            diameters.join(",")
        );
        for (position, diagram) in self.topology.diagrams.iter().enumerate() {
            text.push_str(if position == 0 { "[" } else { ",[" });
            for (index, bar) in diagram.bars.iter().enumerate() {
                let edge = |edge: Option<[u32; 2]>| {
                    edge.map_or("0".to_owned(), |[a, b]| format!("[{a},{b}]"))
                };
                let death = if bar.death.is_finite() {
                    format!("{:.5e}", bar.death)
                } else {
                    "null".to_owned()
                };
                let comma = if index == 0 { "" } else { "," };
                let cycle = match diagram.homology_dim {
                    1 => self.topology.cycles.get(index),
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
        let ScaledPoints {
            points,
            variance_shares: shares,
        } = &self.coordinates;
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
}

/// Returns the cosines of all pairs of vectors, from -1 to 1 in 256 levels, as base64 of deflated bytes.
pub(super) fn pack_cosines(vectors: &[f32], n_tokens: usize) -> String {
    let width = vectors.len().checked_div(n_tokens).unwrap_or(0).max(1);
    let units: Vec<Vec<f64>> = vectors
        .chunks_exact(width)
        .map(|vector| {
            let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
            let length = square.sqrt().max(f64::MIN_POSITIVE);
            vector.iter().map(|x| f64::from(*x) / length).collect()
        })
        .collect();
    let mut bytes = Vec::with_capacity(n_tokens * n_tokens / 2);
    for (i, a) in units.iter().enumerate() {
        for b in &units[i + 1..] {
            let cosine: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            bytes.push((127.5 * (cosine + 1.0)).round().clamp(0.0, 255.0) as u8);
        }
    }
    deflated(&bytes)
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
    fn crowded_births_and_deaths_are_resolved() {
        let events = (0..100).map(|k| 1e-3 + 1e-6 * f64::from(k)).chain([1.0]);
        let stops = Stops::new(1e-3, events.collect());
        let n_crowded = stops.0.iter().filter(|d| **d <= 1.1e-3).count();
        assert!((110..=125).contains(&n_crowded), "{n_crowded}");
    }
}
