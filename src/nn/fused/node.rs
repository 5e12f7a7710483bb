//! Operations of the CPU backend with a backward pass of their own.

#![allow(
    unsafe_code,
    reason = "memory that is about to be written is not zeroed by one thread before"
)]

use std::fmt::Debug;
use std::mem::MaybeUninit;
use std::ptr::from_mut;

use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Shape, Tensor, TensorData};
use rayon::prelude::*;

/// A tensor of the CPU backend.
pub(super) type Host = FloatTensor<Flex>;

/// A function of `N` tensors and its derivative.
pub(super) trait Operation<const N: usize>: Debug + Clone + Send + 'static {
    /// What the backward pass needs.
    type Saved: Debug + Clone + Send + 'static;

    /// The output, and what its derivative needs.
    fn forward(&self, inputs: [Host; N]) -> (Host, Self::Saved);

    /// Gradients of those inputs that want one.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: Host,
        is_wanted: [bool; N],
    ) -> [Option<Host>; N];
}

/// A tensor of single precision on the CPU backend, of whatever rank.
pub(super) enum Input {
    Constant(Host),
    Tracked(FloatTensor<Autodiff<Flex>>),
}

impl Input {
    /// `None` if the tensor is not there, or keeps its graph for recomputation.
    pub(super) fn of<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        if tensor.dtype() != DType::F32 {
            return None;
        }
        if tensor.device().is_autodiff() {
            let tensor = tensor.try_into_primitive::<Autodiff<Flex>>();
            tensor.ok().map(Self::Tracked)
        } else {
            tensor.try_into_primitive::<Flex>().ok().map(Self::Constant)
        }
    }
}

/// The operation as one node of the graph; `None` if the inputs are not all of one kind.
pub(super) fn apply<O: Operation<N>, const N: usize, const R: usize>(
    operation: O,
    inputs: [Input; N],
) -> Option<Tensor<R>> {
    let mut constants = Vec::with_capacity(N);
    let mut tracked = Vec::with_capacity(N);
    for input in inputs {
        match input {
            Input::Constant(tensor) => constants.push(tensor),
            Input::Tracked(tensor) => tracked.push(tensor),
        }
    }
    if let Ok(inputs) = <[Host; N]>::try_from(constants) {
        let (output, _) = operation.forward(inputs);
        return Some(Tensor::from_primitive::<Flex>(output));
    }
    let inputs = <[FloatTensor<Autodiff<Flex>>; N]>::try_from(tracked).ok()?;
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| input.into_primitive());
    let node = Node(operation.clone());
    let output = match node
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = operation.forward(inputs);
            prepared.finish(saved, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(inputs).0),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
}

#[derive(Debug)]
struct Node<O>(O);

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Node<O> {
    type State = O::Saved;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let is_wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward(ops.state, gradient, is_wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// A tensor of these values.
pub(super) fn host(values: Vec<f32>, shape: impl Into<Shape>) -> Host {
    Host::from_data(TensorData::new(values, shape))
}

/// The values of a tensor, its last dimension fastest; copies only if they do not lie so.
pub(super) fn contiguous(tensor: Host) -> Host {
    match tensor.as_slice::<f32>() {
        Some(_) => tensor,
        None => tensor.to_contiguous(),
    }
}

/// The values of a [`contiguous`] tensor.
pub(super) fn values(tensor: &Host) -> &[f32] {
    tensor.as_slice().expect("the tensor is contiguous")
}

/// A tensor of these values with the shape of another.
pub(super) fn host_like(values: Vec<f32>, other: &Host) -> Host {
    host(values, other.shape())
}

/// Numbers made in parallel, so many at a time: `fill` gets the number of the block and its memory,
/// zeroed.
///
/// Pages are first touched where they are needed, and zeros are still in a cache when they are written
/// over.
pub(super) fn in_blocks(
    length: usize,
    block: usize,
    fill: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    in_blocks_with(length, block, fill).0
}

/// The same, and what `fill` returns of each block.
pub(super) fn in_blocks_with<R: Send>(
    length: usize,
    block: usize,
    fill: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let mut numbers = Vec::with_capacity(length);
    let blocks = numbers.spare_capacity_mut()[..length].par_chunks_mut(block.max(1));
    let blocks = blocks.enumerate().map(|(place, block)| {
        block.fill(MaybeUninit::new(0.0));
        // SAFETY: every number of the block was written, and the layout is that of the numbers.
        fill(place, unsafe { &mut *(from_mut(block) as *mut [f32]) })
    });
    let found = blocks.collect();
    // SAFETY: the blocks cover the whole length.
    unsafe { numbers.set_len(length) };
    (numbers, found)
}
