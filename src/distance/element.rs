//! The two floating-point types of rows, and what the kernels need of them.

use super::extension::Extension;
use crate::real::Real;
use std::fmt::Debug;

/// Jensen-Shannon kernel of one floating-point type.
///
/// The trait is sealed: its module is private, so that no other type can implement [`DistanceElement`].
pub trait Kernel: Sized {
    /// Up to [`LANES`](Self::LANES) consecutive outcomes of a row, prepared for the kernel.
    type Lanes: Copy + Debug + Default + Send + Sync;

    /// Number of outcomes in one [`Lanes`](Self::Lanes).
    const LANES: usize;

    /// Prepares 1 to `LANES` outcomes for the kernel, with their masses multiplied by `scale`, a power of 16.
    ///
    /// Missing outcomes get zero mass, which adds nothing to a divergence.
    fn prepare(outcomes: &[Self], scale: Self) -> Self::Lanes;

    /// Jensen-Shannon divergences between `p` and each of `q`, multiplied by the scale of the lanes.
    ///
    /// Symmetric bit for bit: exchanging `p` and one of `q` gives the same number.
    fn divergences<const N: usize>(
        extension: Extension,
        p: &[Self::Lanes],
        q: [&[Self::Lanes]; N],
    ) -> [f64; N];

    /// Adds the terms of one outcome to the divergences between point `i` and all points before it.
    ///
    /// `outcome` holds the masses that all points give to this outcome, in lanes.
    fn add_outcome(
        extension: Extension,
        i: usize,
        outcome: &[Self::Lanes],
        divergences: &mut [f64],
    );

    /// Adds the terms of the first `n` outcomes of one pair of lanes to their divergence, one after the other.
    ///
    /// The same additions as those of [`add_outcome`](Self::add_outcome) for `n` outcomes, with the same result.
    fn add_terms(extension: Extension, lanes: [&Self::Lanes; 2], n: usize, divergence: &mut f64);

    /// Adds `scale * ln(2 p / (p + q))` to the gradient of `p`, and likewise for `q`.
    fn add_log_ratios(
        extension: Extension,
        rows: [&[Self]; 2],
        scale: f64,
        gradients: [&mut [Self]; 2],
    );
}

/// Floating-point type of rows and distances: `f32` (fast) or `f64` (accurate).
///
/// # Example
///
/// ```
/// use burn_topology::distance::{DistanceElement, PairwiseDistances, RowDistance};
///
/// fn distance<T: DistanceElement>(rows: &[T; 4]) -> T {
///     let mut distances = [T::zero(); 4];
///     PairwiseDistances::default().compute(RowDistance::JENSEN_SHANNON, rows, 2, &mut distances);
///     distances[1]
/// }
/// let nearly_equal = distance(&[0.5, 0.5, 0.5 + 1e-7, 0.5 - 1e-7]);
/// assert!((nearly_equal / 7.071067811865e-8 - 1.0_f64).abs() < 1e-8);
/// assert_eq!(distance(&[0.25_f32, 0.75, 0.25, 0.75]), 0.0);
/// ```
pub trait DistanceElement: Real + Kernel {}

impl DistanceElement for f32 {}
impl DistanceElement for f64 {}
