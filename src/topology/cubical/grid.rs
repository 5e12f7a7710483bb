//! Checked grey images and volumes.

use crate::error::{Error, Result};
use crate::real::Real;

/// Largest number of pixels of an image, or of voxels of a volume: 4,096 x 4,096.
///
/// The diagrams of an image of this size take about a gigabyte of memory while they are computed.
pub const MAX_PIXELS: usize = 1 << 24;

/// Grey image: one value per pixel, without NaN.
///
/// Infinite values are allowed. They enter a filtration first or last, as any very large number would.
///
/// # Shapes
///
/// - values: `[height, width]`, row by row. *Pixel* `k` lies in row `k / width` and column `k % width`.
///
/// # Example
///
/// ```
/// use burn_topology::topology::GreyImage;
///
/// let image = GreyImage::new(&[0.0, 0.5, 1.0, 0.25], [2, 2])?;
/// assert_eq!(image.shape(), [2, 2]);
/// let error = GreyImage::new(&[0.0, f32::NAN], [1, 2]).unwrap_err();
/// assert_eq!(error.to_string(), "pixel in row 0, column 1 is NaN, expected a number");
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GreyImage<'a, T> {
    values: &'a [T],
    shape: [usize; 2],
}

impl<'a, T: Real> GreyImage<'a, T> {
    /// Checks the values of an image of a height and a width; either may be 0.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_image`] if the number of values is not `height * width`, a value is NaN, or there are
    /// more than [`MAX_PIXELS`] pixels.
    ///
    /// # Cost
    ///
    /// One pass over the values, none of which is copied.
    pub fn new(values: &'a [T], shape: [usize; 2]) -> Result<Self> {
        check_size("image", values.len(), &shape)?;
        if let Some(k) = position_of_nan(values) {
            let [row, column] = [k / shape[1], k % shape[1]];
            return Err(Error::invalid_image(format!(
                "pixel in row {row}, column {column} is NaN, expected a number"
            )));
        }
        Ok(Self { values, shape })
    }

    /// Values of the pixels, `[height, width]`, row by row.
    pub fn values(&self) -> &'a [T] {
        self.values
    }

    /// Height and width.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }
}

/// Volume: one value per voxel, without NaN; for instance the frames of a clip, one behind the other.
///
/// # Shapes
///
/// - values: `[depth, height, width]`, the last index fastest. *Pixel* `k` of a volume is the voxel of this index.
///
/// # Example
///
/// ```
/// use burn_topology::topology::Volume;
///
/// let clip = Volume::new(&[0.0; 24], [2, 3, 4])?;
/// assert_eq!(clip.shape(), [2, 3, 4]);
/// assert!(Volume::new(&[0.0; 23], [2, 3, 4]).unwrap_err().is_invalid_image());
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume<'a, T> {
    values: &'a [T],
    shape: [usize; 3],
}

impl<'a, T: Real> Volume<'a, T> {
    /// Checks the values of a volume of a depth, a height and a width; each may be 0.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_image`] if the number of values is not `depth * height * width`, a value is NaN, or
    /// there are more than [`MAX_PIXELS`] voxels.
    ///
    /// # Cost
    ///
    /// One pass over the values, none of which is copied.
    pub fn new(values: &'a [T], shape: [usize; 3]) -> Result<Self> {
        check_size("volume", values.len(), &shape)?;
        if let Some(k) = position_of_nan(values) {
            let [_, height, width] = shape;
            let [frame, row, column] = [k / (height * width), k / width % height, k % width];
            return Err(Error::invalid_image(format!(
                "voxel in frame {frame}, row {row}, column {column} is NaN, expected a number"
            )));
        }
        Ok(Self { values, shape })
    }

    /// Values of the voxels, `[depth, height, width]`, the last index fastest.
    pub fn values(&self) -> &'a [T] {
        self.values
    }

    /// Depth, height and width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }
}

/// Checks the number of values against the shape, and the shape against the limit.
fn check_size(what: &str, n_values: usize, shape: &[usize]) -> Result<()> {
    let sides = shape.iter().map(ToString::to_string).collect::<Vec<_>>();
    let sides = sides.join(" x ");
    let n_pixels = shape
        .iter()
        .try_fold(1_usize, |product, &side| product.checked_mul(side))
        .filter(|&n_pixels| n_pixels <= MAX_PIXELS)
        // A side that is 0 must not hide one whose padded rows would not fit into memory.
        .filter(|_| shape.iter().all(|&side| side <= MAX_PIXELS));
    match n_pixels {
        Some(n_pixels) if n_pixels == n_values => Ok(()),
        Some(_) => Err(Error::invalid_image(format!(
            "{what} has {n_values} values, expected {sides}"
        ))),
        None => Err(Error::invalid_image(format!(
            "{what} of {sides} pixels is too large, expected at most {MAX_PIXELS}; make it smaller or cut it into parts"
        ))),
    }
}

/// Position of the first NaN.
fn position_of_nan<T: Real>(values: &[T]) -> Option<usize> {
    // Without an early exit, so that the compiler can vectorise the usual case.
    let has_nan = values.iter().fold(false, |any, value| any | value.is_nan());
    if !has_nan {
        return None;
    }
    values.iter().position(|value| value.is_nan())
}
