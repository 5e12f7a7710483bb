//! Minimum spanning trees, which are the diagrams of dimension 0.

use cubecl::prelude::*;

use super::super::bars::{INVALID, MARK_OF_PAIRS, N_TREE, TREE};
use super::{INFINITY, comes_before, pack};

/// Computes the minimum spanning forest of each matrix of `lengths`, `[g, n, n]`, by Prim's algorithm.
///
/// Writes its edges in no particular order, with their lengths, to `bars`, `[g, width]`. Infinite lengths are no edges. A
/// matrix with a NaN is marked as invalid.
///
/// Launch `g` cubes of `block` units.
#[cube(launch_unchecked)]
pub(in crate::gpu) fn spanning_trees(
    lengths: &[u32],
    bars: &mut [u32],
    mark: u32,
    #[comptime] n: usize,
    #[comptime] width: usize,
    #[comptime] block: usize,
) {
    // Of each vertex outside the tree: its shortest edge to the tree.
    let mut nearest = Shared::<[u32]>::new_slice(n);
    let mut edge_of = Shared::<[u32]>::new_slice(n);
    let mut is_inside = Shared::<[u32]>::new_slice(n);
    // Of each unit: the first edge among those of its vertices, and its vertex.
    let mut first_length = Shared::<[u32]>::new_slice(block);
    let mut first_edge = Shared::<[u32]>::new_slice(block);
    let mut first_vertex = Shared::<[u32]>::new_slice(block);
    let mut has_nan = Shared::<[u32]>::new_slice(block);
    let mut newest = Shared::<[u32]>::new_slice(1usize);
    let unit = UNIT_POS as usize;
    let matrix = CUBE_POS_X as usize;
    let base = matrix * comptime!(n * n);
    let output = matrix * width;

    let mut v = unit;
    while v < n {
        nearest[v] = 0xffff_ffffu32;
        edge_of[v] = 0xffff_ffffu32;
        is_inside[v] = 0u32;
        if v == 0 {
            is_inside[v] = 1u32;
        }
        v += block;
    }
    has_nan[unit] = 0u32;
    if unit == 0 {
        newest[0] = 0u32;
    }
    let mut n_tree = 0usize;
    for _step in 1..n {
        sync_cube();
        let from = newest[0];
        let mut best_length = 0xffff_ffffu32;
        let mut best_edge = 0xffff_ffffu32;
        let mut best_vertex = 0xffff_ffffu32;
        let mut v = unit;
        while v < n {
            if is_inside[v] == 0u32 {
                let length = lengths[base + from as usize * n + v];
                let edge = pack(from, v as u32);
                if length > INFINITY {
                    has_nan[unit] = 1u32;
                }
                if comes_before(length, edge, nearest[v], edge_of[v]) {
                    nearest[v] = length;
                    edge_of[v] = edge;
                }
                if comes_before(nearest[v], edge_of[v], best_length, best_edge) {
                    best_length = nearest[v];
                    best_edge = edge_of[v];
                    best_vertex = v as u32;
                }
            }
            v += block;
        }
        first_length[unit] = best_length;
        first_edge[unit] = best_edge;
        first_vertex[unit] = best_vertex;
        sync_cube();
        if unit == 0 {
            for other in 1..block {
                if comes_before(
                    first_length[other],
                    first_edge[other],
                    best_length,
                    best_edge,
                ) {
                    best_length = first_length[other];
                    best_edge = first_edge[other];
                    best_vertex = first_vertex[other];
                }
            }
            newest[0] = best_vertex;
            is_inside[best_vertex as usize] = 1u32;
            // Out of reach: the vertex starts another tree.
            if best_length < INFINITY {
                bars[output + TREE + n_tree] = best_edge;
                bars[output + TREE + comptime!(n - 1) + n_tree] = best_length;
                n_tree += 1;
            }
        }
    }
    sync_cube();
    if unit == 0 {
        let mut is_invalid = 0u32;
        for other in 0..block {
            is_invalid |= has_nan[other];
        }
        bars[output + N_TREE] = n_tree as u32;
        bars[output + INVALID] = is_invalid;
        bars[output + MARK_OF_PAIRS] = mark;
    }
}
