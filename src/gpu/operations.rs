//! The kernels as operations of Burn, with fusion and autodiff.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, TensorMetadata, backend_extension};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;

use super::bars::BarLayout;
use super::launch;
use super::metric::DeviceMetric;

/// Operations without a gradient.
#[backend_extension(Cube, Fusion)]
pub(super) trait TopologyKernels: Backend {
    /// Bars of the distances between the rows of each matrix, `[g, width]`; `rows` is `[g, n, m]` in 32 bits.
    #[fusion(meta = |rows, _metric, layout, _mark| {
        TensorSpec::new(Shape::from([rows.shape[0], layout.width()]), DType::U32)
    })]
    fn bars_of_rows(
        rows: FloatTensor<Self>,
        metric: DeviceMetric,
        layout: BarLayout,
        mark: u32,
    ) -> IntTensor<Self>;

    /// Bars of distance matrices, `[g, width]`; `distances` is `[g, n, n]` in 32 bits.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "tests compare the kernels on given distances")
    )]
    #[fusion(meta = |distances, layout, _mark| {
        TensorSpec::new(Shape::from([distances.shape[0], layout.width()]), DType::U32)
    })]
    fn bars_of_distances(
        distances: FloatTensor<Self>,
        layout: BarLayout,
        mark: u32,
    ) -> IntTensor<Self>;

    /// The word `[1]` that follows another one after a long loop.
    #[fusion(dtype = word, shape = word)]
    fn long_loop(word: IntTensor<Self>) -> IntTensor<Self>;

    /// Gradient of a weighted sum of lengths of edges with respect to the rows, `[g, n, m]`.
    #[fusion(dtype = rows, shape = rows)]
    fn row_gradients(
        rows: FloatTensor<Self>,
        offsets: IntTensor<Self>,
        edges: IntTensor<Self>,
        slopes: FloatTensor<Self>,
        metric: DeviceMetric,
    ) -> FloatTensor<Self>;
}

impl TopologyKernels for CubeBackend {
    fn bars_of_rows(
        rows: FloatTensor<Self>,
        metric: DeviceMetric,
        layout: BarLayout,
        mark: u32,
    ) -> IntTensor<Self> {
        launch::bars_of_rows(rows, metric, layout, mark)
    }

    fn bars_of_distances(
        distances: FloatTensor<Self>,
        layout: BarLayout,
        mark: u32,
    ) -> IntTensor<Self> {
        launch::bars_of_distances(distances, layout, mark)
    }

    fn long_loop(word: IntTensor<Self>) -> IntTensor<Self> {
        launch::long_loop(word)
    }

    fn row_gradients(
        rows: FloatTensor<Self>,
        offsets: IntTensor<Self>,
        edges: IntTensor<Self>,
        slopes: FloatTensor<Self>,
        metric: DeviceMetric,
    ) -> FloatTensor<Self> {
        launch::row_gradients(rows, offsets, edges, slopes, metric)
    }
}

/// A number whose gradient the device computes in the backward pass.
#[backend_extension(Cube, Fusion, Autodiff)]
pub(super) trait LengthSurrogate: Backend {
    /// Returns 0, `[1]`, with the gradient of the weighted sum of lengths of edges with respect to the rows.
    #[fusion(default)]
    fn length_surrogate(
        rows: FloatTensor<Self>,
        offsets: IntTensor<Self>,
        edges: IntTensor<Self>,
        slopes: FloatTensor<Self>,
        metric: DeviceMetric,
    ) -> FloatTensor<Self> {
        let _ = (offsets, edges, slopes, metric);
        Self::float_zeros(Shape::from([1]), &rows.device(), rows.dtype().into())
    }
}

impl LengthSurrogate for CubeBackend {}

impl<B: LengthSurrogate + TopologyKernels, C: CheckpointStrategy> LengthSurrogate
    for Autodiff<B, C>
{
    fn length_surrogate(
        rows: FloatTensor<Self>,
        offsets: IntTensor<Self>,
        edges: IntTensor<Self>,
        slopes: FloatTensor<Self>,
        metric: DeviceMetric,
    ) -> FloatTensor<Self> {
        let output = B::float_zeros(Shape::from([1]), &rows.device(), rows.dtype().into());
        let node = LengthNode.prepare::<C>([rows.node()]);
        match node.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let slopes = slopes.into_primitive();
                let state = (rows.into_primitive(), offsets, edges, slopes, metric);
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

/// Node of the graph of [`LengthSurrogate`].
#[derive(Debug)]
struct LengthNode;

impl<B: TopologyKernels> Backward<B, 1> for LengthNode {
    type State = (
        FloatTensor<B>,
        IntTensor<B>,
        IntTensor<B>,
        FloatTensor<B>,
        DeviceMetric,
    );

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [parent] = ops.parents;
        let upstream = gradients.consume::<B>(&ops.node);
        let Some(parent) = parent else {
            return;
        };
        let (rows, offsets, edges, slopes, metric) = ops.state;
        // The slopes are few, so the upstream factor costs nothing there.
        let upstream = B::float_expand(upstream, slopes.shape());
        let slopes = B::float_mul(slopes, upstream);
        let gradient = B::row_gradients(rows, offsets, edges, slopes, metric);
        gradients.register::<B>(parent.id, gradient);
    }
}
