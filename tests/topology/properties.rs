//! Properties of persistence diagrams of random matrices: agreement with the oracle, critical edges,
//! invariance under renumbering, scaling, thresholds, and reuse of buffers.

use burn_topology::topology::{Diagram, DistanceMatrix, VietorisRips};
use proptest::prelude::*;

use super::known_answers::{bars, matrix};
use super::oracle;

/// Symmetric matrix whose entries are drawn by `entry`, without the triangle inequality.
fn dissimilarities(
    sizes: std::ops::Range<usize>,
    entry: impl Strategy<Value = f64> + Clone,
) -> impl Strategy<Value = (Vec<f64>, usize)> {
    sizes.prop_flat_map(move |n| {
        prop::collection::vec(entry.clone(), n * n)
            .prop_map(move |raw| (matrix(n, |i, j| raw[i * n + j]), n))
    })
}

/// A few distinct values, with zero and infinity among them: ties, duplicate points, missing edges.
fn tied() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        1 => Just(0.0),
        8 => (1u8..5).prop_map(f64::from),
        1 => Just(f64::INFINITY),
    ]
}

fn diagrams(distances: &[f64], n: usize) -> Vec<Diagram<f64>> {
    let matrix = DistanceMatrix::new(distances, n).expect("a distance matrix");
    let mut rips = VietorisRips::new(1).expect("dimension 1");
    rips.diagrams(&matrix).expect("a small matrix")
}

fn assert_equals_oracle(distances: &[f64], n: usize) -> Result<(), TestCaseError> {
    let expected = oracle::bars(distances, n);
    for (dim, expected) in expected.iter().enumerate() {
        prop_assert_eq!(&bars(distances, n, dim), expected, "dimension {}", dim);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bars_equal_the_oracle((d, n) in dissimilarities(0..13, 0.0..1.0f64)) {
        assert_equals_oracle(&d, n)?;
    }

    #[test]
    fn bars_equal_the_oracle_with_ties_and_infinite_distances(
        (d, n) in dissimilarities(0..12, tied())
    ) {
        assert_equals_oracle(&d, n)?;
    }

    #[test]
    fn critical_edges_have_the_lengths_of_births_and_deaths((d, n) in dissimilarities(1..20, tied())) {
        for diagram in diagrams(&d, n) {
            for bar in &diagram.bars {
                for (value, edge) in [(bar.birth, bar.birth_edge), (bar.death, bar.death_edge)] {
                    if let Some([i, j]) = edge {
                        prop_assert!(i < j);
                        prop_assert_eq!(value, d[i as usize * n + j as usize]);
                    }
                }
                prop_assert_eq!(bar.is_essential(), bar.death == f64::INFINITY);
            }
        }
    }

    #[test]
    fn dimension_0_is_the_same_with_and_without_dimension_1((d, n) in dissimilarities(0..24, tied())) {
        let matrix = DistanceMatrix::new(&d, n).expect("a distance matrix");
        let alone = VietorisRips::new(0)
            .expect("dimension 0")
            .diagrams(&matrix)
            .expect("a small matrix");
        prop_assert_eq!(&alone[0], &diagrams(&d, n)[0]);
    }

    #[test]
    fn bars_do_not_depend_on_the_order_of_points(
        (d, n) in dissimilarities(1..20, tied()),
        seed in any::<u64>(),
    ) {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        let permuted = matrix(n, |i, j| d[order[i] * n + order[j]]);
        for dim in 0..2 {
            prop_assert_eq!(bars(&d, n, dim), bars(&permuted, n, dim));
        }
    }

    #[test]
    fn bars_scale_with_the_distances((d, n) in dissimilarities(1..16, 0.0..1.0f64)) {
        let doubled: Vec<f64> = d.iter().map(|x| 2.0 * x).collect();
        for dim in 0..2 {
            let expected: Vec<_> =
                bars(&d, n, dim).iter().map(|&(b, d)| (2.0 * b, 2.0 * d)).collect();
            prop_assert_eq!(bars(&doubled, n, dim), expected);
        }
    }

    #[test]
    fn reused_buffers_give_the_same_diagrams(
        (first, n) in dissimilarities(0..20, 0.0..1.0f64),
        (second, m) in dissimilarities(0..20, tied()),
    ) {
        let mut rips = VietorisRips::new(1).expect("dimension 1");
        let mut reused = |d, n| rips.diagrams(&DistanceMatrix::new(d, n).expect("a distance matrix"));
        reused(&first, n).expect("a small matrix");
        prop_assert_eq!(reused(&second, m).expect("a small matrix"), diagrams(&second, m));
    }

    #[test]
    fn threshold_removes_longer_edges((d, n) in dissimilarities(0..20, tied()), cut in 0u8..6) {
        let cut = f64::from(cut);
        let short: Vec<f64> = d.iter().map(|&x| if x <= cut { x } else { f64::INFINITY }).collect();
        for dim in 0..2 {
            let rips = VietorisRips::new(dim).expect("a dimension").with_threshold(cut);
            let matrix = DistanceMatrix::new(&d, n).expect("a distance matrix");
            let actual = rips.expect("a threshold").diagrams(&matrix).expect("a small matrix");
            prop_assert_eq!(&actual[..], &diagrams(&short, n)[..=dim]);
        }
    }
}
