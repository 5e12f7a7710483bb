//! Runs carry the names of their classes and find their data: what a user may do to a folder between training and use.

use std::path::Path;
use std::process::Output;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::util::{TestDir, run_program, succeeds};

/// Classes of the test data, in the order of their labels, and their colours.
const CLASSES: [(&str, [u8; 3]); 3] = [
    ("cercle é", [250, 20, 20]),
    ("square", [20, 250, 20]),
    ("two, rings", [20, 20, 250]),
];

const CONFIG: &str = r#"
[run]
name = "shapes"
seed = 0
[data]
kind = "image_folder"
path = "my images"
image_size = 8
n_classes = 3
[model]
kind = "vit"
d_model = 8
n_layers = 1
n_heads = 2
patch_size = 4
[training]
epochs = 12
batch_size = 8
optimizer = { kind = "adamw", lr = 1e-2, weight_decay = 0.0 }
schedule = { kind = "constant" }
"#;

/// Writes `my images`, with images that differ in their colour, and trains `runs/shapes` on them.
fn trained(root: &Path) {
    write_images(root);
    std::fs::write(root.join("shapes.toml"), CONFIG).unwrap();
    let output = run_program(root, &["train", "shapes.toml"]);
    assert!(output.status.success(), "{output:?}");
}

fn write_images(root: &Path) {
    for (split, n_images) in [("train", 8), ("val", 3), ("test", 4)] {
        for (class, colour) in CLASSES {
            let folder = root.join("my images").join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for number in 0..n_images {
                let image = RgbImage::from_fn(10, 9, |x, y| {
                    Rgb(colour.map(|value| value ^ ((x * number + y) as u8 % 16)))
                });
                image
                    .save(folder.join(format!("img {number}.png")))
                    .unwrap();
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Accuracy that `evaluate` prints first.
fn accuracy(stdout: &str) -> f64 {
    let start = "accuracy ";
    let from = stdout.find(start).unwrap() + start.len();
    stdout[from..]
        .split(',')
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// Output of every command that shows the samples of a split to the model.
fn on_the_split(root: &Path) -> Vec<(String, Output)> {
    let report = ["--output", "report"];
    let commands = [
        vec!["evaluate", "runs/shapes"],
        vec!["predict", "runs/shapes", "--split", "test"],
        vec![
            "robustness",
            "runs/shapes",
            "--pgd-steps",
            "1",
            "--epsilons",
            "0.1",
            "--output",
            "robust",
        ],
        [
            &["analyze", "runs/shapes", "--split", "test"][..],
            &report[..],
        ]
        .concat(),
        vec![
            "anomaly",
            "fit",
            "runs/shapes",
            "--split",
            "train",
            "--label",
            "square",
            "--output",
            "fit.json",
            "--force",
        ],
    ];
    commands
        .into_iter()
        .map(|arguments| (arguments.join(" "), run_program(root, &arguments)))
        .collect()
}

#[test]
fn a_run_names_its_classes_everywhere() {
    let directory = TestDir::new();
    let root = directory.path();
    trained(root);
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(root.join(name)).unwrap()).unwrap()
    };
    let names = CLASSES.map(|(name, _)| name);
    assert_eq!(
        read("runs/shapes/manifest.json")["classes"],
        serde_json::json!(names)
    );

    // Names of classes and of files, quoted where they have a comma.
    let (predicted, _) = succeeds(
        root,
        &["predict", "runs/shapes", "--split", "test", "--top", "3"],
    );
    let mut lines = predicted.lines();
    assert_eq!(lines.next(), Some("image,label,class,probability"));
    let first = lines.next().unwrap();
    assert!(
        first.starts_with("test/cercle é/img 0.png,cercle é,"),
        "{first}"
    );
    let last = predicted.lines().last().unwrap();
    assert!(
        last.starts_with("\"test/two, rings/img 3.png\",\"two, rings\","),
        "{last}"
    );
    assert_eq!(predicted.lines().count(), 1 + 3 * 12);
    for name in ["cercle é", "square", "\"two, rings\""] {
        let column = format!(",{name},0.");
        assert!(predicted.contains(&column), "{name}: {predicted}");
    }

    let export = ["weights", "runs/shapes", "--output", "exported", "--json"];
    let (described, _) = succeeds(root, &export);
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described["labels"], serde_json::json!(names));
    let config = read("exported/config.json").to_string();
    assert!(
        config.contains("cercle é") && config.contains("two, rings"),
        "{config}"
    );

    let arguments = [
        "analyze",
        "runs/shapes",
        "--split",
        "test",
        "--n-samples",
        "3",
    ];
    succeeds(root, &[&arguments[..], &["--output", "report"]].concat());
    let analysis = read("report/analysis.json");
    let images: Vec<&str> = analysis["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["class"].as_str().unwrap())
        .collect();
    // One of each class, and not the first three of a sorted folder.
    assert_eq!(images, names);
    let page = std::fs::read_to_string(root.join("report/report.html")).unwrap();
    assert!(page.contains("test/cercle é/img "), "files are not named");

    // A class is chosen by its name, or its number; `--n-samples` counts images of this class.
    let fit = [
        "anomaly",
        "fit",
        "runs/shapes",
        "--split",
        "train",
        "--n-samples",
        "8",
    ];
    for label in ["two, rings", "2"] {
        let out = ["--label", label, "--output", "fit.json", "--force"];
        let (_, message) = succeeds(root, &[&fit[..], &out].concat());
        assert!(
            message.contains("Fréchet means of 4 images, thresholds from 4 images"),
            "{message}"
        );
    }
    let out = ["--label", "ring", "--output", "fit.json", "--force"];
    let refused = run_program(root, &[&fit[..], &out].concat());
    let message = text(&refused.stderr);
    let expected = "there is no class `ring`, expected one of `cercle é`, `square`, `two, rings`, or a number from 0 to 2";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_renamed_or_additional_class_folder_is_refused_with_its_name() {
    let directory = TestDir::new();
    let root = directory.path();
    trained(root);
    let images = root.join("my images");
    let everywhere = |from: &str, to: &str| {
        for split in ["train", "val", "test"] {
            std::fs::rename(images.join(split).join(from), images.join(split).join(to)).unwrap();
        }
    };
    let (before, _) = succeeds(root, &["evaluate", "runs/shapes"]);
    assert!(accuracy(&before) > 0.9, "{before}");
    // The new name sorts last, which would move every label; then another case, and another name alone.
    for name in ["zcercle", "Cercle é", "a circle"] {
        everywhere("cercle é", name);
        for (command, output) in on_the_split(root) {
            let message = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command}: {message}");
            let expected = format!(
                "my images/train: 1 class folder (`{name}`) is not among the 3 classes of the trained model; no folder has \
                 the name of 1 class (`cercle é`); if folders were renamed, give them their old names again"
            );
            assert!(message.contains(&expected), "{command}: {message}");
        }
        everywhere(name, "cercle é");
    }
    assert_eq!(succeeds(root, &["evaluate", "runs/shapes"]).0, before);

    let additional = images.join("test/an oval");
    std::fs::create_dir(&additional).unwrap();
    std::fs::copy(
        images.join("test/square/img 0.png"),
        additional.join("a.png"),
    )
    .unwrap();
    for (command, output) in on_the_split(root) {
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {message}");
        let expected = "my images/test: 1 class folder (`an oval`) is not among the 3 classes of the trained model; move it \
                        away, or train a new run with it";
        assert!(message.contains(expected), "{command}: {message}");
    }
}

#[test]
fn changed_samples_are_told_in_one_sentence_and_classes_stay_mapped_by_name() {
    let directory = TestDir::new();
    let root = directory.path();
    trained(root);
    let images = root.join("my images");
    let changed = "this is not the data set that the run was trained on (its SHA-256 differs): ";
    for (command, output) in on_the_split(root) {
        let message = text(&output.stderr);
        assert!(
            output.status.success() && !message.contains(changed),
            "{command}: {message}"
        );
    }

    // Another file name alone.
    let [from, to] = ["img 0.png", "img 00.png"].map(|name| images.join("test/square").join(name));
    std::fs::rename(&from, &to).unwrap();
    let (_, message) = succeeds(root, &["evaluate", "runs/shapes"]);
    let expected = format!(
        "my images: {changed}the numbers of samples are the same, but names, sizes or contents of files differ\n"
    );
    assert!(message.contains(&expected), "{message}");
    std::fs::rename(&to, &from).unwrap();

    std::fs::remove_file(images.join("test/square/img 1.png")).unwrap();
    for (command, output) in on_the_split(root) {
        let message = text(&output.stderr);
        assert!(output.status.success(), "{command}: {message}");
        let expected = format!("my images: {changed}there were 12 test samples, 11 now\n");
        assert_eq!(
            message.matches(&expected).count(),
            1,
            "{command}: {message}"
        );
    }

    // Without the class that sorts first, the labels of the others would be lower by one.
    for split in ["train", "val", "test"] {
        std::fs::remove_dir_all(images.join(split).join("cercle é")).unwrap();
    }
    let (evaluated, message) = succeeds(root, &["evaluate", "runs/shapes"]);
    assert!(accuracy(&evaluated) > 0.9, "{evaluated}");
    assert!(
        message.contains("my images/test: no folder for 1 class of the model (`cercle é`)"),
        "{message}"
    );
    let expected = "there were 24 training samples, 16 now, 9 validation samples, 6 now, 12 test samples, 7 now";
    assert!(message.contains(expected), "{message}");
    let (predicted, _) = succeeds(root, &["predict", "runs/shapes", "--split", "test"]);
    assert!(
        predicted.contains("test/square/img 0.png,square,square,"),
        "{predicted}"
    );
    assert_eq!(on_the_split(root).len(), 5);
    for (command, output) in on_the_split(root) {
        assert!(output.status.success(), "{command}: {output:?}");
    }
    // Training goes on with the same data only.
    std::fs::remove_file(root.join("runs/shapes/summary.json")).unwrap();
    let resumed = run_program(root, &["train", "--resume", "runs/shapes"]);
    assert_eq!(resumed.status.code(), Some(2));
    assert!(
        text(&resumed.stderr).contains("the data set has changed since runs/shapes was started")
    );
}

#[test]
fn a_run_finds_its_data_from_anywhere_and_needs_none_to_predict() {
    let directory = TestDir::new();
    let root = &directory.path().join("project");
    std::fs::create_dir(root).unwrap();
    trained(root);
    let before = succeeds(root, &["evaluate", "runs/shapes"]);
    let elsewhere = directory.path().join("elsewhere/deep");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let run = root.join("runs/shapes");
    let from_elsewhere = |run: &Path| succeeds(&elsewhere, &["evaluate", run.to_str().unwrap()]);
    assert_eq!(from_elsewhere(&run), before);

    // The project moves with its data; then the run moves alone.
    let moved = directory.path().join("moved");
    std::fs::rename(root, &moved).unwrap();
    assert_eq!(from_elsewhere(&moved.join("runs/shapes")), before);
    std::fs::rename(&moved, root).unwrap();
    let alone = elsewhere.join("shapes");
    std::fs::rename(&run, &alone).unwrap();
    assert_eq!(from_elsewhere(&alone), before);

    // Predictions need no data, and no working directory of the training.
    std::fs::rename(root.join("my images"), directory.path().join("photos")).unwrap();
    let photos = ["predict", "shapes", "../../photos/test"];
    let (predicted, message) = succeeds(&elsewhere, &photos);
    assert_eq!(
        (predicted.lines().count(), &*message),
        (13, ""),
        "{predicted}"
    );
    assert!(
        predicted.contains("\n../../photos/test/square/img 0.png,,square,"),
        "{predicted}"
    );
    let refused = run_program(&elsewhere, &["evaluate", "shapes"]);
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        message.contains("project/my images/train: no such folder, expected images in "),
        "{message}"
    );
}

#[test]
fn data_lies_beside_the_configuration_or_in_the_working_directory() {
    let directory = TestDir::new();
    let root = directory.path();
    std::fs::create_dir_all(root.join("project/configs")).unwrap();
    std::fs::create_dir_all(root.join("work")).unwrap();
    write_images(&root.join("project/configs"));
    std::fs::write(root.join("project/configs/a.toml"), CONFIG).unwrap();
    let config = "../project/configs/a.toml";
    let short = ["--set", "training.epochs=1"];
    let train = |out: &str| {
        let arguments = ["train", config, "--output", out];
        run_program(&root.join("work"), &[&arguments[..], &short].concat())
    };
    // Beside the configuration, from another working directory.
    let output = train("first");
    let message = text(&output.stderr);
    assert!(output.status.success(), "{message}");
    let told = |path: &str| {
        let path = root.join(path);
        format!("data       {}", path.display())
    };
    assert!(
        message.contains(&told("work/../project/configs/my images")),
        "{message}"
    );
    // The record of the run repeats it, although its folder has no data beside it.
    let again = ["train", "first/config.toml", "--output", "again"];
    let output = run_program(&root.join("work"), &again);
    assert!(output.status.success(), "{output:?}");
    // Nowhere: both places are named.
    let nowhere = ["--set", "data.path=nowhere", "--output", "nowhere"];
    let output = run_program(
        &root.join("work"),
        &[&["train", config][..], &nowhere].concat(),
    );
    let message = text(&output.stderr);
    let expected = "nowhere: no such directory, neither beside the configuration nor in the working directory, ";
    assert!(
        output.status.code() == Some(2) && message.contains(expected),
        "{message}"
    );
    // Both exist: the one beside the configuration is used, and told.
    write_images(&root.join("work"));
    std::fs::remove_file(root.join("work/my images/test/square/img 0.png")).unwrap();
    let message = text(&train("second").stderr);
    assert!(
        message.contains("`data.path` is the directory beside this file, "),
        "{message}"
    );
    assert!(
        message.contains(&told("work/../project/configs/my images")),
        "{message}"
    );
    // In the working directory alone, as the shipped configurations expect.
    std::fs::remove_dir_all(root.join("project/configs/my images")).unwrap();
    let message = text(&train("third").stderr);
    assert!(message.contains(&told("work/my images")), "{message}");
    assert!(message.contains("11 test"), "{message}");
    // A path of the command line starts at the working directory.
    let set = ["--set", "data.path=../work/my images", "--output", "fourth"];
    let output = run_program(
        &root.join("work"),
        &[&["train", config][..], &short, &set].concat(),
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn training_starts_from_a_run() {
    let directory = TestDir::new();
    let root = directory.path();
    trained(root);
    let start = [
        "train",
        "shapes.toml",
        "--set",
        "model.init_from=runs/shapes",
        "--set",
        "training.epochs=1",
    ];
    // The learning rate is so small that nothing changes.
    let keep = ["--set", "training.optimizer.lr=1e-12"];
    let (_, message) = succeeds(root, &[&start[..], &keep, &["--output", "again"]].concat());
    assert!(
        message.contains("runs/shapes: the checkpoint of step "),
        "{message}"
    );
    let [before, after] = ["runs/shapes", "again"].map(|run| {
        let (stdout, _) = succeeds(root, &["predict", run, "--split", "test"]);
        stdout
    });
    assert_eq!(before, after);
    // Another number of classes gets a new classifier; another architecture is refused.
    for split in ["train", "val", "test"] {
        std::fs::remove_dir_all(root.join("my images").join(split).join("square")).unwrap();
    }
    let fewer = ["--set", "data.n_classes=2", "--output", "fewer"];
    let (_, message) = succeeds(root, &[&start[..], &fewer].concat());
    assert!(
        message.contains("passed over: the classifier for 3 classes"),
        "{message}"
    );
    let deeper = [
        "--set",
        "data.n_classes=2",
        "--set",
        "model.n_layers=2",
        "--output",
        "deeper",
    ];
    let refused = run_program(root, &[&start[..], &deeper].concat());
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(
        message.contains("runs/shapes: the architecture in the file differs"),
        "{message}"
    );
    assert!(!root.join("deeper").exists());
}

#[test]
fn transferred_attacks_and_coherence_need_the_same_classes() {
    let directory = TestDir::new();
    let root = directory.path();
    trained(root);
    let copied = std::process::Command::new("cp")
        .args(["-r", "runs/shapes", "runs/other"])
        .current_dir(root)
        .status();
    assert!(copied.unwrap().success());
    let manifest = root.join("runs/other/manifest.json");
    let other = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("\"square\"", "\"triangle\"");
    std::fs::write(&manifest, other).unwrap();
    let expected = "class 1 is `square` in shapes and `triangle` in other; pass runs that were trained on the same classes";
    for arguments in [
        vec!["robustness", "runs/shapes", "--transfer-from", "runs/other"],
        vec![
            "coherence",
            "runs/shapes",
            "runs/other",
            "--clips",
            "my images",
        ],
    ] {
        let output = run_program(root, &arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    // A damaged record of a run is an error, and none at all means numbers for names.
    std::fs::write(&manifest, "{").unwrap();
    let output = run_program(root, &["evaluate", "runs/other"]);
    assert_eq!(output.status.code(), Some(2));
    std::fs::remove_file(&manifest).unwrap();
    let (predicted, _) = succeeds(root, &["predict", "runs/other", "--split", "test"]);
    assert!(
        predicted.contains("test/square/img 0.png,1,1,"),
        "{predicted}"
    );
}
