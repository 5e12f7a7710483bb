//! Persistence diagrams of small point sets and graphs, compared with those computed by hand.

use burn_topology::Real;
use burn_topology::topology::{DistanceMatrix, VietorisRips};

const SQRT_2: f64 = std::f64::consts::SQRT_2;
const INF: f64 = f64::INFINITY;

/// Sorted `(birth, death)` of the bars of one homology dimension.
pub fn bars<T: Real>(distances: &[T], n: usize, homology_dim: usize) -> Vec<(f64, f64)> {
    let matrix = DistanceMatrix::new(distances, n).expect("a distance matrix");
    let mut rips = VietorisRips::new(1).expect("dimension 1");
    let mut diagrams = rips.diagrams(&matrix).expect("a small matrix");
    let diagram = diagrams.swap_remove(homology_dim);
    let mut bars: Vec<_> = diagram
        .bars
        .iter()
        .map(|bar| (bar.birth.to_f64_exact(), bar.death.to_f64_exact()))
        .collect();
    bars.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    bars
}

/// Symmetric matrix of a function of two points, `i < j`.
pub fn matrix(n: usize, distance: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..n * n)
        .map(|index| match (index / n, index % n) {
            (i, j) if i == j => 0.0,
            (i, j) => distance(i.min(j), i.max(j)),
        })
        .collect()
}

/// Distance matrix of points in the plane.
fn planar(points: &[[f64; 2]]) -> Vec<f64> {
    matrix(points.len(), |i, j| {
        (points[i][0] - points[j][0]).hypot(points[i][1] - points[j][1])
    })
}

#[test]
fn empty_matrix_has_no_bar() {
    assert_eq!(bars::<f64>(&[], 0, 0), []);
    assert_eq!(bars::<f64>(&[], 0, 1), []);
}

#[test]
fn one_point_has_no_finite_bar() {
    assert_eq!(bars(&[0.0], 1, 0), [(0.0, INF)]);
    assert_eq!(bars(&[0.0], 1, 1), []);
}

#[test]
fn two_points_have_one_death() {
    let pair = matrix(2, |_, _| 3.0);
    assert_eq!(bars(&pair, 2, 0), [(0.0, 3.0), (0.0, INF)]);
}

#[test]
fn unit_square_has_one_cycle() {
    let square = planar(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]);
    assert_eq!(
        bars(&square, 4, 0),
        [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, INF)]
    );
    assert_eq!(bars(&square, 4, 1), [(1.0, SQRT_2)]);
}

#[test]
fn duplicate_point_adds_no_bar_to_the_square() {
    let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]];
    let square = planar(&corners);
    assert_eq!(
        bars(&square, 5, 0),
        [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, INF)]
    );
    assert_eq!(bars(&square, 5, 1), [(1.0, SQRT_2)]);
}

#[test]
fn twelve_gon_has_one_cycle() {
    let angle = |k: usize| k as f64 * std::f64::consts::TAU / 12.0;
    let points: Vec<_> = (0..12).map(|k| [angle(k).cos(), angle(k).sin()]).collect();
    let cycles = bars(&planar(&points), 12, 1);
    assert_eq!(cycles.len(), 1);
    // Born with the last side; filled by the triangle of every fourth vertex.
    assert!((cycles[0].0 - 2.0 * (std::f64::consts::PI / 12.0).sin()).abs() < 1e-12);
    assert!((cycles[0].1 - 3f64.sqrt()).abs() < 1e-12);
}

#[test]
fn equal_distances_have_no_cycle() {
    let simplex = matrix(5, |_, _| 1.0);
    assert_eq!(
        bars(&simplex, 5, 0),
        [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, INF)]
    );
    assert_eq!(bars(&simplex, 5, 1), []);
}

#[test]
fn bars_of_persistence_zero_are_left_out() {
    let point = matrix(4, |_, _| 0.0);
    assert_eq!(bars(&point, 4, 0), [(0.0, INF)]);
    assert_eq!(bars(&point, 4, 1), []);
}

#[test]
fn bipartite_graphs_have_a_cycle_per_surplus_edge() {
    for (side, n_cycles) in [(3, 4), (32, 961)] {
        let n = 2 * side;
        let graph = matrix(n, |i, j| if (i < side) == (j < side) { 2.0 } else { 1.0 });
        assert_eq!(bars(&graph, n, 1), vec![(1.0, 2.0); n_cycles]);
    }
}

#[test]
fn octahedron_has_no_cycle() {
    let octahedron = matrix(6, |i, j| if i / 2 == j / 2 { 2.0 } else { 1.0 });
    assert_eq!(bars(&octahedron, 6, 1), []);
}

#[test]
fn infinite_distances_are_never_edges() {
    // Two pairs of points at infinite distance from each other.
    let pairs = matrix(4, |i, j| if i / 2 == j / 2 { 1.0 } else { INF });
    assert_eq!(
        bars(&pairs, 4, 0),
        [(0.0, 1.0), (0.0, 1.0), (0.0, INF), (0.0, INF)]
    );
    // A square whose diagonals are infinite: its cycle never dies.
    let square = matrix(4, |i, j| if j - i == 2 { INF } else { 1.0 });
    assert_eq!(bars(&square, 4, 1), [(1.0, INF)]);
}

#[test]
fn negative_zero_counts_as_zero() {
    let pair = [0.0, -0.0, 1.0, -0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
    assert_eq!(bars(&pair, 3, 0), [(0.0, 1.0), (0.0, INF)]);
}

#[test]
fn single_precision_deaths_are_exact_entries() {
    let values = [0.0f32, 0.1, 0.7, 0.1, 0.0, 0.3, 0.7, 0.3, 0.0];
    let deaths = [
        (0.0, f64::from(0.1f32)),
        (0.0, f64::from(0.3f32)),
        (0.0, INF),
    ];
    assert_eq!(bars(&values, 3, 0), deaths);
}

#[test]
fn too_large_homology_dimension_is_an_error() {
    let error = VietorisRips::<f64>::new(9).unwrap_err();
    assert!(error.is_invalid_parameter());
    assert_eq!(
        error.to_string(),
        "max_homology_dim is 9, expected at most 8"
    );
}
