//! Bars of images and volumes, whose ends are pixels.

use crate::real::Real;
use crate::topology::matching::Point;

/// One bar of an image or a volume: birth and death of a homology class, and the pixels that cause them.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{CubicalComplex, GreyImage};
///
/// // Two peaks in a row: the lower one is born at 0.8 and merges with the higher one at 0.2.
/// let image = GreyImage::new(&[0.9, 0.2, 0.8], [1, 3])?;
/// let [components, _] = CubicalComplex::default().image_diagrams(&image);
/// let [lower, higher] = components.bars[..] else { panic!("two components") };
/// assert_eq!((lower.birth, lower.death), (0.8, 0.2));
/// assert_eq!((lower.birth_pixel, lower.death_pixel), (2, Some(1)));
/// assert_eq!((higher.birth, higher.death), (0.9, f64::NEG_INFINITY));
/// assert!(higher.is_essential());
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CubicalBar<T> {
    /// Value at which the class appears: that of the birth pixel.
    pub birth: T,
    /// Value at which the class disappears: that of the death pixel.
    ///
    /// For an essential class it is the end of the filtration: `-inf` for superlevel sets, `inf` for sublevel sets.
    pub death: T,
    /// Pixel at which the class appears, as an index into the values of the image.
    pub birth_pixel: usize,
    /// Pixel at which the class disappears; `None` for an essential class.
    pub death_pixel: Option<usize>,
}

impl<T: Real> CubicalBar<T> {
    /// Persistence of the bar: the difference between birth and death, at least 0.
    pub fn persistence(&self) -> T {
        (self.death - self.birth).abs()
    }

    /// True if the class never dies.
    pub fn is_essential(&self) -> bool {
        self.death_pixel.is_none()
    }

    /// Converts birth and death to `f64`, exactly.
    pub fn to_f64(&self) -> CubicalBar<f64> {
        CubicalBar {
            birth: self.birth.to_f64_exact(),
            death: self.death.to_f64_exact(),
            birth_pixel: self.birth_pixel,
            death_pixel: self.death_pixel,
        }
    }
}

/// Persistence diagram of an image or a volume: all bars of one homology dimension, the finite ones first.
///
/// Finite bars have positive persistence; those of persistence 0 are left out.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{CubicalComplex, Filtration, GreyImage};
///
/// // A bright ring around a dark pixel has one hole, from the value of the ring down to that of the pixel.
/// let ring = [0.7, 0.7, 0.7, 0.7, 0.1, 0.7, 0.7, 0.7, 0.7];
/// let [_, holes] = CubicalComplex::default().image_diagrams(&GreyImage::new(&ring, [3, 3])?);
/// assert_eq!(holes.filtration, Filtration::Superlevel);
/// assert_eq!(holes.finite().map(|bar| (bar.birth, bar.death)).collect::<Vec<_>>(), [(0.7, 0.1)]);
/// // Distances between diagrams expect births below deaths.
/// assert_eq!(holes.points(), [[-0.7, -0.1]]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CubicalDiagram<T> {
    /// Homology dimension of every bar.
    pub homology_dim: usize,
    /// Direction of the filtration, which says whether births lie above or below deaths.
    pub filtration: Filtration,
    /// Finite bars, then essential bars; in the order of their deaths in dimension 0, of their births above.
    pub bars: Vec<CubicalBar<T>>,
}

impl<T: Real> CubicalDiagram<T> {
    /// Finite bars: those of classes that die.
    pub fn finite(&self) -> impl Iterator<Item = &CubicalBar<T>> {
        self.bars.iter().filter(|bar| !bar.is_essential())
    }

    /// Essential bars: those of classes that never die.
    pub fn essential(&self) -> impl Iterator<Item = &CubicalBar<T>> {
        self.bars.iter().filter(|bar| bar.is_essential())
    }

    /// Bars as points with the birth below the death, as [`wasserstein()`](crate::topology::wasserstein()) and the
    /// other distances expect them.
    ///
    /// They are `[birth, death]` for sublevel sets and `[-birth, -death]` for superlevel sets, so the derivative with
    /// respect to a value of the image has the opposite sign there.
    pub fn points(&self) -> Vec<Point> {
        let sign = self.filtration.sign();
        let point =
            |bar: &CubicalBar<T>| [bar.birth, bar.death].map(|end| sign * end.to_f64_exact());
        self.bars.iter().map(point).collect()
    }

    /// Converts derivatives with respect to [`points`](Self::points) to derivatives with respect to pixels.
    ///
    /// Pixels whose derivative is 0 are left out. A pixel can occur several times; its derivatives are to be added.
    ///
    /// # Panics
    ///
    /// If there is not one derivative for each bar.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::{CubicalComplex, GreyImage};
    ///
    /// let image = GreyImage::new(&[0.9, 0.2, 0.8], [1, 3])?;
    /// let [components, _] = CubicalComplex::default().image_diagrams(&image);
    /// // The persistence of the finite bar, 0.8 - 0.2, as a function of its point [-0.8, -0.2].
    /// let gradient = components.pixel_gradient(&[[-1.0, 1.0], [0.0, 0.0]]);
    /// assert_eq!(gradient, [(2, 1.0), (1, -1.0)]);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn pixel_gradient(&self, point_gradient: &[[f64; 2]]) -> PixelGradient {
        assert_eq!(
            point_gradient.len(),
            self.bars.len(),
            "one derivative for each bar"
        );
        let sign = self.filtration.sign();
        let ends = self
            .bars
            .iter()
            .zip(point_gradient)
            .flat_map(|(bar, [birth, death])| {
                [(Some(bar.birth_pixel), birth), (bar.death_pixel, death)]
            });
        ends.filter(|(_, derivative)| **derivative != 0.0)
            .filter_map(|(pixel, derivative)| Some((pixel?, sign * derivative)))
            .collect()
    }

    /// Converts all births and deaths to `f64`, exactly.
    pub fn to_f64(&self) -> CubicalDiagram<f64> {
        CubicalDiagram {
            homology_dim: self.homology_dim,
            filtration: self.filtration,
            bars: self.bars.iter().map(CubicalBar::to_f64).collect(),
        }
    }
}

/// Derivatives of a number with respect to pixels of one image, each with the index of its pixel.
pub type PixelGradient = Vec<(usize, f64)>;

/// Direction of the filtration of an image: which pixels enter first.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{CubicalComplex, Filtration, GreyImage};
///
/// let pit = [0.9, 0.2, 0.8];
/// let image = GreyImage::new(&pit, [1, 3])?;
/// let births = |filtration| {
///     let [components, _] = CubicalComplex::new(filtration, Default::default()).image_diagrams(&image);
///     components.bars.iter().map(|bar| bar.birth).collect::<Vec<_>>()
/// };
/// assert_eq!(births(Filtration::Superlevel), [0.8, 0.9]);
/// assert_eq!(births(Filtration::Sublevel), [0.2]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Filtration {
    /// Superlevel sets: bright pixels enter first, so births lie above deaths. Bright things are components.
    #[default]
    Superlevel,
    /// Sublevel sets: dark pixels enter first, so births lie below deaths. Dark things are components.
    Sublevel,
}

impl Filtration {
    /// Factor that makes early pixels small.
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Superlevel => -1.0,
            Self::Sublevel => 1.0,
        }
    }

    /// Value of an image, negated for superlevel sets: pixels enter in its ascending order.
    pub(super) fn ascending<T: Real>(self, value: T) -> T {
        match self {
            Self::Superlevel => -value,
            Self::Sublevel => value,
        }
    }

    /// Death of a class that never dies.
    pub(super) fn end<T: Real>(self) -> T {
        self.ascending(T::infinity())
    }
}

/// Construction of a cubical complex from pixels, which decides whether diagonal neighbours are connected.
///
/// | construction | a pixel is | foreground in 2-D, 3-D | background in 2-D, 3-D |
/// |---|---|---|---|
/// | `TopCells` | a closed square or cube (T-construction) | 8-, 26-connected | 4-, 6-connected |
/// | `Vertices` | a vertex (V-construction) | 4-, 6-connected | 8-, 26-connected |
///
/// The foreground are the pixels that have entered the filtration. Holes are components of the background that do not
/// reach the border. Of a superlevel filtration with `TopCells`, the Betti numbers at each threshold are those of
/// `video_metrics::betti_numbers`.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{Construction, CubicalComplex, Filtration, GreyImage};
///
/// // Two pixels that touch at a corner.
/// let image = GreyImage::new(&[1.0, 0.0, 0.0, 1.0], [2, 2])?;
/// let components = |construction| {
///     let mut complex = CubicalComplex::new(Filtration::Superlevel, construction);
///     complex.image_diagrams(&image)[0].bars.len()
/// };
/// assert_eq!(components(Construction::TopCells), 1);
/// assert_eq!(components(Construction::Vertices), 2);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Construction {
    /// T-construction: pixels are top-dimensional cells, and other cells enter with the first cell that they bound.
    #[default]
    TopCells,
    /// V-construction: pixels are vertices, and other cells enter with their last vertex.
    Vertices,
}
