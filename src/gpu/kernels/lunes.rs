//! Lunes of all edges, from which both diagrams follow.
//!
//! When an edge enters the filtration, the edges from both of its ends to a vertex of its *lune* are there already. If its
//! lune is empty, it joins two components or gives birth to a class; if the lune has several components, each beyond the
//! first is a relation between classes. Other edges change nothing. What an edge does therefore follows from the matrix
//! alone, without sorting the edges.

use cubecl::prelude::*;

use super::super::bars::{MARK_OF_LUNES, MARK_OF_ORDER};
use super::{INFINITY, Room, comes_before, is_within, pack, position};

/// Number of counts of each matrix: entries of `empty`, entries of `cells`, distances that are NaN.
pub(in crate::gpu) const COUNTS: usize = 3;

/// Lists what each edge of each matrix of `lengths`, `[g, n, n]`, does.
///
/// Edges with an empty lune go to `empty`, `[g, room.empty]`. Of each further component of a lune, the edge and the lowest
/// vertices of the first and of that component go to `cells`, `[g, room.cells, 2]`. The lists grow in no fixed order;
/// `counts`, `[g, COUNTS]` of zeros, are their lengths, which may exceed the room. Infinite lengths are no edges. Clears
/// `known`, `[g, n, n]`, above the diagonal.
///
/// A unit owns an edge. Launch `(ceil(n (n - 1) / 2 / block), g)` cubes of `block` units.
#[cube(launch_unchecked)]
pub(in crate::gpu) fn lunes(
    lengths: &[u32],
    counts: &[Atomic<u32>],
    empty: &mut [u32],
    cells: &mut [u32],
    known: &mut [u32],
    bars: &mut [u32],
    mark: u32,
    #[comptime] n: usize,
    #[comptime] room: Room,
    #[comptime] width: usize,
    #[comptime] block: usize,
) {
    let words = comptime!(n.div_ceil(32));
    let pairs = comptime!(n * (n - 1) / 2);
    let place = CUBE_POS_X as usize * block + UNIT_POS as usize;
    let matrix = CUBE_POS_Y as usize;
    let counts_at = matrix * COUNTS;
    if place == 0 {
        bars[matrix * width + MARK_OF_LUNES] = mark;
    }
    if place < pairs {
        // Row i has n - 1 - i edges.
        let mut i = 0usize;
        let mut rest = place;
        while rest >= n - 1 - i {
            rest -= n - 1 - i;
            i += 1;
        }
        let j = i + 1 + rest;
        let base = matrix * comptime!(n * n);
        let limit = lengths[base + i * n + j];
        let edge = pack(i as u32, j as u32);
        known[base + i * n + j] = 0u32;
        if limit > INFINITY {
            counts[counts_at + 2].fetch_add(1u32);
        }
        if limit < INFINITY {
            let row = base + i * n;
            let column = base + j;
            let mut lune = Array::<u32>::new(words);
            let mut any = 0u32;
            let mut ties = 0u32;
            #[unroll]
            for w in 0..words {
                let bits = comptime!(if n - w * 32 < 32 { n - w * 32 } else { 32 });
                let mut word = 0u32;
                for bit in 0..bits {
                    let k = w * 32 + bit;
                    let farther = u32::max(lengths[row + k], lengths[column + k * n]);
                    if farther < limit {
                        word |= 1u32 << bit as u32;
                    }
                    if farther == limit {
                        ties += 1u32;
                    }
                }
                lune[w] = word;
                any |= word;
            }
            // The two ends tie with the edge itself. If others do, vertex numbers decide.
            if ties > 2u32 {
                any = 0u32;
                #[unroll]
                for w in 0..words {
                    let bits = comptime!(if n - w * 32 < 32 { n - w * 32 } else { 32 });
                    let mut word = 0u32;
                    for bit in 0..bits {
                        let k = w * 32 + bit;
                        if k != i
                            && k != j
                            && is_within(lengths, base, n, i as u32, k as u32, limit, edge)
                            && is_within(lengths, base, n, j as u32, k as u32, limit, edge)
                        {
                            word |= 1u32 << bit as u32;
                        }
                    }
                    lune[w] = word;
                    any |= word;
                }
            }
            if any == 0u32 {
                let slot = counts[counts_at].fetch_add(1u32) as usize;
                if slot < room.empty {
                    empty[matrix * comptime!(room.empty) + slot] = edge;
                }
            } else {
                let mut ahead = Array::<u32>::new(words);
                let mut first = 0u32;
                let mut n_components = 0u32;
                let mut is_left = true;
                while is_left {
                    // The lowest vertex that is left starts the next component.
                    let mut head = 0u32;
                    let mut is_found = false;
                    #[unroll]
                    for w in 0..words {
                        ahead[w] = 0u32;
                        if !is_found && lune[w] != 0u32 {
                            head = w as u32 * 32 + u32::trailing_zeros(lune[w]);
                            lune[w] &= lune[w] - 1u32;
                            is_found = true;
                        }
                    }
                    if n_components == 0u32 {
                        first = head;
                    } else {
                        let slot = counts[counts_at + 1].fetch_add(1u32) as usize;
                        if slot < room.cells {
                            let at = (matrix * comptime!(room.cells) + slot) * 2;
                            cells[at] = edge;
                            cells[at + 1] = (first << 16) | head;
                        }
                    }
                    n_components += 1u32;
                    let mut visited = head;
                    let mut is_searching = true;
                    while is_searching {
                        let from = base + visited as usize * n;
                        let mut any_left = 0u32;
                        let mut is_next = false;
                        #[unroll]
                        for w in 0..words {
                            let mut candidates = lune[w];
                            let mut hit = 0u32;
                            while candidates != 0u32 {
                                let lowest = candidates & (0u32 - candidates);
                                candidates ^= lowest;
                                let k = w as u32 * 32 + u32::trailing_zeros(lowest);
                                let length = lengths[from + k as usize];
                                if comes_before(length, pack(visited, k), limit, edge) {
                                    hit |= lowest;
                                }
                            }
                            lune[w] ^= hit;
                            ahead[w] |= hit;
                            any_left |= lune[w];
                        }
                        if any_left == 0u32 {
                            is_searching = false;
                            is_left = false;
                        } else {
                            #[unroll]
                            for w in 0..words {
                                if !is_next && ahead[w] != 0u32 {
                                    visited = w as u32 * 32 + u32::trailing_zeros(ahead[w]);
                                    ahead[w] &= ahead[w] - 1u32;
                                    is_next = true;
                                }
                            }
                            is_searching = is_next;
                        }
                    }
                }
            }
        }
    }
}

/// Puts both lists of [`lunes`] in the order of the filtration: `sorted`, `[g, room.sorted()]`.
///
/// The rank of an entry is the number of entries before it, so the order does not depend on that of the lists. Launch `g`
/// cubes of `block` units.
#[cube(launch_unchecked)]
pub(in crate::gpu) fn order(
    lengths: &[u32],
    counts: &[u32],
    empty: &[u32],
    cells: &[u32],
    sorted: &mut [u32],
    bars: &mut [u32],
    mark: u32,
    #[comptime] n: usize,
    #[comptime] room: Room,
    #[comptime] width: usize,
    #[comptime] block: usize,
) {
    let matrix = CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let base = matrix * comptime!(n * n);
    let n_empty = usize::min(counts[matrix * COUNTS] as usize, room.empty);
    let n_cells = usize::min(counts[matrix * COUNTS + 1] as usize, room.cells);
    let empty_at = matrix * comptime!(room.empty);
    let cells_at = matrix * comptime!(2 * room.cells);
    let sorted_at = matrix * comptime!(room.sorted());
    if unit == 0 {
        bars[matrix * width + MARK_OF_ORDER] = mark;
    }
    let mut slot = unit;
    while slot < n_empty {
        let edge = empty[empty_at + slot];
        let length = lengths[base + position(edge, n)];
        let mut rank = 0usize;
        for other in 0..n_empty {
            let other_edge = empty[empty_at + other];
            let other_length = lengths[base + position(other_edge, n)];
            if comes_before(other_length, other_edge, length, edge) {
                rank += 1;
            }
        }
        sorted[sorted_at + rank] = edge;
        slot += block;
    }
    slot = unit;
    while slot < n_cells {
        let edge = cells[cells_at + 2 * slot];
        let ends = cells[cells_at + 2 * slot + 1];
        let length = lengths[base + position(edge, n)];
        let mut rank = 0usize;
        for other in 0..n_cells {
            let other_edge = cells[cells_at + 2 * other];
            let other_ends = cells[cells_at + 2 * other + 1];
            let other_length = lengths[base + position(other_edge, n)];
            if comes_before(other_length, other_edge, length, edge)
                || (other_edge == edge && other_ends < ends)
            {
                rank += 1;
            }
        }
        let at = sorted_at + comptime!(room.empty) + 2 * rank;
        sorted[at] = edge;
        sorted[at + 1] = ends;
        slot += block;
    }
}
