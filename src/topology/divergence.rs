//! Divergences: comparisons of two distance matrices on the same points, with gradients.
//!
//! Unlike a distance between diagrams, a divergence depends on which points form a cluster or a cycle: two
//! matrices with equal diagrams but clusters of different points have a positive divergence.

use super::distance_matrix::DistanceMatrix;
use super::edge::Edge;
use super::spanning_tree::SpanningTree;
use super::vietoris_rips::VietorisRips;
use crate::error::{Error, Result};

/// Derivatives of a scalar with respect to the entries of one distance matrix: pairs of an edge and a value.
///
/// For an edge that is not listed the derivative is zero. The values of an edge that is listed several times
/// add up.
pub type EdgeGradient = Vec<(Edge, f64)>;

/// Value of a divergence, and its gradient with respect to both distance matrices.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, rtd_lite};
///
/// // Three points: in the first matrix the pair (0, 1) is close, in the second the pair (1, 2).
/// let first = [0.0, 1.0, 4.0, 1.0, 0.0, 4.0, 4.0, 4.0, 0.0];
/// let second = [0.0, 4.0, 4.0, 4.0, 0.0, 1.0, 4.0, 1.0, 0.0];
/// let [first, second] = [&first, &second].map(|d| DistanceMatrix::<f64>::new(d, 3));
/// let divergence = rtd_lite(&first?, &second?)?;
/// assert_eq!(divergence.value, 3.0); // (5 + 5) / 2 - 2
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// Value of the divergence.
    pub value: f64,
    /// Derivatives with respect to the entries of the first and of the second matrix.
    pub gradients: [EdgeGradient; 2],
}

/// Computes the topological signature loss: the difference of two matrices on their critical edges.
///
/// ```text
/// loss = 1/2 sum over e critical in A of (A_e - B_e)^2
///      + 1/2 sum over e critical in B of (A_e - B_e)^2
/// ```
///
/// `critical` lists the critical edges of either matrix; an edge that is listed twice counts twice. An edge
/// that has infinite length in either matrix is left out.
///
/// # Gradient
///
/// With the critical edges held constant: `A_e - B_e` with respect to `A_e`, and `B_e - A_e` with respect to
/// `B_e`.
///
/// # Errors
///
/// [`Error::is_invalid_distances`] if the matrices have different numbers of points.
///
/// # Cost
///
/// O(number of critical edges).
///
/// # Source
///
/// M. Moor et al., Topological Autoencoders, ICML 2020.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, signature_loss};
///
/// let (near, far) = ([0.0, 1.0, 1.0, 0.0], [0.0, 3.0, 3.0, 0.0]);
/// let [near, far] = [&near, &far].map(|d| DistanceMatrix::<f64>::new(d, 2));
/// let loss = signature_loss([&near?, &far?], [&[[0, 1]], &[[0, 1]]])?;
/// assert_eq!(loss.value, 4.0);
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn signature_loss(
    matrices: [&DistanceMatrix<'_, f64>; 2],
    critical: [&[Edge]; 2],
) -> Result<Divergence> {
    check_points(matrices)?;
    let mut value = 0.0;
    let mut gradients = [EdgeGradient::new(), EdgeGradient::new()];
    for &edge in critical.into_iter().flatten() {
        let [a, b] = matrices.map(|matrix| length(matrix, edge));
        let difference = a - b;
        if difference.is_finite() && difference != 0.0 {
            value += 0.5 * difference * difference;
            gradients[0].push((edge, difference));
            gradients[1].push((edge, -difference));
        }
    }
    Ok(Divergence { value, gradients })
}

/// Computes RTD-Lite, a divergence in dimension 0: the difference of lengths of minimum spanning trees.
///
/// ```text
/// divergence = (|T(A)| + |T(B)|) / 2 - |T(min(A, B))|
/// ```
///
/// where `|T(A)|` is the total length of the edges of the minimum spanning tree of `A`, and the minimum is
/// taken entry by entry. This is the mean over both directions of the total persistence of clusters that one
/// matrix has joined and the other has not. It is zero for equal matrices, and whenever the tree of
/// `min(A, B)` is not shorter than the others.
///
/// # Gradient
///
/// With the trees held constant: 1/2 for each edge of `T(A)` and `T(B)`. An edge of `T(min(A, B))` gives -1 to
/// the matrix in which it is shorter, -1/2 to each if it is equally long.
///
/// # Errors
///
/// [`Error::is_invalid_distances`] if the matrices have different numbers of points, or if infinite distances
/// separate the points of one into several components, which would make its tree infinitely long.
///
/// # Cost
///
/// O(n^2) time and memory.
///
/// # Source
///
/// E. Tulchinskii et al., RTD-Lite: Scalable Topological Analysis for Comparing Weighted Graphs in
/// Learning Tasks, AISTATS 2025, <https://arxiv.org/abs/2503.11910>.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, rtd_lite};
///
/// // The pair (0, 1) is close in the first matrix, and no pair is close in the second.
/// let first = [0.0, 1.0, 4.0, 1.0, 0.0, 4.0, 4.0, 4.0, 0.0];
/// let second = [0.0, 4.0, 4.0, 4.0, 0.0, 4.0, 4.0, 4.0, 0.0];
/// let [first, second] = [&first, &second].map(|d| DistanceMatrix::<f64>::new(d, 3));
/// let divergence = rtd_lite(&first?, &second?)?;
/// assert_eq!(divergence.value, 1.5); // (5 + 8) / 2 - 5
/// assert_eq!(divergence.gradients[0][0], ([0, 1], -0.5));
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn rtd_lite(
    first: &DistanceMatrix<'_, f64>,
    second: &DistanceMatrix<'_, f64>,
) -> Result<Divergence> {
    let n_points = check_points([first, second])?;
    let least = entrywise_min(first, second);
    let least = DistanceMatrix::from_symmetric(&least, n_points);
    let mut trees = SpanningTree::default();
    let mut value = 0.0;
    let mut gradients = [EdgeGradient::new(), EdgeGradient::new()];
    for (matrix, gradient) in [first, second].into_iter().zip(&mut gradients) {
        for edge in connected_tree(&mut trees, matrix)? {
            value += 0.5 * length(matrix, edge);
            gradient.push((edge, 0.5));
        }
    }
    for edge in connected_tree(&mut trees, &least)? {
        value -= length(&least, edge);
        add_min_gradient([first, second], edge, -1.0, &mut gradients);
    }
    merge(&mut gradients);
    // Equal trees cancel exactly in the gradients, but leave rounding in the value, since their edges are
    // summed in different orders.
    let value = if gradients.iter().all(Vec::is_empty) {
        0.0
    } else {
        value.max(0.0)
    };
    Ok(Divergence { value, gradients })
}

/// Computes the representation topology divergence (RTD) in dimension 1, the mean of both directions.
///
/// ```text
/// RTD = (R(A, B) + R(B, A)) / 2
/// R(A, B) = total persistence in dimension 1 of the 2n points with the distance matrix
///
///           |  0       A      |     n first copies,
///           |  A   min(A, B)  |     n second copies
/// ```
///
/// The bars of this doubled matrix are the clusters and cycles that `min(A, B)` has joined or closed and `A`
/// has not (the homology of the mapping cone of the inclusion of `A` in `min(A, B)`).
///
/// # Gradient
///
/// With the pairing held constant, with respect to the entries that are births and deaths. The derivative for
/// an entry of `min(A, B)` goes to the smaller of the two, half of it to each if they are equal.
///
/// # Errors
///
/// [`Error::is_invalid_distances`] if the matrices have different numbers of points or infinite entries, and
/// the errors of [`VietorisRips::diagrams`].
///
/// # Cost
///
/// Twice that of [`VietorisRips::diagrams`] for `2 n` points in dimension 1.
///
/// # Source
///
/// S. Barannikov et al., Representation Topology Divergence, ICML 2022.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, rtd};
///
/// let first = [0.0, 1.0, 4.0, 1.0, 0.0, 4.0, 4.0, 4.0, 0.0];
/// let second = [0.0, 4.0, 4.0, 4.0, 0.0, 1.0, 4.0, 1.0, 0.0];
/// let [first, second] = [&first, &second].map(|d| DistanceMatrix::<f64>::new(d, 3));
/// assert_eq!(rtd(&first?, &second?)?.value, 3.0);
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn rtd(
    first: &DistanceMatrix<'_, f64>,
    second: &DistanceMatrix<'_, f64>,
) -> Result<Divergence> {
    let n_points = check_points([first, second])?;
    if let Some(matrix) = [first, second].iter().position(|m| m.mean().is_infinite()) {
        return Err(Error::invalid_distances(format!(
            "{} matrix has an infinite distance, expected finite ones: its divergence is infinite",
            ["first", "second"][matrix]
        )));
    }
    let mut rips = VietorisRips::new(1)?;
    let mut value = 0.0;
    let mut gradients = [EdgeGradient::new(), EdgeGradient::new()];
    for side in 0..2 {
        let from = [first, second][side];
        let doubled = doubled(from, &entrywise_min(first, second), n_points);
        let doubled = DistanceMatrix::from_symmetric(&doubled, 2 * n_points);
        let diagrams = rips.diagrams(&doubled)?;
        for bar in diagrams[1].finite() {
            value += 0.5 * bar.persistence();
            let ends = [(bar.birth_edge, -0.5), (bar.death_edge, 0.5)];
            for (edge, slope) in ends.into_iter().filter_map(|(edge, s)| Some((edge?, s))) {
                match edge.map(|vertex| vertex as usize >= n_points) {
                    // Between two second copies: an entry of `min(A, B)`.
                    [true, true] => {
                        let edge = edge.map(|vertex| vertex - n_points as u32);
                        add_min_gradient([first, second], edge, slope, &mut gradients);
                    }
                    // Between a first and a second copy of different points: an entry of `A`.
                    [false, true] if edge[0] != edge[1] - n_points as u32 => {
                        let (a, b) = (edge[0], edge[1] - n_points as u32);
                        gradients[side].push(([a.min(b), a.max(b)], slope));
                    }
                    // Between two first copies, or two copies of one point: zero by construction.
                    _ => {}
                }
            }
        }
    }
    merge(&mut gradients);
    Ok(Divergence { value, gradients })
}

/// The distance matrix of two copies of the points, `[2n, 2n]`, see [`rtd`].
fn doubled(from: &DistanceMatrix<'_, f64>, least: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; 4 * n * n];
    for i in 0..n {
        let row = from.row(i);
        out[i * 2 * n + n..][..n].copy_from_slice(row);
        out[(n + i) * 2 * n..][..n].copy_from_slice(row);
        out[(n + i) * 2 * n + n..][..n].copy_from_slice(&least[i * n..][..n]);
    }
    out
}

/// Minimum of two matrices entry by entry, `[n, n]`.
fn entrywise_min(first: &DistanceMatrix<'_, f64>, second: &DistanceMatrix<'_, f64>) -> Vec<f64> {
    (0..first.n_points())
        .flat_map(|i| first.row(i).iter().zip(second.row(i)))
        .map(|(a, b)| a.min(*b))
        .collect()
}

/// Edges of the minimum spanning tree of a matrix.
///
/// # Errors
///
/// [`Error::is_invalid_distances`] if infinite distances leave several components.
fn connected_tree(
    trees: &mut SpanningTree<f64>,
    matrix: &DistanceMatrix<'_, f64>,
) -> Result<Vec<Edge>> {
    let edges: Vec<Edge> = trees.edges(matrix, f64::INFINITY).collect();
    if edges.len() + 1 < matrix.n_points() {
        return Err(Error::invalid_distances(
            "infinite distances separate the points into several components, expected finite distances \
             that connect all points",
        ));
    }
    Ok(edges)
}

/// Length of an edge.
fn length(matrix: &DistanceMatrix<'_, f64>, [i, j]: Edge) -> f64 {
    matrix.get(i as usize, j as usize)
}

/// Adds `slope` times the gradient of `min(A_e, B_e)`: all of it to the shorter one, half to each if equal.
fn add_min_gradient(
    matrices: [&DistanceMatrix<'_, f64>; 2],
    edge: Edge,
    slope: f64,
    gradients: &mut [EdgeGradient; 2],
) {
    let [a, b] = matrices.map(|matrix| length(matrix, edge));
    let [gradient_a, gradient_b] = gradients;
    if a == b {
        gradient_a.push((edge, 0.5 * slope));
        gradient_b.push((edge, 0.5 * slope));
    } else if a < b {
        gradient_a.push((edge, slope));
    } else {
        gradient_b.push((edge, slope));
    }
}

/// Sorts the edges, adds up those that are repeated, and removes those whose derivatives cancel.
fn merge(gradients: &mut [EdgeGradient; 2]) {
    for gradient in gradients {
        // Stable, so that equal edges are added in a fixed order.
        gradient.sort_by_key(|&(edge, _)| edge);
        gradient.dedup_by(|(edge, slope), (kept, sum)| {
            let is_repeated = edge == kept;
            if is_repeated {
                *sum += *slope;
            }
            is_repeated
        });
        gradient.retain(|&(_, slope)| slope != 0.0);
    }
}

/// Checks that both matrices have the same number of points, and returns it.
fn check_points([first, second]: [&DistanceMatrix<'_, f64>; 2]) -> Result<usize> {
    if first.n_points() == second.n_points() {
        return Ok(first.n_points());
    }
    Err(Error::invalid_distances(format!(
        "matrices have {} and {} points, expected the same number in both",
        first.n_points(),
        second.n_points()
    )))
}

#[cfg(test)]
mod tests;
