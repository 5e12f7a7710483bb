//! The commands `analyze` and `anomaly`, on images of every kind.

use std::path::Path;

use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage};

use crate::util::{TestDir, run_program};

/// Trains a small digit classifier for one epoch.
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
    let output = run_program(directory, &["train", "tiny.toml", "--output", "run"]);
    assert!(output.status.success(), "{output:?}");
}

/// Runs `analyze` and returns its exit code and the last line of stderr.
fn analyze(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let start = ["analyze", "run", "--output", "out"];
    let all: Vec<&str> = start.iter().chain(arguments).copied().collect();
    let output = run_program(directory, &all);
    let stderr = String::from_utf8(output.stderr).unwrap();
    // The argument parser appends a hint on how to get help.
    let mut lines = stderr.lines().rev();
    let last = lines.find(|line| !line.is_empty() && !line.starts_with("For more"));
    let last = last.unwrap_or_default().to_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), last)
}

fn read_analysis(directory: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(directory.join("out/analysis.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn images_of_every_kind_are_read_or_refused_with_a_reason() {
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
    // The size of a photograph.
    let large = image::GrayImage::from_fn(4000, 3000, |x, y| image::Luma([((x ^ y) % 256) as u8]));
    large.save(at("large.jpg")).unwrap();
    drop(large);
    let mut gif =
        image::codecs::gif::GifEncoder::new(std::fs::File::create(at("moving.gif")).unwrap());
    let frame = |k: u8| image::Frame::new(RgbaImage::from_pixel(9, 9, Rgba([k, k, k, 255])));
    gif.encode_frames([frame(10), frame(200)]).unwrap();
    drop(gif);
    // CMYK, written by Pillow.
    std::fs::write(at("cmyk.jpg"), include_bytes!("../data_files/cmyk.jpg")).unwrap();
    let images = [
        "one.png",
        "wide.jpg",
        "grey.png",
        "alpha.png",
        "large.jpg",
        "moving.gif",
        "cmyk.jpg",
    ];
    let (code, stderr) = analyze(root, &[&["--images"][..], &images].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.starts_with("report: out/report.html"), "{stderr}");

    std::fs::write(at("text.png"), "not an image").unwrap();
    let bytes = std::fs::read(at("grey.png")).unwrap();
    std::fs::write(at("truncated.png"), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(at("empty.jpg"), "").unwrap();
    let bytes = std::fs::read(at("wide.jpg")).unwrap();
    std::fs::write(at("truncated.jpg"), &bytes[..bytes.len() * 3 / 4]).unwrap();
    // A header that announces more pixels than fit into memory.
    let mut oversized = std::fs::read(at("one.png")).unwrap();
    oversized[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    std::fs::write(at("oversized.png"), oversized).unwrap();
    for (bad, reason) in [
        ("text.png", "cannot be decoded"),
        ("truncated.png", "cannot be decoded"),
        (
            "truncated.jpg",
            "cannot be decoded (the file ends too early)",
        ),
        ("empty.jpg", "cannot be decoded"),
        ("oversized.png", "cannot be decoded"),
        ("missing.png", "no such file"),
    ] {
        let (code, stderr) = analyze(root, &["--images", "one.png", bad]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(
            stderr.starts_with(&format!("burn-topology: {bad}: {reason}")),
            "{stderr}"
        );
    }
}

#[test]
fn settings_are_accepted_or_refused_with_a_reason() {
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
        let (code, stderr) = analyze(
            root,
            &[&["--split", "test", "--n-samples", "2"], good].concat(),
        );
        assert_eq!(code, Some(0), "{stderr}");
    }
    for (bad, code, expected) in [
        (
            &["--heads", "7"][..],
            2,
            "there is no head 7, expected heads from 0 to 1",
        ),
        (
            &["--layers", "2"],
            2,
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
            "expected distance `cosine` or `euclidean`",
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
        let (actual, stderr) = analyze(
            root,
            &[&["--split", "test", "--n-samples", "1"], bad].concat(),
        );
        assert_eq!(actual, Some(code), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn the_cost_is_told_before_and_the_precision_after() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root);
    let images = ["one/a.png", "other/a.png", "b.png"];
    for image in images {
        let path = root.join(image);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(8, 8, Rgb([9; 3])).save(path).unwrap();
    }
    let start = ["analyze", "run", "--output", "out"];
    for precision in ["f32", "f64"] {
        let all = [&start[..], &["--precision", precision, "--images"], &images].concat();
        let output = run_program(root, &all);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let cost = stderr.lines().next().unwrap();
        assert!(
            cost.starts_with("18 matrices of 16 points: about "),
            "{cost}"
        );
        // Three files with two layers, of the mean and two heads, without a class token.
        let n_bytes = 3 * 2 * 3 * 256 * (if precision == "f32" { 4 } else { 8 } + 4);
        let size = format!("; matrices/ takes {:.1} kB", f64::from(n_bytes) / 1e3);
        assert!(cost.ends_with(&size), "{cost}");
        let analysis = read_analysis(root);
        assert_eq!(analysis["settings"]["precision"], precision);
        assert_eq!(analysis["settings"]["n_matrix_files"], 3);
        assert_eq!(analysis["settings"]["n_drawn_matrices"], 18);
        // Files of the same name are told apart.
        let names = analysis["images"].as_array().unwrap().iter();
        let names: Vec<&str> = names.map(|image| image["name"].as_str().unwrap()).collect();
        assert_eq!(names, images);
    }
}

#[test]
fn images_are_compared_with_their_perturbed_versions() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root);
    RgbImage::from_fn(9, 9, |x, y| Rgb([(x * 25) as u8, (y * 25) as u8, 9]))
        .save(root.join("a.png"))
        .unwrap();
    for (source, first_name) in [
        (&["--split", "test", "--n-samples", "20"][..], "0, class 0"),
        (&["--images", "a.png", "a.png"], "a.png"),
    ] {
        let attack = ["--attack", "fgsm", "--epsilon", "0.2"];
        let (code, stderr) = analyze(root, &[source, &attack].concat());
        assert_eq!(code, Some(0), "{stderr}");
        let analysis = read_analysis(root);
        let images = analysis["images"].as_array().unwrap();
        let n_samples = if source.len() == 4 { 20 } else { 2 };
        assert_eq!(images.len(), 3 * n_samples);
        for (index, image) in images.iter().enumerate() {
            let (sample, version) = (index / 3, index % 3);
            let perturbation = &image["perturbation"];
            assert_eq!(image["clip"], index);
            if version == 0 {
                assert!(perturbation.is_null());
            } else {
                assert_eq!(perturbation["original_clip"], 3 * sample);
            }
        }
        assert_eq!(images[0]["name"], first_name);
        if n_samples == 20 {
            // Two images of every class, three versions of each.
            let of_class = |class: usize| {
                let name = class.to_string();
                let has_class = |image: &&serde_json::Value| image["class"] == *name;
                images.iter().filter(has_class).count()
            };
            assert_eq!((0..10).map(of_class).collect::<Vec<_>>(), [6; 10]);
        }
        let perturbations = ["FGSM with epsilon 0.2", "a random change with epsilon 0.2"];
        let name = images[0]["name"].as_str().unwrap();
        for (index, perturbation) in perturbations.iter().enumerate() {
            assert_eq!(images[1 + index]["name"], format!("{name}, {perturbation}"));
        }
        let curves = analysis["between_images"][0]["by_layer"]
            .as_array()
            .unwrap();
        let titles: Vec<&str> = curves
            .iter()
            .map(|c| c["title"].as_str().unwrap())
            .collect();
        let expected = perturbations.map(|perturbation| format!("before and after {perturbation}"));
        assert_eq!(titles[..2], expected);
        assert_eq!(titles.last(), Some(&"an image and its shuffled rows"));
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
    let fit = ["anomaly", "fit", "run", "--output", "fit.json"];
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
    let split = ["--split", "train", "--label", "3", "--n-samples", "200"];
    let (code, _, stderr) = run(&[&fit[..], &split].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.starts_with("fit.json: Fréchet means of "),
        "{stderr}"
    );
    // A file that exists, here that of a run, is replaced only on request.
    let taken = ["anomaly", "fit", "run", "--output", "run/config.toml"];
    let (code, _, stderr) = run(&[&taken[..], &split].concat());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("run/config.toml already exists; pass --force"),
        "{stderr}"
    );
    let score = ["anomaly", "score", "fit.json"];
    let split = ["--split", "test", "--label", "3", "--n-samples", "40"];
    let (code, table, stderr) = run(&[&score[..], &split].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.starts_with("area under the ROC curve: "), "{stderr}");
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("image,group,layer,homology_dim,value,fence,is_beyond")
    );
    // The score, and two homology dimensions of two layers.
    assert_eq!(lines.count(), 40 * 5);
    let groups =
        ["normal", "anomalous"].map(|group| table.matches(&format!(",{group},all,all,")).count());
    assert_eq!(groups[0] + groups[1], 40);
    assert!(groups[0] > 0 && groups[1] > groups[0], "{groups:?}");

    RgbImage::from_pixel(8, 8, Rgb([9; 3]))
        .save(root.join("flat.png"))
        .unwrap();
    let (code, table, stderr) = run(&[
        &score[..],
        &["--images", "flat.png", "--anomalous", "flat.png"],
    ]
    .concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        table.contains("\nflat.png,normal,all,all,")
            && table.contains("\nflat.png,anomalous,all,all,")
    );
    assert_eq!(
        stderr,
        "area under the ROC curve: 0.500 (1 normal, 1 anomalous)"
    );
    let (code, table, _) = run(&[&score[..], &["--images", "flat.png"]].concat());
    assert!(
        code == Some(0) && table.contains("\nflat.png,,all,all,"),
        "{table}"
    );

    let (code, _, stderr) =
        run(&[&fit[..], &["--force", "--images", "flat.png", "flat.png"]].concat());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("2 normal images were given, expected at least 8"),
        "{stderr}"
    );
    std::fs::write(root.join("fit.json"), "{}").unwrap();
    let (code, _, stderr) = run(&[&score[..], &["--images", "flat.png"]].concat());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("expected a file that `anomaly fit` wrote"),
        "{stderr}"
    );
}

#[test]
fn pretrained_weights_are_analysed_as_described_in_their_files() {
    let directory = TestDir::new();
    let root = directory.path();
    let image = RgbImage::from_fn(60, 40, |x, y| Rgb([(x * 4) as u8, (y * 6) as u8, 90]));
    image.save(root.join("a.png")).unwrap();
    let analyze = |weights: &str, more: &[&str]| {
        let path = format!(
            "{}/tests/data_files/pretrained/{weights}",
            env!("CARGO_MANIFEST_DIR")
        );
        let start = ["analyze", "--weights", &path, "--output", "out"];
        let all: Vec<&str> = start.iter().chain(more).copied().collect();
        let output = run_program(root, &all);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        (output.status.code(), stderr)
    };
    // Named classes; features without a classifier; register tokens; a file of another library.
    for (weights, is_classified) in [
        ("vit", true),
        ("dinov2_bare", false),
        ("dinov2_registers", true),
        ("timm_vit", true),
    ] {
        let (code, stderr) = analyze(weights, &["--images", "a.png"]);
        assert_eq!(code, Some(0), "{weights}: {stderr}");
        let analysis = read_analysis(root);
        let prediction = analysis["images"][0]["prediction"].as_str().unwrap();
        assert_eq!(
            !prediction.is_empty(),
            is_classified,
            "{weights}: {prediction}"
        );
        assert!(
            weights != "vit" || prediction.starts_with("LABEL_"),
            "{prediction}"
        );
    }
    let (code, stderr) = analyze("timesformer", &["--images", "a.png"]);
    assert!(
        code == Some(2) && stderr.contains("expected weights of a model for images"),
        "{stderr}"
    );
    let (code, stderr) = analyze("vit", &["--split", "test"]);
    assert!(
        code == Some(2) && stderr.contains("cannot be used with"),
        "{stderr}"
    );
    let (code, stderr) = analyze("vit", &["--images", "a.png", "--attack", "pgd"]);
    assert!(
        code == Some(2) && stderr.contains("pretrained weights come without labels"),
        "{stderr}"
    );
    let (code, stderr) = analyze("nothing", &["--images", "a.png"]);
    assert!(code == Some(2) && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn pretrained_weights_run_at_the_size_of_their_preprocessing_or_the_one_asked_for() {
    let directory = TestDir::new();
    let root = directory.path();
    let image = RgbImage::from_fn(60, 40, |x, y| Rgb([(x * 4) as u8, (y * 6) as u8, 90]));
    image.save(root.join("a.png")).unwrap();
    let pretrained = format!("{}/tests/data_files/pretrained", env!("CARGO_MANIFEST_DIR"));
    // Position embeddings of 16 pixels, 4 by 4 patches; images of 24 pixels, 6 by 6 patches.
    for model in ["dinov2", "vit"] {
        std::fs::create_dir(root.join(model)).unwrap();
        for name in ["model.safetensors", "config.json"] {
            let from = format!("{pretrained}/{model}/{name}");
            std::fs::copy(from, root.join(model).join(name)).unwrap();
        }
        let processor = r#"{ "image_processor_type": "BitImageProcessor", "size": 28, "crop_size": 24, "tint": 3 }"#;
        std::fs::write(root.join(model).join("preprocessor_config.json"), processor).unwrap();
    }
    let run = |arguments: &[&str]| {
        let output = run_program(root, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        (output.status.code(), stderr)
    };
    let analyze = |model: &str, more: &[&str]| {
        let start = [
            "analyze",
            "--weights",
            model,
            "--images",
            "a.png",
            "--output",
            "out",
        ];
        run(&[&start[..], more].concat())
    };
    let grid = || read_analysis(root)["settings"]["grid"].clone();
    let (code, stderr) = analyze("dinov2", &[]);
    assert_eq!((code, grid()), (Some(0), [6, 6].into()), "{stderr}");
    let note = "dinov2/preprocessor_config.json: not understood and passed over: tint";
    assert!(stderr.contains(note), "{stderr}");
    let (code, stderr) = analyze("dinov2", &["--image-size", "16", "8"]);
    assert_eq!((code, grid()), (Some(0), [4, 2].into()), "{stderr}");
    let (code, stderr) = analyze("vit", &[]);
    assert_eq!(code, Some(2), "{stderr}");
    let message = "images are preprocessed to 24 by 24 pixels, but the model takes 16 by 16 pixels; choose with \
                   `--image-size 24 24`";
    assert!(stderr.contains(message), "{stderr}");
    for size in ["24", "16"] {
        let (code, stderr) = analyze("vit", &["--image-size", size, size]);
        assert_eq!(code, Some(0), "{stderr}");
    }
    // What is exported at another size needs no option any more.
    let (code, stderr) = run(&[
        "weights",
        "vit",
        "--image-size",
        "32",
        "32",
        "--output",
        "large",
    ]);
    assert_eq!(code, Some(0), "{stderr}");
    let (code, stderr) = analyze("large", &[]);
    assert_eq!((code, grid()), (Some(0), [8, 8].into()), "{stderr}");
    for (size, message) in [
        (
            ["0", "16"],
            "patch_size is 4, expected a divisor of the side of the images, which is 0",
        ),
        (
            ["18", "16"],
            "patch_size is 4, expected a divisor of the side of the images, which is 18",
        ),
    ] {
        let (code, stderr) = analyze("vit", &["--image-size", size[0], size[1]]);
        assert!(code == Some(2) && stderr.contains(message), "{stderr}");
    }
    train(root);
    let arguments = ["analyze", "run", "--image-size", "16", "16"];
    let more = ["--images", "a.png", "--output", "out"];
    let (code, stderr) = run(&[&arguments[..], &more[..]].concat());
    assert!(
        code == Some(2) && stderr.contains("--image-size applies to weight files, not to a run"),
        "{stderr}"
    );
}
