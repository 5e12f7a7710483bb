//! The command `coherence`, on runs trained for one epoch.

use std::path::Path;
use std::process::Command;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::util::{TestDir, refusal, run_program};

/// Trains a model of frames of 16 by 16 pixels for one epoch.
fn train(directory: &Path, head: &str, settings: &[&str], out: &str) {
    let config = format!(
        r#"
        data = {{ kind = "moving_digits", clips = ["constant"], n_frames = 4, side = 16 }}
        model = {{ kind = "timesformer", head = "{head}", d_model = 4, n_layers = 2, n_heads = 1, patch_size = 8 }}
        [run]
        name = "tiny"
        seed = 0
        [training]
        epochs = 1
        batch_size = 256
        optimizer = {{ kind = "adamw", lr = 1e-3, weight_decay = 0.05 }}
        schedule = {{ kind = "constant" }}
        [logging]
        topology_images = 1
        "#
    );
    std::fs::write(directory.join("tiny.toml"), config).unwrap();
    let mut arguments = vec!["train", "tiny.toml", "--output", out];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let output = run_program(directory, &arguments);
    assert!(output.status.success(), "{output:?}");
}

/// Copies a run and changes one setting in its configuration: a quick substitute for another training.
fn copy(directory: &Path, from: &str, to: &str, [setting, other]: [&str; 2]) {
    let status = Command::new("cp")
        .args(["-r", from, to])
        .current_dir(directory)
        .status();
    assert!(status.unwrap().success());
    let path = directory.join(to).join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(setting), "{config}");
    std::fs::write(path, config.replace(setting, other)).unwrap();
    // A run whose configuration is not that of its checkpoints is refused, unless its manifest says that it was extended.
    let checkpoints = directory.join(to).join("checkpoints");
    let checkpoint = std::fs::read_dir(checkpoints).unwrap().next();
    let state = std::fs::read(checkpoint.unwrap().unwrap().path().join("state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let path = directory.join(to).join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["extensions"] = serde_json::json!([
        { "from_epochs": 1, "to_epochs": 2, "config_sha256": state["config_sha256"] }
    ]);
    std::fs::write(path, manifest.to_string()).unwrap();
}

/// Last line on stderr for arguments that are refused.
fn refused(directory: &Path, arguments: &[&str]) -> String {
    let stderr = refusal(directory, &[&["coherence"], arguments].concat());
    let last = stderr.lines().last().unwrap().to_owned();
    assert!(last.starts_with("burn-topology: "), "{stderr}");
    last
}

/// Path of a small pretrained model.
fn weights(name: &str) -> String {
    format!(
        "{}/tests/data_files/pretrained/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn write_clip(folder: &Path, n_frames: u32, side: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for frame in 0..n_frames {
        let image = RgbImage::from_fn(side, side + 3, |x, _| {
            Rgb([if x == frame { 250 } else { 20 }; 3])
        });
        image.save(folder.join(format!("{frame}.png"))).unwrap();
    }
}

#[test]
fn arms_are_compared_by_seed_and_unfit_runs_refused() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root, "frames", &[], "plain_0");
    let cosine = "training.schedule={kind=\"cosine\",warmup_steps=1}";
    train(root, "frames", &[cosine], "cosine_0");
    for arm in ["plain", "cosine"] {
        let [from, to] = [0, 1].map(|seed| format!("{arm}_{seed}"));
        copy(root, &from, &to, ["seed = 0", "seed = 1"]);
    }
    let runs = ["plain_0", "plain_1", "cosine_0", "cosine_1"];
    let mut arguments = vec!["coherence"];
    arguments.extend(runs);
    arguments.extend(["--n-samples", "20", "--output", "report"]);
    let output = run_program(root, &arguments);
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("cosine minus plain, 2 pairs of seeds"),
        "{table}"
    );

    let json = std::fs::read_to_string(root.join("report/coherence.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 4);
    assert_eq!(
        json["runs"][3]["by_clip"]["flip_rate"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
    let [first, second] = [0, 1].map(|arm| &json["arms"][arm]);
    assert_eq!(
        (&first["name"], &second["name"]),
        (&"plain".into(), &"cosine".into())
    );
    // The difference of the means equals the mean of the differences.
    let mean = |arm: &Value| arm["means"]["flip_rate"]["mean"].as_f64().unwrap();
    let difference = second["difference_from_first"]["metrics"]["flip_rate"]["mean"]
        .as_f64()
        .unwrap();
    assert!((mean(second) - mean(first) - difference).abs() < 1e-12);
    // With two pairs the test cannot reach a smaller p-value.
    assert!(
        second["difference_from_first"]["metrics"]["flip_rate"]["p_value"]
            .as_f64()
            .unwrap()
            >= 0.5
    );

    let page = std::fs::read_to_string(root.join("report/report.html")).unwrap();
    assert!(page.contains("Clip by clip") && page.contains("cosine, seed 0"));
    assert!(!page.contains("https://"));
    assert!(root.join("report/clips/merge.gif").is_file());
    for arm in ["plain", "cosine"] {
        let events = std::fs::read_dir(root.join("report/tensorboard").join(arm)).unwrap();
        assert_eq!(events.count(), 1);
    }
    // A second evaluation into the same directory gives the same numbers.
    let again = run_program(root, &arguments);
    assert!(again.status.success(), "{again:?}");
    let json_again = std::fs::read_to_string(root.join("report/coherence.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json_again).unwrap(), json);
    for arm in ["plain", "cosine"] {
        let events = std::fs::read_dir(root.join("report/tensorboard").join(arm)).unwrap();
        assert_eq!(events.count(), 1, "the events of the older report are gone");
    }
    // A report on fewer arms leaves nothing of the older one, and a file of the user stays.
    std::fs::write(root.join("report/clips/mine.gif"), "mine").unwrap();
    let fewer = [
        "coherence",
        "plain_0",
        "--n-samples",
        "20",
        "--output",
        "report",
    ];
    let output = run_program(root, &fewer);
    assert!(output.status.success(), "{output:?}");
    let names = |folder: &str| TestDir::names_in(&root.join("report").join(folder));
    assert_eq!(names("tensorboard"), ["plain_0"]);
    assert!(names("clips").contains(&"mine.gif".to_owned()));

    // The report on a single run goes into its own directory. Clips of a directory have no labels.
    for (name, n_frames, side) in [
        ("clips/a", 4, 9),
        ("clips/b", 7, 30),
        ("clips/kind/c", 5, 16),
    ] {
        write_clip(&root.join(name), n_frames, side);
    }
    let output = run_program(root, &["coherence", "plain_0", "--clips", "clips"]);
    assert!(output.status.success(), "{output:?}");
    let json = std::fs::read_to_string(root.join("plain_0/coherence/coherence.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let names = json["clips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|clip| clip["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b", "kind/c"]);
    assert!(json["arms"][0]["means"]["accuracy"]["mean"].is_null());
    assert!(json["arms"][0]["means"]["flip_rate"]["mean"].is_number());

    // Arguments and runs that do not fit together.
    train(root, "next_frame", &[], "predictor");
    copy(root, "plain_0", "longer", ["n_frames = 4", "n_frames = 6"]);
    std::fs::create_dir_all(root.join("empty")).unwrap();
    write_clip(&root.join("short/one"), 1, 16);
    for (arguments, expected) in [
        (vec!["nowhere"], "nowhere: no such run directory"),
        (
            vec!["plain_0", "predictor"],
            "predictor predicts the next frame and plain_0 predicts the class of every frame",
        ),
        (
            vec!["plain_0", "longer"],
            "longer takes 6 frames of 1 by 16 by 16 and 10 classes and plain_0 takes 4 frames",
        ),
        (vec!["plain_0", "./plain_0"], "passed twice"),
        (vec!["plain_0", "cosine_1"], "have no seed in common"),
        (
            vec!["plain_0", "--clips", "empty"],
            "empty: no clips, expected folders of frames",
        ),
        (vec!["plain_0", "--clips", "nothing"], "nothing: "),
        (
            vec!["plain_0", "--clips", "short"],
            "short/one: 1 frame, expected at least 4",
        ),
        (vec!["plain_0", "--device", "abacus"], "abacus"),
        (
            vec!["plain_0", "--encoder", "somewhere"],
            "--encoder somewhere measures frames, and these runs predict classes; leave it out",
        ),
        (vec!["predictor", "--encoder", "nothing"], "nothing: "),
        (
            vec!["predictor", "--image-size", "16", "16"],
            "--image-size is that of the weights of --encoder; pass both, or leave it out",
        ),
        (
            vec!["predictor", "--encoder", &weights("videomae")],
            "videomae: found a model for clips of",
        ),
        (
            vec!["plain_0", "--clips", "clips", "--output", "plain_0"],
            "plain_0: this is the directory of a run, whose files would be replaced",
        ),
    ] {
        let message = refused(root, &arguments);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    // The event files of the training are still there.
    let events = std::fs::read_dir(root.join("plain_0/tensorboard")).unwrap();
    assert!(events.count() > 0);
    assert!(!root.join("plain_0/coherence.json").exists());
    // A predictor alone is reported together with the true frames.
    let output = run_program(root, &["coherence", "predictor", "--n-samples", "10"]);
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.contains("the output may be constant or frozen") && stdout.contains("true frames"),
        "{stdout}"
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("features of frames: fixed random filters") && stderr.contains("--encoder"),
        "{stderr}"
    );
    let report =
        |file: &str| std::fs::read_to_string(root.join("predictor/coherence").join(file)).unwrap();
    let json: Value = serde_json::from_str(&report("coherence.json")).unwrap();
    assert_eq!(json["encoder"]["kind"], "random_filters");
    let with_filters = json["arms"][0]["means"].clone();

    // The same with the features of a pretrained model, on the same clips.
    let weights = weights("dinov2_bare");
    let arguments = [
        "coherence",
        "predictor",
        "--n-samples",
        "10",
        "--encoder",
        &weights,
        "--image-size",
        "8",
        "12",
    ];
    let output = run_program(root, &arguments);
    assert!(output.status.success(), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("40 true frames were encoded in"),
        "{stderr}"
    );
    let json: Value = serde_json::from_str(&report("coherence.json")).unwrap();
    let encoder = &json["encoder"];
    assert_eq!(
        (
            &encoder["kind"],
            &encoder["family"],
            &encoder["pooling"],
            &encoder["image_size"]
        ),
        (
            &"pretrained".into(),
            &"dinov2".into(),
            &"cls".into(),
            &serde_json::json!([8, 12])
        )
    );
    assert_eq!(encoder["weights"].as_str(), Some(&*weights));
    assert!(report("report.html").contains("pooling cls"));
    let with_weights = &json["arms"][0]["means"];
    assert_eq!(with_weights["mse"], with_filters["mse"]);
    assert_ne!(
        with_weights["feature_consistency"],
        with_filters["feature_consistency"]
    );
}

#[test]
fn folders_named_after_classes_are_labels_and_the_clips_are_spread_over_them() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root, "frames", &[], "run");
    for class in ["3", "7", "other"] {
        for clip in 0..4 {
            write_clip(&root.join(format!("clips/{class}/clip {clip}")), 4, 16);
        }
    }
    let measure = |clips: &str, n: &str| -> (Value, String) {
        let arguments = [
            "coherence",
            "run",
            "--clips",
            clips,
            "--n-samples",
            n,
            "--output",
            "report",
        ];
        let output = run_program(root, &arguments);
        assert!(output.status.success(), "{output:?}");
        let json = std::fs::read(root.join("report/coherence.json")).unwrap();
        (
            serde_json::from_slice(&json).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (json, message) = measure("clips", "6");
    assert!(
        message.contains(
            "1 folder of clips (`other`) is not named after classes of the model: their clips have no label"
        ),
        "{message}"
    );
    let clips = json["clips"].as_array().unwrap();
    let of_class = |class: Value| clips.iter().filter(|clip| clip["class"] == class).count();
    // Two of each folder, and not the first six clips.
    assert_eq!(
        ["3".into(), "7".into(), Value::Null].map(of_class),
        [2, 2, 2]
    );
    assert!(clips.iter().all(|clip| clip["label"] != 0));
    let accuracy = |json: &Value| json["runs"][0]["by_clip"]["accuracy"].clone();
    let values = accuracy(&json);
    let n_known = values
        .as_array()
        .unwrap()
        .iter()
        .filter(|value| value.is_number())
        .count();
    assert_eq!(n_known, 4, "{values}");
    let mean = json["arms"][0]["means"]["accuracy"]["mean"].as_f64();
    assert!(mean.is_some_and(f64::is_finite), "{json}");

    // Without any such folder nothing is known, as before, and nothing is said of it.
    let (json, message) = measure("clips/other", "100");
    assert!(!message.contains("named after classes"), "{message}");
    assert!(
        message.contains("100 clips were asked for and there are only 4, which are all used"),
        "{message}"
    );
    let values = accuracy(&json);
    assert!(
        values.as_array().unwrap().iter().all(Value::is_null),
        "{values}"
    );
}
