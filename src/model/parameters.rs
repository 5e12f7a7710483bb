//! Where a model's parameters are.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The parameters of a part of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterCount {
    /// Name of the part, as in the model's own names.
    pub name: String,
    /// How many parts of this name there are, as blocks.
    pub n_parts: usize,
    /// Numbers in all of them.
    pub n_parameters: usize,
}

/// Parameters of each part of a model, in its order; the elements of a list are one entry, and the
/// variant of an enum is none: its parts are.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::model::{VitConfig, count_parameters};
///
/// let vit = VitConfig::new([8, 8], 1, 10, 2, 16, 2, 4).init(&Device::flex());
/// let counts = count_parameters(&vit);
/// assert_eq!((counts[0].name.as_str(), counts[0].n_parameters), ("patch_embed", 80));
/// let blocks = counts.iter().find(|count| count.name == "blocks").unwrap();
/// assert_eq!(blocks.n_parts, 2);
/// assert_eq!(counts.iter().map(|count| count.n_parameters).sum::<usize>(), vit.num_params());
/// # }
/// ```
pub fn count_parameters<M: Module>(model: &M) -> Vec<ParameterCount> {
    let mut counter = Counter::default();
    model.visit(&mut counter);
    counter.counts
}

/// Names of the modules that a visitor is in; the variant of an enum is none.
#[derive(Default)]
pub(super) struct ModulePath(Vec<String>);

impl ModulePath {
    /// As `enter_module` of a visitor.
    pub(super) fn enter(&mut self, name: &str, container_type: &str) {
        if !is_enum(container_type) {
            self.0.push(name.to_owned());
        }
    }

    /// As `exit_module` of a visitor.
    pub(super) fn exit(&mut self, container_type: &str) {
        if !is_enum(container_type) {
            self.0.pop();
        }
    }

    /// With points between the names.
    pub(super) fn joined(&self) -> String {
        self.0.join(".")
    }
}

/// As Burn's derived modules call an enum.
fn is_enum(container_type: &str) -> bool {
    container_type.starts_with("Enum:")
}

#[derive(Default)]
struct Counter {
    path: ModulePath,
    counts: Vec<ParameterCount>,
}

impl ModuleVisitor for Counter {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(name) = self.path.0.first() else {
            return;
        };
        let element: usize = match self.path.0.get(1).map(|element| element.parse()) {
            Some(Ok(element)) => element,
            _ => 0,
        };
        if self.counts.last().is_none_or(|last| last.name != *name) {
            self.counts.push(ParameterCount {
                name: name.clone(),
                n_parts: 0,
                n_parameters: 0,
            });
        }
        if let Some(count) = self.counts.last_mut() {
            count.n_parts = count.n_parts.max(element + 1);
            count.n_parameters += param.lazy_shape().num_elements();
        }
    }
}
