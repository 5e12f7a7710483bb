//! Products of matrices that lie in slices.

#![allow(
    unsafe_code,
    reason = "the gemm crate takes pointers; every extent is checked against its slice first"
)]

use gemm::{Parallelism, gemm};

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

/// What becomes of the numbers that are there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Replaced,
    AddedTo,
}

/// `output = scale * left * right`, or that added to it; one thread. The output's rows lie end to end,
/// `left` is `n_rows` by `depth`, `right` is `depth` by `n_columns`.
///
/// # Panics
///
/// If a matrix ends behind its slice.
pub(super) fn multiply(
    output: &mut [f32],
    [n_rows, depth, n_columns]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    scale: f32,
    before: Before,
) {
    assert!(
        output.len() >= n_rows * n_columns,
        "an output of {n_rows} rows by {n_columns} columns"
    );
    if n_rows * depth * n_columns == 0 {
        return;
    }
    left.assert_holds(n_rows, depth);
    right.assert_holds(depth, n_columns);
    let [left_row, left_column] = left.strides.map(usize::cast_signed);
    let [right_row, right_column] = right.strides.map(usize::cast_signed);
    // SAFETY: the last entry of each matrix lies within its slice, as checked above, and the output
    // is borrowed alone.
    unsafe {
        gemm(
            n_rows,
            n_columns,
            depth,
            output.as_mut_ptr(),
            1,
            n_columns.cast_signed(),
            before == Before::AddedTo,
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
