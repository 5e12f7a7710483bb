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

/// Memory of a block of numbers that nothing was written to yet.
pub(super) struct Unwritten<'a>(pub(super) &'a mut [MaybeUninit<f32>]);

impl<'a> Unwritten<'a> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Zeros.
    pub(super) fn zeroed(self) -> &'a mut [f32] {
        self.0.fill(MaybeUninit::new(0.0));
        // SAFETY: all of it was written.
        unsafe { self.assume_written() }
    }

    /// The same row over and over.
    ///
    /// # Panics
    ///
    /// If the length is not a multiple of the row's.
    pub(super) fn rows_of(self, row: &[f32]) -> &'a mut [f32] {
        assert!(self.len().is_multiple_of(row.len()), "an incomplete row");
        for copy in self.0.chunks_exact_mut(row.len()) {
            for (number, value) in copy.iter_mut().zip(row) {
                number.write(*value);
            }
        }
        // SAFETY: all of it was written, as rows cover the length.
        unsafe { self.assume_written() }
    }

    /// # Safety
    ///
    /// Every number must have been written.
    pub(super) unsafe fn assume_written(self) -> &'a mut [f32] {
        // SAFETY: the layout is that of the numbers, which were written.
        unsafe { &mut *(from_mut(self.0) as *mut [f32]) }
    }
}

/// Numbers made in parallel, so many at a time: `fill` gets the number of the block and its memory, and
/// returns that memory, written.
///
/// Pages are first touched where they are needed, not zeroed by one thread before.
pub(super) fn in_blocks(
    length: usize,
    block: usize,
    fill: impl for<'a> Fn(usize, Unwritten<'a>) -> &'a mut [f32] + Sync,
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(length);
    let blocks = numbers.spare_capacity_mut()[..length].par_chunks_mut(block.max(1));
    blocks.enumerate().for_each(|(place, block)| {
        let memory = (block.as_ptr().cast::<f32>(), block.len());
        let written = fill(place, Unwritten(block));
        assert!(
            (written.as_ptr(), written.len()) == memory,
            "the memory of a block was not given back"
        );
    });
    // SAFETY: the blocks cover the whole length, and each was given back as written numbers.
    unsafe { numbers.set_len(length) };
    numbers
}
