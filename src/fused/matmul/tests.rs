//! Every product against three loops, for all sizes around those of vectors and tiles, with guards around the memory.
//!
//! `scripts/miri.sh` runs these tests under Miri too, where reads and writes beyond the slices are errors.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Sizes below, at and above the numbers of lanes of vectors, and 0.
const SIZES: &[usize] = if cfg!(miri) {
    &[0, 1, 8, 9]
} else {
    &[0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33]
};

/// Value around the memory that a product may write to.
const GUARD: f32 = 12345.0;

/// Number of guards on either side.
const N_GUARDS: usize = 32;

/// Small whole numbers, whose sums of products are exact in any order.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n)
        .map(|k| ((k * 7 + seed * 5) % 11) as f32 - 5.0)
        .collect()
}

/// All combinations of three sizes.
fn extents() -> impl Iterator<Item = [usize; 3]> {
    SIZES.iter().flat_map(|&rows| {
        SIZES
            .iter()
            .flat_map(move |&depth| SIZES.iter().map(move |&columns| [rows, depth, columns]))
    })
}

/// Matrix of `n_rows` by `n_columns` in memory of exactly the size it needs: plain, transposed or with gaps between rows.
fn matrix(values: &[f32], n_rows: usize, n_columns: usize, form: usize) -> Matrix<'_> {
    let width = match form {
        0 => n_columns,
        1 => return Matrix::rows(&values[..n_rows * n_columns], n_rows).transposed(),
        _ => n_columns + 3,
    };
    let length = (n_rows.max(1) - 1) * width + n_columns;
    Matrix::rows(&values[..if n_rows == 0 { 0 } else { length }], width)
}

/// The same product by three loops.
fn expected(extents: [usize; 3], left: Matrix<'_>, right: Matrix<'_>, start: &[f32]) -> Vec<f32> {
    let [n_rows, depth, n_columns] = extents;
    let entry = |matrix: Matrix<'_>, i: usize, j: usize| {
        matrix.values[i * matrix.strides[0] + j * matrix.strides[1]]
    };
    let mut output = Vec::new();
    for row in 0..n_rows {
        for column in 0..n_columns {
            let products = (0..depth).map(|k| entry(left, row, k) * entry(right, k, column));
            let start = start.get(column).copied().unwrap_or_default();
            output.push(start + products.sum::<f32>());
        }
    }
    output
}

#[test]
fn products_equal_those_of_loops_and_stay_within_their_memory() {
    let (first, second) = (numbers(40 * 40, 1), numbers(40 * 40, 2));
    for extents in extents() {
        let [n_rows, depth, n_columns] = extents;
        let form = (n_rows + 2 * depth + n_columns) % 3;
        let left = matrix(&first, n_rows, depth, form);
        let right = matrix(&second, depth, n_columns, (form + 1) % 3);
        let length = n_rows * n_columns;
        let mut memory = vec![MaybeUninit::new(GUARD); length + 2 * N_GUARDS];
        let output = Unwritten(&mut memory[N_GUARDS..][..length]);
        let product = product(output, extents, left, right, 1.0).to_vec();
        assert_eq!(product, expected(extents, left, right, &[]), "{extents:?}");
        let guards = memory[..N_GUARDS]
            .iter()
            .chain(&memory[N_GUARDS + length..]);
        for guard in guards {
            // SAFETY: all values of the memory were initialised above.
            assert_eq!(unsafe { guard.assume_init() }, GUARD, "{extents:?}");
        }
        assert_eq!(new_product(extents, left, right, 1.0), product);
    }
}

#[test]
fn tiles_cover_every_value_once() {
    let (first, second, row) = (numbers(40 * 40, 3), numbers(40 * 40, 4), numbers(40, 5));
    for extents in extents() {
        let [n_rows, depth, n_columns] = extents;
        let form = (n_rows + depth) % 3;
        let left = matrix(&first, n_rows, depth, form);
        let right = matrix(&second, depth, n_columns, (form + 2) % 3);
        let tiles = [[1, 1], [8, 5], [16, 16], [64, 64]];
        let tile = tiles[(n_rows + depth + n_columns) % tiles.len()];
        let start = &row[..n_columns];
        assert_eq!(
            product_of_tiles(extents, left, right, tile, Some(start)),
            expected(extents, left, right, start),
            "{extents:?} in {tile:?}"
        );
        assert_eq!(
            product_of_tiles(extents, left, right, tile, None),
            expected(extents, left, right, &[]),
            "{extents:?} in {tile:?}"
        );
    }
}

#[test]
fn matrices_beyond_their_slices_are_refused() {
    let values = numbers(16, 6);
    let square = Matrix::rows(&values, 4);
    let huge = usize::MAX / 2 + 1;
    let with_strides = |strides| Matrix {
        values: &values,
        strides,
    };
    for (extents, left, right) in [
        ([5, 4, 4], square, square),
        ([4, 4, 4], square, with_strides([5, 1])),
        ([4, 4, 4], with_strides([4, 2]), square),
        // These products wrap to small numbers.
        ([3, 4, 4], with_strides([huge, 1]), square),
        ([4, 3, 4], with_strides([4, huge]), square),
        ([3, 3, 4], with_strides([huge / 2, huge / 2]), square),
        ([huge, 4, 2], square, square),
        ([huge, 4, huge], square, square),
    ] {
        let refused = catch_unwind(AssertUnwindSafe(|| new_product(extents, left, right, 1.0)));
        assert!(refused.is_err(), "{extents:?}");
        let refused = catch_unwind(AssertUnwindSafe(|| {
            product_of_tiles(extents, left, right, [4, 4], None)
        }));
        assert!(refused.is_err(), "{extents:?} in tiles");
    }
}
