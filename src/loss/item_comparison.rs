//! Comparison of two items by their diagrams or distances: its value, and its gradient in the distances.

use super::controls::{Draws, EdgeChoice, random_bars};
use super::item_pairs::Direction;
use super::scale::{ItemScale, Normalize, SpanningTreeScale};
use crate::error::Result;
use crate::nn::DiagramBatch;
use crate::topology::{Bar, DistanceMatrix, Divergence, Edge, EdgeGradient, Point};

/// Comparison of two items by their diagrams or distances.
///
/// A comparison of a single item gets it twice and ignores the second.
pub(super) trait ItemComparison: Sync {
    /// Largest homology dimension of which diagrams are needed, from which the bars are taken.
    fn homology_dim(&self) -> usize;

    /// Number that the distances of each item are divided by.
    fn normalize(&self) -> Normalize;

    /// Edges whose lengths serve as births and deaths.
    fn edges(&self) -> EdgeChoice;

    /// True if lengths of edges are needed that are not births or deaths.
    fn reads_other_distances(&self) -> bool {
        self.edges() != EdgeChoice::Critical
    }

    /// Computes the value, and its derivatives with respect to the scaled distances of both items.
    fn compare(&self, items: [&ScaledItem<'_>; 2]) -> Result<ScaledPenalty>;
}

/// Value of a penalty for one pair of items, and its derivatives.
pub(super) struct PairPenalty {
    pub(super) value: f64,
    /// Derivatives with respect to the distances of the first and of the second item.
    pub(super) gradients: [EdgeGradient; 2],
}

/// One item of a batch of diagrams.
#[derive(Clone, Copy)]
pub(super) struct BatchItem<'a> {
    pub(super) batch: &'a DiagramBatch,
    pub(super) index: usize,
}

/// Evaluates a comparison on two items; `None` if the pair is gated.
///
/// `matched` lists corresponding points for comparisons token by token; `None` if points with the same
/// index correspond. `step` is the optimiser step, from which random edges are drawn.
pub(super) fn evaluate_pair(
    comparison: &dyn ItemComparison,
    direction: Direction,
    items: [BatchItem<'_>; 2],
    matched: Option<&[[u32; 2]]>,
    step: usize,
) -> Result<Option<PairPenalty>> {
    // A single point has no distances to compare.
    if matched.is_some_and(|matched| matched.len() < 2) {
        return Ok(None);
    }
    let scaled_item = |side: usize| {
        let points = matched.map(|pairs| pairs.iter().map(|pair| pair[side]).collect());
        // The side is part of the seed, so that the two items of a pair get different random edges.
        let seed_words = [step as u64, items[side].index as u64, side as u64];
        ScaledItem::new(comparison, items[side], points, seed_words)
    };
    let (Some(first), Some(second)) = (scaled_item(0), scaled_item(1)) else {
        return Ok(None);
    };
    let ScaledPenalty {
        value,
        mut gradients,
    } = comparison.compare([&first, &second])?;
    match direction {
        Direction::Symmetric => {}
        Direction::TowardsFirst => gradients[0] = ScaledGradient::default(),
        Direction::TowardsSecond => gradients[1] = ScaledGradient::default(),
    }
    let [first_gradient, second_gradient] = gradients;
    Ok(Some(PairPenalty {
        value,
        gradients: [
            first.pull_back(first_gradient),
            second.pull_back(second_gradient),
        ],
    }))
}

/// Computes a divergence of two scaled distance matrices.
pub(super) fn compare_matrices(
    items: [&ScaledItem<'_>; 2],
    divergence: impl Fn(&DistanceMatrix<'_, f64>, &DistanceMatrix<'_, f64>) -> Result<Divergence>,
) -> Result<ScaledPenalty> {
    let distances = items.map(ScaledItem::distances);
    // All entries were divided by the same number, so the matrices are still symmetric and need no check.
    let matrices =
        [0, 1].map(|side| DistanceMatrix::from_symmetric(&distances[side], items[side].n_points()));
    let Divergence {
        value,
        gradients: [first, second],
    } = divergence(&matrices[0], &matrices[1])?;
    let scaled_gradient = |side: usize, gradient: EdgeGradient| {
        let length = |[i, j]: Edge| matrices[side].get(i as usize, j as usize);
        ScaledGradient {
            along_scale: gradient
                .iter()
                .map(|&(edge, slope)| slope * length(edge))
                .sum(),
            edges: items[side].renumber_to_all_points(gradient),
        }
    };
    Ok(ScaledPenalty {
        value,
        gradients: [scaled_gradient(0, first), scaled_gradient(1, second)],
    })
}

/// Value of a penalty for one pair, and its derivatives with respect to the scaled distances.
pub(super) struct ScaledPenalty {
    pub(super) value: f64,
    pub(super) gradients: [ScaledGradient; 2],
}

/// Derivatives with respect to the scaled distances of one item.
#[derive(Default)]
pub(super) struct ScaledGradient {
    edges: EdgeGradient,
    /// Sum of derivative times scaled distance: the derivative with respect to the logarithm of a common factor.
    along_scale: f64,
}

/// One item, divided by its scale.
pub(super) struct ScaledItem<'a> {
    item: BatchItem<'a>,
    bars: Vec<Bar<f64>>,
    scale: Option<SpanningTreeScale<'a>>,
    /// Points with a corresponding point, in the order of the pairs; `None` for all points in their order.
    matched: Option<Vec<u32>>,
}

impl<'a> ScaledItem<'a> {
    /// Divides an item by its scale; `None` if the scale lies below the floor.
    fn new(
        comparison: &dyn ItemComparison,
        item: BatchItem<'a>,
        matched: Option<Vec<u32>>,
        seed_words: [u64; 3],
    ) -> Option<Self> {
        // Comparisons of whole matrices name dimension 0 and do not use its bars.
        let diagram = &item.batch.diagrams(item.index)[comparison.homology_dim()];
        let bars = match comparison.edges() {
            EdgeChoice::Critical => diagram.finite().copied().collect(),
            EdgeChoice::Random { seed } => {
                let [step, index, side] = seed_words;
                // Seeded anew for each item, so that neither the order of threads nor a resumed run changes the edges.
                let mut draws = Draws::new(&[seed, step, index, side]);
                random_bars(diagram, item.batch, item.index, &mut draws)
            }
        };
        let scale = match ItemScale::new(comparison.normalize(), item.batch, item.index) {
            ItemScale::NotNormalized => None,
            ItemScale::BelowFloor => return None,
            ItemScale::SpanningTree(scale) => Some(scale),
        };
        Some(Self {
            item,
            bars,
            scale,
            matched,
        })
    }

    /// Number of points that are compared.
    fn n_points(&self) -> usize {
        match &self.matched {
            Some(points) => points.len(),
            None => self.item.batch.n_points(self.item.index),
        }
    }

    /// Number that the distances are divided by; 1 without normalisation.
    fn divisor(&self) -> f64 {
        self.scale.as_ref().map_or(1.0, SpanningTreeScale::value)
    }

    /// Returns the scaled bars as (birth, death).
    pub(super) fn points(&self) -> Vec<Point> {
        let divisor = self.divisor();
        self.bars
            .iter()
            .map(|bar| [bar.birth / divisor, bar.death / divisor])
            .collect()
    }

    /// Returns the critical edges between the compared points, which are numbered among themselves.
    pub(super) fn critical_edges(&self) -> Vec<Edge> {
        let edges = self
            .bars
            .iter()
            .flat_map(|bar| [bar.birth_edge, bar.death_edge])
            .flatten();
        let Some(points) = &self.matched else {
            return edges.collect();
        };
        let mut index_among_matched = vec![None; self.item.batch.n_points(self.item.index)];
        for (k, &point) in points.iter().enumerate() {
            index_among_matched[point as usize] = Some(k as u32);
        }
        // An edge with an end that has no corresponding point is left out.
        edges
            .filter_map(|edge| {
                let [i, j] = edge.map(|point| index_among_matched[point as usize]);
                Some(ascending([i?, j?]))
            })
            .collect()
    }

    /// Returns the scaled distances between the compared points, row-major.
    fn distances(&self) -> Vec<f64> {
        let divisor = self.divisor();
        let mut distances = self.item.batch.distance_matrix(self.item.index);
        if let Some(points) = &self.matched {
            let n_points = self.item.batch.n_points(self.item.index);
            distances = points
                .iter()
                .map(|&i| &distances[i as usize * n_points..][..n_points])
                .flat_map(|row| points.iter().map(|&j| row[j as usize]))
                .collect();
        }
        for distance in &mut distances {
            *distance /= divisor;
        }
        distances
    }

    /// Renumbers edges between the compared points to the numbers of all points.
    fn renumber_to_all_points(&self, mut gradient: EdgeGradient) -> EdgeGradient {
        if let Some(points) = &self.matched {
            for (edge, _) in &mut gradient {
                *edge = ascending(edge.map(|k| points[k as usize]));
            }
        }
        gradient
    }

    /// Converts derivatives with respect to scaled births and deaths to those with respect to scaled distances.
    pub(super) fn gradient_from_bars(&self, bar_gradients: &[[f64; 2]]) -> ScaledGradient {
        let mut gradient = ScaledGradient::default();
        for ((bar, point), derivatives) in self.bars.iter().zip(self.points()).zip(bar_gradients) {
            let edges = [bar.birth_edge, bar.death_edge];
            for ((edge, value), derivative) in edges.into_iter().zip(point).zip(derivatives) {
                gradient.along_scale += derivative * value;
                // A birth in dimension 0 has no edge: it is the constant 0.
                gradient.edges.extend(edge.map(|edge| (edge, *derivative)));
            }
        }
        gradient
    }

    /// Converts derivatives with respect to the scaled distances to those with respect to the distances.
    fn pull_back(&self, gradient: ScaledGradient) -> EdgeGradient {
        let ScaledGradient {
            mut edges,
            along_scale,
        } = gradient;
        // Without edges there is no gradient, also none through the scale.
        if let Some(scale) = &self.scale
            && !edges.is_empty()
        {
            scale.pull_back(&mut edges, along_scale);
        }
        edges
    }
}

/// Orders the two ends of an edge, the smaller first.
fn ascending([i, j]: Edge) -> Edge {
    [i.min(j), i.max(j)]
}

#[cfg(all(test, feature = "flex"))]
mod tests;
