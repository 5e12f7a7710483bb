//! Products of matrices that are stored in slices.

#![allow(
    unsafe_code,
    reason = "the gemm crate takes pointers; every extent is checked against its slice first"
)]

use gemm::{Parallelism, gemm};

use super::node::Unwritten;

/// Matrix within a slice: entry `(i, j)` has the index `i * strides[0] + j * strides[1]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Creates a matrix whose rows begin every `width` values.
    pub(super) fn rows(values: &'a [f32], width: usize) -> Self {
        Self {
            values,
            strides: [width, 1],
        }
    }

    /// Returns the transposed matrix on the same slice.
    pub(super) fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self {
            strides: [column, row],
            ..self
        }
    }

    /// Checks that a matrix of this size, at least 1 by 1, lies within the slice.
    fn assert_contains(&self, n_rows: usize, n_columns: usize) {
        // Strides are not negative, so the last entry has the largest index.
        let last = (n_rows - 1) * self.strides[0] + (n_columns - 1) * self.strides[1];
        assert!(last < self.values.len(), "a matrix ends beyond its slice");
    }
}

/// Computes `output = scale * left * right` on one thread, and returns the output.
///
/// `extents` is `[n_rows, depth, n_columns]`: `left` is `n_rows` by `depth`, `right` is `depth` by
/// `n_columns`, and the output is `n_rows` by `n_columns`, row-major.
///
/// # Panics
///
/// If a matrix ends beyond its slice, or the output has another size.
pub(super) fn product<'a>(
    output: Unwritten<'a>,
    extents: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
) -> &'a mut [f32] {
    // A sum of no products is 0, but `multiply` would leave the output unwritten.
    if is_empty(output.len(), extents, left, right) {
        return output.zeroed();
    }
    // SAFETY: `is_empty` has checked that the matrices lie within their slices and that the output has
    // `n_rows * n_columns` values. The output is borrowed exclusively, written completely and, without
    // `is_added`, not read.
    unsafe {
        multiply(
            output.0.as_mut_ptr().cast(),
            extents,
            left,
            right,
            scale,
            false,
        );
        output.assume_written()
    }
}

/// Computes `scale * left * right` in new memory, see [`product`].
pub(super) fn new_product(
    extents: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
) -> Vec<f32> {
    let mut output = vec![0.0; extents[0] * extents[2]];
    add_product(&mut output, extents, left, right, scale);
    output
}

/// Computes `output += scale * left * right`, see [`product`].
///
/// # Panics
///
/// As [`product`].
pub(super) fn add_product(
    output: &mut [f32],
    extents: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
) {
    if is_empty(output.len(), extents, left, right) {
        return;
    }
    // SAFETY: as in `product`; the output is read too, and it is initialised.
    unsafe { multiply(output.as_mut_ptr(), extents, left, right, scale, true) }
}

/// True if there are no products to sum; otherwise checks that the slices contain the matrices.
fn is_empty(
    output: usize,
    [n_rows, depth, n_columns]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) -> bool {
    assert_eq!(
        output,
        n_rows * n_columns,
        "the output has another size than the product"
    );
    if output * depth == 0 {
        return true;
    }
    left.assert_contains(n_rows, depth);
    right.assert_contains(depth, n_columns);
    false
}

/// Computes `output = scale * left * right`, or adds the product to the output if `is_added`.
///
/// # Safety
///
/// The slices must contain matrices of these extents, `output` must be valid for `n_rows * n_columns` values
/// that nothing else refers to, and with `is_added` these values must be initialised.
unsafe fn multiply(
    output: *mut f32,
    [n_rows, depth, n_columns]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
    is_added: bool,
) {
    let [left_row, left_column] = left.strides.map(usize::cast_signed);
    let [right_row, right_column] = right.strides.map(usize::cast_signed);
    // SAFETY: the caller guarantees what `gemm` needs, with these strides.
    unsafe {
        gemm(
            n_rows,
            n_columns,
            depth,
            output,
            1,
            n_columns.cast_signed(),
            is_added,
            left.values.as_ptr(),
            left_column,
            left_row,
            right.values.as_ptr(),
            right_column,
            right_row,
            // In `gemm`, unlike BLAS, the first factor belongs to the output and the second to the product.
            1.0,
            scale,
            false,
            false,
            false,
            // Callers already run one product per task.
            Parallelism::None,
        );
    }
}
