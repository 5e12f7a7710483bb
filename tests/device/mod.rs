//! Other devices: losses, gradients and resuming, compared with `flex`, which they equal up to rounding.

use std::path::Path;

use burn_topology::burn::module::Module;
use burn_topology::burn::nn::loss::CrossEntropyLossConfig;
use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::{Distribution, activation::softmax};
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, Normalize, Source, TopologyPenalty, TopologyRegularizer,
};
use burn_topology::model::{Capture, Vit, VitConfig};
use burn_topology::nn::{Engine, Tokens, gradient_norm};
use burn_topology::run::open_device;

use crate::train::tiny_config;
use crate::util::{TestDir, run_program};

/// Devices to compare with `flex`.
const OTHERS: &[&str] = &[
    #[cfg(feature = "ndarray")]
    "ndarray",
    #[cfg(feature = "wgpu")]
    "wgpu",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "metal")]
    "metal",
    #[cfg(feature = "cuda")]
    "cuda",
];

fn config() -> VitConfig {
    VitConfig::new([8, 8], 1, 10, 2, 8, 3, 2)
}

/// Task loss, both penalties, and gradient norms in different parts of the model.
fn losses_and_gradient_norms(name: &str, weights: &Path, pixels: &TensorData) -> Vec<f64> {
    let device = open_device(name).unwrap().autodiff();
    let vit: Vit = config().init(&device).try_load_file(weights).unwrap();
    let output = vit.forward(
        Tensor::from_data(pixels.clone(), &device),
        Capture::Attention,
    );
    let labels = Tensor::<1, Int>::from_data([3, 7], &device);
    let task = CrossEntropyLossConfig::new()
        .init(&device)
        .forward(output.output, labels);
    let penalties = vec![TopologyPenalty::new(0), TopologyPenalty::new(1)];
    let topology = TopologyRegularizer::new(penalties)
        .unwrap()
        .forward(
            &Activations::from_attention(output.attention.clone(), 1),
            Clock::default(),
        )
        .unwrap();
    assert!(topology.terms.iter().all(|term| term.n_gated == 0));
    let mut numbers = vec![task.clone().into_scalar::<f32>().into()];
    numbers.extend(topology.terms.iter().map(|term| term.value));
    let gradients = (task + topology.loss).backward();
    numbers.push(gradient_norm(&vit, &gradients));
    numbers.push(gradient_norm(&vit.patch_embed, &gradients));
    numbers.push(gradient_norm(&vit.blocks[1].attn, &gradients));
    numbers
}

#[test]
fn every_device_has_the_losses_and_gradients_of_flex() {
    let directory = TestDir::new();
    let weights = directory.path().join("model.bpk");
    let device = Device::flex();
    device.seed(4);
    let vit = config().init(&device);
    vit.into_record().save(&weights).unwrap();
    let pixels = Tensor::<4>::random([2, 1, 8, 8], Distribution::Normal(0.0, 1.0), &device);
    let pixels = pixels.into_data();
    let expected = losses_and_gradient_norms("flex", &weights, &pixels);
    assert!(expected.iter().all(|number| *number > 1e-4), "{expected:?}");
    assert!(!OTHERS.is_empty());
    for name in OTHERS {
        let actual = losses_and_gradient_norms(name, &weights, &pixels);
        for (actual, expected) in actual.iter().zip(&expected) {
            assert!(
                (actual - expected).abs() < 2e-4 * expected,
                "{name}: {actual}, expected {expected}"
            );
        }
    }
}

/// Values of the penalties, and the gradient of their sum with respect to the scores of two layers or to hidden states.
fn penalties_and_gradient(
    device: &Device,
    metric: RowMetric,
    engine: Engine,
) -> (Vec<f64>, Vec<f64>) {
    let shape = [3, 2, 11, 11];
    let numbers = |seed: u64| {
        let random = crate::util::numbers(shape, seed)
            .into_data()
            .convert::<f32>();
        Tensor::<4>::from_data(random, &device.clone().autodiff()).require_grad()
    };
    let inputs = [numbers(1), numbers(2)];
    let is_of_vectors = matches!(metric, RowMetric::Cosine | RowMetric::Euclidean);
    let activations = if is_of_vectors {
        let states = inputs.clone().map(|input| input.reshape([3, 22, 11]));
        Activations::from_hidden(states.to_vec(), 0)
    } else {
        let attention = inputs.clone().map(|scores| softmax(scores * 3.0, 3));
        Activations::from_attention(attention.to_vec(), 1)
    };
    let penalties = [0, 1].map(|dim| {
        let penalty = DiagramPenalty::new(dim).with_normalize(Normalize::SpanningTree);
        let mut penalty = TopologyPenalty::from(penalty);
        penalty.row_distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        if is_of_vectors {
            penalty.source = Source::Hidden;
            penalty.tokens = Tokens::All;
        }
        penalty
    });
    let topology = TopologyRegularizer::new(penalties.to_vec())
        .unwrap()
        .with_engine(engine)
        .forward(&activations, Clock::default())
        .unwrap();
    assert_eq!(topology.n_items_on_host, 0);
    let values = topology.terms.iter().map(|term| term.value).collect();
    let gradients = topology.loss.backward();
    let gradient = inputs.iter().flat_map(|input| {
        input
            .grad(&gradients)
            .unwrap()
            .into_data()
            .iter::<f64>()
            .collect::<Vec<_>>()
    });
    (values, gradient.collect())
}

/// Compares numbers relative to the largest of them.
fn assert_near(actual: &[f64], expected: &[f64], what: &str) {
    let scale = expected
        .iter()
        .fold(0.0, |largest: f64, x| largest.max(x.abs()));
    assert!(scale > 0.0, "{what}: nothing to compare");
    for (actual, expected) in actual.iter().zip(expected) {
        assert!(
            (actual - expected).abs() <= 2e-4 * scale,
            "{what}: {actual}, expected {expected}"
        );
    }
}

#[test]
fn the_kernels_of_a_device_compute_what_the_host_does() {
    let metrics = [
        RowMetric::JensenShannon,
        RowMetric::Hellinger,
        RowMetric::Cosine,
        RowMetric::Euclidean,
        // The kernels do not know this one, so the rows go to the host.
        RowMetric::TotalVariation,
    ];
    for metric in metrics {
        let (values, gradient) = penalties_and_gradient(&Device::flex(), metric, Engine::Host);
        for name in OTHERS {
            let device = open_device(name).unwrap();
            for engine in [Engine::Device, Engine::Host] {
                let run = || penalties_and_gradient(&device, metric, engine);
                let actual = run();
                let what = format!("{metric:?} on {name} by {engine:?}");
                assert_near(&actual.0, &values, &what);
                assert_near(&actual.1, &gradient, &what);
                assert_eq!(actual, run(), "{what}: two runs differ");
            }
        }
    }
}

/// Points of two regular simplices in spaces of their own, whose nearest points are those of the other simplex.
///
/// Their edges begin as a complete bipartite graph, which has more cycles than a graphics card has room for.
fn two_simplices(n_points: usize, scale: f64) -> Vec<f64> {
    let half = n_points / 2;
    let mut points = vec![0.0; n_points * n_points];
    for i in 0..n_points {
        for j in 0..n_points {
            if i / half == j / half {
                let at_vertex = f64::from(u8::from(i == j));
                // Slightly different lengths, so that no two edges are equally long.
                let stretch = scale * (1.0 + 1e-3 * i as f64 / n_points as f64);
                points[i * n_points + j] = stretch * (at_vertex - 1.0 / half as f64);
            }
        }
    }
    points
}

#[test]
fn items_that_a_device_has_no_room_for_are_left_to_the_host() {
    let n_points = 32;
    let evaluate = |device: &Device, engine| {
        let layer = |scale: f64, seed| {
            let usual = crate::util::numbers([1, n_points, n_points], seed);
            let usual = usual.into_data().iter::<f64>().collect::<Vec<_>>();
            let values: Vec<f32> = [two_simplices(n_points, scale), usual]
                .concat()
                .into_iter()
                .map(|x| x as f32)
                .collect();
            let data = TensorData::new(values, [2, n_points, n_points]);
            Tensor::<3>::from_data(data, &device.clone().autodiff()).require_grad()
        };
        let layers = [layer(1.0, 1), layer(1.5, 2)];
        let mut penalty = TopologyPenalty::from(DiagramPenalty::new(1));
        penalty.row_distance = RowDistance {
            metric: RowMetric::Euclidean,
            exponent: 1.0,
        };
        penalty.source = Source::Hidden;
        penalty.tokens = Tokens::All;
        let topology = TopologyRegularizer::new(vec![penalty])
            .unwrap()
            .with_engine(engine)
            .forward(
                &Activations::from_hidden(layers.to_vec(), 0),
                Clock::default(),
            )
            .unwrap();
        let gradients = topology.loss.backward();
        let gradient: Vec<f64> = layers
            .iter()
            .flat_map(|layer| {
                layer
                    .grad(&gradients)
                    .unwrap()
                    .into_data()
                    .iter::<f64>()
                    .collect::<Vec<_>>()
            })
            .collect();
        (topology.n_items_on_host, topology.terms[0].value, gradient)
    };
    let (_, value, gradient) = evaluate(&Device::flex(), Engine::Host);
    for name in OTHERS {
        let actual = evaluate(&open_device(name).unwrap(), Engine::Device);
        let n_left = if *name == "ndarray" { 0 } else { 2 };
        assert_eq!(actual.0, n_left, "{name}");
        assert_near(&[actual.1], &[value], name);
        assert_near(&actual.2, &gradient, name);
    }
}

#[test]
fn a_penalised_step_waits_for_the_device_twice() {
    let directory = TestDir::new();
    let config = tiny_config(directory.path(), Some("0.1"));
    for name in OTHERS {
        let arguments = [
            "train",
            &config,
            "--out",
            name,
            "--device",
            name,
            "--profile",
        ];
        let output = run_program(directory.path(), &arguments);
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(output.status.success(), "{printed}");
        // The loss with all that the penalties need, and the norm of the gradient; nothing where values are on the host.
        let reads = printed.contains("; 2.0 reads of the device per step");
        assert_eq!(reads, *name != "ndarray", "{name}: {printed}");
    }
}

#[test]
fn every_device_trains_and_resumes() {
    let directory = TestDir::new();
    let weight = r#"{ kind = "gradient_share", share = 0.1 }"#;
    let config = tiny_config(directory.path(), Some(weight));
    let run = |arguments: &[&str]| {
        let output = run_program(directory.path(), arguments);
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{messages}");
        messages
    };
    for name in ["flex"].iter().chain(OTHERS) {
        let settings = ["--set", "checkpoint.every_steps=4"];
        let arguments = ["train", &config, "--output", name, "--device", name];
        run(&[&arguments[..], &settings].concat());
        let path = directory.path().join(name);
        let metrics = std::fs::read(path.join("metrics.jsonl")).unwrap();
        std::fs::remove_file(path.join("summary.json")).unwrap();
        std::fs::remove_dir_all(path.join("checkpoints/9")).unwrap();
        let messages = run(&["train", "--resume", name]);
        assert!(messages.contains("resuming from step 8"), "{messages}");
        let again = std::fs::read(path.join("metrics.jsonl")).unwrap();
        assert!(again == metrics, "{name}: a resumed run differs");
    }
}
