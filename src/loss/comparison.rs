//! One item of two layers compared: the value, and its gradient in the distances of both.

use super::layer_penalty::{Comparison, Direction, LayerPenalty};
use super::scale::Scale;
use crate::error::Result;
use crate::nn::DiagramBatch;
use crate::topology::{
    Bar, DistanceMatrix, Divergence, Edge, EdgeGradient, Point, rtd, rtd_lite, signature_loss,
};

/// The penalty of one item of one pair of layers.
pub(super) struct PairPenalty {
    pub(super) value: f64,
    /// Derivatives in the distances of the first and of the second layer.
    pub(super) gradients: [EdgeGradient; 2],
}

impl LayerPenalty {
    /// Value and gradient for one item of a pair of layers; `None` where the pair is gated.
    pub(super) fn compare(
        &self,
        first: &DiagramBatch,
        second: &DiagramBatch,
        item: usize,
    ) -> Result<Option<PairPenalty>> {
        let sides = [first, second].map(|batch| Side::new(self, batch, item));
        let [Some(first), Some(second)] = sides else {
            return Ok(None);
        };
        let (value, mut derivatives) = match self.comparison {
            Comparison::Diagrams(distance) => {
                let cost = distance.value_and_gradient(&first.points(), &second.points())?;
                let on_first = first.by_bars(&cost.first);
                (cost.value, [on_first, second.by_bars(&cost.second)])
            }
            Comparison::Summary(summary) => {
                let summary = summary.value_and_gradient(&first.points())?;
                let on_first = first.by_bars(&summary.gradient);
                (summary.value, [on_first, Derivatives::default()])
            }
            Comparison::Signature => {
                let critical = [first.critical_edges(), second.critical_edges()];
                diverge([&first, &second], |a, b| {
                    signature_loss([a, b], [&critical[0], &critical[1]])
                })?
            }
            Comparison::RtdLite => diverge([&first, &second], rtd_lite)?,
            Comparison::Rtd => diverge([&first, &second], rtd)?,
        };
        match self.direction {
            Direction::Symmetric => {}
            Direction::TowardsFirst => derivatives[0] = Derivatives::default(),
            Direction::TowardsSecond => derivatives[1] = Derivatives::default(),
        }
        let [on_first, on_second] = derivatives;
        Ok(Some(PairPenalty {
            value,
            gradients: [first.pull_back(on_first), second.pull_back(on_second)],
        }))
    }
}

/// Derivatives in the scaled distances of one side.
#[derive(Default)]
struct Derivatives {
    on_edges: EdgeGradient,
    /// Sum of derivative times scaled distance: the derivative in the logarithm of a common factor.
    along: f64,
}

/// A divergence of two scaled matrices of distances.
fn diverge(
    sides: [&Side<'_>; 2],
    divergence: impl Fn(&DistanceMatrix<'_, f64>, &DistanceMatrix<'_, f64>) -> Result<Divergence>,
) -> Result<(f64, [Derivatives; 2])> {
    let scaled = sides.map(Side::scaled_distances);
    let matrices = [0, 1]
        .map(|side| DistanceMatrix::from_symmetric(&scaled[side], sides[side].batch.n_points()));
    let Divergence { value, gradients } = divergence(&matrices[0], &matrices[1])?;
    let mut of_sides = matrices.iter().zip(gradients).map(|(matrix, on_edges)| {
        let length = |[i, j]: Edge| matrix.get(i as usize, j as usize);
        let along = on_edges
            .iter()
            .map(|&(edge, slope)| slope * length(edge))
            .sum();
        Derivatives { on_edges, along }
    });
    let derivatives = [of_sides.next(), of_sides.next()].map(Option::unwrap_or_default);
    Ok((value, derivatives))
}

/// One layer of one item, divided by its scale.
struct Side<'a> {
    batch: &'a DiagramBatch,
    item: usize,
    bars: Vec<&'a Bar<f64>>,
    scale: Option<Scale<'a>>,
}

impl<'a> Side<'a> {
    /// `None` if the scale lies below the floor.
    fn new(penalty: &LayerPenalty, batch: &'a DiagramBatch, item: usize) -> Option<Self> {
        let diagram = &batch.diagrams(item)[penalty.needed_dim()];
        Some(Self {
            batch,
            item,
            bars: diagram.finite().collect(),
            scale: Scale::new(penalty.normalize, batch, item)?,
        })
    }

    fn divisor(&self) -> f64 {
        self.scale.as_ref().map_or(1.0, Scale::value)
    }

    fn points(&self) -> Vec<Point> {
        let divisor = self.divisor();
        let point = |bar: &&Bar<f64>| [bar.birth / divisor, bar.death / divisor];
        self.bars.iter().map(point).collect()
    }

    fn critical_edges(&self) -> Vec<Edge> {
        let ends = self.bars.iter().map(|bar| [bar.birth_edge, bar.death_edge]);
        ends.flatten().flatten().collect()
    }

    fn scaled_distances(&self) -> Vec<f64> {
        let divisor = self.divisor();
        let mut distances = self.batch.distance_matrix(self.item);
        distances
            .iter_mut()
            .for_each(|distance| *distance /= divisor);
        distances
    }

    /// From derivatives in the scaled bars.
    fn by_bars(&self, on_points: &[[f64; 2]]) -> Derivatives {
        let mut derivatives = Derivatives::default();
        for ((bar, point), gradient) in self.bars.iter().zip(self.points()).zip(on_points) {
            let ends = [bar.birth_edge, bar.death_edge];
            for ((edge, value), derivative) in ends.into_iter().zip(point).zip(gradient) {
                derivatives.along += derivative * value;
                derivatives
                    .on_edges
                    .extend(edge.map(|edge| (edge, *derivative)));
            }
        }
        derivatives
    }

    /// From derivatives in the scaled distances to derivatives in the distances.
    fn pull_back(
        &self,
        Derivatives {
            mut on_edges,
            along,
        }: Derivatives,
    ) -> EdgeGradient {
        if let Some(scale) = &self.scale
            && !on_edges.is_empty()
        {
            scale.pull_back(&mut on_edges, along);
        }
        on_edges
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::loss::Normalize;
    use crate::nn::Persistence;
    use crate::topology::{DiagramDistance, DiagramSummary, Power};
    use burn::tensor::{DType, Device, Tensor, TensorData};

    const N_POINTS: usize = 12;

    /// Distances of points on a bent curve, times `scale`.
    fn distances(bend: f64, scale: f64) -> Vec<f64> {
        let point = |k: usize| {
            let t = k as f64;
            [(0.5 * t).cos(), (0.6 * t).sin(), bend * (t * t).sin()]
        };
        let distance = |index: usize| {
            let (a, b) = (point(index / N_POINTS), point(index % N_POINTS));
            scale * (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
        };
        (0..N_POINTS * N_POINTS).map(distance).collect()
    }

    fn diagrams(values: &[f64]) -> DiagramBatch {
        let data = TensorData::new(values.to_vec(), [1, N_POINTS, N_POINTS]);
        let tensor = Tensor::from_data(data, (&Device::flex(), DType::F64));
        let persistence = Persistence::new(1).unwrap();
        persistence.distances(tensor).unwrap()
    }

    /// Every kind of penalty.
    fn penalties() -> Vec<LayerPenalty> {
        let everything = [0.0, f64::INFINITY];
        let total = DiagramSummary::TotalPersistence {
            order: 2.0,
            window: everything,
        };
        let mut found = vec![
            (0, Comparison::RtdLite),
            (1, Comparison::Rtd),
            (
                0,
                Comparison::Diagrams(DiagramDistance::SortedWasserstein {
                    order: 2.0,
                    power: Power::P,
                }),
            ),
        ];
        for homology_dim in 0..2 {
            found.extend([
                (homology_dim, LayerPenalty::new(0).comparison),
                (homology_dim, Comparison::Signature),
                (homology_dim, Comparison::Summary(total)),
                (
                    homology_dim,
                    Comparison::Summary(DiagramSummary::PersistentEntropy),
                ),
                (
                    homology_dim,
                    Comparison::Diagrams(DiagramDistance::SlicedWasserstein {
                        order: 2.0,
                        n_directions: 4,
                        power: Power::P,
                    }),
                ),
            ]);
        }
        let penalty = |(homology_dim, comparison)| LayerPenalty {
            comparison,
            ..LayerPenalty::new(homology_dim)
        };
        found.into_iter().map(penalty).collect()
    }

    #[test]
    fn a_normalised_penalty_does_not_change_with_the_scale_of_a_side() {
        for penalty in penalties() {
            penalty.validate().unwrap();
            let first = diagrams(&distances(0.1, 1.0));
            let compare = |scale| {
                let values = distances(0.7, scale);
                let pair = penalty.compare(&diagrams(&values), &first, 0).unwrap();
                let pair = pair.unwrap();
                // By Euler's theorem the gradient is orthogonal to the distances.
                let along: f64 = pair.gradients[0]
                    .iter()
                    .map(|&([i, j], g)| g * values[i as usize * N_POINTS + j as usize])
                    .sum();
                (pair.value, along)
            };
            let ((value, along), (scaled, _)) = (compare(1.0), compare(3.0));
            assert!(value > 1e-6, "nothing to test: {penalty:?}");
            assert!((value - scaled).abs() < 1e-12 * value, "{penalty:?}");
            assert!(along.abs() < 1e-11, "{penalty:?}: {along}");
        }
    }

    #[test]
    fn gradients_of_every_penalty_equal_central_differences() {
        for normalize in [Normalize::None, Normalize::SpanningTree] {
            for penalty in penalties() {
                let penalty = LayerPenalty {
                    normalize,
                    ..penalty
                };
                let second = diagrams(&distances(0.1, 1.3));
                let values = distances(0.7, 1.0);
                let at = |values: &[f64]| {
                    let pair = penalty.compare(&diagrams(values), &second, 0);
                    pair.unwrap().unwrap()
                };
                let found = at(&values);
                for i in 0..N_POINTS {
                    for j in i + 1..N_POINTS {
                        let moved = |step: f64| {
                            let mut values = values.clone();
                            values[i * N_POINTS + j] += step;
                            values[j * N_POINTS + i] += step;
                            at(&values).value
                        };
                        let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                        let edge = [i as u32, j as u32];
                        let on_edge = found.gradients[0].iter().filter(|(e, _)| *e == edge);
                        let slope: f64 = on_edge.map(|(_, slope)| slope).sum();
                        let tolerance = 1e-6 * (1.0 + expected.abs());
                        assert!((slope - expected).abs() < tolerance, "{penalty:?} {edge:?}");
                    }
                }
            }
        }
    }
}
