//! Configurations of runs: settings, defaults and sizes.

mod names;
mod old_names;
mod penalties;
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
