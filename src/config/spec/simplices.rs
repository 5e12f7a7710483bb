//! Number of simplices that a penalty in a high dimension lists, known before any distance is computed.

/// Largest number of simplices of one dimension that are listed: those that fit into the memory limit of
/// [`VietorisRips`](crate::topology::VietorisRips::with_memory_limit), 16 bytes each.
pub(super) const MAX_SIMPLICES: f64 = 268_435_456.0;

/// Largest number of simplices that are listed for a homology dimension, whatever the distances.
///
/// These are the simplices of the dimension below, which have as many points as `homology_dim`; up to dimension 2 no
/// simplices above edges are listed.
pub(super) fn listed_simplices(n_points: usize, homology_dim: usize) -> f64 {
    if homology_dim <= 2 {
        return 0.0;
    }
    let factors = (0..homology_dim).map(|k| n_points.saturating_sub(k) as f64 / (k + 1) as f64);
    factors.product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simplices_are_binomial_coefficients() {
        assert_eq!(listed_simplices(5, 2), 0.0);
        assert_eq!(listed_simplices(5, 3), 10.0);
        assert!((listed_simplices(400, 4) - 1_050_739_900.0).abs() < 1.0);
        assert_eq!(listed_simplices(2, 3), 0.0);
    }
}
