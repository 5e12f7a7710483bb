//! Reading and replacing the parameters of a model by their names.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;

use super::tensor_file::{HostTensor, Tensors};
use crate::model::parameters::ModulePath;

/// Replaces the parameters of a model that have the given names; the others are unchanged.
///
/// # Panics
///
/// If a tensor has another shape than the parameter, or if there is no parameter with its name.
pub(super) fn fill<M: Module>(model: M, tensors: Tensors) -> M {
    let mut filler = Fill {
        path: ModulePath::default(),
        tensors,
    };
    let model = model.map(&mut filler);
    // A wrong name in a mapping would otherwise leave a parameter at its random values unnoticed.
    let unknown: Vec<_> = filler.tensors.keys().collect();
    assert!(
        unknown.is_empty(),
        "the model has no parameters with the names {unknown:?}"
    );
    model
}

/// Shapes of all parameters by name, without initialising lazy parameters.
pub(super) fn shapes<M: Module>(model: &M) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = Shapes::default();
    model.visit(&mut shapes);
    shapes.shapes
}

/// Values of all parameters by name.
pub(super) fn collect<M: Module>(model: &M) -> Tensors {
    let mut collector = Collect::default();
    model.visit(&mut collector);
    collector.tensors
}

/// Mapper that replaces parameters.
struct Fill {
    path: ModulePath,
    tensors: Tensors,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.joined();
        let Some(HostTensor { shape, values }) = self.tensors.remove(&name) else {
            return param;
        };
        // Lazy, so that no random numbers are drawn for a parameter that is replaced.
        let expected = param.lazy_shape().to_vec();
        assert_eq!(
            shape, expected,
            "parameter {name} gets a tensor of shape {shape:?}, expected {expected:?}"
        );
        let device = param.lazy_device();
        Param::from_data(TensorData::new(values, shape), &device)
    }
}

/// Visitor that collects the values of parameters.
#[derive(Default)]
struct Collect {
    path: ModulePath,
    tensors: Tensors,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        // The device may compute in another precision.
        let values = tensor.into_data().iter::<f32>().collect();
        self.tensors
            .insert(self.path.joined(), HostTensor { shape, values });
    }
}

/// Visitor that collects the shapes of parameters.
#[derive(Default)]
struct Shapes {
    path: ModulePath,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape().to_vec();
        self.shapes.insert(self.path.joined(), shape);
    }
}
