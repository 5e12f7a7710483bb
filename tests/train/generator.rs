//! Training of a generator, and clips that it generates.

use std::path::Path;
use std::time::{Duration, Instant};

use super::assert_all_documented;
use super::resume::{expect_success, stderr};
use crate::util::{TestDir, program, run_program};

/// Generator of 2 layers for clips of 4 frames; 20 steps.
const CONFIG: &str = r#"
[run]
name = "tiny"
seed = 1
[data]
kind = "moving_digits"
clips = ["constant", "still", "merge"]
n_frames = 4
side = 16
repeats = 1
partners = "any_digit"
captions = {}
[model]
kind = "generator"
d_model = 8
n_layers = 2
n_heads = 2
patch_size = 4
[training]
epochs = 2
batch_size = 20
samples_per_class = 20
ema_decay = 0.9
clip_norm = 1.0
optimizer = { kind = "adamw", lr = 1e-2, weight_decay = 0.01 }
[checkpoint]
every_steps = 5
keep_last = 10
[logging]
log_every_steps = 1
topology_images = 32
"#;

/// Penalties on attention between frames and between layers.
const PENALTIES: &str = r#"
[[topology]]
between = "frames"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
weight = { kind = "fixed", value = 0.1 }
[[topology]]
between = "layers"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
weight = { kind = "fixed", value = 0.1 }
"#;

fn write(directory: &TestDir, name: &str, text: &str) {
    std::fs::write(directory.path().join(name), text).unwrap();
}

fn train(directory: &TestDir, arguments: &[&str]) {
    expect_success(&run_program(
        directory.path(),
        &[&["train"], arguments].concat(),
    ));
}

fn metrics(directory: &TestDir, run: &str) -> String {
    std::fs::read_to_string(directory.path().join(run).join("metrics.jsonl")).unwrap()
}

/// Values of a logged number, in the order of the steps.
fn logged(metrics: &str, split: &str, name: &str) -> Vec<f64> {
    let records = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .filter(|record| record["split"] == split && record["name"] == name)
        .map(|record| record["value"].as_f64().unwrap())
        .collect()
}

fn bytes(directory: &TestDir, path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(directory.path().join(path)).unwrap()
}

#[test]
fn a_generator_learns_resumes_and_generates_the_same_clips() {
    let directory = TestDir::new();
    write(&directory, "tiny.toml", &format!("{CONFIG}{PENALTIES}"));
    train(&directory, &["tiny.toml", "--out", "run"]);
    let whole = metrics(&directory, "run");
    assert!(assert_all_documented(whole.lines()) > 100);
    let losses = logged(&whole, "train", "loss_task");
    // A new model predicts 0, so that the first loss is the variance of the velocities.
    assert!(losses[0] > 1.0, "{losses:?}");
    let validation = logged(&whole, "validation", "flow_loss");
    assert!(validation[1] < validation[0], "{validation:?}");
    for name in [
        "flow_loss_level1",
        "flow_loss_level5",
        "flow_loss_combinations",
        "flow_loss_paraphrases",
    ] {
        assert_eq!(logged(&whole, "validation", name).len(), 2, "{name}");
    }
    assert!(!logged(&whole, "train", "penalty/h0_frames/value").is_empty());

    // A run that is killed in its first epoch and resumed ends with the same files.
    let mut child = program(directory.path(), &["train", "tiny.toml", "--out", "killed"])
        .spawn()
        .unwrap();
    let checkpoint = directory.path().join("killed/checkpoints/5");
    let started = Instant::now();
    while !checkpoint.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(300),
            "no checkpoint"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!directory.path().join("killed/summary.json").exists());
    train(&directory, &["--resume", "killed"]);
    assert_eq!(metrics(&directory, "killed"), whole);
    let last = losses.len();
    for file in ["model.bpk", "unaveraged.bpk"] {
        let of = |run: &str| bytes(&directory, format!("{run}/checkpoints/{last}/{file}"));
        assert!(of("run") == of("killed"), "{file} differs");
    }
    let clip = |run: &str| {
        let file = format!("{run}.gif");
        let arguments = [
            "generate",
            run,
            "a five moves left",
            "--steps",
            "4",
            "--output",
            &file,
        ];
        expect_success(&run_program(directory.path(), &arguments));
        bytes(&directory, file)
    };
    assert!(clip("run") == clip("killed"), "the generated clips differ");

    generates(&directory);
}

/// Checks `generate` on the trained run.
fn generates(directory: &TestDir) {
    let generate = |arguments: &[&str]| {
        run_program(
            directory.path(),
            &[&["generate", "run"], arguments].concat(),
        )
    };
    let options = ["--steps", "5", "--npy"];
    let five = "a five moves left";
    expect_success(&generate(
        &[
            &[five, "--n", "3", "--output", "five.gif"],
            &options[..],
            &["five.npy"],
        ]
        .concat(),
    ));
    expect_success(&generate(
        &[
            &[five, "--n", "3", "--output", "again.gif"],
            &options[..],
            &["again.npy"],
        ]
        .concat(),
    ));
    assert_eq!(bytes(directory, "five.gif"), bytes(directory, "again.gif"));
    // The clips of a caption do not depend on how many others are generated with them.
    write(
        directory,
        "captions.txt",
        "an eight stays still\na five moves left\n\n",
    );
    expect_success(&generate(
        &[
            &[
                "--captions",
                "captions.txt",
                "--n",
                "2",
                "--output",
                "both.png",
            ],
            &options[..],
            &["both.npy"],
        ]
        .concat(),
    ));
    let clip = 4 * 16 * 16 * 4;
    let pixels = |file: &str, n_clips: usize| {
        let bytes = bytes(directory, file);
        bytes[bytes.len() - n_clips * clip..].to_vec()
    };
    let (five, both) = (pixels("five.npy", 3), pixels("both.npy", 4));
    assert_eq!(five, pixels("again.npy", 3));
    assert_eq!(five[..2 * clip], both[2 * clip..]);
    assert_ne!(five[..clip], five[clip..2 * clip]);
    let changes: [&[&str]; 5] = [
        &["--steps", "5", "--guidance", "1"],
        &["--steps", "5", "--guidance", "0"],
        &["--steps", "5", "--seed", "1"],
        &["--steps", "5", "--solver", "heun"],
        &["--steps", "6"],
    ];
    for change in changes {
        let files = [
            "a five moves left",
            "--output",
            "other.gif",
            "--npy",
            "other.npy",
            "--force",
        ];
        expect_success(&generate(&[&files[..], change].concat()));
        assert_ne!(pixels("other.npy", 1)[..], five[..clip], "{change:?}");
    }
    expect_success(&generate(&[
        "a five moves left",
        "--output",
        "t.gif",
        "--steps",
        "6",
        "--trajectory",
    ]));
    let rows = image::load_from_memory(&bytes(directory, "t_trajectory.png")).unwrap();
    assert_eq!((rows.width(), rows.height()), (4 + 4 * 132, 4 + 6 * 132));

    let held_out = generate(&["a one stays still", "--output", "h.gif", "--steps", "5"]);
    assert!(
        stderr(&held_out).contains("but never together"),
        "{}",
        stderr(&held_out)
    );
    let refused = |arguments: &[&str]| {
        let output = generate(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        stderr(&output)
    };
    let before = directory.names();
    assert!(
        refused(&["a fife moves", "--output", "a.gif"])
            .contains("`fife` (the nearest known word is `five`)")
    );
    assert!(refused(&[" ", "--output", "a.gif"]).contains("the caption is empty"));
    assert!(refused(&["a five moves left", "--output", "a.txt"]).contains("ends in .gif or .png"));
    assert!(refused(&["a five moves left", "--output", "five.gif"]).contains("pass --force"));
    assert!(refused(&["a five moves left", "--output", "a.gif", "--n", "0"]).contains("--n"));
    assert!(
        refused(&["a five moves left", "--output", "a.gif", "--steps", "0"]).contains("--steps")
    );
    assert!(
        refused(&[
            "a five moves left",
            "--output",
            "a.gif",
            "--guidance",
            "nan"
        ])
        .contains("finite number")
    );
    let long = "a ".repeat(17);
    assert!(refused(&[&long, "--output", "a.gif"]).contains("has 17 words, expected at most 16"));
    assert_eq!(directory.names(), before);
}

#[test]
fn accumulation_uses_the_same_noise() {
    let directory = TestDir::new();
    let text = CONFIG.replace("epochs = 2", "epochs = 1");
    write(&directory, "one.toml", &text);
    write(
        &directory,
        "four.toml",
        &text.replace(
            "batch_size = 20",
            "batch_size = 20\ngradient_accumulation = 4",
        ),
    );
    for name in ["one", "four"] {
        train(&directory, &[&format!("{name}.toml"), "--out", name]);
    }
    let losses = |run| logged(&metrics(&directory, run), "train", "loss_task");
    let (one, four) = (losses("one"), losses("four"));
    assert_eq!(one.len(), four.len());
    // The first losses are those of the same parameters; later ones differ by rounding.
    for (one, four) in one.iter().zip(&four) {
        assert!((one - four).abs() < 1e-3 * one, "{one} {four}");
    }
    assert!(
        (one[0] - four[0]).abs() < 1e-6 * one[0],
        "{} {}",
        one[0],
        four[0]
    );
}

#[test]
fn settings_that_do_not_fit_a_generator_are_refused() {
    let directory = TestDir::new();
    let refused = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from}");
        write(&directory, "bad.toml", &CONFIG.replace(from, to));
        let output = run_program(directory.path(), &["config", "check", "bad.toml"]);
        assert_eq!(output.status.code(), Some(2), "{to}");
        stderr(&output)
    };
    assert!(refused("captions = {}", "").contains("a generator needs captions"));
    assert!(
        refused("[\"constant\", \"still\", \"merge\"]", "[\"merge\"]").contains("a single kind")
    );
    assert!(refused("ema_decay = 0.9", "caption_dropout = 1.0").contains("caption_dropout is 1"));
    assert!(refused("ema_decay = 0.9", "augment = { shift = 1 }").contains("leave augment out"));
    assert!(refused("ema_decay = 0.9", "label_smoothing = 0.1").contains("has no classes"));
    assert!(
        refused(
            "d_model = 8",
            "d_model = 8\ntext = { kind = \"learned\", max_words = 0 }"
        )
        .contains("max_words is 0")
    );
    let levels = "levels = { kind = \"logit_normal\", deviation = 0.0 }";
    assert!(refused("ema_decay = 0.9", levels).contains("levels are not valid"));
    let share = PENALTIES.replace(
        "{ kind = \"fixed\", value = 0.1 }",
        "{ kind = \"gradient_share\", share = 0.1 }",
    );
    let early = refused("[logging]", &format!("{share}[logging]"));
    assert!(
        early.contains("set schedule.start_epoch to at least 1"),
        "{early}"
    );
    // Keys of generators are refused for other models.
    let text = CONFIG
        .replace(
            "kind = \"generator\"",
            "kind = \"timesformer\"\nhead = \"clip\"",
        )
        .replace("ema_decay = 0.9", "levels = { kind = \"uniform\" }");
    write(&directory, "other.toml", &text);
    let output = run_program(directory.path(), &["config", "check", "other.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("levels is a key of generators"));
}
