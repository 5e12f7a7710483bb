//! What the regulariser returns.

use std::time::Duration;

use burn::tensor::Tensor;

/// What the regulariser adds to the task loss.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer, Weight};
///
/// let uniform = Tensor::<4>::full([1, 2, 4, 4], 0.25, &Device::flex());
/// let off = TopologyPenalty { weight: Weight::Fixed(0.0), ..TopologyPenalty::new(1) };
/// let regularizer = TopologyRegularizer::new(vec![off, TopologyPenalty::new(0)])?;
/// let activations = Activations::of_attention(vec![uniform.clone(), uniform], 0);
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// assert_eq!(topology.loss.into_scalar::<f32>(), 0.0);
/// assert_eq!(topology.terms.iter().map(|term| term.index).collect::<Vec<_>>(), [1]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TopologyLoss {
    /// Weighted sum of the penalties that are on: `[1]`, in 64 bits for such attention, else in 32
    /// (cast it before adding it to a half-precision loss); the constant 0 if none is.
    pub loss: Tensor<1>,
    /// One entry per penalty that is on, in the order of the list.
    pub terms: Vec<TopologyTerm>,
    /// Where its time went.
    pub timing: TopologyTiming,
}

/// Wall-clock time of one evaluation of the penalties.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
///
/// let layer = Tensor::<4>::full([1, 2, 5, 5], 0.2, &Device::flex());
/// let activations = Activations::of_attention(vec![layer.clone(), layer], 1);
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
/// let timing = regularizer.forward(&activations, Clock::default())?.timing;
/// assert!(timing.distances > std::time::Duration::ZERO);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopologyTiming {
    /// Reading rows, and the distances between them.
    pub distances: Duration,
    /// Bars of the distances; computed along with them, so this is its share of the threads' time.
    pub persistence: Duration,
    /// Comparison of the diagrams.
    pub matching: Duration,
    /// From derivatives of bars to those of rows.
    pub gradient: Duration,
}

/// One penalty at one step.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
///
/// // Attention that has collapsed: all rows are equal, so there is no scale to compare by.
/// let uniform = Tensor::<4>::full([3, 2, 4, 4], 0.25, &Device::flex());
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
/// let activations = Activations::of_attention(vec![uniform.clone(), uniform], 0);
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// let term = topology.terms[0];
/// assert_eq!((term.value, term.n_compared, term.n_gated), (0.0, 3, 3));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopologyTerm {
    /// Its place in the list of penalties.
    pub index: usize,
    /// Mean over items and pairs, before the weight.
    pub value: f64,
    /// Weight in force, schedule included.
    pub weight: f64,
    /// Items times pairs of layers.
    pub n_compared: usize,
    /// Of these, pairs that contributed nothing because a scale lies below the floor.
    pub n_gated: usize,
}

/// What the measurement of a gradient share found.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn::tensor::Distribution;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer, Weight};
/// use burn_topology::nn::SelfAttentionConfig;
///
/// let device = Device::flex().autodiff();
/// # device.seed(0);
/// let model = [0, 1].map(|_| SelfAttentionConfig::new(8, 1).init(&device));
/// let images = Tensor::<3>::random([2, 9, 8], Distribution::Normal(0.0, 2.0), &device);
/// let forward = || {
///     let (mut tokens, mut attention) = (images.clone(), Vec::new());
///     for layer in &model {
///         let output = layer.forward(tokens.clone());
///         tokens = tokens + output.context;
///         attention.push(output.weights);
///     }
///     (tokens.square().mean(), Activations::of_attention(attention, 0))
/// };
/// let penalty = TopologyPenalty { weight: Weight::GradientShare(0.1), ..TopologyPenalty::new(0) };
/// let mut regularizer = TopologyRegularizer::new(vec![penalty])?;
/// let measured = regularizer.calibrate(&model, Clock::default(), forward)?[0];
/// let weight = 0.1 * measured.task_norm / measured.penalty_norm;
/// assert_eq!((measured.weight, regularizer.weights()), (Some(weight), &[Some(weight)][..]));
/// assert_eq!(regularizer.calibrate(&model, Clock::default(), forward)?, []); // once is enough
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The penalty's place in the list.
    pub index: usize,
    /// Norm of the task's gradient in the parameters.
    pub task_norm: f64,
    /// Norm of the unweighted penalty's gradient in the parameters.
    pub penalty_norm: f64,
    /// The weight set; `None` if the penalty has no gradient yet.
    pub weight: Option<f64>,
}
