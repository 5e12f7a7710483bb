//! Persistence diagrams of images and volumes.

use super::bars::{Construction, CubicalDiagram, Filtration};
use super::betti_matching::{BettiMatching, Matcher};
use super::grid::{GreyImage, Volume};
use super::planar::PlanarComplex;
use super::settings::Settings;
use super::volume::{MAX_REDUCED_VOXELS, VolumeComplex};
use crate::error::{Error, Result};
use crate::real::Real;

/// Computes the persistence diagrams of images and volumes, and keeps its buffers for the next one.
///
/// A *filtration* lets the pixels enter one after the other, bright ones first ([`Filtration::Superlevel`]) or dark ones
/// first. Dimension 0 are the connected components of the pixels that have entered, dimension 1 their holes (in a
/// volume, their tunnels), dimension 2 the voids of a volume. One component never dies, unless there are no pixels.
///
/// # Ties
///
/// Births and deaths do not depend on the order of equal pixels. Which of them becomes a critical pixel does: the order
/// is by value, then by position. Bars and pixels are thus reproducible.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{CubicalComplex, GreyImage};
///
/// // A digit 8, drawn on 5 x 3 pixels, whose lower hole has a gap.
/// #[rustfmt::skip]
/// let eight = [
///     0.9, 0.9, 0.9,
///     0.9, 0.0, 0.9,
///     0.9, 0.9, 0.9,
///     0.9, 0.1, 0.3,
///     0.9, 0.9, 0.9,
/// ];
/// let mut complex = CubicalComplex::default();
/// let [components, holes] = complex.image_diagrams(&GreyImage::new(&eight, [5, 3])?);
/// assert_eq!(components.bars.len(), 1);
/// let holes: Vec<_> = holes.bars.iter().map(|bar| (bar.birth, bar.death)).collect();
/// assert_eq!(holes, [(0.9, 0.0), (0.3, 0.1)]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CubicalComplex<T: Real> {
    settings: Settings<T>,
    planar: PlanarComplex<T>,
    matcher: Matcher<T>,
    volume: VolumeComplex<T>,
}

impl<T: Real> Default for CubicalComplex<T> {
    /// Superlevel sets of pixels that are top-dimensional cells, without a least persistence.
    fn default() -> Self {
        Self::new(Filtration::default(), Construction::default())
    }
}

impl<T: Real> CubicalComplex<T> {
    /// Prepares a filtration and a construction, without a least persistence.
    pub fn new(filtration: Filtration, construction: Construction) -> Self {
        Self {
            settings: Settings {
                filtration,
                construction,
                min_persistence: T::zero(),
            },
            planar: PlanarComplex::default(),
            matcher: Matcher::default(),
            volume: VolumeComplex::default(),
        }
    }

    /// Sets the least persistence of finite bars; shorter ones are left out.
    ///
    /// It keeps the noise of a background out of the diagrams. Essential bars always stay.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if it is negative or NaN.
    pub fn with_min_persistence(mut self, min_persistence: T) -> Result<Self> {
        // NaN is no number of at least 0 either.
        if min_persistence >= T::zero() {
            self.settings.min_persistence = min_persistence;
            Ok(self)
        } else {
            Err(Error::invalid_parameter(format!(
                "min_persistence is {min_persistence}, expected a number of at least 0"
            )))
        }
    }

    /// Computes the diagrams of an image in the dimensions 0 and 1.
    ///
    /// # Cost
    ///
    /// O(n log n) for n pixels in the worst case, by a sort of the pixels at which components or holes meet; one pass
    /// over the image finds these. Memory is about 30 bytes per pixel of `f32`, and 60 bytes more for noise.
    pub fn image_diagrams(&mut self, image: &GreyImage<'_, T>) -> [CubicalDiagram<T>; 2] {
        self.planar.diagrams(image, &self.settings, |_, _| ())
    }

    /// Computes the diagrams of a volume in the dimensions `0..=max_homology_dim`.
    ///
    /// In dimension 0, a component of a clip is one object's life: its frames are connected through time.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the dimension is above 2. [`Error::is_invalid_image`] if it is above 0 and
    /// there are more than [`MAX_REDUCED_VOXELS`] voxels.
    ///
    /// # Cost
    ///
    /// O(n log n) for n voxels in dimension 0, by a union-find. Above, the squares between voxels are sorted as well.
    /// Dimension 2 is a union-find, and dimension 1 the reduction of a matrix, which is cubic at worst and usually
    /// close to linear. Memory is about 100 bytes per voxel in dimension 0, and 300 bytes above.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::{CubicalComplex, Volume};
    ///
    /// // A bright pixel that moves by one column from frame to frame stays one component, also diagonally.
    /// let frame = |column: usize| (0..4).map(move |k| if k == column { 1.0 } else { 0.0 });
    /// let clip: Vec<f32> = frame(0).chain(frame(1)).chain(frame(2)).collect();
    /// let diagrams = CubicalComplex::default().volume_diagrams(&Volume::new(&clip, [3, 1, 4])?, 0)?;
    /// assert_eq!(diagrams[0].bars.len(), 1);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn volume_diagrams(
        &mut self,
        volume: &Volume<'_, T>,
        max_homology_dim: usize,
    ) -> Result<Vec<CubicalDiagram<T>>> {
        if max_homology_dim > 2 {
            return Err(Error::invalid_parameter(format!(
                "max_homology_dim of a volume is {max_homology_dim}, expected at most 2"
            )));
        }
        if max_homology_dim > 0 && volume.values().len() > MAX_REDUCED_VOXELS {
            return Err(Error::invalid_image(format!(
                "volume has {} voxels, expected at most {MAX_REDUCED_VOXELS} for dimensions above 0; use dimension 0 \
                 or a smaller volume",
                volume.values().len()
            )));
        }
        Ok(self
            .volume
            .diagrams(volume, &self.settings, max_homology_dim))
    }

    /// Computes the diagrams of two images of one shape and their Betti matching, see [`BettiMatching`].
    ///
    /// A bar that is too short for the least persistence is in no diagram, and its partner, if it has one, is matched
    /// with the diagonal.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_image`] if the images have different shapes.
    ///
    /// # Cost
    ///
    /// About six times that of the diagrams of one image, and six times its memory.
    pub fn betti_matching(
        &mut self,
        first: &GreyImage<'_, T>,
        second: &GreyImage<'_, T>,
    ) -> Result<BettiMatching<T>> {
        if first.shape() != second.shape() {
            let [[a, b], [c, d]] = [first, second].map(GreyImage::shape);
            return Err(Error::invalid_image(format!(
                "first image has {a} x {b} pixels and the second {c} x {d}, expected the same shape"
            )));
        }
        self.matcher.matching([first, second], &self.settings)
    }
}
