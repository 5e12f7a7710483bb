//! Commands that look at runs: `runs`, `evaluate` and `compare`, and the names of options.

use std::path::Path;

use serde_json::Value;

use crate::train::tiny_config;
use crate::util::{TestDir, assert_refused, copy, run_program, succeeds};

/// Trains the tiny configuration into a directory, with overrides.
fn train(directory: &Path, out: &str, overrides: &[&str]) {
    let config = tiny_config(directory, None);
    let mut arguments = vec!["train", &config, "--output", out];
    for set in overrides {
        arguments.extend(["--set", set]);
    }
    let output = run_program(directory, &arguments);
    assert!(output.status.success(), "{output:?}");
}

/// Output of a command that must succeed.
fn stdout(directory: &Path, arguments: &[&str]) -> String {
    succeeds(directory, arguments).0
}

/// JSON that a command prints.
fn json(directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(directory, arguments)).unwrap()
}

#[test]
fn runs_are_listed_with_their_states() {
    let directory = TestDir::new();
    let root = directory.path();
    train(root, "runs/deep/down/finished", &[]);
    let finished = root.join("runs/deep/down/finished");
    // A run that is stopped, one without a checkpoint, and two that are damaged, made from the finished one.
    let remove = |name: &str, files: &[&str]| {
        copy(&finished, &root.join("runs").join(name));
        for file in files {
            let path = root.join("runs").join(name).join(file);
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.unwrap();
        }
    };
    remove("stopped", &["summary.json"]);
    remove("early", &["summary.json", "checkpoints"]);
    remove("nameless", &["config.toml"]);
    remove("torn", &[]);
    std::fs::write(root.join("runs/torn/summary.json"), "{").unwrap();
    // A directory in a run that looks like one is not listed, nor are a link and a hidden directory.
    let nested = finished.join("checkpoints/nested");
    std::fs::create_dir(&nested).unwrap();
    for file in ["config.toml", "manifest.json", "metrics.jsonl"] {
        std::fs::copy(finished.join(file), nested.join(file)).unwrap();
    }
    copy(&finished, &root.join("runs/.hidden"));
    #[cfg(unix)]
    std::os::unix::fs::symlink(&finished, root.join("runs/link")).unwrap();
    std::fs::create_dir_all(root.join("runs/empty")).unwrap();
    // A run that diverges.
    let config = tiny_config(root, None);
    let diverges = [
        "--set",
        "training.optimizer.lr=1e30",
        "--output",
        "runs/failed",
    ];
    let output = run_program(root, &[&["train", &*config][..], &diverges].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // A running one: the lock is held by this process.
    remove("running", &["summary.json"]);
    let lock = std::fs::File::open(root.join("runs/running/lock")).unwrap();
    lock.lock().unwrap();
    // A study of two cells, one of which is finished.
    for cell in ["a", "b"] {
        copy(&finished, &root.join("runs/study/cells").join(cell));
        std::fs::create_dir_all(root.join("runs/study/configs")).unwrap();
        std::fs::write(root.join(format!("runs/study/configs/{cell}.toml")), "").unwrap();
    }
    std::fs::remove_file(root.join("runs/study/cells/b/summary.json")).unwrap();

    let entries = json(root, &["runs", "--json", "--sort", "name"]);
    let entry = |path: &str| {
        let all = entries.as_array().unwrap().iter();
        let mut found = all.filter(|entry| entry["path"] == format!("runs/{path}"));
        found
            .next()
            .unwrap_or_else(|| panic!("{path}: {entries:#}"))
    };
    assert_eq!(entries.as_array().unwrap().len(), 8, "{entries:#}");
    for (path, state) in [
        ("deep/down/finished", "finished"),
        ("stopped", "stopped"),
        ("early", "stopped"),
        ("nameless", "damaged"),
        ("torn", "damaged"),
        ("failed", "failed"),
        ("running", "running"),
    ] {
        assert_eq!(entry(path)["state"], state, "{path}");
    }
    let finished = entry("deep/down/finished");
    let summary = std::fs::read(root.join("runs/deep/down/finished/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(finished["test"]["value"], summary["test_accuracy"]);
    assert_eq!(finished["best"]["value"], summary["validation_accuracy"]);
    assert_eq!(
        (&finished["epochs_done"], &finished["epochs"]),
        (&1.into(), &1.into())
    );
    assert_eq!(finished["config"], "tiny.toml");
    assert!(finished["started_unix_secs"].as_u64().unwrap() > 1_700_000_000);
    // The same metric, read from the log of a run that has no summary.
    assert_eq!(entry("stopped")["best"], finished["best"]);
    assert_eq!(entry("stopped")["step"], finished["step"]);
    assert!(entry("early")["step"].is_null());
    for (path, expected) in [
        ("nameless", "no config.toml"),
        ("torn", "summary.json: cannot be read"),
        ("failed", "loss"),
    ] {
        let reason = entry(path)["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(
        (&entry("study")["n_finished"], &entry("study")["n_cells"]),
        (&1.into(), &2.into())
    );
    let table = stdout(root, &["runs"]);
    for expected in [
        "stopped before the first checkpoint",
        "stopped at step",
        "damaged: ",
        "failed: ",
        "study: 1 of 2 cells finished",
        "1/1",
        "accuracy 0.",
    ] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
    // One run is a list of one.
    let one = json(root, &["runs", "--json", "runs/stopped"]);
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_refused(root, &["runs", "nowhere"], "nowhere");
    let nothing = run_program(root, &["runs", "runs/empty"]);
    assert!(nothing.status.success() && nothing.stdout.is_empty());
}

#[test]
fn evaluate_scores_every_class_of_a_chosen_checkpoint() {
    let directory = TestDir::new();
    let root = directory.path();
    train(
        root,
        "run",
        &["training.epochs=2", "checkpoint.keep_last=2"],
    );
    let text = stdout(root, &["evaluate", "run", "--output", "report"]);
    assert!(
        text.contains("top-5 accuracy ") && text.contains("macro F1 "),
        "{text}"
    );
    assert!(!text.contains("topology/"), "{text}");
    let with_topology = stdout(root, &["evaluate", "run", "--topology"]);
    assert!(
        with_topology.contains("topology/mean_distance/layer01"),
        "{with_topology}"
    );

    let numbers = json(root, &["evaluate", "run", "--json"]);
    let classes = numbers["classes"].as_array().unwrap();
    assert_eq!((classes.len(), &numbers["counted"]), (10, &"image".into()));
    let sum = |key: &str| {
        classes
            .iter()
            .map(|class| class[key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("n"), sum("n_predicted")), (360, 360));
    // The accuracy is that of the classes, weighted by their numbers.
    let right: f64 = classes
        .iter()
        .map(|class| class["n"].as_f64().unwrap() * class["accuracy"].as_f64().unwrap())
        .sum();
    let accuracy = numbers["metrics"]["accuracy"].as_f64().unwrap();
    assert!(
        (right / 360.0 - accuracy).abs() < 1e-12,
        "{right} {accuracy}"
    );
    let top = numbers["metrics"]["top_5_accuracy"].as_f64().unwrap();
    assert!(top >= accuracy && top <= 1.0);
    assert!(numbers["topology"].is_null());

    let report = root.join("report");
    let mut files: Vec<String> = std::fs::read_dir(&report)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "classes.csv",
            "confusion.csv",
            "evaluation.json",
            "report.html",
            "written_by_burn_topology.json"
        ]
    );
    let written: Value =
        serde_json::from_slice(&std::fs::read(report.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(written, numbers);
    let confusion = std::fs::read_to_string(report.join("confusion.csv")).unwrap();
    let counts = confusion
        .lines()
        .skip(1)
        .map(|line| line.rsplit(',').next().unwrap());
    assert_eq!(
        counts
            .map(|count| count.parse::<u64>().unwrap())
            .sum::<u64>(),
        360
    );
    let page = std::fs::read_to_string(report.join("report.html")).unwrap();
    assert!(
        page.contains("Confusion matrix") && page.contains("<svg"),
        "no matrix is drawn"
    );

    // The checkpoints of both epochs by their directories, and the last one by its name.
    let steps: Vec<u64> = std::fs::read_dir(root.join("run/checkpoints"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    assert_eq!(steps.len(), 2);
    for step in steps {
        let path = format!("run/checkpoints/{step}");
        let chosen = json(root, &["evaluate", "run", "--json", "--checkpoint", &path]);
        assert_eq!(chosen["checkpoint_step"], step);
    }
    let last = json(
        root,
        &[
            "evaluate",
            "run",
            "--json",
            "--checkpoint",
            "last",
            "--split",
            "val",
        ],
    );
    assert_eq!(
        (&last["split"], last["checkpoint_step"].as_u64()),
        (&"validation".into(), Some(18))
    );
    assert_refused(
        root,
        &["evaluate", "run", "--checkpoint", "run/checkpoints/5"],
        "is none of the usable checkpoints",
    );
    assert_refused(
        root,
        &["evaluate", "run", "--output", "run"],
        "directory of a run",
    );
}

#[test]
fn models_that_classify_frames_are_scored_frame_by_frame() {
    let directory = TestDir::new();
    let root = directory.path();
    let config = r#"
        data = { kind = "moving_digits", clips = ["constant"], n_frames = 4, side = 16 }
        model = { kind = "linear_probe", head = "frames" }
        [run]
        name = "probe"
        seed = 0
        [training]
        epochs = 1
        batch_size = 256
        optimizer = { kind = "adamw", lr = 1e-3, weight_decay = 0.05 }
        schedule = { kind = "constant" }
    "#;
    std::fs::write(root.join("probe.toml"), config).unwrap();
    stdout(root, &["train", "probe.toml", "--output", "run"]);
    let numbers = json(root, &["evaluate", "run", "--json"]);
    assert_eq!(numbers["counted"], "frame");
    let classes = numbers["classes"].as_array().unwrap().iter();
    let n_frames: u64 = classes.map(|class| class["n"].as_u64().unwrap()).sum();
    assert_eq!(n_frames, 4 * numbers["n_samples"].as_u64().unwrap());
    let text = stdout(root, &["evaluate", "run"]);
    assert!(
        text.contains("frames ") && text.contains("coherence/"),
        "{text}"
    );
}

#[test]
fn runs_are_compared_arm_by_arm_and_seed_by_seed() {
    let directory = TestDir::new();
    let root = directory.path();
    for seed in ["1", "2"] {
        let seed_key = format!("run.seed={seed}");
        train(root, &format!("plain_{seed}"), &[&seed_key]);
        train(
            root,
            &format!("wide_{seed}"),
            &[&seed_key, "model.d_model=16"],
        );
    }
    let runs = ["plain_1", "plain_2", "wide_1", "wide_2"];
    let numbers = json(root, &[&["compare", "--json"][..], &runs].concat());
    assert_eq!(numbers["baseline"], "plain");
    let settings = &numbers["settings_that_differ"][0];
    assert_eq!(settings["arm"], "wide");
    assert_eq!(settings["settings"].as_array().unwrap().len(), 1);
    assert_eq!(
        settings["settings"][0],
        serde_json::json!({ "key": "model.d_model", "baseline": "8", "arm": "16" })
    );
    let primary = &numbers["metrics"][0];
    assert_eq!(primary["metric"], "test_accuracy");
    let accuracy = |run: &str| {
        let summary = std::fs::read(root.join(run).join("summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        summary["test_accuracy"].as_f64().unwrap()
    };
    let expected =
        (accuracy("wide_1") - accuracy("plain_1") + accuracy("wide_2") - accuracy("plain_2")) / 2.0;
    let difference = &primary["arms"][1]["difference_from_baseline"];
    assert_eq!(difference["n_pairs"], 2);
    assert!((difference["mean"].as_f64().unwrap() - expected).abs() < 1e-12);

    let out = [&["compare"][..], &runs, &["--output", "report"]].concat();
    let text = stdout(root, &out);
    for expected in [
        "setting that differs",
        "model.d_model",
        "wide minus plain, 2 pairs of runs with the same seed",
        "plain (2 seeds)",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("One seed"), "{text}");
    for file in [
        "report.html",
        "report.md",
        "results.csv",
        "summary.json",
        "plots/test_accuracy.svg",
    ] {
        assert!(root.join("report").join(file).is_file(), "{file}");
    }
    let page = std::fs::read_to_string(root.join("report/report.html")).unwrap();
    for expected in ["What differs", "model.d_model", "Training curves", "wide_2"] {
        assert!(page.contains(expected), "{expected}");
    }

    // One seed, in which one run is not finished.
    let one = stdout(root, &["compare", "plain_1", "wide_1"]);
    assert!(
        one.contains("One seed says nothing of another training"),
        "{one}"
    );
    std::fs::remove_file(root.join("wide_2/summary.json")).unwrap();
    let output = run_program(root, &[&["compare"][..], &runs].concat());
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(messages.starts_with("wide_2: not finished"), "{messages}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("One seed says nothing"), "{text}");
    assert_refused(
        root,
        &["compare", "plain_1", "plain_1"],
        "run is passed twice",
    );
    assert_refused(root, &["compare", "plain_1", "wide_2"], "no seed in common");
    assert_refused(root, &["compare", "nowhere"], "no such run directory");
}

#[test]
fn earlier_names_of_options_are_accepted() {
    for line in [
        "train a.toml --out runs/a",
        "train a.toml --output runs/a",
        "ablate study.toml --out runs/s",
        "ablate status study.toml --out runs/s --json",
        "coherence a b --n-clips 3 --out c",
        "coherence a b --n-samples 3 --output c --json",
        "robustness a --epsilon 0.1,0.2 --out r",
        "analyze --model a --split validation --n-images 2 --report r --attack pgd --epsilons 0.1",
        "analyze a --split val --n-samples 2 --output r --attack pgd --epsilon 0.1",
        "analyze --weights w --images a.png --output r",
        "anomaly fit --model a --split test --label 3 --n-images 20 --out f.json",
        "anomaly fit a --split test --label 3 --n-samples 20 --output f.json",
        "evaluate a --split validation",
        "predict a --split val --json",
        "weights a --json",
        "devices --json",
        "runs --sort metric",
    ] {
        let words = std::iter::once("burn-topology").chain(line.split(' '));
        let parsed = burn_topology::cli::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
    }
    for line in [
        "anomaly fit --split test --label 3 --output f.json",
        "anomaly fit a --model a --split test --label 3 --output f.json",
        "analyze --split test --output r",
        "analyze a --weights w --images a.png --output r",
        "analyze a --model a --split test --output r",
    ] {
        let words = std::iter::once("burn-topology").chain(line.split(' '));
        let parsed = burn_topology::cli::command().try_get_matches_from(words);
        assert!(parsed.is_err(), "{line}");
    }
}

#[test]
fn tables_have_a_json_form() {
    let directory = TestDir::new();
    let root = directory.path();
    let config = tiny_config(root, None);
    let trained = json(root, &["train", &config, "--output", "run", "--json"]);
    let summary = std::fs::read(root.join("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(
        (&trained["run"], &trained["summary"]),
        (&"run".into(), &summary)
    );
    let resumed = json(root, &["train", "--resume", "run", "--json"]);
    assert_eq!(resumed, trained);
    let dry = json(root, &["train", &config, "--dry-run", "--json"]);
    assert!(dry["seconds_per_step"].as_f64().unwrap() > 0.0, "{dry}");

    let predicted = json(
        root,
        &["predict", "run", "--split", "test", "--top", "2", "--json"],
    );
    let predicted = predicted.as_array().unwrap();
    assert_eq!(predicted.len(), 360);
    let classes = predicted[0]["classes"].as_array().unwrap();
    let probability = |index: usize| classes[index]["probability"].as_f64().unwrap();
    assert!(classes.len() == 2 && probability(0) >= probability(1));

    let options = [
        "--n-samples",
        "12",
        "--pgd-steps",
        "1",
        "--epsilon",
        "0.1",
        "--output",
        "robust",
    ];
    let measured = json(
        root,
        &[&["robustness", "run", "--json"][..], &options].concat(),
    );
    let written = std::fs::read(root.join("robust/robustness.json")).unwrap();
    assert_eq!(measured, serde_json::from_slice::<Value>(&written).unwrap());

    let weights = json(root, &["weights", "run", "--json"]);
    assert_eq!(weights["model"]["d_model"], 8);
    let table = stdout(root, &["weights", "run"]);
    assert!(table.contains("model.d_model"), "{table}");
    assert!(table.lines().count() < 60, "{table}");
    let devices = json(root, &["devices", "--json"]);
    assert_eq!(devices[0]["name"], "flex");
    assert_eq!(devices[0]["is_usable"], true);
}
