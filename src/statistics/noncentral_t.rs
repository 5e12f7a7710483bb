//! Tails of the noncentral t distribution.

use statrs::distribution::{ContinuousCDF, Normal};

/// Nodes above 0 and weights of the Gauss-Legendre rule of 10 points on `[-1, 1]`.
const GAUSS_LEGENDRE: [[f64; 2]; 5] = [
    [0.148_874_338_981_631_22, 0.295_524_224_714_752_87],
    [0.433_395_394_129_247_2, 0.269_266_719_309_996_35],
    [0.679_409_568_299_024_4, 0.219_086_362_515_982_04],
    [0.865_063_366_688_984_5, 0.149_451_349_150_580_6],
    [0.973_906_528_517_171_7, 0.066_671_344_308_688_14],
];

/// Half the width of what is integrated, in standard deviations.
const REACH: f64 = 12.0;

/// Probability that a noncentral t variable exceeds `critical > 0` in size.
///
/// The variable is `(Z + noncentrality) / S` with a normal Z and `S^2` a chi-squared variable by its
/// degrees of freedom; given S the probability is normal, and it is integrated over S. The panels end
/// where either factor of the integrand changes.
pub(super) fn two_sided_tail(critical: f64, degrees_of_freedom: f64, noncentrality: f64) -> f64 {
    let noncentrality = noncentrality.abs();
    let normal = Normal::standard();
    let tails = |s: f64| {
        normal.sf(critical * s - noncentrality) + normal.cdf(-critical * s - noncentrality)
    };
    // By its value at 1, so that many degrees of freedom neither overflow nor cancel.
    let density = |s: f64| {
        let log = (degrees_of_freedom - 1.0) * s.ln() - degrees_of_freedom * (s * s - 1.0) / 2.0;
        log.exp()
    };
    let deviation = (2.0 * degrees_of_freedom).sqrt().recip();
    let low = (1.0 - REACH * deviation).max(0.0);
    let high = 1.0 + REACH * deviation;
    let mut ends: Vec<f64> = Vec::new();
    for step in -6..=6 {
        let place = 2.0 * f64::from(step);
        ends.push((1.0 + place * deviation).clamp(low, high));
        ends.push(((noncentrality + place) / critical).clamp(low, high));
        ends.push(((-noncentrality + place) / critical).clamp(low, high));
    }
    ends.sort_unstable_by(f64::total_cmp);
    let (mut total, mut tail) = (0.0, 0.0);
    // Inside a panel of some width s is above 0.
    for panel in ends.windows(2).filter(|panel| panel[0] < panel[1]) {
        let (centre, half) = ((panel[0] + panel[1]) / 2.0, (panel[1] - panel[0]) / 2.0);
        for [node, weight] in GAUSS_LEGENDRE {
            for s in [centre - node * half, centre + node * half] {
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
    fn central_tails_are_those_of_student() {
        for degrees_of_freedom in [1.0, 2.0, 5.0, 30.0, 1000.0, 1e5] {
            for alpha in [0.5, 0.05, 1e-3, 1e-6] {
                let critical = two_sided_quantile(degrees_of_freedom, alpha);
                let found = two_sided_tail(critical, degrees_of_freedom, 0.0);
                let error = (found / alpha - 1.0).abs();
                assert!(error < 1e-9, "{degrees_of_freedom}, {alpha}: {found}");
            }
        }
    }
}
