//! Arrays of NumPy: matrices and persistence diagrams.

use std::path::Path;

use burn_topology::analysis::{MatrixInput, MatrixPersistence};
use burn_topology::data::read_matrices;
use burn_topology::report::{Npz, encode_diagrams, read_diagrams};
use burn_topology::topology::{
    Bar, Diagram, DistanceMatrix, GroundNorm, Point, VietorisRips, bottleneck, frechet_mean,
    wasserstein,
};

use super::super::case::Case;
use super::only_file;

/// Largest number of values of a matrix, and of bars of a diagram, that something is computed of.
const MAX_COMPUTED: usize = 200;

/// Symmetric distances between `n` points.
fn distances(n: usize) -> Vec<f64> {
    (0..n * n)
        .map(|k| ((k / n).abs_diff(k % n) as f64).sqrt())
        .collect()
}

/// Array of NumPy's format with this description of its type, order and shape.
fn npy(description: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{description}', 'fortran_order': {shape}, }}");
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    let width = (10 + header.len() + 1).next_multiple_of(64) - 10;
    array.extend((width as u16).to_le_bytes());
    array.extend(format!("{header:<0$}\n", width - 1).as_bytes());
    array.extend(bytes);
    array
}

/// Matrices of both types, byte orders and array orders.
pub(super) fn npy_corpus() -> Vec<Case> {
    let values = distances(6);
    let double: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    let single: Vec<u8> = values
        .iter()
        .flat_map(|v| (*v as f32).to_le_bytes())
        .collect();
    [
        npy("<f8", "False, 'shape': (6, 6)", &double),
        npy(">f8", "True, 'shape': (6, 6)", &big),
        npy("<f4", "False, 'shape': (1, 6, 6)", &single),
        npy("<f4", "True, 'shape': (4, 3, 3)", &single),
        npy("<f8", "False, 'shape': (0, 4)", &[]),
        npy("<f8", "True, 'shape': (3, 4, 0)", &[]),
        npy("<f8", "False, 'shape': (1, 1)", &[0; 8]),
        npy("<i8", "False, 'shape': (6, 6)", &double),
    ]
    .map(|bytes| Case::one("a.npy", bytes))
    .into()
}

/// Reads matrices and, if they are small, computes their diagrams as every kind of input.
pub(super) fn read_npy(directory: &Path) {
    let Some(Ok(matrices)) = only_file(directory).map(|path| read_matrices(&path)) else {
        return;
    };
    // An axis of length 0 leaves no values, but as many matrices or points as the others say.
    let size: usize = matrices.shape.iter().map(|axis| *axis.max(&1)).product();
    if size > MAX_COMPUTED {
        return;
    }
    for input in [
        MatrixInput::Distances,
        MatrixInput::Attention,
        MatrixInput::Points,
    ] {
        let persistence = MatrixPersistence {
            input,
            max_homology_dim: 2,
            threshold: f64::INFINITY,
            memory_limit: None,
        };
        let _ = persistence.diagrams(&matrices, |_| {});
    }
}

/// Diagrams of this crate and one without vertices and offsets, as other programs write it.
pub(super) fn diagram_corpus() -> Vec<Case> {
    let diagrams = |n: usize| -> Vec<Diagram<f64>> {
        let values = distances(n);
        let matrix = DistanceMatrix::new(&values, n).expect("distances");
        let mut rips = VietorisRips::new(1).expect("a dimension");
        rips.diagrams(&matrix).expect("diagrams")
    };
    let bar = |birth: f64, death: f64| Bar {
        birth,
        death,
        birth_edge: None,
        death_edge: None,
    };
    let loops = Diagram {
        homology_dim: 0,
        bars: vec![bar(1.0, 2.0), bar(0.5, f64::INFINITY), bar(-1.0, 7.25)],
    };
    let empty = Diagram {
        homology_dim: 1,
        bars: Vec::new(),
    };
    [
        vec![diagrams(5), diagrams(3)],
        vec![vec![loops.clone(), empty]],
        vec![vec![loops.clone(), loops]; 3],
    ]
    .iter()
    .map(|items| Case::one("a.npz", encode_diagrams(items, "{}").expect("an archive")))
    .collect()
}

/// Reads diagrams and compares the first of each item with that of the first item.
pub(super) fn read_diagram_file(directory: &Path) {
    let Some(path) = only_file(directory) else {
        return;
    };
    let _ = Npz::has_array(&path, "dgm0");
    let Ok(items) = read_diagrams(&path) else {
        return;
    };
    let firsts: Vec<Vec<Point>> = items
        .into_iter()
        .filter_map(|item| item.into_iter().next())
        .filter(|diagram| diagram.len() <= MAX_COMPUTED)
        .take(4)
        .collect();
    for other in &firsts {
        for norm in [GroundNorm::L1, GroundNorm::L2, GroundNorm::Infinity] {
            let _ = bottleneck(&firsts[0], other, norm);
            let _ = wasserstein(&firsts[0], other, 2.0, norm);
        }
    }
    let _ = frechet_mean(&firsts);
}
