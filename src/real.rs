//! The two floating-point types the engine runs on.

use std::fmt::{Debug, Display};
use std::iter::Sum;

/// `f32` or `f64`, with the bit pattern that sorts like the value.
///
/// # Example
///
/// ```
/// use burn_topology::Real;
///
/// // A filtration is sorted by integers.
/// assert!(0.5_f32.sortable_bits() < 2.0_f32.sortable_bits());
/// assert!(2.0_f32.sortable_bits() < f32::INFINITY.sortable_bits());
/// assert_eq!((-0.0_f64).sortable_bits(), 0.0_f64.sortable_bits());
/// ```
pub trait Real:
    num_traits::Float + num_traits::FloatConst + Debug + Display + Default + Sum + Send + Sync + 'static
{
    /// Bits of a non-negative value; unsigned order of the bits is the order of the values.
    type Bits: Copy + Ord + Into<u64> + Debug + Send + Sync;

    /// The sortable bits of `self`, which must not be negative or NaN; `-0.0` counts as `0.0`.
    fn sortable_bits(self) -> Self::Bits;

    /// `self` as `f64`, exact.
    fn to_f64_exact(self) -> f64;

    /// The nearest value of this type to `value`.
    fn from_f64_nearest(value: f64) -> Self;
}

impl Real for f32 {
    type Bits = u32;

    fn sortable_bits(self) -> u32 {
        (self + 0.0).to_bits()
    }

    fn to_f64_exact(self) -> f64 {
        f64::from(self)
    }

    fn from_f64_nearest(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    type Bits = u64;

    fn sortable_bits(self) -> u64 {
        (self + 0.0).to_bits()
    }

    fn to_f64_exact(self) -> f64 {
        self
    }

    fn from_f64_nearest(value: f64) -> Self {
        value
    }
}
