//! Persistence of grey images and volumes from files.

use std::path::Path;

use super::batched::in_batches;
use crate::data::{Matrices, MatrixValues, read_grey_image, read_matrices, shape_of_array};
use crate::error::{Error, Result};
use crate::real::Real;
use crate::topology::{
    Construction, CubicalComplex, CubicalDiagram, Filtration, GreyImage, MAX_PIXELS, Volume,
};

/// Settings for the persistence of grey images, or of one volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImagePersistence {
    /// Direction of the filtration.
    pub filtration: Filtration,
    /// Construction, which decides on the connectivity.
    pub construction: Construction,
    /// Largest homology dimension: at most 1 for images, 2 for a volume.
    pub max_homology_dim: usize,
    /// Least persistence of finite bars, in the units of the pixels.
    pub min_persistence: f64,
    /// True if a stack is one volume, false if it is a list of images.
    pub is_volume: bool,
}

/// Number of images for each thread between two calls of `progress`.
const IMAGES_PER_REPORT: usize = 8;

/// Reads grey images: an `.npy` array of one image or a stack, or a picture as one image with pixels from 0 to 1.
///
/// # Errors
///
/// Those of [`read_matrices`] for a file that begins as an `.npy` file or has its extension, and those of
/// [`read_grey_image`] for any other. [`Error::is_invalid_image`] if the images of an array, or the whole of a volume, have
/// more than [`MAX_PIXELS`] pixels; the numbers are then not read.
pub fn read_grey_images(path: &Path, is_volume: bool) -> Result<Matrices> {
    let shape = shape_of_array(path);
    if let Some(shape) = &shape {
        // Of other numbers of axes, the reader says that they are wrong.
        let n_axes = if is_volume { 3 } else { 2 };
        let sides = &shape[shape.len().saturating_sub(n_axes)..];
        let n_pixels = sides.iter().try_fold(1_u64, |n, &side| n.checked_mul(side));
        if n_pixels.is_none_or(|n| n > MAX_PIXELS as u64) {
            let sides: Vec<String> = sides.iter().map(u64::to_string).collect();
            return Err(Error::invalid_image(format!(
                "{}: {} of {} pixels is too large, expected at most {MAX_PIXELS}; make it smaller or cut it into parts",
                path.display(),
                if is_volume { "volume" } else { "image" },
                sides.join(" x ")
            )));
        }
    }
    if shape.is_some() || path.extension().is_some_and(|extension| extension == "npy") {
        return read_matrices(path);
    }
    let (values, [height, width]) = read_grey_image(path)?;
    Ok(Matrices {
        shape: [1, height, width],
        is_stack: false,
        values: MatrixValues::F32(values),
    })
}

impl ImagePersistence {
    /// Computes the diagrams by image and homology dimension, in the precision of the file. `progress` is called with
    /// the number of images done. A volume is one item.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_image`] for the first image with a pixel that is not finite or with more than
    /// [`MAX_PIXELS`](crate::topology::MAX_PIXELS) pixels, and for a single image where a volume is expected.
    /// [`Error::is_invalid_parameter`] if the dimension is too large or the least persistence negative.
    pub fn diagrams(
        self,
        images: &Matrices,
        progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<CubicalDiagram<f64>>>> {
        match &images.values {
            MatrixValues::F32(values) => self.typed_diagrams(values, images, progress),
            MatrixValues::F64(values) => self.typed_diagrams(values, images, progress),
        }
    }

    /// [`Self::diagrams`] for one element type.
    fn typed_diagrams<T: Real>(
        self,
        values: &[T],
        images: &Matrices,
        progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<CubicalDiagram<f64>>>> {
        let complex = CubicalComplex::new(self.filtration, self.construction)
            .with_min_persistence(T::from_f64_nearest(self.min_persistence))?;
        if self.is_volume {
            return Ok(vec![self.volume_diagrams(values, images, complex)?]);
        }
        if self.max_homology_dim > 1 {
            return Err(Error::invalid_parameter(format!(
                "max_homology_dim of an image is {}, expected 0 for components or 1 for holes",
                self.max_homology_dim
            )));
        }
        let [n_images, height, width] = images.shape;
        let image = |k: usize| &values[k * height * width..][..height * width];
        let diagrams = |complex: &mut _, k| {
            let diagrams = self.image_diagrams(image(k), [height, width], complex);
            diagrams.map_err(|error| {
                if images.is_stack {
                    error.within(format_args!("image {k}"))
                } else {
                    error
                }
            })
        };
        in_batches(n_images, IMAGES_PER_REPORT, &complex, diagrams, progress)
    }

    /// Diagrams of one image.
    fn image_diagrams<T: Real>(
        self,
        values: &[T],
        shape: [usize; 2],
        complex: &mut CubicalComplex<T>,
    ) -> Result<Vec<CubicalDiagram<f64>>> {
        let image = GreyImage::new(values, shape)?;
        if let Some(k) = values.iter().position(|value| value.is_infinite()) {
            return Err(Error::invalid_image(format!(
                "pixel in row {}, column {} is {}, expected a finite number",
                k / shape[1],
                k % shape[1],
                values[k]
            )));
        }
        let mut diagrams = complex
            .image_diagrams(&image)
            .map(|diagram| diagram.to_f64())
            .to_vec();
        diagrams.truncate(self.max_homology_dim + 1);
        Ok(diagrams)
    }

    /// Diagrams of a stack as one volume.
    fn volume_diagrams<T: Real>(
        self,
        values: &[T],
        images: &Matrices,
        mut complex: CubicalComplex<T>,
    ) -> Result<Vec<CubicalDiagram<f64>>> {
        if !images.is_stack {
            return Err(Error::invalid_image(
                "this is one image, expected an .npy array [frames, rows, columns] for a volume; use --input image for \
                 an image",
            ));
        }
        let volume = Volume::new(values, images.shape)?;
        let [_, height, width] = images.shape;
        if let Some(k) = values.iter().position(|value| value.is_infinite()) {
            return Err(Error::invalid_image(format!(
                "voxel in frame {}, row {}, column {} is {}, expected a finite number",
                k / (height * width),
                k / width % height,
                k % width,
                values[k]
            )));
        }
        let diagrams = complex.volume_diagrams(&volume, self.max_homology_dim)?;
        Ok(diagrams.iter().map(CubicalDiagram::to_f64).collect())
    }
}
