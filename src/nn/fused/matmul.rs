//! Products of matrices that lie in slices.

#![allow(
    unsafe_code,
    reason = "the gemm crate takes pointers; every extent is checked against its slice first"
)]

use gemm::{Parallelism, gemm};

use super::node::Unwritten;

/// A matrix within a slice: entry `(i, j)` at `i * strides[0] + j * strides[1]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// A matrix whose rows begin every `width` values.
    pub(super) fn rows(values: &'a [f32], width: usize) -> Self {
        Self {
            values,
            strides: [width, 1],
        }
    }

    pub(super) fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self {
            strides: [column, row],
            ..self
        }
    }

    fn assert_holds(&self, n_rows: usize, n_columns: usize) {
        let last = (n_rows - 1) * self.strides[0] + (n_columns - 1) * self.strides[1];
        assert!(last < self.values.len(), "a matrix ends behind its slice");
    }
}

/// `output = scale * left * right`; one thread. The output's rows lie end to end, `left` is `n_rows` by
/// `depth`, `right` is `depth` by `n_columns`.
///
/// # Panics
///
/// If a matrix ends behind its slice, or the output has another size.
pub(super) fn product<'a>(
    output: Unwritten<'a>,
    extents: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
) -> &'a mut [f32] {
    if is_empty(output.len(), extents, left, right) {
        return output.zeroed();
    }
    // SAFETY: the last entry of each matrix lies within its slice, as checked above, and the output,
    // which is borrowed alone, is written and not read.
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

/// The same in memory of its own.
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

/// `output += scale * left * right`, see [`product`].
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
    // SAFETY: as in `product`, and the output was written before.
    unsafe { multiply(output.as_mut_ptr(), extents, left, right, scale, true) }
}

/// Whether nothing is summed up; checks that everything holds the extents.
fn is_empty(
    output: usize,
    [n_rows, depth, n_columns]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) -> bool {
    assert_eq!(output, n_rows * n_columns, "another output");
    if output * depth == 0 {
        return true;
    }
    left.assert_holds(n_rows, depth);
    right.assert_holds(depth, n_columns);
    false
}

/// # Safety
///
/// The matrices and the output must hold the extents; with `is_added` the output is read.
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
    // SAFETY: that of this function.
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
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
