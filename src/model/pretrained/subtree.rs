//! The tensors of one model among those of a checkpoint, which may have others: of the optimiser, of a second model.

use std::collections::{BTreeMap, BTreeSet};

use super::{hugging_face_config, timm_names};
use crate::counted::counted;
use crate::error::{Error, Result};

/// Parts of names that PyTorch inserts for parallel, compiled, sharded and recomputed modules.
const WRAPPERS: [&str; 4] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];
/// Words of names under which averages of the weights over the training are stored.
const AVERAGES: [&str; 3] = ["ema", "teacher", "target"];
/// Beginnings of names under which the state of the training is stored.
const TRAINING_STATE: [&str; 3] = ["optim", "lr_sched", "scaler"];
/// Largest number of groups of tensors that are listed.
const N_LISTED: usize = 5;

/// Tensors of a model in a file.
#[derive(Debug)]
pub(super) struct Subtree {
    /// Names in the file and, for each, the name without prefixes.
    pub(super) names: BTreeMap<String, String>,
    /// What precedes the names in the file, without the parts that wrappers insert; empty, or ends with a dot.
    pub(super) root: String,
    /// What was chosen and what was passed over, in one sentence; `None` if the file has nothing else.
    pub(super) note: Option<String>,
}

impl Subtree {
    /// Finds a model of transformers or timm under any prefix, by the names of its first tensors.
    ///
    /// Of several models, an average over the training is preferred, as in timm.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if there is no such model, or if two tensors would have the same name.
    pub(super) fn find(names: &BTreeSet<String>) -> Result<Self> {
        // Names without wrappers, and the names in the file.
        let mut plain = BTreeMap::new();
        for name in names.iter().filter(|name| !is_training_state(name)) {
            if let Some(other) = plain.insert(without_wrappers(name), name) {
                return Err(Error::invalid_format(format!(
                    "the tensors {other} and {name} differ only in what PyTorch's wrappers add to a name, expected one \
                     of them; save one model alone"
                )));
            }
        }
        let mut roots: Vec<&str> = plain
            .keys()
            .filter_map(|name| {
                let has = |name: &str| plain.contains_key(name);
                hugging_face_config::root(name).or_else(|| timm_names::root(name, has))
            })
            .collect();
        roots.sort_by_key(|root| (!is_average(root), root.split('.').count(), *root));
        roots.dedup();
        let Some(&root) = roots.first() else {
            return Err(Error::invalid_format(format!(
                "the {}, such as {}, are not those of a vision transformer of timm or transformers, expected \
                 patch_embed.proj.weight or embeddings.patch_embeddings.projection.weight",
                counted(names.len(), "tensor"),
                plain
                    .values()
                    .next()
                    .map_or("those of an optimiser", |name| name.as_str()),
            )));
        };
        let inner_roots = roots[1..].iter().filter(|other| other.starts_with(root));
        let chosen: BTreeMap<String, String> = plain
            .iter()
            // Of two models, one may lie within the other.
            .filter(|(plain, _)| !inner_roots.clone().any(|inner| plain.starts_with(inner)))
            .filter_map(|(plain, name)| {
                Some(((*name).clone(), plain.strip_prefix(root)?.to_owned()))
            })
            .collect();
        let passed_over = names.iter().filter(|name| !chosen.contains_key(*name));
        let note = describe(root, &roots[1..], passed_over);
        Ok(Self {
            names: chosen,
            root: root.to_owned(),
            note,
        })
    }
}

/// Name without the parts that wrappers insert.
fn without_wrappers(name: &str) -> String {
    let parts: Vec<&str> = name
        .split('.')
        .filter(|part| !WRAPPERS.contains(part))
        .collect();
    parts.join(".")
}

/// True for tensors of the optimiser and the like.
fn is_training_state(name: &str) -> bool {
    name.split('.').any(|part| {
        TRAINING_STATE
            .iter()
            .any(|state| part.to_lowercase().starts_with(state))
    })
}

/// True for prefixes of weights that are averages over the training, such as `state_dict_ema.`.
fn is_average(root: &str) -> bool {
    root.to_lowercase()
        .split(['.', '_'])
        .any(|word| AVERAGES.contains(&word))
}

/// Describes the choice of the tensors under `root`; `None` if nothing was passed over.
fn describe<'a>(
    root: &str,
    other_roots: &[&str],
    passed_over: impl Iterator<Item = &'a String>,
) -> Option<String> {
    // Groups are named by the parts that they share with the root, and the first in which they differ.
    let mut n_tensors: BTreeMap<String, usize> = BTreeMap::new();
    for name in passed_over {
        let plain = without_wrappers(name);
        let parts: Vec<&str> = plain.split('.').collect();
        let n_shared = parts
            .iter()
            .zip(root.split('.'))
            .take_while(|(a, b)| *a == b);
        let n_parts = (n_shared.count() + 1).min(parts.len());
        *n_tensors.entry(parts[..n_parts].join(".")).or_default() += 1;
    }
    if n_tensors.is_empty() {
        return None;
    }
    let listed: Vec<String> = n_tensors
        .iter()
        .take(N_LISTED)
        .map(|(group, &n)| format!("{group} ({})", counted(n, "tensor")))
        .collect();
    let more = match n_tensors.len().saturating_sub(N_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more groups"),
    };
    let choice = match (root, other_roots.is_empty(), is_average(root)) {
        ("", ..) => String::new(),
        (_, true, _) => format!("the weights are those under `{root}`; "),
        (_, false, true) => format!(
            "of {} models the one under `{root}` is read, by its name an average over the training; ",
            other_roots.len() + 1
        ),
        (_, false, false) => format!(
            "of {} models the one under `{root}` is read; ",
            other_roots.len() + 1
        ),
    };
    Some(format!("{choice}passed over: {}{more}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the first tensors of a ViT of timm.
    const TIMM: [&str; 2] = ["blocks.0.norm1.weight", "patch_embed.proj.weight"];
    /// Names of tensors of a ViT of transformers.
    const TRANSFORMERS: [&str; 2] = [
        "classifier.weight",
        "vit.embeddings.patch_embeddings.projection.weight",
    ];

    /// Finds the model among tensors with these prefixes and other names.
    fn find(models: &[(&str, [&str; 2])], others: &[&str]) -> Subtree {
        let names = models
            .iter()
            .flat_map(|(prefix, names)| names.map(|name| format!("{prefix}{name}")));
        let names = names.chain(others.iter().map(|name| (*name).to_owned()));
        Subtree::find(&names.collect()).unwrap()
    }

    #[test]
    fn a_model_is_found_under_any_prefix() {
        for prefix in [
            "",
            "module.",
            "_orig_mod.",
            "_orig_mod.module.",
            "module._orig_mod.",
            "model.",
            "state_dict.module.model.",
            "model_state_dict.net.0.",
            "state_dict_ema.",
            "anything._fsdp_wrapped_module.",
        ] {
            for names in [TIMM, TRANSFORMERS] {
                let found = find(&[(prefix, names)], &[]);
                let plain: BTreeSet<_> = found.names.values().map(String::as_str).collect();
                assert_eq!(plain, BTreeSet::from(names), "{prefix}");
                assert_eq!(found.note, None, "{prefix}");
            }
        }
    }

    #[test]
    fn wrappers_within_a_model_are_removed() {
        let names = ["blocks.0._orig_mod.norm1.weight", "patch_embed.proj.weight"];
        let found = find(&[("model.", names)], &[]);
        assert_eq!(
            found.names["model.blocks.0._orig_mod.norm1.weight"],
            "blocks.0.norm1.weight"
        );
    }

    #[test]
    fn averages_are_preferred_and_the_choice_is_told() {
        let optimizer = ["optimizer.state.0.exp_avg", "optimizer.state.1.exp_avg"];
        for (models, others, note) in [
            (
                &[("model.", TIMM)][..],
                &optimizer[..],
                "the weights are those under `model.`; passed over: optimizer (2 tensors)",
            ),
            (
                &[("state_dict.", TIMM), ("state_dict_ema.module.", TIMM)],
                &optimizer,
                "of 2 models the one under `state_dict_ema.` is read, by its name an average over the training; passed over: \
                 optimizer (2 tensors), state_dict (2 tensors)",
            ),
            (
                &[
                    ("student.module.backbone.", TIMM),
                    ("teacher.backbone.", TIMM),
                ],
                &["teacher.head.mlp.0.weight"],
                "of 2 models the one under `teacher.backbone.` is read, by its name an average over the training; passed over: \
                 student (2 tensors), teacher.head (1 tensor)",
            ),
            (
                &[
                    ("state_dict.module.base_encoder.", TIMM),
                    ("state_dict.module.momentum_encoder.", TIMM),
                ],
                &[],
                "of 2 models the one under `state_dict.base_encoder.` is read; passed over: \
                 state_dict.momentum_encoder (2 tensors)",
            ),
            (
                &[("", TRANSFORMERS)],
                &optimizer[..1],
                "passed over: optimizer (1 tensor)",
            ),
        ] {
            assert_eq!(find(models, others).note.as_deref(), Some(note));
        }
    }

    #[test]
    fn two_tensors_of_one_name_are_refused() {
        let names = ["module.patch_embed.proj.weight", "patch_embed.proj.weight"];
        let error = Subtree::find(&names.map(str::to_owned).into()).unwrap_err();
        assert!(
            error.to_string().starts_with(
                "the tensors module.patch_embed.proj.weight and patch_embed.proj.weight differ only in"
            ),
            "{error}"
        );
    }
}
