//! The two types of numbers that distances are taken in.

use super::vectorized::Extension;
use crate::real::Real;
use std::fmt::Debug;

/// What the Jensen-Shannon distance needs of a type; out of reach, so that no type can be added.
pub trait Kernel: Sized {
    /// Up to [`LANES`](Self::LANES) consecutive outcomes of a row, prepared for the kernel.
    type Lanes: Copy + Debug + Default + Send + Sync;

    /// Outcomes in one [`Lanes`](Self::Lanes).
    const LANES: usize;

    /// Prepares 1 to `LANES` outcomes; absent ones count as zero mass, which adds nothing.
    fn prepare(outcomes: &[Self]) -> Self::Lanes;

    /// Divergences of `p` from each of `q`, symmetric bit for bit.
    fn divergences<const N: usize>(
        extension: Extension,
        p: &[Self::Lanes],
        q: [&[Self::Lanes]; N],
    ) -> [f64; N];

    /// Adds what one outcome contributes to the divergences of point `i` from all points before it;
    /// `outcome` has the masses of all points, in lanes.
    fn add_outcome(
        extension: Extension,
        i: usize,
        outcome: &[Self::Lanes],
        divergences: &mut [f64],
    );

    /// Adds `scale * ln(2 p / (p + q))` to the gradient of `p`, and likewise for `q`.
    fn add_log_ratios(
        extension: Extension,
        rows: [&[Self]; 2],
        scale: f64,
        gradients: [&mut [Self]; 2],
    );
}

/// A floating-point type that distances can be taken in: `f32` (fast) or `f64` (accurate).
///
/// # Example
///
/// ```
/// use burn_topology::distance::{DistanceElement, PairwiseDistances, RowDistance};
///
/// fn apart<T: DistanceElement>(rows: &[T; 4]) -> T {
///     let mut distances = [T::zero(); 4];
///     PairwiseDistances::default().compute(RowDistance::JENSEN_SHANNON, rows, 2, &mut distances);
///     distances[1]
/// }
/// let nearly_equal = apart(&[0.5, 0.5, 0.5 + 1e-7, 0.5 - 1e-7]);
/// assert!((nearly_equal / 7.071067811865e-8 - 1.0_f64).abs() < 1e-8);
/// assert_eq!(apart(&[0.25_f32, 0.75, 0.25, 0.75]), 0.0);
/// ```
pub trait DistanceElement: Real + Kernel {}

impl DistanceElement for f32 {}
impl DistanceElement for f64 {}
