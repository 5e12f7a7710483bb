//! The two floating-point types of distances: `f32` and `f64`.

use std::fmt::{Debug, Display};
use std::iter::Sum;

/// Floating-point type of distances, `f32` or `f64`, whose non-negative values can be sorted as integers.
///
/// # Example
///
/// ```
/// use burn_topology::Real;
///
/// // Edges of a filtration are sorted by the bits of their lengths.
/// assert!(0.5_f32.sortable_bits() < 2.0_f32.sortable_bits());
/// assert!(2.0_f32.sortable_bits() < f32::INFINITY.sortable_bits());
/// assert_eq!((-0.0_f64).sortable_bits(), 0.0_f64.sortable_bits());
/// ```
pub trait Real:
    num_traits::Float + num_traits::FloatConst + Debug + Display + Default + Sum + Send + Sync + 'static
{
    /// Bits of a non-negative value, whose order as unsigned integers is the order of the values.
    type Bits: Copy + Ord + Into<u64> + Debug + Send + Sync;

    /// Returns the bits of `self`, which must not be negative or NaN; `-0.0` counts as `0.0`.
    fn sortable_bits(self) -> Self::Bits;

    /// Converts to `f64`, exactly.
    fn to_f64_exact(self) -> f64;

    /// Converts to `f32`, to the nearest value.
    fn to_f32_nearest(self) -> f32;

    /// Converts from `f64`, to the nearest value of this type.
    fn from_f64_nearest(value: f64) -> Self;
}

impl Real for f32 {
    type Bits = u32;

    fn sortable_bits(self) -> u32 {
        // Adding zero turns `-0.0`, whose sign bit would sort last, into `0.0`.
        (self + 0.0).to_bits()
    }

    fn to_f64_exact(self) -> f64 {
        f64::from(self)
    }

    fn to_f32_nearest(self) -> f32 {
        self
    }

    fn from_f64_nearest(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    type Bits = u64;

    fn sortable_bits(self) -> u64 {
        // As for `f32`: `-0.0` becomes `0.0`.
        (self + 0.0).to_bits()
    }

    fn to_f64_exact(self) -> f64 {
        self
    }

    fn to_f32_nearest(self) -> f32 {
        self as f32
    }

    fn from_f64_nearest(value: f64) -> Self {
        value
    }
}
