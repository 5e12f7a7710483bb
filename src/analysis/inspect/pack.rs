//! What the page needs of one matrix, in few bytes.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::item::WholeItem;

/// Stops of the slider of scales, from before the first edge to the last birth or death.
pub(super) const N_STOPS: usize = 241;

/// The level of what enters at no stop.
const NEVER: u8 = u8::MAX;

/// Levels of a row's attention, from none to the row's largest.
const LAST_ATTENTION_LEVEL: f32 = 31.0;

/// Diameters at which the complex is shown.
///
/// Distances are stored as the first stop at which they have entered, so what is drawn at a stop is
/// exactly the 1-skeleton there, in one byte an edge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stops(Vec<f64>);

impl Stops {
    /// Stop 0 lies before the shortest edge, stop 1 at it, and the last at the last birth or death, where
    /// nothing is left to happen. In between half of the way is even in the diameter, half in the number
    /// of births and deaths, which often crowd in a small part of the range.
    pub(super) fn new(shortest: f64, mut events: Vec<f64>) -> Self {
        events.push(shortest);
        events.retain(|event| *event >= shortest);
        events.sort_by(f64::total_cmp);
        events.dedup();
        let last = events[events.len() - 1];
        let range = last - shortest;
        if range <= 0.0 {
            return Self(vec![shortest; N_STOPS]);
        }
        let n_gaps = (events.len() - 1) as f64;
        let place = |(rank, event): (usize, &f64)| {
            0.5 * (event - shortest) / range + 0.5 * rank as f64 / n_gaps
        };
        let places: Vec<f64> = events.iter().enumerate().map(place).collect();
        let mut diameters = vec![(shortest - range / N_STOPS as f64).max(0.0)];
        for stop in 0..N_STOPS - 1 {
            let wanted = stop as f64 / (N_STOPS - 2) as f64;
            let above = places.partition_point(|place| *place < wanted);
            diameters.push(match above {
                0 => shortest,
                above if above == places.len() => last,
                above => {
                    let [low, high] = [places[above - 1], places[above]];
                    let share = (wanted - low) / (high - low);
                    events[above - 1] + share * (events[above] - events[above - 1])
                }
            });
        }
        // Rounding must not put the last event beyond the last stop.
        diameters[N_STOPS - 1] = last;
        Self(diameters)
    }

    /// The first stop at which an edge of this length has entered; never the one before all edges.
    pub(super) fn level(&self, length: f64) -> u8 {
        let stop = 1 + self.0[1..].partition_point(|diameter| *diameter < length);
        if stop < N_STOPS { stop as u8 } else { NEVER }
    }
}

impl WholeItem {
    fn stops(&self) -> Stops {
        let n = self.coordinates.0.len();
        let shortest = self.upper(n).fold(f64::INFINITY, f64::min);
        let bars = self.item.diagrams.iter().flat_map(|diagram| &diagram.bars);
        let ends = bars.flat_map(|bar| [bar.birth, bar.death]);
        let events = ends.filter(|end| end.is_finite()).collect();
        Stops::new(if shortest.is_finite() { shortest } else { 0.0 }, events)
    }

    /// Entries above the diagonal, row by row.
    fn upper(&self, n: usize) -> impl Iterator<Item = f64> {
        (0..n).flat_map(move |i| self.distances[i * n + i + 1..(i + 1) * n].iter().copied())
    }

    /// Base64 of deflated bytes: the length of a JSON text, in four bytes, low first; the text; a level
    /// for each pair of points; a level for each entry of the attention, relative to its row's largest.
    pub(super) fn pack(&self) -> String {
        let n = self.coordinates.0.len();
        let stops = self.stops();
        let text = self.json(&stops);
        let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
        bytes.extend(text.bytes());
        bytes.extend(self.upper(n).map(|length| stops.level(length)));
        let n_tokens = self.attention.len().isqrt();
        for row in self.attention.chunks_exact(n_tokens.max(1)) {
            let largest = row.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
            // The root, as most of a row is far below its largest.
            let level = |x: &f32| (LAST_ATTENTION_LEVEL * (x / largest).sqrt()).round() as u8;
            bytes.extend(row.iter().map(level));
        }
        deflated(&bytes)
    }

    fn json(&self, stops: &Stops) -> String {
        let n_tokens = self.attention.len().isqrt();
        let diameters: Vec<String> = stops.0.iter().map(|d| format!("{d:.5e}")).collect();
        let mut text = format!(
            "{{\"points\":{},\"tokens\":{n_tokens},\"stops\":[{}],\"bars\":[",
            self.coordinates.0.len(),
            diameters.join(",")
        );
        for (place, diagram) in self.item.diagrams.iter().enumerate() {
            text.push_str(if place == 0 { "[" } else { ",[" });
            for (index, bar) in diagram.bars.iter().enumerate() {
                let edge = |edge: Option<[u32; 2]>| {
                    edge.map_or("0".to_owned(), |[a, b]| format!("[{a},{b}]"))
                };
                let death = match bar.death.is_finite() {
                    true => format!("{:.5e}", bar.death),
                    false => "null".to_owned(),
                };
                let comma = if index == 0 { "" } else { "," };
                let cycle = match diagram.homology_dim {
                    1 => self.item.cycles.get(index),
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
        let (points, shares) = &self.coordinates;
        let extent = points
            .iter()
            .flatten()
            .fold(0.0_f64, |most, x| most.max(x.abs()));
        for (index, x) in points.iter().flatten().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let place = match extent > 0.0 {
                true => (1000.0 * x / extent).round(),
                false => 0.0,
            };
            let _ = write!(text, "{comma}{place}");
        }
        let _ = write!(
            text,
            "],\"shares\":[{:.3},{:.3},{:.3}]}}",
            shares[0], shares[1], shares[2]
        );
        text
    }
}

/// Cosines of all pairs of vectors, from -1 to 1 in 256 levels, deflated, in base64.
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

fn deflated(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    BASE64_STANDARD.encode(written.expect("memory can be written"))
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
    fn crowded_births_and_deaths_have_stops_of_their_own() {
        let events = (0..100).map(|k| 1e-3 + 1e-6 * f64::from(k)).chain([1.0]);
        let stops = Stops::new(1e-3, events.collect());
        let n_crowded = stops.0.iter().filter(|d| **d <= 1.1e-3).count();
        assert!((110..=125).contains(&n_crowded), "{n_crowded}");
    }
}
