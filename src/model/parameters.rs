//! Numbers, names and validity of the parameters of a model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use serde::Serialize;

use crate::error::{Error, Result};

/// Number of parameters of one part of a model, such as all blocks together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterCount {
    /// Name of the part: the name of the field of the model.
    pub name: String,
    /// Number of elements if the part is a list, such as the number of blocks; otherwise 1.
    pub n_parts: usize,
    /// Number of scalar parameters in all elements.
    pub n_parameters: usize,
}

/// Counts the parameters of each part of a model, in the order of its fields.
///
/// All elements of a list form one part. An enum is not a part, but the fields of its variant are.
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

/// Checks that all parameters are finite numbers.
///
/// A model with others predicts NaN, or nothing that depends on its input.
///
/// # Errors
///
/// [`Error::is_invalid_format`] with the name of the first parameter that holds NaN or infinity.
///
/// # Cost
///
/// Copies every parameter to the host once.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::LinearConfig;
/// use burn::prelude::*;
/// use burn_topology::model::check_parameters;
///
/// let mut linear = LinearConfig::new(2, 2).init(&Device::flex());
/// assert!(check_parameters(&linear).is_ok());
/// linear.weight = linear.weight.map(|weight| weight * f32::NAN);
/// assert!(check_parameters(&linear).unwrap_err().to_string().starts_with("parameter weight holds NaN"));
/// # }
/// ```
pub fn check_parameters<M: Module>(model: &M) -> Result<()> {
    let mut checker = Checker::default();
    model.visit(&mut checker);
    match checker.found {
        None => Ok(()),
        Some((name, value)) => Err(Error::invalid_format(format!(
            "parameter {name} holds {value}, expected finite numbers; the training of the model diverged, or its file is \
             damaged"
        ))),
    }
}

/// Visitor that looks for a parameter that is not finite.
#[derive(Default)]
struct Checker {
    path: ModulePath,
    found: Option<(String, f32)>,
}

impl ModuleVisitor for Checker {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.found.is_some() {
            return;
        }
        let data = param.val().into_data();
        let bad = data.iter::<f32>().find(|value| !value.is_finite());
        self.found = bad.map(|value| (self.path.joined(), value));
    }
}

/// Path of the module that a visitor is in, from the outermost module on, without variants of enums.
#[derive(Default)]
pub(super) struct ModulePath(Vec<String>);

impl ModulePath {
    /// Appends a module; to be called by `enter_module` of a visitor.
    pub(super) fn enter(&mut self, name: &str, container_type: &str) {
        if !is_enum(container_type) {
            self.0.push(name.to_owned());
        }
    }

    /// Removes the last module; to be called by `exit_module` of a visitor.
    pub(super) fn exit(&mut self, container_type: &str) {
        if !is_enum(container_type) {
            self.0.pop();
        }
    }

    /// Joins the names with dots, as in `blocks.0.attn.qkv`.
    pub(super) fn joined(&self) -> String {
        self.0.join(".")
    }
}

/// True if the container is an enum, as Burn's derive macro for modules marks it.
fn is_enum(container_type: &str) -> bool {
    container_type.starts_with("Enum:")
}

/// Visitor that counts parameters by part.
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
        // A parameter outside of any field belongs to no part.
        let Some(name) = self.path.0.first() else {
            return;
        };
        // The second name is a number if the part is a list.
        let element: usize = match self.path.0.get(1).map(|element| element.parse()) {
            Some(Ok(element)) => element,
            _ => 0,
        };
        // Fields are visited one after the other, so only the last part can grow.
        if self.counts.last().is_none_or(|last| last.name != *name) {
            self.counts.push(ParameterCount {
                name: name.clone(),
                n_parts: 0, // raised below
                n_parameters: 0,
            });
        }
        if let Some(count) = self.counts.last_mut() {
            count.n_parts = count.n_parts.max(element + 1);
            // Unlike `val`, this does not initialise the parameter, which would draw random numbers.
            count.n_parameters += param.lazy_shape().num_elements();
        }
    }
}
