//! Diagrams above dimension 1: spheres, a boundary-matrix oracle, critical edges, thresholds and limits.

use super::complex::Complex;
use crate::topology::{Diagram, DistanceMatrix, Edge, VietorisRips};

fn matrix(n: usize, distance: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let entry = |(i, j): (usize, usize)| {
        if i == j {
            0.0
        } else {
            distance(i.min(j), i.max(j))
        }
    };
    (0..n * n).map(|k| entry((k / n, k % n))).collect()
}

fn diagrams(distances: &[f64], n: usize, max_dim: usize) -> Vec<Diagram<f64>> {
    let matrix = DistanceMatrix::new(distances, n).unwrap();
    VietorisRips::new(max_dim)
        .unwrap()
        .diagrams(&matrix)
        .unwrap()
}

fn bars(diagram: &Diagram<f64>) -> Vec<[f64; 2]> {
    let mut bars: Vec<_> = diagram
        .bars
        .iter()
        .map(|bar| [bar.birth, bar.death])
        .collect();
    bars.sort_by(|a, b| a.partial_cmp(b).unwrap());
    bars
}

/// Distance matrix of the vertices of a cross-polytope: 2 to the antipodal vertex, 1 to all others.
fn cross_polytope(dim: usize) -> Vec<f64> {
    matrix(2 * dim, |i, j| if i / 2 == j / 2 { 2.0 } else { 1.0 })
}

#[test]
fn cross_polytopes_are_spheres() {
    for dim in 2..6 {
        let actual = diagrams(&cross_polytope(dim), 2 * dim, 5);
        for diagram in &actual[1..] {
            let homology_dim = diagram.homology_dim;
            let expected = if homology_dim == dim - 1 {
                vec![[1.0, 2.0]]
            } else {
                vec![]
            };
            assert_eq!(bars(diagram), expected, "dimension {homology_dim}");
        }
    }
}

#[test]
fn critical_edges_have_the_lengths_of_births_and_deaths() {
    let distances = random(3, 14, f64::from);
    for diagram in diagrams(&distances, 14, 3) {
        for bar in diagram.bars {
            let length = |[i, j]: Edge| distances[i as usize * 14 + j as usize];
            assert_eq!(bar.birth, bar.birth_edge.map_or(0.0, length));
            assert_eq!(bar.death, bar.death_edge.map_or(f64::INFINITY, length));
        }
    }
}

#[test]
fn up_to_three_points_have_no_bars_above_dimension_0() {
    for n in 0..4 {
        let actual = diagrams(&matrix(n, |_, _| 1.0), n, 3);
        assert_eq!(actual.len(), 4);
        assert!(actual[1..].iter().all(|diagram| diagram.bars.is_empty()));
    }
}

#[test]
fn threshold_makes_the_bar_of_a_sphere_essential() {
    let octahedron = cross_polytope(3);
    let matrix = DistanceMatrix::new(&octahedron, 6).unwrap();
    let mut rips = VietorisRips::new(2).unwrap().with_threshold(1.5).unwrap();
    let actual = rips.diagrams(&matrix).unwrap();
    assert_eq!(bars(&actual[2]), [[1.0, f64::INFINITY]]);
}

#[test]
fn indices_of_simplices_beyond_64_bits_are_an_error() {
    let zeros = vec![0.0; 1_000_000];
    let matrix = DistanceMatrix::<f64>::new(&zeros, 1000).unwrap();
    let error = VietorisRips::new(7).unwrap().diagrams(&matrix).unwrap_err();
    assert!(
        error.to_string().contains("more simplices of dimension"),
        "{error}"
    );
}

#[test]
fn simplices_are_counted_as_the_definition_says() {
    // Points on a circle, each joined to the next three: triangles and tetrahedra, but nothing larger.
    let n = 70;
    let edges = (0..n).flat_map(|i| (1..=3).map(move |step| [i, (i + step) % n]));
    let mut complex = Complex::default();
    complex.reset(n, 4, edges).unwrap();
    let counts = [1, 2, 3, 4].map(|dim| complex.count_simplices(dim, u64::MAX));
    // Of the 3 subsets of the next three points, 3 have two points and 1 has three.
    assert_eq!(counts, [70 * 3, 70 * 3, 70, 0]);
    assert!(complex.count_simplices(2, 50) > 50);
}

#[test]
fn too_many_simplices_are_refused_before_any_is_listed() {
    let n = 60;
    let distances = random(3, n, |x| 1.0 + f64::from(x) / 8192.0);
    let matrix = DistanceMatrix::new(&distances, n).unwrap();
    let rips = VietorisRips::new(4).unwrap();
    let error = rips
        .with_memory_limit(1_600_000)
        .diagrams(&matrix)
        .unwrap_err();
    assert!(error.is_invalid_distances());
    assert_eq!(
        error.to_string(),
        "there are more than 100000 simplices of dimension 3, which take more than 0.002 GB of memory, expected fewer; \
         use fewer points, a threshold, a lower max_homology_dim or a higher memory limit"
    );
}

/// Pseudorandom distances, computed by `distance` from numbers between 0 and 4095.
fn random(seed: u64, n: usize, distance: impl Fn(u32) -> f64) -> Vec<f64> {
    matrix(n, |i, j| {
        let mut mixed = (seed * 4099 + (i * 64 + j) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        distance((mixed >> 52) as u32)
    })
}

/// Independent computation: reduces the whole boundary matrix, with simplices as bit sets of vertices.
fn oracle(distances: &[f64], n: usize, max_dim: usize) -> Vec<Vec<[f64; 2]>> {
    let mut simplices: Vec<(f64, u32)> = (1_u32..1 << n)
        .filter(|set| (set.count_ones() as usize) <= max_dim + 2)
        .map(|set| {
            let inside = |k: &usize| set >> k & 1 == 1;
            let pairs = (0..n)
                .filter(inside)
                .flat_map(|i| (0..n).filter(inside).map(move |j| (i, j)));
            let diameter = pairs.map(|(i, j)| distances[i * n + j]).fold(0.0, f64::max);
            (diameter, set)
        })
        .filter(|(diameter, _)| diameter.is_finite())
        .collect();
    simplices.sort_by(|a, b| {
        let by_diameter = a.0.total_cmp(&b.0);
        by_diameter
            .then(a.1.count_ones().cmp(&b.1.count_ones()))
            .then(a.1.cmp(&b.1))
    });
    let position = |set: u32| simplices.iter().position(|s| s.1 == set).unwrap();
    let mut columns: Vec<Option<Vec<usize>>> = vec![None; simplices.len()];
    let mut is_finite_birth = vec![false; simplices.len()];
    let mut is_death = vec![false; simplices.len()];
    let mut bars_by_dim = vec![Vec::new(); max_dim + 1];
    for (k, &(death, set)) in simplices.iter().enumerate() {
        let facets = (0..n)
            .filter(|v| set >> v & 1 == 1)
            .map(|v| set & !(1 << v));
        let mut column: Vec<usize> = facets.filter(|&f| f != 0).map(position).collect();
        column.sort_unstable();
        while let Some(&low) = column.last() {
            let Some(other) = &columns[low] else { break };
            let mut sum: Vec<usize> = column
                .iter()
                .filter(|p| !other.contains(p))
                .copied()
                .collect();
            sum.extend(other.iter().filter(|p| !column.contains(p)));
            sum.sort_unstable();
            column = sum;
        }
        if let Some(&low) = column.last() {
            let birth = simplices[low].0;
            (is_finite_birth[low], is_death[k]) = (true, true);
            if birth < death {
                bars_by_dim[simplices[low].1.count_ones() as usize - 1].push([birth, death]);
            }
            columns[low] = Some(column);
        }
    }
    for (k, &(birth, set)) in simplices.iter().enumerate() {
        let dim = set.count_ones() as usize - 1;
        if !is_finite_birth[k] && !is_death[k] && dim <= max_dim {
            bars_by_dim[dim].push([birth, f64::INFINITY]);
        }
    }
    for bars in &mut bars_by_dim {
        bars.sort_by(|a, b| a.partial_cmp(b).unwrap());
    }
    bars_by_dim
}

#[test]
fn all_dimensions_agree_with_the_boundary_matrix() {
    let kinds: [fn(u32) -> f64; 4] = [
        f64::from,
        |x| f64::from(x % 4 + 1),
        |x| f64::from(x % 3),
        |x| {
            if x % 7 == 0 {
                f64::INFINITY
            } else {
                f64::from(x % 5)
            }
        },
    ];
    let mut n_higher = 0;
    for seed in 0..40 {
        for kind in kinds {
            let n = 5 + seed as usize % 4;
            let distances = random(seed, n, kind);
            let actual = diagrams(&distances, n, 3);
            for (dim, expected) in oracle(&distances, n, 3).into_iter().enumerate() {
                n_higher += if dim > 1 { expected.len() } else { 0 };
                assert_eq!(bars(&actual[dim]), expected, "seed {seed}, dimension {dim}");
            }
        }
    }
    // Noisy spheres, which have bars above dimension 1.
    for seed in 0..40 {
        let noise = random(seed, 8, |x| f64::from(x % 64) / 64.0);
        let far = |i: usize, j: usize| if i / 2 == j / 2 { 1.0 } else { 0.0 };
        let distances = matrix(8, |i, j| 1.0 + far(i, j) + noise[i * 8 + j]);
        let actual = diagrams(&distances, 8, 3);
        for (dim, expected) in oracle(&distances, 8, 3).into_iter().enumerate() {
            n_higher += if dim > 1 { expected.len() } else { 0 };
            assert_eq!(
                bars(&actual[dim]),
                expected,
                "noise {seed}, dimension {dim}"
            );
        }
    }
    assert!(n_higher > 40, "only {n_higher} bars above dimension 1");
}
