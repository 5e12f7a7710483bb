//! Divergences of two matrices of distances between the same points, with gradients.
//!
//! Unlike a distance of diagrams they know which point is which: two matrices with the same
//! clusters of different points are far apart.

use super::distance_matrix::DistanceMatrix;
use super::edge::Edge;
use super::spanning_tree::SpanningTree;
use super::vietoris_rips::VietorisRips;
use crate::error::{Error, Result};

/// Derivatives of a scalar in the distances of one matrix: edges and values, zero elsewhere.
/// Repeated edges add up.
pub type EdgeGradient = Vec<(Edge, f64)>;

/// A divergence and its gradient in both matrices.
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
/// assert_eq!(divergence.value, 3.0); // trees of length 5 against one of length 2
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// The divergence.
    pub value: f64,
    /// Derivatives in the first and in the second matrix.
    pub gradients: [EdgeGradient; 2],
}

/// Topological signature loss: how much the lengths of the critical edges of either matrix differ
/// from those of the same edges in the other.
///
/// Half the sum of `(A_e - B_e)^2` over the critical edges of `A`, and half of that over those of
/// `B`; an edge that is critical twice counts twice.
///
/// # Gradient
///
/// With the critical edges held constant; an edge of infinite length is left out.
///
/// # Errors
///
/// [`Error::is_invalid_distances`] if the matrices differ in points.
///
/// # Cost
///
/// O(critical edges).
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
        let apart = a - b;
        if apart.is_finite() && apart != 0.0 {
            value += 0.5 * apart * apart;
            gradients[0].push((edge, apart));
            gradients[1].push((edge, -apart));
        }
    }
    Ok(Divergence { value, gradients })
}

/// RTD-Lite: how much shorter a spanning tree gets when it may take each edge from either matrix.
///
/// The mean of the two minimum spanning trees' lengths less that of the minimum spanning tree of
/// `min(A, B)`: the sum, halved over both directions, of the bars of clusters that one matrix
/// joins and the other does not yet. Zero for equal matrices, and whenever `min(A, B)` needs no
/// shorter tree.
///
/// # Gradient
///
/// With the trees held constant; an edge of the common tree belongs to the matrix that has it
/// shorter, half to each if they are equal.
///
/// # Errors
///
/// [`Error::is_invalid_distances`] if the matrices differ in points, or one falls apart: infinite
/// distances would make the sum infinite.
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
/// // The first matrix joins (0, 1) early, the second has both edges late.
/// let first = [0.0, 1.0, 4.0, 1.0, 0.0, 4.0, 4.0, 4.0, 0.0];
/// let second = [0.0, 4.0, 4.0, 4.0, 0.0, 4.0, 4.0, 4.0, 0.0];
/// let [first, second] = [&first, &second].map(|d| DistanceMatrix::<f64>::new(d, 3));
/// let divergence = rtd_lite(&first?, &second?)?;
/// assert_eq!(divergence.value, 1.5); // trees of 5 and 8, half their sum less 5
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
        give_to_shorter([first, second], edge, -1.0, &mut gradients);
    }
    cancel(&mut gradients);
    // Equal trees are summed in two orders.
    let value = if gradients.iter().all(Vec::is_empty) {
        0.0
    } else {
        value.max(0.0)
    };
    Ok(Divergence { value, gradients })
}

/// Representation topology divergence in dimension 1, the mean of both directions.
///
/// From `A` to `B`: the total persistence in dimension 1 of twice the points, where the first copies
/// are at distance 0 from each other, the second at `min(A, B)`, and a first from a second copy at
/// `A`. Its bars are the cycles and the joined clusters that `min(A, B)` has and `A` has not yet
/// (the mapping cone of the inclusion).
///
/// # Gradient
///
/// With the pairing held constant, to the entries that are births and deaths; an entry of
/// `min(A, B)` belongs to the smaller, half to each if they are equal.
///
/// # Errors
///
/// [`Error::is_invalid_distances`] if the matrices differ in points or have infinite entries, and as
/// [`VietorisRips::diagrams`].
///
/// # Cost
///
/// Twice the persistence of `2 n` points.
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
                    [true, true] => {
                        let edge = edge.map(|vertex| vertex - n_points as u32);
                        give_to_shorter([first, second], edge, slope, &mut gradients);
                    }
                    [false, true] if edge[0] != edge[1] - n_points as u32 => {
                        let (a, b) = (edge[0], edge[1] - n_points as u32);
                        gradients[side].push(([a.min(b), a.max(b)], slope));
                    }
                    // Distances that are zero by construction.
                    _ => {}
                }
            }
        }
    }
    cancel(&mut gradients);
    Ok(Divergence { value, gradients })
}

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

fn entrywise_min(first: &DistanceMatrix<'_, f64>, second: &DistanceMatrix<'_, f64>) -> Vec<f64> {
    let rows = (0..first.n_points()).flat_map(|i| first.row(i).iter().zip(second.row(i)));
    rows.map(|(a, b)| a.min(*b)).collect()
}

fn connected_tree(
    trees: &mut SpanningTree<f64>,
    matrix: &DistanceMatrix<'_, f64>,
) -> Result<Vec<Edge>> {
    let edges: Vec<Edge> = trees.edges(matrix, f64::INFINITY).collect();
    if edges.len() + 1 < matrix.n_points() {
        return Err(Error::invalid_distances(
            "infinite distances keep points apart for ever, expected a connected matrix",
        ));
    }
    Ok(edges)
}

fn length(matrix: &DistanceMatrix<'_, f64>, [i, j]: Edge) -> f64 {
    matrix.get(i as usize, j as usize)
}

/// The derivative of `min(A, B)` in an edge.
fn give_to_shorter(
    matrices: [&DistanceMatrix<'_, f64>; 2],
    edge: Edge,
    slope: f64,
    gradients: &mut [EdgeGradient; 2],
) {
    let [a, b] = matrices.map(|matrix| length(matrix, edge));
    let [on_a, on_b] = gradients;
    if a == b {
        on_a.push((edge, 0.5 * slope));
        on_b.push((edge, 0.5 * slope));
    } else if a < b {
        on_a.push((edge, slope));
    } else {
        on_b.push((edge, slope));
    }
}

/// Adds up repeated edges and leaves out those whose parts cancel.
fn cancel(gradients: &mut [EdgeGradient; 2]) {
    for gradient in gradients {
        gradient.sort_by_key(|&(edge, _)| edge);
        gradient.dedup_by(|(edge, slope), (kept, sum)| {
            let same = edge == kept;
            if same {
                *sum += *slope;
            }
            same
        });
        gradient.retain(|&(_, slope)| slope != 0.0);
    }
}

fn check_points([first, second]: [&DistanceMatrix<'_, f64>; 2]) -> Result<usize> {
    if first.n_points() == second.n_points() {
        return Ok(first.n_points());
    }
    Err(Error::invalid_distances(format!(
        "matrices have {} and {} points, expected the same points in both",
        first.n_points(),
        second.n_points()
    )))
}

#[cfg(test)]
mod tests;
