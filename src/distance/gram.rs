//! Inner products between the points of two panels, as a portable kernel.
//!
//! The compiler turns the kernel into vector instructions; [`vectorized`](super::vectorized) compiles it for each vector
//! extension. A general matrix product would compute both halves of this symmetric matrix.

/// Number of points whose coordinates are stored together: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
pub(super) const PANEL: usize = 16;

/// Inner products of each point of one panel with each of another.
pub(super) type Block = [[f32; PANEL]; PANEL];

/// Inner products of two panels, to be inlined into a function that is compiled for a vector extension.
///
/// `R` rows by `C` columns of the result are summed at a time, in as many registers as the extension has.
#[inline(always)]
pub(super) fn inner_products_f32<const FMA: bool, const R: usize, const C: usize>(
    rows: &[[f32; PANEL]],
    columns: &[[f32; PANEL]],
) -> Block {
    let mut block = [[0.0; PANEL]; PANEL];
    for row in (0..PANEL).step_by(R) {
        for column in (0..PANEL).step_by(C) {
            let mut sums = [[0.0; C]; R];
            for (left, right) in rows.iter().zip(columns) {
                let (left, right) = (&left[row..row + R], &right[column..column + C]);
                for (sums, &x) in sums.iter_mut().zip(left) {
                    for (sum, &y) in sums.iter_mut().zip(right) {
                        // Without the instruction, `mul_add` would be a slow library call.
                        *sum = if FMA {
                            x.mul_add(y, *sum)
                        } else {
                            x * y + *sum
                        };
                    }
                }
            }
            for (line, sums) in block[row..].iter_mut().zip(&sums) {
                line[column..column + C].copy_from_slice(sums);
            }
        }
    }
    block
}
