//! Study files: what is refused, and how arms and factors become cells.

use std::error::Error as _;
use std::io::ErrorKind;

use burn_topology::config::ConfigError;
use burn_topology::experiment::Study;

use super::{STUDY, read};
use crate::train::tiny_config;
use crate::util::{TestDir, io_kind};

#[test]
fn names_that_would_spoil_tables_or_paths_are_refused() {
    let directory = TestDir::new();
    for name in [
        "",
        " ",
        "a/b",
        "..",
        "a\\nb",
        "=1+2",
        "a|b",
        "\u{202e}abc",
        "@x",
    ] {
        let study = STUDY.replace("name = \"slow\"", &format!("name = \"{name}\""));
        let error = read(directory.path(), &study).unwrap_err().to_string();
        assert!(
            error.contains("study.toml:") && error.contains("name"),
            "{name}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let study = STUDY.replace("name = \"slow\"", "name = \"größer 2.0 (H0 + H1)\"");
    assert!(read(directory.path(), &study).is_ok());
}

#[test]
fn studies_of_a_billion_cells_are_refused_before_they_are_expanded() {
    let directory = TestDir::new();
    let levels: Vec<String> = (0..10).map(|level| format!("[{level}]")).collect();
    let factor = |k: usize| {
        format!(
            "\n[[factor]]\nname = \"f{k}\"\nkeys = [\"training.warmup{k}\"]\nlevels = [{}]\n",
            levels.join(", ")
        )
    };
    let factors: String = (0..9).map(factor).collect();
    let error = read(directory.path(), &format!("{STUDY}{factors}")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("make 4.000e9 cells, expected at most 100000"),
        "{error}"
    );
}

#[test]
fn factors_are_crossed_and_compared_at_their_own_level() {
    let directory = TestDir::new();
    let factors = r#"
[[factor]]
name = "size"
keys = ["training.batch_size", "training.epochs"]
levels = [[64, 1], [128, 2]]
names = ["small", "large"]

[[factor]]
name = "decay"
keys = ["training.optimizer.weight_decay"]
levels = [[0.0], [0.1], [0.2]]
arms = ["slow"]
"#;
    let study = read(directory.path(), &format!("{STUDY}{factors}")).unwrap();
    let names: Vec<&str> = study
        .variants
        .iter()
        .map(|variant| &*variant.name)
        .collect();
    assert_eq!(
        names[..3],
        [
            "plain size=small",
            "plain size=large",
            "slow decay=0.0 size=small"
        ]
    );
    assert_eq!(names.len(), 2 + 6);
    for variant in &study.variants[2..] {
        let baseline = &study.variants[variant.baseline.unwrap()];
        assert_eq!(baseline.arm, "plain");
        assert_eq!(baseline.levels["size"], variant.levels["size"]);
    }
    assert_eq!(study.cells.len(), 8 * 2);
    let cell = &study.cells[3];
    assert_eq!((cell.seed, cell.config.spec.seed), (1, 1));
    assert_eq!(cell.config.spec.training.epochs, 2);

    // The id of a cell is a digest of its configuration: an additional arm does not change the ids of the others.
    let arm = "[[arm]]\nname = \"plain\"\n";
    let more = format!("[[arm]]\nname = \"warm\"\nset = [\"training.optimizer.lr=0.1\"]\n\n{arm}");
    let with_more = read(directory.path(), &STUDY.replace(arm, &more)).unwrap();
    let ids =
        |study: &Study| -> Vec<String> { study.cells.iter().map(|cell| cell.id.clone()).collect() };
    let (before, after) = (
        ids(&read(directory.path(), STUDY).unwrap()),
        ids(&with_more),
    );
    assert_eq!(before[..], after[2..]);
}

#[test]
fn invalid_studies_give_one_sentence() {
    let directory = TestDir::new();
    let cases = [
        (
            STUDY.replace("seeds = [0, 1]", "seeds = []"),
            "`seeds`: is an empty list",
        ),
        (
            STUDY.replace("seeds = [0, 1]", "seeds = [0, 1, 0]"),
            "seed 0 is listed twice",
        ),
        (
            STUDY.replace("baseline = \"plain\"", "baseline = \"pain\""),
            "no arm is called `pain`, expected one of plain, slow",
        ),
        (
            STUDY.replace("name = \"slow\"", "name = \"plain\""),
            "two arms are called `plain`",
        ),
        (
            STUDY.replace("training.optimizer.lr=1e-5", "training.optimiser.lr=1e-5"),
            "unknown key",
        ),
        (
            STUDY.replace("set = [\"training.optimizer.lr=1e-5\"]", ""),
            "`plain` and `slow` have the same configuration with seed 0",
        ),
        (
            STUDY.replace("test_accuracy", "test_accuracies"),
            "no run logs `test_accuracies`, expected one of",
        ),
        (
            STUDY.replace("margin = 0.5", "margin = -1.0"),
            "expected a positive number",
        ),
        (
            STUDY.replace("question", "questoin"),
            "unknown key `questoin` at the top level (did you mean `question`?)",
        ),
        (
            STUDY.replace("tiny.toml", "none.toml"),
            "none.toml: no such file",
        ),
        (
            format!("{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = []\n"),
            "`factor.0.levels`: is an empty list",
        ),
        (
            format!("{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1, 2]]\n"),
            "a level has 2 values, expected 1: one for each key",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1], [2]]\nnames = [\"x\"]\n"
            ),
            "`factor.0.names`: 1 name for 2 levels, expected a name for each level",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1], [2]]\nnames = [\"x\", \"x\"]\n"
            ),
            "two levels are called `x`",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"training.epochs\"]\nlevels = [[1], [2]]\narms = [\"plain\"]\n"
            ),
            "the baseline `plain` has 0 variants at the levels of `slow`",
        ),
        (
            format!(
                "{STUDY}[[factor]]\nname = \"f\"\nkeys = [\"a\"]\nlevels = [[1]]\narms = [\"who\"]\n"
            ),
            "no arm is called `who`",
        ),
    ];
    for (study, expected) in cases {
        let error = read(directory.path(), &study).unwrap_err();
        let is_missing = expected.ends_with("no such file");
        assert_eq!(error.is_file_error(), is_missing, "{error}");
        assert_eq!(error.is_invalid_format(), !is_missing, "{error}");
        let message = error.to_string();
        assert!(message.contains(expected), "{expected}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn errors_of_studies_keep_their_cause() {
    let directory = TestDir::new();
    let file = directory.path().join("study.toml");
    let error = Study::read(&file).unwrap_err();
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    assert_eq!(
        error.to_string(),
        format!("{}: no such file", file.display())
    );
    // The base of the study is missing.
    std::fs::write(&file, STUDY).unwrap();
    let error = Study::read(&file).unwrap_err();
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    // The place of the arm, and then that of the error in the base.
    let message = error.to_string();
    let arm = STUDY.lines().position(|line| line == "[[arm]]").unwrap() + 1;
    let start = format!("{}:{arm}:", file.display());
    assert!(
        message.starts_with(&start) && message.contains(": arm plain: "),
        "{message}"
    );
    let error = read(directory.path(), &STUDY.replace("[0, 1]", "[]")).unwrap_err();
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    let location = cause.map(ConfigError::location);
    assert_eq!(location, Some(&*format!("{}:4:1", file.display())));
    let study = read(directory.path(), STUDY).unwrap();
    assert!(
        study
            .find_cell("no-cell")
            .unwrap_err()
            .is_invalid_parameter()
    );
}

#[test]
fn changes_of_an_arm_can_be_a_table() {
    let directory = TestDir::new();
    let penalty = r#"between = "layers", homology_dim = 0, normalize = "spanning_tree", penalty = { kind = "rtd_lite" }, weight = { kind = "fixed", value = 0.1 }"#;
    let list = STUDY.replace(
        "set = [\"training.optimizer.lr=1e-5\"]",
        &format!("set = [\"training.epochs=3\", 'training.schedule={{ kind = \"cosine\", warmup_steps = 2 }}', 'topology=[{{ {penalty} }}]']"),
    );
    let table = STUDY.replace(
        "set = [\"training.optimizer.lr=1e-5\"]",
        r#"[arm.set.training]
epochs = 3
schedule = { kind = "cosine", warmup_steps = 2 }

[[arm.set.topology]]
between = "layers"
homology_dim = 0
normalize = "spanning_tree"
penalty = { kind = "rtd_lite" }
weight = { kind = "fixed", value = 0.1 }
"#,
    );
    let ids = |study: &str| -> Vec<String> {
        let study = read(directory.path(), study).unwrap();
        study.cells.iter().map(|cell| cell.id.clone()).collect()
    };
    assert_eq!(ids(&table), ids(&list));
    let refusal = |set: &str| {
        let study = STUDY.replace("set = [\"training.optimizer.lr=1e-5\"]", set);
        read(directory.path(), &study).unwrap_err().to_string()
    };
    let misspelt = refusal("set = { training = { epoch = 3 } }");
    assert!(
        misspelt.contains("--set training.epoch=3: unknown key `epoch` in [training]"),
        "{misspelt}"
    );
    let entry = refusal("set = [1]");
    assert!(
        entry.contains("`arm.1.set.0`: expected a string, found integer 1"),
        "{entry}"
    );
    let word = refusal("set = \"training.epochs=3\"");
    assert!(
        word.contains("expected a list of changes as after --set, or a table of settings, found"),
        "{word}"
    );
}

#[test]
fn a_factor_addresses_a_penalty_by_name() {
    let directory = TestDir::new();
    let weight = r#"{ kind = "gradient_share", share = 0.1 }"#;
    tiny_config(directory.path(), Some(weight));
    let read_with_key = |key: &str| {
        let factor = format!(
            "\n[[factor]]\nname = \"share\"\nkeys = [\"{key}\"]\nlevels = [[0.2], [0.3]]\n"
        );
        let path = directory.path().join("study.toml");
        std::fs::write(&path, format!("{STUDY}{factor}")).unwrap();
        Study::read(&path)
    };
    let by_name = read_with_key("topology.h0_layers.weight.share").unwrap();
    let by_index = read_with_key("topology.0.weight.share").unwrap();
    let ids =
        |study: &Study| -> Vec<String> { study.cells.iter().map(|cell| cell.id.clone()).collect() };
    assert_eq!(ids(&by_name), ids(&by_index));
    let error = read_with_key("topology.h1_layers.weight.share").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no penalty is named `h1_layers`"), "{error}");
    assert!(
        error.contains("expected one of `h0_layers`, or an index"),
        "{error}"
    );
}

#[test]
fn arms_can_keep_what_pretraining_built() {
    let directory = TestDir::new();
    let arms = r#"
[[arm]]
name = "topology"
set = ["model.init_from=weights", '''topology=[{ between = "reference", homology_dim = 0, normalize = "spanning_tree", penalty = { kind = "wasserstein", order = 2.0, ground_norm = "infinity", power = "p" }, weight = { kind = "fixed", value = 1.0 } }]''']

[[arm]]
name = "all_distances"
set = ["model.init_from=weights", '''topology=[{ between = "reference", normalize = "spanning_tree", penalty = { kind = "distance_matrix", order = 2.0 }, weight = { kind = "fixed", value = 1.0 } }]''']

[[arm]]
name = "l2_sp"
set = ["model.init_from=weights", "training.optimizer.l2_sp=0.1"]
"#;
    let study = read(directory.path(), &format!("{STUDY}{arms}")).unwrap();
    let spec = |cell: usize| &study.cells[cell].config.spec;
    assert_eq!(spec(4).penalty_names(), ["h0_reference"]);
    assert_eq!(spec(6).penalty_names(), ["distance_matrix_reference"]);
    assert_eq!(spec(8).training.optimizer.l2_sp, Some(0.1));
    let from_random = arms.replace("\"model.init_from=weights\", ", "");
    let error = read(directory.path(), &format!("{STUDY}{from_random}")).unwrap_err();
    assert!(error.to_string().contains("set model.init_from"), "{error}");
}
