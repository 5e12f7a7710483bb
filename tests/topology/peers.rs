//! Agreement with other libraries on stored cases: bars with ripser.py, distances of diagrams with POT and
//! Hera.
//!
//! `scripts/fuzz_peers.py --write-fixtures` writes the cases, and compares thousands more. All numbers of
//! matrices and diagrams are multiples of 1/16, which are exact in both precisions.

use burn_topology::Real;
use burn_topology::topology::{
    DistanceMatrix, GroundNorm, MAX_HOMOLOGY_DIM, Point, VietorisRips, bottleneck, wasserstein,
};
use serde_json::Value;

/// Largest homology dimension for which the file has bars.
const FILE_HOMOLOGY_DIM: usize = 2;

fn cases(list: &str) -> Vec<Value> {
    let text = include_str!("../data_files/peers.json");
    let file: Value = serde_json::from_str(text).expect("JSON");
    file[list].as_array().expect("a list").clone()
}

/// Numbers stored as multiples of 1/16, with `null` for infinity.
fn sixteenths(list: &Value) -> Vec<f64> {
    let list = list.as_array().expect("a list");
    let number = |value: &Value| value.as_f64().map_or(f64::INFINITY, |value| value / 16.0);
    list.iter().map(number).collect()
}

/// `[birth, death]` of each bar.
fn points(list: &Value) -> Vec<Point> {
    sixteenths(list).as_chunks().0.to_vec()
}

/// Symmetric matrix of the entries above its diagonal, row by row.
fn matrix<T: Real>(upper: &[f64], n: usize) -> Vec<T> {
    let mut values = vec![T::zero(); n * n];
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    for ((i, j), &value) in pairs.zip(upper) {
        values[i * n + j] = T::from_f64_nearest(value);
        values[j * n + i] = T::from_f64_nearest(value);
    }
    values
}

fn sorted(mut bars: Vec<Point>) -> Vec<Point> {
    bars.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    bars
}

fn assert_bars_agree_with_ripser<T: Real>(max_homology_dim: usize) {
    let mut rips = VietorisRips::new(max_homology_dim).expect("a dimension of the engine");
    let cases = cases("matrices");
    assert_eq!(cases.len(), 40);
    for case in &cases {
        let n = case["n"].as_u64().expect("a number of points") as usize;
        let values = matrix::<T>(&sixteenths(&case["upper"]), n);
        let distances = DistanceMatrix::new(&values, n).expect("a distance matrix");
        let diagrams = rips.diagrams(&distances).expect("a small matrix");
        assert_eq!(diagrams.len(), max_homology_dim + 1);
        for (dim, diagram) in diagrams.iter().enumerate() {
            let bars = diagram.bars.iter().map(|bar| bar.to_f64());
            let actual = sorted(bars.map(|bar| [bar.birth, bar.death]).collect());
            let expected = sorted(points(&case["bars"][dim]));
            assert_eq!(actual, expected, "dimension {dim} of {case}");
        }
    }
}

#[test]
fn bars_agree_with_ripser() {
    for max_homology_dim in 0..=MAX_HOMOLOGY_DIM.min(FILE_HOMOLOGY_DIM) {
        assert_bars_agree_with_ripser::<f32>(max_homology_dim);
        assert_bars_agree_with_ripser::<f64>(max_homology_dim);
    }
}

fn ground_norm(name: &Value) -> GroundNorm {
    match name.as_str() {
        Some("inf") => GroundNorm::Infinity,
        Some("2") => GroundNorm::L2,
        Some("1") => GroundNorm::L1,
        other => panic!("no ground norm {other:?}"),
    }
}

#[test]
fn distances_of_diagrams_agree_with_pot_and_hera() {
    let cases = cases("pairs");
    assert_eq!(cases.len(), 30);
    for case in &cases {
        let (first, second) = (points(&case["first"]), points(&case["second"]));
        for expected in case["distances"].as_array().expect("a list") {
            let norm = ground_norm(&expected["norm"]);
            let matching = match expected["order"].as_f64() {
                Some(order) => wasserstein(&first, &second, order, norm),
                None => bottleneck(&first, &second, norm),
            };
            let actual = matching.expect("diagrams").distance;
            let distance = expected["distance"].as_f64().unwrap_or(f64::INFINITY);
            let close = actual == distance || (actual - distance).abs() <= 1e-12 * distance;
            assert!(close, "distance {actual}, expected {expected}, in {case}");
        }
    }
}
