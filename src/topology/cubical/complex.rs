//! Persistence diagrams of images and volumes.

use super::bars::{Construction, CubicalBar, CubicalDiagram, Filtration};
use super::betti_matching::Matcher;
use super::grid::{GreyImage, Volume};
use super::planar::{CellPair, PlanarComplex};
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
    pub(super) settings: Settings<T>,
    planar: PlanarComplex<T>,
    pub(super) matcher: Matcher<T>,
    volume: VolumeComplex<T>,
}

/// Choices that a diagram depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<T> {
    pub(super) filtration: Filtration,
    pub(super) construction: Construction,
    min_persistence: T,
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
        // Written so that NaN fails.
        if !(min_persistence >= T::zero()) {
            return Err(Error::invalid_parameter(format!(
                "min_persistence is {min_persistence}, expected a number of at least 0"
            )));
        }
        self.settings.min_persistence = min_persistence;
        Ok(self)
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
}

impl<T: Real> Settings<T> {
    /// A diagram without bars.
    pub(super) fn empty_diagram(&self, homology_dim: usize) -> CubicalDiagram<T> {
        CubicalDiagram {
            homology_dim,
            filtration: self.filtration,
            bars: Vec::new(),
        }
    }

    /// Finite bar between two pixels; `None` if it is too short.
    pub(super) fn finite_bar(
        &self,
        values: &[T],
        [birth, death]: [usize; 2],
    ) -> Option<CubicalBar<T>> {
        let bar = CubicalBar {
            birth: values[birth],
            death: values[death],
            birth_pixel: birth,
            death_pixel: Some(death),
        };
        (bar.persistence() >= self.min_persistence).then_some(bar)
    }

    /// Essential bar that is born at a pixel.
    pub(super) fn essential_bar(&self, values: &[T], birth: usize) -> CubicalBar<T> {
        CubicalBar {
            birth: values[birth],
            death: self.filtration.end(),
            birth_pixel: birth,
            death_pixel: None,
        }
    }
}

impl<T: Real> PlanarComplex<T> {
    /// Computes the diagrams of an image.
    ///
    /// `record` is called with the dimension and the cells of each finite bar, in the order of the diagrams.
    pub(super) fn diagrams(
        &mut self,
        image: &GreyImage<'_, T>,
        settings: &Settings<T>,
        mut record: impl FnMut(usize, CellPair),
    ) -> [CubicalDiagram<T>; 2] {
        let mut diagrams = [0, 1].map(|dim| settings.empty_diagram(dim));
        let values = image.values();
        if values.is_empty() {
            return diagrams;
        }
        self.pair(image, settings.filtration, settings.construction);
        let [components, holes] = diagrams.each_mut().map(|diagram| &mut diagram.bars);
        for pair in &self.components {
            let pixels = [self.vertex_pixel(pair.cell), self.edge_pixel(pair.edge)];
            if let Some(bar) = settings.finite_bar(values, pixels) {
                record(0, *pair);
                components.push(bar);
            }
        }
        let essential = self.essential_vertex();
        components.push(settings.essential_bar(values, self.vertex_pixel(essential)));
        for pair in self.holes.iter().rev() {
            let pixels = [self.edge_pixel(pair.edge), self.face_pixel(pair.cell)];
            if let Some(bar) = settings.finite_bar(values, pixels) {
                record(1, *pair);
                holes.push(bar);
            }
        }
        diagrams
    }
}
