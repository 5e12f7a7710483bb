//! One penalty between the diagrams of neighbouring layers.

use super::weight::{Schedule, Weight};
use crate::error::{Error, Result};
use crate::nn::{AttentionRows, DiagramBatch, EdgeGradient, Heads, Tokens};
use crate::topology::{
    Bar, Diagram, DiagramDistance, GroundNorm, MAX_HOMOLOGY_DIM, MatchedCost, Point, Power,
};

/// Scale below which a normalised pair contributes nothing, in the unit of the distances.
///
/// The gradient of a normalised penalty grows like one over the scale, so near collapse, where
/// attention rows are equal up to rounding, it is gated rather than trusted.
pub const SCALE_FLOOR: f64 = 1e-4;

/// Which layers are compared, in this order.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{LayerPenalty, Layers, TopologyRegularizer};
///
/// // Layer 0 with layer 3, and layer 3 with layer 11.
/// let penalty = LayerPenalty { layers: Layers::Of(vec![0, 3, 11]), ..LayerPenalty::new(1) };
/// let regularizer = TopologyRegularizer::new(vec![penalty])?;
/// assert_ne!(regularizer.penalties()[0].layers, Layers::All);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layers {
    /// Every layer whose attention is passed in.
    All,
    /// These, counted from 0.
    Of(Vec<usize>),
}

/// What each diagram is divided by before comparison.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Clock, LayerPenalty, Normalize, TopologyRegularizer};
///
/// # let device = Device::flex();
/// # let scores = || Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// # let attention = [softmax(scores(), 3), softmax(scores(), 3)];
/// let value = |normalize| {
///     let penalty = LayerPenalty { normalize, ..LayerPenalty::new(0) };
///     let regularizer = TopologyRegularizer::new(vec![penalty])?;
///     let topology = regularizer.forward(&attention, 0, Clock::default())?;
///     Ok::<f64, burn_topology::Error>(topology.terms[0].value)
/// };
/// // Distances between rows of attention are small; relative to their scale they are not.
/// assert!(value(Normalize::SpanningTree)? > value(Normalize::None)?);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalize {
    /// Nothing: scales are compared too, and a penalty can fall by shrinking both sides.
    None,
    /// The mean finite death in dimension 0 (the mean edge of the minimum spanning tree) of the
    /// diagram's own matrix, with the gradient through it: the penalty does not change when all
    /// distances of one side are multiplied by a number.
    SpanningTree,
}

/// Which side of a pair of layers is moved.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Clock, Direction, LayerPenalty, TopologyRegularizer};
///
/// # let device = Device::flex().autodiff();
/// # let layer = || {
/// #     let scores = Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// #     softmax(scores, 3).require_grad()
/// # };
/// # let (earlier, later) = (layer(), layer());
/// let penalty = LayerPenalty { direction: Direction::TowardsFirst, ..LayerPenalty::new(0) };
/// let regularizer = TopologyRegularizer::new(vec![penalty])?;
/// let attention = [earlier.clone(), later.clone()];
/// let gradients = regularizer.forward(&attention, 0, Clock::default())?.loss.backward();
/// let size = |layer: Tensor<4>| layer.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>();
/// assert!(size(earlier) == 0.0 && size(later) > 0.0);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    Symmetric,
    /// The later layer is pulled towards the earlier one, which is held constant.
    TowardsFirst,
    /// The earlier layer is pulled towards the later one, which is held constant.
    TowardsSecond,
}

/// A penalty between the persistence diagrams of consecutive layers, in one homology dimension.
///
/// Its value is the mean, over the batch, the pairs of layers and the heads, of the diagram
/// distance between the finite bars of the two layers.
///
/// # Source
///
/// [carriere2021] for optimising through the pairing, held constant at each step.
///
/// [carriere2021]: https://proceedings.mlr.press/v139/carriere21a.html
///
/// # Example
///
/// ```
/// use burn_topology::loss::{LayerPenalty, Weight};
///
/// let penalty = LayerPenalty { weight: Weight::Fixed(0.1), ..LayerPenalty::new(1) };
/// assert_eq!(penalty.homology_dim, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPenalty {
    /// Homology dimension compared.
    pub homology_dim: usize,
    /// Layers compared; consecutive ones form the pairs.
    pub layers: Layers,
    /// Heads read.
    pub heads: Heads,
    /// Tokens read.
    pub tokens: Tokens,
    /// Scale removed from each diagram.
    pub normalize: Normalize,
    /// Side that is moved.
    pub direction: Direction,
    /// Distance between two diagrams.
    pub distance: DiagramDistance,
    /// Factor in the loss.
    pub weight: Weight,
    /// When the penalty is on.
    pub schedule: Schedule,
}

impl LayerPenalty {
    /// The 2-Wasserstein penalty (squared, ground norm L-infinity) between all consecutive layers,
    /// on the mean of the heads over the patches, normalised, symmetric, always on, with weight 1.
    pub fn new(homology_dim: usize) -> Self {
        Self {
            homology_dim,
            layers: Layers::All,
            heads: Heads::Mean,
            tokens: Tokens::Patches,
            normalize: Normalize::SpanningTree,
            direction: Direction::Symmetric,
            distance: DiagramDistance::Wasserstein {
                order: 2.0,
                ground_norm: GroundNorm::Infinity,
                power: Power::P,
            },
            weight: Weight::Fixed(1.0),
            schedule: Schedule::default(),
        }
    }

    /// Checks what does not depend on the model.
    pub(super) fn validate(&self) -> Result<()> {
        if self.homology_dim > MAX_HOMOLOGY_DIM {
            return Err(Error::invalid_parameter(format!(
                "homology_dim is {}, expected at most {MAX_HOMOLOGY_DIM}",
                self.homology_dim
            )));
        }
        if let DiagramDistance::Wasserstein { order, .. } = self.distance
            && !(order >= 1.0 && order.is_finite())
        {
            return Err(Error::invalid_parameter(format!(
                "order of the Wasserstein distance is {order}, expected a finite number of at least 1"
            )));
        }
        self.weight.validate()?;
        self.schedule.validate()
    }

    /// The pairs of layers compared.
    pub(crate) fn pairs(&self, n_layers: usize) -> Result<Vec<[usize; 2]>> {
        let layers: Vec<usize> = match &self.layers {
            Layers::All => (0..n_layers).collect(),
            Layers::Of(layers) => layers.clone(),
        };
        if let Some(layer) = layers.iter().find(|&&layer| layer >= n_layers) {
            return Err(Error::invalid_parameter(format!(
                "layers names layer {layer}, but attention of {n_layers} layers was passed (counted from 0)"
            )));
        }
        if layers.len() < 2 {
            return Err(Error::invalid_parameter(format!(
                "layers has {} entries, expected at least two to compare",
                layers.len()
            )));
        }
        Ok(layers.windows(2).map(|pair| [pair[0], pair[1]]).collect())
    }

    /// How the attention of a layer is read.
    pub(super) fn attention_rows(&self, n_prefix_tokens: usize) -> AttentionRows {
        AttentionRows {
            heads: self.heads,
            tokens: self.tokens,
            n_prefix_tokens,
        }
    }

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
        let MatchedCost {
            value,
            first: on_first,
            second: on_second,
        } = self
            .distance
            .value_and_gradient(&first.points, &second.points)?;
        let on_first = match self.direction {
            Direction::TowardsFirst => Vec::new(),
            _ => first.pull_back(&on_first),
        };
        let on_second = match self.direction {
            Direction::TowardsSecond => Vec::new(),
            _ => second.pull_back(&on_second),
        };
        Ok(Some(PairPenalty {
            value,
            gradients: [on_first, on_second],
        }))
    }
}

/// The penalty of one item of one pair of layers.
pub(super) struct PairPenalty {
    pub(super) value: f64,
    /// Derivatives in the distances of the first and of the second layer.
    pub(super) gradients: [EdgeGradient; 2],
}

/// The mean finite death in dimension 0: the mean edge of the minimum spanning tree of `n_points`
/// points.
///
/// `diagrams` are those of the points, by homology dimension. Deaths at zero, which diagrams leave
/// out, are counted; 0 without any finite death.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::spanning_tree_scale;
/// use burn_topology::nn::Persistence;
///
/// // Three points on a line, at 0, 1 and 3: the tree has edges of length 1 and 2.
/// let line = [[[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]]];
/// let batch = Persistence::new(0)?.distances(Tensor::from_data(line, &Device::flex()))?;
/// assert_eq!(spanning_tree_scale(batch.diagrams(0), batch.n_points()), 1.5);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn spanning_tree_scale(diagrams: &[Diagram<f64>], n_points: usize) -> f64 {
    let components = &diagrams[0];
    let n_deaths = n_points - components.essential().count();
    components.total_persistence() / n_deaths.max(1) as f64
}

/// One diagram, divided by its scale.
struct Side<'a> {
    bars: Vec<&'a Bar<f64>>,
    points: Vec<Point>,
    scale: Option<Scale<'a>>,
}

/// The mean finite death in dimension 0.
struct Scale<'a> {
    value: f64,
    n_deaths: usize,
    components: Vec<&'a Bar<f64>>,
}

impl<'a> Side<'a> {
    /// `None` if the scale lies below the floor.
    fn new(penalty: &LayerPenalty, batch: &'a DiagramBatch, item: usize) -> Option<Self> {
        let diagrams = batch.diagrams(item);
        let scale = match penalty.normalize {
            Normalize::None => None,
            Normalize::SpanningTree => {
                let value = spanning_tree_scale(diagrams, batch.n_points());
                let n_deaths = batch.n_points() - diagrams[0].essential().count();
                if value < SCALE_FLOOR {
                    return None;
                }
                let components = diagrams[0].finite().collect();
                Some(Scale {
                    value,
                    n_deaths,
                    components,
                })
            }
        };
        let bars: Vec<_> = diagrams[penalty.homology_dim].finite().collect();
        let divisor = scale.as_ref().map_or(1.0, |scale| scale.value);
        let points = bars
            .iter()
            .map(|bar| [bar.birth / divisor, bar.death / divisor])
            .collect();
        Some(Self {
            bars,
            points,
            scale,
        })
    }

    /// From derivatives in the scaled bars to derivatives in the distances.
    fn pull_back(&self, on_points: &[[f64; 2]]) -> EdgeGradient {
        let divisor = self.scale.as_ref().map_or(1.0, |scale| scale.value);
        let mut on_scale = 0.0;
        let mut out = Vec::new();
        for (bar, (point, gradient)) in self.bars.iter().zip(self.points.iter().zip(on_points)) {
            let ends = [bar.birth_edge, bar.death_edge];
            for ((edge, value), derivative) in ends.into_iter().zip(point).zip(gradient) {
                on_scale -= derivative * value / divisor;
                out.extend(edge.map(|edge| (edge, derivative / divisor)));
            }
        }
        if let Some(scale) = &self.scale {
            let share = on_scale / scale.n_deaths as f64;
            let deaths = scale.components.iter().filter_map(|bar| bar.death_edge);
            out.extend(deaths.map(|edge| (edge, share)));
        }
        out
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::nn::Persistence;
    use burn::tensor::{DType, Device, Tensor, TensorData};

    const N_POINTS: usize = 12;

    /// Distances of points on a bent curve, times `scale`.
    fn diagrams(bend: f64, scale: f64) -> (Vec<f64>, DiagramBatch) {
        let point = |k: usize| {
            let t = k as f64;
            [(0.5 * t).cos(), (0.6 * t).sin(), bend * (t * t).sin()]
        };
        let values: Vec<f64> = (0..N_POINTS * N_POINTS)
            .map(|index| {
                let (a, b) = (point(index / N_POINTS), point(index % N_POINTS));
                scale * (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
            })
            .collect();
        let data = TensorData::new(values.clone(), [1, N_POINTS, N_POINTS]);
        let tensor = Tensor::from_data(data, (&Device::flex(), DType::F64));
        (
            values,
            Persistence::new(1).unwrap().distances(tensor).unwrap(),
        )
    }

    #[test]
    fn a_normalised_penalty_does_not_change_with_the_scale_of_a_side() {
        for homology_dim in 0..2 {
            let penalty = LayerPenalty::new(homology_dim);
            let (_, first) = diagrams(0.1, 1.0);
            let compare = |scale| {
                let (values, second) = diagrams(0.4, scale);
                let pair = penalty.compare(&first, &second, 0).unwrap().unwrap();
                // By Euler's theorem the gradient is orthogonal to the distances.
                let along: f64 = pair.gradients[1]
                    .iter()
                    .map(|&([i, j], g)| g * values[i as usize * N_POINTS + j as usize])
                    .sum();
                (pair.value, along)
            };
            let ((value, along), (scaled, _)) = (compare(1.0), compare(3.0));
            assert!(value > 1e-3, "nothing to test");
            assert!((value - scaled).abs() < 1e-12 * value);
            assert!(along.abs() < 1e-12, "{along}");
        }
    }
}
