//! Training runs on clips.

use std::path::Path;
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};

use super::assert_all_documented;
use crate::util::{TestDir, program, run_program};

const N_FRAMES: usize = 4;

/// Data set of clips in files, 8 by 8 pixels, of two classes: a bar that moves right, and one that moves down.
pub(super) const FOLDER: &str =
    r#"{ kind = "clip_folder", path = "clips", n_frames = 4, image_size = 8, n_classes = 2 }"#;

/// Writes the clips of [`FOLDER`].
pub(super) fn write_clips(directory: &Path) {
    for (split, n_clips) in [("train", 5), ("val", 3), ("test", 2)] {
        for (class, axis) in [("down", 1), ("right", 0)] {
            for clip in 0..n_clips {
                let name = format!("clips/{split}/{class}/clip{clip}");
                let folder = directory.join(name);
                std::fs::create_dir_all(&folder).unwrap();
                for frame in 0..N_FRAMES as u32 + 1 {
                    let image = RgbImage::from_fn(8, 8, |x, y| {
                        let coordinate = [x, y][axis];
                        let is_bar = coordinate == (frame + clip) % 8;
                        Rgb([if is_bar { 255 } else { 10 * (x + y) as u8 }; 3])
                    });
                    image.save(folder.join(format!("{frame}.png"))).unwrap();
                }
            }
        }
    }
}

/// Kinds of models and their heads.
const MODELS: [(&str, &str); 6] = [
    ("timesformer", "clip"),
    ("vivit", "frames"),
    ("joint", "clip"),
    ("timesformer", "next_frame"),
    ("joint", "next_frame"),
    ("linear_probe", "frames"),
];

/// Configuration with a small model.
pub(super) fn config(data: &str, kind: &str, head: &str, penalty: &str) -> String {
    let shape = match kind {
        "linear_probe" => String::new(),
        _ => ", d_model = 8, n_layers = 2, n_heads = 2, patch_size = 4".to_owned(),
    };
    format!(
        r#"
        data = {data}
        model = {{ kind = "{kind}", head = "{head}"{shape} }}
        [run]
        name = "tiny"
        seed = 1
        [training]
        epochs = 2
        batch_size = 4
        optimizer = {{ kind = "adamw", lr = 1e-3, weight_decay = 0.05 }}
        schedule = {{ kind = "constant" }}
        [logging]
        log_every_steps = 1
        {penalty}
        "#
    )
}

/// Penalty between consecutive frames.
const BETWEEN_FRAMES: &str = r#"
    [[topology]]
    between = "frames"
    homology_dim = 0
    normalize = "spanning_tree"
    penalty = { kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }
    weight = { kind = "fixed", value = 0.1 }
"#;

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_model_trains_on_clips_and_logs_its_metrics() {
    let directory = TestDir::new();
    write_clips(directory.path());
    for (kind, head) in MODELS {
        let penalty = match kind {
            "linear_probe" => "",
            _ => BETWEEN_FRAMES,
        };
        let name = format!("{kind}_{head}");
        std::fs::write(
            directory.path().join("run.toml"),
            config(FOLDER, kind, head, penalty),
        )
        .unwrap();
        let output = run_program(directory.path(), &["train", "run.toml", "--output", &name]);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let run = directory.path().join(&name);
        let summary: serde_json::Value =
            serde_json::from_str(&text(run.join("summary.json"))).unwrap();
        let metrics = text(run.join("metrics.jsonl"));
        let mut expected = vec!["test_loss"];
        expected.extend(match head {
            "clip" => &["test_accuracy"][..],
            "frames" => &["test_accuracy", "test_flip_rate"],
            _ => &[
                "test_mse",
                "test_ssim",
                "test_mse_copy_last",
                "test_ssim_extrapolation",
            ],
        });
        if kind != "linear_probe" {
            expected.extend(["test_h0_distance_to_next", "test_h0_distance_to_next_frame"]);
            let mut logged = vec![
                "penalty/h0_frames/value",
                "topology/h1_wasserstein_next/layer00",
                "frames/h1_wasserstein_next_normalized/layer01",
                "frame_pairs/h0_wasserstein/layer01_pair01",
                "frame_pairs/gated/layer00_pair00",
            ];
            if kind == "joint" {
                logged.push("attention/within_frame/layer01");
            }
            for name in logged {
                assert!(
                    metrics.contains(&format!("\"name\":\"{name}\"")),
                    "{kind} {head}: {name}"
                );
            }
        }
        for metric in expected {
            let value = summary[metric].as_f64();
            assert!(
                value.is_some_and(f64::is_finite),
                "{name}: {metric} in {summary}"
            );
        }
        assert_all_documented(metrics.lines());
        let evaluated = run_program(directory.path(), &["evaluate", &name]);
        let stdout = String::from_utf8(evaluated.stdout).unwrap();
        let first = ["accuracy", "mse"].iter().find_map(|metric| {
            let value = summary[format!("test_{metric}")].as_f64()?;
            Some(format!("test: {metric} {value:.4}, "))
        });
        assert!(stdout.starts_with(&first.unwrap()), "{stdout}");

        let clip = "clips/test/right/clip0";
        let predicted = run_program(directory.path(), &["predict", &name, clip, "--top", "2"]);
        let stdout = String::from_utf8(predicted.stdout).unwrap();
        match head {
            "next_frame" => assert_eq!(predicted.status.code(), Some(2)),
            _ => assert_eq!(stdout.lines().count(), 3, "{stdout}"),
        }
    }
}

#[test]
fn the_event_file_contains_an_animated_clip() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let written = config(FOLDER, "timesformer", "next_frame", "");
    std::fs::write(directory.path().join("run.toml"), written).unwrap();
    let output = run_program(directory.path(), &["train", "run.toml", "--output", "run"]);
    assert!(output.status.success());
    let events = directory.path().join("run/tensorboard");
    let file = std::fs::read_dir(events).unwrap().next().unwrap().unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let find = |from: usize, pattern: &[u8]| {
        bytes[from..]
            .windows(pattern.len())
            .position(|part| part == pattern)
            .map(|offset| from + offset)
    };
    let tag = find(0, b"clip/layer01").expect("a clip of the last layer");
    let gif = find(tag, b"GIF89a").expect("an animation after its tag");
    assert!(gif - tag < 100);
}

#[test]
fn runs_on_clips_do_not_depend_on_threads_or_interruptions() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let written = config(FOLDER, "vivit", "clip", BETWEEN_FRAMES);
    std::fs::write(directory.path().join("run.toml"), written).unwrap();
    for (threads, out) in [("1", "one"), ("3", "three")] {
        let mut run = program(directory.path(), &["train", "run.toml", "--output", out]);
        assert!(
            run.env("RAYON_NUM_THREADS", threads)
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    let metrics = |run: &str| text(directory.path().join(run).join("metrics.jsonl"));
    assert_eq!(metrics("one"), metrics("three"));
    // Back to the checkpoint of the first epoch, as if killed in the second.
    let run = directory.path().join("one");
    std::fs::remove_file(run.join("summary.json")).unwrap();
    let checkpoints = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let newest = checkpoints
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    std::fs::remove_dir_all(newest).unwrap();
    let resumed = run_program(directory.path(), &["train", "--resume", "one"]);
    assert!(
        resumed.status.success(),
        "{}",
        String::from_utf8_lossy(&resumed.stderr)
    );
    assert_eq!(metrics("one"), metrics("three"));
}

#[test]
fn frame_penalties_can_follow_the_true_flow() {
    let directory = TestDir::new();
    let data = r#"{ kind = "moving_digits", clips = ["constant"], n_frames = 3, side = 12 }"#;
    let penalty = BETWEEN_FRAMES.replace(
        r#"{ kind = "wasserstein", order = 2, ground_norm = "infinity", power = "p" }"#,
        r#"{ kind = "rtd_lite" }"#,
    );
    let penalty = penalty.replace("between", "alignment = \"flow\"\n    between");
    let written = config(data, "timesformer", "frames", &penalty);
    let written = written
        .replace("epochs = 2", "epochs = 1")
        .replace("batch_size = 4", "batch_size = 600");
    let written = written.replace("[logging]", "[logging]\n        topology_images = 30");
    std::fs::write(directory.path().join("run.toml"), written).unwrap();
    let output = run_program(directory.path(), &["train", "run.toml", "--output", "run"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metrics = text(directory.path().join("run/metrics.jsonl"));
    let value = metrics
        .lines()
        .find(|line| line.contains("penalty/h0_frames/value"))
        .unwrap();
    let record: serde_json::Value = serde_json::from_str(value).unwrap();
    assert!(record["value"].as_f64().unwrap() > 0.0);
}

#[test]
fn invalid_clip_configurations_give_one_clear_message() {
    let directory = TestDir::new();
    write_clips(directory.path());
    let digits = r#"{ kind = "digits" }"#;
    let flow = BETWEEN_FRAMES.replace("between", "alignment = \"flow\"\n    between");
    let cases = [
        (
            config(digits, "timesformer", "clip", ""),
            "the data are images, expected the model `vit`",
        ),
        (
            config(FOLDER, "vit", "clip", "").replace(r#", head = "clip""#, ""),
            "clips of 4 frames",
        ),
        (
            config(FOLDER, "linear_probe", "clip", BETWEEN_FRAMES),
            "the model has no layers",
        ),
        (
            config(FOLDER, "linear_probe", "next_frame", ""),
            "expected the head `clip` or `frames`",
        ),
        (
            config(FOLDER, "timesformer", "clip", &flow),
            "token by token",
        ),
        (
            config(
                FOLDER,
                "timesformer",
                "clip",
                &flow.replace(
                    "\"wasserstein\", order = 2, ground_norm = \"infinity\", power = \"p\"",
                    "\"rtd_lite\"",
                ),
            ),
            "needs clips with known flow",
        ),
        (
            config(
                FOLDER,
                "timesformer",
                "clip",
                &BETWEEN_FRAMES.replace("between", "pairs = { stride = 4 }\n    between"),
            ),
            "clips have 4 frames",
        ),
        (
            config(FOLDER, "timesformer", "next_frame", "").replace(
                "batch_size = 4",
                "batch_size = 4\n        label_smoothing = 0.1",
            ),
            "has no classes",
        ),
        (
            config(FOLDER, "timesformer", "clip", "")
                .replace("patch_size = 4", "patch_size = 4, tubelet_size = 2"),
            "tubelet_size is a key of `joint`",
        ),
        (
            config(FOLDER, "joint", "clip", "")
                .replace("patch_size = 4", "patch_size = 4, tubelet_size = 3"),
            "tubelet_size is 3, expected a divisor of 4 frames",
        ),
        (
            config(
                &FOLDER.replace("\"clips\"", "\"nowhere\""),
                "vivit",
                "clip",
                "",
            ),
            "nowhere",
        ),
        (
            config(
                &FOLDER.replace("n_frames = 4", "n_frames = 9"),
                "vivit",
                "clip",
                "",
            ),
            "frames",
        ),
    ];
    for (written, expected) in cases {
        std::fs::write(directory.path().join("run.toml"), &written).unwrap();
        let output = run_program(directory.path(), &["train", "run.toml", "--output", "bad"]);
        let stdout = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{expected}: {stdout}");
        let last = stdout.lines().last().unwrap_or_default();
        assert!(last.contains(expected), "expected {expected}: {stdout}");
        let _ = std::fs::remove_dir_all(directory.path().join("bad"));
    }
}

/// Writes the clips of [`FOLDER`] as video files.
#[cfg(unix)]
fn write_videos(directory: &Path) {
    write_clips(directory);
    for (split, n_clips) in [("train", 5), ("val", 3), ("test", 2)] {
        for class in ["down", "right"] {
            for clip in 0..n_clips {
                let frames = directory.join(format!("clips/{split}/{class}/clip{clip}"));
                let status = Command::new("ffmpeg")
                    .args(["-v", "error", "-i"])
                    .arg(frames.join("%d.png"))
                    .args(["-c:v", "ffv1"])
                    .arg(frames.with_extension("mkv"))
                    .stdin(Stdio::null())
                    .status()
                    .expect("ffmpeg, which this test needs");
                assert!(status.success());
                std::fs::remove_dir_all(frames).unwrap();
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn videos_are_decoded_once_and_results_do_not_depend_on_it() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TestDir::new();
    let root = directory.path();
    write_videos(root);
    let text = config(FOLDER, "timesformer", "clip", "");
    std::fs::write(root.join("tiny.toml"), text).unwrap();
    // A program in the place of `ffmpeg` that counts the files that it decodes.
    let path = std::env::var("PATH").unwrap();
    std::fs::create_dir(root.join("bin")).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *rawvideo*) echo decoded >> '{0}/log' ;; esac\nPATH='{path}' exec ffmpeg \"$@\"\n",
        root.display()
    );
    std::fs::write(root.join("bin/ffmpeg"), script).unwrap();
    std::fs::set_permissions(root.join("bin/ffmpeg"), PermissionsExt::from_mode(0o755)).unwrap();
    let train = |out: &str, cache: &str, memory: &str| {
        let output = program(root, &["train", "tiny.toml", "--output", out])
            .env("PATH", format!("{}/bin:{path}", root.display()))
            .env("BURN_TOPOLOGY_CACHE", cache)
            .env("BURN_TOPOLOGY_CACHE_MEMORY_GIB", memory)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let log = std::fs::read_to_string(root.join("log")).unwrap_or_default();
        let _ = std::fs::remove_file(root.join("log"));
        let metrics = std::fs::read(root.join(out).join("metrics.jsonl")).unwrap();
        (log.lines().count(), metrics)
    };
    // 10 clips for training, 6 for validation and one for TensorBoard, in two epochs each, and 4 for the test.
    let (n_decoded, expected) = train("without", "", "0");
    assert_eq!(n_decoded, 2 * (10 + 6 + 1) + 4);
    let cache = root.join("cache").display().to_string();
    // In memory alone, on disk alone, and from the disk that another process has filled.
    for (out, cache, memory, n_clips) in [
        ("memory", "", "1", 20),
        ("disk", cache.as_str(), "0", 20),
        ("again", cache.as_str(), "1", 0),
    ] {
        assert_eq!(
            train(out, cache, memory),
            (n_clips, expected.clone()),
            "{out}"
        );
    }
}
