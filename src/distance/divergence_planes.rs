//! Portable kernels of bounds for Jensen-Shannon divergences, which the compiler turns into vector instructions.
//!
//! [`divergence_bounds`](super::divergence_bounds) has the formulas and the errors. [`vectorized`](super::vectorized)
//! compiles these kernels for each vector extension.

use super::gram::{Block, PANEL};
use super::jensen_shannon_f32::{SQRT_HALF, mul_add};

/// Angle of the waves per unit of the logarithm of a mass.
const FREQUENCY: f64 = 0.6;

/// Coefficients `[c1, c2]` of lower bounds `c1 A + c2 B` of the divergence.
///
/// Fitted by `scripts/fit_jensen_shannon_bounds.py`, as are [`UPPER_PLANES`].
const LOWER_PLANES: [[f32; 2]; 8] = [
    [0.24510898, 0.10051793],
    [0.17867748, 0.13146882],
    [0.24710354, 0.099469],
    [0.21327375, 0.1161075],
    [0.1617504, 0.13860168],
    [0.19694857, 0.12350891],
    [0.22640735, 0.10989816],
    [0.23817234, 0.10408563],
];

/// Coefficients `[c0, c1, c2]` of upper bounds `c0 s + c1 A + c2 B` of the divergence.
const UPPER_PLANES: [[f32; 3]; 8] = [
    [8.425926e-06, 0.25561276, 0.09978424],
    [0.0010545974, 0.26183447, 0.09313976],
    [0.32939368, 0.046347417, -0.029047912],
    [0.00018101861, 0.25807065, 0.09737356],
    [0.003565284, 0.26572788, 0.08732708],
    [2.1147395e-07, 0.255023, 0.100341745],
    [4.3382643e-05, 0.25650135, 0.09893737],
    [0.00045226826, 0.25972423, 0.095615625],
];

/// Number that a bound of an error in `A` or `B` may be multiplied by: above all coefficients of `A` and `B`.
pub(super) const LARGEST_COEFFICIENT: f64 = 0.28;

/// Coordinates of one mass: its square root, and the root times the cosine and the sine of the wave.
pub(super) type Coordinates = [f32; 3];

/// Terms of sixteen points from which the bounds of their divergences are computed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PointTerms {
    /// Squared lengths of the coordinates, of the roots and of the waves.
    pub(super) squares: [[f32; PANEL]; 2],
    /// Sum of the masses.
    pub(super) sum: [f32; PANEL],
    /// Part of the absolute error of a bound that belongs to the point.
    pub(super) slack: [f32; PANEL],
}

/// Computes the coordinates of all masses of a panel relative to an origin, and returns the sums of the masses.
///
/// The `n_columns` roots come first, then the `2 n_columns` waves. To be inlined into a function that is compiled for a
/// vector extension.
#[inline(always)]
pub(super) fn coordinates_f32<const FMA: bool>(
    masses: &[[f32; PANEL]],
    origin: &[Coordinates],
    coordinates: &mut [[f32; PANEL]],
) -> [f64; PANEL] {
    let (roots, waves) = coordinates.split_at_mut(masses.len());
    let (waves, _) = waves.as_chunks_mut::<2>();
    let mut sums = [0.0; PANEL];
    let outputs = roots.iter_mut().zip(waves);
    for ((mass, origin), (root, [cosine, sine])) in masses.iter().zip(origin).zip(outputs) {
        // Counted loops over local arrays, which the compiler vectorises.
        let mut of_mass = [[0.0; PANEL]; 3];
        for k in 0..PANEL {
            [of_mass[0][k], of_mass[1][k], of_mass[2][k]] = coordinates_of::<FMA>(mass[k]);
        }
        for k in 0..PANEL {
            root[k] = of_mass[0][k] - origin[0];
            cosine[k] = of_mass[1][k] - origin[1];
            sine[k] = of_mass[2][k] - origin[2];
        }
        for k in 0..PANEL {
            sums[k] += f64::from(mass[k]);
        }
    }
    sums
}

/// Coefficients of `atanh(z) / z` in powers of `z^2`.
const LOGARITHM: [f32; 5] = [1.0, 1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0];

/// Coefficients of `sin(x) / x` in powers of `x^2`.
const SINE: [f32; 6] = [
    1.0,
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
];

/// Coefficients of `cos(x)` in powers of `x^2`.
const COSINE: [f32; 7] = [
    1.0,
    -1.0 / 2.0,
    1.0 / 24.0,
    -1.0 / 720.0,
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
];

/// Returns the coordinates of a mass.
///
/// The angle is computed in turns, `t = FREQUENCY / (2 pi) ln(mass)`, whose whole number is dropped. There is no branch,
/// so that the compiler vectorises it.
#[inline(always)]
pub(super) fn coordinates_of<const FMA: bool>(mass: f32) -> Coordinates {
    const TURNS: f64 = FREQUENCY / std::f64::consts::TAU;
    const TURNS_PER_OCTAVE: f64 = TURNS * std::f64::consts::LN_2;
    // Sixteen bits, so that the product with an exponent is exact, and the rest.
    const HIGH: f32 = (TURNS_PER_OCTAVE * 65536.0) as i32 as f32 / 65536.0;
    const LOW: f32 = (TURNS_PER_OCTAVE - HIGH as f64) as f32;
    let root = mass.sqrt();
    // `mass = 2^exponent * mantissa` with the mantissa in `[sqrt(1/2), sqrt 2)`.
    let bits = mass.max(f32::MIN_POSITIVE).to_bits() as i32;
    let exponent = (bits - SQRT_HALF as i32) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    // ln m = 2 (z + z^3 / 3 + z^5 / 5 + ...) with |z| < 0.172: the first term left out is below 1e-8 of the sum.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let series = polynomial::<FMA, _>(z * z, LOGARITHM);
    let octaves = fraction(exponent as f32 * HIGH);
    let of_mantissa = (2.0 * TURNS) as f32 * z * series;
    let turns = fraction(mul_add::<FMA>(exponent as f32, LOW, of_mantissa) + octaves);
    // Sine and cosine of half the angle, which lies within a quarter turn, by Taylor's series.
    let half = std::f32::consts::PI * turns;
    let square = half * half;
    let sine = half * polynomial::<FMA, _>(square, SINE);
    let cosine = polynomial::<FMA, _>(square, COSINE);
    [
        root,
        root * mul_add::<FMA>(-2.0 * sine, sine, 1.0),
        root * (2.0 * sine * cosine),
    ]
}

/// Subtracts the nearest whole number from a number below 2^21 in size; the result is exact.
#[inline(always)]
fn fraction(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number. `round_ties_even` would be a library call on old processors.
    const ROUNDING: f32 = 12_582_912.0;
    x - ((x + ROUNDING) - ROUNDING)
}

/// Evaluates a polynomial with coefficients in ascending powers.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut value = coefficients[N - 1];
    // Not a range with an inclusive end, which keeps the caller's loop from being vectorised.
    for k in (0..N - 1).rev() {
        value = mul_add::<FMA>(value, x, coefficients[k]);
    }
    value
}

/// Bounds `[lower, upper]` of the divergences between each point of one panel and each of another.
///
/// `products` are the inner products of the roots and of the waves, and `relative` is the relative error of a bound. To
/// be inlined into a function that is compiled for a vector extension.
#[inline(always)]
pub(super) fn bounds_f32<const FMA: bool>(
    products: [&Block; 2],
    rows: &PointTerms,
    columns: &PointTerms,
    relative: f32,
) -> [[[f32; 2]; PANEL]; PANEL] {
    let mut bounds = [[[0.0; 2]; PANEL]; PANEL];
    for (r, line) in bounds.iter_mut().enumerate() {
        for (k, bounds) in line.iter_mut().enumerate() {
            let square = |part: usize| {
                let squares = rows.squares[part][r] + columns.squares[part][k];
                let square = mul_add::<FMA>(-2.0, products[part][r][k], squares);
                if square > 0.0 { square } else { 0.0 }
            };
            let (roots, waves) = (square(0), square(1));
            let sum = rows.sum[r] + columns.sum[k];
            let slack = rows.slack[r] + columns.slack[k];
            let (mut lower, mut upper) = (slack, f32::INFINITY);
            // Comparisons rather than `min` and `max`, whose rules for NaN cost instructions.
            for [c1, c2] in LOWER_PLANES {
                let plane = mul_add::<FMA>(c1, roots, c2 * waves);
                lower = if plane > lower { plane } else { lower };
            }
            for [c0, c1, c2] in UPPER_PLANES {
                let plane = mul_add::<FMA>(c1, roots, mul_add::<FMA>(c2, waves, c0 * sum));
                upper = if plane < upper { plane } else { upper };
            }
            *bounds = [
                (lower - slack) * (1.0 - relative),
                (upper + slack) * (1.0 + relative),
            ];
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{PairwiseDistances, RowDistance, RowMetric};

    /// Ratios of two masses in [0, 1], each with its difference to 1, dense towards 0 and towards 1.
    fn ratios() -> impl Iterator<Item = [f64; 2]> {
        let count = 20_000;
        let exponents = (0..count).map(move |k| f64::from(k) / f64::from(count));
        let near_one = exponents
            .clone()
            .map(|x| [1.0 - 10f64.powf(-9.0 * x), 10f64.powf(-9.0 * x)]);
        let near_zero = exponents.map(|x| [10f64.powf(-60.0 * x), 1.0 - 10f64.powf(-60.0 * x)]);
        near_one.chain(near_zero).chain([[0.0, 1.0]])
    }

    #[test]
    fn every_plane_bounds_the_divergence_at_every_ratio_of_masses() {
        let divergence = RowDistance {
            metric: RowMetric::JensenShannon,
            exponent: 2.0,
        };
        let mut pairwise = PairwiseDistances::default();
        let mut tightest = [f64::INFINITY; 2];
        for [ratio, difference] in ratios() {
            let other = if ratio < 0.5 { ratio } else { 1.0 - difference };
            let mut square = [0.0; 4];
            pairwise.compute(divergence, &[1.0, other], 1, &mut square);
            let exact = square[1];
            let root = ratio.sqrt();
            let roots = (difference / (1.0 + root)).powi(2);
            let angle = FREQUENCY
                * if ratio < 0.5 {
                    ratio.ln()
                } else {
                    (-difference).ln_1p()
                };
            let waves = roots
                + if ratio > 0.0 {
                    4.0 * root * (0.5 * angle).sin().powi(2)
                } else {
                    0.0
                };
            // Half of the margin that the module documents.
            for [c1, c2] in LOWER_PLANES.map(|plane| plane.map(f64::from)) {
                let plane = c1 * roots + c2 * waves;
                tightest[0] = tightest[0].min(exact / plane);
                assert!(plane * (1.0 + 1e-6) <= exact, "{c1}, {c2} at {ratio:e}");
            }
            for [c0, c1, c2] in UPPER_PLANES.map(|plane| plane.map(f64::from)) {
                let plane = c0 * (1.0 + ratio) + c1 * roots + c2 * waves;
                tightest[1] = tightest[1].min(plane / exact);
                assert!(
                    plane * (1.0 - 1e-6) >= exact,
                    "{c0}, {c1}, {c2} at {ratio:e}"
                );
            }
        }
        // The planes touch the divergence: larger coefficients would be wrong.
        assert!(tightest.iter().all(|x| *x < 1.0 + 1e-5), "{tightest:?}");
    }

    #[test]
    fn coefficients_have_the_properties_that_the_errors_assume() {
        let upper = UPPER_PLANES.map(|plane| plane.map(f64::from));
        let of_squares = LOWER_PLANES.iter().flatten().copied().map(f64::from);
        let of_squares = of_squares.chain(upper.iter().flat_map(|plane| [plane[1], plane[2]]));
        assert!(of_squares.clone().all(|c| c.abs() < LARGEST_COEFFICIENT));
        assert!(LOWER_PLANES.iter().flatten().all(|c| *c > 0.0));
        // `B` is at most `2 s`, so that negative terms are at most a third of the positive ones.
        for [c0, c1, c2] in upper {
            assert!(c0 >= 0.0 && c1 > 0.0 && 6.0 * c2.min(0.0).abs() <= c0);
        }
    }

    /// Largest error of the coordinates of masses, divided by the roots of the masses.
    fn largest_error<const FMA: bool>(n_mantissas: u32) -> f64 {
        let mut largest = 0.0_f64;
        for exponent in 1..=230_u32 {
            for k in 0..n_mantissas {
                let mantissa = (u64::from(k) * 0x80_0000 / u64::from(n_mantissas)) as u32;
                let mass = f32::from_bits(exponent << 23 | mantissa);
                let root = f64::from(mass).sqrt();
                let angle = FREQUENCY * f64::from(mass).ln();
                let exact = [root, root * angle.cos(), root * angle.sin()];
                let errors = coordinates_of::<FMA>(mass).map(f64::from);
                let square = |k: usize| (errors[k] - exact[k]).powi(2);
                let error = (square(0) + square(1) + square(2)).sqrt() / root;
                largest = largest.max(error);
            }
        }
        largest
    }

    #[test]
    fn coordinates_have_small_errors() {
        for error in [largest_error::<true>(997), largest_error::<false>(997)] {
            assert!(error < 1.2e-6, "{error:e}");
        }
        // Zero, and masses below the normal range, whose coordinates are small.
        for mass in [0.0, f32::from_bits(1), 0.5 * f32::MIN_POSITIVE] {
            let coordinates = coordinates_of::<false>(mass);
            assert!(
                coordinates
                    .iter()
                    .all(|x| x.abs() <= mass.sqrt() * 1.000_001)
            );
        }
    }
}
