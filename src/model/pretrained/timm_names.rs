//! Names of tensors in files of timm, and of others with the same models.

use super::tensor_file::Tensors;

/// Tensor that every model has; what precedes this in its name is the prefix of all names.
const LANDMARK: &str = "patch_embed.proj.weight";
/// Second such tensors, which other kinds of models lack; blocks may lie in chunks.
const BLOCKS: [&str; 2] = ["blocks.0.norm1.weight", "blocks.0.0.norm1.weight"];

/// What precedes the model in the name of its first tensor; `None` for other names.
///
/// `has` tells whether there is a tensor of a name.
pub(super) fn root(name: &str, has: impl Fn(&str) -> bool) -> Option<&str> {
    let root = name.strip_suffix(LANDMARK)?;
    let has_blocks = BLOCKS.iter().any(|block| has(&format!("{root}{block}")));
    (has_blocks && (root.is_empty() || root.ends_with('.'))).then_some(root)
}

/// True if the tensors have the names of timm.
pub(super) fn has_names(tensors: &Tensors) -> bool {
    root(LANDMARK, |name| tensors.contains_key(name)).is_some()
}

/// Renames the tensors of the DINOv2 authors' own files to the names of timm, and leaves out what only pretraining
/// uses; the names of the latter are returned, too.
pub(super) fn rename(tensors: Tensors) -> (Tensors, Vec<String>) {
    // Decoders of masked autoencoders, and projections of contrastive learning in place of a classifier.
    let is_of_pretraining = |name: &str| {
        name.starts_with("decoder_")
            || (name.starts_with("head.") && !matches!(name, "head.weight" | "head.bias"))
    };
    let mut renamed = Tensors::new();
    let mut left_out = Vec::new();
    for (name, tensor) in tensors {
        if is_of_pretraining(&name) {
            left_out.push(name);
        } else {
            renamed.insert(timm_name(name), tensor);
        }
    }
    (renamed, left_out)
}

/// Name in timm of a tensor of the DINOv2 authors; others are unchanged.
fn timm_name(name: String) -> String {
    if name == "register_tokens" {
        return "reg_token".to_owned();
    }
    let Some(block) = name.strip_prefix("blocks.") else {
        return name;
    };
    // In the files of distributed training, the number of the block follows that of its chunk.
    let is_number = |text: &str| text.parse::<usize>().is_ok();
    let block = match block.split_once('.') {
        Some((_, rest)) if rest.split('.').next().is_some_and(is_number) => rest,
        _ => block,
    };
    format!("blocks.{block}")
        .replace(".mlp.w12.", ".mlp.fc1.")
        .replace(".mlp.w3.", ".mlp.fc2.")
}
