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
/// On the CPU backend in single precision tiles of the output are computed in parallel, and the bias is added
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

    use crate::fused::matmul::{Matrix, product_of_tiles};
    use crate::fused::node::{
        HostTensor, Input, Operation, apply, contiguous, host_tensor, host_tensor_like, values,
    };

    /// Least and largest number of rows of a tile of the output or of the gradient of the input.
    ///
    /// Each tile packs its part of the weight again, which pays off with many rows; with too many there are
    /// not enough tiles for all threads.
    const ROWS: [usize; 2] = [192, 400];
    /// Number of rows of a tile where there are not enough for four tiles of the least number.
    const SMALL_ROWS: usize = 96;
    /// Largest number of columns of such a tile; each tile reads its rows again.
    const COLUMNS: usize = 256;
    /// Largest numbers of rows and columns of a tile of the gradient of the weight.
    ///
    /// Each tile reads the whole batch, packs its columns of both factors, and keeps those of the gradient in
    /// the cache: 64 columns are what the kernel for AVX-512 computes at a time.
    const WEIGHT_TILE: [usize; 2] = [192, 64];
    /// Number of tasks that are wanted at least for the gradient of the weight.
    const WEIGHT_TASKS: usize = 6;
    /// Least number of rows of the batch per task of the gradient of the weight.
    const WEIGHT_DEPTH: usize = 512;
    /// Number of rows per task of the sums of columns.
    const SUM_ROWS: usize = 96;

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
            let n_rows = values(&x).len() / d_input;
            // The product is added to copies of the bias, which saves a pass over the output.
            let output = product_of_tiles(
                [n_rows, d_input, d_output],
                Matrix::rows(values(&x), d_input),
                Matrix::rows(values(&weight), d_output),
                tile(n_rows, d_output),
                Some(values(&bias)),
            );
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

    /// Returns the size of the tiles of a matrix with a row per vector of the batch.
    fn tile(n_rows: usize, n_columns: usize) -> [usize; 2] {
        let [least, largest] = ROWS;
        let n_tiles = match n_rows / (n_rows / 16).clamp(least, largest) {
            // Few large tiles divide evenly among two or four threads only if their number is a multiple of four.
            n_tiles @ 4.. => n_tiles / 4 * 4,
            _ => n_rows.div_ceil(SMALL_ROWS).min(4),
        };
        // The kernel for AVX-512 computes 6 rows and 64 columns at a time, that for AVX2 4 rows.
        [
            even(n_rows, n_tiles, 12),
            even(n_columns, n_columns.div_ceil(COLUMNS), 64),
        ]
    }

    /// Divides a length into equal parts, and rounds them up to a multiple.
    fn even(length: usize, n_parts: usize, multiple: usize) -> usize {
        length.div_ceil(n_parts).next_multiple_of(multiple)
    }

    /// Returns the gradient of the input: `gradient weight^T`.
    fn input_gradient(gradient: &[f32], weight: &[f32], d_output: usize) -> Vec<f32> {
        let (n_rows, d_input) = (gradient.len() / d_output, weight.len() / d_output);
        product_of_tiles(
            [n_rows, d_output, d_input],
            Matrix::rows(gradient, d_output),
            Matrix::rows(weight, d_output).transposed(),
            tile(n_rows, d_input),
            None,
        )
    }

    /// Returns the gradient of the weight: `x^T gradient`.
    fn weight_gradient(x: &[f32], gradient: &[f32], d_input: usize, d_output: usize) -> Vec<f32> {
        let n_rows = gradient.len() / d_output;
        let [mut tile_rows, tile_columns] = WEIGHT_TILE;
        let n_tiles = |tile_rows| d_input.div_ceil(tile_rows) * d_output.div_ceil(tile_columns);
        if n_tiles(tile_rows) < WEIGHT_TASKS {
            tile_rows /= 2;
        }
        let part_of_batch = |x, gradient: &[f32]| {
            product_of_tiles(
                [d_input, gradient.len() / d_output, d_output],
                Matrix::rows(x, d_input).transposed(),
                Matrix::rows(gradient, d_output),
                [tile_rows, tile_columns],
                None,
            )
        };
        // A small weight has too few tiles for all threads, so parts of a large batch are summed on their own.
        let n_parts = WEIGHT_TASKS
            .div_ceil(n_tiles(tile_rows))
            .min(n_rows / WEIGHT_DEPTH);
        if n_parts < 2 {
            return part_of_batch(x, gradient);
        }
        let part = n_rows.div_ceil(n_parts);
        let parts: Vec<_> = x
            .par_chunks(part * d_input)
            .zip(gradient.par_chunks(part * d_output))
            .map(|(x, gradient)| part_of_batch(x, gradient))
            .collect();
        sum(&parts, d_input * d_output)
    }

    /// Sums arrays of the same length, in order.
    fn sum(arrays: &[Vec<f32>], length: usize) -> Vec<f32> {
        arrays
            .iter()
            .map(Vec::as_slice)
            .fold(vec![0.0; length], add)
    }

    /// Adds the terms to the sums.
    fn add(mut sums: Vec<f32>, terms: &[f32]) -> Vec<f32> {
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum += term;
        }
        sums
    }

    /// Sums each column, in blocks of fixed size, so that sums do not depend on the number of threads.
    fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
        let partial_sums: Vec<_> = rows
            .par_chunks(SUM_ROWS * width)
            .map(|block| block.chunks_exact(width).fold(vec![0.0; width], add))
            .collect();
        sum(&partial_sums, width)
    }
}
