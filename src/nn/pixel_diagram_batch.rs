//! Diagrams of a batch of images, and the gradient of the images through their births and deaths.

use std::sync::OnceLock;

use burn::prelude::*;

use super::diagram_batch::BarTensors;
use crate::fused::linearised;
use crate::topology::{CubicalBar, CubicalDiagram, PixelGradient};

/// Persistence diagrams of a batch of images or volumes, whose births and deaths are differentiable in the pixels.
///
/// As with [`DiagramBatch`](super::DiagramBatch), there are two ways into the graph, with the same derivative:
/// [`bars`](Self::bars) returns births and deaths as tensors; [`surrogate`](Self::surrogate) returns a number whose
/// derivatives with respect to pixels are given.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::CubicalPersistence;
/// use burn_topology::topology::DiagramSummary;
///
/// let device = Device::flex().autodiff();
/// let images = Tensor::<3>::from_data([[[0.9, 0.25, 0.75]]], &device).require_grad();
/// let batch = CubicalPersistence::default().images(images.clone())?;
/// // A loss that is computed outside of Burn: the total squared persistence of dimension 0.
/// let components = &batch.diagrams(0)[0];
/// let total = DiagramSummary::TotalPersistence { order: 2.0, window: [0.0, f64::INFINITY] };
/// let total = total.value_and_gradient(&components.points())?;
/// let loss = batch.surrogate(total.value, &[components.pixel_gradient(&total.gradient)]);
/// assert_eq!(loss.clone().into_scalar::<f32>(), 0.25);
/// let gradient = images.grad(&loss.backward()).unwrap();
/// assert_eq!(gradient.into_data().try_into_vec::<f32>().unwrap(), [0.0, -1.0, 1.0]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug)]
pub struct PixelDiagramBatch {
    /// All pixels of all items: `[batch_size * n_pixels]`.
    pub(super) input: Tensor<1>,
    pub(super) n_pixels: usize,
    /// Diagrams of each item, by homology dimension.
    pub(super) items: Vec<Vec<CubicalDiagram<f64>>>,
    /// Births and deaths of all dimensions, computed at the first call of `bars`.
    ///
    /// Their gradient is as large as the input, so one tensor for all dimensions needs it only once.
    pub(super) ends: OnceLock<Tensor<1>>,
}

impl PixelDiagramBatch {
    /// Number of items.
    pub fn batch_size(&self) -> usize {
        self.items.len()
    }

    /// Number of pixels, or voxels, of every item.
    pub fn n_pixels(&self) -> usize {
        self.n_pixels
    }

    /// Diagrams of one item, by homology dimension.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub fn diagrams(&self, item: usize) -> &[CubicalDiagram<f64>] {
        &self.items[item]
    }

    /// Returns the finite bars of one homology dimension as tensors on the device of the images.
    ///
    /// For superlevel sets births lie above deaths, and the persistence is `births - deaths`.
    ///
    /// # Shapes
    ///
    /// Births and deaths are `[n_bars]`, one item after the other. Essential bars, bars shorter than the least
    /// persistence, and bars that begin or end at an infinite pixel are left out.
    ///
    /// # Gradient
    ///
    /// First order. The gradient of a birth or death goes to its critical pixel.
    ///
    /// # Cost
    ///
    /// O(n_bars); the first call does this for all dimensions.
    ///
    /// # Panics
    ///
    /// If the dimension was not computed.
    pub fn bars(&self, homology_dim: usize) -> BarTensors {
        let mut offsets = vec![0];
        for item in 0..self.items.len() {
            let n_bars = finite_bars(&self.items[item][homology_dim]).count();
            offsets.push(offsets[offsets.len() - 1] + n_bars);
        }
        let n_bars = offsets[offsets.len() - 1];
        // `ends` is ordered by dimension, births before deaths.
        let start: usize = (0..homology_dim).map(|dim| 2 * self.n_bars(dim)).sum();
        // An empty part does not touch `ends`, so that no graph is recorded for it.
        let part = |start: usize| match n_bars {
            0 => Tensor::zeros([0], (&self.input.device(), self.input.dtype())),
            _ => self.ends().clone().narrow(0, start, n_bars),
        };
        BarTensors {
            births: part(start),
            deaths: part(start + n_bars),
            offsets,
        }
    }

    /// Number of finite bars of a dimension in the whole batch.
    fn n_bars(&self, homology_dim: usize) -> usize {
        let diagrams = self.items.iter().map(|item| &item[homology_dim]);
        diagrams.map(|diagram| finite_bars(diagram).count()).sum()
    }

    /// Returns the births and deaths of all dimensions as one tensor with its graph: `[n_ends]`.
    fn ends(&self) -> &Tensor<1> {
        self.ends.get_or_init(|| {
            // All items have the same dimensions.
            let n_dims = self.items.first().map_or(0, Vec::len);
            let mut places = Vec::new();
            for dim in 0..n_dims {
                let bars = || {
                    let items = self.items.iter().enumerate();
                    items.flat_map(move |(item, diagrams)| {
                        finite_bars(&diagrams[dim]).map(move |bar| (item, bar))
                    })
                };
                places.extend(bars().map(|(item, bar)| (item, bar.birth_pixel)));
                places.extend(bars().filter_map(|(item, bar)| Some((item, bar.death_pixel?))));
            }
            self.pixels(places)
        })
    }

    /// Returns some pixels as a tensor with its graph: `[n]`. Each is given by its item and its index there.
    fn pixels(&self, places: Vec<(usize, usize)>) -> Tensor<1> {
        let n_places = places.len();
        let index = |(item, pixel)| {
            assert!(pixel < self.n_pixels, "pixel {pixel} of {}", self.n_pixels);
            (item * self.n_pixels + pixel) as i64
        };
        let indices: Vec<i64> = places.into_iter().map(index).collect();
        let indices = TensorData::new(indices, [n_places]);
        let indices = Tensor::<1, Int>::from_data(indices, &self.input.device());
        self.input.clone().select(0, indices)
    }

    /// Returns a number with the given value and the given derivatives with respect to pixels: `[1]`.
    ///
    /// It is meant for losses that are computed on the host, such as distances between diagrams and Betti matchings.
    ///
    /// # Shapes
    ///
    /// - `gradient`: one list per item
    /// - output: `[1]`, on the device of the images
    ///
    /// # Gradient
    ///
    /// Exact, first order; the derivatives of repeated pixels are added.
    ///
    /// # Panics
    ///
    /// If `gradient` does not have one list per item, or the item does not have such a pixel.
    ///
    /// # Cost
    ///
    /// O(n) for n derivatives; one pass over the images if there are none.
    pub fn surrogate(&self, value: f64, gradient: &[PixelGradient]) -> Tensor<1> {
        assert_eq!(
            gradient.len(),
            self.items.len(),
            "one gradient list per item"
        );
        let entries = gradient.iter().enumerate().flat_map(|(item, pixels)| {
            pixels
                .iter()
                .map(move |&(pixel, derivative)| ((item, pixel), derivative))
        });
        let (places, derivatives): (Vec<_>, Vec<f64>) =
            entries.filter(|(_, derivative)| *derivative != 0.0).unzip();
        let sum = if places.is_empty() {
            // Something of the graph, so that `backward` can be called, without a derivative: a sign has none, also
            // that of an infinite pixel.
            self.input.clone().sign().sum()
        } else {
            let derivatives = TensorData::new(derivatives, [places.len()]);
            let options = (&self.input.device(), self.input.dtype());
            (self.pixels(places) * Tensor::from_data(derivatives, options)).sum()
        };
        linearised(sum, value)
    }
}

/// Finite bars of a diagram whose ends are both finite numbers.
fn finite_bars(diagram: &CubicalDiagram<f64>) -> impl Iterator<Item = &CubicalBar<f64>> {
    let is_finite = |bar: &&CubicalBar<f64>| bar.birth.is_finite() && bar.death.is_finite();
    diagram.finite().filter(is_finite)
}
