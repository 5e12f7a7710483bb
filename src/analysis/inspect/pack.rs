//! What the page needs of one matrix, in few bytes.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::item::WholeItem;

/// Stops of the slider of scales, from before the first edge to the enclosing radius.
pub(super) const N_STOPS: usize = 241;

/// The level of what enters at no stop.
const NEVER: u8 = u8::MAX;

/// Levels of a row's attention, from none to the row's largest.
const LAST_ATTENTION_LEVEL: f32 = 31.0;

/// Diameters at which the complex is shown.
///
/// Distances are stored as the first stop at which they have entered, so what is drawn at a stop is
/// exactly the 1-skeleton there, in one byte an edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stops {
    shortest: f64,
    step: f64,
}

impl Stops {
    /// Stop 0 lies before the shortest edge, stop 1 at it, and the last at the enclosing radius, where
    /// nothing is left to be born or to die.
    pub(super) fn new(shortest: f64, enclosing_radius: f64) -> Self {
        let step = (enclosing_radius - shortest).max(0.0) / (N_STOPS - 2) as f64;
        Self { shortest, step }
    }

    fn diameter(self, stop: usize) -> f64 {
        (self.shortest + (stop as f64 - 1.0) * self.step).max(0.0)
    }

    /// The first stop at which an edge of this length has entered.
    pub(super) fn level(self, length: f64) -> u8 {
        let guess = match self.step > 0.0 {
            true => ((length - self.shortest) / self.step).max(0.0) as usize,
            false => 1,
        };
        // The last stop is the radius up to rounding; an edge as long as the radius is in.
        let tolerance = 1e-9 * self.diameter(N_STOPS - 1);
        let has_entered = |stop: &usize| self.diameter(*stop) + tolerance >= length;
        let stop = (guess.max(1)..N_STOPS).find(has_entered);
        stop.map_or(NEVER, |stop| stop as u8)
    }
}

impl WholeItem {
    fn stops(&self) -> Stops {
        let n = self.coordinates.0.len();
        let shortest = self.upper(n).fold(f64::INFINITY, f64::min);
        match shortest.is_finite() {
            true => Stops::new(shortest, self.item.enclosing_radius),
            false => Stops::new(0.0, 0.0),
        }
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
        let text = self.json(stops);
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

    fn json(&self, stops: Stops) -> String {
        let n_tokens = self.attention.len().isqrt();
        let mut text = format!(
            "{{\"points\":{},\"tokens\":{n_tokens},\"shortest\":{:e},\"step\":{:e},\"bars\":[",
            self.coordinates.0.len(),
            stops.shortest,
            stops.step
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
        for (shortest, radius) in [(0.31, 0.57), (0.0, 1.0), (1e-7, 2e-7), (0.5, 0.5)] {
            let stops = Stops::new(shortest, radius);
            assert_eq!(stops.level(shortest), 1);
            assert!(usize::from(stops.level(radius)) < N_STOPS);
            assert_eq!(stops.level(1.01 * radius + 1e-3), NEVER);
            for k in 0..=1000 {
                let length = shortest + (radius - shortest) * f64::from(k) / 1000.0;
                let level = usize::from(stops.level(length));
                assert!(stops.diameter(level) >= length - 1e-9 * radius);
                assert!(
                    level == 1 || stops.diameter(level - 1) < length,
                    "{length} at {level}"
                );
            }
        }
    }
}
