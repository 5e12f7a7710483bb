//! Persistence images and landscapes: values of other libraries, laws, gradients and errors.

use burn_topology::burn::prelude::*;
use burn_topology::distance::RowDistance;
use burn_topology::nn::{BarTensors, Persistence, PersistenceImage, PersistenceLandscape};

use crate::util::{assert_gradient, attention, device, values};

/// Bars of two items as tensors: the given ones, and one bar more.
fn bars(first: &[[f64; 2]]) -> BarTensors {
    let all: Vec<[f64; 2]> = first.iter().copied().chain([[1.0, 3.0]]).collect();
    let (device, dtype) = device();
    let ends = |end: usize| {
        let values: Vec<f64> = all.iter().map(|bar| bar[end]).collect();
        Tensor::from_data(TensorData::new(values, [all.len()]), (&device, dtype))
    };
    BarTensors {
        births: ends(0),
        deaths: ends(1),
        offsets: vec![0, first.len(), all.len()],
    }
}

const DIAGRAM: [[f64; 2]; 3] = [[0.0, 4.0], [1.0, 3.5], [2.5, 6.0]];

fn assert_near(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (k, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= tolerance,
            "{k}: {actual}, expected {expected}"
        );
    }
}

#[test]
fn images_equal_those_of_persim() {
    // PersistenceImager(birth_range=(0, 4), pers_range=(0, 5), pixel_size=1, kernel_params={"sigma": 0.25 * eye(2)})
    // of persim 0.3.8, transposed; its sigma is the covariance.
    #[rustfmt::skip]
    let expected = [
        0.001_610_257_870, 0.001_610_412_543, 7.733_765_889e-5, 2.646_770_340e-7,
        0.187_751_734_446, 0.188_430_832_710, 0.012_159_122_156, 0.000_755_508_597,
        0.858_646_258_449, 0.903_205_601_416, 0.414_644_511_356, 0.086_661_464_948,
        1.101_979_426_366, 0.606_921_927_719, 1.640_222_096_728, 0.375_879_953_989,
        0.913_423_054_699, 0.131_587_196_611, 0.376_004_608_587, 0.086_607_521_221,
    ];
    let images = PersistenceImage::new([0.0, 4.0], [0.0, 5.0], 0.5)
        .unwrap()
        .with_resolution([5, 4])
        .forward(&bars(&DIAGRAM));
    assert_eq!(images.dims(), [2, 5, 4]);
    // Burn's error function has the precision of 32 bits.
    assert_near(&values(images)[..20], &expected, 1e-6);
}

#[test]
fn landscapes_equal_those_of_gudhi() {
    // Landscape(num_landscapes=3, resolution=7, sample_range=[0, 6]) of GUDHI 3.11, which multiplies by the root of 2.
    #[rustfmt::skip]
    let expected = [
        0.0, 1.0, 2.0, 1.0, 1.5, 1.0, 0.0,
        0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0,
    ];
    let landscape = PersistenceLandscape::new([0.0, 6.0], 7, 4).unwrap();
    let landscapes = landscape.forward(&bars(&DIAGRAM));
    assert_eq!(landscapes.dims(), [2, 4, 7]);
    let actual = values(landscapes);
    assert_near(&actual[..21], &expected, 1e-12);
    // Three bars have no fourth level.
    assert_near(&actual[21..28], &[0.0; 7], 0.0);
    // The second item has one bar, whose tent is the first level.
    assert_near(&actual[28..35], &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 1e-12);
    assert_near(&actual[35..], &[0.0; 21], 0.0);
}

#[test]
fn features_do_not_depend_on_the_order_of_bars_nor_on_other_items() {
    let mut reversed = DIAGRAM;
    reversed.reverse();
    let image = PersistenceImage::new([0.0, 4.0], [0.0, 5.0], 0.5).unwrap();
    let landscape = PersistenceLandscape::new([0.0, 6.0], 13, 2).unwrap();
    let features = |diagram: &[[f64; 2]]| {
        let bars = bars(diagram);
        [
            values(image.forward(&bars)),
            values(landscape.forward(&bars)),
        ]
    };
    for (a, b) in features(&DIAGRAM).iter().zip(&features(&reversed)) {
        assert_near(a, b, 1e-12);
    }
    // The second item is the same whatever the first holds, and an empty item is 0.
    for (a, b) in features(&DIAGRAM).iter().zip(&features(&[])) {
        let half = a.len() / 2;
        assert_near(&a[half..], &b[half..], 1e-12);
        assert!(b[..half].iter().all(|&x| x == 0.0));
    }
}

#[test]
fn a_wide_image_holds_the_weight_of_all_bars() {
    for power in [1.0, 2.0] {
        let image = PersistenceImage::new([-50.0, 50.0], [-50.0, 50.0], 1.0).unwrap();
        let image = image.with_power(power).unwrap().with_resolution([3, 7]);
        let total = values(image.forward(&bars(&DIAGRAM)))[..21]
            .iter()
            .sum::<f64>();
        let expected: f64 = DIAGRAM
            .iter()
            .map(|bar| (bar[1] - bar[0]).powf(power))
            .sum();
        assert!(
            (total - expected).abs() < 1e-5,
            "{total}, expected {expected}"
        );
    }
}

#[test]
fn diagrams_without_bars_are_zeros_of_the_right_shape() {
    let (device, dtype) = device();
    let empty = || Tensor::<1>::zeros([0], (&device, dtype));
    for offsets in [vec![0], vec![0, 0, 0]] {
        let bars = BarTensors {
            births: empty(),
            deaths: empty(),
            offsets: offsets.clone(),
        };
        let image = PersistenceImage::new([0.0, 1.0], [0.0, 1.0], 0.1)
            .unwrap()
            .forward(&bars);
        assert_eq!(image.dims(), [offsets.len() - 1, 20, 20]);
        let landscape = PersistenceLandscape::new([0.0, 1.0], 9, 3)
            .unwrap()
            .forward(&bars);
        assert_eq!(landscape.dims(), [offsets.len() - 1, 3, 9]);
    }
}

#[test]
fn gradients_of_features_equal_central_differences() {
    for homology_dim in 0..2 {
        let bars_of = |rows: Tensor<3>| {
            let layer = Persistence::new(1).unwrap();
            layer
                .rows(rows, RowDistance::JENSEN_SHANNON)
                .unwrap()
                .bars(homology_dim)
        };
        // Another seed could have two deaths so close that the third level changes its bar within a step.
        let rows = || attention([2, 1, 14, 14], 7).squeeze_dim::<3>(1);
        let landscape = PersistenceLandscape::new([0.0, 0.8], 40, 3).unwrap();
        assert_gradient(rows(), |rows| {
            landscape.forward(&bars_of(rows)).square().sum()
        });
    }
    // The error function of the CPU backend is rounded to 32 bits, which central differences would amplify: so the
    // gradient of images is compared with its formula instead.
    let (births, deaths, bandwidth) = (0.3, 0.9, 0.2);
    let (device, dtype) = device();
    let end = |value: f64| Tensor::<1>::from_data([value], (&device, dtype)).require_grad();
    let (birth, death) = (end(births), end(deaths));
    let bars = BarTensors {
        births: birth.clone(),
        deaths: death.clone(),
        offsets: vec![0, 1],
    };
    let image = PersistenceImage::new([0.0, 0.5], [0.4, 1.0], bandwidth).unwrap();
    let image = image.with_resolution([1, 1]).forward(&bars);
    let value = values(image.clone())[0];
    let gradients = image.sum().backward();
    let slope = |end: &Tensor<1>| values(end.grad(&gradients).unwrap())[0];
    let density = |x: f64, centre: f64| {
        let scaled = (x - centre) / bandwidth;
        (-0.5 * scaled * scaled).exp() / (bandwidth * (2.0 * std::f64::consts::PI).sqrt())
    };
    let persistence = deaths - births;
    // value = p * X(b) * Y(p), so dX/db = -(density at the right edge - density at the left edge), and so Y.
    let mass_slope =
        |[low, high]: [f64; 2], centre: f64| density(low, centre) - density(high, centre);
    let mass = |range: [f64; 2], centre: f64| {
        // Simpson's rule on 2,000 intervals.
        let n = 2000;
        let h = (range[1] - range[0]) / f64::from(n);
        let sum: f64 = (0..=n)
            .map(|k| {
                let weight = if k == 0 || k == n {
                    1.0
                } else {
                    2.0 + 2.0 * f64::from(k % 2)
                };
                weight * density(range[0] + h * f64::from(k), centre)
            })
            .sum();
        sum * h / 3.0
    };
    let (x, y) = (mass([0.0, 0.5], births), mass([0.4, 1.0], persistence));
    assert!((value - persistence * x * y).abs() < 1e-6);
    let by_persistence = x * (y + persistence * mass_slope([0.4, 1.0], persistence));
    let by_birth = persistence * y * mass_slope([0.0, 0.5], births) - by_persistence;
    assert!((slope(&death) - by_persistence).abs() < 1e-5);
    assert!((slope(&birth) - by_birth).abs() < 1e-5);
}

#[test]
fn bad_parameters_of_features_are_refused() {
    let image = |births, bandwidth| PersistenceImage::new(births, [0.0, 1.0], bandwidth);
    for (error, expected) in [
        (
            image([1.0, 1.0], 0.1).unwrap_err(),
            "the range of births is 1 to 1",
        ),
        (
            image([0.0, f64::NAN], 0.1).unwrap_err(),
            "the range of births is 0 to NaN",
        ),
        (
            image([0.0, 1.0], 0.0).unwrap_err(),
            "bandwidth is 0, expected",
        ),
        (
            image([0.0, 1.0], 0.1).unwrap().with_power(0.5).unwrap_err(),
            "is 0.5, expected",
        ),
        (
            PersistenceLandscape::new([0.0, 1.0], 1, 1).unwrap_err(),
            "has 1 samples",
        ),
    ] {
        assert!(
            error.is_invalid_parameter() && error.to_string().contains(expected),
            "{error}"
        );
    }
}
