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
    type Bits: Copy + Ord + Into<u64> + num_traits::Bounded + Debug + Send + Sync;

    /// Returns the bits of `self`, which must not be negative or NaN; `-0.0` counts as `0.0`.
    fn sortable_bits(self) -> Self::Bits;

    /// Returns bits of any value but NaN whose order as unsigned integers is the order of the values.
    ///
    /// `-0.0` counts as `0.0`. The largest integer belongs to no value.
    fn ordered_bits(self) -> Self::Bits;

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

    fn ordered_bits(self) -> u32 {
        ordered(self.sortable_bits(), 1 << 31)
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

    fn ordered_bits(self) -> u64 {
        ordered(self.sortable_bits(), 1 << 63)
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

/// Maps the bits of floating-point numbers, of which one is the sign, to integers in the order of the numbers.
fn ordered<B: num_traits::PrimInt>(bits: B, sign: B) -> B {
    // Negative numbers grow as their bits fall, and lie below all others.
    if bits & sign == B::zero() {
        bits | sign
    } else {
        !bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_bits_have_the_order_of_the_values() {
        let values = [
            f64::NEG_INFINITY,
            -2.5,
            -1e-310,
            -0.0,
            1e-310,
            2.5,
            f64::INFINITY,
        ];
        for pair in values.windows(2) {
            assert!(pair[0].ordered_bits() < pair[1].ordered_bits());
            let [low, high] = [0, 1].map(|k| (pair[k] as f32).ordered_bits());
            assert!(low <= high);
        }
        assert_eq!((-0.0_f64).ordered_bits(), 0.0_f64.ordered_bits());
        assert_eq!((-0.0_f32).ordered_bits(), 0.0_f32.ordered_bits());
        assert!(f32::INFINITY.ordered_bits() < u32::MAX);
        assert!(f64::INFINITY.ordered_bits() < u64::MAX);
    }
}
