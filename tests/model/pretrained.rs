//! Weights that transformers and timm wrote, compared with the outputs that PyTorch computes with them.
//!
//! `scripts/pretrained_goldens.py` creates the files, and checks in Python the files that this crate exports.

use std::error::Error as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_topology::model::pretrained::{Family, ModelOverrides, Pretrained, open, open_matching};
use burn_topology::model::{
    Activation, BlockStyle, Capture, Distillation, ModelOutput, NetworkConfig, PixelStatistics,
    Pooling, VideoAttention, VideoConfig, VideoHead, VideoPositions, VitConfig,
};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::util::{TestDir, io_kind};

/// Largest absolute difference from the outputs of PyTorch.
const TOLERANCE: f32 = 1e-4;

/// Directory of all cases.
pub(super) fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files/pretrained")
}

/// Inputs and outputs of PyTorch for one case.
pub(super) struct Expected {
    bytes: Vec<u8>,
}

impl Expected {
    pub(super) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        Self { bytes }
    }

    /// Shape and numbers of a tensor; `None` if there is none of this name.
    fn get(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        let numbers = view
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes));
        Some((view.shape().to_vec(), numbers.collect()))
    }

    /// Model input, in [-1, 1]: `[batch_size, n_frames, n_channels, height, width]`.
    fn clips(&self, device: &Device) -> Tensor<5> {
        let (shape, pixels) = self.get("pixels").unwrap();
        let pixels = pixels.into_iter().map(|x| 2.0 * x - 1.0).collect();
        let n_frames = if shape.len() == 5 { shape[1] } else { 1 };
        let &[n_channels, height, width] = shape.last_chunk().unwrap();
        let shape = [shape[0], n_frames, n_channels, height, width];
        Tensor::from_data(TensorData::new(pixels, shape), device)
    }

    fn assert_close(&self, name: &str, actual: TensorData, case: &str) {
        let (shape, expected) = self
            .get(name)
            .unwrap_or_else(|| panic!("{case} has no {name}"));
        assert_eq!(actual.shape().to_vec(), shape, "{case}: {name}");
        let actual: Vec<f32> = actual.try_into_vec().unwrap();
        let mut largest = 0.0_f32;
        for (actual, expected) in actual.iter().zip(&expected) {
            let difference = (actual - expected).abs();
            assert!(
                difference <= TOLERANCE,
                "{case}: {name} {actual} {expected}"
            );
            largest = largest.max(difference);
        }
        eprintln!("{case}: {name} {largest:.1e}");
    }
}

fn outputs(model: &Pretrained, expected: &Expected, device: &Device) -> ModelOutput {
    model
        .network
        .forward(expected.clips(device), Capture::Attention)
}

/// Asserts that a model computes the logits and attention maps of PyTorch.
pub(super) fn assert_computes(
    model: &Pretrained,
    expected: &Expected,
    case: &str,
    device: &Device,
) {
    let output = outputs(model, expected, device);
    expected.assert_close("logits", output.output.into_data(), case);
    assert_eq!(output.attention.len(), 2);
    for (layer, attention) in output.attention.into_iter().enumerate() {
        expected.assert_close(&format!("attention.{layer}"), attention.into_data(), case);
    }
    for (layer, fraction) in output.within_frame_attention.into_iter().enumerate() {
        expected.assert_close(&format!("mass.{layer}"), fraction.into_data(), case);
    }
}

/// A defect of the files of a case, and the error message that it must cause.
struct Defect<'a> {
    case: &'a str,
    /// Changes the files in a copy of the directory of the case.
    spoil: Box<dyn Fn(&Path) + 'a>,
    /// Start of the error message, without the directory.
    message: &'a str,
}

/// Names and directories of all cases.
fn all_cases() -> Vec<(String, PathBuf)> {
    std::fs::read_dir(cases())
        .unwrap()
        .map(|entry| {
            let directory = entry.unwrap().path();
            let name = directory.file_name().unwrap().to_str().unwrap();
            (name.to_owned(), directory)
        })
        .collect()
}

#[test]
fn every_architecture_agrees_with_pytorch() {
    let device = Device::flex();
    let cases = all_cases();
    assert_eq!(cases.len(), 19);
    for (case, directory) in cases {
        let expected = Expected::read(&directory.join("expected.safetensors"));
        let model = open(&directory, &ModelOverrides::default(), &device).unwrap();
        assert_computes(&model, &expected, &case, &device);
    }
}

#[test]
fn interpolated_position_embeddings_agree_with_pytorch() {
    let device = Device::flex();
    let mut n_cases = 0;
    for (case, directory) in all_cases() {
        let file = directory.join("expected_resized.safetensors");
        if file.exists() {
            let overrides = ModelOverrides {
                image_size: Some([24, 12]),
                ..ModelOverrides::default()
            };
            let model = open(&directory, &overrides, &device).unwrap();
            assert_eq!(model.preprocessing.crop, Some([24, 12]));
            assert_computes(&model, &Expected::read(&file), &case, &device);
            n_cases += 1;
        }
    }
    assert_eq!(n_cases, 9);
}

/// Copies the files of a case to another directory.
pub(super) fn copy(case: &str, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(cases().join(case)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Bits of the exported tensors, sorted by name.
fn parameters(model: &Pretrained) -> Vec<(String, Vec<u32>)> {
    let directory = TestDir::new();
    write(model, directory.path());
    let bytes = std::fs::read(directory.path().join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut named: Vec<_> = file
        .iter()
        .map(|(name, view)| {
            let numbers = view.data().as_chunks().0.iter();
            (
                name.to_owned(),
                numbers.map(|&bytes| u32::from_le_bytes(bytes)).collect(),
            )
        })
        .collect();
    named.sort();
    named
}

/// Writes the exported files of a model.
pub(super) fn write(model: &Pretrained, directory: &Path) {
    for file in model.files().unwrap() {
        std::fs::write(directory.join(file.name), file.bytes).unwrap();
    }
}

#[test]
fn exported_models_load_again_and_compute_the_same() {
    let device = Device::flex();
    for (case, directory) in all_cases() {
        let model = open(&directory, &ModelOverrides::default(), &device).unwrap();
        let saved = TestDir::new();
        write(&model, saved.path());
        let again = open(saved.path(), &ModelOverrides::default(), &device).unwrap();
        assert_eq!(again.preprocessing, model.preprocessing, "{case}");
        assert_eq!(again.class_names, model.class_names, "{case}");
        assert_eq!(
            format!("{:?}", again.config),
            format!("{:?}", model.config),
            "{case}"
        );
        let expected = Expected::read(&directory.join("expected.safetensors"));
        assert_computes(&again, &expected, &case, &device);
        // Folding in mean and deviation of pixels rounds; without them the bits are unchanged.
        if model.preprocessing.mean == [0.5; 3] && model.preprocessing.std == [0.5; 3] {
            assert!(parameters(&again) == parameters(&model), "{case}");
        }
    }
}

#[test]
fn the_shapes_that_are_listed_are_those_of_the_exported_file() {
    let device = Device::flex();
    let mut directories: Vec<PathBuf> = all_cases().into_iter().map(|(_, path)| path).collect();
    // As the authors' DINOv2 with registers: of the prefix tokens, only the class token has a position.
    let authors = TestDir::new();
    copy("timm_dinov2", authors.path());
    add_position(&authors.path().join("model.safetensors"));
    directories.push(authors.path().to_owned());
    for directory in directories {
        let model = open(&directory, &ModelOverrides::default(), &device).unwrap();
        let saved = TestDir::new();
        write(&model, saved.path());
        let bytes = std::fs::read(saved.path().join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut shapes: Vec<_> = file
            .iter()
            .map(|(name, view)| (name.to_owned(), view.shape().to_vec()))
            .collect();
        shapes.sort();
        assert_eq!(model.tensor_shapes(), shapes, "{}", directory.display());
    }
}

/// Adds a position before those of the patches to the file of a ViT of timm.
fn add_position(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let positions = file.tensor("pos_embed").unwrap();
    let &[one, n_positions, d_model] = positions.shape() else {
        panic!("position embeddings have three axes");
    };
    let longer = [&vec![0; 4 * d_model][..], positions.data()].concat();
    let views = file.iter().map(|(name, view)| match name {
        "pos_embed" => {
            let shape = vec![one, n_positions + 1, d_model];
            (name, TensorView::new(Dtype::F32, shape, &longer).unwrap())
        }
        _ => (name, view),
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

#[test]
fn other_class_counts_replace_only_the_classifier() {
    let device = Device::flex();
    for case in [
        "vit",
        "deit_teacher",
        "dinov2_bare",
        "timesformer",
        "videomae",
        "timm_dinov2",
    ] {
        let overrides = ModelOverrides {
            n_classes: Some(7),
            ..ModelOverrides::default()
        };
        let directory = cases().join(case);
        let model = open(&directory, &overrides, &device).unwrap();
        assert!(
            !model.has_trained_head && model.class_names.is_none(),
            "{case}"
        );
        let expected = Expected::read(&directory.join("expected.safetensors"));
        let output = outputs(&model, &expected, &device);
        assert_eq!(output.output.dims()[1], 7);
        for (layer, attention) in output.attention.into_iter().enumerate() {
            expected.assert_close(&format!("attention.{layer}"), attention.into_data(), case);
        }
        // The new classifier is exported, too.
        let saved = TestDir::new();
        write(&model, saved.path());
        let again = open(saved.path(), &ModelOverrides::default(), &device).unwrap();
        assert_eq!(again.config.n_classes(), 7, "{case}");
        assert!(again.has_trained_head);
        let scores = |model| outputs(model, &expected, &device).output;
        let difference = (scores(&model) - scores(&again)).abs().max();
        assert!(difference.into_scalar::<f32>() < 1e-5, "{case}");
    }
}

#[test]
fn timm_without_configuration_needs_the_number_of_heads() {
    let device = Device::flex();
    let directory = TestDir::new();
    copy("timm_vit", directory.path());
    std::fs::remove_file(directory.path().join("config.json")).unwrap();
    let file = directory.path().join("model.safetensors");
    let error = open(&file, &ModelOverrides::default(), &device).unwrap_err();
    assert!(error.is_invalid_format());
    let error = error.to_string();
    assert!(
        error.contains("no file states the number of heads of a ViT with d_model = 12"),
        "{error}"
    );
    let overrides = ModelOverrides {
        n_heads: Some(3),
        ..ModelOverrides::default()
    };
    let model = open(&file, &overrides, &device).unwrap();
    let expected = Expected::read(&cases().join("timm_vit/expected.safetensors"));
    assert_computes(&model, &expected, "timm_vit", &device);
}

#[test]
fn own_models_are_exported_in_a_matching_family() {
    let device = Device::flex();
    let image = VitConfig::new([8, 12], 3, 5, 4, 12, 2, 3);
    let video = VideoConfig::new(4, [8, 12], 3, 5, 4, 12, 2, 3);
    let joint = video
        .clone()
        .with_attention(VideoAttention::Joint)
        .with_tubelet_size(2);
    let mean = Pooling::MeanBeforeNorm;
    let epsilon = |value| BlockStyle::new().with_norm_epsilon(value);
    let configs = [
        (NetworkConfig::Vit(image.clone()), Family::Timm),
        (
            NetworkConfig::Vit(image.clone().with_pooling(Pooling::Mean)),
            Family::Timm,
        ),
        (
            NetworkConfig::Vit(
                image
                    .clone()
                    .with_n_registers(3)
                    .with_distillation(Distillation::Head),
            ),
            Family::Timm,
        ),
        (
            NetworkConfig::Vit(image.clone().with_style(epsilon(1e-12))),
            Family::Vit,
        ),
        (
            NetworkConfig::Vit(
                image
                    .clone()
                    .with_distillation(Distillation::Token)
                    .with_style(epsilon(1e-12)),
            ),
            Family::Deit,
        ),
        (
            NetworkConfig::Vit(
                image
                    .clone()
                    .with_pooling(Pooling::ClsAndMean)
                    .with_style(epsilon(1e-6).with_layer_scale(Some(0.5))),
            ),
            Family::Dinov2,
        ),
        (
            NetworkConfig::Vit(
                image
                    .clone()
                    .with_n_registers(2)
                    .with_pooling(Pooling::ClsAndMean)
                    .with_style(
                        epsilon(1e-6)
                            .with_layer_scale(Some(0.5))
                            .with_activation(Activation::SwiGlu)
                            .with_d_mlp(Some(32)),
                    ),
            ),
            Family::Dinov2WithRegisters,
        ),
        (NetworkConfig::Video(video.clone()), Family::Timesformer),
        (NetworkConfig::Video(joint.clone()), Family::Vivit),
        (
            NetworkConfig::Video(
                joint
                    .with_pooling(mean)
                    .with_positions(VideoPositions::Sinusoidal)
                    .with_style(BlockStyle::new().with_head_norm_epsilon(Some(1e-5))),
            ),
            Family::VideoMae,
        ),
    ];
    let statistics = PixelStatistics {
        mean: vec![0.4, 0.5, 0.3],
        std: vec![0.25, 0.125, 0.3],
    };
    let normalizations = [None, Some(statistics)];
    for ((config, family), statistics) in configs.into_iter().flat_map(|case| {
        normalizations
            .clone()
            .map(|statistics| (case.clone(), statistics))
    }) {
        let config = config.with_statistics(statistics.clone());
        let network = config.init(&device);
        let n_frames = config.n_frames();
        let shape = [2, n_frames, 3, 8, 12];
        let clips = Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
        let before = network.forward(clips.clone(), Capture::Attention);
        let exported = Pretrained::from_network(network, config.clone(), None).unwrap();
        assert_eq!(exported.family, family);
        let saved = TestDir::new();
        write(&exported, saved.path());
        let again = open(saved.path(), &ModelOverrides::default(), &device).unwrap();
        // The libraries normalise as the model did.
        let PixelStatistics { mean, std } = statistics
            .clone()
            .unwrap_or_else(|| PixelStatistics::half(3));
        assert_eq!(
            (&again.preprocessing.mean, &again.preprocessing.std),
            (&mean, &std)
        );
        if matches!(family, Family::Timm | Family::Vit) {
            // Read as a model that normalises, it is the exported one to the last bit.
            let matching = open_matching(saved.path(), &config, &device).unwrap();
            let same = matching.network.forward(clips.clone(), Capture::Attention);
            assert_eq!(same.output.into_data(), before.output.clone().into_data());
        }
        let after = again.network.forward(clips, Capture::Attention);
        let largest = |difference: Tensor<1>| difference.abs().max().into_scalar::<f32>();
        assert!(
            largest((before.output - after.output).flatten(0, 1)) < 1e-5,
            "{family:?}"
        );
        for (before, after) in before.attention.into_iter().zip(after.attention) {
            assert!(largest((before - after).flatten(0, 3)) < 1e-5, "{family:?}");
        }
    }
    let predictor = NetworkConfig::Video(video.with_head(VideoHead::NextFrame));
    let error = Pretrained::from_network(predictor.init(&device), predictor, None).unwrap_err();
    assert!(error.is_invalid_parameter());
    let error = error.to_string();
    assert!(error.starts_with("neither transformers nor timm has this architecture"));
}

#[test]
fn unusable_files_are_rejected_with_one_sentence() {
    let device = Device::flex();
    let weights = "model.safetensors";
    let error_message = |case: &str, spoil: &dyn Fn(&Path)| {
        let directory = TestDir::new();
        copy(case, directory.path());
        spoil(directory.path());
        let error = open(directory.path(), &ModelOverrides::default(), &device).unwrap_err();
        assert!(error.is_invalid_format() || error.is_file_error());
        let error = error.to_string();
        assert!(!error.contains('\n') && !error.contains(". "), "{error}");
        let root = directory.path().display().to_string();
        assert!(error.starts_with(&root), "{error}");
        error[root.len()..].trim_start_matches('/').to_owned()
    };
    let edit = |name: &'static str, change: &'static dyn Fn(&mut Vec<u8>)| {
        move |directory: &Path| {
            let path = directory.join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            change(&mut bytes);
            std::fs::write(path, bytes).unwrap();
        }
    };
    let replace = |name: &'static str, from: &'static str, to: &'static str| {
        move |directory: &Path| {
            let path = directory.join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(path, text.replace(from, to)).unwrap();
        }
    };
    let defect = |case, spoil: Box<dyn Fn(&Path)>, message| Defect {
        case,
        spoil,
        message,
    };
    let defects: Vec<Defect<'_>> = vec![
        defect(
            "vit",
            Box::new(edit(weights, &|bytes| bytes.clear())),
            "model.safetensors: the file is empty",
        ),
        defect(
            "vit",
            Box::new(edit(weights, &|bytes| bytes.truncate(bytes.len() - 9))),
            "model.safetensors: the file does not have the length that its header states",
        ),
        defect(
            "vit",
            Box::new(edit(weights, &|bytes| bytes.truncate(40))),
            "model.safetensors: the file does not have the length that its header states",
        ),
        defect(
            "vit",
            Box::new(edit(weights, &|bytes| bytes[9] = 0xff)),
            "model.safetensors: the safetensors header cannot be read",
        ),
        defect(
            "vit",
            Box::new(edit(weights, &|bytes| bytes[..4].copy_from_slice(b"GIF8"))),
            "model.safetensors: the safetensors header cannot be read (header too large)",
        ),
        defect(
            "vit",
            Box::new(edit(weights, &|bytes| {
                *bytes = b"GIF89a, no weights".to_vec()
            })),
            "model.safetensors: the file is neither safetensors nor a PyTorch file",
        ),
        defect(
            "vit_float64",
            Box::new(edit("pytorch_model.bin", &|bytes| bytes.truncate(20_000))),
            "pytorch_model.bin: the PyTorch file cannot be read",
        ),
        defect(
            "vit",
            Box::new(|directory: &Path| {
                std::fs::remove_file(directory.join("config.json")).unwrap()
            }),
            "model.safetensors: there is no config.json in the same directory",
        ),
        defect(
            "vit",
            Box::new(|directory: &Path| std::fs::remove_file(directory.join(weights)).unwrap()),
            ": no weights in this directory, expected one of model.safetensors",
        ),
        defect(
            "vit",
            Box::new(replace("config.json", "\"vit\"", "\"bert\"")),
            "config.json: model_type is \"bert\", expected one of vit, deit, dinov2",
        ),
        defect(
            "vit",
            Box::new(replace("config.json", "\"vit\"", "\"dinov2\"")),
            "model.safetensors: 20 tensors are missing (vit.encoder.layer.0.norm1.weight",
        ),
        defect(
            "vit",
            Box::new(replace(
                "config.json",
                "\"hidden_size\": 12",
                "\"hidden_size\": 24",
            )),
            "model.safetensors: 37 tensors are of the wrong shape (vit.embeddings.cls_token is [1, 1, 12], expected [1, 1, 24]",
        ),
        defect(
            "vit",
            Box::new(replace(
                "config.json",
                "\"hidden_size\": 12",
                "\"hidden_size\": \"wide\"",
            )),
            "config.json: hidden_size is \"wide\", expected a whole number",
        ),
        defect(
            "vit",
            Box::new(replace(
                "config.json",
                "\"num_attention_heads\": 3",
                "\"num_attention_heads\": 5",
            )),
            "model.safetensors: the number of heads is 5, expected a divisor of d_model, which is 12",
        ),
        defect(
            "vit",
            Box::new(replace(
                "config.json",
                "\"num_hidden_layers\": 2",
                "\"num_hidden_layers\": 1",
            )),
            "model.safetensors: 16 tensors are not part of the model (vit.encoder.layer.1.attention.attention.key.bias",
        ),
        defect(
            "vit",
            Box::new(replace(
                "config.json",
                "\"num_hidden_layers\": 2",
                "\"num_hidden_layers\": 2000000000",
            )),
            "model.safetensors: the number of layers is 2000000000, expected at least 1",
        ),
        defect(
            "dinov2_bare",
            Box::new(replace(
                "config.json",
                "\"mlp_ratio\": 4",
                "\"mlp_ratio\": 0",
            )),
            "model.safetensors: the width of the hidden layer of the MLP is 0, expected at least 1",
        ),
        defect(
            "vit",
            Box::new(replace(
                "config.json",
                "\"hidden_act\": \"gelu\"",
                "\"hidden_act\": \"relu\"",
            )),
            "config.json: hidden_act is \"relu\", expected gelu",
        ),
        defect(
            "vit",
            Box::new(edit("config.json", &|bytes| bytes.truncate(30))),
            "config.json: not a JSON object",
        ),
        defect(
            "vit",
            Box::new(replace(
                "preprocessor_config.json",
                "\"image_std\"",
                "\"image_std\": [0.5, 0, 1], \"was\"",
            )),
            "preprocessor_config.json: mean or standard deviation of the pixels is [0.5, 0.0, 1.0]",
        ),
        defect(
            "timesformer",
            Box::new(replace(
                "config.json",
                "\"divided_space_time\"",
                "\"space_only\"",
            )),
            "config.json: attention_type is \"space_only\", expected \"divided_space_time\"",
        ),
        defect(
            "timm_vit",
            Box::new(replace(
                "config.json",
                "vit_tiny_patch16_224",
                "vit_base_patch16_rpn_224",
            )),
            "config.json: architecture is \"vit_base_patch16_rpn_224\", expected a plain ViT",
        ),
        defect(
            "timm_vit",
            Box::new(replace(
                "config.json",
                "\"architecture\"",
                "\"no_architecture\"",
            )),
            "config.json: neither model_type nor architecture is given",
        ),
        defect(
            "timm_vit",
            Box::new(replace(
                "config.json",
                "\"img_size\": [\n      16,\n      16\n    ]",
                "\"img_size\": 32",
            )),
            "model.safetensors: 1 tensor is of the wrong shape (pos_embed is [1, 17, 12], expected [1, 64, 12])",
        ),
    ];
    for Defect {
        case,
        spoil,
        message,
    } in &defects
    {
        let error = error_message(case, &**spoil);
        assert!(error.starts_with(message), "{error}\n{message}");
    }
}

#[test]
fn errors_tell_missing_files_damaged_files_and_wrong_choices_apart() {
    let device = Device::flex();
    let refusal =
        |path: &Path, overrides: ModelOverrides| open(path, &overrides, &device).unwrap_err();
    let directory = TestDir::new();
    let error = refusal(&directory.path().join("nowhere"), ModelOverrides::default());
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    for (case, weights) in [
        ("vit", "model.safetensors"),
        ("vit_float64", "pytorch_model.bin"),
        ("timm_vit", "model.safetensors"),
    ] {
        let directory = TestDir::new();
        copy(case, directory.path());
        let overrides = ModelOverrides {
            n_frames: Some(2),
            ..ModelOverrides::default()
        };
        let error = refusal(directory.path(), overrides);
        assert!(error.is_invalid_parameter(), "{case}: {error}");
        let path = directory.path().join(weights);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = refusal(directory.path(), ModelOverrides::default());
        assert!(error.is_invalid_format(), "{case}: {error}");
        assert!(error.source().is_some(), "{case}: {error}");
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(directory.path().join("config.json"), "{").unwrap();
        let error = refusal(directory.path(), ModelOverrides::default());
        assert!(error.is_invalid_format(), "{case}: {error}");
        let cause = error.source();
        assert!(cause.is_some_and(|cause| cause.is::<serde_json::Error>()));
    }
}

#[test]
fn code_in_a_pickle_is_rejected_and_not_executed() {
    let device = Device::flex();
    let files = cases().with_file_name("pretrained_refused");
    let expected = [
        (
            "code.pth",
            "the file is a pickled posix.system, expected named tensors; pickled code is never executed",
        ),
        (
            "code.pkl",
            "the file is a pickled posix.system, expected named tensors",
        ),
        ("module.pth", "the 2 tensors, such as bias, are not those"),
    ];
    for (name, expected) in expected {
        let file = files.join(name);
        let error = open(&file, &ModelOverrides::default(), &device).unwrap_err();
        assert!(error.is_invalid_format());
        let error = error.to_string();
        let message = error
            .strip_prefix(&format!("{}: ", file.display()))
            .unwrap();
        assert!(
            message.starts_with(expected) && !message.contains('\n'),
            "{message}"
        );
    }
    assert!(!Path::new("THE_PICKLE_WAS_RUN").exists());
}

proptest! {
    /// A file with a changed byte, or a truncated one, is read or rejected.
    #[test]
    fn damaged_files_never_panic(position in 0_usize..17_000, byte: u8, is_torch: bool, cut: bool) {
        let (case, name) = if is_torch {
            ("vit_float64", "pytorch_model.bin")
        } else {
            ("vit", "model.safetensors")
        };
        let directory = TestDir::new();
        copy(case, directory.path());
        let path = directory.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        // Headers and pickles lie in the first bytes.
        let position = position % bytes.len().min(6_000);
        if cut {
            bytes.truncate(position);
        } else {
            bytes[position] = byte;
        }
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = open(&path, &ModelOverrides::default(), &Device::flex()) {
            prop_assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
