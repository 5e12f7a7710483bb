//! Differentiable persistence layer of images and volumes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use burn::prelude::*;
use rayon::prelude::*;

use super::host_values::HostValues;
use super::pixel_diagram_batch::PixelDiagramBatch;
use crate::error::{Error, Result};
use crate::real::Real;
use crate::topology::{
    Construction, CubicalComplex, CubicalDiagram, Filtration, GreyImage, Volume,
};

/// Cubical persistence layer: computes diagrams of a batch of grey images or volumes.
///
/// ```text
/// images [batch_size, height, width] -> diagrams, whose births and deaths are values of single pixels
/// d(birth or death)/d(image) = 1 at its critical pixel, 0 elsewhere
/// ```
///
/// The result is a [`PixelDiagramBatch`], whose [`bars`](PixelDiagramBatch::bars) are births and deaths as tensors that
/// are differentiable with respect to the images. An *item* is one image or volume of the batch. See
/// [`CubicalComplex`] for what the diagrams are.
///
/// Images of one channel, `[batch_size, 1, height, width]`, lose it by `images.squeeze_dim::<3>(1)`.
///
/// Predicted images may leave the range of true ones. `images.clamp(0.0, 1.0)` brings them back, and its gradient of 0
/// outside of the range is as it should be: a pixel of 1.2 that counts as 1 need not become brighter.
///
/// The layer and its clones keep buffers for later batches, for each thread several times the size of one item.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::CubicalPersistence;
///
/// let device = Device::flex().autodiff();
/// // Two bright pixels: the right one is a component from 0.8 down to 0.2, where it merges with the left one.
/// let images = Tensor::<3>::from_data([[[0.9, 0.2, 0.8]]], &device).require_grad();
/// let diagrams = CubicalPersistence::default().images(images.clone())?;
/// let bars = diagrams.bars(0);
/// let persistence = (bars.births - bars.deaths).sum();
/// assert!((persistence.clone().into_scalar::<f32>() - 0.6).abs() < 1e-6);
/// // Less of it: the right pixel becomes darker, or the gap between the two brighter.
/// let gradient = images.grad(&persistence.backward()).unwrap();
/// assert_eq!(gradient.into_data().try_into_vec::<f32>().unwrap(), [0.0, -1.0, 1.0]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CubicalPersistence {
    filtration: Filtration,
    construction: Construction,
    min_persistence: f64,
    /// Shared with clones.
    idle: Arc<IdleComplexes>,
}

/// Complexes that no thread uses at the moment, with their buffers.
#[derive(Debug, Default)]
struct IdleComplexes {
    f32: Mutex<Vec<CubicalComplex<f32>>>,
    f64: Mutex<Vec<CubicalComplex<f64>>>,
}

impl CubicalPersistence {
    /// Creates a layer for a filtration and a construction, without a least persistence.
    pub fn new(filtration: Filtration, construction: Construction) -> Self {
        Self {
            filtration,
            construction,
            min_persistence: 0.0,
            idle: Arc::default(),
        }
    }

    /// Sets the least persistence of finite bars; shorter ones are left out, with their gradient.
    ///
    /// The background of a predicted image usually has hundreds of bars that are much shorter than those of its
    /// objects. Without a least persistence, a penalty trains the background above all.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if it is negative or NaN.
    pub fn with_min_persistence(self, min_persistence: f64) -> Result<Self> {
        CubicalComplex::<f64>::default().with_min_persistence(min_persistence)?;
        Ok(Self {
            min_persistence,
            // The complexes of clones have another least persistence.
            idle: Arc::default(),
            ..self
        })
    }

    /// Computes the diagrams of images in the dimensions 0 and 1.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch_size, height, width]`; any side may be 0
    ///
    /// # Gradient
    ///
    /// First order, exact while the order of the pixels does not change.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_image`] if a pixel is NaN, or an image has more than
    ///   [`MAX_PIXELS`](crate::topology::MAX_PIXELS) pixels.
    /// - [`Error::is_device_error`] if the images cannot be read from their device.
    ///
    /// # Cost
    ///
    /// One copy of `images` to the host, and [`CubicalComplex::image_diagrams`] for each of them. Items run in parallel,
    /// in the precision of `images` (half precision in 32 bits).
    pub fn images(&self, images: Tensor<3>) -> Result<PixelDiagramBatch> {
        let [_, height, width] = images.dims();
        match HostValues::read(&images)? {
            HostValues::F32(values) => {
                self.batch(images, &values, &self.idle.f32, |complex, values| {
                    let image = GreyImage::new(values, [height, width])?;
                    Ok(complex.image_diagrams(&image).to_vec())
                })
            }
            HostValues::F64(values) => {
                self.batch(images, &values, &self.idle.f64, |complex, values| {
                    let image = GreyImage::new(values, [height, width])?;
                    Ok(complex.image_diagrams(&image).to_vec())
                })
            }
        }
    }

    /// Computes the diagrams of volumes, such as clips, in the dimensions `0..=max_homology_dim`.
    ///
    /// A pixel of an item is then a voxel, and its index runs through the frames.
    ///
    /// # Shapes
    ///
    /// - `volumes`: `[batch_size, depth, height, width]`; any side may be 0
    ///
    /// # Gradient
    ///
    /// As for [`images`](Self::images).
    ///
    /// # Errors
    ///
    /// As for [`images`](Self::images), and those of [`CubicalComplex::volume_diagrams`].
    ///
    /// # Cost
    ///
    /// One copy of `volumes` to the host, and [`CubicalComplex::volume_diagrams`] for each of them. Items run in
    /// parallel.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::prelude::*;
    /// use burn_topology::nn::CubicalPersistence;
    ///
    /// // A bright pixel that is nearly gone in the second of three frames: its life has two parts.
    /// let clip = Tensor::<4>::from_data([[[[0.9, 0.0]], [[0.1, 0.0]], [[0.8, 0.0]]]], &Device::flex());
    /// let bars = CubicalPersistence::default().volumes(clip, 0)?.bars(0);
    /// assert_eq!(bars.births.into_scalar::<f32>(), 0.8);
    /// assert_eq!(bars.deaths.into_scalar::<f32>(), 0.1);
    /// # }
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn volumes(
        &self,
        volumes: Tensor<4>,
        max_homology_dim: usize,
    ) -> Result<PixelDiagramBatch> {
        let [_, depth, height, width] = volumes.dims();
        let shape = [depth, height, width];
        let volumes = volumes.flatten::<3>(2, 3);
        match HostValues::read(&volumes)? {
            HostValues::F32(values) => {
                self.batch(volumes, &values, &self.idle.f32, |complex, values| {
                    complex.volume_diagrams(&Volume::new(values, shape)?, max_homology_dim)
                })
            }
            HostValues::F64(values) => {
                self.batch(volumes, &values, &self.idle.f64, |complex, values| {
                    complex.volume_diagrams(&Volume::new(values, shape)?, max_homology_dim)
                })
            }
        }
    }

    /// Computes the diagrams of all items in parallel.
    fn batch<T: Real>(
        &self,
        input: Tensor<3>,
        values: &[T],
        idle: &Mutex<Vec<CubicalComplex<T>>>,
        compute: impl Fn(&mut CubicalComplex<T>, &[T]) -> Result<Vec<CubicalDiagram<T>>> + Sync,
    ) -> Result<PixelDiagramBatch> {
        let [batch_size, n_rows, n_columns] = input.dims();
        let n_pixels = n_rows * n_columns;
        let least = T::from_f64_nearest(self.min_persistence);
        let prototype =
            CubicalComplex::new(self.filtration, self.construction).with_min_persistence(least)?;
        // A complex is only memory, so one that a panicking thread left behind is still usable.
        let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        let items: Vec<Result<Vec<CubicalDiagram<f64>>>> = (0..batch_size)
            .into_par_iter()
            .map(|k| {
                // The lock is released before the computation.
                let reused = idle().pop();
                let mut complex = reused.unwrap_or_else(|| prototype.clone());
                let diagrams = compute(&mut complex, &values[k * n_pixels..][..n_pixels]);
                idle().push(complex);
                let diagrams =
                    diagrams.map_err(|error: Error| error.within(format_args!("item {k}")))?;
                Ok(diagrams.iter().map(CubicalDiagram::to_f64).collect())
            })
            .collect();
        Ok(PixelDiagramBatch {
            // Not `reshape`, which takes the size 0 for "as before".
            input: input.flatten(0, 2),
            n_pixels,
            // Collecting all results first makes the error that of the first bad item, not of the fastest thread.
            items: items.into_iter().collect::<Result<_>>()?,
            ends: OnceLock::new(),
        })
    }
}
