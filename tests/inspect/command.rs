//! The command, on pictures of every kind.

use std::path::Path;

use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage};

use crate::util::{TestDir, run_program};

/// A model of digits, barely trained.
fn train(directory: &Path) {
    let config = r#"
        data = { kind = "digits" }
        model = { kind = "vit", d_model = 4, n_layers = 2, n_heads = 2, patch_size = 2, pooling = "mean" }
        [run]
        name = "tiny"
        seed = 0
        [training]
        epochs = 1
        batch_size = 256
        optimizer = { kind = "adamw", lr = 1e-3, weight_decay = 0.05 }
        schedule = { kind = "constant" }
        [logging]
        topology_images = 1
    "#;
    std::fs::write(directory.join("tiny.toml"), config).unwrap();
    let output = run_program(directory, &["train", "tiny.toml", "--out", "run"]);
    assert!(output.status.success(), "{output:?}");
}

fn analyze(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let start = ["analyze", "--model", "run", "--report", "out"];
    let all: Vec<&str> = start.iter().chain(arguments).copied().collect();
    let output = run_program(directory, &all);
    let said = String::from_utf8(output.stderr).unwrap();
    // The parser of arguments adds where to find help.
    let mut lines = said.lines().rev();
    let last = lines.find(|line| !line.is_empty() && !line.starts_with("For more"));
    let last = last.unwrap_or_default().to_owned();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code(), last)
}

#[test]
fn pictures_of_every_kind_are_looked_at_or_refused_in_a_sentence() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root);
    let at = |name: &str| root.join(name);
    let colour = |x: u32, y: u32| [(x * 7 % 256) as u8, (y * 5 % 256) as u8, 90];
    RgbImage::from_pixel(1, 1, Rgb([200, 10, 10]))
        .save(at("one.png"))
        .unwrap();
    let wide = RgbImage::from_fn(3000, 40, |x, y| Rgb(colour(x, y)));
    wide.save(at("wide.jpg")).unwrap();
    DynamicImage::ImageRgb8(wide)
        .into_luma8()
        .save(at("grey.png"))
        .unwrap();
    let alpha = RgbaImage::from_fn(20, 30, |x, y| {
        let [r, g, b] = colour(x, y);
        Rgba([r, g, b, (8 * y) as u8])
    });
    alpha.save(at("alpha.png")).unwrap();
    // As large as cameras make them.
    let large = image::GrayImage::from_fn(4000, 3000, |x, y| image::Luma([((x ^ y) % 256) as u8]));
    large.save(at("large.jpg")).unwrap();
    drop(large);
    let mut gif =
        image::codecs::gif::GifEncoder::new(std::fs::File::create(at("moving.gif")).unwrap());
    let frame = |k: u8| image::Frame::new(RgbaImage::from_pixel(9, 9, Rgba([k, k, k, 255])));
    gif.encode_frames([frame(10), frame(200)]).unwrap();
    drop(gif);
    // Four inks, as printers have them; made with Pillow.
    std::fs::write(at("inks.jpg"), include_bytes!("../data_files/cmyk.jpg")).unwrap();
    let images = [
        "one.png",
        "wide.jpg",
        "grey.png",
        "alpha.png",
        "large.jpg",
        "moving.gif",
        "inks.jpg",
    ];
    let (code, said) = analyze(root, &[&["--images"][..], &images].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("report: out/report.html"), "{said}");

    std::fs::write(at("words.png"), "no picture").unwrap();
    let whole = std::fs::read(at("grey.png")).unwrap();
    std::fs::write(at("cut.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(at("empty.jpg"), "").unwrap();
    // A header that promises more pixels than any machine holds.
    let mut vast = std::fs::read(at("one.png")).unwrap();
    vast[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    std::fs::write(at("vast.png"), vast).unwrap();
    for bad in [
        "words.png",
        "cut.png",
        "empty.jpg",
        "vast.png",
        "missing.png",
    ] {
        let (code, said) = analyze(root, &["--images", "one.png", bad]);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.starts_with(&format!("burn-topology: {bad}: cannot be decoded")),
            "{said}"
        );
    }
}

#[test]
fn words_of_the_config_are_understood_and_others_refused() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root);
    for good in [
        &[
            "--source",
            "double_softmax",
            "--exponent",
            "0.5",
            "--tokens",
            "all",
        ][..],
        &["--source", "hidden", "--heads", "each"],
        &["--distance", "attention", "--layers", "1", "--heads", "0"],
        &["--heads", "mean", "--max-homology-dim", "2"],
        &["--max-homology-dim", "0"],
    ] {
        let (code, said) = analyze(
            root,
            &[&["--split", "test", "--n-images", "2"], good].concat(),
        );
        assert_eq!(code, Some(0), "{said}");
    }
    for (bad, code, expected) in [
        (
            &["--heads", "7"][..],
            1,
            "there is no head 7, expected heads from 0 to 1",
        ),
        (
            &["--layers", "2"],
            1,
            "there is no layer 2, expected layers from 0 to 1",
        ),
        (
            &["--heads", "all"],
            2,
            "expected `each`, `mean` or numbers counted from 0",
        ),
        (
            &["--source", "hidden", "--distance", "hellinger"],
            2,
            "expected the distance Cosine or Euclidean",
        ),
        (
            &["--exponent", "0"],
            2,
            "burn-topology: exponent of the distance is 0",
        ),
        (
            &["--attack", "pgd", "--epsilon", "1.5"],
            2,
            "expected a number above 0 and up to 1",
        ),
    ] {
        let (found, said) = analyze(
            root,
            &[&["--split", "test", "--n-images", "1"], bad].concat(),
        );
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn pictures_are_set_beside_themselves_attacked_and_changed_at_random() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root);
    RgbImage::from_fn(9, 9, |x, y| Rgb([(x * 25) as u8, (y * 25) as u8, 9]))
        .save(root.join("a.png"))
        .unwrap();
    for (source, names) in [
        (
            &["--split", "test", "--n-images", "20"][..],
            ["0, class ", "18, class "],
        ),
        (&["--images", "a.png", "a.png"], ["a.png", "a.png"]),
    ] {
        let attack = ["--attack", "fgsm", "--epsilon", "0.2"];
        let (code, said) = analyze(root, &[source, &attack].concat());
        assert_eq!(code, Some(0), "{said}");
        let found = std::fs::read_to_string(root.join("out/analysis.json")).unwrap();
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        let pictures = found["pictures"].as_array().unwrap();
        let n_samples = if source.len() == 4 { 20 } else { 2 };
        assert_eq!(pictures.len(), 3 * n_samples);
        for (place, picture) in pictures.iter().enumerate() {
            let [sample, kind] = [place / 3, place % 3];
            let change = &picture["change"];
            assert_eq!(picture["clip"], place);
            match kind {
                0 => assert!(change.is_null()),
                _ => assert_eq!(change["of"], 3 * sample),
            }
        }
        assert!(pictures[0]["name"].as_str().unwrap().starts_with(names[0]));
        let changes = ["FGSM by 0.2", "a random change by 0.2"];
        let name = pictures[0]["name"].as_str().unwrap();
        for (place, by) in changes.iter().enumerate() {
            assert_eq!(pictures[1 + place]["name"], format!("{name}, {by}"));
        }
        let curves = found["between_pictures"][0]["by_layer"].as_array().unwrap();
        let titles: Vec<&str> = curves
            .iter()
            .map(|c| c["title"].as_str().unwrap())
            .collect();
        let before = changes.map(|by| format!("before and after {by}"));
        assert_eq!(titles[..2], before);
        assert_eq!(titles.last(), Some(&"a picture and its rows shuffled"));
        let n_compared = (3 * n_samples).min(32);
        assert_eq!(curves[0]["n_pairs"], n_compared.div_ceil(3));
        assert_eq!(curves[0]["by_head"].as_array().unwrap().len(), 2 * 2);
    }
}

#[test]
fn anomalies_are_fitted_and_scored() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root);
    let fit = ["anomaly", "fit", "--model", "run", "--out", "fit.json"];
    let run = |arguments: &[&str]| {
        let output = run_program(root, arguments);
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(!err.contains("panicked"), "{err}");
        (
            output.status.code(),
            out,
            err.lines().last().unwrap_or_default().to_owned(),
        )
    };
    let split = ["--split", "train", "--label", "3", "--n-images", "200"];
    let (code, _, said) = run(&[&fit[..], &split].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("fit.json: means of "), "{said}");
    let score = ["anomaly", "score", "fit.json"];
    let split = ["--split", "test", "--label", "3", "--n-images", "40"];
    let (code, table, said) = run(&[&score[..], &split].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("area under the ROC curve: "), "{said}");
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("image,group,layer,homology_dim,value,fence,is_beyond")
    );
    // The score, and two dimensions of two layers.
    assert_eq!(lines.count(), 40 * 5);
    let groups =
        ["normal", "anomalous"].map(|group| table.matches(&format!(",{group},all,all,")).count());
    assert_eq!(groups[0] + groups[1], 40);
    assert!(groups[0] > 0 && groups[1] > groups[0], "{groups:?}");

    RgbImage::from_pixel(8, 8, Rgb([9; 3]))
        .save(root.join("flat.png"))
        .unwrap();
    let (code, table, said) = run(&[
        &score[..],
        &["--images", "flat.png", "--anomalous", "flat.png"],
    ]
    .concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(
        table.contains("\nflat.png,normal,all,all,")
            && table.contains("\nflat.png,anomalous,all,all,")
    );
    assert_eq!(
        said,
        "area under the ROC curve: 0.500 (1 normal, 1 anomalous)"
    );
    let (code, table, _) = run(&[&score[..], &["--images", "flat.png"]].concat());
    assert!(
        code == Some(0) && table.contains("\nflat.png,,all,all,"),
        "{table}"
    );

    let (code, _, said) = run(&[&fit[..], &["--images", "flat.png", "flat.png"]].concat());
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("there are 2 normal pictures, expected at least 8"),
        "{said}"
    );
    std::fs::write(root.join("fit.json"), "{}").unwrap();
    let (code, _, said) = run(&[&score[..], &["--images", "flat.png"]].concat());
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("expected a file that `anomaly fit` wrote"),
        "{said}"
    );
}

#[test]
fn pretrained_weights_are_looked_into_as_their_files_say() {
    let directory = TestDir::new();
    let root = directory.path();
    let picture = RgbImage::from_fn(60, 40, |x, y| Rgb([(x * 4) as u8, (y * 6) as u8, 90]));
    picture.save(root.join("a.png")).unwrap();
    let look = |weights: &str, more: &[&str]| {
        let path = format!(
            "{}/tests/data_files/pretrained/{weights}",
            env!("CARGO_MANIFEST_DIR")
        );
        let start = ["analyze", "--weights", &path, "--report", "out"];
        let all: Vec<&str> = start.iter().chain(more).copied().collect();
        let output = run_program(root, &all);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        (output.status.code(), said)
    };
    // A class by its name, features of which none is a class, register tokens, another library.
    for (weights, is_classified) in [
        ("vit", true),
        ("dinov2_bare", false),
        ("dinov2_registers", true),
        ("timm_vit", true),
    ] {
        let (code, said) = look(weights, &["--images", "a.png"]);
        assert_eq!(code, Some(0), "{weights}: {said}");
        let found = std::fs::read_to_string(root.join("out/analysis.json")).unwrap();
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        let said = found["pictures"][0]["said"].as_str().unwrap();
        assert_eq!(!said.is_empty(), is_classified, "{weights}: {said}");
        assert!(weights != "vit" || said.starts_with("LABEL_"), "{said}");
    }
    let (code, said) = look("timesformer", &["--images", "a.png"]);
    assert!(
        code == Some(2) && said.contains("a model of clips of"),
        "{said}"
    );
    let (code, said) = look("vit", &["--split", "test"]);
    assert!(
        code == Some(2) && said.contains("cannot be used with"),
        "{said}"
    );
    let (code, said) = look("vit", &["--images", "a.png", "--attack", "pgd"]);
    assert!(
        code == Some(2) && said.contains("weights by themselves have no right classes"),
        "{said}"
    );
    let (code, said) = look("nothing", &["--images", "a.png"]);
    assert!(code == Some(2) && said.lines().count() == 1, "{said}");
}
