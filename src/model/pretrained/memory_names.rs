//! Names that transformers 5 uses in memory, in files of `torch.save(model.state_dict())`.

use super::family::Family;
use super::tensor_file::{HostTensor, Tensors};

/// Parts of the names of a block in memory, and those in the files of `save_pretrained`, for all families.
const ATTENTION: [(&str, &str); 4] = [
    (".attention.q_proj.", ".attention.attention.query."),
    (".attention.k_proj.", ".attention.attention.key."),
    (".attention.v_proj.", ".attention.attention.value."),
    (".attention.o_proj.", ".attention.output.dense."),
];
/// The same for the MLP, only in models whose blocks are called `layers.0` in memory.
const MLP: [(&str, &str); 2] = [
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
];
/// The same for VideoMAE.
const VIDEO_MAE: [(&str, &str); 2] = [
    (
        ".attention.attention.query.bias",
        ".attention.attention.q_bias",
    ),
    (
        ".attention.attention.value.bias",
        ".attention.attention.v_bias",
    ),
];

/// The same for a gated MLP, but for the halves of its first layer, which are joined.
const GATED_MLP: [(&str, &str); 1] = [(".mlp.down_proj.", ".mlp.weights_out.")];

/// Renames tensors with the names of transformers 5 in memory to those of its files; others are unchanged.
pub(super) fn rename(family: Family, tensors: Tensors) -> Tensors {
    let mut renamed: Tensors = tensors
        .into_iter()
        .map(|(name, tensor)| (file_name(family, name), tensor))
        .collect();
    if family.is_dinov2() {
        join_gated_mlps(&mut renamed);
    }
    renamed
}

/// Name in a file of `save_pretrained`.
fn file_name(family: Family, mut name: String) -> String {
    let mut replace = |pairs: &[(&str, &str)]| {
        for (in_memory, in_file) in pairs {
            name = name.replace(in_memory, in_file);
        }
    };
    replace(&ATTENTION);
    if family == Family::VideoMae {
        replace(&VIDEO_MAE);
    }
    if family.is_dinov2() {
        replace(&GATED_MLP);
    }
    match block(&name) {
        Some(start) => {
            let tail = &name[start + "layers.".len()..];
            let tail = MLP
                .iter()
                .fold(tail.to_owned(), |tail, (in_memory, in_file)| {
                    tail.replace(in_memory, in_file)
                });
            format!("{}encoder.layer.{tail}", &name[..start])
        }
        None => name,
    }
}

/// Position of `layers.` in the name of a tensor of a block, such as `vit.layers.0.mlp.fc1.weight`.
fn block(name: &str) -> Option<usize> {
    if name.starts_with("layers.") {
        return Some(0);
    }
    name.find(".layers.").map(|dot| dot + 1)
}

/// Joins the two halves of the first layer of every gated MLP, `gate_proj` and `up_proj`, to `weights_in`.
fn join_gated_mlps(tensors: &mut Tensors) {
    let gates: Vec<String> = tensors
        .keys()
        .filter(|name| name.contains(".mlp.gate_proj."))
        .cloned()
        .collect();
    for gate in gates {
        let up = gate.replace(".gate_proj.", ".up_proj.");
        let halves = [tensors.get(&gate), tensors.get(&up)];
        // Halves that do not fit are left, and reported as tensors that are not part of the model.
        let [Some(first), Some(second)] = halves else {
            continue;
        };
        if let Some(joined) = HostTensor::stacked(&[first, second]) {
            tensors.remove(&gate);
            tensors.remove(&up);
            tensors.insert(gate.replace(".gate_proj.", ".weights_in."), joined);
        }
    }
}
