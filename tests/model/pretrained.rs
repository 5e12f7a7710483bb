//! Weights that transformers and timm wrote, against what PyTorch computes with them.
//!
//! `scripts/pretrained_goldens.py` makes the files, and checks in Python what is written here.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_topology::model::pretrained::{Changes, Family, Pretrained, open};
use burn_topology::model::{
    Activation, BlockStyle, Capture, Distillation, ModelOutput, NetworkConfig, Pooling,
    VideoAttention, VideoConfig, VideoHead, VideoPositions, VitConfig,
};
use proptest::prelude::*;
use safetensors::SafeTensors;

use crate::util::TestDir;

const TOLERANCE: f32 = 1e-4;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files/pretrained")
}

/// What PyTorch computes.
struct Expected {
    bytes: Vec<u8>,
}

impl Expected {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        Self { bytes }
    }

    fn get(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        let numbers = view.data().as_chunks().0.iter();
        let numbers = numbers.map(|&bytes| f32::from_le_bytes(bytes));
        Some((view.shape().to_vec(), numbers.collect()))
    }

    /// Clips, `[batch_size, n_frames, n_channels, height, width]`, in [-1, 1].
    fn clips(&self, device: &Device) -> Tensor<5> {
        let (shape, pixels) = self.get("pixels").unwrap();
        let pixels = pixels.into_iter().map(|x| 2.0 * x - 1.0).collect();
        let n_frames = if shape.len() == 5 { shape[1] } else { 1 };
        let [batch, rest @ ..] = [
            shape[0],
            shape[shape.len() - 3],
            shape[shape.len() - 2],
            shape[shape.len() - 1],
        ];
        let shape = [batch, n_frames, rest[0], rest[1], rest[2]];
        Tensor::from_data(TensorData::new(pixels, shape), device)
    }

    fn assert_equal(&self, name: &str, found: TensorData, case: &str) {
        let (shape, expected) = self
            .get(name)
            .unwrap_or_else(|| panic!("{case} has no {name}"));
        assert_eq!(found.shape().to_vec(), shape, "{case}: {name}");
        let found: Vec<f32> = found.try_into_vec().unwrap();
        let mut largest = 0.0_f32;
        for (found, expected) in found.iter().zip(&expected) {
            let difference = (found - expected).abs();
            assert!(difference <= TOLERANCE, "{case}: {name} {found} {expected}");
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

fn assert_computes(model: &Pretrained, expected: &Expected, case: &str, device: &Device) {
    let output = outputs(model, expected, device);
    expected.assert_equal("logits", output.output.into_data(), case);
    assert_eq!(output.attention.len(), 2);
    for (layer, attention) in output.attention.into_iter().enumerate() {
        expected.assert_equal(&format!("attention.{layer}"), attention.into_data(), case);
    }
    for (layer, mass) in output.mass.into_iter().enumerate() {
        expected.assert_equal(&format!("mass.{layer}"), mass.into_data(), case);
    }
}

/// A model, what is done to its directory, what is said then.
type Refusal<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>, &'a str);

/// The directories of all models, and their names.
fn all_cases() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(cases()).unwrap();
    let named = entries.map(|entry| {
        let directory = entry.unwrap().path();
        let name = directory.file_name().unwrap().to_str().unwrap();
        (name.to_owned(), directory)
    });
    named.collect()
}

#[test]
fn every_architecture_computes_what_pytorch_does() {
    let device = Device::flex();
    let cases = all_cases();
    assert_eq!(cases.len(), 17);
    for (case, directory) in cases {
        let expected = Expected::read(&directory.join("expected.safetensors"));
        let model = open(&directory, &Changes::default(), &device).unwrap();
        assert_computes(&model, &expected, &case, &device);
    }
}

#[test]
fn position_embeddings_are_interpolated_as_the_library_does() {
    let device = Device::flex();
    let mut n_cases = 0;
    for (case, directory) in all_cases() {
        let file = directory.join("expected_resized.safetensors");
        if file.exists() {
            let changes = Changes {
                image_size: Some([24, 12]),
                ..Changes::default()
            };
            let model = open(&directory, &changes, &device).unwrap();
            assert_eq!(model.preprocessing.crop, Some([24, 12]));
            assert_computes(&model, &Expected::read(&file), &case, &device);
            n_cases += 1;
        }
    }
    assert_eq!(n_cases, 6);
}

fn copy(case: &str, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(cases().join(case)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Parameters by name, as bits.
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

fn write(model: &Pretrained, directory: &Path) {
    for (name, bytes) in model.files().unwrap() {
        std::fs::write(directory.join(name), bytes).unwrap();
    }
}

#[test]
fn what_is_saved_loads_again_and_computes_the_same() {
    let device = Device::flex();
    for (case, directory) in all_cases() {
        let model = open(&directory, &Changes::default(), &device).unwrap();
        let saved = TestDir::new();
        write(&model, saved.path());
        let again = open(saved.path(), &Changes::default(), &device).unwrap();
        assert_eq!(again.preprocessing, model.preprocessing, "{case}");
        assert_eq!(again.labels, model.labels, "{case}");
        assert_eq!(
            format!("{:?}", again.config),
            format!("{:?}", model.config),
            "{case}"
        );
        let expected = Expected::read(&directory.join("expected.safetensors"));
        assert_computes(&again, &expected, &case, &device);
        // Mean and deviation of pixels are taken in and out; without any the bits stay.
        if model.preprocessing.mean == [0.5; 3] && model.preprocessing.std == [0.5; 3] {
            assert!(parameters(&again) == parameters(&model), "{case}");
        }
    }
}

#[test]
fn another_number_of_classes_gets_a_new_classifier_and_the_same_attention() {
    let device = Device::flex();
    for case in [
        "vit",
        "deit_teacher",
        "dinov2_bare",
        "timesformer",
        "videomae",
        "timm_dinov2",
    ] {
        let changes = Changes {
            n_classes: Some(7),
            ..Changes::default()
        };
        let directory = cases().join(case);
        let model = open(&directory, &changes, &device).unwrap();
        assert!(!model.has_trained_head && model.labels.is_none(), "{case}");
        let expected = Expected::read(&directory.join("expected.safetensors"));
        let output = outputs(&model, &expected, &device);
        assert_eq!(output.output.dims()[1], 7);
        for (layer, attention) in output.attention.into_iter().enumerate() {
            expected.assert_equal(&format!("attention.{layer}"), attention.into_data(), case);
        }
        // It is saved as a model with seven classes.
        let saved = TestDir::new();
        write(&model, saved.path());
        let again = open(saved.path(), &Changes::default(), &device).unwrap();
        assert_eq!(again.config.n_classes(), 7, "{case}");
        assert!(again.has_trained_head);
        let scores = |model| outputs(model, &expected, &device).output;
        let difference = (scores(&model) - scores(&again)).abs().max();
        assert!(difference.into_scalar::<f32>() < 1e-5, "{case}");
    }
}

#[test]
fn without_a_configuration_timm_needs_to_be_told_the_number_of_heads() {
    let device = Device::flex();
    let directory = TestDir::new();
    copy("timm_vit", directory.path());
    std::fs::remove_file(directory.path().join("config.json")).unwrap();
    let file = directory.path().join("model.safetensors");
    let refused = open(&file, &Changes::default(), &device).unwrap_err();
    assert!(
        refused.contains("no file tells the number of heads of a ViT 12 wide"),
        "{refused}"
    );
    let changes = Changes {
        n_heads: Some(3),
        ..Changes::default()
    };
    let model = open(&file, &changes, &device).unwrap();
    let expected = Expected::read(&cases().join("timm_vit/expected.safetensors"));
    assert_computes(&model, &expected, "timm_vit", &device);
}

#[test]
fn models_made_here_are_saved_as_the_libraries_have_them() {
    let device = Device::flex();
    let image = VitConfig::new([8, 12], 3, 5, 4, 12, 2, 3);
    let video = VideoConfig::new(4, [8, 12], 3, 5, 4, 12, 2, 3);
    let joint = video
        .clone()
        .with_attention(VideoAttention::Joint)
        .with_tubelet_size(2);
    let means = Pooling::MeanBeforeNorm {
        has_class_token: false,
    };
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
                    .with_pooling(means)
                    .with_positions(VideoPositions::Sinusoidal)
                    .with_style(BlockStyle::new().with_head_norm_epsilon(Some(1e-5))),
            ),
            Family::VideoMae,
        ),
    ];
    for (config, family) in configs {
        let network = config.init(&device);
        let n_frames = config.n_frames();
        let shape = [2, n_frames, 3, 8, 12];
        let clips = Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
        let before = network.forward(clips.clone(), Capture::Attention);
        let made = Pretrained::of(network, config, None).unwrap();
        assert_eq!(made.family, family);
        let saved = TestDir::new();
        write(&made, saved.path());
        let again = open(saved.path(), &Changes::default(), &device).unwrap();
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
    let refused = Pretrained::of(predictor.init(&device), predictor, None).unwrap_err();
    assert!(refused.starts_with("neither transformers nor timm has such a model"));
}

#[test]
fn what_cannot_be_used_is_refused_with_one_sentence() {
    let device = Device::flex();
    let weights = "model.safetensors";
    let refuse = |case: &str, spoil: &dyn Fn(&Path)| {
        let directory = TestDir::new();
        copy(case, directory.path());
        spoil(directory.path());
        let refused = open(directory.path(), &Changes::default(), &device).unwrap_err();
        assert!(
            !refused.contains('\n') && !refused.contains(". "),
            "{refused}"
        );
        let root = directory.path().display().to_string();
        assert!(refused.starts_with(&root), "{refused}");
        refused[root.len()..].trim_start_matches('/').to_owned()
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
    let cases: Vec<Refusal<'_>> = vec![
        (
            "vit",
            Box::new(edit(weights, &|bytes| bytes.clear())),
            "model.safetensors: the file is empty",
        ),
        (
            "vit",
            Box::new(edit(weights, &|bytes| bytes.truncate(bytes.len() - 9))),
            "model.safetensors: the file has not the length that its header says",
        ),
        (
            "vit",
            Box::new(edit(weights, &|bytes| bytes.truncate(40))),
            "model.safetensors: the file has not the length that its header says",
        ),
        (
            "vit",
            Box::new(edit(weights, &|bytes| bytes[9] = 0xff)),
            "model.safetensors: the header of safetensors cannot be read",
        ),
        (
            "vit",
            Box::new(edit(weights, &|bytes| bytes[..4].copy_from_slice(b"GIF8"))),
            "model.safetensors: the header of safetensors cannot be read (header too large)",
        ),
        (
            "vit",
            Box::new(edit(weights, &|bytes| {
                *bytes = b"GIF89a, no weights".to_vec()
            })),
            "model.safetensors: this is neither a safetensors file nor one that torch.save wrote",
        ),
        (
            "vit_float64",
            Box::new(edit("pytorch_model.bin", &|bytes| bytes.truncate(20_000))),
            "pytorch_model.bin: the form of torch.save cannot be read",
        ),
        (
            "vit",
            Box::new(|directory: &Path| {
                std::fs::remove_file(directory.join("config.json")).unwrap()
            }),
            "model.safetensors: no config.json beside it",
        ),
        (
            "vit",
            Box::new(|directory: &Path| std::fs::remove_file(directory.join(weights)).unwrap()),
            ": no weights in this directory, expected one of model.safetensors",
        ),
        (
            "vit",
            Box::new(replace("config.json", "\"vit\"", "\"bert\"")),
            "config.json: model_type is \"bert\", expected one of vit, deit, dinov2",
        ),
        (
            "vit",
            Box::new(replace("config.json", "\"vit\"", "\"dinov2\"")),
            "model.safetensors: 20 tensors are missing (vit.encoder.layer.0.norm1.weight",
        ),
        (
            "vit",
            Box::new(replace(
                "config.json",
                "\"hidden_size\": 12",
                "\"hidden_size\": 24",
            )),
            "model.safetensors: 37 tensors are of another shape (vit.embeddings.cls_token is [1, 1, 12], expected [1, 1, 24]",
        ),
        (
            "vit",
            Box::new(replace(
                "config.json",
                "\"hidden_size\": 12",
                "\"hidden_size\": \"wide\"",
            )),
            "config.json: hidden_size is \"wide\", expected a whole number",
        ),
        (
            "vit",
            Box::new(replace(
                "config.json",
                "\"num_attention_heads\": 3",
                "\"num_attention_heads\": 5",
            )),
            "model.safetensors: 5 heads do not divide a width of 12",
        ),
        (
            "vit",
            Box::new(replace(
                "config.json",
                "\"num_hidden_layers\": 2",
                "\"num_hidden_layers\": 1",
            )),
            "model.safetensors: 16 tensors are without a place in the model (vit.encoder.layer.1.attention.attention.key.bias",
        ),
        (
            "vit",
            Box::new(replace(
                "config.json",
                "\"num_hidden_layers\": 2",
                "\"num_hidden_layers\": 2000000000",
            )),
            "model.safetensors: the model is said to have 2000000000 blocks",
        ),
        (
            "vit",
            Box::new(replace(
                "config.json",
                "\"hidden_act\": \"gelu\"",
                "\"hidden_act\": \"relu\"",
            )),
            "config.json: hidden_act is \"relu\", expected gelu",
        ),
        (
            "vit",
            Box::new(edit("config.json", &|bytes| bytes.truncate(30))),
            "config.json: no JSON object can be read",
        ),
        (
            "vit",
            Box::new(replace(
                "preprocessor_config.json",
                "\"image_std\"",
                "\"image_std\": [0.5, 0, 1], \"was\"",
            )),
            "preprocessor_config.json: mean or standard deviation of the pixels is [0.5, 0.0, 1.0]",
        ),
        (
            "timesformer",
            Box::new(replace(
                "config.json",
                "\"divided_space_time\"",
                "\"space_only\"",
            )),
            "config.json: attention_type is \"space_only\", expected \"divided_space_time\"",
        ),
        (
            "timm_vit",
            Box::new(replace(
                "config.json",
                "vit_tiny_patch16_224",
                "vit_base_patch16_rpn_224",
            )),
            "config.json: architecture is \"vit_base_patch16_rpn_224\", expected a plain ViT",
        ),
        (
            "timm_vit",
            Box::new(replace(
                "config.json",
                "\"architecture\"",
                "\"no_architecture\"",
            )),
            "config.json: neither model_type nor architecture is in it",
        ),
        (
            "timm_vit",
            Box::new(replace(
                "config.json",
                "\"img_size\": [\n      16,\n      16\n    ]",
                "\"img_size\": 32",
            )),
            "model.safetensors: 1 tensor is of another shape (pos_embed is [1, 17, 12], expected [1, 64, 12])",
        ),
    ];
    for (case, spoil, expected) in &cases {
        let refused = refuse(case, &**spoil);
        assert!(refused.starts_with(expected), "{refused}\n{expected}");
    }
}

#[test]
fn code_in_a_pickle_is_refused_and_not_run() {
    let device = Device::flex();
    let files = cases().with_file_name("pretrained_refused");
    let expected = [
        (
            "code.pth",
            "this is a pickled posix.system, not tensors by their names; nothing in a pickle is run",
        ),
        (
            "code.pkl",
            "this is a pickled posix.system, not tensors by their names",
        ),
        (
            "module.pth",
            "the names of the tensors, bias the first of 2, are not those",
        ),
    ];
    for (name, expected) in expected {
        let file = files.join(name);
        let refused = open(&file, &Changes::default(), &device).unwrap_err();
        let told = refused
            .strip_prefix(&format!("{}: ", file.display()))
            .unwrap();
        assert!(told.starts_with(expected) && !told.contains('\n'), "{told}");
    }
    assert!(!Path::new("THE_PICKLE_WAS_RUN").exists());
}

proptest! {
    /// Whatever happens to the bytes of a file, it is read or refused.
    #[test]
    fn damaged_files_never_panic(place in 0_usize..17_000, byte: u8, is_torch: bool, cut: bool) {
        let (case, name) = match is_torch {
            true => ("vit_float64", "pytorch_model.bin"),
            false => ("vit", "model.safetensors"),
        };
        let directory = TestDir::new();
        copy(case, directory.path());
        let path = directory.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let place = place % bytes.len().min(6_000);
        match cut {
            true => bytes.truncate(place),
            false => bytes[place] = byte,
        }
        std::fs::write(&path, bytes).unwrap();
        if let Err(refused) = open(&path, &Changes::default(), &Device::flex()) {
            prop_assert!(!refused.contains('\n'), "{refused}");
        }
    }
}
