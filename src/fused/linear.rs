//! Linear layer with its bias.

use burn::nn;
use burn::prelude::*;

/// Applies a linear layer: `x weight + bias`, with the parameters of Burn's `Linear`.
///
/// # Shapes
///
/// - `x`: `[.., d_input]`; the output `[.., d_output]`
///
/// # Gradient
///
/// With respect to `x`, the weight and the bias.
///
/// # Cost
///
/// On the CPU backend in single precision blocks of rows are multiplied in parallel, and the bias is added
/// within the product; elsewhere, and without a bias, Burn's own layer runs.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::LinearConfig;
/// use burn::prelude::*;
/// use burn_topology::fused::linear;
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(3, 2).init(&device);
/// let x = Tensor::<2>::ones([4, 3], &device);
/// let difference = linear(x.clone(), &layer) - layer.forward(x);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-6);
/// # }
/// ```
pub fn linear<const D: usize>(x: Tensor<D>, layer: &nn::Linear) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(output) = on_flex::linear(&x, layer) {
        return output;
    }
    layer.forward(x)
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::TensorMetadata;
    use burn::nn;
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    use crate::fused::matmul::{Matrix, add_product, product};
    use crate::fused::node::{
        HostTensor, Input, Operation, apply, contiguous, host_tensor, host_tensor_like, in_blocks,
        values,
    };

    /// Number of rows per task.
    ///
    /// Each task packs the weights again, which pays off with many rows; with too many, the rows no longer
    /// fit the cache.
    const ROWS: usize = 96;
    /// Number of rows of the weight per task of its gradient; each task reads the whole batch.
    const WEIGHT_ROWS: usize = 16;

    /// Applies the layer as one node of the graph; `None` if Burn's operations have to run.
    pub(super) fn linear<const D: usize>(x: &Tensor<D>, layer: &nn::Linear) -> Option<Tensor<D>> {
        // Without a bias there is nothing to fuse, and Burn's own layer runs.
        let bias = layer.bias.as_ref()?.val();
        let weight = layer.weight.val();
        let ([d_input, d_output], [d_bias]) = (weight.dims(), bias.dims());
        assert_eq!(
            (x.dims()[D - 1], d_bias),
            (d_input, d_output),
            "linear: the last dimension of x and the length of the bias do not fit the weight"
        );
        // An empty product is left to Burn: with `d_input` 0 the number of rows would be 0 / 0.
        if x.shape().num_elements() == 0 || d_output == 0 {
            return None;
        }
        let inputs = [
            Input::from_tensor(x.clone())?,
            Input::from_tensor(weight)?,
            Input::from_tensor(bias)?,
        ];
        apply(Linear, inputs)
    }

    /// Operation `x weight + bias` on the inputs `x`, `weight`, `bias`.
    #[derive(Debug, Clone, Copy)]
    struct Linear;

    impl Operation<3> for Linear {
        /// `x` and `weight`: the gradient does not depend on the bias.
        type Saved = [HostTensor; 2];

        fn forward(&self, inputs: [HostTensor; 3]) -> (HostTensor, [HostTensor; 2]) {
            let [x, weight, bias] = inputs.map(contiguous);
            let [d_input, d_output] = weight.shape().dims();
            let bias = values(&bias);
            let length = values(&x).len() / d_input * d_output;
            let output = in_blocks(length, ROWS * d_output, |block, output| {
                // The product is added to copies of the bias, which saves a pass over the output.
                let output = output.rows_of(bias);
                let x = Matrix::rows(&values(&x)[block * ROWS * d_input..], d_input);
                let weight = Matrix::rows(values(&weight), d_output);
                let extents = [output.len() / d_output, d_input, d_output];
                add_product(output, extents, x, weight, 1.0);
                output
            });
            let mut shape = x.shape();
            let last = shape.num_dims() - 1;
            shape[last] = d_output;
            (host_tensor(output, shape), [x, weight])
        }

        fn backward(
            &self,
            [x, weight]: [HostTensor; 2],
            gradient: HostTensor,
            [wants_x, wants_weight, wants_bias]: [bool; 3],
        ) -> [Option<HostTensor>; 3] {
            let gradient = contiguous(gradient);
            let [d_input, d_output] = weight.shape().dims();
            let (numbers, gradient) = (values(&x), values(&gradient));
            [
                wants_x.then(|| {
                    let output = input_gradient(gradient, values(&weight), d_output);
                    host_tensor_like(output, &x)
                }),
                wants_weight.then(|| {
                    let output = weight_gradient(numbers, gradient, d_input, d_output);
                    host_tensor_like(output, &weight)
                }),
                wants_bias.then(|| host_tensor(column_sums(gradient, d_output), [d_output])),
            ]
        }
    }

    /// Returns the gradient of the input: `gradient weight^T`.
    fn input_gradient(gradient: &[f32], weight: &[f32], d_output: usize) -> Vec<f32> {
        let d_input = weight.len() / d_output;
        let length = gradient.len() / d_output * d_input;
        in_blocks(length, ROWS * d_input, |block, output| {
            let gradient = Matrix::rows(&gradient[block * ROWS * d_output..], d_output);
            let weight = Matrix::rows(weight, d_output).transposed();
            let extents = [output.len() / d_input, d_output, d_input];
            product(output, extents, gradient, weight, 1.0)
        })
    }

    /// Returns the gradient of the weight: `x^T gradient`.
    fn weight_gradient(x: &[f32], gradient: &[f32], d_input: usize, d_output: usize) -> Vec<f32> {
        in_blocks(
            d_input * d_output,
            WEIGHT_ROWS * d_output,
            |block, output| {
                // A slice that starts at a column of `x` still has rows of the same stride.
                let x = Matrix::rows(&x[block * WEIGHT_ROWS..], d_input).transposed();
                let gradient = Matrix::rows(gradient, d_output);
                let extents = [
                    output.len() / d_output,
                    gradient.values.len() / d_output,
                    d_output,
                ];
                product(output, extents, x, gradient, 1.0)
            },
        )
    }

    /// Sums each column, in blocks of fixed size, so that sums do not depend on the number of threads.
    fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
        let add = |mut sums: Vec<f32>, row: &[f32]| {
            for (sum, term) in sums.iter_mut().zip(row) {
                *sum += term;
            }
            sums
        };
        let partial_sums: Vec<_> = rows
            .par_chunks(ROWS * width)
            .map(|block| block.chunks_exact(width).fold(vec![0.0; width], add))
            .collect();
        partial_sums
            .iter()
            .map(Vec::as_slice)
            .fold(vec![0.0; width], add)
    }
}
