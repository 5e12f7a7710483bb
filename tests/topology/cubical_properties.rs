//! Images and volumes: the independent oracle, flooding, and mathematical properties.

use std::collections::BTreeSet;

use burn_topology::topology::{
    BarPair, Construction, CubicalComplex, CubicalDiagram, Filtration, GreyImage, GroundNorm,
    Volume, bottleneck,
};
use proptest::prelude::*;

use super::cubical::{CONSTRUCTIONS, conventions, diagrams, matched, sorted};
use super::cubical_oracle::{self, Bars};

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
            let is_neighbour = |next: &usize| {
                let rows = (next / width).abs_diff(row);
                let columns = (next % width).abs_diff(column);
                if diagonal {
                    rows.max(columns) == 1
                } else {
                    rows + columns == 1
                }
            };
            for next in (0..height * width).filter(is_neighbour) {
                if is_open[next] {
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
                prop_assert_eq!(matched(&matching, dim), matched(&mirrored, dim).iter().map(|&(i, j)| (j, i)).collect::<BTreeSet<_>>());
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
