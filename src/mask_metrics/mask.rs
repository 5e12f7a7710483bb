//! Binary mask of an image.

/// Binary mask of an image: which of its pixels are foreground.
///
/// # Example
///
/// ```
/// use burn_topology::mask_metrics::Mask;
///
/// let mask = Mask::above(&[0.9, 0.2, 0.5, 0.7], [2, 2], 0.5);
/// assert_eq!(mask.pixels(), [true, false, false, true]);
/// assert_eq!(mask.area(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    is_foreground: Vec<bool>,
    shape: [usize; 2],
}

impl Mask {
    /// Creates a mask from its pixels, row by row; `shape` is `[height, width]`.
    ///
    /// # Panics
    ///
    /// If the number of pixels is not `height * width`.
    pub fn new(is_foreground: Vec<bool>, shape: [usize; 2]) -> Self {
        assert_eq!(
            is_foreground.len(),
            shape[0] * shape[1],
            "the number of pixels of the mask is not height * width"
        );
        Self {
            is_foreground,
            shape,
        }
    }

    /// Creates the mask of all pixels above a threshold.
    ///
    /// # Panics
    ///
    /// If the number of pixels is not `height * width`.
    pub fn above(pixels: &[f32], shape: [usize; 2], threshold: f32) -> Self {
        Self::new(
            pixels.iter().map(|&pixel| pixel > threshold).collect(),
            shape,
        )
    }

    /// Pixels row by row; true for the foreground.
    pub fn pixels(&self) -> &[bool] {
        &self.is_foreground
    }

    /// Height and width, in pixels.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Number of pixels of the foreground.
    pub fn area(&self) -> usize {
        self.is_foreground.iter().filter(|&&pixel| pixel).count()
    }

    /// Rows and columns of the pixels of the foreground.
    pub(super) fn points(&self) -> impl Iterator<Item = [usize; 2]> {
        let width = self.shape[1];
        let indices = (0..self.is_foreground.len()).filter(|&index| self.is_foreground[index]);
        indices.map(move |index| [index / width, index % width])
    }

    /// Number of pixels that are foreground in both masks.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub(super) fn common_area(&self, other: &Self) -> usize {
        assert_eq!(self.shape, other.shape, "the masks differ in shape");
        let pairs = self.is_foreground.iter().zip(&other.is_foreground);
        pairs.filter(|(a, b)| **a && **b).count()
    }
}
