//! Overrides from the command line.

use super::*;

#[test]
fn a_valid_file_and_valid_overrides_are_read() {
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
fn later_overrides_win_and_lists_can_be_emptied() {
    let spec = load(
        TEXT,
        &["training.epochs=5", "training.epochs=6", "topology=[]"],
    )
    .unwrap();
    assert_eq!(spec.training.epochs, 6);
    assert_eq!(spec.topology.len(), 0);
}

#[test]
fn an_error_in_an_override_has_its_location() {
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
        "--set training.optimizer={kind=\"adamw\"}: missing keys in [training.optimizer], here with usual values: \
         `lr = 1e-3`, `decay`"
    );
    assert_eq!(
        overridden("topology.0.penalty.order=2"),
        "--set topology.0.penalty.order=2: missing key `kind` in [topology.penalty], expected \
         `wasserstein`"
    );
    assert_eq!(
        overridden("topology.1.weight.share=x"),
        "--set topology.1.weight.share=x: `topology.1.weight.share`: expected a number, found \
         string \"x\""
    );
    assert_eq!(
        overridden("run.name=2024"),
        "--set run.name=2024: `run.name`: expected a string, found integer 2024; to give a \
         string, write --set 'run.name=\"2024\"'"
    );
}

#[test]
fn an_error_beside_an_override_has_a_position_in_the_file() {
    assert_eq!(
        overridden("topology.1.weight.kind=fixed"),
        "a.toml:20:1: missing key `value` in [topology.weight], for example `value = 0.1`\n\
         a.toml:20:37: unknown key `share` in [topology.weight]; expected `value`"
    );
}
