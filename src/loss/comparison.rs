//! Two items compared: the value, and its gradient in the distances of both.

use super::controls::{Draws, Edges, matrix_difference, random_bars};
use super::penalty::{Comparison, Direction, TopologyPenalty};
use super::scale::Scale;
use crate::error::Result;
use crate::nn::DiagramBatch;
use crate::topology::{
    Bar, DistanceMatrix, Divergence, Edge, EdgeGradient, Point, rtd, rtd_lite, signature_loss,
};

/// The penalty of one pair of items.
pub(super) struct PairPenalty {
    pub(super) value: f64,
    /// Derivatives in the distances of the first and of the second.
    pub(super) gradients: [EdgeGradient; 2],
}

/// One item of what was read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) batch: &'a DiagramBatch,
    pub(super) item: usize,
}

impl TopologyPenalty {
    /// Value and gradient of two items; `None` where the pair is gated.
    ///
    /// Of comparisons point by point, `matched` are the points taken for the same, if not those of
    /// the same number. `step` is that of training, for random edges.
    pub(super) fn compare(
        &self,
        places: [Place<'_>; 2],
        matched: Option<&[[u32; 2]]>,
        step: usize,
    ) -> Result<Option<PairPenalty>> {
        if matched.is_some_and(|matched| matched.len() < 2) {
            return Ok(None);
        }
        let of_side = |side: usize| {
            let points = matched.map(|pairs| pairs.iter().map(|pair| pair[side]).collect());
            Side::new(self, places[side], points, [step, side])
        };
        let (Some(first), Some(second)) = (of_side(0), of_side(1)) else {
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
            Comparison::DistanceMatrix { order } => {
                diverge([&first, &second], |a, b| matrix_difference(a, b, order))?
            }
            Comparison::CosineConsistency | Comparison::EntropyBand { .. } => {
                unreachable!("penalties of rows are not compared by their distances")
            }
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
    let matrices =
        [0, 1].map(|side| DistanceMatrix::from_symmetric(&scaled[side], sides[side].n_matched()));
    let Divergence { value, gradients } = divergence(&matrices[0], &matrices[1])?;
    let of_sides = matrices.iter().zip(sides).zip(gradients);
    let mut of_sides = of_sides.map(|((matrix, side), gradient)| {
        let length = |[i, j]: Edge| matrix.get(i as usize, j as usize);
        let along = gradient.iter().map(|&(edge, slope)| slope * length(edge));
        Derivatives {
            along: along.sum(),
            on_edges: side.of_all_points(gradient),
        }
    });
    let derivatives = [of_sides.next(), of_sides.next()].map(Option::unwrap_or_default);
    Ok((value, derivatives))
}

/// One item, divided by its scale.
struct Side<'a> {
    place: Place<'a>,
    bars: Vec<Bar<f64>>,
    scale: Option<Scale<'a>>,
    /// The points that have a partner, in the order of their partners; `None`: all, in their order.
    matched: Option<Vec<u32>>,
}

impl<'a> Side<'a> {
    /// `None` if the scale lies below the floor.
    fn new(
        penalty: &TopologyPenalty,
        place: Place<'a>,
        matched: Option<Vec<u32>>,
        [step, side]: [usize; 2],
    ) -> Option<Self> {
        let diagram = &place.batch.diagrams(place.item)[penalty.needed_dim()];
        let bars = match penalty.edges {
            Edges::Critical => diagram.finite().copied().collect(),
            Edges::Random { seed } => {
                let words = [seed, step as u64, place.item as u64, side as u64];
                random_bars(diagram, place.batch, place.item, &mut Draws::new(&words))
            }
        };
        Some(Self {
            place,
            bars,
            scale: Scale::new(penalty.normalize, place.batch, place.item)?,
            matched,
        })
    }

    fn n_matched(&self) -> usize {
        match &self.matched {
            Some(points) => points.len(),
            None => self.place.batch.n_points(),
        }
    }

    fn divisor(&self) -> f64 {
        self.scale.as_ref().map_or(1.0, Scale::value)
    }

    fn points(&self) -> Vec<Point> {
        let divisor = self.divisor();
        let point = |bar: &Bar<f64>| [bar.birth / divisor, bar.death / divisor];
        self.bars.iter().map(point).collect()
    }

    /// Critical edges between points with partners, which are counted among themselves.
    fn critical_edges(&self) -> Vec<Edge> {
        let ends = self.bars.iter().map(|bar| [bar.birth_edge, bar.death_edge]);
        let edges = ends.flatten().flatten();
        let Some(points) = &self.matched else {
            return edges.collect();
        };
        let mut place = vec![None; self.place.batch.n_points()];
        for (k, &point) in points.iter().enumerate() {
            place[point as usize] = Some(k as u32);
        }
        let between = edges.filter_map(|edge| {
            let [i, j] = edge.map(|point| place[point as usize]);
            Some(ascending([i?, j?]))
        });
        between.collect()
    }

    /// Between points with partners.
    fn scaled_distances(&self) -> Vec<f64> {
        let divisor = self.divisor();
        let mut distances = self.place.batch.distance_matrix(self.place.item);
        if let Some(points) = &self.matched {
            let n_points = self.place.batch.n_points();
            let row = |&i: &u32| &distances[i as usize * n_points..][..n_points];
            let rows = points.iter().map(row);
            distances = rows
                .flat_map(|row| points.iter().map(|&j| row[j as usize]))
                .collect();
        }
        distances
            .iter_mut()
            .for_each(|distance| *distance /= divisor);
        distances
    }

    /// From edges between points with partners, counted among themselves.
    fn of_all_points(&self, mut gradient: EdgeGradient) -> EdgeGradient {
        if let Some(points) = &self.matched {
            for (edge, _) in &mut gradient {
                *edge = ascending(edge.map(|k| points[k as usize]));
            }
        }
        gradient
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

fn ascending([i, j]: Edge) -> Edge {
    [i.min(j), i.max(j)]
}

#[cfg(all(test, feature = "flex"))]
mod tests;
