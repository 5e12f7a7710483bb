//! Checks of a configuration and of the tensors of a file before a model is made from them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::convert::{expected_shapes, is_optional};
use super::layout::Layout;
use super::mapping::ParameterMapping;
use super::tensor_file::Tensors;
use crate::error::{Error, Result};
use crate::json_paths::flatten;
use crate::model::{NetworkConfig, VideoAttention};

/// Largest number of tensors that are listed by name for each kind of problem.
const N_LISTED: usize = 5;
/// Largest size of a position embedding, more than any real model has.
///
/// It keeps a damaged configuration from allocating all memory.
const MAX_POSITIONS: usize = 1 << 28;

/// Number of parameters that are allocated whatever the file has.
const SMALL_MODEL: f64 = (1 << 24) as f64;

/// Checks that a configuration is consistent, so that a model can be initialised without a panic.
///
/// `file` is the number of tensors in the file, which limits the number of layers, and the number of values in them, which
/// limits that of the parameters; `None` for a configuration that was changed after it was compared with the file.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] for the first inconsistency.
pub(super) fn check_config(config: &NetworkConfig, file: Option<[usize; 2]>) -> Result<()> {
    let [n_tensors, n_values] = file.unwrap_or([usize::MAX; 2]);
    let (d_model, n_heads, image_size, patch_size) = match config {
        NetworkConfig::Vit(config) => (
            config.d_model,
            config.n_heads,
            config.image_size,
            config.patch_size,
        ),
        NetworkConfig::Video(config) => (
            config.d_model,
            config.n_heads,
            config.image_size,
            config.patch_size,
        ),
        NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => return Ok(()),
    };
    if d_model == 0 || n_heads == 0 || !d_model.is_multiple_of(n_heads) {
        return Err(Error::invalid_parameter(format!(
            "the number of heads is {n_heads}, expected a divisor of d_model, which is {d_model}"
        )));
    }
    for side in image_size {
        if patch_size == 0 || side == 0 || !side.is_multiple_of(patch_size) {
            return Err(Error::invalid_parameter(format!(
                "patch_size is {patch_size}, expected a divisor of the side of the images, which is {side} pixels"
            )));
        }
    }
    // Every layer has several tensors; a damaged number of layers must not allocate a huge model.
    if config.n_layers() == 0 || config.n_layers() > n_tensors {
        return Err(Error::invalid_parameter(format!(
            "the number of layers is {}, expected at least 1 and not more than the file has tensors",
            config.n_layers()
        )));
    }
    if let NetworkConfig::Video(config) = config {
        config.check()?;
    }
    let style = match config {
        NetworkConfig::Vit(config) => config.style,
        NetworkConfig::Video(config) => config.style,
        NetworkConfig::Generator(_) | NetworkConfig::LinearProbe(_) => return Ok(()),
    };
    if !(style.norm_epsilon >= 0.0 && style.norm_epsilon.is_finite()) {
        return Err(Error::invalid_parameter(format!(
            "the epsilon of the layer norms is {}, expected a finite number of at least 0",
            style.norm_epsilon
        )));
    }
    if style.d_mlp == Some(0) {
        return Err(Error::invalid_parameter(
            "the width of the hidden layer of the MLP is 0, expected at least 1",
        ));
    }
    // No division by 0 here: patch and tubelet sizes were checked above.
    let tokens = config.token_layout();
    let shape = [tokens.n_frames, tokens.grid[0], tokens.grid[1], d_model];
    let size = shape
        .iter()
        .try_fold(1_usize, |product, &n| product.checked_mul(n));
    if size.is_none_or(|size| size > MAX_POSITIONS) {
        return Err(Error::invalid_parameter(format!(
            "the position embedding has the shape {shape:?}, expected at most {MAX_POSITIONS} numbers in total"
        )));
    }
    // Some parameters may be missing in the file, but not most of them.
    let n_parameters = config.size().n_parameters;
    if n_parameters > 4.0 * n_values as f64 + SMALL_MODEL {
        return Err(Error::invalid_parameter(format!(
            "the configuration describes a model of {n_parameters:.2e} parameters, and the file has {n_values} values"
        )));
    }
    Ok(())
}

/// Checks that a file has all tensors of a model, in the right shapes, and no others.
///
/// `shapes` are those of the parameters of the model. The shape of a classifier that is not kept does not
/// matter.
///
/// # Errors
///
/// [`Error::is_invalid_format`] with the tensors that are missing, of the wrong shape or not part of the model.
pub(super) fn check_tensors(
    mappings: &[ParameterMapping],
    tensors: &Tensors,
    shapes: &BTreeMap<String, Vec<usize>>,
    layout: &Layout,
    keeps_head: bool,
) -> Result<()> {
    let mut missing = Vec::new();
    let mut misshaped = Vec::new();
    let mut known = BTreeSet::new();
    for mapping in mappings {
        known.extend(mapping.tensors.iter());
        let actual: Vec<_> = mapping
            .tensors
            .iter()
            .map(|name| tensors.get(name))
            .collect();
        // Either all optional tensors of a parameter are present or none is.
        if is_optional(mapping) && actual.iter().all(Option::is_none) {
            continue;
        }
        let is_new = mapping.parameter.starts_with("head") && !keeps_head;
        let expected = expected_shapes(mapping, &shapes[&mapping.parameter], layout);
        for ((name, actual), expected) in mapping.tensors.iter().zip(actual).zip(expected) {
            match actual {
                None => missing.push(name.clone()),
                Some(actual) if actual.shape != expected && !is_new => {
                    misshaped.push(format!(
                        "{name} is {:?}, expected {expected:?}",
                        actual.shape
                    ));
                }
                Some(_) => {}
            }
        }
    }
    let is_unknown = |name: &&String| !known.contains(name) && !layout.is_unused_tensor(name);
    let unknown: Vec<String> = tensors.keys().filter(is_unknown).cloned().collect();
    let problems: Vec<String> = [
        ("missing", missing),
        ("of the wrong shape", misshaped),
        ("not part of the model", unknown),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(problem, names)| describe_problem(problem, &names))
    .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::invalid_format(problems.join(", ")))
    }
}

/// Says which tensors are only kept to be saved again; `None` if there are none.
pub(super) fn describe_unused(tensors: &Tensors) -> Option<String> {
    // Every DINOv2 has a mask token, which is of use in pretraining alone.
    let names: Vec<String> = tensors
        .keys()
        .filter(|name| !name.ends_with("mask_token"))
        .cloned()
        .collect();
    let problem = "kept for export, but not used";
    (!names.is_empty()).then(|| describe_problem(problem, &names))
}

/// Number of tensors with a problem, and the names of the first few.
fn describe_problem(problem: &str, names: &[String]) -> String {
    let n = names.len();
    let listed = names[..n.min(N_LISTED)].join(", ");
    let more = match n.saturating_sub(N_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (noun, verb) = if n == 1 {
        ("tensor", "is")
    } else {
        ("tensors", "are")
    };
    format!("{n} {noun} {verb} {problem} ({listed}{more})")
}

/// Differences between a file and a configuration, such as `n_registers is 0 in the file and 2 in [model]`.
///
/// Keys and words are those of a TOML file. The initial value of layer scale is ignored, since the weights
/// replace it.
pub(super) fn differences(file: &NetworkConfig, config: &NetworkConfig) -> Vec<String> {
    // By way of JSON, so that options added later are compared, too.
    let as_keys = |config: &NetworkConfig| {
        let json = serde_json::to_value(config).expect("a configuration can be written");
        // Variants of enums, which begin with a capital letter, are not part of the keys.
        let is_variant = |key: &str| key.starts_with(char::is_uppercase);
        let leaves = flatten(json, &|_, key| (!is_variant(key)).then(|| key.to_owned()));
        let mut keys: BTreeMap<String, Value> = leaves.into_iter().collect();
        // In a TOML file the kind of attention is part of `kind`.
        keys.retain(|key, _| key != "attention");
        keys.insert("kind".to_owned(), Value::from(kind_word(config)));
        keys
    };
    let (file, config) = (as_keys(file), as_keys(config));
    let value = |keys: &BTreeMap<String, Value>, key: &String| {
        keys.get(key).cloned().unwrap_or(Value::Null)
    };
    let keys: BTreeSet<&String> = file.keys().chain(config.keys()).collect();
    let mut differences = Vec::new();
    for key in keys {
        let (file, config) = (value(&file, key), value(&config, key));
        let differs = if key.ends_with("layer_scale") {
            file.is_null() != config.is_null()
        } else {
            file != config
        };
        if differs {
            // The table `[model.block]` of a TOML file is the field `style` here.
            let key = key.replace("style.", "block.");
            differences.push(format!(
                "{key} is {} in the file and {} in [model]",
                as_written(&file),
                as_written(&config)
            ));
        }
    }
    differences
}

/// `model.kind` of a configuration.
fn kind_word(config: &NetworkConfig) -> &'static str {
    match config {
        NetworkConfig::Vit(_) => "vit",
        NetworkConfig::Video(config) => match config.attention {
            VideoAttention::Divided => "timesformer",
            VideoAttention::Factorised { .. } => "vivit",
            VideoAttention::Joint => "joint",
        },
        NetworkConfig::Generator(_) => "generator",
        NetworkConfig::LinearProbe(_) => "linear_probe",
    }
}

/// Value as in messages: words in backquotes.
fn as_written(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::String(word) => format!("`{word}`"),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, BlockStyle, Pooling, VitConfig};

    #[test]
    fn differences_are_in_the_words_of_a_configuration() {
        let file = VitConfig::new([8, 8], 1, 10, 4, 8, 2, 2);
        let config = file
            .clone()
            .with_pooling(Pooling::MeanBeforeNormWithCls)
            .with_style(
                BlockStyle::new()
                    .with_activation(Activation::SwiGlu)
                    .with_layer_scale(Some(1.0)),
            );
        let [file, config] = [file, config].map(NetworkConfig::Vit);
        assert_eq!(
            differences(&file, &config),
            [
                "pooling is `cls` in the file and `mean_before_norm_with_cls` in [model]",
                "block.activation is `gelu` in the file and `swiglu` in [model]",
                "block.layer_scale is absent in the file and 1.0 in [model]",
            ]
        );
        assert_eq!(differences(&config, &config), [""; 0]);
    }

    #[test]
    fn an_mlp_without_channels_is_refused() {
        for activation in [Activation::Gelu, Activation::SwiGlu] {
            let style = BlockStyle::new()
                .with_d_mlp(Some(0))
                .with_activation(activation);
            let config = VitConfig::new([8, 8], 1, 10, 4, 8, 2, 2).with_style(style);
            assert_eq!(
                check_config(&NetworkConfig::Vit(config), Some([9, 1000]))
                    .unwrap_err()
                    .to_string(),
                "the width of the hidden layer of the MLP is 0, expected at least 1"
            );
        }
    }
}
