//! Pairing of births with deaths, from what the lunes tell.
//!
//! The *annotation* of an edge is the sum of classes that it adds to a path, as in the algorithm for processors
//! (`topology/annotation.rs`). It is worked out when it is asked for, through the lowest vertex of the edge's lune.

use cubecl::prelude::*;

use super::super::bars::{INVALID, MARK_OF_PAIRS, N_BIRTHS, N_TREE, OVERFLOW, TREE};
use super::lunes::COUNTS;
use super::{Room, is_within, pack, position};

/// An annotation that is not known yet; one that is zero; else the word is a class, or a column of classes.
const UNKNOWN: u32 = 0;
const ZERO: u32 = 1;
const CLASS: u32 = 1 << 30;
const COLUMN: u32 = 1 << 31;
/// The number of a class or column.
const NUMBER: u32 = (1 << 30) - 1;

/// Computes the trees, births and deaths of each matrix of `lengths`, `[g, n, n]`.
///
/// Writes to `bars`, `[g, width]`, the edges of the tree, births, and deaths with their lengths, all in the order of the
/// filtration; the death of a class that never dies is 0. Where a list was too short, it says which.
///
/// `known` is `[g, n, n]` of zeros, and scratch memory as `relations`, `[g, births]`, `columns`, `[g, columns, words]`, and
/// `stack`, `[g, stack]`. Launch `g` cubes of `block` units.
#[cube(launch_unchecked)]
pub(in crate::gpu) fn pairs(
    lengths: &[u32],
    counts: &[u32],
    sorted: &[u32],
    bars: &mut [u32],
    known: &mut [u32],
    relations: &mut [u32],
    columns: &mut [u32],
    stack: &mut [u32],
    mark: u32,
    #[comptime] n: usize,
    #[comptime] room: Room,
    #[comptime] width: usize,
    #[comptime] block: usize,
) {
    let max_words = comptime!(room.words());
    let mut parent = Shared::<[u32]>::new_slice(n);
    let mut sum = Shared::<[u32]>::new_slice(max_words);
    let matrix = CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let base = matrix * comptime!(n * n);
    let n_empty = usize::min(counts[matrix * COUNTS] as usize, room.empty);
    let n_cells = usize::min(counts[matrix * COUNTS + 1] as usize, room.cells);
    let sorted_at = matrix * comptime!(room.sorted());
    let relations_at = matrix * comptime!(room.births);

    let mut v = unit;
    while v < n {
        parent[v] = v as u32;
        v += block;
    }
    let mut class = unit;
    while class < room.births {
        relations[relations_at + class] = 0u32;
        class += block;
    }
    sync_cube();

    if unit == 0 {
        let output = matrix * width;
        let tree_at = output + TREE;
        let births_at = tree_at + comptime!(2 * (n - 1));
        let deaths_at = births_at + comptime!(2 * room.births);
        let columns_at = matrix * comptime!(room.columns * room.words());
        let stack_at = matrix * comptime!(room.stack);
        let mut n_tree = 0usize;
        let mut n_births = 0usize;
        let mut overflow = 0u32;
        if counts[matrix * COUNTS] as usize > room.empty
            || counts[matrix * COUNTS + 1] as usize > room.cells
        {
            overflow = 1u32;
        }
        for s in 0..n_empty {
            let edge = sorted[sorted_at + s];
            let mut a = edge >> 16;
            let mut b = edge & 0xffff;
            let place = base + position(edge, n);
            while parent[a as usize] != a {
                parent[a as usize] = parent[parent[a as usize] as usize];
                a = parent[a as usize];
            }
            while parent[b as usize] != b {
                parent[b as usize] = parent[parent[b as usize] as usize];
                b = parent[b as usize];
            }
            if a != b {
                parent[a as usize] = b;
                bars[tree_at + n_tree] = edge;
                bars[tree_at + comptime!(n - 1) + n_tree] = lengths[place];
                n_tree += 1;
                known[place] = ZERO;
            } else if n_births < room.births {
                bars[births_at + n_births] = edge;
                bars[births_at + comptime!(room.births) + n_births] = lengths[place];
                bars[deaths_at + n_births] = 0u32;
                bars[deaths_at + comptime!(room.births) + n_births] = 0u32;
                known[place] = CLASS | n_births as u32;
                n_births += 1;
            } else {
                overflow = 2u32;
            }
        }
        let words = n_births.div_ceil(32);
        let mut n_columns = 0usize;
        let mut n_deaths = 0usize;
        let mut c = 0usize;
        if overflow != 0u32 {
            c = n_cells;
        }
        while c < n_cells && n_deaths < n_births {
            let at = sorted_at + comptime!(room.empty) + 2 * c;
            let edge = sorted[at];
            let ends = sorted[at + 1];
            for w in 0..words {
                sum[w] = 0u32;
            }
            // The path over the edge's ends and both components is a cycle that the edge fills.
            for side in 0..4usize {
                let mut end = edge >> 16;
                if side == 1 || side == 3 {
                    end = edge & 0xffff;
                }
                let mut middle = ends >> 16;
                if side >= 2 {
                    middle = ends & 0xffff;
                }
                let asked = pack(end, middle);
                let mut depth = 1usize;
                stack[stack_at] = asked;
                while depth > 0 {
                    let now = stack[stack_at + depth - 1];
                    let i = now >> 16;
                    let j = now & 0xffff;
                    let place = base + position(now, n);
                    if known[place] != UNKNOWN {
                        depth -= 1;
                    } else {
                        // Through the lowest vertex of its lune, which is not empty.
                        let limit = lengths[place];
                        let mut via = 0u32;
                        while !(via != i
                            && via != j
                            && is_within(lengths, base, n, i, via, limit, now)
                            && is_within(lengths, base, n, j, via, limit, now))
                        {
                            via += 1u32;
                        }
                        let left = pack(i, via);
                        let right = pack(via, j);
                        let a = known[base + position(left, n)];
                        let b = known[base + position(right, n)];
                        if a != UNKNOWN && b != UNKNOWN {
                            let mut word = ZERO.runtime();
                            if a == ZERO {
                                word = b;
                            } else if b == ZERO {
                                word = a;
                            } else if a != b {
                                if n_columns < room.columns {
                                    let column = columns_at + n_columns * max_words;
                                    for w in 0..words {
                                        columns[column + w] = 0u32;
                                    }
                                    add(columns, columns_at, max_words, column, words, a);
                                    add(columns, columns_at, max_words, column, words, b);
                                    word = COLUMN | n_columns as u32;
                                    n_columns += 1;
                                } else {
                                    overflow = 3u32;
                                }
                            }
                            known[place] = word;
                            depth -= 1;
                        } else if depth + 2 <= room.stack {
                            if a == UNKNOWN {
                                stack[stack_at + depth] = left;
                                depth += 1;
                            }
                            if b == UNKNOWN {
                                stack[stack_at + depth] = right;
                                depth += 1;
                            }
                        } else {
                            overflow = 4u32;
                            known[place] = ZERO;
                        }
                    }
                }
                let word = known[base + position(asked, n)];
                if word >= COLUMN {
                    let column = columns_at + (word & NUMBER) as usize * max_words;
                    for w in 0..words {
                        sum[w] ^= columns[column + w];
                    }
                } else if word >= CLASS {
                    let class = word & NUMBER;
                    sum[class as usize / 32] ^= 1u32 << (class % 32);
                }
            }
            // The youngest class of the sum dies, after classes that died before were replaced by older ones.
            let mut is_reducing = true;
            while is_reducing {
                let mut w = words;
                while w > 0 && sum[w - 1] == 0u32 {
                    w -= 1;
                }
                if w == 0 {
                    is_reducing = false;
                } else {
                    let top = (w - 1) * 32 + 31 - u32::leading_zeros(sum[w - 1]) as usize;
                    let relation = relations[relations_at + top];
                    if relation == 0u32 {
                        bars[deaths_at + top] = edge;
                        bars[deaths_at + comptime!(room.births) + top] =
                            lengths[base + position(edge, n)];
                        n_deaths += 1;
                        is_reducing = false;
                        if n_columns < room.columns {
                            let column = columns_at + n_columns * max_words;
                            for x in 0..words {
                                columns[column + x] = sum[x];
                            }
                            relations[relations_at + top] = n_columns as u32 + 1u32;
                            n_columns += 1;
                        } else {
                            overflow = 3u32;
                            c = n_cells;
                        }
                    } else {
                        let column = columns_at + (relation as usize - 1) * max_words;
                        for x in 0..w {
                            sum[x] ^= columns[column + x];
                        }
                    }
                }
            }
            c += 1;
        }
        bars[output + N_TREE] = n_tree as u32;
        bars[output + N_BIRTHS] = n_births as u32;
        bars[output + OVERFLOW] = overflow;
        bars[output + INVALID] = counts[matrix * COUNTS + 2];
        bars[output + MARK_OF_PAIRS] = mark;
    }
}

/// Adds a known annotation to a column.
#[cube]
fn add(
    columns: &mut [u32],
    columns_at: usize,
    max_words: usize,
    column: usize,
    words: usize,
    word: u32,
) {
    if word >= COLUMN {
        let other = columns_at + (word & NUMBER) as usize * max_words;
        for w in 0..words {
            let bits = columns[other + w];
            columns[column + w] ^= bits;
        }
    } else {
        let class = word & NUMBER;
        columns[column + class as usize / 32] ^= 1u32 << (class % 32);
    }
}
