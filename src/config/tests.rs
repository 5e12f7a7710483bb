//! Configurations of runs: names of penalties, old names of keys, settings.

mod pixels;
mod training;

use super::*;

const TEXT: &str = r#"[run]
name = "a"
seed = 0

[data]
kind = "digits"

[model]
kind = "vit"
d_model = 8
n_layers = 2
n_heads = 2
patch_size = 2

[training]
epochs = 1
batch_size = 16
optimizer = { kind = "adamw", lr = 1e-3, weight_decay = 0.0 }
schedule = { kind = "constant" }

[logging]
log_every_steps = 5
"#;

const H0: &str = r#"between = "layers", homology_dim = 0, normalize = "spanning_tree", penalty = { kind = "rtd_lite" }, weight = { kind = "gradient_share", share = 0.1 }"#;
const H1: &str = r#"between = "layers", homology_dim = 1, normalize = "spanning_tree", penalty = { kind = "rtd" }, weight = { kind = "gradient_share", share = 0.1 }"#;
const ENTROPY: &str = r#"between = "layers", homology_dim = 1, normalize = "none", penalty = { kind = "persistent_entropy" }, weight = { kind = "fixed", value = 0.1 }"#;
const COSINE: &str = r#"between = "layers", normalize = "none", penalty = { kind = "cosine_consistency" }, weight = { kind = "fixed", value = 0.1 }"#;

/// Text of a configuration with these `[[topology]]` tables.
fn with_penalties(tables: &[&str]) -> String {
    let inline: Vec<String> = tables
        .iter()
        .map(|table| format!("{{ {table} }}"))
        .collect();
    format!("topology = [{}]\n{TEXT}", inline.join(", "))
}

fn read(text: &str, overrides: &[&str]) -> Result<Config, String> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    Document::parse_run(text, "a.toml", &overrides)
        .and_then(|document| Config::from_document(&document))
        .map_err(|error| error.to_string())
}

fn shares(config: &Config) -> Vec<Option<f64>> {
    let share = |table: &RawTopology| match table.weight {
        RawWeight::GradientShare { share } => Some(share),
        RawWeight::Fixed { .. } => None,
    };
    config.raw.topology.iter().map(share).collect()
}

#[test]
fn settings_are_named_by_their_path() {
    let layers = "topology.0.layers=[0, 2]";
    let overrides = [layers, "model.n_layers=3", "run.seed=3"];
    let config = read(&with_penalties(&[H1]), &overrides).unwrap();
    let settings = config.settings();
    let expected = [
        ("run.seed", Value::from(3)),
        ("topology.h1_layers.layers", serde_json::json!([0, 2])),
        ("topology.h1_layers.weight.kind", "gradient_share".into()),
    ];
    for (name, value) in expected {
        assert!(settings.contains(&(name.to_owned(), value)), "{name}");
    }
}

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

/// Settings with which training starts from pretrained weights, which are not read here.
const PRETRAINED: &str = "model.init_from=weights";

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
fn clips_that_could_not_be_read_are_refused_before_they_are_opened() {
    let folder =
        "kind = \"clip_folder\"\npath = \"a\"\nn_frames = 4\nimage_size = 5000\nn_classes = 2";
    let text = TEXT.replace("kind = \"digits\"", folder);
    assert_eq!(
        read(&text, &[]).unwrap_err(),
        "a.toml:9:1: `data.image_size`: image_size is 5000, expected 1 to 4096 pixels"
    );
    let overrides = ["data.image_size=8", "data.frame_rate=2000"];
    assert_eq!(
        read(&text, &overrides).unwrap_err(),
        "--set data.frame_rate=2000: `data.frame_rate`: frame_rate is 2000, expected above 0 and at \
         most 1000 frames per second"
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
fn an_old_name_is_accepted_with_a_warning() {
    let text = TEXT.replace("log_every_steps = 5", "pictures_every_epochs = 7");
    let config = read(&text, &[]).unwrap();
    assert_eq!(config.spec.logging.images_every_epochs, 7);
    assert_eq!(
        config.warnings,
        [
            "a.toml:22:1: `logging.pictures_every_epochs` is now called \
          `logging.images_every_epochs`"
        ]
    );
    assert!(config.to_toml().contains("images_every_epochs = 7"));
    let current = read(TEXT, &[]).unwrap();
    assert_eq!(current.warnings, [""; 0]);
}

#[test]
fn old_names_are_accepted_in_overrides_too() {
    let sliced = H1.replace(
        "{ kind = \"rtd\" }",
        "{ kind = \"sliced_wasserstein\", order = 1.0, directions = 9, power = \"p\" }",
    );
    let list = format!("topology=[{{ {sliced} }}]");
    let overrides = [
        "logging.pictures_every_epochs=3",
        "model.pooling=mean_beside_cls",
        &list,
        "topology.h1_layers.penalty.directions=5",
    ];
    let config = read(TEXT, &overrides).unwrap();
    assert_eq!(config.spec.logging.images_every_epochs, 3);
    assert!(matches!(
        config.raw.topology[0].penalty,
        RawPenalty::SlicedWasserstein {
            n_directions: 5,
            ..
        }
    ));
    let warnings = config.warnings;
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert_eq!(
        warnings[1],
        "--set model.pooling=mean_beside_cls: `model.pooling = \"mean_beside_cls\"` is now called \
         `\"mean_before_norm_with_cls\"`"
    );
}

#[test]
fn an_override_by_either_name_replaces_the_value_of_the_file() {
    let old = TEXT.replace("log_every_steps = 5", "pictures_every_epochs = 7");
    let new = old.replace("pictures_every_epochs", "images_every_epochs");
    for text in [&old, &new] {
        for key in ["pictures_every_epochs", "images_every_epochs"] {
            let config = read(text, &[&format!("logging.{key}=2")]).unwrap();
            assert_eq!(config.spec.logging.images_every_epochs, 2);
        }
    }
}

#[test]
fn the_old_and_the_new_name_in_one_file_are_an_error() {
    let text = TEXT.replace(
        "log_every_steps = 5",
        "images_every_epochs = 3\npictures_every_epochs = 7",
    );
    assert_eq!(
        read(&text, &[]).unwrap_err(),
        "a.toml:23:1: `logging.pictures_every_epochs` is now called \
         `logging.images_every_epochs`, and both are set; remove the old one"
    );
}

#[test]
fn a_key_by_its_old_name_keeps_its_position_in_errors() {
    let text = TEXT.replace("log_every_steps = 5", "pictures_every_epochs = 0");
    assert_eq!(
        read(&text, &[]).unwrap_err(),
        "a.toml:22:1: `logging.images_every_epochs`: images_every_epochs is 0, expected at least 1"
    );
}

#[test]
fn a_renamed_key_does_not_change_the_identity() {
    let sliced = H1.replace(
        "{ kind = \"rtd\" }",
        "{ kind = \"sliced_wasserstein\", order = 1.0, n_directions = 9, power = \"p\" }",
    );
    let text = with_penalties(&[&sliced]).replace(
        "patch_size = 2",
        "patch_size = 2\npooling = \"mean_before_norm_with_cls\"",
    );
    let config = read(&text, &[]).unwrap();
    let first_names = config
        .to_toml()
        .replace("images_every_epochs", "pictures_every_epochs")
        .replace("n_directions", "directions")
        .replace("mean_before_norm_with_cls", "mean_beside_cls");
    assert_eq!(config.identity(), first_names);
    assert_ne!(config.identity(), config.to_toml());
}

#[test]
fn a_key_that_has_its_first_name_again_keeps_its_identity() {
    let clips = |key: &str| {
        format!(
            "data={{ kind = \"clip_folder\", path = \"c\", n_frames = 4, image_size = 8, n_classes = 2, {key} = \"skip\" }}"
        )
    };
    let model = "model={ kind = \"timesformer\", head = \"clip\", d_model = 8, n_layers = 2, n_heads = 2, patch_size = 4 }";
    let [now, before] =
        ["unreadable", "unreadable_clips"].map(|key| read(TEXT, &[&clips(key), model]).unwrap());
    assert!(now.identity().contains("\nunreadable = \"skip\"\n"));
    assert_eq!(now.identity(), before.identity());
    assert_eq!((now.warnings.len(), before.warnings.len()), (0, 1));
    let images = "data={ kind = \"image_folder\", path = \"c\", image_size = 8, n_classes = 2 }";
    let images = read(TEXT, &[images]).unwrap();
    assert!(!images.identity().contains("unreadable"));
}

#[test]
fn images_are_scaled_to_the_size_at_which_pretrained_weights_are_run() {
    let from = "model.init_from=w";
    let config = read(TEXT, &[from, "model.image_size=12"]).unwrap();
    assert_eq!(config.spec.samples.height, 12);
    assert_eq!(config.spec.model.image_size(), [12, 12]);
    assert_eq!(config.spec.data.sample_spec(), config.spec.samples);
    // The size of the data themselves changes nothing.
    let same = read(TEXT, &[from, "model.image_size=8"]).unwrap();
    assert_eq!(same.spec.data, read(TEXT, &[]).unwrap().spec.data);
    let folder = "data={ kind = \"image_folder\", path = \"p\", image_size = 8, n_classes = 2 }";
    assert!(read(TEXT, &[from, folder, "model.image_size=8"]).is_ok());
    for (overrides, message) in [
        (
            &["model.image_size=12"][..],
            "image_size needs pretrained weights; set `init_from` too, or leave it out",
        ),
        (
            &[from, "model.image_size=0"],
            "image_size is 0, expected at least 1 pixel",
        ),
        (
            &[from, "model.image_size=13"],
            "patch_size is 2, expected a divisor of",
        ),
        (
            &[from, folder, "model.image_size=12"],
            "image_size is 12 here and 8 in [data]; set it in [data] alone",
        ),
    ] {
        let error = read(TEXT, overrides).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_short_configuration_is_the_same_as_one_that_writes_its_defaults() {
    let written = with_penalties(&[
        r#"between = "layers", homology_dim = 1, normalize = "spanning_tree", penalty = { kind = "wasserstein", order = 2.0, ground_norm = "infinity", power = "p" }, weight = { kind = "fixed", value = 0.1 }"#,
        r#"between = "frames", normalize = "none", penalty = { kind = "cosine_consistency" }, weight = { kind = "fixed", value = 1.0 }"#,
    ]);
    let written = written
        .replace("weight_decay = 0.0", "weight_decay = 0.05")
        .replace("\"frames\"", "\"layers\"");
    let short = with_penalties(&[
        "homology_dim = 1, weight = 0.1",
        r#"penalty = { kind = "cosine_consistency" }"#,
    ]);
    let short = short
        .replace(", weight_decay = 0.0", "")
        .replace("seed = 0\n", "")
        .replace("schedule = { kind = \"constant\" }\n", "");
    let [written, short] = [written, short].map(|text| read(&text, &[]).unwrap());
    assert_eq!(short.identity(), written.identity());
    assert_eq!(short.raw, written.raw);
    // Nothing is hidden: the resolved configuration has the defaults.
    for line in [
        "seed = 0",
        "weight_decay = 0.05",
        "order = 2.0",
        "normalize = \"none\"",
    ] {
        assert!(short.to_toml().contains(line), "{}", short.to_toml());
    }
    assert_eq!(
        short.spec.penalty_names(),
        ["h1_layers", "cosine_consistency_layers"]
    );
    let config = read(
        &with_penalties(&["homology_dim = 0"]),
        &["topology.h0_layers.weight=3"],
    );
    assert_eq!(
        config.unwrap().raw.topology[0].weight,
        RawWeight::Fixed { value: 3.0 }
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
