use burn_topology::topology::{
    BarPair, BettiMatching, Construction, CubicalComplex, CubicalDiagram, Filtration, GreyImage,
    GroundNorm, MAX_PIXELS, MAX_REDUCED_VOXELS, Volume, bottleneck,
};
use proptest::prelude::*;
use serde_json::Value;

use super::cubical_oracle::{self, Bars};

const FILTRATIONS: [Filtration; 2] = [Filtration::Superlevel, Filtration::Sublevel];
const CONSTRUCTIONS: [Construction; 2] = [Construction::TopCells, Construction::Vertices];

/// All four conventions.
fn conventions() -> impl Iterator<Item = (Filtration, Construction)> {
    FILTRATIONS
        .into_iter()
        .flat_map(|filtration| CONSTRUCTIONS.map(|construction| (filtration, construction)))
}

fn diagrams(
    values: &[f64],
    shape: [usize; 2],
    convention: (Filtration, Construction),
) -> [CubicalDiagram<f64>; 2] {
    let image = GreyImage::new(values, shape).unwrap();
    CubicalComplex::new(convention.0, convention.1).image_diagrams(&image)
}

/// Births and deaths, sorted.
fn sorted(diagram: &CubicalDiagram<f64>) -> Bars {
    let mut bars: Bars = diagram
        .bars
        .iter()
        .map(|bar| (bar.birth, bar.death))
        .collect();
    bars.sort_by(|a, b| a.partial_cmp(b).unwrap());
    bars
}

/// Images of up to 8 x 8 pixels with few or many different values, some of them infinite or on either side of 0.
fn image() -> impl Strategy<Value = (Vec<f64>, [usize; 2])> {
    let level = prop_oneof![
        8 => (0..7).prop_map(|k| f64::from(k) / 4.0 - 0.5),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ];
    let value = prop_oneof![level.boxed(), (-1.0..1.0).boxed()];
    let shape = (0_usize..=8, 0_usize..=8);
    shape.prop_flat_map(move |(h, w)| (prop::collection::vec(value.clone(), h * w), Just([h, w])))
}

/// Two images of the same shape.
fn two_images() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, [usize; 2])> {
    let shape = (1_usize..=9, 1_usize..=9);
    shape.prop_flat_map(|(h, w)| {
        let image = || {
            prop_oneof![
                prop::collection::vec(-1.0..1.0, h * w).boxed(),
                prop::collection::vec((0..4).prop_map(|k| f64::from(k) / 4.0), h * w).boxed(),
            ]
        };
        (image(), image(), Just([h, w]))
    })
}

/// Connected components of the pixels that are `value`.
fn count(mask: &[bool], [height, width]: [usize; 2], value: bool, diagonal: bool) -> usize {
    let mut is_open: Vec<bool> = mask.iter().map(|&pixel| pixel == value).collect();
    let mut n_components = 0;
    while let Some(start) = is_open.iter().position(|&is_open| is_open) {
        n_components += 1;
        let mut stack = vec![start];
        is_open[start] = false;
        while let Some(pixel) = stack.pop() {
            let [row, column] = [pixel / width, pixel % width];
            for next in 0..height * width {
                let [rows, columns] = [
                    (next / width).abs_diff(row),
                    (next % width).abs_diff(column),
                ];
                let is_neighbour = if diagonal {
                    rows.max(columns) == 1
                } else {
                    rows + columns == 1
                };
                if is_open[next] && is_neighbour {
                    is_open[next] = false;
                    stack.push(next);
                }
            }
        }
    }
    n_components
}

/// Numbers of components and of holes of a mask, by flooding.
fn flooded(mask: &[bool], [height, width]: [usize; 2], construction: Construction) -> [usize; 2] {
    let is_diagonal = construction == Construction::TopCells;
    // A border joins everything outside.
    let padded_width = width + 2;
    let mut padded = vec![false; (height + 2) * padded_width];
    for (row, pixels) in mask.chunks_exact(width).enumerate() {
        padded[(row + 1) * padded_width + 1..][..width].copy_from_slice(pixels);
    }
    let shape = [height + 2, padded_width];
    [
        count(&padded, shape, true, is_diagonal),
        count(&padded, shape, false, !is_diagonal) - 1,
    ]
}

fn fits(shape: [usize; 2]) -> bool {
    shape[0] * shape[1] > 0
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// The fast bars are those of a reduction of the whole boundary matrix, in every convention, ties and infinities
    /// included, and their critical pixels have their values.
    #[test]
    fn bars_of_images_equal_a_matrix_reduction((values, shape) in image()) {
        for convention in conventions() {
            let fast = diagrams(&values, shape, convention);
            let slow = cubical_oracle::bars(&values, [1, shape[0], shape[1]], convention.0, convention.1);
            for (dim, diagram) in fast.iter().enumerate() {
                prop_assert_eq!(&sorted(diagram), &slow[dim]);
                for bar in &diagram.bars {
                    prop_assert_eq!(values[bar.birth_pixel], bar.birth);
                    if let Some(pixel) = bar.death_pixel {
                        prop_assert_eq!(values[pixel], bar.death);
                    }
                }
                prop_assert_eq!(diagram.essential().count(), usize::from(dim == 0 && fits(shape)));
            }
        }
    }

    /// The bars that are alive at a threshold are as many as the components and holes that flooding finds.
    #[test]
    fn betti_numbers_equal_flooding((values, shape) in image()) {
        if !fits(shape) {
            return Ok(());
        }
        for (filtration, construction) in conventions() {
            let diagrams = diagrams(&values, shape, (filtration, construction));
            let sign = if filtration == Filtration::Superlevel { -1.0 } else { 1.0 };
            for &threshold in &values {
                let mask: Vec<bool> = values.iter().map(|value| sign * value <= sign * threshold).collect();
                let alive = diagrams.each_ref().map(|diagram| {
                    let is_alive = |[birth, death]: &[f64; 2]| *birth <= sign * threshold && sign * threshold < *death;
                    let finite = diagram.points().iter().zip(&diagram.bars)
                        .filter(|(point, bar)| !bar.is_essential() && is_alive(point)).count();
                    finite + diagram.essential().filter(|bar| sign * bar.birth <= sign * threshold).count()
                });
                prop_assert_eq!(alive, flooded(&mask, shape, construction));
            }
        }
    }

    /// Volumes equal a matrix reduction in all dimensions; one frame is an image.
    #[test]
    fn bars_of_volumes_equal_a_matrix_reduction(
        values in prop::collection::vec(prop_oneof![(0..5).prop_map(f64::from), -1.0..1.0], 36),
        shape in prop::sample::select(vec![[1, 6, 6], [2, 3, 6], [3, 3, 4], [4, 3, 3], [9, 2, 2], [36, 1, 1], [0, 6, 6]]),
    ) {
        let values = &values[..shape.iter().product()];
        for (filtration, construction) in conventions() {
            let volume = Volume::new(values, shape).unwrap();
            let mut complex = CubicalComplex::new(filtration, construction);
            let fast = complex.volume_diagrams(&volume, 2).unwrap();
            let slow = cubical_oracle::bars(values, shape, filtration, construction);
            for (dim, diagram) in fast.iter().enumerate() {
                prop_assert_eq!(&sorted(diagram), &slow[dim]);
                for bar in &diagram.bars {
                    prop_assert_eq!(values[bar.birth_pixel], bar.birth);
                    prop_assert!(bar.death_pixel.is_none_or(|pixel| values[pixel] == bar.death));
                }
            }
            // Dimension 0 alone takes another way.
            prop_assert_eq!(&complex.volume_diagrams(&volume, 0).unwrap()[0], &fast[0]);
            if shape[0] == 1 {
                let image = diagrams(values, [shape[1], shape[2]], (filtration, construction));
                prop_assert_eq!(&image[..], &fast[..2]);
            }
        }
    }

    /// A change of every pixel by at most e changes the diagrams by at most e in the bottleneck distance.
    #[test]
    fn diagrams_are_stable((first, second, shape) in two_images()) {
        let change = first.iter().zip(&second).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        for convention in conventions() {
            let [first, second] = [&first, &second].map(|values| diagrams(values, shape, convention));
            for (a, b) in first.iter().zip(&second) {
                let distance = bottleneck(&a.points(), &b.points(), GroundNorm::Infinity).unwrap().distance;
                prop_assert!(distance <= change + 1e-12, "{distance} > {change}");
            }
        }
    }

    /// Transposing an image moves its pixels and leaves its bars; negating it exchanges the two filtrations.
    #[test]
    fn bars_survive_transposition_and_negation((values, shape) in image()) {
        let transposed: Vec<f64> = (0..values.len()).map(|k| values[k % shape[0] * shape[1] + k / shape[0]]).collect();
        let negated: Vec<f64> = values.iter().map(|value| -value).collect();
        for construction in CONSTRUCTIONS {
            let original = diagrams(&values, shape, (Filtration::Superlevel, construction));
            let turned = diagrams(&transposed, [shape[1], shape[0]], (Filtration::Superlevel, construction));
            let sublevel = diagrams(&negated, shape, (Filtration::Sublevel, construction));
            for dim in 0..2 {
                prop_assert_eq!(sorted(&original[dim]), sorted(&turned[dim]));
                prop_assert_eq!(original[dim].points(), sublevel[dim].points());
                let pixels = |diagram: &CubicalDiagram<f64>| -> Vec<_> {
                    diagram.bars.iter().map(|bar| (bar.birth_pixel, bar.death_pixel)).collect()
                };
                prop_assert_eq!(pixels(&original[dim]), pixels(&sublevel[dim]));
            }
        }
    }

    /// Holes of the bright pixels are components of the dark ones beyond a bright border, in the other construction.
    #[test]
    fn holes_are_components_of_the_background((values, shape) in image()) {
        if !fits(shape) {
            return Ok(());
        }
        let [height, width] = [shape[0] + 2, shape[1] + 2];
        let padded: Vec<f64> = (0..height * width).map(|k| {
            let [row, column] = [k / width, k % width];
            let is_inside = (1..height - 1).contains(&row) && (1..width - 1).contains(&column);
            // Beyond all values but an infinite one, whose bars the comparison leaves out.
            if is_inside { values[(row - 1) * shape[1] + column - 1] } else { f64::NEG_INFINITY }
        }).collect();
        for (bright, dark) in [(Construction::TopCells, Construction::Vertices), (Construction::Vertices, Construction::TopCells)] {
            let holes = &diagrams(&values, shape, (Filtration::Superlevel, bright))[1];
            let components = &diagrams(&padded, [height, width], (Filtration::Sublevel, dark))[0];
            let mut expected: Bars = components.finite().map(|bar| (bar.death, bar.birth)).collect();
            expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
            prop_assert_eq!(sorted(holes), expected);
        }
    }

    /// A matching of an image with itself matches every bar with itself, and exchanging the images mirrors it.
    #[test]
    fn betti_matchings_are_symmetric((first, second, shape) in two_images()) {
        let [x, y] = [&first, &second].map(|values| GreyImage::new(values, shape).unwrap());
        for (filtration, construction) in conventions() {
            let mut complex = CubicalComplex::new(filtration, construction);
            let matching = complex.betti_matching(&x, &y).unwrap();
            let mirrored = complex.betti_matching(&y, &x).unwrap();
            let itself = complex.betti_matching(&x, &x).unwrap();
            for dim in 0..2 {
                prop_assert_eq!(matched(&matching, dim), matched(&mirrored, dim).iter().map(|&(i, j)| (j, i)).collect::<std::collections::BTreeSet<_>>());
                let expected: Vec<_> = (0..itself.first[dim].bars.len()).map(|i| BarPair::Bars(i, i)).collect();
                prop_assert_eq!(&itself.pairs[dim], &expected);
                let cost = itself.value_and_gradient(dim, 2.0, GroundNorm::L2).unwrap();
                prop_assert_eq!(cost.value, 0.0);
                // Every bar is in one pair.
                let n_bars = matching.first[dim].bars.len() + matching.second[dim].bars.len();
                prop_assert_eq!(matching.pairs[dim].len() + matched(&matching, dim).len(), n_bars);
            }
            prop_assert_eq!(&matching.first, &complex.image_diagrams(&x));
            prop_assert_eq!(&matching.second, &complex.image_diagrams(&y));
        }
    }
}

/// Pairs of two bars.
fn matched(
    matching: &BettiMatching<f64>,
    dim: usize,
) -> std::collections::BTreeSet<(usize, usize)> {
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
