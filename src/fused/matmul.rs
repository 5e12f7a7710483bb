//! Products of matrices that are stored in slices.

#![allow(
    unsafe_code,
    reason = "the gemm crate takes pointers; every extent is checked against its slice first"
)]

use gemm::{Parallelism, gemm};
use rayon::prelude::*;

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

    /// Returns the matrix from a row and a column on.
    fn from(self, row: usize, column: usize) -> Self {
        let start = row * self.strides[0] + column * self.strides[1];
        Self {
            values: &self.values[start..],
            ..self
        }
    }

    /// Checks that a matrix of this size, at least 1 by 1, lies within the slice.
    fn assert_contains(&self, n_rows: usize, n_columns: usize) {
        let [row, column] = self.strides;
        // Strides are not negative, so the last entry has the largest index.
        let last = (n_rows - 1).checked_mul(row).and_then(|start| {
            let within_row = (n_columns - 1).checked_mul(column)?;
            start.checked_add(within_row)
        });
        let is_within = last.is_some_and(|last| last < self.values.len());
        assert!(is_within, "a matrix ends beyond its slice");
    }
}

/// Computes `output = scale * left * right` on one thread, and returns the output.
///
/// `extents` is `[n_rows, depth, n_columns]`: `left` is `n_rows` by `depth`, `right` is `depth` by
/// `n_columns`, and the output is `n_rows` by `n_columns`, row-major.
///
/// # Panics
///
/// If a matrix ends beyond its slice, or the output has another size than the product.
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
        let start = output.0.as_mut_ptr().cast();
        let width = extents[2];
        multiply(start, width, extents, left, right, scale, false);
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
    let length = size_of_product(extents);
    let mut output = Vec::with_capacity(length);
    let memory = &mut output.spare_capacity_mut()[..length];
    product(Unwritten(memory), extents, left, right, scale);
    // SAFETY: `product` has written all values of the memory.
    unsafe { output.set_len(length) };
    output
}

/// Computes `start + left * right` in new memory, tiles of the output in parallel.
///
/// `tile` is the number of rows and columns of a tile, and `start` a row that every row of the product is added to.
/// Extents are those of [`product`]. Each value of the output is the same sum in the same order whatever the
/// number of threads is, because tiles depend on the extents only.
///
/// # Panics
///
/// If a matrix ends beyond its slice, or `start` has another length than a row.
pub(super) fn product_of_tiles(
    extents: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    [tile_rows, tile_columns]: [usize; 2],
    start: Option<&[f32]>,
) -> Vec<f32> {
    let [n_rows, depth, n_columns] = extents;
    let length = size_of_product(extents);
    if let Some(start) = start {
        assert_eq!(start.len(), n_columns, "the row has another length");
    }
    if is_empty(length, extents, left, right) {
        return match start {
            Some(start) => start.repeat(n_rows),
            None => vec![0.0; length],
        };
    }
    let mut output = Vec::with_capacity(length);
    let memory = Shared(output.as_mut_ptr());
    let n_across = n_columns.div_ceil(tile_columns);
    let n_tiles = n_rows.div_ceil(tile_rows) * n_across;
    (0..n_tiles).into_par_iter().for_each(|tile| {
        let row = tile / n_across * tile_rows;
        let column = tile % n_across * tile_columns;
        let rows = tile_rows.min(n_rows - row);
        let columns = tile_columns.min(n_columns - column);
        // SAFETY: the tile lies within the memory and no other tile has a value of it. `is_empty` has checked
        // that the matrices lie within their slices, and so do their parts. Where the product is added, the
        // tile is initialised with `start` first.
        unsafe {
            let output = memory.at(row * n_columns + column);
            if let Some(start) = start {
                for row in 0..rows {
                    let source = start[column..][..columns].as_ptr();
                    source.copy_to_nonoverlapping(output.add(row * n_columns), columns);
                }
            }
            multiply(
                output,
                n_columns,
                [rows, depth, columns],
                left.from(row, 0),
                right.from(0, column),
                1.0,
                start.is_some(),
            );
        }
    });
    // SAFETY: the tiles cover all values, and each was written.
    unsafe { output.set_len(length) };
    output
}

/// Number of values of a product.
///
/// # Panics
///
/// If it exceeds the word size of this machine: a wrapped number would be smaller than what is written.
fn size_of_product([n_rows, _, n_columns]: [usize; 3]) -> usize {
    let size = n_rows.checked_mul(n_columns);
    size.expect("a product of two matrices that fits into memory")
}

/// Memory that several threads write to, each to its own part.
struct Shared(*mut f32);

// SAFETY: the pointer is only used through `at`, whose callers write to disjoint parts.
unsafe impl Sync for Shared {}

impl Shared {
    /// Returns a pointer to the value of this index.
    ///
    /// # Safety
    ///
    /// The index must lie within the memory.
    unsafe fn at(&self, index: usize) -> *mut f32 {
        // SAFETY: the caller guarantees that the index lies within the memory.
        unsafe { self.0.add(index) }
    }
}

/// True if there are no products to sum; otherwise checks that the slices contain the matrices.
fn is_empty(output: usize, extents: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) -> bool {
    assert_eq!(
        output,
        size_of_product(extents),
        "the output has another size than the product"
    );
    let [n_rows, depth, n_columns] = extents;
    if output == 0 || depth == 0 {
        return true;
    }
    left.assert_contains(n_rows, depth);
    right.assert_contains(depth, n_columns);
    false
}

/// Computes `output = scale * left * right`, or adds the product to the output if `is_added`.
///
/// Rows of the output begin every `width` values.
///
/// # Safety
///
/// The slices must contain matrices of these extents, `output` must be valid for `n_rows` rows of `n_columns`
/// values that nothing else refers to, and with `is_added` these values must be initialised.
unsafe fn multiply(
    output: *mut f32,
    width: usize,
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
            width.cast_signed(),
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

#[cfg(test)]
mod tests;
