//! `persistence --input image` and `--input volume`, and `analyze --pixels`.

use std::io::Read;

use image::{GrayImage, Luma, LumaA, Rgb, RgbImage};
use npyz::NpyFile;
use zip::ZipArchive;

use super::persistence::{error_message, json, save};
use crate::util::{TestDir, assert_refused, run_program};

/// Digit 8 whose upper hole is black, and whose lower hole has a gap of 0.3 and a bottom of 0.1.
const EIGHT: [f32; 15] = [
    0.9, 0.9, 0.9, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.3, 0.9, 0.9, 0.9,
];

/// Array of an archive, as numbers and shape.
fn array<T: npyz::Deserialize>(directory: &TestDir, file: &str, name: &str) -> (Vec<T>, Vec<u64>) {
    let file = std::fs::File::open(directory.path().join(file)).unwrap();
    let mut archive = ZipArchive::new(file).unwrap();
    let mut bytes = Vec::new();
    let mut member = archive.by_name(&format!("{name}.npy")).unwrap();
    member.read_to_end(&mut bytes).unwrap();
    let array = NpyFile::new(&*bytes).unwrap();
    let shape = array.shape().to_vec();
    (array.into_vec().unwrap(), shape)
}

#[test]
fn images_have_components_holes_and_their_pixels() {
    let directory = TestDir::new();
    save(&directory.path().join("eight.npy"), "(5, 3)", &EIGHT);
    let run = |arguments: &[&str]| {
        let all = [&["persistence", "eight.npy", "--input", "image"], arguments].concat();
        json(&directory, &all)
    };
    let summary = run(&["--output", "eight.npz"]);
    assert_eq!(summary["n_images"], 1);
    assert_eq!(summary["dimensions"][0]["n_finite"], 0);
    assert_eq!(summary["dimensions"][0]["n_essential"], 1);
    assert_eq!(summary["dimensions"][1]["n_finite"], 2);
    let longest = summary["dimensions"][1]["longest"].as_f64().unwrap();
    assert!((longest - 0.9).abs() < 1e-7, "{longest}");
    let (holes, shape) = array::<f64>(&directory, "eight.npz", "dgm1");
    assert_eq!(shape, [2, 2]);
    // Negated, so that births lie below deaths; in the precision of the file.
    let expected = [-0.9_f32, -0.0, -0.3, -0.1].map(f64::from);
    assert_eq!(holes, expected);
    let (births, shape) = array::<i64>(&directory, "eight.npz", "birth_pixel1");
    assert_eq!((births[2..].to_vec(), shape), (vec![3, 2], vec![2, 2]));
    let (deaths, _) = array::<i64>(&directory, "eight.npz", "death_pixel1");
    assert_eq!(deaths, [1, 1, 3, 1]);
    let (deaths, _) = array::<i64>(&directory, "eight.npz", "death_pixel0");
    assert_eq!(deaths, [-1, -1]);

    let long = run(&["--min-persistence", "0.5", "--output", "long.npz"]);
    assert_eq!(long["dimensions"][1]["n_finite"], 1);
    let dark = run(&["--filtration", "sublevel", "--output", "dark.npz"]);
    // From below, both holes are components, and the lower one reaches the border through its gap.
    assert_eq!(dark["dimensions"][0]["n_finite"], 1);
    let components = run(&["--max-homology-dim", "0", "--output", "components.npz"]);
    assert_eq!(components["dimensions"].as_array().unwrap().len(), 1);
    // The archive can be compared with another one.
    let distance = json(&directory, &["diagram-distance", "eight.npz", "long.npz"]);
    let distance = distance["dimensions"][1]["distances"][0].as_f64().unwrap();
    assert!((distance - 0.1).abs() < 1e-7, "{distance}");
}

#[test]
fn stacks_are_lists_of_images_or_one_volume() {
    let directory = TestDir::new();
    // A pixel that moves diagonally: connected through time with 26 neighbours, and not with 6.
    let clip = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    save(&directory.path().join("clip.npy"), "(2, 2, 2)", &clip);
    let run = |input: &str, connectivity: &str| {
        let arguments = [
            "persistence",
            "clip.npy",
            "--input",
            input,
            "--connectivity",
            connectivity,
            "--output",
            "out.npz",
            "--max-homology-dim",
            "0",
            "--force",
        ];
        json(&directory, &arguments)
    };
    let volume = run("volume", "26");
    assert_eq!(volume["n_frames"], 2);
    assert_eq!(volume["dimensions"][0]["n_finite"], 0);
    assert_eq!(run("volume", "6")["dimensions"][0]["n_finite"], 1);
    assert_eq!(
        array::<i64>(&directory, "out.npz", "birth_pixel0").1,
        [2, 3]
    );
    let images = run("image", "8");
    assert_eq!(images["n_images"], 2);
    assert_eq!(images["dimensions"][0]["n_essential"], 2);
    let (offsets, _) = array::<i64>(&directory, "out.npz", "offsets0");
    assert_eq!(offsets, [0, 1, 2]);
}

#[test]
fn pictures_are_read_as_grey_values() {
    let directory = TestDir::new();
    let grey = GrayImage::from_fn(3, 1, |x, _| Luma([[200, 50, 100][x as usize]]));
    grey.save(directory.path().join("grey.png")).unwrap();
    RgbImage::from_pixel(4, 4, Rgb([0, 255, 0]))
        .save(directory.path().join("green.bmp"))
        .unwrap();
    let run = |file: &str, output: &str| {
        let arguments = ["persistence", file, "--input", "image", "--output", output];
        json(&directory, &arguments)
    };
    let summary = run("grey.png", "grey.npz");
    assert_eq!(
        (&summary["height"], &summary["width"]),
        (&1.into(), &3.into())
    );
    let (points, _) = array::<f64>(&directory, "grey.npz", "dgm0");
    let expected = [100.0_f32, 50.0].map(|x| -f64::from(x / 255.0));
    assert_eq!(points[..2], expected);
    // A constant image has one component of the luminance of green.
    run("green.bmp", "green.npz");
    let (points, shape) = array::<f64>(&directory, "green.npz", "dgm0");
    assert_eq!(shape, [1, 2]);
    assert!((points[0] + 0.7152).abs() < 0.003, "{points:?}");
}

#[test]
fn bad_images_give_one_sentence() {
    let directory = TestDir::new();
    let path = |name: &str| directory.path().join(name);
    save(&path("nan.npy"), "(1, 2)", &[0.0, f32::NAN]);
    save(
        &path("inf.npy"),
        "(2, 1, 2)",
        &[0.0, 1.0, 0.0, f32::INFINITY],
    );
    save(&path("small.npy"), "(1, 1)", &[0.5]);
    // The header alone decides, so that the numbers need not be there.
    save(&path("huge.npy"), "(60000, 60000)", &[0.0]);
    save(&path("deep.npy"), "(60000, 60000, 60000)", &[0.0]);
    save(&path("long.npy"), "(70000, 1, 1)", &vec![0.0; 70_000]);
    let clear = image::GrayAlphaImage::from_pixel(2, 2, LumaA([9, 100]));
    clear.save(path("clear.png")).unwrap();
    let opaque = image::GrayAlphaImage::from_pixel(2, 2, LumaA([9, 255]));
    opaque.save(path("opaque.png")).unwrap();
    std::fs::write(path("text.png"), "no pixels").unwrap();
    // The header of a PNG file of 60,000 by 60,000 pixels, without any of them.
    let mut header = Vec::new();
    let encoder = png::Encoder::new(&mut header, 60_000, 60_000);
    drop(encoder.write_header().unwrap());
    std::fs::write(path("huge.png"), header).unwrap();
    let message = |file: &str, input: &str, more: &[&str]| {
        let arguments = ["persistence", file, "--input", input, "--output", "out.npz"];
        error_message(&directory, &[&arguments[..], more].concat())
    };
    let pixels = ["--connectivity", "4"];
    for (file, input, more, expected) in [
        (
            "nan.npy",
            "image",
            &[][..],
            "nan.npy: pixel in row 0, column 1 is NaN, expected a number",
        ),
        (
            "inf.npy",
            "image",
            &[],
            "image 1: pixel in row 0, column 1 is inf, expected a finite number",
        ),
        (
            "inf.npy",
            "volume",
            &[],
            "voxel in frame 1, row 0, column 1 is inf",
        ),
        (
            "small.npy",
            "volume",
            &[],
            "this is one image, expected an .npy array [frames, rows, columns]",
        ),
        (
            "huge.npy",
            "image",
            &[],
            "image of 60000 x 60000 pixels is too large",
        ),
        (
            "deep.npy",
            "volume",
            &[],
            "volume of 60000 x 60000 x 60000 pixels is too large",
        ),
        ("huge.png", "image", &[], "huge.png: "),
        (
            "long.npy",
            "volume",
            &[],
            "use dimension 0 or a smaller volume",
        ),
        (
            "clear.png",
            "image",
            &[],
            "the image has transparent pixels",
        ),
        (
            "clear.png",
            "volume",
            &[],
            "the image has transparent pixels",
        ),
        ("opaque.png", "volume", &[], "this is one image"),
        ("text.png", "image", &[], "text.png: "),
        ("nowhere.npy", "image", &[], "nowhere.npy: "),
        (
            "small.npy",
            "image",
            &["--max-homology-dim", "2"],
            "max_homology_dim of an image is 2",
        ),
        (
            "small.npy",
            "image",
            &["--min-persistence", "-1"],
            "min_persistence is -1",
        ),
        (
            "small.npy",
            "image",
            &["--connectivity", "6"],
            "--connectivity is 6, expected 8 or 4 for an image",
        ),
        (
            "small.npy",
            "image",
            &["--threshold", "1"],
            "--threshold is an option for distances",
        ),
        (
            "small.npy",
            "distances",
            &pixels,
            "--connectivity is an option for pixels",
        ),
    ] {
        let message = message(file, input, more);
        assert!(message.contains(expected), "{file}: {message}");
    }
    // One pixel is an image, and so is an opaque picture with an alpha channel.
    for file in ["small.npy", "opaque.png"] {
        let arguments = [
            "persistence",
            file,
            "--input",
            "image",
            "--output",
            "out.npz",
            "--force",
        ];
        let summary = json(&directory, &arguments);
        assert_eq!(summary["dimensions"][0]["n_essential"], 1);
        assert_eq!(summary["dimensions"][1]["n_finite"], 0);
    }
}

#[test]
fn bars_are_shown_over_pictures_and_clips() {
    let directory = TestDir::new();
    save(&directory.path().join("eight.npy"), "(5, 3)", &EIGHT);
    let clip = [&EIGHT[..], &EIGHT].concat();
    save(&directory.path().join("clip.npy"), "(2, 5, 3)", &clip);
    let run = |arguments: &[&str]| {
        let all = [&["analyze", "--pixels"], arguments].concat();
        run_program(directory.path(), &all)
    };
    let output = run(&["eight.npy", "clip.npy", "--output", "report"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let report = directory.path().join("report");
    let json = std::fs::read(report.join("bars.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let image = &json["images"][0];
    let bars = image["bars_of_first_frame"].as_array().unwrap();
    assert_eq!(bars.len(), 3);
    // The component that never ends, and the hole of one black pixel; then the hole of the pixel that is nearly black.
    let longest: Vec<_> = bars
        .iter()
        .map(|bar| bar["homology_dim"].as_u64().unwrap())
        .collect();
    assert_eq!(longest, [0, 1, 1]);
    assert_eq!(bars[0]["death_pixel"], serde_json::Value::Null);
    assert_eq!(bars[1]["death_pixel"], serde_json::json!([1, 1]));
    assert_eq!(
        (&bars[1]["n_pixels"], &bars[2]["n_pixels"]),
        (&1.into(), &1.into())
    );
    let vines = json["images"][1]["vines"].as_array().unwrap();
    assert_eq!(vines.len(), 3);
    assert!(
        vines
            .iter()
            .all(|vine| vine["births"].as_array().unwrap().len() == 2)
    );
    let page = std::fs::read_to_string(report.join("report.html")).unwrap();
    for text in [
        "Bars over the image",
        "Bars over the frames",
        "H1, hole",
        "component 1",
        "hole 2",
    ] {
        assert!(page.contains(text), "{text}");
    }
    save(
        &directory.path().join("bright.npy"),
        "(1, 2)",
        &[0.5, 255.0],
    );
    for (arguments, expected) in [
        (
            &["bright.npy", "--output", "bad"][..],
            "is 255, expected grey values from 0 to 1; divide by the largest",
        ),
        (
            &["nowhere.png", "--output", "bad"],
            "nowhere.png: no such file",
        ),
        (
            &["eight.npy", "--min-persistence", "-1", "--output", "bad"],
            "min_persistence is -1",
        ),
    ] {
        let all = [&["analyze", "--pixels"], arguments].concat();
        assert_refused(directory.path(), &all, expected);
    }
    // A model and its options have nothing to do with it.
    for option in [
        &["--heads", "mean"][..],
        &["--split", "test"],
        &["--device", "flex"],
        &["--layers", "0"],
    ] {
        let output = run(&[&["eight.npy", "--output", "bad"], option].concat());
        assert_eq!(output.status.code(), Some(2), "{option:?}");
    }
    assert!(!directory.path().join("bad").exists());
}
