//! Penalties: keys that fit together, and warnings about those that have no effect.

use super::*;

/// Settings with which training starts from pretrained weights, which are not read here.
const PRETRAINED: &str = "model.init_from=weights";

#[test]
fn an_unknown_choice_is_answered_with_the_words_of_the_library() {
    let message = |set: &str| read(&with_penalties(&[H1]), &[set]).unwrap_err();
    let set = "topology.0.distance=helinger";
    assert_eq!(
        message(set),
        format!(
            "--set {set}: unknown value `helinger` for `topology.h1_layers.distance` (did you mean \
             `hellinger`?); expected one of `jensen_shannon`, `hellinger`, `total_variation`, \
             `cosine`, `euclidean`, `attention`"
        )
    );
    let set = "topology.0.penalty={ kind = \"bottleneck\", ground_norm = \"l3\" }";
    let ground_norm = message(set);
    assert!(
        ground_norm.ends_with("expected one of `infinity`, `l2`, `l1`"),
        "{ground_norm}"
    );
    let set = "topology.0.schedule.start=3";
    let schedule = message(set);
    assert!(
        schedule.contains("unknown key `start` in [topology.schedule]")
            && schedule.ends_with("expected one of `start_epoch`, `warmup_steps`, `every_steps`"),
        "{schedule}"
    );
}

#[test]
fn a_penalty_that_starts_after_training_has_a_warning() {
    let late = format!("{H1}, schedule = {{ start_epoch = 1 }}");
    let config = read(&with_penalties(&[H0, &late]), &[]).unwrap();
    assert_eq!(
        config.warnings,
        [
            "a.toml:1:329: penalty h1_layers starts in epoch 1, but training has only 1 epoch (0), \
             so it has no effect"
        ]
    );
    let set = "topology.h0_layers.schedule.start_epoch=2";
    let warnings = |epochs: usize| {
        let epochs = format!("training.epochs={epochs}");
        read(&with_penalties(&[H0]), &[set, &epochs])
            .unwrap()
            .warnings
    };
    assert_eq!(
        warnings(2),
        [format!(
            "--set {set}: penalty h0_layers starts in epoch 2, but training has only 2 epochs \
             (0 and 1), so it has no effect"
        )]
    );
    assert_eq!(warnings(3), [""; 0]);
}

#[test]
fn a_homology_dimension_needs_enough_points() {
    let error = |overrides: &[&str]| read(&with_penalties(&[H1]), overrides).unwrap_err();
    let dim = "topology.0.homology_dim=2";
    let overrides = [
        dim,
        "topology.0.penalty={ kind = \"signature\" }",
        "model.patch_size=4",
    ];
    assert_eq!(
        error(&overrides),
        format!(
            "--set {dim}: `topology.h2_layers.homology_dim`: homology_dim is 2, expected at least 6 \
             points for it, found 4 patches; lower homology_dim or patch_size"
        )
    );
    // The class token is a fifth point.
    let all = [&overrides[..], &["topology.0.tokens=all"]].concat();
    assert!(error(&all).contains("found 5 tokens"));
    let enough = [&all[..], &["model.n_registers=1"]].concat();
    assert!(read(&with_penalties(&[H1]), &enough).is_ok());
}

#[test]
fn keys_that_a_penalty_does_not_use_are_refused() {
    let band = COSINE.replace(
        "kind = \"cosine_consistency\"",
        "kind = \"entropy_band\", low = 0.2, high = 0.9",
    );
    let summary = "the penalty is computed from each layer on its own";
    let cases = [
        (H0, "edges=random", "this penalty has no bars"),
        (H1, "edges=random", "this penalty has no bars"),
        (
            H0,
            "homology_dim=1",
            "RTD-Lite is defined for homology_dim 0 only, found 1",
        ),
        (
            H1,
            "homology_dim=0",
            "RTD is defined for homology_dim 1 only, found 0",
        ),
        (ENTROPY, "alignment=flow", "compared token by token"),
        (ENTROPY, "between=frames", summary),
        (ENTROPY, "direction=towards_first", summary),
        (ENTROPY, "partners=shuffled", summary),
        (ENTROPY, "pairs=all", summary),
        (COSINE, "alignment=flow", "compared token by token"),
        (COSINE, "edges=random", "this penalty has no bars"),
        (COSINE, "homology_dim=0", "leave homology_dim out"),
        (COSINE, "normalize=spanning_tree", "no scale to divide by"),
        (&band, "between=frames", summary),
        (&band, "normalize=spanning_tree", "no scale to divide by"),
    ];
    for (table, change, expected) in cases {
        let set = format!("topology.0.{change}");
        let error = read(&with_penalties(&[table]), &[&set]).unwrap_err();
        let key = change.split('=').next().unwrap();
        // The message names the key, not only the table.
        assert!(
            error.starts_with(&format!("--set {set}: `topology.")),
            "{error}"
        );
        assert!(error.contains(&format!(".{key}`: ")), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    for table in [H0, H1, ENTROPY, COSINE, &band] {
        assert!(read(&with_penalties(&[table]), &[]).is_ok(), "{table}");
    }
}

#[test]
fn a_homology_dimension_with_too_many_simplices_is_refused() {
    let table = r#"homology_dim = 4, penalty = { kind = "signature" }"#;
    let overrides = [
        "data={ kind = \"image_folder\", path = \"p\", image_size = 40, n_classes = 2 }",
        "model.patch_size=2",
    ];
    let error = read(&with_penalties(&[table]), &overrides).unwrap_err();
    assert_eq!(
        error,
        "a.toml:1:15: `topology.h4_layers.homology_dim`: homology_dim is 4, for which 400 patches can have 1.1e9 \
         simplices, expected at most 2.7e8; lower homology_dim, or raise patch_size"
    );
    let fewer = [overrides[0], "model.patch_size=4"];
    assert!(read(&with_penalties(&[table]), &fewer).is_ok());
}

/// Table that compares the model with its reference, whose keys `between` and `weight` are those of `table`.
fn with_reference(table: &str) -> String {
    with_penalties(&[&table.replace("\"layers\"", "\"reference\"")])
}

#[test]
fn a_penalty_can_compare_the_model_with_its_reference() {
    let fixed = H0.replace("gradient_share\", share", "fixed\", value");
    let late = format!("{H0}, schedule = {{ start_epoch = 1 }}");
    let matrix = r#"between = "layers", normalize = "none", penalty = { kind = "distance_matrix", order = 2.0 }, weight = { kind = "fixed", value = 0.1 }"#;
    for table in [&fixed, &late, matrix, COSINE] {
        let config = read(&with_reference(table), &[PRETRAINED, "training.epochs=2"]);
        assert_eq!(config.unwrap().warnings, [""; 0], "{table}");
    }
    let names = read(&with_reference(matrix), &[PRETRAINED]).unwrap();
    assert_eq!(names.spec.penalty_names(), ["distance_matrix_reference"]);
    let refused = |text: &str, overrides: &[&str]| read(text, overrides).unwrap_err();
    assert_eq!(
        refused(&with_reference(&fixed), &[]),
        "a.toml:1:15: `topology.h0_reference.between`: the penalty keeps the model close to the weights \
         that it started from, but these are random and have nothing to keep; set model.init_from"
    );
    let cases = [
        (
            "topology.0.pairs=all",
            "there are no other pairs; leave pairs out",
        ),
        ("topology.0.direction=towards_first", "leave direction out"),
        (
            "topology.0.alignment=flow",
            "alignment by flow needs the frames of a clip",
        ),
    ];
    for (set, expected) in cases {
        let error = refused(&with_reference(&fixed), &[PRETRAINED, set]);
        assert!(error.contains(expected), "{error}");
    }
    // The model equals its reference at the start, so that there is no gradient to measure.
    let error = refused(&with_reference(H0), &[PRETRAINED]);
    assert!(
        error.contains("`topology.h0_reference.weight`: the model equals its reference at first"),
        "{error}"
    );
    let error = refused(&with_reference(ENTROPY), &[PRETRAINED]);
    assert!(
        error.contains("compares nothing, expected between `layers`"),
        "{error}"
    );
}

#[test]
fn frozen_layers_that_are_compared_with_the_reference_have_a_warning() {
    let warnings = |layers: &str| {
        let layers = format!("topology.0.layers={layers}");
        let set = [PRETRAINED, "model.freeze=1", &layers];
        let text = with_reference(COSINE);
        read(&text, &set).unwrap().warnings
    };
    assert_eq!(
        warnings("[0, 1]"),
        [
            "--set topology.0.layers=[0, 1]: penalty cosine_consistency_reference compares frozen layers (0), \
          which stay equal to the reference and have no gradient; list only layers that are trained"
        ]
    );
    assert_eq!(warnings("[1]"), [""; 0]);
}

#[test]
fn l2_sp_needs_pretrained_weights() {
    let read = |overrides: &[&str]| read(TEXT, overrides);
    let set = "training.optimizer.l2_sp=0.1";
    let spec = read(&[PRETRAINED, set]).unwrap().spec;
    assert_eq!(
        (
            spec.training.optimizer.l2_sp,
            spec.training.optimizer.weight_decay
        ),
        (Some(0.1), 0.0)
    );
    assert_eq!(
        read(&[PRETRAINED]).unwrap().spec.training.optimizer.l2_sp,
        None
    );
    assert_eq!(
        read(&[set]).unwrap_err(),
        format!(
            "--set {set}: `training.optimizer.l2_sp`: l2_sp is a decay towards pretrained weights, but training \
             starts from random ones; set model.init_from, or leave l2_sp out"
        )
    );
    for value in ["0.0", "-1.0", "inf"] {
        let set = format!("training.optimizer.l2_sp={value}");
        let error = read(&[PRETRAINED, &set]).unwrap_err();
        assert!(
            error.contains("expected a finite number above 0; leave it out"),
            "{error}"
        );
    }
}

#[test]
fn a_layer_that_is_listed_twice_is_refused() {
    let set = "topology.0.layers=[1, 0, 1]";
    assert_eq!(
        read(&with_penalties(&[H0]), &[set]).unwrap_err(),
        format!(
            "--set {set}: `topology.h0_layers.layers`: layers has the entry 1 more than once, \
             expected each layer at most once"
        )
    );
}

#[test]
fn images_have_no_frames_to_compare() {
    let frames = H0.replace("\"layers\"", "\"frames\"");
    let error = read(&with_penalties(&[&frames]), &[]).unwrap_err();
    assert!(
        error.ends_with("a penalty compares frames, but the samples are images, not clips"),
        "{error}"
    );
}

#[test]
fn a_weight_that_is_neither_number_nor_table_is_described() {
    let error = |weight: &str| {
        let set = format!("topology.0.weight={weight}");
        read(&with_penalties(&[H0]), &[&set]).unwrap_err()
    };
    let ending = "`topology.h0_layers.weight`: expected a number or a table with `kind`, found string \"much\"";
    assert!(error("much").ends_with(ending), "{}", error("much"));
    let error = error("{ kind = \"fixed\", share = 0.1 }");
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(
        error.contains("unknown key `share` in [topology.weight]; expected `value`"),
        "{error}"
    );
    assert!(
        error.contains("missing key `value` in [topology.weight], for example `value = 0.1`"),
        "{error}"
    );
}
