//! Positions of errors.

use super::*;

#[test]
fn a_wrong_type_in_a_tagged_enum_is_found_among_equal_values() {
    assert_eq!(
        edited("lr = 2e-3, decay = 0.05", "lr = 0.1, decay = \"0.1\""),
        "a.toml:12:41: `training.optimizer.decay`: expected a number, found string \"0.1\""
    );
    assert_eq!(
        edited("kind = \"power\"", "kind = \"named\""),
        "a.toml:21:71: `topology.1.penalty.norm.order`: expected a string, found integer 2"
    );
}

#[test]
fn a_missing_key_has_the_position_of_its_table() {
    assert_eq!(
        edited("epochs = 80\n", ""),
        "a.toml:9:1: missing key `epochs` in [training], for example `epochs = 100`"
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
        "a.toml:12:1: missing key `kind` in [training.optimizer], expected `adamw`"
    );
    assert_eq!(
        load("[run]\nname = \"a\"\n", &[]).unwrap_err(),
        "a.toml:1:1: missing keys at the top level, here with usual values: `model = { kind = \"vit\", size = \
         \"tiny\", patch_size = 16 }`, `training = { epochs = 100, batch_size = 64, optimizer = { kind = \"adamw\", \
         lr = 1e-3 } }`"
    );
}

#[test]
fn a_syntax_error_has_its_position() {
    assert_eq!(
        edited("[model]", "[model"),
        "a.toml:5:7: unclosed table, expected `]`"
    );
    assert_eq!(
        edited("\"a\"", "a"),
        "a.toml:3:8: expected a value, found `a`; a string needs quotes"
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
        "a.toml:10:10: the integer 99999999999999999999 is too large, expected at most 9223372036854775807"
    );
    assert_eq!(
        edited("80", "18446744073709551615"),
        "a.toml:10:10: the integer 18446744073709551615 is too large, expected at most 9223372036854775807"
    );
    for (from, to, position) in [
        ("80", "80 90", "10:10"),
        ("80", "80 # 1\nepocs = true false", "11:9"),
        ("[4, 4]", "[4, 4] 4", "7:15"),
        ("[4, 4]", "[4 4]", "7:9"),
        ("\"a\"", "\"a\" b", "3:12"),
    ] {
        assert_eq!(
            edited(from, to),
            format!("a.toml:{position}: unexpected text after the value")
        );
    }
    assert_eq!(
        edited("[model]", "[model] x"),
        "a.toml:5:9: unexpected text after the header"
    );
    assert_eq!(
        edited("[4, 4]", "[4, x]"),
        "a.toml:7:12: expected a value, found `x`; a string needs quotes"
    );
}

#[test]
fn a_byte_order_mark_is_not_counted() {
    let error = load("\u{feff}ran = 1\n", &[]).unwrap_err();
    let expected =
        "a.toml:1:1: unknown key `ran` at the top level (did you mean `run`?); expected one of ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_check_can_locate_every_key() {
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
    for (path, location) in located {
        assert_eq!(document.locate(path), location, "{path}");
    }
    let error = document.error_at("model.d_model", "expected a multiple of 6, found 64");
    assert_eq!(
        error.to_string(),
        "a.toml:6:1: `model.d_model`: expected a multiple of 6, found 64"
    );
}
