//! Parameters of a model: their numbers, their groups, and which of them are frozen.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;

/// Replaces Burn's random parameter identifiers by consecutive numbers.
///
/// Identifiers are stored in checkpoints; with random ones, equal trainings would write different files.
pub fn number_parameters<M: Module>(model: M) -> M {
    model.map(&mut Number { next: 1 })
}

/// Module mapper that assigns consecutive identifiers.
struct Number {
    next: u64,
}

impl ModuleMapper for Number {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, tensor, mapper) = param.consume();
        let id = ParamId::from(self.next);
        self.next += 1;
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// Freezes the embedding and the first `n_blocks` blocks of a model.
pub(super) fn freeze<M: Module>(model: M, n_blocks: usize) -> M {
    model.map(&mut Freeze {
        path: Vec::new(),
        n_blocks,
    })
}

/// Module mapper that freezes parameters by their names.
struct Freeze {
    path: Vec<String>,
    n_blocks: usize,
}

impl ModuleMapper for Freeze {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        enter(&mut self.path, name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        exit(&mut self.path, container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match ParameterGroup::from_path(&self.path) {
            ParameterGroup::Embedding => param.set_require_grad(false),
            ParameterGroup::Block(block) if block < self.n_blocks => param.set_require_grad(false),
            ParameterGroup::Block(_) | ParameterGroup::Head => param,
        }
    }
}

/// Group of parameters of a transformer that share a learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterGroup {
    /// Parameters before the first block.
    Embedding,
    /// Parameters of one block, counted from 0.
    Block(usize),
    /// Parameters after the last block; for a factorised encoder, the whole temporal encoder too.
    Head,
}

impl ParameterGroup {
    /// Group of the parameter with this name, split at its dots.
    pub(super) fn from_path(path: &[String]) -> Self {
        match path.first().map_or("", String::as_str) {
            "blocks" => {
                // Burn names the elements of a list by their index, so this is always a number.
                let number = path.get(1).and_then(|number| number.parse().ok());
                Self::Block(number.unwrap_or(0))
            }
            "patch_embed" | "cls_token" | "dist_token" | "reg_token" | "pos_embed"
            | "time_embed" => Self::Embedding,
            _ => Self::Head,
        }
    }
}

/// Appends a module to the path of the current parameter.
pub(super) fn enter(path: &mut Vec<String>, name: &str, container_type: &str) {
    // Burn also enters the variants of enums, which are not part of a parameter's name.
    if !container_type.starts_with("Enum:") {
        path.push(name.to_owned());
    }
}

/// Removes the last module from the path of the current parameter.
pub(super) fn exit(path: &mut Vec<String>, container_type: &str) {
    if !container_type.starts_with("Enum:") {
        path.pop();
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::optim::GradientsParams;
    use burn::prelude::*;

    use super::*;
    use crate::model::VitConfig;

    #[test]
    fn frozen_parameters_have_no_gradient() {
        let device = Device::flex().autodiff();
        let model = freeze(VitConfig::new([4, 4], 1, 3, 2, 8, 2, 2).init(&device), 1);
        let model = number_parameters(model);
        let images = Tensor::ones([1, 1, 4, 4], &device);
        let output = model.forward(images, crate::model::Capture::Logits).output;
        let gradients = GradientsParams::from_grads(output.sum().backward(), &model);
        let bias = |block: usize| model.blocks[block].attn.proj.bias.as_ref().unwrap().id;
        assert!(gradients.get::<3>(model.pos_embed.id).is_none());
        assert!(gradients.get::<1>(bias(0)).is_none());
        assert!(gradients.get::<1>(bias(1)).is_some());
    }
}
