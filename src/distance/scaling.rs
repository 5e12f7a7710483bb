//! Points in space whose distances are as near as can be to given ones.

/// Axes that are wanted.
pub const SCALED_DIMS: usize = 3;

/// Vectors of the Krylov space, of which the first three eigenvectors are read.
const KRYLOV: usize = 48;

/// Classical multidimensional scaling: coordinates of `n_points` points in three dimensions, and the
/// share of the whole variance that each axis holds.
///
/// Axes in order of their share. The signs are chosen so that the largest coordinate of each axis is
/// positive. An axis that has nothing to show, as with fewer than four points, is all zero. Distances
/// that no points in any space have (squares of a metric, say) give negative eigenvalues, which are left
/// out of the picture and of the variance.
///
/// # Shapes
///
/// - `distances`: `[n_points, n_points]`, symmetric, finite, zero diagonal
/// - output: one `[x, y, z]` per point, in the unit of the distances
///
/// # Cost
///
/// 48 products of the matrix with a vector.
///
/// # Source
///
/// Torgerson, "Multidimensional scaling: I. Theory and method", Psychometrika 17, 1952. Eigenvectors by
/// Lanczos' iteration with full reorthogonalisation: Golub and Van Loan, "Matrix Computations", 4th
/// edition, section 10.3.
///
/// # Example
///
/// ```
/// use burn_topology::distance::multidimensional_scaling;
///
/// // Two points at distance 2.
/// let (points, shares) = multidimensional_scaling(&[0.0, 2.0, 2.0, 0.0], 2);
/// assert!((points[0][0] - points[1][0]).abs() - 2.0 < 1e-12);
/// assert!((shares[0] - 1.0).abs() < 1e-12);
/// ```
///
/// # Panics
///
/// If `distances` has not `n_points` squared entries.
pub fn multidimensional_scaling(
    distances: &[f64],
    n_points: usize,
) -> (Vec<[f64; SCALED_DIMS]>, [f64; SCALED_DIMS]) {
    assert_eq!(distances.len(), n_points * n_points, "not a square matrix");
    let centred = double_centred(distances, n_points);
    let trace: f64 = (0..n_points).map(|i| centred[i * n_points + i]).sum();
    let mut points = vec![[0.0; SCALED_DIMS]; n_points];
    let mut shares = [0.0; SCALED_DIMS];
    let largest = centred.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    if largest == 0.0 {
        return (points, shares);
    }
    let (values, vectors) = largest_eigenpairs(&centred, n_points);
    // Negative eigenvalues count against the trace, so that it can be below what the axes hold.
    let whole = trace.max(values.iter().filter(|value| **value > 0.0).sum());
    for (axis, (value, vector)) in values.into_iter().zip(vectors).enumerate() {
        if value <= 1e-12 * largest {
            continue;
        }
        shares[axis] = value / whole;
        let extreme = vector.iter().fold(0.0_f64, |most, &x| {
            if x.abs() > most.abs() * (1.0 + 1e-9) {
                x
            } else {
                most
            }
        });
        let scale = value.sqrt() * extreme.signum();
        for (point, x) in points.iter_mut().zip(vector) {
            point[axis] = scale * x;
        }
    }
    (points, shares)
}

/// `-1/2 J D^2 J` with `J` the projection along the mean.
fn double_centred(distances: &[f64], n: usize) -> Vec<f64> {
    let squares: Vec<f64> = distances.iter().map(|d| d * d).collect();
    let rows = squares.chunks_exact(n.max(1));
    let means: Vec<f64> = rows.map(|row| row.iter().sum::<f64>() / n as f64).collect();
    let mean = means.iter().sum::<f64>() / n.max(1) as f64;
    let entry = |index: usize| -0.5 * (squares[index] - means[index / n] - means[index % n] + mean);
    (0..squares.len()).map(entry).collect()
}

/// The three largest eigenvalues of a symmetric matrix and their vectors.
fn largest_eigenpairs(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n_steps = n.min(KRYLOV);
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(n_steps);
    let mut images: Vec<Vec<f64>> = Vec::with_capacity(n_steps);
    let mut stream = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = noise(&mut stream, n);
    while basis.len() < n_steps {
        let before = norm(&next);
        orthogonalise(&mut next, &basis);
        // An invariant space is full: what is left of the next vector is rounding.
        while norm(&next) <= 1e-10 * before {
            next = noise(&mut stream, n);
            orthogonalise(&mut next, &basis);
            if norm(&next) > 1e-6 {
                break;
            }
        }
        let length = norm(&next);
        next.iter_mut().for_each(|x| *x /= length);
        let image: Vec<f64> = matrix.chunks_exact(n).map(|row| dot(row, &next)).collect();
        basis.push(std::mem::replace(&mut next, image.clone()));
        images.push(image);
    }
    let k = basis.len();
    let projected = (0..k * k).map(|index| dot(&basis[index / k], &images[index % k]));
    let (values, vectors) = jacobi(projected.collect(), k);
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order.truncate(SCALED_DIMS);
    let vector = |&place: &usize| {
        let mut sum = vec![0.0; n];
        for (row, of_basis) in basis.iter().enumerate() {
            let weight = vectors[row * k + place];
            for (total, x) in sum.iter_mut().zip(of_basis) {
                *total += weight * x;
            }
        }
        sum
    };
    (
        order.iter().map(|&place| values[place]).collect(),
        order.iter().map(vector).collect(),
    )
}

/// Twice: once is not enough where most of a vector goes away.
fn orthogonalise(vector: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for other in basis {
            let along = dot(vector, other);
            vector
                .iter_mut()
                .zip(other)
                .for_each(|(x, y)| *x -= along * y);
        }
    }
}

/// All eigenvalues of a small symmetric matrix, and its vectors by column, by Jacobi's rotations.
fn jacobi(mut a: Vec<f64>, k: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; k * k];
    (0..k).for_each(|i| vectors[i * k + i] = 1.0);
    let size = norm(&a);
    for _ in 0..60 {
        let mut off = 0.0;
        for p in 0..k {
            for q in p + 1..k {
                let apq = a[p * k + q];
                off += apq * apq;
                if apq.abs() <= f64::MIN_POSITIVE {
                    continue;
                }
                let theta = (a[q * k + q] - a[p * k + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = t.hypot(1.0).recip();
                let s = t * c;
                for i in 0..k {
                    let [x, y] = [a[i * k + p], a[i * k + q]];
                    (a[i * k + p], a[i * k + q]) = (c * x - s * y, s * x + c * y);
                }
                for i in 0..k {
                    let [x, y] = [a[p * k + i], a[q * k + i]];
                    (a[p * k + i], a[q * k + i]) = (c * x - s * y, s * x + c * y);
                    let [x, y] = [vectors[i * k + p], vectors[i * k + q]];
                    (vectors[i * k + p], vectors[i * k + q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
        if off.sqrt() <= 1e-14 * size {
            break;
        }
    }
    ((0..k).map(|i| a[i * k + i]).collect(), vectors)
}

/// Numbers between -1 and 1, the same on every machine.
fn noise(state: &mut u64, n: usize) -> Vec<f64> {
    let mut number = || {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| number()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distances(points: &[[f64; 3]]) -> Vec<f64> {
        let apart = |a: &[f64; 3], b: &[f64; 3]| {
            a.iter()
                .zip(b)
                .map(|(x, y)| (x - y).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        points
            .iter()
            .flat_map(|a| points.iter().map(move |b| apart(a, b)))
            .collect()
    }

    #[test]
    fn points_in_space_come_back_up_to_a_motion() {
        let octahedron: Vec<[f64; 3]> = (0..6)
            .map(|k| {
                std::array::from_fn(|axis| f64::from(u8::from(k / 2 == axis)) * [1.0, -1.0][k % 2])
            })
            .collect();
        let mut stream = 7;
        let cloud: Vec<[f64; 3]> = (0..100)
            .map(|_| std::array::from_fn(|axis| noise(&mut stream, 1)[0] * [3.0, 2.0, 1.0][axis]))
            .collect();
        let line: Vec<[f64; 3]> = (0..5).map(|k| [f64::from(k), 0.0, 0.0]).collect();
        for points in [octahedron, cloud, line] {
            let given = distances(&points);
            let (found, shares) = multidimensional_scaling(&given, points.len());
            assert!(
                (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9,
                "{shares:?}"
            );
            assert!(shares[0] >= shares[1] && shares[1] >= shares[2]);
            for (a, b) in given.iter().zip(distances(&found)) {
                assert!((a - b).abs() < 1e-6, "{a} came back as {b}");
            }
        }
    }

    #[test]
    fn nothing_to_see_is_a_point() {
        for n in 0..4 {
            let (points, shares) = multidimensional_scaling(&vec![0.0; n * n], n);
            assert_eq!((points, shares), (vec![[0.0; 3]; n], [0.0; 3]));
        }
    }
}
