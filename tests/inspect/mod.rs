//! Looking inside a model: against GUDHI, and as a command.

mod command;

use std::path::Path;

use burn_topology::analysis::inspect::{
    ClassNames, Comparisons, HeadChoice, InspectSpec, Inspection, Item, Picture, Seen, Shown,
    write_report,
};
use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::{Distribution, activation::softmax};
use burn_topology::data::{DIGITS_SPEC, Sample};
use burn_topology::distance::{Metric, RowDistance};
use burn_topology::loss::{Layers, Source};
use burn_topology::model::{LinearProbeConfig, Network, Pooling, Task, TokenLayout, VitConfig};
use burn_topology::nn::Tokens;
use burn_topology::report::read_diagrams;
use serde_json::Value;

use crate::util::TestDir;

fn spec() -> InspectSpec {
    InspectSpec {
        layers: Layers::All,
        heads: HeadChoice::Each,
        source: Source::Attention,
        distance: RowDistance::JENSEN_SHANNON,
        tokens: Tokens::Patches,
        max_homology_dim: 1,
    }
}

fn picture(clip: usize, grid: [usize; 2]) -> Picture {
    Picture {
        name: format!("picture {clip}"),
        pixels: vec![0.5; grid[0] * grid[1]],
        shape: [1, grid[0], grid[1]],
        label: None,
        said: String::new(),
        clip,
        change: None,
    }
}

/// Random attention of two layers and three heads, on so many pictures.
fn seen(n_pictures: usize, grid: [usize; 2], n_prefix_tokens: usize) -> Seen {
    let n_tokens = n_prefix_tokens + grid[0] * grid[1];
    let device = Device::flex();
    device.seed(3);
    let layer = || {
        let scores = Tensor::<4>::random(
            [n_pictures, 3, n_tokens, n_tokens],
            Distribution::Normal(0.0, 2.0),
            &device,
        );
        softmax(scores, 3)
    };
    Seen {
        pictures: (0..n_pictures).map(|clip| picture(clip, grid)).collect(),
        layout: TokenLayout {
            n_frames: 1,
            n_prefix_tokens,
            grid,
        },
        attention: vec![layer(), layer()],
        hidden: Vec::new(),
    }
}

fn inspected(spec: InspectSpec, seen: Seen, directory: &Path) -> Inspection {
    let mut inspection = Inspection::new(spec, directory.to_owned()).unwrap();
    inspection.add(seen, &|_, _| {}).unwrap();
    inspection
}

/// Births and deaths in order; `null` for infinity.
fn golden_bars(diagram: &Value) -> Vec<[f64; 2]> {
    let bars = diagram.as_array().unwrap().iter();
    let end = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    bars.map(|bar| [end(&bar[0]), end(&bar[1])]).collect()
}

#[test]
fn diagrams_are_those_of_gudhi_on_the_same_attention() {
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
    let seen = Seen {
        pictures: vec![picture(0, grid)],
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
    for case in file["cases"].as_array().unwrap() {
        let spec = InspectSpec {
            source: match case["source"].as_str().unwrap() {
                "attention" => Source::Attention,
                _ => Source::DoubleSoftmax,
            },
            distance: RowDistance {
                metric: Metric::JensenShannon,
                exponent: case["exponent"].as_f64().unwrap(),
            },
            tokens: match case["tokens"].as_str().unwrap() {
                "patches" => Tokens::Patches,
                _ => Tokens::All,
            },
            ..spec()
        };
        let inspection = inspected(spec, seen.clone(), directory.path());
        let layer = case["layer"].as_u64().unwrap() as usize;
        let head = case["head"].as_u64().map_or(0, |head| 1 + head as usize);
        let item = inspection.item(0, layer, head);
        for (dim, expected) in case["diagrams"].as_array().unwrap().iter().enumerate() {
            let bars = item.diagrams[dim].bars.iter();
            let mut found: Vec<[f64; 2]> = bars.map(|bar| [bar.birth, bar.death]).collect();
            found.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
            let expected = golden_bars(expected);
            // Bars as short as rounding are none of either.
            let long = |bars: &[[f64; 2]]| -> Vec<[f64; 2]> {
                let scale = item.enclosing_radius;
                bars.iter()
                    .copied()
                    .filter(|[b, d]| d - b > 1e-5 * scale)
                    .collect()
            };
            let [found, expected] = [long(&found), long(&expected)];
            assert_eq!(found.len(), expected.len(), "{case}");
            for (a, b) in found.iter().zip(&expected) {
                for end in [0, 1] {
                    let off = (a[end] - b[end]).abs();
                    assert!(
                        a[end] == b[end] || off < 2e-6 * b[end],
                        "{a:?} is not {b:?}"
                    );
                }
            }
            n_cycles += usize::from(dim == 1) * found.len();
        }
    }
    assert!(n_cycles > 50, "{n_cycles}");
}

#[test]
fn files_say_what_was_found_and_the_page_is_whole() {
    let directory = TestDir::new();
    let inspection = inspected(spec(), seen(2, [3, 4], 1), directory.path());
    let comparisons = Comparisons::new(&inspection, &mut |_, _| {}).unwrap();
    let names = ["</script><b>", "a command"];
    let written = write_report(directory.path(), names, &inspection, &comparisons).unwrap();
    let expected = [
        "analysis.json",
        "diagrams.npz",
        "distances.npz",
        "matrices",
        "report.html",
        "summary.csv",
    ];
    assert_eq!(directory.names(), expected);
    let diagrams = read_diagrams(&directory.path().join("diagrams.npz")).unwrap();
    assert_eq!(diagrams.len(), 2 * 2 * 4);
    for (item, found) in inspection.items.iter().zip(diagrams) {
        for (diagram, found) in item.diagrams.iter().zip(found) {
            let bars = diagram.bars.iter().map(|bar| [bar.birth, bar.death]);
            assert_eq!(found, bars.collect::<Vec<_>>());
        }
    }
    let page = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert_eq!(page.len(), written.page_bytes);
    assert!(!page.contains("<b>"));
    assert_eq!(
        page.matches("data-item=").count() - page.matches("data-item=\"${").count(),
        16
    );
    let json = std::fs::read_to_string(directory.path().join("analysis.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["items"][5],
        serde_json::json!({"picture": 0, "layer": 1, "head": 0})
    );
    let csv = std::fs::read_to_string(directory.path().join("summary.csv")).unwrap();
    let line = format!(
        "0,picture 0,0,mean,1,n_bars,{}\n",
        inspection.item(0, 0, 0).diagrams[1].bars.len()
    );
    assert!(csv.contains(&line), "{csv}");
}

#[test]
fn tables_of_distances_are_symmetric_and_the_null_is_of_shuffles() {
    let directory = TestDir::new();
    let inspection = inspected(spec(), seen(3, [4, 4], 0), directory.path());
    let comparisons = Comparisons::new(&inspection, &mut |_, _| {}).unwrap();
    assert_eq!((comparisons.layers.len(), comparisons.heads.len()), (3, 2));
    for (kinds, side) in [(&comparisons.layers[1], 2), (&comparisons.heads[0], 6)] {
        for kind in kinds {
            for i in 0..side {
                assert_eq!(kind.values[i * side + i], 0.0);
                for j in 0..side {
                    let [there, back] = [kind.values[i * side + j], kind.values[j * side + i]];
                    assert!(there == back && there.is_finite());
                }
            }
        }
    }
    for (_, _, curves) in &comparisons.pictures {
        let titles: Vec<(&str, usize)> = curves.iter().map(|c| (&*c.title, c.n_pairs)).collect();
        assert_eq!(
            titles,
            [("two pictures", 3), ("a picture and its rows shuffled", 12)]
        );
    }
    // Of independent rows a shuffle changes nothing but the draw; it is another matrix all the same.
    let shuffles: &[Item] = &inspection.shuffled[0];
    assert_ne!(shuffles[0].diagrams, inspection.item(0, 0, 0).diagrams);
    assert_ne!(shuffles[0].diagrams, shuffles[1].diagrams);
    let again = inspected(spec(), seen(3, [4, 4], 0), directory.path());
    assert_eq!(again.shuffled, inspection.shuffled);
}

#[test]
fn choices_choose_and_what_is_not_there_is_refused() {
    let directory = TestDir::new();
    let chosen = InspectSpec {
        layers: Layers::Of(vec![1]),
        heads: HeadChoice::Of(vec![2, 0, 2]),
        ..spec()
    };
    let inspection = inspected(chosen, seen(1, [3, 3], 1), directory.path());
    assert_eq!(
        (&*inspection.layers, &*inspection.heads),
        (&[1][..], &[0, 2][..])
    );
    assert_eq!(inspection.items_per_picture(), 3);
    let all = inspected(spec(), seen(1, [3, 3], 1), directory.path());
    assert_eq!(
        inspection.item(0, 0, 2).diagrams,
        all.item(0, 1, 3).diagrams
    );

    let refused = |spec: InspectSpec| {
        let mut inspection = match Inspection::new(spec, directory.path().to_owned()) {
            Ok(inspection) => inspection,
            Err(error) => return error.to_string(),
        };
        inspection
            .add(seen(1, [3, 3], 1), &|_, _| {})
            .unwrap_err()
            .to_string()
    };
    let wrong = |change: fn(&mut InspectSpec)| {
        let mut spec = spec();
        change(&mut spec);
        refused(spec)
    };
    assert!(wrong(|s| s.layers = Layers::Of(vec![2])).contains("there is no layer 2"));
    assert!(wrong(|s| s.heads = HeadChoice::Of(vec![3])).contains("there is no head 3"));
    assert!(wrong(|s| s.source = Source::Hidden).contains("Cosine or Euclidean"));
    assert!(wrong(|s| s.distance.exponent = 0.0).contains("exponent"));
    assert!(wrong(|s| s.max_homology_dim = 9).contains("max_homology_dim is 9"));
    let hidden = wrong(|s| {
        s.source = Source::Hidden;
        s.distance.metric = Metric::Cosine;
    });
    assert!(hidden.contains("the model shows no hidden"), "{hidden}");
}

fn shown<'a>(names: &'a [String], samples: &'a [Sample]) -> Shown<'a> {
    Shown {
        classes: ClassNames::Numbered,
        names,
        samples,
        changes: &[],
        is_labelled: true,
        n_before: 0,
    }
}

#[test]
fn models_without_class_token_are_seen_and_those_without_attention_are_refused() {
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
                let seen = Seen::by(
                    &model,
                    Task::Classify,
                    DIGITS_SPEC,
                    shown(&names, &samples),
                    &device,
                );
                let seen = seen.unwrap();
                assert_eq!(seen.pictures[1].label, Some(3));
                let metric = match source {
                    Source::Hidden => Metric::Euclidean,
                    _ => Metric::JensenShannon,
                };
                let directory = TestDir::new();
                let spec = InspectSpec {
                    tokens,
                    source,
                    distance: RowDistance {
                        metric,
                        exponent: 1.0,
                    },
                    ..spec()
                };
                let inspection = inspected(spec, seen, directory.path());
                let n_points = match tokens {
                    Tokens::Patches => 16,
                    Tokens::All => inspection.layout.n_tokens(),
                };
                for item in &inspection.items {
                    assert_eq!(item.betti(0, 0.0), n_points);
                    assert_eq!(item.diagrams[0].essential().count(), 1);
                }
                let comparisons = Comparisons::new(&inspection, &mut |_, _| {}).unwrap();
                write_report(directory.path(), ["vit", ""], &inspection, &comparisons).unwrap();
            }
        }
    }
    let probe = LinearProbeConfig::new(1, [8, 8], 1, 10).init(&device);
    let probe = Network::LinearProbe(probe);
    let refused = Seen::by(
        &probe,
        Task::Classify,
        DIGITS_SPEC,
        shown(&names, &samples),
        &device,
    );
    assert!(refused.unwrap_err().to_string().contains("no attention"));
}
