//! Cubical persistence layer: gradients, values and errors.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::Distribution;
use burn_topology::nn::{CubicalPersistence, PixelDiagramBatch};
use burn_topology::topology::{
    Construction, CubicalBar, CubicalComplex, Filtration, GreyImage, GroundNorm,
};

use crate::util::{assert_gradient, numbers, values};

fn layers() -> impl Iterator<Item = CubicalPersistence> {
    let filtrations = [Filtration::Superlevel, Filtration::Sublevel];
    filtrations.into_iter().flat_map(|filtration| {
        let constructions = [Construction::TopCells, Construction::Vertices];
        constructions.map(|construction| CubicalPersistence::new(filtration, construction))
    })
}

#[test]
fn gradients_of_images_equal_central_differences() {
    for layer in layers() {
        for homology_dim in 0..2 {
            assert_gradient(numbers([2, 7, 6], 4), |images| {
                let bars = layer.images(images).unwrap().bars(homology_dim);
                assert!(bars.offsets[1] > 0 && bars.offsets[2] > bars.offsets[1]);
                // Symmetric in the bars, whose order may change within a step of the difference.
                (bars.deaths.square() * 3.0 - bars.births).sum()
            });
        }
    }
}

#[test]
fn gradients_of_clamped_images_are_zero_outside_of_the_range() {
    let device = Device::flex().autodiff();
    let images = Tensor::<3>::from_data([[[1.2, 0.2, 0.8, -0.3, 0.7]]], &device).require_grad();
    let batch = CubicalPersistence::default()
        .images(images.clone().clamp(0.0, 1.0))
        .unwrap();
    let bars = batch.bars(0);
    let loss = (bars.births - bars.deaths).sum();
    assert_eq!(
        values(images.grad(&loss.backward()).unwrap()),
        [0.0, -1.0, 1.0, 0.0, 1.0]
    );
}

#[test]
fn gradients_of_volumes_equal_central_differences() {
    for homology_dim in 0..3 {
        assert_gradient(numbers([2, 4, 20], 4), |volumes| {
            let volumes = volumes.reshape([2, 4, 4, 5]);
            let bars = CubicalPersistence::default()
                .volumes(volumes, 2)
                .unwrap()
                .bars(homology_dim);
            assert!(bars.offsets[2] > 0);
            (bars.deaths.square() * 3.0 - bars.births).sum()
        });
    }
}

#[test]
fn bars_and_surrogate_have_the_same_gradient() {
    let device = Device::flex().autodiff();
    let images = Tensor::<3>::random([3, 9, 8], Distribution::Default, &device);
    // A graph is gone after its backward pass, so each gradient needs one of its own.
    let gradient = |loss: &dyn Fn(&PixelDiagramBatch) -> Tensor<1>| {
        let images = images.clone().detach().require_grad();
        let batch = CubicalPersistence::default()
            .images(images.clone())
            .unwrap();
        values(images.grad(&loss(&batch).backward()).unwrap())
    };
    for dim in 0..2 {
        let expected = gradient(&|batch| {
            let bars = batch.bars(dim);
            (bars.births.square() - bars.deaths).sum()
        });
        let actual = gradient(&|batch| {
            let ends = |bar: &CubicalBar<f64>| {
                let death = bar.death_pixel.expect("a finite bar");
                [(bar.birth_pixel, 2.0 * bar.birth), (death, -1.0)]
            };
            let pixels = |item| batch.diagrams(item)[dim].finite().flat_map(ends).collect();
            let surrogate = batch.surrogate(1.5, &[0, 1, 2].map(pixels));
            assert_eq!(surrogate.clone().into_scalar::<f32>(), 1.5);
            surrogate
        });
        assert!(expected.iter().any(|derivative| *derivative != 0.0));
        for (actual, expected) in actual.iter().zip(&expected) {
            assert!((actual - expected).abs() < 1e-6, "{actual} {expected}");
        }
    }
    // Without derivatives the number is still part of the graph.
    let nothing = gradient(&|batch| batch.surrogate(2.0, &vec![Vec::new(); 3]));
    assert_eq!(nothing, vec![0.0; 3 * 72]);
}

/// A Betti matching of a predicted image with a true one gives a gradient on its pixels, as a penalty needs it.
#[test]
fn betti_matching_pulls_an_image_towards_the_other() {
    let device = Device::flex().autodiff();
    let mut predicted = Tensor::<3>::from_data([[[0.9, 0.7, 0.2, 0.6]]], &device);
    let truth = [0.9, 0.1, 0.1, 0.9];
    let truth = GreyImage::new(&truth, [1, 4]).unwrap();
    let mut losses = Vec::new();
    for _ in 0..40 {
        let image = predicted.clone().detach().require_grad();
        let batch = CubicalPersistence::default().images(image.clone()).unwrap();
        let pixels: Vec<f64> = values(image.clone());
        let matching = CubicalComplex::default()
            .betti_matching(&GreyImage::new(&pixels, [1, 4]).unwrap(), &truth)
            .unwrap();
        let cost = matching.value_and_gradient(0, 2.0, GroundNorm::L2).unwrap();
        let loss = batch.surrogate(cost.value, &[matching.first[0].pixel_gradient(&cost.first)]);
        losses.push(loss.clone().into_scalar::<f32>());
        let gradient = image.grad(&loss.backward()).unwrap();
        predicted = (image - Tensor::from_data(gradient.into_data(), &device) * 0.2).detach();
    }
    assert!(losses[39] < 1e-4 && losses[39] < losses[0], "{losses:?}");
}

#[test]
fn batches_of_any_shape_and_precision() {
    let layer = CubicalPersistence::default()
        .with_min_persistence(0.01)
        .unwrap();
    for shape in [[0, 3, 3], [2, 0, 4], [2, 4, 0], [2, 1, 1]] {
        let batch = layer
            .images(Tensor::<3>::zeros(shape, &Device::flex()))
            .unwrap();
        assert_eq!(batch.batch_size(), shape[0]);
        for dim in 0..2 {
            let bars = batch.bars(dim);
            assert_eq!(bars.births.dims(), [0]);
            assert_eq!(bars.offsets, vec![0; shape[0] + 1]);
        }
    }
    for shape in [[2, 0, 3, 3], [2, 3, 0, 3], [2, 3, 3, 0]] {
        let volumes = Tensor::<4>::zeros(shape, &Device::flex());
        let batch = layer.volumes(volumes, 2).unwrap();
        assert_eq!((batch.batch_size(), batch.n_pixels()), (2, 0));
        assert!(
            batch
                .diagrams(1)
                .iter()
                .all(|diagram| diagram.bars.is_empty())
        );
    }
    let double = numbers([4, 9, 9], 3);
    let single = double.clone().cast(burn_topology::burn::tensor::DType::F32);
    let [double, single] = [double, single].map(|images| layer.images(images).unwrap());
    for item in 0..4 {
        assert_eq!(
            single.diagrams(item)[1].bars.len(),
            double.diagrams(item)[1].bars.len()
        );
    }
}

#[test]
fn bad_images_are_refused_with_item_and_place() {
    let mut pixels = [[[0.5_f32; 3]; 2]; 2];
    pixels[1][1][2] = f32::NAN;
    let images = Tensor::<3>::from_data(pixels, &Device::flex());
    let error = CubicalPersistence::default().images(images).unwrap_err();
    assert!(error.is_invalid_image());
    assert_eq!(
        error.to_string(),
        "item 1: pixel in row 1, column 2 is NaN, expected a number"
    );
    assert!(
        CubicalPersistence::default()
            .with_min_persistence(-1.0)
            .unwrap_err()
            .is_invalid_parameter()
    );
    let clips = Tensor::<4>::zeros([1, 1, 1, 1], &Device::flex());
    assert!(
        CubicalPersistence::default()
            .volumes(clips, 3)
            .unwrap_err()
            .is_invalid_parameter()
    );
}

#[test]
fn infinite_pixels_have_no_bars_in_the_graph() {
    let images = [[[1.0, f32::NEG_INFINITY, 0.5, 0.25, 0.75]]];
    let batch = CubicalPersistence::default()
        .images(Tensor::from_data(images, &Device::flex()))
        .unwrap();
    assert_eq!(batch.diagrams(0)[0].finite().count(), 2);
    assert_eq!(values(batch.bars(0).deaths), [0.25]);
}
