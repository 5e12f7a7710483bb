//! A linear layer with its bias.

use burn::nn;
use burn::prelude::*;

/// `x weight + bias`, with the parameters of Burn's `Linear`.
///
/// # Shapes
///
/// - `x`: `[.., d_input]`; the output `[.., d_output]`
///
/// # Gradient
///
/// In `x`, the weight and the bias.
///
/// # Cost
///
/// On the CPU backend in single precision the bias is part of the product, and blocks of rows are
/// multiplied in parallel; elsewhere, and without a bias, Burn's own layer.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::LinearConfig;
/// use burn::prelude::*;
/// use burn_topology::nn::linear;
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

    use crate::nn::fused::matmul::{Matrix, add_product, product};
    use crate::nn::fused::node::{
        Host, Input, Operation, apply, contiguous, host, host_like, in_blocks, values,
    };

    /// Rows per task: enough that packing the weights pays, few enough to stay in a cache.
    const ROWS: usize = 96;
    /// Rows of the weights per task of their gradient, each of which reads the whole batch.
    const WEIGHT_ROWS: usize = 16;

    pub(super) fn linear<const D: usize>(x: &Tensor<D>, layer: &nn::Linear) -> Option<Tensor<D>> {
        let bias = layer.bias.as_ref()?.val();
        let weight = layer.weight.val();
        let ([d_input, d_output], [d_bias]) = (weight.dims(), bias.dims());
        assert_eq!(
            (x.dims()[D - 1], d_bias),
            (d_input, d_output),
            "linear: the last dimension of x and the length of the bias do not fit the weight"
        );
        if x.shape().num_elements() == 0 || d_output == 0 {
            return None;
        }
        let inputs = [Input::of(x.clone())?, Input::of(weight)?, Input::of(bias)?];
        apply(Linear, inputs)
    }

    #[derive(Debug, Clone, Copy)]
    struct Linear;

    impl Operation<3> for Linear {
        /// The inputs but the bias.
        type Saved = [Host; 2];

        fn forward(&self, inputs: [Host; 3]) -> (Host, [Host; 2]) {
            let [x, weight, bias] = inputs.map(contiguous);
            let [d_input, d_output] = weight.shape().dims();
            let bias = values(&bias);
            let length = values(&x).len() / d_input * d_output;
            let output = in_blocks(length, ROWS * d_output, |block, output| {
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
            (host(output, shape), [x, weight])
        }

        fn backward(
            &self,
            [x, weight]: [Host; 2],
            gradient: Host,
            [of_x, of_weight, of_bias]: [bool; 3],
        ) -> [Option<Host>; 3] {
            let gradient = contiguous(gradient);
            let [d_input, d_output] = weight.shape().dims();
            let (numbers, gradient) = (values(&x), values(&gradient));
            [
                of_x.then(|| host_like(gradient_of_input(gradient, values(&weight), d_output), &x)),
                of_weight.then(|| {
                    let output = gradient_of_weight(numbers, gradient, [d_input, d_output]);
                    host_like(output, &weight)
                }),
                of_bias.then(|| host(column_sums(gradient, d_output), [d_output])),
            ]
        }
    }

    fn gradient_of_input(gradient: &[f32], weight: &[f32], d_output: usize) -> Vec<f32> {
        let d_input = weight.len() / d_output;
        let length = gradient.len() / d_output * d_input;
        in_blocks(length, ROWS * d_input, |block, output| {
            let gradient = Matrix::rows(&gradient[block * ROWS * d_output..], d_output);
            let weight = Matrix::rows(weight, d_output).transposed();
            let extents = [output.len() / d_input, d_output, d_input];
            product(output, extents, gradient, weight, 1.0)
        })
    }

    fn gradient_of_weight(
        x: &[f32],
        gradient: &[f32],
        [d_input, d_output]: [usize; 2],
    ) -> Vec<f32> {
        in_blocks(
            d_input * d_output,
            WEIGHT_ROWS * d_output,
            |block, output| {
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

    /// Sums in blocks of fixed size, so that they do not depend on the number of threads.
    fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
        let add = |mut sums: Vec<f32>, row: &[f32]| {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, term)| *sum += term);
            sums
        };
        let blocks = rows.par_chunks(ROWS * width);
        let parts: Vec<_> = blocks
            .map(|block| block.chunks_exact(width).fold(vec![0.0; width], add))
            .collect();
        parts.iter().map(Vec::as_slice).fold(vec![0.0; width], add)
    }
}
