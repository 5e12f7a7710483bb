//! Multidimensional scaling: points in space whose distances approximate given ones.

/// Number of dimensions of the space in which [`multidimensional_scaling`] places the points.
pub const SCALED_DIMS: usize = 3;

/// Number of vectors of the Krylov space in which the three largest eigenvectors are approximated.
///
/// Far more than three, because Lanczos' iteration approximates the outermost eigenvectors first and
/// needs a larger space to separate them from the next ones.
const KRYLOV: usize = 48;

/// Points in three dimensions, as [`multidimensional_scaling`] places them.
///
/// # Example
///
/// ```
/// use burn_topology::distance::multidimensional_scaling;
///
/// // Two points at distance 2 lie on one line.
/// let scaled = multidimensional_scaling(&[0.0, 2.0, 2.0, 0.0], 2);
/// assert_eq!(scaled.points[0][1..], [0.0, 0.0]);
/// assert_eq!(scaled.variance_shares[1..], [0.0, 0.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledPoints {
    /// Coordinates `[x, y, z]` of each point, in the unit of the distances.
    pub points: Vec<[f64; SCALED_DIMS]>,
    /// Fraction of the whole variance that lies along each axis, in descending order.
    pub variance_shares: [f64; SCALED_DIMS],
}

/// Places points in three dimensions so that their distances approximate the given ones.
///
/// This is classical multidimensional scaling, with `D` the distances and `J` the projection that
/// subtracts the mean:
///
/// ```text
/// B = -1/2 J D^2 J        (D^2 entry by entry)
/// coordinate a of point i = sqrt(lambda_a) v_a[i]
/// variance_shares[a] = lambda_a / trace B
/// ```
///
/// where `lambda_a` are the three largest eigenvalues of `B` and `v_a` their eigenvectors.
///
/// The signs are chosen so that the largest coordinate of each axis is positive. An axis whose
/// eigenvalue vanishes, such as the third one of three points, is all zero. Distances that no points in
/// Euclidean space have (squares of a metric, for example) give negative eigenvalues. These get no axis;
/// if they lower the trace below the sum of the three eigenvalues, that sum replaces it in the shares.
///
/// # Shapes
///
/// - `distances`: `[n_points, n_points]`, symmetric, finite, zero diagonal
/// - `points` of the result: `[n_points, 3]`
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
/// let scaled = multidimensional_scaling(&[0.0, 2.0, 2.0, 0.0], 2);
/// let [a, b] = scaled.points[..] else { panic!("two points") };
/// assert!(((a[0] - b[0]).abs() - 2.0).abs() < 1e-12);
/// assert!((scaled.variance_shares[0] - 1.0).abs() < 1e-12);
/// ```
///
/// # Panics
///
/// If the length of `distances` is not `n_points` squared.
pub fn multidimensional_scaling(distances: &[f64], n_points: usize) -> ScaledPoints {
    assert_eq!(distances.len(), n_points * n_points, "not a square matrix");
    let centred = double_centred(distances, n_points);
    let trace: f64 = (0..n_points).map(|i| centred[i * n_points + i]).sum();
    let mut scaled = ScaledPoints {
        points: vec![[0.0; SCALED_DIMS]; n_points],
        variance_shares: [0.0; SCALED_DIMS],
    };
    let largest = centred.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    // All distances are zero; the Krylov space of a zero matrix is empty, so there is nothing to solve.
    if largest == 0.0 {
        return scaled;
    }
    let eigenpairs = largest_eigenpairs(&centred, n_points);
    // Negative eigenvalues lower the trace, possibly below the sum of those that get an axis. Shares
    // must not exceed 1, so the larger of the two sums is the whole.
    let positive = eigenpairs
        .iter()
        .map(|pair| pair.value)
        .filter(|&v| v > 0.0);
    let whole = trace.max(positive.sum());
    for (axis, Eigenpair { value, vector }) in eigenpairs.into_iter().enumerate() {
        // Zero up to rounding, or negative: no axis.
        if value <= 1e-12 * largest {
            continue;
        }
        scaled.variance_shares[axis] = value / whole;
        // The margin lets the first of nearly equal extremes win, so that rounding does not flip signs.
        let extreme = vector.iter().fold(0.0_f64, |most, &x| {
            if x.abs() > most.abs() * (1.0 + 1e-9) {
                x
            } else {
                most
            }
        });
        let scale = value.sqrt() * extreme.signum();
        for (point, x) in scaled.points.iter_mut().zip(vector) {
            point[axis] = scale * x;
        }
    }
    scaled
}

/// Doubly centred squared distances, `-1/2 J D^2 J`, where `J` subtracts the mean.
fn double_centred(distances: &[f64], n: usize) -> Vec<f64> {
    let squares: Vec<f64> = distances.iter().map(|d| d * d).collect();
    let rows = squares.chunks_exact(n.max(1));
    let means: Vec<f64> = rows.map(|row| row.iter().sum::<f64>() / n as f64).collect();
    let mean = means.iter().sum::<f64>() / n.max(1) as f64;
    let entry = |index: usize| -0.5 * (squares[index] - means[index / n] - means[index % n] + mean);
    (0..squares.len()).map(entry).collect()
}

/// One eigenvalue of a symmetric matrix and its eigenvector of length 1.
struct Eigenpair {
    value: f64,
    vector: Vec<f64>,
}

/// Approximates the three largest eigenvalues of a symmetric matrix and their eigenvectors.
///
/// Lanczos' iteration: the matrix is projected onto the space spanned by a random vector and its images
/// under powers of the matrix, and the small projection is diagonalised exactly. Up to 48 points the
/// space is the whole space, and the result exact up to rounding.
fn largest_eigenpairs(matrix: &[f64], n: usize) -> Vec<Eigenpair> {
    let n_steps = n.min(KRYLOV);
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(n_steps);
    let mut images: Vec<Vec<f64>> = Vec::with_capacity(n_steps);
    // A fixed seed, so that the same distances always give the same points.
    let mut stream = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = noise(&mut stream, n);
    while basis.len() < n_steps {
        let before = norm(&next);
        orthogonalise(&mut next, &basis);
        // The basis already spans an invariant subspace: only rounding is left of the next vector.
        // The iteration starts again from a random vector orthogonal to that subspace.
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
    // Eigenvectors of the projection are coefficients in the basis of the Krylov space.
    let vector = |column: usize| {
        let mut sum = vec![0.0; n];
        for (row, basis_vector) in basis.iter().enumerate() {
            let weight = vectors[row * k + column];
            for (total, x) in sum.iter_mut().zip(basis_vector) {
                *total += weight * x;
            }
        }
        sum
    };
    order
        .into_iter()
        .map(|column| Eigenpair {
            value: values[column],
            vector: vector(column),
        })
        .collect()
}

/// Subtracts from a vector its components along all vectors of an orthonormal basis.
///
/// Runs twice: where most of a vector is subtracted, one pass of the Gram-Schmidt method leaves a
/// remainder that is not orthogonal to working accuracy.
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

/// All eigenvalues of a small symmetric `k x k` matrix, and its eigenvectors as columns, by Jacobi's
/// rotations.
fn jacobi(mut a: Vec<f64>, k: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; k * k];
    (0..k).for_each(|i| vectors[i * k + i] = 1.0);
    let size = norm(&a);
    // A bound only: sweeps converge quadratically, so that ten are already many.
    for _ in 0..60 {
        // Sum of the squares above the diagonal, each before its own rotation.
        let mut off = 0.0;
        for p in 0..k {
            for q in p + 1..k {
                let apq = a[p * k + q];
                off += apq * apq;
                if apq.abs() <= f64::MIN_POSITIVE {
                    continue;
                }
                // The rotation by the smaller angle that makes entry (p, q) vanish; `t` is its tangent.
                let theta = (a[q * k + q] - a[p * k + p]) / (2.0 * apq);
                let t = if theta == 0.0 {
                    1.0
                } else {
                    theta.signum() / (theta.abs() + theta.hypot(1.0))
                };
                let c = t.hypot(1.0).recip();
                let s = t * c;
                // Columns first, then rows and eigenvectors: `a` becomes `R^T a R`.
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

/// Draws `n` numbers between -1 and 1, the same on every machine.
fn noise(state: &mut u64, n: usize) -> Vec<f64> {
    let mut number = || {
        // Knuth's linear congruential generator; its upper 53 bits fill the mantissa.
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| number()).collect()
}

/// Scalar product, in eight lanes, because the additions of a single running sum would wait for each other.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for (lane, (x, y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += x * y;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(x, y)| x * y);
    lanes.into_iter().chain(rest).sum()
}

/// Euclidean length.
fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distances(points: &[[f64; 3]]) -> Vec<f64> {
        let distance = |a: &[f64; 3], b: &[f64; 3]| {
            a.iter()
                .zip(b)
                .map(|(x, y)| (x - y).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        points
            .iter()
            .flat_map(|a| points.iter().map(move |b| distance(a, b)))
            .collect()
    }

    #[test]
    fn points_are_recovered_up_to_a_rigid_motion() {
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
            let scaled = multidimensional_scaling(&given, points.len());
            let shares = scaled.variance_shares;
            assert!(
                (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9,
                "{shares:?}"
            );
            assert!(shares[0] >= shares[1] && shares[1] >= shares[2]);
            for (expected, actual) in given.iter().zip(distances(&scaled.points)) {
                assert!(
                    (expected - actual).abs() < 1e-6,
                    "distance {actual}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn zero_distances_place_all_points_at_the_origin() {
        for n in 0..4 {
            let scaled = multidimensional_scaling(&vec![0.0; n * n], n);
            assert_eq!(scaled.points, vec![[0.0; 3]; n]);
            assert_eq!(scaled.variance_shares, [0.0; 3]);
        }
    }
}
