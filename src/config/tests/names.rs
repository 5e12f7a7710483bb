//! Names of penalties: in files, overrides, messages and resolved configurations.

use super::*;

#[test]
fn default_names_are_those_of_the_regulariser() {
    let text = with_penalties(&[H0, H1, ENTROPY, COSINE, H1]);
    let config = read(&text, &[]).unwrap();
    let names = config.spec.penalty_names();
    let expected = [
        "h0_layers",
        "h1_layers",
        "h1_persistent_entropy",
        "cosine_consistency_layers",
        "h1_layers_2",
    ];
    assert_eq!(names, expected);
    let regularizer = crate::loss::TopologyRegularizer::new(config.spec.penalties).unwrap();
    assert_eq!(regularizer.names(), expected);
    // Overrides find every penalty by the same name.
    for (index, name) in expected.iter().enumerate() {
        let set = format!("topology.{name}.schedule.start_epoch=3");
        let config = read(&text, &[&set]).unwrap();
        let starts: Vec<usize> = config
            .raw
            .topology
            .iter()
            .map(|table| table.schedule.start_epoch)
            .collect();
        let mut expected = vec![0; 5];
        expected[index] = 3;
        assert_eq!(starts, expected, "{name}");
    }
}

#[test]
fn the_resolved_file_has_a_name_only_if_the_file_gives_one() {
    let absent = read(&with_penalties(&[H0]), &[]).unwrap();
    assert!(!absent.to_toml().contains("name = \"h0_layers\""));
    let named = format!("name = \"clusters\", {H0}");
    let named = read(&with_penalties(&[&named]), &[]).unwrap();
    assert_eq!(named.spec.penalty_names(), ["clusters"]);
    assert!(named.to_toml().contains("name = \"clusters\""));
}

#[test]
fn names_that_cannot_be_used_are_refused_with_their_position() {
    let message = |first: &str, second: &str| {
        let tables = [
            format!("name = \"{first}\", {H0}"),
            format!("name = \"{second}\", {H1}"),
        ];
        read(&with_penalties(&[&tables[0], &tables[1]]), &[]).unwrap_err()
    };
    assert!(
        message("a", "a").ends_with(
            "`topology.a.name`: an earlier penalty is named `a` too, expected a name of its own"
        ),
        "{}",
        message("a", "a")
    );
    assert_eq!(
        message("1a", "b"),
        "a.toml:1:15: `topology.1a.name`: name is `1a`, expected letters, digits and `_`, not \
         starting with a digit"
    );
}

#[test]
fn an_override_addresses_a_penalty_by_name_or_index() {
    let named = format!("name = \"cycles\", {H1}");
    let text = with_penalties(&[H0, &named]);
    for path in ["topology.cycles", "topology.1", "topology[1]"] {
        let config = read(&text, &[&format!("{path}.weight.share=0.5")]).unwrap();
        assert_eq!(shares(&config), [Some(0.1), Some(0.5)], "{path}");
    }
    let config = read(&text, &["topology.h0_layers.weight.share=0.5"]).unwrap();
    assert_eq!(shares(&config), [Some(0.5), Some(0.1)]);
}

#[test]
fn names_stay_those_of_the_file_while_other_keys_change() {
    let text = with_penalties(&[H0, H1]);
    let overrides = [
        "topology.h0_layers.homology_dim=1",
        "topology.h0_layers.penalty.kind=rtd",
        "topology.h0_layers.weight.share=0.5",
        "topology.h1_layers.weight.share=0.7",
    ];
    let config = read(&text, &overrides).unwrap();
    assert_eq!(shares(&config), [Some(0.5), Some(0.7)]);
    assert_eq!(config.spec.penalty_names(), ["h1_layers", "h1_layers_2"]);
}

#[test]
fn a_new_list_of_penalties_or_a_new_name_counts_at_once() {
    let list = format!("topology=[{{ {H1} }}]");
    let config = read(
        &with_penalties(&[H0]),
        &[&list, "topology.h1_layers.weight.share=0.5"],
    )
    .unwrap();
    assert_eq!(shares(&config), [Some(0.5)]);
    let renamed = ["topology.0.name=loops", "topology.loops.weight.share=0.5"];
    let config = read(&with_penalties(&[H1]), &renamed).unwrap();
    assert_eq!(shares(&config), [Some(0.5)]);
}

#[test]
fn an_unknown_name_is_answered_with_the_names_that_exist() {
    let text = with_penalties(&[H0, H1]);
    assert_eq!(
        read(&text, &["topology.h1_lyers.weight.share=1"]).unwrap_err(),
        "--set topology.h1_lyers.weight.share=1: no penalty is named `h1_lyers` (did you mean \
         `h1_layers`?); expected one of `h0_layers`, `h1_layers`, or an index, as in `topology.0`"
    );
    assert_eq!(
        read(TEXT, &["topology.h1_layers.weight.share=1"]).unwrap_err(),
        "--set topology.h1_layers.weight.share=1: no penalty is named `h1_layers`; there is no \
         [[topology]] table"
    );
}

#[test]
fn errors_name_the_penalty() {
    assert_eq!(
        read(
            &with_penalties(&[H0, H1]),
            &["topology.1.weight.share=much"]
        )
        .unwrap_err(),
        "--set topology.1.weight.share=much: `topology.h1_layers.weight.share`: expected a number, \
         found string \"much\""
    );
    let error = read(&with_penalties(&[H0, H1]), &["topology.1.layers=[0, 9]"]).unwrap_err();
    let location = "--set topology.1.layers=[0, 9]: `topology.h1_layers.layers`: ";
    assert!(error.starts_with(location), "{error}");
}
