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
//! processor time of a run on `f32`, one thread.

use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use burn_topology::topology::{
    Construction, CubicalBar, CubicalComplex, CubicalDiagram, Filtration, GreyImage, Volume,
};
use serde_json::{Value, json};

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

/// Processor time of a run on an image, or on a pair of images, in `f32`.
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
    let mut run = || {
        match &images[..] {
            [image] => {
                black_box(complex.image_diagrams(black_box(image)));
            }
            images => {
                black_box(complex.betti_matching(black_box(&images[0]), &images[1])?);
            }
        }
        Ok::<(), burn_topology::Error>(())
    };
    // The first run grows the buffers.
    run()?;
    let mut least = f64::INFINITY;
    for _ in 0..N_MEANS {
        let (started, mut n_runs) = (ProcessorTime::now(), 0);
        while started.elapsed() < TIME_OF_MEAN {
            for _ in 0..RUNS_PER_CHECK {
                run()?;
            }
            n_runs += RUNS_PER_CHECK;
        }
        least = least.min(started.elapsed().as_secs_f64() / f64::from(n_runs));
    }
    Ok(json!({ "seconds": least }))
}

/// Number of means, the least of which counts: other processes still share the caches and the memory.
const N_MEANS: usize = 20;

/// Processor time over which a mean is taken, many times the interval at which the system updates it.
const TIME_OF_MEAN: Duration = Duration::from_millis(100);

/// Number of runs between two readings of the clock.
const RUNS_PER_CHECK: u32 = 3;

/// Start of a measurement of processor time, which other processes do not add to, as they do to the time of the day.
struct ProcessorTime {
    wall: Instant,
    /// `None` where the system does not tell, so that the time of the day has to do.
    processor: Option<Duration>,
}

impl ProcessorTime {
    fn now() -> Self {
        Self {
            wall: Instant::now(),
            processor: Self::of_process(),
        }
    }

    fn elapsed(&self) -> Duration {
        match (self.processor, Self::of_process()) {
            (Some(start), Some(now)) => now - start,
            _ => self.wall.elapsed(),
        }
    }

    /// Processor time of this process, which Linux gives in nanoseconds and updates at every tick.
    fn of_process() -> Option<Duration> {
        let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
        let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }
}

fn ends(bar: CubicalBar<f64>) -> Vec<f64> {
    vec![bar.birth, bar.death]
}

fn finite(diagram: &CubicalDiagram<f64>) -> Vec<Vec<f64>> {
    diagram.finite().copied().map(ends).collect()
}
