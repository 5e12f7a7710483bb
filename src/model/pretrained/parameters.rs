//! The parameters of a model by their names in it.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;

use super::tensor_file::{HostTensor, Tensors};
use crate::model::parameters::ModulePath;

/// The model with the parameters of these names replaced; the others are as they were.
///
/// # Panics
///
/// If one has another shape, or there is no parameter of a name.
pub(super) fn fill<M: Module>(model: M, tensors: Tensors) -> M {
    let mut filler = Fill {
        path: ModulePath::default(),
        tensors,
    };
    let model = model.map(&mut filler);
    let left: Vec<_> = filler.tensors.keys().collect();
    assert!(left.is_empty(), "the model has no parameters {left:?}");
    model
}

/// Shapes of all parameters, none of which is made for it.
pub(super) fn shapes<M: Module>(model: &M) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = Shapes::default();
    model.visit(&mut shapes);
    shapes.shapes
}

/// All parameters.
pub(super) fn collect<M: Module>(model: &M) -> Tensors {
    let mut collector = Collect::default();
    model.visit(&mut collector);
    collector.tensors
}

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
        let expected = param.lazy_shape();
        assert_eq!(expected.to_vec(), shape, "shape of {name}");
        let device = param.lazy_device();
        Param::from_data(TensorData::new(values, shape), &device)
    }
}

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
        let values = tensor.into_data().iter::<f32>().collect();
        self.tensors
            .insert(self.path.joined(), HostTensor { shape, values });
    }
}

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
