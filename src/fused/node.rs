//! Nodes of the graph with a hand-written backward pass, on the CPU backend.

#![allow(
    unsafe_code,
    reason = "output buffers are left uninitialised until their blocks are written in parallel"
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

/// Tensor of the CPU backend, of any rank.
pub(super) type HostTensor = FloatTensor<Flex>;

/// Function of `N` tensors, with its derivative.
pub(super) trait Operation<const N: usize>: Debug + Clone + Send + 'static {
    /// Tensors that are kept from the forward pass for the backward pass.
    ///
    /// Only a node in a graph keeps them: without a graph they are dropped at once.
    type Saved: Debug + Clone + Send + 'static;

    /// Computes the output, and the tensors to keep for the backward pass.
    fn forward(&self, inputs: [HostTensor; N]) -> (HostTensor, Self::Saved);

    /// Computes the gradients of the inputs from that of the output.
    ///
    /// `is_wanted` is false for inputs without gradient; their result may be `None`.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: HostTensor,
        is_wanted: [bool; N],
    ) -> [Option<HostTensor>; N];
}

/// Input of an operation: a tensor of single precision on the CPU backend, of any rank.
pub(super) enum Input {
    /// Tensor on a device without gradients.
    Constant(HostTensor),
    /// Tensor on an autodiff device, with its node of the graph.
    Tracked(FloatTensor<Autodiff<Flex>>),
}

impl Input {
    /// Returns the tensor as an input of an operation; `None` if the operation cannot take it.
    ///
    /// That is so if it has another precision, lies on another backend, or is part of a graph with checkpointing,
    /// which recomputes its operations.
    pub(super) fn from_tensor<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
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

/// Applies an operation as one node of the graph; `None` if only some of the inputs are tracked.
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
    if let Ok(inputs) = <[HostTensor; N]>::try_from(constants) {
        let (output, _) = operation.forward(inputs);
        return Some(Tensor::from_primitive::<Flex>(output));
    }
    let inputs = <[FloatTensor<Autodiff<Flex>>; N]>::try_from(tracked).ok()?;
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| input.into_primitive());
    // Preparing consumes the node, but the operation is still needed for the forward pass.
    let node = Node(operation.clone());
    let output = match node
        .prepare::<NoCheckpointing>(nodes)
        // The output is kept instead of being recomputed in the backward pass.
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = operation.forward(inputs);
            prepared.finish(saved, output)
        }
        // No input has a gradient, so nothing is kept for a backward pass.
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(inputs).0),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
}

/// Node of Burn's graph that runs the backward pass of an operation.
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
        let parent_gradients = self.0.backward(ops.state, gradient, is_wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(parent_gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Creates a tensor from values, the last dimension varying fastest.
pub(super) fn host_tensor(values: Vec<f32>, shape: impl Into<Shape>) -> HostTensor {
    HostTensor::from_data(TensorData::new(values, shape))
}

/// Returns the tensor with its values contiguous, the last dimension varying fastest; copies only if needed.
pub(super) fn contiguous(tensor: HostTensor) -> HostTensor {
    match tensor.as_slice::<f32>() {
        Some(_) => tensor,
        None => tensor.to_contiguous(),
    }
}

/// Returns the values of a [`contiguous`] tensor.
pub(super) fn values(tensor: &HostTensor) -> &[f32] {
    tensor.as_slice().expect("the tensor is contiguous")
}

/// Creates a tensor from values, with the shape of another.
pub(super) fn host_tensor_like(values: Vec<f32>, other: &HostTensor) -> HostTensor {
    host_tensor(values, other.shape())
}

/// Uninitialised memory of one block of an output.
pub(super) struct Unwritten<'a>(pub(super) &'a mut [MaybeUninit<f32>]);

impl<'a> Unwritten<'a> {
    /// Number of values in the block.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Fills the block with zeros.
    pub(super) fn zeroed(self) -> &'a mut [f32] {
        self.0.fill(MaybeUninit::new(0.0));
        // SAFETY: `fill` has just written every value.
        unsafe { self.assume_written() }
    }

    /// Fills the block with copies of one row.
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
        // SAFETY: the length is a multiple of the row's, so the chunks covered and wrote every value.
        unsafe { self.assume_written() }
    }

    /// Returns the block as initialised values.
    ///
    /// # Safety
    ///
    /// Every value must have been written.
    pub(super) unsafe fn assume_written(self) -> &'a mut [f32] {
        // SAFETY: `MaybeUninit<f32>` has the layout of `f32`, the caller has written every value, and the
        // exclusive borrow for `'a` is passed on.
        unsafe { &mut *(from_mut(self.0) as *mut [f32]) }
    }
}

/// Computes an output in parallel, block by block, without zeroing it first.
///
/// `fill` gets the index of a block and its uninitialised memory, and returns that memory initialised. The
/// last block may be shorter. Zeroing the whole output first would cost a pass over the memory by one
/// thread, and would place all pages near that thread.
///
/// # Panics
///
/// If `fill` returns other memory than it got.
pub(super) fn in_blocks(
    length: usize,
    block: usize,
    fill: impl for<'a> Fn(usize, Unwritten<'a>) -> &'a mut [f32] + Sync,
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(length);
    let blocks = numbers.spare_capacity_mut()[..length].par_chunks_mut(block.max(1));
    blocks.enumerate().for_each(|(index, block)| {
        let memory = (block.as_ptr().cast::<f32>(), block.len());
        let written = fill(index, Unwritten(block));
        // The types alone do not force `fill` to initialise this block: it could return another slice.
        assert!(
            (written.as_ptr(), written.len()) == memory,
            "the memory of a block was not returned"
        );
    });
    // SAFETY: the blocks cover the whole length, and each was returned as initialised values; a panic in
    // a block leaves the length at 0.
    unsafe { numbers.set_len(length) };
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_every_size_are_written_in_their_place() {
        for length in [0, 1, 7, 8, 9, 100] {
            for block in [0, 1, 3, 8, 200] {
                let numbers = in_blocks(length, block, |index, memory| {
                    let written = memory.zeroed();
                    for (offset, number) in written.iter_mut().enumerate() {
                        *number += (index * block + offset) as f32;
                    }
                    written
                });
                // Blocks of 0 values have 1.
                let expected = |at: usize| if block == 0 { 0.0 } else { at as f32 };
                let expected: Vec<f32> = (0..length).map(expected).collect();
                assert_eq!(numbers, expected, "{length} values in blocks of {block}");
            }
        }
        let rows = in_blocks(8, 4, |index, memory| memory.rows_of(&[index as f32, 7.0]));
        assert_eq!(rows, [0.0, 7.0, 0.0, 7.0, 1.0, 7.0, 1.0, 7.0]);
    }

    #[test]
    #[should_panic(expected = "the memory of a block was not returned")]
    fn other_memory_is_refused() {
        in_blocks(4, 2, |_, _| Box::leak(vec![0.0; 2].into_boxed_slice()));
    }

    #[test]
    #[should_panic(expected = "the memory of a block was not returned")]
    fn part_of_the_memory_is_refused() {
        in_blocks(4, 2, |_, memory| &mut memory.zeroed()[..1]);
    }

    #[test]
    #[should_panic(expected = "an incomplete row")]
    fn incomplete_rows_are_refused() {
        in_blocks(3, 3, |_, memory| memory.rows_of(&[1.0, 2.0]));
    }
}
