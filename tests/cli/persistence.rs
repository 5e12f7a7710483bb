//! `persistence` and `diagram-distance`: diagrams of matrices in files, and distances between them.

use std::path::Path;

use burn_topology::report::encode_diagrams;
use burn_topology::topology::{Bar, Diagram};
use serde_json::Value;

use crate::util::{TestDir, run_program};

/// Writes an .npy file of little-endian float32 numbers, as `numpy.save` does.
pub(super) fn save(path: &Path, shape: &str, values: &[f32]) {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    header.push_str(&" ".repeat(63 - (header.len() + 10) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

/// Distances between the corners of a square with side 1, diagonals rounded to 1.5.
const SQUARE: [f32; 16] = [
    0.0, 1.0, 1.5, 1.0, 1.0, 0.0, 1.0, 1.5, 1.5, 1.0, 0.0, 1.0, 1.0, 1.5, 1.0, 0.0,
];

/// Runs the program, and parses its output.
pub(super) fn json(directory: &TestDir, arguments: &[&str]) -> Value {
    let output = run_program(directory.path(), arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Error message of a failing command; asserts exit code 2, a single line, and that no file was written.
pub(super) fn error_message(directory: &TestDir, arguments: &[&str]) -> String {
    let before = directory.names();
    let output = run_program(directory.path(), arguments);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(directory.names(), before, "something was left behind");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn diagrams_of_matrices_are_written_and_compared() {
    let directory = TestDir::new();
    let doubled: Vec<f32> = SQUARE.iter().map(|x| 2.0 * x).collect();
    save(&directory.path().join("square.npy"), "(4, 4)", &SQUARE);
    let both = [&SQUARE[..], &doubled].concat();
    save(&directory.path().join("both.npy"), "(2, 4, 4)", &both);
    let run = |input, output, more: &[&str]| {
        let arguments = [&["persistence", input, "--output", output], more].concat();
        json(&directory, &arguments)
    };
    let one = run("square.npy", "one.npz", &[]);
    assert_eq!(one["dimensions"][0]["n_finite"], 3);
    assert_eq!(one["dimensions"][0]["n_essential"], 1);
    assert_eq!(one["dimensions"][1]["longest"], 0.5);
    let stack = run("both.npy", "both.npz", &[]);
    assert_eq!(stack["n_matrices"], 2);
    assert_eq!(stack["dimensions"][1]["mean_total_persistence"], 0.75);
    let cut = run("both.npy", "cut.npz", &["--threshold", "1.2"]);
    assert_eq!(cut["dimensions"][1]["n_essential"], 1);
    assert_eq!(cut["dimensions"][0]["n_essential"], 5);

    let distance = json(
        &directory,
        &[
            "diagram-distance",
            "both.npz",
            "both.npz",
            "--homology-dim",
            "1",
        ],
    );
    assert_eq!(
        distance["dimensions"][0]["distances"],
        serde_json::json!([0.0, 0.0])
    );
    let distance = json(
        &directory,
        &["diagram-distance", "both.npz", "cut.npz", "--order", "1"],
    );
    let dimensions = &distance["dimensions"];
    assert_eq!(dimensions[0]["distances"], serde_json::json!([0.0, "inf"]));
    assert_eq!(dimensions[1]["distances"], serde_json::json!(["inf", 0.5]));
}

#[test]
fn sums_of_no_bars_have_no_sign() {
    let directory = TestDir::new();
    // Two points have no cycle.
    save(
        &directory.path().join("two.npy"),
        "(2, 2)",
        &[0.0, 1.0, 1.0, 0.0],
    );
    let arguments = ["persistence", "two.npy", "--output", "two.npz"];
    let output = run_program(directory.path(), &arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(
        stdout.contains("\"mean_total_persistence\": 0.0") && !stdout.contains("-0.0"),
        "{stdout}"
    );
}

#[test]
fn attention_and_points_are_converted_to_distances() {
    let directory = TestDir::new();
    let attention = [0.5, 0.5, 0.0, 0.25, 0.25, 0.5, 0.0, 0.0, 1.0];
    save(
        &directory.path().join("attention.npy"),
        "(3, 3)",
        &attention,
    );
    save(
        &directory.path().join("points.npy"),
        "(2, 3)",
        &[0.0, 0.0, 0.0, 1.0, 2.0, 2.0],
    );
    let longest = |input: &str, kind: &str| {
        let output = format!("{kind}.npz");
        let arguments = ["persistence", input, "--input", kind, "--output", &output];
        json(&directory, &arguments)["dimensions"][0]["longest"]
            .as_f64()
            .unwrap()
    };
    assert!((longest("attention.npy", "attention") - 0.464501404).abs() < 1e-6);
    assert_eq!(longest("points.npy", "points"), 3.0);
}

#[test]
fn bad_matrices_and_outputs_give_one_clear_message() {
    let directory = TestDir::new();
    let path = |name: &str| directory.path().join(name);
    save(&path("square.npy"), "(4, 4)", &SQUARE);
    save(&path("wide.npy"), "(2, 3)", &[0.0; 6]);
    let mut nan = SQUARE;
    nan[1] = f32::NAN;
    save(&path("stack.npy"), "(2, 4, 4)", &[SQUARE, nan].concat());
    std::fs::write(path("text.npy"), "0 1\n1 0\n").unwrap();
    std::fs::write(path("kept.npz"), "mine").unwrap();
    let diagrams = |birth: f64, death: f64| {
        let bar = Bar {
            birth,
            death,
            birth_edge: None,
            death_edge: None,
        };
        let diagram = Diagram {
            homology_dim: 0,
            bars: vec![bar],
        };
        encode_diagrams(&[vec![diagram]], "{}").unwrap()
    };
    std::fs::write(path("one.npz"), diagrams(1.0, 2.0)).unwrap();
    std::fs::write(path("reversed.npz"), diagrams(2.0, 1.0)).unwrap();
    let error =
        |input, output| error_message(&directory, &["persistence", input, "--output", output]);
    for (message, expected) in [
        (
            error("wide.npy", "o.npz"),
            "wide.npy: the matrix has 2 rows and 3 columns",
        ),
        (
            error("stack.npy", "o.npz"),
            "stack.npy: matrix 1: distance matrix has a NaN at (0, 1)",
        ),
        (
            error("text.npy", "o.npz"),
            "text.npy: this is not an .npy file",
        ),
        (error("none.npy", "o.npz"), "none.npy: "),
        (
            error("square.npy", "kept.npz"),
            "kept.npz already exists; pass --force to overwrite",
        ),
        (
            error_message(
                &directory,
                &["persistence", "square.npy", "--output", ".", "--force"],
            ),
            ".: is not a file",
        ),
        (
            error("square.npy", "no/o.npz"),
            "no/o.npz: cannot be written",
        ),
        (
            error_message(
                &directory,
                &[
                    "persistence",
                    "square.npy",
                    "--output",
                    "o.npz",
                    "--threshold",
                    "-1",
                ],
            ),
            "square.npy: threshold is -1",
        ),
        (
            error_message(
                &directory,
                &[
                    "persistence",
                    "wide.npy",
                    "--input",
                    "attention",
                    "--output",
                    "o.npz",
                ],
            ),
            "wide.npy: row 0 sums to 0.000000, expected 1",
        ),
        (
            error_message(&directory, &["diagram-distance", "kept.npz", "kept.npz"]),
            "kept.npz: this is not an .npz archive",
        ),
        (
            error_message(&directory, &["diagram-distance", "one.npz", "reversed.npz"]),
            "reversed.npz: ",
        ),
    ] {
        assert!(
            message.starts_with(&format!("burn-topology: {expected}")),
            "{message}"
        );
    }
    assert_eq!(std::fs::read(path("kept.npz")).unwrap(), b"mine");
}
