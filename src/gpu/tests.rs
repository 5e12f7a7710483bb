//! Kernels against the algorithms for processors, on every device that this build has. Their output memory is poisoned.

use burn::prelude::*;
use proptest::prelude::*;

use super::{DeviceBars, DeviceItem, DeviceRows, bars_of_distances};
use crate::distance::{PairwiseDistances, RowDistance, RowMetric};
use crate::topology::{Diagram, DistanceMatrix, Edge, VietorisRips};

/// Devices, and the largest number of points of each: long loops end early on Mesa's software driver, for which the feature
/// `wgpu` stands here.
fn devices() -> Vec<(Device, usize)> {
    vec![
        #[cfg(feature = "cubecl-cpu")]
        (Device::cpu(), 197),
        #[cfg(feature = "wgpu")]
        (Device::wgpu(Default::default()), 65),
        #[cfg(all(feature = "cuda", not(any(feature = "cubecl-cpu", feature = "wgpu"))))]
        (Device::cuda(0), 577),
    ]
}

/// Metrics that the device knows.
const METRICS: [RowMetric; 4] = [
    RowMetric::JensenShannon,
    RowMetric::Hellinger,
    RowMetric::Cosine,
    RowMetric::Euclidean,
];

fn read(bars: &DeviceBars) -> Vec<DeviceItem> {
    let words = bars.words().into_data().convert::<u32>();
    bars.items(&words.try_into_vec::<u32>().unwrap())
}

/// Splitmix64, as numbers from 0 to 1.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Symmetric matrix whose entry for each pair is given.
fn symmetric(n: usize, mut entry: impl FnMut(usize, usize) -> f32) -> Vec<f32> {
    let mut matrix = vec![0.0; n * n];
    for i in 0..n {
        for j in i + 1..n {
            matrix[i * n + j] = entry(i, j);
            matrix[j * n + i] = matrix[i * n + j];
        }
    }
    matrix
}

/// Diagrams of a matrix by the algorithm for processors.
fn expected(matrix: &[f32], n: usize, dim: usize) -> Vec<Diagram<f64>> {
    let matrix = DistanceMatrix::new(matrix, n).unwrap();
    let diagrams = VietorisRips::new(dim).unwrap().diagrams(&matrix).unwrap();
    diagrams.iter().map(Diagram::to_f64).collect()
}

/// Compares the bars of matrices on all devices with those of the processor, edge for edge.
fn compare(matrices: &[Vec<f32>], n: usize) {
    for (device, max_points) in devices() {
        if n > max_points {
            continue;
        }
        let data = TensorData::new(matrices.concat(), [matrices.len(), n, n]);
        let tensor = Tensor::<3>::from_data(data, &device);
        for dim in [0, 1] {
            let bars = || read(&bars_of_distances(tensor.clone(), dim).unwrap());
            let items = bars();
            assert_eq!(items, bars(), "two runs differ");
            assert_eq!(items.len(), matrices.len());
            for (item, matrix) in items.into_iter().zip(matrices) {
                let expected = DeviceItem::Diagrams(expected(matrix, n, dim));
                assert_eq!(
                    item, expected,
                    "dimension {dim} of {n} points on {device:?}"
                );
            }
        }
    }
}

/// Attention rows of queries and keys with 16 entries, sharper for a larger scale; nearer tokens have more weight if
/// `has_structure`.
fn attention(n: usize, scale: f64, has_structure: bool, seed: u64) -> Vec<f32> {
    let mut random = random(seed);
    let vectors: Vec<f64> = (0..2 * n * 16).map(|_| random() - 0.5).collect();
    let (queries, keys) = vectors.split_at(n * 16);
    let mut rows = Vec::with_capacity(n * n);
    for i in 0..n {
        let weight = |j: usize| {
            let pairs = queries[16 * i..][..16].iter().zip(&keys[16 * j..]);
            let product: f64 = pairs.map(|(q, k)| q * k).sum();
            let apart = (i as f64 - j as f64).abs() / n as f64;
            let nearness = if has_structure { -8.0 * apart } else { 0.0 };
            (scale * (product + nearness)).exp()
        };
        let weights: Vec<f64> = (0..n).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        rows.extend(weights.iter().map(|w| (w / sum) as f32));
    }
    rows
}

#[test]
fn bars_of_random_matrices_are_those_of_the_processor() {
    // Numbers without any structure have more classes than there is room for at 64 points.
    for n in [2, 3, 4, 31, 32, 33, 40] {
        let matrices: Vec<Vec<f32>> = (0..3)
            .map(|seed| {
                let mut random = random(seed + n as u64);
                symmetric(n, |_, _| 0.5 + random() as f32)
            })
            .collect();
        compare(&matrices, n);
    }
}

#[test]
fn bars_of_attention_are_those_of_the_processor() {
    for n in [5, 17, 64, 65, 197] {
        let matrices: Vec<Vec<f32>> = [(1.0, true), (3.0, true), (1.0, false), (0.01, false)]
            .into_iter()
            .map(|(scale, has_structure)| {
                let rows = attention(n, scale, has_structure, 3);
                let mut lengths = vec![0.0; n * n];
                let distance = RowDistance::JENSEN_SHANNON;
                PairwiseDistances::default().compute(distance, &rows, n, &mut lengths);
                lengths
            })
            .collect();
        compare(&matrices, n);
    }
}

#[test]
fn a_device_that_ends_long_loops_early_leaves_large_items_to_the_host() {
    let n = 197;
    let values = attention(n, 3.0, true, 3);
    let distance = RowDistance::JENSEN_SHANNON;
    let mut lengths = vec![0.0; n * n];
    PairwiseDistances::default().compute(distance, &values, n, &mut lengths);
    let longest = |diagrams: &[Diagram<f64>]| -> Vec<f64> {
        diagrams.iter().map(Diagram::largest_persistence).collect()
    };
    let expected = longest(&expected(&lengths, n, 1));
    for (device, max_points) in devices() {
        let data = TensorData::new(values.clone(), [1, n, n]);
        let rows = Tensor::<3>::from_data(data, &device);
        let Some(rows) = DeviceRows::new(&rows, distance, 1) else {
            assert!(max_points < n, "{device:?} finishes long loops");
            continue;
        };
        for bars in rows.bars() {
            for item in read(&bars) {
                let DeviceItem::Diagrams(diagrams) = item else {
                    panic!("{device:?} had no room");
                };
                for (found, expected) in longest(&diagrams).iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() < 1e-4,
                        "{device:?}: {found}, {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn points_at_infinity_and_equal_points_are_as_on_the_processor() {
    let cycle = |i: usize, j: usize| ((j - i) as f32).min(12.0 - (j - i) as f32);
    compare(
        &[
            symmetric(12, cycle),
            symmetric(12, |_, _| 0.0),
            symmetric(12, |_, _| 1.0),
            symmetric(12, |_, _| f32::INFINITY),
            // Two cycles that never meet: their components and classes are essential where edges are missing.
            symmetric(12, |i, j| {
                if i / 6 == j / 6 {
                    ((j - i) as f32).min(6.0 - (j - i) as f32)
                } else {
                    f32::INFINITY
                }
            }),
            symmetric(12, |i, j| {
                if j == i + 1 || j == i + 11 {
                    1.0
                } else {
                    f32::INFINITY
                }
            }),
            // Pairs of equal points.
            symmetric(12, |i, j| cycle(i / 2 * 2, j / 2 * 2)),
        ],
        12,
    );
}

/// Compares a matrix whose lengths have only a few values, and may be infinite.
fn compare_with_ties(n: usize, n_values: u32, seed: u64, has_infinity: bool) {
    let mut random = random(seed);
    let n_kinds = n_values + u32::from(has_infinity);
    let matrix = symmetric(n, |_, _| match (random() * f64::from(n_kinds)) as u32 {
        kind if kind == n_values => f32::INFINITY,
        kind => kind as f32,
    });
    compare(&[matrix], n);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ties_and_lengths_that_are_no_metric(
        n in 2usize..24,
        n_values in 1u32..6,
        seed in any::<u64>(),
        has_infinity in any::<bool>(),
    ) {
        compare_with_ties(n, n_values, seed, has_infinity);
    }
}

#[test]
fn a_complete_bipartite_graph_has_no_room_and_is_left_to_the_host() {
    let (m, n) = (16, 32);
    // Every square of this graph is a class: (m - 1)^2 of them.
    let matrix = symmetric(n, |i, j| if i / m == j / m { 2.0 } else { 1.0 });
    for (device, _) in devices() {
        let tensor = Tensor::<3>::from_data(TensorData::new(matrix.clone(), [1, n, n]), &device);
        let items = read(&bars_of_distances(tensor.clone(), 1).unwrap());
        assert_eq!(items, [DeviceItem::NoRoom]);
        let items = read(&bars_of_distances(tensor, 0).unwrap());
        assert!(matches!(items[..], [DeviceItem::Diagrams(_)]));
    }
}

#[test]
fn a_length_that_is_no_number_is_left_to_the_host() {
    for (device, _) in devices() {
        let mut matrix = symmetric(9, |i, j| (i + j) as f32);
        matrix[2 * 9 + 7] = f32::NAN;
        matrix[7 * 9 + 2] = f32::NAN;
        let tensor = Tensor::<3>::from_data(TensorData::new(matrix, [1, 9, 9]), &device);
        for dim in [0, 1] {
            let items = read(&bars_of_distances(tensor.clone(), dim).unwrap());
            assert_eq!(items, [DeviceItem::NotComputable]);
        }
    }
}

/// Rows for a metric: distributions, or vectors with both signs.
fn rows_for(metric: RowMetric, n: usize, m: usize, seed: u64) -> Vec<f32> {
    let mut random = random(seed);
    let mut rows: Vec<f32> = (0..n * m).map(|_| random() as f32 + 1e-3).collect();
    for row in rows.chunks_mut(m) {
        match metric {
            RowMetric::Cosine | RowMetric::Euclidean => row.iter_mut().for_each(|x| *x -= 0.5),
            _ => {
                // An outcome without mass.
                row[0] = if seed.is_multiple_of(2) { 0.0 } else { row[0] };
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= sum);
            }
        }
    }
    rows
}

#[test]
fn distances_are_those_of_the_processor() {
    // Two points have one distance, which is their death. All remainders by 4 and by 8 occur.
    for (device, _) in devices() {
        for metric in METRICS {
            let distance = RowDistance {
                metric,
                exponent: 1.0,
            };
            for m in [1, 2, 7, 8, 9, 33, 64] {
                // Rows far apart, and rows that nearly agree.
                let far = rows_for(metric, 2, m, 5);
                let mut near = [&far[..m], &far[..m]].concat();
                if let [.., a, b] = &mut near[..]
                    && m > 1
                {
                    let moved = 1e-4 * a.abs().min(b.abs());
                    *a += moved;
                    *b -= moved;
                }
                let tensor = TensorData::new([far.clone(), near.clone()].concat(), [2, 2, m]);
                let tensor = Tensor::<3>::from_data(tensor, &device);
                let rows = DeviceRows::new(&tensor, distance, 0).unwrap();
                let items: Vec<DeviceItem> = rows.bars().iter().flat_map(read).collect();
                for (item, rows) in items.iter().zip([far, near]) {
                    let DeviceItem::Diagrams(diagrams) = item else {
                        panic!("{metric:?} of {m} columns: {item:?}");
                    };
                    let death = diagrams[0].largest_persistence();
                    let exact: Vec<f64> = rows.iter().map(|&x| f64::from(x)).collect();
                    let exact = distance.between([&exact[..m], &exact[m..]]);
                    // Unit vectors are rounded, so the cosine loses digits where they nearly agree.
                    let tolerance = match metric {
                        RowMetric::Cosine => 2e-6 * exact + 2e-7 * exact.sqrt(),
                        _ => 4e-6 * exact,
                    };
                    assert!(
                        (death - exact).abs() <= tolerance,
                        "{metric:?} of {m} columns on {device:?}: {death}, expected {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn rows_that_a_metric_refuses_are_left_to_the_host() {
    for (device, _) in devices() {
        for metric in METRICS {
            let distance = RowDistance {
                metric,
                exponent: 1.0,
            };
            let mut bad = vec![f32::NAN, f32::INFINITY];
            match metric {
                RowMetric::JensenShannon | RowMetric::Hellinger => bad.push(-0.25),
                RowMetric::Euclidean => bad.push(1e30),
                _ => {}
            }
            for entry in bad {
                let good = rows_for(metric, 6, 6, 1);
                let mut wrong = good.clone();
                wrong[3 * 6 + 2] = entry;
                let data = TensorData::new([good, wrong].concat(), [2, 6, 6]);
                let tensor = Tensor::<3>::from_data(data, &device);
                for dim in [0, 1] {
                    let rows = DeviceRows::new(&tensor, distance, dim).unwrap();
                    let items: Vec<DeviceItem> = rows.bars().iter().flat_map(read).collect();
                    assert!(matches!(items[0], DeviceItem::Diagrams(_)), "{metric:?}");
                    assert_eq!(
                        items[1],
                        DeviceItem::NotComputable,
                        "{metric:?} with {entry}"
                    );
                }
            }
        }
        // A vector of zeros has no direction.
        let mut rows = rows_for(RowMetric::Cosine, 4, 3, 1);
        rows[3..6].fill(0.0);
        let tensor = Tensor::<3>::from_data(TensorData::new(rows, [1, 4, 3]), &device);
        let distance = RowDistance {
            metric: RowMetric::Cosine,
            exponent: 1.0,
        };
        let rows = DeviceRows::new(&tensor, distance, 0).unwrap();
        let items: Vec<DeviceItem> = rows.bars().iter().flat_map(read).collect();
        assert_eq!(items, [DeviceItem::NotComputable]);
    }
}

#[test]
fn gradients_are_those_of_the_processor() {
    let (n, m) = (6, 7);
    let edges: [Edge; 4] = [[0, 1], [0, 5], [2, 4], [4, 5]];
    for (device, _) in devices() {
        for metric in METRICS {
            let distance = RowDistance {
                metric,
                exponent: 1.0,
            };
            let items = [rows_for(metric, n, m, 3), rows_for(metric, n, m, 4)];
            let mut expected = vec![0.0f32; 2 * n * m];
            let mut gradient = Vec::new();
            for (k, rows) in items.iter().enumerate() {
                let mut list = Vec::new();
                for (e, edge) in edges.into_iter().enumerate().skip(k) {
                    let row = |v: u32| &rows[v as usize * m..][..m];
                    let length = f64::from(distance.between(edge.map(row)));
                    let derivative = 0.5 - e as f64;
                    list.push((edge, length, derivative));
                    let mut parts = [vec![0.0f32; m], vec![0.0f32; m]];
                    let [first, second] = &mut parts;
                    let ends = edge.map(|v| v as usize);
                    // Three times, as the factor below.
                    distance.accumulate_gradient(
                        edge.map(row),
                        ends,
                        length,
                        3.0 * derivative,
                        [first, second],
                    );
                    for (end, part) in ends.into_iter().zip(parts) {
                        for (column, slope) in part.into_iter().enumerate() {
                            expected[(k * n + end) * m + column] += slope;
                        }
                    }
                }
                gradient.push(list);
            }
            let run = || {
                let tensor = TensorData::new(items.concat(), [2, n, m]);
                let tensor =
                    Tensor::<3>::from_data(tensor, &device.clone().autodiff()).require_grad();
                let rows = DeviceRows::new(&tensor, distance, 1).unwrap();
                let zero = rows.surrogate(&gradient);
                assert_eq!(zero.clone().into_scalar::<f32>(), 0.0);
                let gradient = tensor.grad(&(zero * 3.0).backward()).unwrap();
                gradient.into_data().try_into_vec::<f32>().unwrap()
            };
            let actual = run();
            assert_eq!(actual, run(), "two runs differ");
            // An outcome without mass has a large slope, beside which the others are compared on their own scale.
            for (actual, expected) in actual.iter().zip(&expected) {
                let tolerance = 2e-5 * expected.abs() + 2e-6;
                assert!(
                    (actual - expected).abs() <= tolerance,
                    "{metric:?} on {device:?}: {actual}, expected {expected}"
                );
            }
        }
    }
}

#[test]
fn no_edges_have_the_gradient_zero() {
    for (device, _) in devices() {
        let tensor = Tensor::<3>::ones([2, 3, 4], &device.autodiff()).require_grad();
        let rows = DeviceRows::new(&tensor, RowDistance::JENSEN_SHANNON, 0).unwrap();
        let gradient = tensor.grad(&rows.surrogate(&[vec![], vec![]]).backward());
        let gradient = gradient.unwrap().into_data().try_into_vec::<f32>().unwrap();
        assert!(gradient.iter().all(|&x| x == 0.0), "{gradient:?}");
    }
}

#[test]
fn what_the_kernels_do_not_know_is_left_to_the_host() {
    let Some((device, _)) = devices().pop() else {
        return;
    };
    let js = RowDistance::JENSEN_SHANNON;
    let takes = |shape: [usize; 3], distance, dim| {
        DeviceRows::new(&Tensor::ones(shape, &device), distance, dim).is_some()
    };
    assert!(takes([1, 4, 4], js, 1));
    assert!(!takes([1, 4, 4], js, 2));
    assert!(!takes([1, 1, 4], js, 1) && !takes([1, 0, 4], js, 1) && !takes([0, 4, 4], js, 1));
    assert!(!takes([1, 1025, 4], js, 1));
    for metric in [RowMetric::Attention, RowMetric::TotalVariation] {
        assert!(!takes([1, 4, 4], RowDistance { metric, ..js }, 1));
    }
    assert!(!takes(
        [1, 4, 4],
        RowDistance {
            exponent: 2.0,
            ..js
        },
        1
    ));
    #[cfg(feature = "flex")]
    assert!(DeviceRows::new(&Tensor::ones([1, 4, 4], &Device::flex()), js, 1).is_none());
}
