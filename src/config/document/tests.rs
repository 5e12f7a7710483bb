//! Errors of a small configuration with mistakes.

mod messages;
mod overrides;
mod positions;

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

/// Returns the error of [`TEXT`] with `from` replaced by `to`.
fn edited(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "{from} is not in the text");
    load(&TEXT.replacen(from, to, 1), &[]).unwrap_err()
}

/// Returns the error of [`TEXT`] with one override.
fn overridden(text: &str) -> String {
    load(TEXT, &[text]).unwrap_err()
}
