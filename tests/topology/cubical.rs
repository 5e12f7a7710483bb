//! Images and volumes: results of other libraries, known answers, gradients and errors.

use std::collections::BTreeSet;

use burn_topology::topology::{
    BarPair, BettiMatching, Construction, CubicalComplex, CubicalDiagram, Filtration, GreyImage,
    GroundNorm, MAX_PIXELS, MAX_REDUCED_VOXELS, Volume,
};
use serde_json::Value;

use super::cubical_oracle::Bars;

const FILTRATIONS: [Filtration; 2] = [Filtration::Superlevel, Filtration::Sublevel];
pub const CONSTRUCTIONS: [Construction; 2] = [Construction::TopCells, Construction::Vertices];

/// All four conventions.
pub fn conventions() -> impl Iterator<Item = (Filtration, Construction)> {
    FILTRATIONS
        .into_iter()
        .flat_map(|filtration| CONSTRUCTIONS.map(|construction| (filtration, construction)))
}

pub fn diagrams(
    values: &[f64],
    shape: [usize; 2],
    convention: (Filtration, Construction),
) -> [CubicalDiagram<f64>; 2] {
    let image = GreyImage::new(values, shape).unwrap();
    CubicalComplex::new(convention.0, convention.1).image_diagrams(&image)
}

/// Births and deaths, sorted.
pub fn sorted(diagram: &CubicalDiagram<f64>) -> Bars {
    let mut bars: Bars = diagram
        .bars
        .iter()
        .map(|bar| (bar.birth, bar.death))
        .collect();
    bars.sort_by(|a, b| a.partial_cmp(b).unwrap());
    bars
}

/// Pairs of two bars.
pub fn matched(matching: &BettiMatching<f64>, dim: usize) -> BTreeSet<(usize, usize)> {
    matching.pairs[dim]
        .iter()
        .filter_map(|pair| Some((pair.first()?, pair.second()?)))
        .collect()
}

/// Reads numbers of a JSON array.
fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

fn goldens() -> Value {
    serde_json::from_str(include_str!("../data_files/cubical.json")).unwrap()
}

fn shape_of(case: &Value) -> Vec<usize> {
    numbers(&case["shape"])
        .into_iter()
        .map(|side| side as usize)
        .collect()
}

/// Finite bars of the golden file, sorted.
fn golden_bars(bars: &Value) -> Bars {
    let mut bars: Bars = bars
        .as_array()
        .unwrap()
        .iter()
        .map(|bar| {
            let bar = numbers(bar);
            (bar[0], bar[1])
        })
        .collect();
    bars.sort_by(|a, b| a.partial_cmp(b).unwrap());
    bars
}

fn finite(diagram: &CubicalDiagram<f64>) -> Bars {
    let mut bars: Bars = diagram.finite().map(|bar| (bar.birth, bar.death)).collect();
    bars.sort_by(|a, b| a.partial_cmp(b).unwrap());
    bars
}

#[test]
fn bars_equal_those_of_gudhi() {
    let goldens = goldens();
    let cases = goldens["gudhi"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let (values, shape) = (numbers(&case["values"]), shape_of(case));
        for (key, construction) in [
            ("top_cells", Construction::TopCells),
            ("vertices", Construction::Vertices),
        ] {
            let mut complex = CubicalComplex::new(Filtration::Superlevel, construction);
            let diagrams = match shape[..] {
                [height, width] => complex
                    .image_diagrams(&GreyImage::new(&values, [height, width]).unwrap())
                    .to_vec(),
                [depth, height, width] => complex
                    .volume_diagrams(&Volume::new(&values, [depth, height, width]).unwrap(), 2)
                    .unwrap(),
                _ => unreachable!(),
            };
            for (dim, diagram) in diagrams.iter().enumerate() {
                assert_eq!(
                    finite(diagram),
                    golden_bars(&case[key][dim]),
                    "{shape:?} {key} {dim}"
                );
            }
        }
    }
}

#[test]
fn betti_matchings_equal_those_of_the_authors() {
    let goldens = goldens();
    let cases = goldens["betti_matching"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let (first, second, shape) = (
            numbers(&case["first"]),
            numbers(&case["second"]),
            shape_of(case),
        );
        let [x, y] =
            [&first, &second].map(|values| GreyImage::new(values, [shape[0], shape[1]]).unwrap());
        let matching = CubicalComplex::new(Filtration::Sublevel, Construction::Vertices)
            .betti_matching(&x, &y)
            .unwrap();
        for dim in 0..2 {
            let (x, y) = (&matching.first[dim].bars, &matching.second[dim].bars);
            // The authors leave out the components that never die.
            let pairs = matched(&matching, dim)
                .into_iter()
                .filter(|&(i, _)| !x[i].is_essential());
            let mut pairs: Vec<Vec<f64>> = pairs
                .map(|(i, j)| vec![x[i].birth, x[i].death, y[j].birth, y[j].death])
                .collect();
            let mut expected: Vec<Vec<f64>> = case["matched"][dim]
                .as_array()
                .unwrap()
                .iter()
                .map(numbers)
                .collect();
            for pairs in [&mut pairs, &mut expected] {
                pairs.sort_by(|a, b| a.partial_cmp(b).unwrap());
            }
            assert_eq!(pairs, expected, "{shape:?} {dim}");
        }
    }
}

#[test]
fn least_persistence_drops_short_bars_and_keeps_essential_ones() {
    let image = [0.9, 0.2, 0.8, 0.5, 0.6];
    let image = GreyImage::new(&image, [1, 5]).unwrap();
    let mut complex = CubicalComplex::default().with_min_persistence(0.2).unwrap();
    let [components, _] = complex.image_diagrams(&image);
    assert_eq!(sorted(&components), [(0.8, 0.2), (0.9, f64::NEG_INFINITY)]);
    // A partner that is dropped leaves its bar to the diagonal.
    let second = [0.9, 0.45, 0.6, 0.3, 0.35];
    let second = GreyImage::new(&second, [1, 5]).unwrap();
    let matching = complex.betti_matching(&image, &second).unwrap();
    assert_eq!(
        matching.pairs[0],
        [BarPair::FirstToDiagonal(0), BarPair::Bars(1, 0)]
    );
    for bad in [-0.1, f64::NAN] {
        let error = CubicalComplex::<f64>::default()
            .with_min_persistence(bad)
            .unwrap_err();
        assert!(error.is_invalid_parameter());
        assert!(
            error
                .to_string()
                .contains("expected a number of at least 0"),
            "{error}"
        );
    }
}

#[test]
fn gradients_of_a_betti_matching_equal_central_differences() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f64 / (1 << 24) as f64
    };
    let first: Vec<f64> = (0..36).map(|_| noise()).collect();
    let second: Vec<f64> = (0..36).map(|_| noise()).collect();
    let image = |values: &[f64]| GreyImage::new(values, [6, 6]).unwrap().values().to_vec();
    let mut complex = CubicalComplex::default();
    let mut cost = |first: &[f64], second: &[f64], dim| {
        let (first, second) = (image(first), image(second));
        let [x, y] = [&first, &second].map(|values| GreyImage::new(values, [6, 6]).unwrap());
        let matching = complex.betti_matching(&x, &y).unwrap();
        let cost = matching
            .value_and_gradient(dim, 2.0, GroundNorm::L2)
            .unwrap();
        let mut gradient = [vec![0.0; 36], vec![0.0; 36]];
        let pixels = [
            matching.first[dim].pixel_gradient(&cost.first),
            matching.second[dim].pixel_gradient(&cost.second),
        ];
        for (gradient, pixels) in gradient.iter_mut().zip(pixels) {
            for (pixel, derivative) in pixels {
                gradient[pixel] += derivative;
            }
        }
        (cost.value, gradient)
    };
    for dim in 0..2 {
        let (value, gradient) = cost(&first, &second, dim);
        assert!(value > 0.0);
        for side in 0..2 {
            for pixel in 0..36 {
                let mut at = |step: f64| {
                    let mut images = [first.clone(), second.clone()];
                    images[side][pixel] += step;
                    cost(&images[0], &images[1], dim).0
                };
                let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!(
                    (gradient[side][pixel] - expected).abs() < 1e-7,
                    "{} {expected}",
                    gradient[side][pixel]
                );
            }
        }
    }
}

#[test]
fn invalid_images_are_refused_with_the_place() {
    let error = GreyImage::new(&[0.0; 5], [2, 3]).unwrap_err();
    assert_eq!(error.to_string(), "image has 5 values, expected 2 x 3");
    let mut values = vec![0.0_f32; 24];
    values[17] = f32::NAN;
    let error = Volume::new(&values, [2, 3, 4]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "voxel in frame 1, row 1, column 1 is NaN, expected a number"
    );
    let error = GreyImage::<f32>::new(&[], [60_000, 60_000]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "image of 60000 x 60000 pixels is too large, expected at most {MAX_PIXELS}; make it smaller or cut it into parts"
        )
    );
    for shape in [[usize::MAX, 2], [0, usize::MAX]] {
        assert!(
            GreyImage::<f32>::new(&[], shape)
                .unwrap_err()
                .is_invalid_image()
        );
    }
    let [x, y] = [[1, 2], [2, 1]].map(|shape| GreyImage::new(&[0.0, 1.0], shape).unwrap());
    let error = CubicalComplex::default()
        .betti_matching(&x, &y)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "first image has 1 x 2 pixels and the second 2 x 1, expected the same shape"
    );
    let voxels = vec![0.0_f32; MAX_REDUCED_VOXELS + 1];
    let volume = Volume::new(&voxels, [1, 1, MAX_REDUCED_VOXELS + 1]).unwrap();
    let mut complex = CubicalComplex::default();
    assert!(
        complex
            .volume_diagrams(&volume, 1)
            .unwrap_err()
            .is_invalid_image()
    );
    assert!(
        complex
            .volume_diagrams(&volume, 3)
            .unwrap_err()
            .is_invalid_parameter()
    );
    assert_eq!(
        complex.volume_diagrams(&volume, 0).unwrap()[0].bars.len(),
        1
    );
}

#[test]
fn empty_constant_and_tiny_images() {
    for convention in conventions() {
        for shape in [[0, 0], [0, 5], [5, 0]] {
            assert!(
                diagrams(&[], shape, convention)
                    .iter()
                    .all(|diagram| diagram.bars.is_empty())
            );
            let empty = GreyImage::new(&[], shape).unwrap();
            let matching = CubicalComplex::<f64>::new(convention.0, convention.1)
                .betti_matching(&empty, &empty)
                .unwrap();
            assert!(matching.pairs.iter().all(Vec::is_empty));
        }
        for shape in [[1, 1], [1, 7], [7, 1], [3, 4]] {
            let [components, holes] = diagrams(&vec![0.5; shape[0] * shape[1]], shape, convention);
            assert_eq!((components.bars.len(), holes.bars.len()), (1, 0));
            assert_eq!(components.bars[0].birth, 0.5);
        }
    }
}

/// Reusing the buffers for images of other shapes changes nothing, and `f32` gives the bars of `f64`.
#[test]
fn buffers_and_precision_do_not_matter() {
    let values: Vec<f32> = (0..600_u32)
        .map(|k| (k.wrapping_mul(0x9E37_79B9) >> 24) as f32 / 16.0)
        .collect();
    let mut complex = CubicalComplex::default();
    for shape in [[20, 30], [3, 4], [1, 7], [10, 10], [0, 3], [24, 25]] {
        let values = &values[..shape[0] * shape[1]];
        let single = complex.image_diagrams(&GreyImage::new(values, shape).unwrap());
        let double: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        let double = diagrams(
            &double,
            shape,
            (Filtration::Superlevel, Construction::TopCells),
        );
        assert_eq!(single.map(|diagram| diagram.to_f64()), double);
    }
}
