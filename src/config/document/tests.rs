use serde::Deserialize;

use super::*;

const TEXT: &str = r#"# A config.
[run]
name = "a"

[model]
d_model = 64
grid = [4, 4]

[training]
epochs = 80
augment = false
optimizer = { kind = "adamw", lr = 2e-3, decay = 0.05 }

[[topology]]
weight = { kind = "fixed", value = 0.05 }
heads = "mean"

[[topology]]
pairs = { stride = 2 }
weight = { kind = "gradient_share", share = 0.03 }
penalty = { kind = "wasserstein", order = 2, norm = { kind = "power", order = 2 } }
heads = [0, 2]
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Spec {
    run: Run,
    model: Model,
    training: Training,
    #[serde(default)]
    topology: Vec<Topology>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Run {
    name: String,
    seed: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Model {
    d_model: usize,
    grid: [usize; 2],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Training {
    epochs: usize,
    augment: bool,
    optimizer: Optimizer,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[allow(dead_code)]
enum Optimizer {
    Adamw { lr: f64, decay: f64 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Topology {
    pairs: Option<Pairs>,
    weight: Weight,
    penalty: Option<Penalty>,
    heads: Heads,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
enum Pairs {
    Consecutive,
    All,
    Stride(usize),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[allow(dead_code)]
enum Weight {
    Fixed { value: f64 },
    GradientShare { share: f64 },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[allow(dead_code)]
enum Penalty {
    Wasserstein { order: f64, norm: Norm },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[allow(dead_code)]
enum Norm {
    Power { order: f64 },
    Named { order: String },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code)]
enum Heads {
    Name(String),
    List(Vec<usize>),
}

fn load(text: &str, overrides: &[&str]) -> Result<Spec, String> {
    let overrides: Vec<String> = overrides.iter().map(|text| text.to_string()).collect();
    Document::parse(text, "a.toml", &overrides)
        .and_then(|document| document.deserialize())
        .map_err(|error| error.to_string())
}

/// The error of [`TEXT`] with `from` replaced by `to`.
fn edited(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "{from} is not in the text");
    load(&TEXT.replacen(from, to, 1), &[]).unwrap_err()
}

/// The error of [`TEXT`] under one override.
fn overridden(text: &str) -> String {
    load(TEXT, &[text]).unwrap_err()
}

#[test]
fn a_good_config_and_good_overrides_are_read() {
    let spec = load(
        TEXT,
        &["training.epochs=5", "run.seed=7", "topology.1.heads=all"],
    )
    .unwrap();
    assert_eq!(spec.training.epochs, 5);
    assert_eq!(spec.run.seed, Some(7));
    assert!(matches!(&spec.topology[1].heads, Heads::Name(name) if name == "all"));
    assert!(matches!(spec.topology[1].pairs, Some(Pairs::Stride(2))));
}

#[test]
fn the_later_override_wins_and_a_list_may_be_emptied() {
    let spec = load(
        TEXT,
        &["training.epochs=5", "training.epochs=6", "topology=[]"],
    )
    .unwrap();
    assert_eq!(spec.training.epochs, 6);
    assert_eq!(spec.topology.len(), 0);
}

#[test]
fn an_unknown_key_is_named_with_its_table_and_the_nearest_key() {
    assert_eq!(
        edited(
            "weight = { kind = \"gradient_share\"",
            "wieght = { kind = \"gradient_share\""
        ),
        "a.toml:20:1: unknown key `wieght` in [[topology]] (did you mean `weight`?); expected one \
         of `pairs`, `weight`, `penalty`, `heads`"
    );
    assert_eq!(
        edited("d_model", "dmodel"),
        "a.toml:6:1: unknown key `dmodel` in [model] (did you mean `d_model`?); expected one of \
         `d_model`, `grid`"
    );
    assert_eq!(
        edited("[model]", "[colour]"),
        "a.toml:5:1: unknown key `colour` at the top level; expected one of `run`, `model`, \
         `training`, `topology`"
    );
}

#[test]
fn an_unknown_key_of_a_tagged_enum_is_found() {
    assert_eq!(
        edited("lr = 2e-3", "rl = 2e-3"),
        "a.toml:12:31: unknown key `rl` in [training.optimizer] (did you mean `lr`?); expected \
         one of `lr`, `decay`"
    );
    assert_eq!(
        edited("share = 0.03", "value = 0.03"),
        "a.toml:20:37: unknown key `value` in [topology.weight]; expected `share`"
    );
}

#[test]
fn an_unknown_choice_is_named_with_the_nearest_one() {
    assert_eq!(
        edited("adamw", "adamx"),
        "a.toml:12:15: unknown kind `adamx` in [training.optimizer] (did you mean `adamw`?); \
         expected `adamw`"
    );
    assert_eq!(
        edited("{ stride = 2 }", "\"al\""),
        "a.toml:19:1: unknown value `al` for `topology[1].pairs` (did you mean `all`?); expected \
         one of `consecutive`, `all`, `stride`"
    );
    assert_eq!(
        edited("{ stride = 2 }", "{ strid = 2 }"),
        "a.toml:19:11: unknown key `strid` in [topology.pairs] (did you mean `stride`?); expected \
         one of `consecutive`, `all`, `stride`"
    );
    assert_eq!(
        edited("{ kind = \"power\"", "{ kind = \"powers\""),
        "a.toml:21:55: unknown kind `powers` in [topology.penalty.norm] (did you mean `power`?); \
         expected one of `power`, `named`"
    );
}

#[test]
fn a_wrong_type_is_told_in_plain_words() {
    let wrong = [
        (
            "epochs = 80",
            "epochs = \"many\"",
            "a.toml:10:1: `training.epochs`: expected a non-negative whole number, found string \
             \"many\"",
        ),
        (
            "epochs = 80",
            "epochs = -3",
            "a.toml:10:1: `training.epochs`: expected a non-negative whole number, found integer \
             -3",
        ),
        (
            "epochs = 80",
            "epochs = 8.0",
            "a.toml:10:1: `training.epochs`: expected a non-negative whole number, found float 8.0",
        ),
        (
            "augment = false",
            "augment = 0",
            "a.toml:11:1: `training.augment`: expected true or false, found integer 0",
        ),
        (
            "name = \"a\"",
            "name = 1",
            "a.toml:3:1: `run.name`: expected a string, found integer 1",
        ),
        (
            "name = \"a\"",
            "name = \"a\"\nseed = 300",
            "a.toml:4:1: `run.seed`: expected a whole number from 0 to 255, found integer 300",
        ),
        (
            "name = \"a\"",
            "name = 2024-01-02",
            "a.toml:3:1: `run.name`: found the date 2024-01-02, which no key takes; quote it to \
             make it a string",
        ),
        (
            "[4, 4]",
            "[4, \"x\"]",
            "a.toml:7:12: `model.grid[1]`: expected a non-negative whole number, found string \
             \"x\"",
        ),
        (
            "[4, 4]",
            "[4]",
            "a.toml:7:1: `model.grid`: expected an array of 2 values, found 1 of them",
        ),
        (
            "[4, 4]",
            "[4, 4, 4]",
            "a.toml:7:1: `model.grid`: expected an array of 2 values, found 3 of them",
        ),
        (
            "heads = [0, 2]",
            "heads = 0.5",
            "a.toml:22:1: `topology[1].heads`: fits none of the forms that this key takes",
        ),
        (
            "{ stride = 2 }",
            "\"stride\"",
            "a.toml:19:1: `topology[1].pairs`: expected a table `{ name = value }`, found the \
             name alone",
        ),
        (
            "{ stride = 2 }",
            "3",
            "a.toml:19:1: `topology[1].pairs`: expected a name in quotes or a table, found \
             integer 3",
        ),
        (
            "kind = \"adamw\", lr",
            "kind = 3, lr",
            "a.toml:12:15: `training.optimizer.kind`: expected a name in quotes, found integer 3",
        ),
        (
            "{ kind = \"adamw\", lr = 2e-3, decay = 0.05 }",
            "\"adamw\"",
            "a.toml:12:1: `training.optimizer`: expected a table, found string \"adamw\"",
        ),
    ];
    for (from, to, message) in wrong {
        assert_eq!(edited(from, to), message);
    }
}

#[test]
fn a_wrong_type_in_a_tagged_enum_is_found_among_equal_values() {
    assert_eq!(
        edited("lr = 2e-3, decay = 0.05", "lr = 0.1, decay = \"0.1\""),
        "a.toml:12:41: `training.optimizer.decay`: expected a number, found string \"0.1\""
    );
    assert_eq!(
        edited("kind = \"power\"", "kind = \"named\""),
        "a.toml:21:71: `topology[1].penalty.norm.order`: expected a string, found integer 2"
    );
}

#[test]
fn a_missing_key_stands_at_the_header_of_its_table() {
    assert_eq!(
        edited("epochs = 80\n", ""),
        "a.toml:9:1: missing key `epochs` in [training]"
    );
    assert_eq!(
        edited(", decay = 0.05", ""),
        "a.toml:12:1: missing key `decay` in [training.optimizer]"
    );
    assert_eq!(
        edited("heads = [0, 2]\n", ""),
        "a.toml:18:1: missing key `heads` in [[topology]]"
    );
    assert_eq!(
        edited(", norm = { kind = \"power\", order = 2 }", ""),
        "a.toml:21:1: missing key `norm` in [topology.penalty]"
    );
    assert_eq!(
        edited("\"power\", order = 2", "\"power\""),
        "a.toml:21:46: missing key `order` in [topology.penalty.norm]"
    );
    assert_eq!(
        edited("kind = \"adamw\", ", ""),
        "a.toml:12:1: missing key `kind` in [training.optimizer]"
    );
    assert_eq!(
        load("[run]\nname = \"a\"\n", &[]).unwrap_err(),
        "a.toml:1:1: missing `model` at the top level"
    );
}

#[test]
fn an_error_in_an_override_is_laid_at_the_override() {
    assert_eq!(
        overridden("training.epochs=many"),
        "--set training.epochs=many: `training.epochs`: expected a non-negative whole number, \
         found string \"many\""
    );
    assert_eq!(
        overridden("trainig.epochs=3"),
        "--set trainig.epochs=3: unknown key `trainig` at the top level (did you mean \
         `training`?); expected one of `run`, `model`, `training`, `topology`"
    );
    assert_eq!(
        overridden("training.epoch=3"),
        "--set training.epoch=3: unknown key `epoch` in [training] (did you mean `epochs`?); \
         expected one of `epochs`, `augment`, `optimizer`"
    );
    assert_eq!(
        overridden("training.optimizer.kind=sgd"),
        "--set training.optimizer.kind=sgd: unknown kind `sgd` in [training.optimizer]; expected \
         `adamw`"
    );
    assert_eq!(
        overridden("training.optimizer={kind=\"adamw\"}"),
        "--set training.optimizer={kind=\"adamw\"}: missing key `lr` in [training.optimizer]"
    );
    assert_eq!(
        overridden("topology.0.penalty.order=2"),
        "--set topology.0.penalty.order=2: missing key `kind` in [topology.penalty]"
    );
    assert_eq!(
        overridden("topology.1.weight.share=x"),
        "--set topology.1.weight.share=x: `topology[1].weight.share`: expected a number, found \
         string \"x\""
    );
    assert_eq!(
        overridden("run.name=2024"),
        "--set run.name=2024: `run.name`: expected a string, found integer 2024; to give a \
         string, write --set 'run.name=\"2024\"'"
    );
}

#[test]
fn an_error_beside_an_override_is_laid_at_the_file() {
    assert_eq!(
        overridden("topology.1.weight.kind=fixed"),
        "a.toml:20:37: unknown key `share` in [topology.weight]; expected `value`"
    );
}

#[test]
fn a_syntax_error_has_its_place() {
    assert_eq!(
        edited("[model]", "[model"),
        "a.toml:5:7: unclosed table, expected `]`"
    );
    assert_eq!(
        edited("\"a\"", "a"),
        "a.toml:3:8: string values must be quoted, expected literal string"
    );
    assert_eq!(
        edited("augment", "epochs"),
        "a.toml:11:1: duplicate key `epochs`"
    );
    assert_eq!(
        edited("[model]", "[run]"),
        "a.toml:5:2: duplicate key `run`"
    );
    assert_eq!(
        edited("80", "99999999999999999999"),
        "a.toml:10:10: invalid type: integer `99999999999999999999` as i128, expected any valid TOML value"
    );
}

#[test]
fn a_text_without_keys_says_so() {
    let message = "a.toml: holds no key (empty, or comments only), expected TOML: `[table]` \
                   headers and `key = value` lines";
    for text in ["", "\n\n", "# a comment\n", "\u{feff}"] {
        assert_eq!(load(text, &["run.name=a"]).unwrap_err(), message);
    }
}

#[test]
fn a_byte_order_mark_is_not_counted() {
    assert_eq!(
        load("\u{feff}ran = 1\n", &[]).unwrap_err(),
        "a.toml:1:1: unknown key `ran` at the top level (did you mean `run`?); expected one of \
         `run`, `model`, `training`, `topology`"
    );
}

#[test]
fn a_semantic_check_can_name_the_place() {
    let overrides = ["training.epochs=0".to_owned(), "data.kind=x".to_owned()];
    let document = Document::parse(TEXT, "a.toml", &overrides).unwrap();
    let located = [
        ("model.d_model", "a.toml:6:1"),
        ("model.patch_size", "a.toml:5:1"),
        ("training.epochs", "--set training.epochs=0"),
        ("training", "a.toml:9:1"),
        ("data", "--set data.kind=x"),
        ("topology[1].weight", "a.toml:20:1"),
        ("topology.1.weight.share", "a.toml:20:37"),
        ("topology[1].heads[1]", "a.toml:22:13"),
        ("topology[7]", "a.toml:14:1"),
        ("nothing", "a.toml:1:1"),
        ("", "a.toml:1:1"),
    ];
    for (path, place) in located {
        assert_eq!(document.locate(path), place, "{path}");
    }
    let error = document.error_at("model.d_model", "expected a multiple of 6, found 64");
    assert_eq!(
        error.to_string(),
        "a.toml:6:1: `model.d_model`: expected a multiple of 6, found 64"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_one_sentence() {
    let folder = std::env::temp_dir().join(format!("document_read_{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let latin = folder.join("latin.toml");
    std::fs::write(&latin, b"[run]\nname = \"\xe9\"\n").unwrap();
    let message = |path: &Path| Document::read(path, &[]).unwrap_err().to_string();

    let missing = folder.join("missing.toml");
    assert_eq!(
        message(&missing),
        format!("{}: no such file", missing.display())
    );
    assert_eq!(
        message(&folder),
        format!("{}: is a directory, expected a TOML file", folder.display())
    );
    assert_eq!(
        message(&latin),
        format!(
            "{}:2:9: not UTF-8 text, expected a TOML file",
            latin.display()
        )
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
