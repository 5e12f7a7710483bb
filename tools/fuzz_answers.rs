//! Computes the test cases of `scripts/fuzz_peers.py`: reads a file of matrices and pairs of diagrams, and prints one
//! line of JSON for each.
//!
//! ```text
//! cargo run --release --no-default-features --example fuzz_answers -- CASES > ANSWERS
//! ```
//!
//! A case is little-endian without padding, and begins with its kind, a `u32`.
//!
//! | kind | followed by |
//! |---|---|
//! | 0 | `u32` bits (32, 64), `u32` largest homology dimension, `u32` n, n * n `f32` |
//! | 1 | `u32` norm (0: L-infinity, 1, 2), `f64` order, `u32` n, `u32` m, 2 n `f64`, 2 m `f64` |
//!
//! An answer is `{"diagrams": [[[birth, death, birth edge, death edge], ...], ...]}`, or
//! `{"distance": .., "cost": .., "pairs": [[i, j], ...]}` with `null` for the diagonal, or
//! `{"error": ..}`, or `{"unsupported": ..}` for cases that the library does not support.

#[path = "support/engine.rs"]
mod engine;

use std::fmt::Display;
use std::io::{BufWriter, Write};

use burn_topology::topology::{
    Bar, Diagram, Edge, GroundNorm, MAX_HOMOLOGY_DIM, Matching, Point, VietorisRips, bottleneck,
    wasserstein,
};
use burn_topology::{Real, Result};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("expected a file of cases")?;
    let bytes = std::fs::read(path)?;
    let mut cases = Reader { bytes: &bytes };
    let mut answers = BufWriter::new(std::io::stdout().lock());
    while let Some(kind) = cases.u32() {
        let answer = match kind {
            0 => matrix_answer(&mut cases),
            1 => pair_answer(&mut cases),
            _ => return Err(format!("case of kind {kind}, expected 0 or 1").into()),
        };
        writeln!(answers, "{}", answer.ok_or("the file ends within a case")?)?;
        // Flushed after every case, so that a crash can be attributed to its case.
        answers.flush()?;
    }
    Ok(())
}

/// Rest of the file.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk()?;
        self.bytes = tail;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    fn points(&mut self, n: u32) -> Option<Vec<Point>> {
        (0..n).map(|_| Some([self.f64()?, self.f64()?])).collect()
    }
}

/// Persistence diagrams of the next matrix; `None` at the end of the file.
fn matrix_answer(cases: &mut Reader<'_>) -> Option<String> {
    let (bits, max_homology_dim, n) = (cases.u32()?, cases.u32()? as usize, cases.u32()? as usize);
    // Cases hold f32 in both precisions, so that the peers get exactly the same numbers.
    let values: Vec<f32> = (0..n * n).map(|_| cases.f32()).collect::<Option<_>>()?;
    if max_homology_dim > MAX_HOMOLOGY_DIM {
        let missing = format!("homology dimension {max_homology_dim}");
        return Some(text("unsupported", missing));
    }
    let answer = if bits == 64 {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        diagrams_json(&values, n, max_homology_dim)
    } else {
        diagrams_json(&values, n, max_homology_dim)
    };
    Some(answer.unwrap_or_else(|error| text("error", error)))
}

fn diagrams_json<T: Real>(values: &[T], n: usize, max_homology_dim: usize) -> Result<String> {
    let mut rips = VietorisRips::new(max_homology_dim)?;
    let diagrams = engine::diagrams(&mut rips, values, n)?;
    let bars = |diagram: &Diagram<T>| list(diagram.bars.iter().map(bar_json));
    Ok(format!(
        "{{\"diagrams\": {}}}",
        list(diagrams.iter().map(bars))
    ))
}

fn bar_json<T: Real>(bar: &Bar<T>) -> String {
    list([
        number(bar.birth),
        number(bar.death),
        edge_json(bar.birth_edge),
        edge_json(bar.death_edge),
    ])
}

fn edge_json(edge: Option<Edge>) -> String {
    edge.map_or("null".into(), |edge| {
        list(edge.map(|vertex| vertex.to_string()))
    })
}

/// Distance and matching of the next pair of diagrams; `None` at the end of the file.
fn pair_answer(cases: &mut Reader<'_>) -> Option<String> {
    let (norm, order, n, m) = (cases.u32()?, cases.f64()?, cases.u32()?, cases.u32()?);
    let (first, second) = (cases.points(n)?, cases.points(m)?);
    let Some(norm) = ground_norm(norm) else {
        return Some(text("unsupported", format_args!("ground norm L{norm}")));
    };
    // The bottleneck distance is the Wasserstein distance of infinite order.
    let matching = if order == f64::INFINITY {
        bottleneck(&first, &second, norm)
    } else {
        wasserstein(&first, &second, order, norm)
    };
    Some(matching.map_or_else(
        |error| text("error", error),
        |matching| matching_json(&matching),
    ))
}

fn ground_norm(code: u32) -> Option<GroundNorm> {
    match code {
        0 => Some(GroundNorm::Infinity),
        1 => Some(GroundNorm::L1),
        2 => Some(GroundNorm::L2),
        _ => None,
    }
}

fn matching_json(matching: &Matching) -> String {
    let index = |side: Option<usize>| side.map_or("null".into(), |index| index.to_string());
    let pairs = matching.pairs.iter().map(|pair| pair.bars);
    let pairs = pairs.map(|pair| list([index(pair.first()), index(pair.second())]));
    format!(
        "{{\"distance\": {}, \"cost\": {}, \"pairs\": {}}}",
        number(matching.distance),
        number(matching.cost),
        list(pairs)
    )
}

/// Number with all its digits; Python's JSON reader accepts `Infinity`.
fn number<T: Real>(value: T) -> String {
    if value.is_infinite() {
        "Infinity".into()
    } else {
        format!("{value:?}")
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

fn text(key: &str, message: impl Display) -> String {
    let message = format!("{:?}", message.to_string());
    format!("{{\"{key}\": {message}}}")
}
