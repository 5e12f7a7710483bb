//! Prim's algorithm on bounds of distances, as a portable kernel that finds candidates for edges of the spanning tree.
//!
//! [`spanning_candidates`](super::spanning_candidates) has the bounds and the proof.
//! [`vectorized`](super::vectorized) compiles the kernel for each vector extension.

use super::gram::PANEL;

/// State of Prim's algorithm, one entry per place of a panel in each vector.
#[derive(Debug, Clone, Default)]
pub(super) struct Points {
    /// `|x_i|^2 + e_i`, the part of an upper bound that belongs to the point.
    pub(super) own: Vec<f32>,
    /// `2 e_i`, half of the difference between the bounds of a pair.
    pub(super) slack: Vec<f32>,
    /// Upper bound of the distance to the tree for points outside of it, infinite for others.
    pub(super) nearest: Vec<f32>,
    /// `m` between the newest point and each older one; negative infinity for points outside of the tree.
    pub(super) longest: Vec<f32>,
    /// Infinite for points of the tree, negative infinity outside.
    pub(super) inside: Vec<f32>,
}

impl Points {
    /// Adds a point to the tree, by an edge whose upper bound is `length`: finds its candidates among the older points,
    /// and updates the distances to the tree of those outside.
    ///
    /// `products` are the inner products of the point with all others.
    #[inline(always)]
    fn add(
        &mut self,
        newest: usize,
        length: f32,
        kappa: f32,
        products: &[f32],
        pairs: &mut Vec<[u32; 2]>,
    ) {
        let (own, slack) = (self.own[newest], self.slack[newest]);
        let (products, _) = products.as_chunks::<PANEL>();
        let (owns, _) = self.own.as_chunks::<PANEL>();
        let (slacks, _) = self.slack.as_chunks::<PANEL>();
        let (inside, _) = self.inside.as_chunks::<PANEL>();
        let (nearest, _) = self.nearest.as_chunks_mut::<PANEL>();
        let (longest, _) = self.longest.as_chunks_mut::<PANEL>();
        let state = nearest.iter_mut().zip(longest).zip(inside);
        let bounds = products.iter().zip(owns).zip(slacks);
        for (panel, (((nearest, longest), inside), ((products, owns), slacks))) in
            state.zip(bounds).enumerate()
        {
            let mut is_candidate = [false; PANEL];
            for k in 0..PANEL {
                let upper = own + owns[k] - 2.0 * products[k];
                // Comparisons rather than `min` and `max`, whose rules for NaN cost instructions. `inside` is
                // infinite for points of the tree, whose `nearest` then stays infinite, and negative infinity for
                // the others, whose `longest` then stays so.
                let outside = if upper > inside[k] { upper } else { inside[k] };
                nearest[k] = if outside < nearest[k] {
                    outside
                } else {
                    nearest[k]
                };
                let edge = if length < inside[k] {
                    length
                } else {
                    inside[k]
                };
                longest[k] = if edge > longest[k] { edge } else { longest[k] };
                is_candidate[k] = upper - slacks[k] <= kappa * longest[k] + slack;
            }
            // Most panels have none.
            if is_candidate.contains(&true) {
                let candidates = (0..PANEL).filter(|&k| is_candidate[k]);
                pairs.extend(candidates.map(|k| [newest as u32, (panel * PANEL + k) as u32]));
            }
        }
        self.inside[newest] = f32::INFINITY;
        self.nearest[newest] = f32::INFINITY;
        // A path from here to a newer point has no edge yet.
        self.longest[newest] = 0.0;
    }

    /// Returns the point outside of the tree that is nearest to it, and its distance; `None` without such a point.
    #[inline(always)]
    fn nearest_outside(&self) -> Option<(usize, f32)> {
        let (chunks, _) = self.nearest.as_chunks::<PANEL>();
        let mut lanes = [f32::INFINITY; PANEL];
        for chunk in chunks {
            for (least, &value) in lanes.iter_mut().zip(chunk) {
                *least = if value < *least { value } else { *least };
            }
        }
        let least = lanes.into_iter().fold(f32::INFINITY, f32::min);
        if least == f32::INFINITY {
            return None;
        }
        let panel = chunks.iter().position(|chunk| chunk.contains(&least))?;
        let k = chunks[panel].iter().position(|&value| value == least)?;
        Some((panel * PANEL + k, least))
    }
}

/// Parameters of a search for candidates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// Factor by which the lower bound of a candidate may exceed `m`.
    pub(super) kappa: f32,
    /// Number of candidates above which the search is given up.
    pub(super) max_pairs: usize,
}

/// Adds all points to the tree, and returns false if there are too many candidates.
///
/// To be inlined into a function that is compiled for a vector extension.
#[inline(always)]
pub(super) fn search_candidates_f32(
    search: Search,
    products: &[f32],
    points: &mut Points,
    pairs: &mut Vec<[u32; 2]>,
) -> bool {
    let n_places = points.own.len();
    // The first point joins an empty tree, by an edge that no path has.
    let mut next = Some((0, 0.0));
    while let Some((newest, length)) = next {
        let row = &products[newest * n_places..][..n_places];
        points.add(newest, length, search.kappa, row, pairs);
        if pairs.len() > search.max_pairs {
            return false;
        }
        next = points.nearest_outside();
    }
    true
}
