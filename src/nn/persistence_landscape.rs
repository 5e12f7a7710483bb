//! Persistence landscapes: diagrams as sampled functions, with gradients.

use burn::prelude::*;

use super::diagram_batch::BarTensors;
use super::padded_bars::PaddedBars;
use super::persistence_image::check_range;
use crate::error::{Error, Result};

/// Persistence landscape: a diagram as a few functions that are sampled at fixed places.
///
/// ```text
/// tent of a bar    f(t) = max(0, min(t - b, d - t))          b, d: birth and death
/// level k          L_k(t) = k-th largest of the tents at t    k = 1, 2, ...; 0 if there are fewer bars
/// ```
///
/// # Source
///
/// Bubenik, "Statistical topological data analysis using persistence landscapes", 2015.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::{BarTensors, PersistenceLandscape};
///
/// // The bars [0, 4] and [2, 4], in one item.
/// let device = Device::flex();
/// let bars = BarTensors {
///     births: Tensor::from_data([0.0, 2.0], &device),
///     deaths: Tensor::from_data([4.0, 4.0], &device),
///     offsets: vec![0, 2],
/// };
/// let landscape = PersistenceLandscape::new([0.0, 4.0], 5, 2)?.forward(&bars);
/// assert_eq!(landscape.dims(), [1, 2, 5]);
/// let values = landscape.into_data().try_into_vec::<f32>().unwrap();
/// assert_eq!(values, [0.0, 1.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PersistenceLandscape {
    range: [f64; 2],
    n_samples: usize,
    n_levels: usize,
}

impl PersistenceLandscape {
    /// Creates landscapes of `n_levels` levels at `n_samples` evenly spaced places, both ends of the range included.
    ///
    /// The range has the unit of the bars.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the range is not finite or does not ascend, or with fewer than two samples.
    pub fn new(range: [f64; 2], n_samples: usize, n_levels: usize) -> Result<Self> {
        check_range("samples", range)?;
        if n_samples < 2 {
            return Err(Error::invalid_parameter(format!(
                "a landscape has {n_samples} samples, expected at least 2, the ends of its range"
            )));
        }
        Ok(Self {
            range,
            n_samples,
            n_levels,
        })
    }

    /// Computes the landscape of every item.
    ///
    /// # Shapes
    ///
    /// - output: `[n_items, n_levels, n_samples]`, on the device and in the precision of the bars; the first level is
    ///   the largest. Levels beyond the number of bars are 0.
    ///
    /// # Gradient
    ///
    /// First order: 1 or -1 to the birth or death on whose side of the tent a sample lies. It is 0 where
    /// the level is 0.
    ///
    /// # Cost
    ///
    /// O(n_items * n_bars * n_samples) values in memory, with `n_bars` those of the item with most, and a sort along them.
    pub fn forward(&self, bars: &BarTensors) -> Tensor<3> {
        let options = (&bars.deaths.device(), bars.deaths.dtype());
        let n_items = bars.offsets.len() - 1;
        let zeros =
            |n_levels: usize| Tensor::<3>::zeros([n_items, n_levels, self.n_samples], options);
        let Some(padded) = PaddedBars::new(bars) else {
            return zeros(self.n_levels);
        };
        let [low, high] = self.range;
        let times: Vec<f64> = (0..self.n_samples)
            .map(|k| low + (high - low) * k as f64 / (self.n_samples - 1) as f64)
            .collect();
        let times = Tensor::<3>::from_data(TensorData::new(times, [1, 1, self.n_samples]), options);
        let rising = times.clone() - padded.births.unsqueeze_dim(2);
        let falling = padded.deaths.unsqueeze_dim::<3>(2) - times;
        let tents = rising.min_pair(falling).clamp_min(0.0) * padded.is_bar.unsqueeze_dim(2);
        let n_slots = tents.dims()[1];
        let n_sorted = self.n_levels.min(n_slots);
        // The order is a decision and has no gradient; the tents are gathered in it.
        let order = tents.clone().without_autodiff().argsort_descending(1);
        let order = order.narrow(1, 0, n_sorted);
        let levels = tents.gather(1, order);
        if n_sorted == self.n_levels {
            return levels;
        }
        Tensor::cat(vec![levels, zeros(self.n_levels - n_sorted)], 1)
    }
}
