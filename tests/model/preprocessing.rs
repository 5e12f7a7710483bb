//! Preprocessing of pretrained weights, compared with what transformers and timm make of the same picture.
//!
//! `scripts/preprocessing_goldens.py` creates the files. Pixels after resizing are those of Pillow, byte by byte, so that
//! the tolerance allows for the rounding of the normalisation only; one level would be 0.01 or more.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn_topology::analysis::inspect::InspectedModel;
use burn_topology::model::pretrained::{ModelOverrides, Preprocessing, Pretrained, Resize, open};
use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::util::TestDir;

/// Largest difference from a library, relative to numbers above 1.
const TOLERANCE: f32 = 1e-4;

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files")
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

fn cases() -> Vec<Value> {
    let cases = read_json(&files().join("preprocessing/cases.json"));
    cases.as_array().unwrap().clone()
}

/// Copies the weights and the configuration of a model.
fn copied(model: &str) -> TestDir {
    let directory = TestDir::new();
    let from = files().join("pretrained").join(model);
    for name in ["model.safetensors", "config.json"] {
        std::fs::copy(from.join(name), directory.path().join(name)).unwrap();
    }
    directory
}

/// Directory with the model of a case, and the settings of the case.
fn directory(case: &Value) -> TestDir {
    let directory = copied(case["model"].as_str().unwrap());
    let path = directory.path();
    if let Some(processor) = case.get("processor") {
        write_json(&path.join("preprocessor_config.json"), processor);
    } else {
        let mut config = read_json(&path.join("config.json"));
        config["pretrained_cfg"] = case["pretrained_cfg"].clone();
        for (key, value) in case["model_args"].as_object().into_iter().flatten() {
            config["model_args"][key] = value.clone();
        }
        write_json(&path.join("config.json"), &config);
    }
    directory
}

/// Height and width that a case asks for; `None` to take those that its files state.
fn asked(case: &Value) -> Option<[usize; 2]> {
    let size = case.get("image_size")?.as_array().unwrap();
    let side = |axis: usize| size[axis].as_u64().unwrap() as usize;
    Some([side(0), side(1)])
}

fn open_at(directory: &Path, image_size: Option<[usize; 2]>) -> burn_topology::Result<Pretrained> {
    let overrides = ModelOverrides {
        image_size,
        ..ModelOverrides::default()
    };
    open(directory, &overrides, &Device::flex())
}

/// What was told about the files of settings, whose paths come first.
fn notes_on_files(model: &Pretrained, directory: &TestDir) -> Vec<String> {
    let root = directory.path().display().to_string();
    let notes = model.notes.iter().filter(|note| note.starts_with(&root));
    notes.cloned().collect()
}

/// Reads the picture as the input of a model, and normalises it.
fn normalised(model: &InspectedModel, preprocessing: &Preprocessing) -> Vec<f32> {
    let picture = files().join("preprocessing/picture.png");
    let set = model.read_files(&[picture]).unwrap();
    let [height, width] = preprocessing.image_size;
    let planes = set.items[0]
        .sample
        .pixels
        .chunks(height * width)
        .enumerate();
    planes
        .flat_map(|(channel, plane)| {
            let (mean, std) = (preprocessing.mean[channel], preprocessing.std[channel]);
            plane
                .iter()
                .map(move |&pixel| ((f64::from(pixel) - mean) / std) as f32)
        })
        .collect()
}

fn assert_close(actual: &[f32], expected: &[f32], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let tolerance = TOLERANCE * expected.abs().max(1.0);
        assert!(
            (actual - expected).abs() <= tolerance,
            "{what}: {actual} {expected} at {index}"
        );
    }
}

#[test]
fn pixels_and_attention_agree_with_transformers_and_timm() {
    let bytes = std::fs::read(files().join("preprocessing/expected.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |name: &str| -> Option<(Vec<usize>, Vec<f32>)> {
        let view = golden.tensor(name).ok()?;
        let numbers = view.data().as_chunks().0.iter();
        let numbers = numbers.map(|&bytes| f32::from_le_bytes(bytes)).collect();
        Some((view.shape().to_vec(), numbers))
    };
    let (mut n_cases, mut n_models) = (0, 0);
    for case in cases() {
        let name = case["name"].as_str().unwrap();
        let directory = directory(&case);
        let pretrained = open_at(directory.path(), asked(&case)).unwrap();
        let model =
            InspectedModel::from_weights(directory.path(), asked(&case), &Device::flex()).unwrap();
        let (shape, expected) = numbers(name).unwrap();
        assert_eq!(pretrained.preprocessing.image_size, shape[1..], "{name}");
        let actual = normalised(&model, &pretrained.preprocessing);
        assert_close(&actual, &expected, name);
        n_cases += 1;
        let picture = files().join("preprocessing/picture.png");
        let set = model.read_files(&[picture]).unwrap();
        for layer in 0..2 {
            let key = format!("{name}.attention.{layer}");
            let Some((shape, expected)) = numbers(&key) else {
                continue;
            };
            let pass = model.forward_batch(&set, 0..1).unwrap();
            let attention = pass.attention[layer].clone();
            assert_eq!(attention.dims().to_vec(), shape, "{key}");
            let actual: Vec<f32> = attention.into_data().try_into_vec().unwrap();
            assert_close(&actual, &expected, &key);
            n_models += 1;
        }
    }
    assert_eq!((n_cases, n_models), (34, 10));
}

#[test]
fn absent_keys_have_the_values_of_their_class_of_image_processors() {
    let classes = read_json(&files().join("preprocessing/classes.json"));
    // A DINOv2 takes any size.
    let directory = copied("dinov2");
    for (class, expected) in classes.as_object().unwrap() {
        let file = directory.path().join("preprocessor_config.json");
        write_json(&file, &json!({ "image_processor_type": class }));
        let actual = open_at(directory.path(), None).unwrap().preprocessing;
        let side = |value: &Value| value.as_u64().unwrap() as usize;
        let resize = match &expected["size"] {
            size if size.get("shortest_edge").is_some() => {
                Resize::ShorterSide(side(&size["shortest_edge"]))
            }
            size => Resize::Exact([side(&size["height"]), side(&size["width"])]),
        };
        assert_eq!(actual.resize, resize, "{class}");
        let crop = &expected["crop_size"];
        let crops = expected["do_center_crop"] == true;
        let crop = crops.then(|| [side(&crop["height"]), side(&crop["width"])]);
        assert_eq!(actual.crop, crop, "{class}");
        let filter = format!("{:?}", actual.interpolation);
        let filters = ["Nearest", "Lanczos", "Bilinear", "Bicubic"];
        assert_eq!(filter, filters[side(&expected["resample"])], "{class}");
        let white = expected["rescale_factor"].as_f64().unwrap() * 255.0;
        let offset = if expected["offset"] == true { 1.0 } else { 0.0 };
        for channel in 0..3 {
            let number = |key: &str| expected[key][channel].as_f64().unwrap();
            let mean = (number("image_mean") + offset) / white;
            assert!((actual.mean[channel] - mean).abs() < 1e-12, "{class}");
            let std = number("image_std") / white;
            assert!((actual.std[channel] - std).abs() < 1e-12, "{class}");
        }
    }
}

#[test]
fn a_processor_of_another_size_than_the_model_is_refused_or_followed() {
    let size = |side: usize| json!({ "image_processor_type": "ViTImageProcessor", "size": side });
    for model in ["vit", "deit", "videomae", "vivit"] {
        let directory = copied(model);
        let file = directory.path().join("preprocessor_config.json");
        write_json(&file, &size(24));
        let own = if model.starts_with("vi") && model != "vit" {
            12
        } else {
            16
        };
        let error = open_at(directory.path(), None).unwrap_err();
        assert!(error.is_invalid_format());
        let expected = format!(
            "{}: images are preprocessed to 24 by 24 pixels, but the model takes {own} by {own} pixels; choose with \
             `--image-size 24 24`, which interpolates the position embeddings, or `--image-size {own} {own}`, which \
             scales the preprocessing",
            file.display()
        );
        assert_eq!(error.to_string(), expected);
        for side in [24, own] {
            let model = open_at(directory.path(), Some([side; 2])).unwrap();
            assert_eq!(model.preprocessing.resize, Resize::Exact([side; 2]));
            assert_eq!(model.config.image_size(), [side; 2]);
        }
    }
    for model in ["dinov2", "dinov2_registers", "timesformer"] {
        let directory = copied(model);
        write_json(
            &directory.path().join("preprocessor_config.json"),
            &size(24),
        );
        let model = open_at(directory.path(), None).unwrap();
        assert_eq!(model.config.image_size(), [24, 24]);
        assert!(
            notes_on_files(&model, &directory).is_empty(),
            "{:?}",
            model.notes
        );
    }
    // Of timm, only a model that its configuration makes flexible.
    let mut case = json!({
        "model": "timm_vit",
        "pretrained_cfg": { "input_size": [3, 24, 24], "fixed_input_size": false },
    });
    let error = open_at(directory(&case).path(), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("config.json: the input_size of pretrained_cfg is 24 by 24 pixels, but the model takes 16 by 16 pixels"),
        "{error}"
    );
    case["pretrained_cfg"]["fixed_input_size"] = json!(true);
    let model = open_at(directory(&case).path(), None).unwrap();
    assert_eq!(model.config.image_size(), [16, 16]);
}

#[test]
fn exported_preprocessing_gives_the_size_that_was_asked_for() {
    for case in cases() {
        let name = case["name"].as_str().unwrap();
        let directory = directory(&case);
        for size in [asked(&case), Some([24, 24]), Some([12, 24])] {
            let model = open_at(directory.path(), size).unwrap();
            let saved = TestDir::new();
            for file in model.files().unwrap() {
                std::fs::write(saved.path().join(file.name), file.bytes).unwrap();
            }
            // Nobody has to ask again.
            let again = open_at(saved.path(), None).unwrap();
            assert_eq!(again.preprocessing, model.preprocessing, "{name} {size:?}");
            let image_size = again.preprocessing.image_size;
            assert_eq!(again.config.image_size(), image_size, "{name} {size:?}");
            assert!(
                size.is_none_or(|size| size == image_size),
                "{name} {size:?}"
            );
        }
    }
}

#[test]
fn keys_that_are_not_understood_are_told_and_unsupported_values_refused() {
    let bit = |key: &str, value: Value| {
        let mut processor = json!({
            "image_processor_type": "BitImageProcessor", "size": 20, "crop_size": 16,
        });
        processor[key] = value;
        json!({ "model": "dinov2", "processor": processor })
    };
    let timm = |key: &str, value: Value| {
        let mut settings = json!({ "input_size": [3, 16, 16], "fixed_input_size": true });
        settings[key] = value;
        json!({ "model": "timm_vit", "pretrained_cfg": settings })
    };
    for (case, note) in [
        (
            bit("crop_pct", json!(0.9)),
            "not understood and passed over: crop_pct",
        ),
        (
            bit("offset", json!(true)),
            "not understood and passed over: offset",
        ),
        (
            bit("do_center_crop", json!(false)),
            "images are not cropped, so that transformers runs the model on images of any shape",
        ),
        (
            timm("crop_border_pixels", json!(4)),
            "not understood and passed over: crop_border_pixels",
        ),
    ] {
        let directory = directory(&case);
        let model = open_at(directory.path(), None).unwrap();
        let notes = notes_on_files(&model, &directory);
        assert!(notes.len() == 1 && notes[0].contains(note), "{notes:?}");
    }
    // A key without a value, and one that changes nothing.
    for case in [bit("crop_pct", Value::Null), bit("do_pad", json!(false))] {
        let directory = directory(&case);
        let model = open_at(directory.path(), None).unwrap();
        assert!(
            notes_on_files(&model, &directory).is_empty(),
            "{:?}",
            model.notes
        );
    }
    for (case, message) in [
        (
            bit("do_pad", json!(true)),
            "do_pad is true, expected a processor that does not pad",
        ),
        (
            bit("size", json!({ "shortest_edge": 20, "longest_edge": 30 })),
            "size is {\"longest_edge\":30,\"shortest_edge\":20}, expected shortest_edge, height and width, or one number",
        ),
        (bit("size", json!(0)), "size is 0, expected shortest_edge"),
        (
            bit("size", json!(1_000_000)),
            "size is 1000000, expected shortest_edge",
        ),
        (
            bit("crop_size", json!({ "height": 16 })),
            "crop_size is {\"height\":16}, expected height and width",
        ),
        (
            bit("resample", json!(5)),
            "resample is 5, expected 0 (nearest)",
        ),
        (
            bit("rescale_factor", json!(0)),
            "rescale_factor is 0, expected a finite number above 0",
        ),
        (
            bit("image_processor_type", json!("ConvNextImageProcessor")),
            "image_processor_type is \"ConvNextImageProcessor\", expected one of ViTImageProcessor, CLIP",
        ),
        (
            timm("crop_mode", json!("reflect")),
            "crop_mode is \"reflect\", expected center, squash or border",
        ),
        (
            timm("interpolation", json!("box")),
            "interpolation is \"box\", expected nearest",
        ),
        (
            timm("crop_pct", json!(1.5)),
            "crop_pct is 1.5, expected a number above 0",
        ),
    ] {
        let error = open_at(directory(&case).path(), None).unwrap_err();
        assert!(error.is_invalid_format());
        let error = error.to_string();
        assert!(error.contains(message) && !error.contains('\n'), "{error}");
    }
    let vit = json!({
        "model": "vit",
        "processor": { "image_processor_type": "ViTImageProcessor", "size": 16, "do_center_crop": true },
    });
    let error = open_at(directory(&vit).path(), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("do_center_crop is true and crop_size is missing, expected both or none"),
        "{error}"
    );
}

#[test]
fn files_without_a_preprocessing_get_the_published_one_and_say_so() {
    let directory = copied("deit");
    let model = open_at(directory.path(), None).unwrap();
    assert_eq!(model.preprocessing.resize, Resize::ShorterSide(18));
    let expected = "there is no preprocessor_config.json; as for the published models of the type deit, images are \
                    resized so that the shorter side has 18 pixels and cropped about the centre to 16 by 16 pixels";
    assert!(
        notes_on_files(&model, &directory)[0].ends_with(expected),
        "{:?}",
        model.notes
    );

    // The published DINOv2 has positions for 518 pixels, and is run at 224.
    let directory = copied("dinov2");
    let path = directory.path();
    let mut config = read_json(&path.join("config.json"));
    config["image_size"] = json!(518);
    config["patch_size"] = json!(14);
    write_json(&path.join("config.json"), &config);
    resize_tables(&path.join("model.safetensors"));
    let model = open_at(path, None).unwrap();
    assert_eq!(model.config.image_size(), [224, 224]);
    assert_eq!(model.preprocessing.resize, Resize::ShorterSide(256));
    assert_eq!(model.network.token_layout().n_tokens(), 257);
    let asked = open_at(path, Some([518, 518])).unwrap();
    assert_eq!(asked.network.token_layout().n_tokens(), 1370);
}

/// Gives a DINOv2 of patches of 4 pixels and 16 positions the shapes of one of patches of 14 pixels and 1369 positions.
fn resize_tables(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let zeros = vec![0; 4 * 1370 * 3 * 14 * 14];
    let views = file.iter().map(|(name, view)| {
        let shape = match *view.shape() {
            [1, 17, d_model] => vec![1, 1370, d_model],
            [d_model, 3, 4, 4] => vec![d_model, 3, 14, 14],
            _ => return (name, view),
        };
        let data = &zeros[..4 * shape.iter().product::<usize>()];
        let dtype = safetensors::tensor::Dtype::F32;
        (
            name,
            safetensors::tensor::TensorView::new(dtype, shape, data).unwrap(),
        )
    });
    std::fs::write(path, safetensors::tensor::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_dinov2_of_its_authors_is_interpolated_and_preprocessed_as_by_their_code() {
    let directory = copied("timm_vit");
    let path = directory.path();
    std::fs::remove_file(path.join("config.json")).unwrap();
    let weights = path.join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let overrides = ModelOverrides {
        image_size: Some([24, 12]),
        n_heads: Some(3),
        ..ModelOverrides::default()
    };
    let open_with = |extra: &[&str]| {
        let ones: Vec<u8> = [1.0_f32; 12]
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect();
        let view = |shape: Vec<usize>| {
            safetensors::tensor::TensorView::new(safetensors::tensor::Dtype::F32, shape, &ones)
                .unwrap()
        };
        let scales = (0..4).map(|i| format!("blocks.{}.ls{}.gamma", i / 2, i % 2 + 1));
        let mut views: Vec<_> = file
            .iter()
            .map(|(name, view)| (name.to_owned(), view))
            .collect();
        views.extend(scales.map(|name| (name, view(vec![12]))));
        views.extend(
            extra
                .iter()
                .map(|name| ((*name).to_owned(), view(vec![1, 12]))),
        );
        std::fs::write(
            &weights,
            safetensors::tensor::serialize(views, None).unwrap(),
        )
        .unwrap();
        open(path, &overrides, &Device::flex()).unwrap()
    };
    let positions = |model: &Pretrained| -> Vec<f32> {
        let exported = model.files().unwrap();
        let file = SafeTensors::deserialize(&exported[0].bytes).unwrap();
        let view = file.tensor("pos_embed").unwrap();
        let numbers = view.data().as_chunks().0.iter();
        numbers.map(|&bytes| f32::from_le_bytes(bytes)).collect()
    };
    let authors = open_with(&["mask_token"]);
    assert_eq!(authors.preprocessing.mean, [0.485, 0.456, 0.406]);
    let note = "there is no config.json; as for the published models of the type DINOv2, images are resized";
    assert!(
        authors.notes.iter().any(|told| told.contains(note)),
        "{:?}",
        authors.notes
    );
    let timm = open_with(&[]);
    assert_eq!(timm.preprocessing.mean, [0.5; 3]);
    let (authors, timm) = (positions(&authors), positions(&timm));
    let differences = authors.iter().zip(&timm).map(|(a, b)| (a - b).abs());
    let largest = differences.fold(0.0, f32::max);
    assert!(authors[..12] == timm[..12] && largest > 1e-3, "{largest}");
}
