//! Pretrained weights of transformers, timm and PyTorch.

use std::path::Path;

use burn_topology::burn::prelude::*;
use burn_topology::model::pretrained::{ModelOverrides, open};

use super::super::case::Case;
use super::{repository, stored};

/// Cases of `tests/data_files/pretrained`, without the outputs that they must give.
fn cases(names: &[&str]) -> Vec<Case> {
    let is_input = |name: &str| !name.starts_with("expected");
    names
        .iter()
        .map(|name| repository("tests/data_files/pretrained").join(name))
        .map(|directory| Case::read(&directory, is_input).expect("a case"))
        .collect()
}

/// Models of transformers.
pub(super) fn safetensors_corpus() -> Vec<Case> {
    cases(&[
        "vit",
        "vit_float16",
        "deit_teacher",
        "dinov2_registers",
        "timesformer",
        "videomae",
    ])
}

/// Models of timm.
pub(super) fn timm_corpus() -> Vec<Case> {
    cases(&["timm_vit", "timm_dinov2", "timm_gap", "timm_swiglu"])
}

/// Models in files of PyTorch, and files that hold something else.
pub(super) fn pytorch_corpus() -> Vec<Case> {
    let mut cases = cases(&["timm_bfloat16", "timm_checkpoint"]);
    let config = cases[0].files[0].clone();
    for name in ["code.pkl", "code.pth", "module.pth"] {
        let bytes = stored(&format!("tests/data_files/pretrained_refused/{name}"));
        cases.push(Case {
            files: vec![config.clone(), ("model.pth".to_owned(), bytes)],
        });
    }
    cases
}

/// Opens a model.
pub(super) fn read_weights(directory: &Path) {
    let _ = open(directory, &ModelOverrides::default(), &Device::flex());
}
