//! Computes the test cases of `scripts/compare_cubical.py`: reads a file of images, volumes and pairs of images, and
//! prints one line of JSON for each.
//!
//! ```text
//! cargo run --release --no-default-features --example cubical_answers -- CASES > ANSWERS
//! ```
//!
//! A case is little-endian without padding: six `u32`, then the values as `f64`.
//!
//! | number | meaning |
//! |---|---|
//! | 1 | kind (0: image, 1: volume, 2: pair of images, 3: image to be timed, 4: pair to be timed) |
//! | 2 | filtration (0: superlevel, 1: sublevel) |
//! | 3 | construction (0: top cells, 1: vertices) |
//! | 4 to 6 | depth (1 for images), height, width |
//!
//! An answer is `{"diagrams": [[[birth, death], ...], ...]}` with the finite bars, or
//! `{"matched": [[[birth, death, birth, death], ...], ...]}` with the matched finite bars, or `{"seconds": ..}`, the
//! least time of several runs on `f32`, one thread.

#[path = "support/stopwatch.rs"]
mod stopwatch;

use std::hint::black_box;
use std::io::{BufWriter, Write};

use burn_topology::topology::{
    Construction, CubicalBar, CubicalComplex, CubicalDiagram, Filtration, GreyImage, Volume,
};
use serde_json::{Value, json};
use stopwatch::measure;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("expected a file of cases")?;
    let bytes = std::fs::read(path)?;
    let mut rest = &bytes[..];
    let mut answers = BufWriter::new(std::io::stdout().lock());
    while !rest.is_empty() {
        let header = take(&mut rest, 24)?;
        let numbers: Vec<usize> = header
            .chunks_exact(4)
            .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
            .collect();
        let [kind, filtration, construction, depth, height, width] = numbers[..] else {
            return Err("the file ends within a case".into());
        };
        let filtration = [Filtration::Superlevel, Filtration::Sublevel][filtration];
        let construction = [Construction::TopCells, Construction::Vertices][construction];
        let n_values = depth * height * width * if matches!(kind, 2 | 4) { 2 } else { 1 };
        let values: Vec<f64> = take(&mut rest, 8 * n_values)?
            .chunks_exact(8)
            .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes")))
            .collect();
        let shape = [depth, height, width];
        let answer = match kind {
            0..=2 => answer(
                kind,
                CubicalComplex::new(filtration, construction),
                &values,
                shape,
            )?,
            _ => seconds(
                CubicalComplex::new(filtration, construction),
                &values,
                [height, width],
            )?,
        };
        writeln!(answers, "{answer}")?;
    }
    Ok(())
}

/// Takes bytes from the front.
fn take<'a>(rest: &mut &'a [u8], n_bytes: usize) -> Result<&'a [u8], &'static str> {
    let (head, tail) = rest
        .split_at_checked(n_bytes)
        .ok_or("the file ends within a case")?;
    *rest = tail;
    Ok(head)
}

fn answer(
    kind: usize,
    mut complex: CubicalComplex<f64>,
    values: &[f64],
    [depth, height, width]: [usize; 3],
) -> burn_topology::Result<Value> {
    Ok(match kind {
        0 => {
            let diagrams = complex.image_diagrams(&GreyImage::new(values, [height, width])?);
            json!({"diagrams": diagrams.each_ref().map(finite)})
        }
        1 => {
            let diagrams =
                complex.volume_diagrams(&Volume::new(values, [depth, height, width])?, 2)?;
            json!({"diagrams": diagrams.iter().map(finite).collect::<Vec<_>>()})
        }
        _ => {
            let (first, second) = values.split_at(values.len() / 2);
            let first = GreyImage::new(first, [height, width])?;
            let matching =
                complex.betti_matching(&first, &GreyImage::new(second, [height, width])?)?;
            let matched = [0, 1].map(|dim| {
                let pairs = matching.pairs[dim].iter();
                let pairs = pairs.filter_map(|pair| Some((pair.first()?, pair.second()?)));
                let bars = |i: usize, j: usize| {
                    [matching.first[dim].bars[i], matching.second[dim].bars[j]]
                };
                let pairs = pairs
                    .map(|(i, j)| bars(i, j))
                    .filter(|bars| !bars[0].is_essential());
                pairs
                    .map(|bars| bars.map(ends).concat())
                    .collect::<Vec<_>>()
            });
            json!({"matched": matched})
        }
    })
}

/// Least time of several runs on an image, or on a pair of images, in `f32`.
fn seconds(
    mut complex: CubicalComplex<f32>,
    values: &[f64],
    shape: [usize; 2],
) -> burn_topology::Result<Value> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    let images: Vec<_> = values
        .chunks(shape[0] * shape[1])
        .map(|values| GreyImage::new(values, shape))
        .collect::<burn_topology::Result<_>>()?;
    let times = measure(|| {
        match &images[..] {
            [image] => {
                black_box(complex.image_diagrams(black_box(image)));
            }
            images => {
                black_box(complex.betti_matching(black_box(&images[0]), &images[1])?);
            }
        }
        Ok::<(), burn_topology::Error>(())
    })?;
    Ok(json!({"seconds": times.least / 1000.0}))
}

fn ends(bar: CubicalBar<f64>) -> Vec<f64> {
    vec![bar.birth, bar.death]
}

fn finite(diagram: &CubicalDiagram<f64>) -> Vec<Vec<f64>> {
    diagram.finite().copied().map(ends).collect()
}
