//! Messages of errors.

use super::*;

#[test]
fn an_unknown_key_is_named_with_the_nearest_key() {
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
        "a.toml:1:1: missing key `model` at the top level, for example `model = { kind = \"vit\", size = \
         \"tiny\", patch_size = 16 }`\n\
         a.toml:5:1: unknown key `colour` at the top level; expected one of `run`, `model`, \
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
        "a.toml:20:1: missing key `share` in [topology.weight], for example `share = 0.1`\n\
         a.toml:20:37: unknown key `value` in [topology.weight]; expected `share`"
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
        "a.toml:19:1: unknown value `al` for `topology.1.pairs` (did you mean `all`?); expected \
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
fn a_wrong_type_is_described_in_plain_words() {
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
            "a.toml:7:12: `model.grid.1`: expected a non-negative whole number, found string \
             \"x\"",
        ),
        (
            "[4, 4]",
            "[4]",
            "a.toml:7:1: `model.grid`: expected an array of 2 values, found 1 value",
        ),
        (
            "[4, 4]",
            "[4, 4, 4]",
            "a.toml:7:1: `model.grid`: expected an array of 2 values, found 3 values",
        ),
        (
            "heads = [0, 2]",
            "heads = 0.5",
            "a.toml:22:1: `topology.1.heads`: fits none of the forms that this key takes",
        ),
        (
            "{ stride = 2 }",
            "\"stride\"",
            "a.toml:19:1: `topology.1.pairs`: expected a table `{ name = value }`, found the \
             name alone",
        ),
        (
            "{ stride = 2 }",
            "3",
            "a.toml:19:1: `topology.1.pairs`: expected a name in quotes or a table, found \
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
fn a_text_without_keys_is_an_error() {
    let message = "a.toml: holds no key (empty, or comments only), expected TOML: `[table]` \
                   headers and `key = value` lines";
    for text in ["", "\n\n", "# a comment\n", "\u{feff}"] {
        assert_eq!(load(text, &["run.name=a"]).unwrap_err(), message);
    }
}

#[test]
fn an_unreadable_file_is_an_error_of_one_sentence() {
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

#[test]
fn all_problems_are_told_in_the_order_of_the_file() {
    let text = TEXT
        .replace("name = \"a\"", "name = 3")
        .replace("d_model = 64\n", "")
        .replace("grid = [4, 4]", "grid = [4, \"x\"]\nwidth = 3")
        .replace("augment = false\n", "")
        .replace("epochs = 80", "epoch = 80")
        .replace("share = 0.03", "share = \"much\", value = 3")
        .replace("heads = [0, 2]", "heads = 0.5");
    let problems = load(&text, &["run.seed=no"]).unwrap_err();
    let lines: Vec<&str> = problems.lines().collect();
    let expected = [
        "a.toml:3:1: `run.name`: expected a string, found integer 3",
        "a.toml:5:1: missing key `d_model` in [model], for example `d_model = 64`",
        "a.toml:6:12: `model.grid.1`: expected a non-negative whole number, found string \"x\"",
        "a.toml:7:1: unknown key `width` in [model]; expected one of `d_model`, `grid`",
        "a.toml:9:1: missing key `augment` in [training]",
        "a.toml:10:1: unknown key `epoch` in [training] (did you mean `epochs`?); expected one of `epochs`, \
         `augment`, `optimizer`",
        "a.toml:19:37: `topology.1.weight.share`: expected a number, found string \"much\"",
        "a.toml:19:53: unknown key `value` in [topology.weight]; expected `share`",
        "a.toml:21:1: `topology.1.heads`: fits none of the forms that this key takes",
        "--set run.seed=no: `run.seed`: expected a non-negative whole number, found string \"no\"",
    ];
    assert_eq!(lines, expected, "{problems}");
}

#[test]
fn keys_of_a_table_without_a_known_kind_are_not_told() {
    let from = "kind = \"gradient_share\", share";
    assert_eq!(
        edited(from, "kin = \"gradient_share\", shar"),
        "a.toml:20:1: missing key `kind` in [topology.weight], expected one of `fixed`, `gradient_share`"
    );
}
