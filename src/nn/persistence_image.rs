//! Persistence images: diagrams as arrays of fixed size, with gradients.

use burn::prelude::*;

use super::diagram_batch::BarTensors;
use super::padded_bars::PaddedBars;
use crate::error::{Error, Result};

/// Persistence image: a diagram as an array of fixed size, which a network can read.
///
/// ```text
/// image(pixel) = sum over bars of  (d - b)^power * integral over the pixel of N(x; b, s^2) N(y; d - b, s^2) dx dy
///
/// b, d     birth and death of the bar
/// N        density of the normal distribution, with standard deviation s, the bandwidth
/// x, y     birth and persistence; pixels divide the two ranges evenly
/// ```
///
/// Bars of length 0 add nothing, so the image does not change where a bar appears or vanishes.
///
/// # Source
///
/// Adams et al., "Persistence images: a stable vector representation of persistent homology", 2017.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::{Persistence, PersistenceImage};
///
/// let device = Device::flex().autodiff();
/// let distances = Tensor::<3>::from_data([[[0.0, 3.0], [3.0, 0.0]]], &device).require_grad();
/// let bars = Persistence::new(0)?.distances(distances.clone())?.bars(0);
/// // One column of births about 0, and eight rows of persistences from 0 to 8.
/// let image = PersistenceImage::new([-8.0, 8.0], [0.0, 8.0], 0.5)?.with_resolution([8, 1]).forward(&bars);
/// assert_eq!(image.dims(), [1, 8, 1]);
/// // The ranges hold all of the only bar, whose weight is its persistence.
/// assert!((image.clone().sum().into_scalar::<f32>() - 3.0).abs() < 1e-5);
/// assert!(distances.grad(&image.sum().backward()).is_some());
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PersistenceImage {
    births: [f64; 2],
    persistences: [f64; 2],
    bandwidth: f64,
    power: f64,
    resolution: [usize; 2],
}

impl PersistenceImage {
    /// Creates images of 20 by 20 pixels over ranges of births and persistences, whose bars weigh their persistence.
    ///
    /// All three have the unit of the bars.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a range is not finite or does not ascend, or if the bandwidth is not
    /// finite and above 0.
    pub fn new(births: [f64; 2], persistences: [f64; 2], bandwidth: f64) -> Result<Self> {
        for (name, range) in [("births", births), ("persistences", persistences)] {
            check_range(name, range)?;
        }
        if !(bandwidth.is_finite() && bandwidth > 0.0) {
            return Err(Error::invalid_parameter(format!(
                "bandwidth is {bandwidth}, expected a finite number above 0"
            )));
        }
        Ok(Self {
            births,
            persistences,
            bandwidth,
            power: 1.0,
            resolution: [20, 20],
        })
    }

    /// Sets the number of rows (persistences) and of columns (births).
    #[must_use]
    pub fn with_resolution(self, resolution: [usize; 2]) -> Self {
        Self { resolution, ..self }
    }

    /// Sets the power of its persistence that a bar weighs, 1 unless it is set.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the power is not finite or below 1, where the gradient of short bars would be
    /// unbounded.
    pub fn with_power(self, power: f64) -> Result<Self> {
        if !(power.is_finite() && power >= 1.0) {
            return Err(Error::invalid_parameter(format!(
                "power of the persistence is {power}, expected a finite number of at least 1"
            )));
        }
        Ok(Self { power, ..self })
    }

    /// Computes the image of every item.
    ///
    /// # Shapes
    ///
    /// - output: `[n_items, n_rows, n_columns]`, on the device and in the precision of the bars. Rows ascend in
    ///   persistence, columns in birth. An item without bars is an image of zeros.
    ///
    /// # Gradient
    ///
    /// Exact, of any order that births and deaths have.
    ///
    /// # Cost
    ///
    /// O(n_items * n_bars * (n_rows + n_columns)) values in memory and as many error functions, with `n_bars` those of
    /// the item with most; one matrix product for each item.
    pub fn forward(&self, bars: &BarTensors) -> Tensor<3> {
        let options = (&bars.deaths.device(), bars.deaths.dtype());
        let [n_rows, n_columns] = self.resolution;
        let Some(padded) = PaddedBars::new(bars) else {
            return Tensor::zeros([bars.offsets.len() - 1, n_rows, n_columns], options);
        };
        let persistences = padded.deaths - padded.births.clone();
        let weights = if self.power == 1.0 {
            persistences.clone()
        } else {
            persistences.clone().powf_scalar(self.power)
        };
        let weights = (weights * padded.is_bar).unsqueeze_dim::<3>(2);
        let rows = self.pixel_masses(persistences, self.persistences, n_rows) * weights;
        let columns = self.pixel_masses(padded.births, self.births, n_columns);
        rows.swap_dims(1, 2).matmul(columns)
    }

    /// Integral of the normal density of each centre over each pixel of an axis: `[n_items, n_slots, n_pixels]`.
    fn pixel_masses(
        &self,
        centres: Tensor<2>,
        [low, high]: [f64; 2],
        n_pixels: usize,
    ) -> Tensor<3> {
        let edges: Vec<f64> = (0..=n_pixels)
            .map(|k| low + (high - low) * k as f64 / n_pixels.max(1) as f64)
            .collect();
        let options = (&centres.device(), centres.dtype());
        let edges = Tensor::<3>::from_data(TensorData::new(edges, [1, 1, n_pixels + 1]), options);
        let scaled = (edges - centres.unsqueeze_dim(2)) * (0.5f64.sqrt() / self.bandwidth);
        let cumulative = scaled.erf() * 0.5;
        cumulative.clone().narrow(2, 1, n_pixels) - cumulative.narrow(2, 0, n_pixels)
    }
}

/// Checks that a range is finite and ascends.
pub(super) fn check_range(name: &str, [low, high]: [f64; 2]) -> Result<()> {
    if low.is_finite() && high.is_finite() && low < high {
        return Ok(());
    }
    Err(Error::invalid_parameter(format!(
        "the range of {name} is {low} to {high}, expected two finite numbers, the lower one first"
    )))
}
