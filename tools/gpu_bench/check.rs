//! Bars and gradients of a device against those of the processor.

use burn_topology::burn::prelude::*;
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::nn::{DiagramBatch, Engine, Persistence};
use burn_topology::topology::{Bar, EdgeGradient};

use crate::Outcome;
use crate::attention::Kind;

/// Largest relative difference of a birth or death.
const LENGTH_TOLERANCE: f64 = 1e-5;

/// Largest difference of a gradient, relative to its largest entry.
const GRADIENT_TOLERANCE: f64 = 2e-4;

/// Compares all kinds, metrics and sizes, and prints a line for each.
pub fn run(device: &Device, largest: usize) -> Outcome {
    let metrics = [
        RowMetric::JensenShannon,
        RowMetric::Hellinger,
        RowMetric::Cosine,
        RowMetric::Euclidean,
    ];
    let mut n_wrong = 0;
    for n_points in [5, 17, 65, 197].into_iter().filter(|&n| n <= largest) {
        for kind in Kind::ALL {
            let metrics = if n_points > 65 {
                &metrics[..1]
            } else {
                &metrics[..]
            };
            for &metric in metrics {
                let result = compare(device, kind, n_points, metric)?;
                let is_right = result.length <= LENGTH_TOLERANCE
                    && result.gradient <= GRADIENT_TOLERANCE
                    && result.n_bars[0] == result.n_bars[1];
                n_wrong += usize::from(!is_right);
                println!(
                    "{}\t{n_points} points\t{kind:?}\t{metric:?}\tbars {:?}\tlengths differ by {:.1e}\tother pairs \
                     {:.2} %\tgradient differs by {:.1e}",
                    if is_right { "right" } else { "WRONG" },
                    result.n_bars,
                    result.length,
                    100.0 * result.other_pairs,
                    result.gradient
                );
            }
        }
    }
    if n_wrong > 0 {
        return Err(format!("{n_wrong} of these comparisons failed").into());
    }
    Ok(())
}

/// Differences between the device and the processor.
struct Comparison {
    n_bars: [usize; 2],
    /// Largest relative difference of sorted births and deaths.
    length: f64,
    /// Fraction of bars with other critical edges, which nearly equal lengths explain.
    other_pairs: f64,
    /// Largest difference of the gradients of the same edges, relative to the largest entry.
    gradient: f64,
}

fn compare(
    device: &Device,
    kind: Kind,
    n_points: usize,
    metric: RowMetric,
) -> Result<Comparison, burn_topology::Error> {
    let distance = RowDistance {
        metric,
        exponent: 1.0,
    };
    let rows = |device: &Device| {
        kind.rows([4, n_points], &device.clone().autodiff())
            .require_grad()
    };
    let (here, there) = (rows(&Device::flex()), rows(device));
    let on_host = Persistence::new(1)?
        .with_engine(Engine::Host)
        .rows(here.clone(), distance)?;
    let on_device = Persistence::new(1)?.rows(there.clone(), distance)?;
    let (mut length, mut n_other) = (0.0f64, 0);
    let mut n_bars = [0; 2];
    for item in 0..4 {
        for dim in 0..2 {
            let bars = [&on_host, &on_device].map(|batch| {
                batch.diagrams(item)[dim]
                    .finite()
                    .copied()
                    .collect::<Vec<_>>()
            });
            for (n, bars) in n_bars.iter_mut().zip(&bars) {
                *n += bars.len();
            }
            let birth: fn(&Bar<f64>) -> f64 = |bar| bar.birth;
            let death: fn(&Bar<f64>) -> f64 = |bar| bar.death;
            for ends in [birth, death] {
                let sorted = bars.each_ref().map(|bars| {
                    let mut lengths: Vec<f64> = bars.iter().map(ends).collect();
                    lengths.sort_by(f64::total_cmp);
                    lengths
                });
                for (a, b) in sorted[0].iter().zip(&sorted[1]) {
                    length = length.max((a - b).abs() / a.max(1e-6));
                }
            }
            let edges = |k: usize| bars[k].iter().map(|bar| (bar.birth_edge, bar.death_edge));
            n_other += edges(0)
                .filter(|edge| !edges(1).any(|other| other == *edge))
                .count();
        }
    }
    // The same edges for both, so that ties in the pairing do not matter.
    let gradient = total_deaths(&on_device);
    let gradients = [(here, on_host), (there, on_device)].map(|(rows, batch)| {
        let gradient = rows.grad(&batch.surrogate(0.0, &gradient).backward());
        gradient
            .expect("rows with a gradient")
            .into_data()
            .iter::<f64>()
            .collect::<Vec<f64>>()
    });
    let scale = gradients[0]
        .iter()
        .fold(0.0f64, |largest, x| largest.max(x.abs()));
    let differences = gradients[0]
        .iter()
        .zip(&gradients[1])
        .map(|(a, b)| (a - b).abs());
    Ok(Comparison {
        n_bars,
        length,
        other_pairs: n_other as f64 / n_bars[0].max(1) as f64,
        gradient: differences.fold(0.0, f64::max) / scale,
    })
}

/// Derivatives of the sum of all deaths minus all births.
pub fn total_deaths(batch: &DiagramBatch) -> Vec<EdgeGradient> {
    (0..batch.batch_size())
        .map(|item| {
            let bars = batch
                .diagrams(item)
                .iter()
                .flat_map(|diagram| diagram.finite());
            let ends = bars.flat_map(|bar| [(bar.birth_edge, -1.0), (bar.death_edge, 1.0)]);
            ends.filter_map(|(edge, slope)| Some((edge?, slope)))
                .collect()
        })
        .collect()
}
