//! Annotations: which classes of dimension 1 a path along an edge carries.
//!
//! Every edge of the growing complex carries an element of the vector space over Z/2 spanned by
//! the classes born so far; the sum along a cycle names its homology class. An edge whose lune is
//! not empty is homologous to the two-edge path through any vertex of the lune, so it stores only
//! that vertex, and its annotation is worked out when a critical triangle asks for it.
//!
//! An annotation of more than one class is a column of 64-class blocks, the empty ones left out:
//! as compact as a list where classes are few, as fast to add as a bit set where they are many.

use super::edge::PackedEdge;
use crate::error::{Error, Result};

/// What an edge stores, in the two top bits of a word.
const TAG: u32 = 0b11 << 30;
/// Homologous to the path through the vertex in the payload; not worked out yet.
const VIA: u32 = 0;
/// The annotation is the single class in the payload.
const CLASS: u32 = 0b01 << 30;
/// The annotation is the column numbered by the payload.
const COLUMN: u32 = 0b10 << 30;
/// The annotation is zero.
const ZERO: u32 = 0b11 << 30;

/// Most blocks that the columns of one matrix may have: 4 GiB.
const MAX_BLOCKS: usize = 1 << 28;

/// A class that is still alive.
const ALIVE: u32 = u32::MAX;

/// The classes `64 * index ..` that a column contains, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    index: u32,
    classes: u64,
}

impl Block {
    fn of(class: u32) -> Self {
        Self {
            index: class / 64,
            classes: 1 << (class % 64),
        }
    }

    fn youngest(self) -> u32 {
        self.index * 64 + self.classes.ilog2()
    }
}

/// Annotations of all edges of one complex, and the relations found between classes.
#[derive(Debug, Default, Clone)]
pub(super) struct Annotations {
    n_points: usize,
    edges: Vec<u32>,
    columns: Columns,
    /// For each class the column that is zero and has it as its youngest, or [`ALIVE`].
    relations: Vec<u32>,
    pending: Vec<PackedEdge>,
    sum: Vec<Block>,
    scratch: Vec<Block>,
}

/// Columns one after the other.
#[derive(Debug, Default, Clone)]
struct Columns {
    blocks: Vec<Block>,
    ends: Vec<usize>,
}

impl Annotations {
    pub(super) fn reset(&mut self, n_points: usize) {
        self.n_points = n_points;
        self.edges.clear();
        self.edges.resize(n_points * n_points, ZERO);
        self.columns.blocks.clear();
        self.columns.ends.clear();
        self.relations.clear();
    }

    /// The edge gives birth to a class; returns its number.
    pub(super) fn give_birth(&mut self, edge: PackedEdge) -> usize {
        let class = self.relations.len();
        let place = self.place(edge);
        self.edges[place] = CLASS | class as u32;
        self.relations.push(ALIVE);
        class
    }

    /// The edge is homologous to the path through `vertex`.
    #[inline(always)]
    pub(super) fn follow(&mut self, edge: PackedEdge, vertex: usize) {
        let place = self.place(edge);
        self.edges[place] = VIA | vertex as u32;
    }

    /// Imposes that the paths along `edge` through `first` and through `second` are homologous.
    ///
    /// Returns the class that dies by it: the youngest in the sum, by the elder rule.
    pub(super) fn identify(
        &mut self,
        edge: PackedEdge,
        first: usize,
        second: usize,
    ) -> Result<Option<usize>> {
        let [i, j] = edge.vertices();
        self.sum.clear();
        for half in [
            between(i, first),
            between(first, j),
            between(i, second),
            between(second, j),
        ] {
            let word = self.resolve(half)?;
            let mut single = [Block::of(0)];
            let annotation = self.columns.blocks_of(word, &mut single);
            add(&mut self.sum, annotation, &mut self.scratch);
        }
        while let Some(block) = self.sum.last() {
            let youngest = block.youngest() as usize;
            if self.relations[youngest] == ALIVE {
                self.relations[youngest] = self.columns.push(&self.sum)?;
                return Ok(Some(youngest));
            }
            let relation = self.columns.get(self.relations[youngest]);
            add(&mut self.sum, relation, &mut self.scratch);
        }
        Ok(None)
    }

    #[inline(always)]
    fn place(&self, edge: PackedEdge) -> usize {
        let [i, j] = edge.vertices();
        i * self.n_points + j
    }

    /// Works out the annotation of `edge` and of all it rests on; a stack, since chains of edges
    /// can be as long as there are edges.
    fn resolve(&mut self, edge: PackedEdge) -> Result<u32> {
        let word = self.edges[self.place(edge)];
        if word & TAG != VIA {
            return Ok(word);
        }
        self.pending.clear();
        self.pending.push(edge);
        while let Some(&edge) = self.pending.last() {
            let place = self.place(edge);
            let word = self.edges[place];
            let [i, j] = edge.vertices();
            let halves = [between(i, word as usize), between(word as usize, j)];
            let words = halves.map(|half| self.edges[self.place(half)]);
            let unknown = (0..2).filter(|&half| words[half] & TAG == VIA);
            let n_known = self.pending.len();
            self.pending.extend(unknown.map(|half| halves[half]));
            if self.pending.len() == n_known {
                self.edges[place] = self.path_annotation(words)?;
                // Others may wait for the same edge; they find it known when their turn comes.
                self.pending.pop();
                while let Some(&next) = self.pending.last()
                    && self.edges[self.place(next)] & TAG != VIA
                {
                    self.pending.pop();
                }
            }
        }
        Ok(self.edges[self.place(edge)])
    }

    /// The sum of two known annotations, stored and named by the word an edge keeps.
    fn path_annotation(&mut self, [a, b]: [u32; 2]) -> Result<u32> {
        match (a & TAG, b & TAG) {
            (ZERO, _) => return Ok(b),
            (_, ZERO) => return Ok(a),
            _ if a == b => return Ok(ZERO),
            _ => {}
        }
        let mut single = [[Block::of(0)]; 2];
        let [single_a, single_b] = &mut single;
        let left = self.columns.blocks_of(a, single_a);
        let right = self.columns.blocks_of(b, single_b);
        symmetric_difference(left, right, &mut self.scratch);
        match *self.scratch.as_slice() {
            [] => Ok(ZERO),
            [block] if block.classes.is_power_of_two() => Ok(CLASS | block.youngest()),
            _ => Ok(COLUMN | self.columns.push(&self.scratch)?),
        }
    }
}

#[inline(always)]
fn between(a: usize, b: usize) -> PackedEdge {
    PackedEdge::new(a.min(b), a.max(b))
}

impl Columns {
    fn push(&mut self, column: &[Block]) -> Result<u32> {
        if self.blocks.len() + column.len() > MAX_BLOCKS {
            return Err(Error::invalid_distances(format!(
                "cycles of this matrix need more than {} GiB to follow (they have hardly any \
                 structure), expected less; take fewer points, a threshold, or dimension 0",
                (MAX_BLOCKS * size_of::<Block>()) >> 30
            )));
        }
        self.blocks.extend_from_slice(column);
        self.ends.push(self.blocks.len());
        Ok(self.ends.len() as u32 - 1)
    }

    fn get(&self, column: u32) -> &[Block] {
        let column = column as usize;
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.blocks[start..self.ends[column]]
    }

    /// The classes of a known annotation; a single one is written to `single`.
    fn blocks_of<'a>(&'a self, word: u32, single: &'a mut [Block; 1]) -> &'a [Block] {
        let payload = word & !TAG;
        match word & TAG {
            CLASS => {
                *single = [Block::of(payload)];
                single
            }
            COLUMN => self.get(payload),
            _ => &[],
        }
    }
}

/// `sum += other` over Z/2.
fn add(sum: &mut Vec<Block>, other: &[Block], scratch: &mut Vec<Block>) {
    if other.is_empty() {
        return;
    }
    symmetric_difference(sum, other, scratch);
    std::mem::swap(sum, scratch);
}

fn symmetric_difference(mut a: &[Block], mut b: &[Block], out: &mut Vec<Block>) {
    out.clear();
    while let (Some((&x, rest_a)), Some((&y, rest_b))) = (a.split_first(), b.split_first()) {
        let (in_a, in_b) = (x.index <= y.index, y.index <= x.index);
        let classes = if in_a { x.classes } else { 0 } ^ if in_b { y.classes } else { 0 };
        if in_a {
            a = rest_a;
        }
        if in_b {
            b = rest_b;
        }
        if classes != 0 {
            out.push(Block {
                index: x.index.min(y.index),
                classes,
            });
        }
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
}
