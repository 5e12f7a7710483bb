//! Inspection of models: diagrams against GUDHI, files, comparisons and commands.

mod command;

use std::path::Path;
use std::sync::Mutex;

use burn_topology::analysis::inspect::{
    ClassNames, DiagramComparisons, ForwardPass, HeadChoice, InspectSpec, InspectedImage,
    Inspection, InspectionInput, InspectionProgress, MatrixTopology, Precision, write_report,
};
use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::data::{DIGITS_SPEC, Sample};
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::loss::{Layers, Source};
use burn_topology::model::{LinearProbeConfig, Network, Pooling, Task, TokenLayout, VitConfig};
use burn_topology::nn::Tokens;
use burn_topology::report::read_diagrams;
use burn_topology::run::OutputDirectory;
use serde_json::Value;

use crate::util::{TestDir, io_kind, numbers, values};

fn spec() -> InspectSpec {
    InspectSpec {
        layers: Layers::All,
        heads: HeadChoice::Each,
        source: Source::Attention,
        distance: RowDistance::JENSEN_SHANNON,
        tokens: Tokens::Patches,
        max_homology_dim: 1,
        precision: Precision::F32,
    }
}

fn image(clip: usize, grid: [usize; 2]) -> InspectedImage {
    InspectedImage {
        name: format!("image {clip}"),
        pixels: vec![0.5; grid[0] * grid[1]],
        shape: [1, grid[0], grid[1]],
        label: None,
        class: String::new(),
        prediction: String::new(),
        clip,
        perturbation: None,
    }
}

/// Forward pass with random attention of two layers and three heads.
fn random_forward_pass(n_images: usize, grid: [usize; 2], n_prefix_tokens: usize) -> ForwardPass {
    let n_tokens = n_prefix_tokens + grid[0] * grid[1];
    let device = Device::flex();
    // Not the generator of the device, which all tests that run at the same time share.
    let layer = |seed| {
        let scores = values(numbers([n_images, 3, n_tokens, n_tokens], seed) * 4.0);
        let scores = TensorData::new(scores, [n_images, 3, n_tokens, n_tokens]);
        softmax(Tensor::<4>::from_data(scores.convert::<f32>(), &device), 3)
    };
    ForwardPass {
        images: (0..n_images).map(|clip| image(clip, grid)).collect(),
        layout: TokenLayout {
            n_frames: 1,
            n_prefix_tokens,
            grid,
        },
        attention: vec![layer(3), layer(4)],
        hidden: Vec::new(),
    }
}

fn inspected(spec: InspectSpec, forward_pass: ForwardPass, directory: &Path) -> Inspection {
    let mut inspection = Inspection::new(spec, directory.to_owned()).unwrap();
    let n_images = forward_pass.images.len();
    inspection.add(forward_pass, n_images, &|_| {}).unwrap();
    inspection
}

/// New report in a directory.
fn output(directory: &Path) -> OutputDirectory {
    OutputDirectory::create(directory, "analyze", false).unwrap()
}

/// Births and deaths of a golden diagram; `null` stands for infinity.
fn golden_bars(diagram: &Value) -> Vec<[f64; 2]> {
    let bars = diagram.as_array().unwrap().iter();
    let end = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    bars.map(|bar| [end(&bar[0]), end(&bar[1])]).collect()
}

#[test]
fn diagrams_equal_those_of_gudhi() {
    let file: Value = serde_json::from_str(include_str!("../data_files/inspection.json")).unwrap();
    let size = |name: &str| file[name].as_u64().unwrap() as usize;
    let grid = [0, 1].map(|axis| file["grid"][axis].as_u64().unwrap() as usize);
    let n_tokens = size("n_prefix_tokens") + grid[0] * grid[1];
    let numbers = file["attention"].as_array().unwrap();
    let numbers: Vec<f32> = numbers.iter().map(|x| x.as_f64().unwrap() as f32).collect();
    let n_heads = size("n_heads");
    let layers = numbers.chunks_exact(n_heads * n_tokens * n_tokens);
    let attention = layers.map(|layer| {
        let shape = [1, n_heads, n_tokens, n_tokens];
        Tensor::from_data(TensorData::new(layer.to_vec(), shape), &Device::flex())
    });
    let forward_pass = ForwardPass {
        images: vec![image(0, grid)],
        layout: TokenLayout {
            n_frames: 1,
            n_prefix_tokens: size("n_prefix_tokens"),
            grid,
        },
        attention: attention.collect(),
        hidden: Vec::new(),
    };
    let directory = TestDir::new();
    let mut n_cycles = 0;
    let cases = file["cases"].as_array().unwrap().iter();
    for (case, precision) in cases.flat_map(|case| [(case, Precision::F32), (case, Precision::F64)])
    {
        let spec = InspectSpec {
            precision,
            source: match case["source"].as_str().unwrap() {
                "attention" => Source::Attention,
                _ => Source::DoubleSoftmax,
            },
            distance: RowDistance {
                metric: RowMetric::JensenShannon,
                exponent: case["exponent"].as_f64().unwrap(),
            },
            tokens: match case["tokens"].as_str().unwrap() {
                "patches" => Tokens::Patches,
                _ => Tokens::All,
            },
            ..spec()
        };
        let inspection = inspected(spec, forward_pass.clone(), directory.path());
        let layer = case["layer"].as_u64().unwrap() as usize;
        let head = case["head"].as_u64().map_or(0, |head| 1 + head as usize);
        let matrix = inspection.matrix(0, layer, head);
        for (dim, expected) in case["diagrams"].as_array().unwrap().iter().enumerate() {
            let bars = matrix.diagrams[dim].bars.iter();
            let mut actual: Vec<[f64; 2]> = bars.map(|bar| [bar.birth, bar.death]).collect();
            actual.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
            let expected = golden_bars(expected);
            // Bars as short as rounding errors may be in one result and not in the other.
            let long = |bars: &[[f64; 2]]| -> Vec<[f64; 2]> {
                let scale = matrix.enclosing_radius;
                bars.iter()
                    .copied()
                    .filter(|[b, d]| d - b > 1e-5 * scale)
                    .collect()
            };
            let [actual, expected] = [long(&actual), long(&expected)];
            assert_eq!(actual.len(), expected.len(), "{case}");
            for (a, b) in actual.iter().zip(&expected) {
                for end in [0, 1] {
                    let error = (a[end] - b[end]).abs();
                    assert!(
                        a[end] == b[end] || error < 2e-6 * b[end],
                        "expected {b:?}, found {a:?}"
                    );
                }
            }
            n_cycles += usize::from(dim == 1) * actual.len();
        }
    }
    assert!(n_cycles > 100, "{n_cycles}");
}

#[test]
fn files_and_page_contain_the_results() {
    let directory = TestDir::new();
    let output = output(directory.path());
    let inspection = inspected(spec(), random_forward_pass(2, [3, 4], 1), output.path());
    let comparisons = DiagramComparisons::new(&inspection, &|_, _| {}).unwrap();
    let written = write_report(
        output,
        "</script><b>",
        "a command",
        &inspection,
        &comparisons,
    )
    .unwrap();
    let expected = [
        "analysis.json",
        "diagrams.npz",
        "distances.npz",
        "matrices",
        "report.html",
        "summary.csv",
        "written_by_burn_topology.json",
    ];
    assert_eq!(directory.names(), expected);
    // A file in place of the directory.
    let file = directory.path().join("summary.csv");
    let error = OutputDirectory::create(&file, "analyze", false).unwrap_err();
    assert!(error.is_file_error());
    assert!(io_kind(&error).is_some());
    let diagrams = read_diagrams(&directory.path().join("diagrams.npz")).unwrap();
    assert_eq!(diagrams.len(), 2 * 2 * 4);
    for (matrix, from_file) in inspection.matrices.iter().zip(diagrams) {
        for (diagram, actual) in matrix.diagrams.iter().zip(from_file) {
            let bars = diagram.bars.iter().map(|bar| [bar.birth, bar.death]);
            assert_eq!(actual, bars.collect::<Vec<_>>());
        }
    }
    let page = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert_eq!(page.len(), written.page_bytes);
    assert!(!page.contains("<b>"));
    // Which prefix token is a class token is not known.
    assert!(page.contains("`prefix token ${t}`") && !page.contains("\"class token\""));
    assert_eq!(
        page.matches("data-item=").count() - page.matches("data-item=\"${").count(),
        16
    );
    let json = std::fs::read_to_string(directory.path().join("analysis.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["items"][5],
        serde_json::json!({"image": 0, "layer": 1, "head": 0})
    );
    let csv = std::fs::read_to_string(directory.path().join("summary.csv")).unwrap();
    let line = format!(
        "0,image 0,0,mean,1,n_bars,{}\n",
        inspection.matrix(0, 0, 0).diagrams[1].bars.len()
    );
    assert!(csv.contains(&line), "{csv}");
}

#[test]
fn distances_are_symmetric_and_shuffles_repeatable() {
    let directory = TestDir::new();
    let inspection = inspected(spec(), random_forward_pass(3, [4, 4], 0), directory.path());
    let comparisons = DiagramComparisons::new(&inspection, &|_, _| {}).unwrap();
    assert_eq!((comparisons.layers.len(), comparisons.heads.len()), (3, 2));
    for (kinds, side) in [(&comparisons.layers[1], 2), (&comparisons.heads[0], 6)] {
        for kind in kinds {
            for i in 0..side {
                assert_eq!(kind.values[i * side + i], 0.0);
                for j in 0..side {
                    let [upper, lower] = [kind.values[i * side + j], kind.values[j * side + i]];
                    assert!(upper == lower && upper.is_finite());
                }
            }
        }
    }
    for comparison in &comparisons.images {
        let titles: Vec<(&str, usize)> = comparison
            .curves
            .iter()
            .map(|c| (&*c.title, c.n_pairs))
            .collect();
        assert_eq!(
            titles,
            [("two images", 3), ("an image and its shuffled rows", 12)]
        );
    }
    // Shuffled copies differ from the original and from each other.
    assert_eq!(inspection.shuffled.len(), 3 * 2);
    for kinds in &inspection.shuffled {
        assert_eq!(kinds.len(), 4);
        let wasserstein_h0 = &kinds[0].values;
        assert_eq!(wasserstein_h0.len(), 4);
        assert!(wasserstein_h0.iter().all(|distance| *distance > 0.0));
        assert_ne!(wasserstein_h0[0], wasserstein_h0[1]);
    }
    let again = inspected(spec(), random_forward_pass(3, [4, 4], 0), directory.path());
    assert_eq!(again.shuffled, inspection.shuffled);
}

#[test]
fn batches_and_precision_do_not_change_the_results() {
    let directory = TestDir::new();
    let all = inspected(spec(), random_forward_pass(3, [4, 5], 1), directory.path());
    let read = |image: usize| std::fs::read(directory.path().join(format!("matrices/{image}.npz")));
    let files = [0, 1, 2].map(|image| read(image).unwrap());
    // The images one by one.
    let mut one_by_one = Inspection::new(spec(), directory.path().to_owned()).unwrap();
    for image in 0..3 {
        let mut pass = random_forward_pass(3, [4, 5], 1);
        pass.images = vec![pass.images.swap_remove(image)];
        let of_image = |layer: Tensor<4>| layer.slice_dim(0, image..image + 1);
        pass.attention = pass.attention.into_iter().map(of_image).collect();
        one_by_one.add(pass, 3, &|_| {}).unwrap();
    }
    assert_eq!(one_by_one.matrices, all.matrices);
    assert_eq!(one_by_one.shuffled, all.shuffled);
    assert!(files == [0, 1, 2].map(|image| read(image).unwrap()));
    let precise = InspectSpec {
        precision: Precision::F64,
        ..spec()
    };
    let precise = inspected(precise, random_forward_pass(3, [4, 5], 1), directory.path());
    for (matrix, precise) in all.matrices.iter().zip(&precise.matrices) {
        let error = (matrix.mean_distance / precise.mean_distance - 1.0).abs();
        assert!(error < 1e-6 && error > 0.0, "{error}");
        let deaths = |matrix: &MatrixTopology| -> Vec<f64> {
            let mut deaths: Vec<f64> = matrix
                .points(0)
                .into_iter()
                .map(|[_, death]| death)
                .collect();
            deaths.sort_by(f64::total_cmp);
            deaths
        };
        for (death, precise) in deaths(matrix).into_iter().zip(deaths(precise)) {
            assert!((death / precise - 1.0).abs() < 1e-5, "{death} {precise}");
        }
    }
    // The file has distances of twice the size.
    let n_distances = 2 * 4 * 20 * 20;
    assert_eq!(read(0).unwrap().len() - files[0].len(), 4 * n_distances);
}

#[test]
fn the_time_left_is_told_from_the_start_to_the_end() {
    let directory = TestDir::new();
    let reports = Mutex::new(Vec::new());
    let mut inspection = Inspection::new(spec(), directory.path().to_owned()).unwrap();
    for _ in 0..2 {
        let progress = |progress| reports.lock().unwrap().push(progress);
        inspection
            .add(random_forward_pass(1, [4, 4], 1), 2, &progress)
            .unwrap();
    }
    let reports = reports.into_inner().unwrap();
    let InspectionProgress {
        n_done,
        n_matrices,
        n_points,
        n_file_bytes,
        seconds_left,
    } = reports[0];
    assert_eq!((n_done, n_matrices, n_points), (0, 16, 16));
    assert_eq!(n_file_bytes, 16 * 4 * (16 * 16 + 17 * 17));
    assert!(seconds_left > 0.0 && seconds_left.is_finite());
    assert_eq!(reports.last().unwrap().n_done, 16);
    let file = directory.path().join("matrices/0.npz");
    let excess = std::fs::metadata(file).unwrap().len() - n_file_bytes / 2;
    assert!(excess < 2000, "{excess} more bytes than announced");
}

#[test]
fn layers_and_heads_can_be_chosen_if_they_exist() {
    let directory = TestDir::new();
    let chosen = InspectSpec {
        layers: Layers::Indices(vec![1]),
        heads: HeadChoice::Indices(vec![2, 0, 2]),
        ..spec()
    };
    let inspection = inspected(chosen, random_forward_pass(1, [3, 3], 1), directory.path());
    assert_eq!(
        (&*inspection.layers, &*inspection.heads),
        (&[1][..], &[0, 2][..])
    );
    assert_eq!(inspection.matrices_per_image(), 3);
    let all = inspected(spec(), random_forward_pass(1, [3, 3], 1), directory.path());
    assert_eq!(
        inspection.matrix(0, 0, 2).diagrams,
        all.matrix(0, 1, 3).diagrams
    );

    let error_of = |spec: InspectSpec| {
        let mut inspection = match Inspection::new(spec, directory.path().to_owned()) {
            Ok(inspection) => inspection,
            Err(error) => return error.to_string(),
        };
        inspection
            .add(random_forward_pass(1, [3, 3], 1), 1, &|_| {})
            .unwrap_err()
            .to_string()
    };
    let error_after = |change: fn(&mut InspectSpec)| {
        let mut spec = spec();
        change(&mut spec);
        error_of(spec)
    };
    assert!(error_after(|s| s.layers = Layers::Indices(vec![2])).contains("there is no layer 2"));
    assert!(error_after(|s| s.heads = HeadChoice::Indices(vec![3])).contains("there is no head 3"));
    assert!(error_after(|s| s.source = Source::Hidden).contains("`cosine` or `euclidean`"));
    assert!(error_after(|s| s.distance.exponent = 0.0).contains("exponent"));
    assert!(error_after(|s| s.max_homology_dim = 9).contains("max_homology_dim is 9"));
    let hidden = error_after(|s| {
        s.source = Source::Hidden;
        s.distance.metric = RowMetric::Cosine;
    });
    assert!(hidden.contains("the model returns no hidden"), "{hidden}");
}

fn input<'a>(names: &'a [String], samples: &'a [Sample]) -> InspectionInput<'a> {
    InspectionInput {
        classes: ClassNames::Numbered,
        names,
        samples,
        perturbations: &[],
        is_labelled: true,
        n_before: 0,
    }
}

#[test]
fn a_class_token_is_optional_but_attention_is_required() {
    let device = Device::flex();
    let names = ["a".to_owned(), "b".to_owned()];
    let pixels = |k: usize| (0..64).map(|p| ((p * k) % 7) as f32 / 7.0).collect();
    let samples = [2, 3].map(|k| Sample::new(pixels(k), k));
    for (pooling, n_registers) in [(Pooling::Mean, 0), (Pooling::Cls, 2)] {
        let config = VitConfig::new([8, 8], 1, 10, 2, 8, 2, 2)
            .with_pooling(pooling)
            .with_n_registers(n_registers);
        let model = Network::Vit(config.init(&device));
        for tokens in [Tokens::Patches, Tokens::All] {
            for source in [Source::Attention, Source::Hidden] {
                let forward_pass = ForwardPass::run(
                    &model,
                    Task::Classify,
                    DIGITS_SPEC,
                    input(&names, &samples),
                    &device,
                );
                let forward_pass = forward_pass.unwrap();
                assert_eq!(forward_pass.images[1].label, Some(3));
                let metric = match source {
                    Source::Hidden => RowMetric::Euclidean,
                    _ => RowMetric::JensenShannon,
                };
                let directory = TestDir::new();
                let output = output(directory.path());
                let spec = InspectSpec {
                    tokens,
                    source,
                    distance: RowDistance {
                        metric,
                        exponent: 1.0,
                    },
                    ..spec()
                };
                let inspection = inspected(spec, forward_pass, output.path());
                let n_points = match tokens {
                    Tokens::Patches => 16,
                    Tokens::All => inspection.layout.n_tokens(),
                };
                for matrix in &inspection.matrices {
                    assert_eq!(matrix.betti(0, 0.0), n_points);
                    assert_eq!(matrix.diagrams[0].essential().count(), 1);
                }
                let comparisons = DiagramComparisons::new(&inspection, &|_, _| {}).unwrap();
                write_report(output, "vit", "", &inspection, &comparisons).unwrap();
            }
        }
    }
    let probe = LinearProbeConfig::new(1, [8, 8], 1, 10).init(&device);
    let probe = Network::LinearProbe(probe);
    let refused = ForwardPass::run(
        &probe,
        Task::Classify,
        DIGITS_SPEC,
        input(&names, &samples),
        &device,
    );
    assert!(refused.unwrap_err().to_string().contains("no attention"));
}
