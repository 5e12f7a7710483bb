//! Weights that transformers and timm wrote, against what PyTorch computes with them.
//!
//! `scripts/pretrained_goldens.py` makes the files, and checks in Python what is written here.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn_topology::model::pretrained::{Changes, Pretrained, open};
use burn_topology::model::{Capture, ModelOutput};
use safetensors::SafeTensors;

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
