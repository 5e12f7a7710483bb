//! Tail probabilities of the noncentral t distribution.

use statrs::distribution::{ContinuousCDF, Normal};

/// Node of a quadrature rule on `[-1, 1]` and its weight.
struct Node {
    position: f64,
    weight: f64,
}

/// Positive half of the symmetric Gauss-Legendre rule with 10 nodes on `[-1, 1]`.
const GAUSS_LEGENDRE: [Node; 5] = [
    Node {
        position: 0.148_874_338_981_631_22,
        weight: 0.295_524_224_714_752_87,
    },
    Node {
        position: 0.433_395_394_129_247_2,
        weight: 0.269_266_719_309_996_35,
    },
    Node {
        position: 0.679_409_568_299_024_4,
        weight: 0.219_086_362_515_982_04,
    },
    Node {
        position: 0.865_063_366_688_984_5,
        weight: 0.149_451_349_150_580_6,
    },
    Node {
        position: 0.973_906_528_517_171_7,
        weight: 0.066_671_344_308_688_14,
    },
];

/// Half-width of the interval of integration, in standard deviations.
const HALF_WIDTH: f64 = 12.0;

/// Probability that a noncentral t variable `T` exceeds `critical > 0` in absolute value.
///
/// ```text
/// T = (Z + c) / S               Z: standard normal, c: noncentrality
///                               S^2: chi-squared with m degrees of freedom, divided by m
/// P(|T| > q) = int f(s) [P(Z > q s - c) + P(Z < -q s - c)] ds       f: density of S
/// ```
///
/// The integral is computed by the Gauss-Legendre rule on panels whose ends lie close together where
/// either factor of the integrand changes.
pub(super) fn two_sided_tail(critical: f64, degrees_of_freedom: f64, noncentrality: f64) -> f64 {
    let noncentrality = noncentrality.abs();
    let normal = Normal::standard();
    let tails = |s: f64| {
        normal.sf(critical * s - noncentrality) + normal.cdf(-critical * s - noncentrality)
    };
    // Density of S over its value at 1, without the normalising constant: so many degrees of freedom
    // neither overflow nor cancel. The constant drops out of the quotient at the end.
    let density = |s: f64| {
        let log = (degrees_of_freedom - 1.0) * s.ln() - degrees_of_freedom * (s * s - 1.0) / 2.0;
        log.exp()
    };
    let deviation = (2.0 * degrees_of_freedom).sqrt().recip();
    let low = (1.0 - HALF_WIDTH * deviation).max(0.0);
    let high = 1.0 + HALF_WIDTH * deviation;
    let mut ends: Vec<f64> = Vec::new();
    for step in -6..=6 {
        // Steps of two standard deviations of S, and of Z for both of its tails.
        let offset = 2.0 * f64::from(step);
        ends.push((1.0 + offset * deviation).clamp(low, high));
        ends.push(((noncentrality + offset) / critical).clamp(low, high));
        ends.push(((-noncentrality + offset) / critical).clamp(low, high));
    }
    ends.sort_unstable_by(f64::total_cmp);
    let (mut total, mut tail) = (0.0, 0.0);
    // Clamping makes panels of width 0, which are skipped; inside the others s is above 0, as the
    // logarithm needs.
    for panel in ends.windows(2).filter(|panel| panel[0] < panel[1]) {
        let (centre, half) = ((panel[0] + panel[1]) / 2.0, (panel[1] - panel[0]) / 2.0);
        for Node { position, weight } in GAUSS_LEGENDRE {
            for s in [centre - position * half, centre + position * half] {
                let mass = weight * half * density(s);
                total += mass;
                tail += mass * tails(s);
            }
        }
    }
    tail / total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::interval::two_sided_quantile;

    #[test]
    fn central_tails_agree_with_student_t() {
        for degrees_of_freedom in [1.0, 2.0, 5.0, 30.0, 1000.0, 1e5] {
            for alpha in [0.5, 0.05, 1e-3, 1e-6] {
                let critical = two_sided_quantile(degrees_of_freedom, alpha);
                let actual = two_sided_tail(critical, degrees_of_freedom, 0.0);
                let error = (actual / alpha - 1.0).abs();
                assert!(error < 1e-9, "{degrees_of_freedom}, {alpha}: {actual}");
            }
        }
    }
}
