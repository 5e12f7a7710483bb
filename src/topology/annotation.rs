//! Annotations of edges, from which the homology class of any cycle can be read [boissonnat2013].
//!
//! # What an annotation is
//!
//! The classes of dimension 1 that have been born so far span a vector space over Z/2. Every edge of the
//! growing complex carries an element of it, its annotation, such that the sum of annotations along a cycle
//! is the homology class of the cycle. Two paths between the same points are homologous exactly if their
//! sums are equal, up to relations between classes that have died.
//!
//! # Why annotations
//!
//! When a critical triangle identifies two paths, the sum of four annotations names the class that dies. A
//! reduction of the boundary matrix would need columns for the 1.3 million triangles of 197 points, nearly
//! all of which turn out to be zero; here only the few critical triangles cost anything.
//!
//! # How they are stored
//!
//! An edge whose lune is not empty is homologous to the path of two edges through any vertex of the lune. It
//! stores only that vertex, and its annotation is computed when a critical triangle needs it, which for most
//! edges never happens. One word per edge therefore suffices: a vertex, a single class, the number of a
//! column, or zero.
//!
//! An annotation of several classes is a column: a sorted list of blocks of 64 classes, where empty blocks
//! are left out. It is as compact as a list of classes where these are few, and as fast to add as a bit set
//! where they are many. A class that dies is not eliminated from the annotations that contain it, as in the
//! usual form of the algorithm, which would have to search all of them. Its relation (a sum of classes that
//! is zero) is stored once, and applied to a sum when the class turns up in it.
//!
//! [boissonnat2013]: https://arxiv.org/abs/1304.6813

use super::edge::PackedEdge;
use crate::error::{Error, Result};

/// The two top bits of an edge's word, which say what the other bits (the payload) are.
const TAG: u32 = 0b11 << 30;
/// Tag of an edge whose annotation is not computed yet; the payload is a vertex of its lune.
const VIA: u32 = 0;
/// Tag of an annotation that is a single class; the payload is its number.
const CLASS: u32 = 0b01 << 30;
/// Tag of an annotation of several classes; the payload is the number of its column.
const COLUMN: u32 = 0b10 << 30;
/// Tag of an annotation that is zero; there is no payload.
const ZERO: u32 = 0b11 << 30;

/// Largest number of blocks in the columns of one matrix: 4 GiB.
const MAX_BLOCKS: usize = 1 << 28;

/// Entry of `relations` for a class that is still alive.
const ALIVE: u32 = u32::MAX;

/// Block of a column: the classes it contains among those numbered `64 * index ..`, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    index: u32,
    classes: u64,
}

impl Block {
    /// Block that contains a single class.
    fn from_class(class: u32) -> Self {
        Self {
            index: class / 64,
            classes: 1 << (class % 64),
        }
    }

    /// Youngest class of the block: classes are numbered in order of birth, so the highest bit.
    fn youngest(self) -> u32 {
        self.index * 64 + self.classes.ilog2()
    }
}

/// Annotations of all edges of one complex, and the relations between classes.
#[derive(Debug, Default, Clone)]
pub(super) struct Annotations {
    n_points: usize,
    /// One word per edge `i < j`, at `i * n_points + j`.
    edges: Vec<u32>,
    columns: Columns,
    /// For each class that has died, the number of a column that is zero and whose youngest class it is;
    /// [`ALIVE`] for the others.
    relations: Vec<u32>,
    /// Stack of edges whose annotations are being computed.
    pending: Vec<PackedEdge>,
    /// Sum of annotations around the present critical triangle.
    sum: Vec<Block>,
    /// Result of an addition, before it replaces the sum.
    scratch: Vec<Block>,
}

/// Columns of blocks in ascending order, packed one after the other into one vector.
///
/// Columns are written once and never changed, so that no gaps arise, and one vector for all of them saves
/// an allocation per column.
#[derive(Debug, Default, Clone)]
struct Columns {
    blocks: Vec<Block>,
    /// Position in `blocks` at which each column ends.
    ends: Vec<usize>,
}

impl Annotations {
    /// Starts a complex without edges and classes; buffers are kept.
    pub(super) fn reset(&mut self, n_points: usize) {
        self.n_points = n_points;
        self.edges.clear();
        self.edges.resize(n_points * n_points, ZERO);
        self.columns.blocks.clear();
        self.columns.ends.clear();
        self.relations.clear();
    }

    /// Adds a new class, born with `edge`, and returns its number.
    ///
    /// The edge is annotated with the class alone, and all edges before it do not contain it.
    pub(super) fn add_class(&mut self, edge: PackedEdge) -> usize {
        let class = self.relations.len();
        let index = self.index(edge);
        self.edges[index] = CLASS | class as u32;
        self.relations.push(ALIVE);
        class
    }

    /// Records that `edge` is homologous to the path of two edges through `vertex`.
    #[inline(always)]
    pub(super) fn set_via(&mut self, edge: PackedEdge, vertex: usize) {
        let index = self.index(edge);
        self.edges[index] = VIA | vertex as u32;
    }

    /// Makes the paths between the ends of `edge` through `first` and through `second` homologous.
    ///
    /// Returns the class that dies by this: the youngest in the sum along both paths, by the elder rule.
    /// `None` if the paths were homologous before.
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
            // Space for an annotation of a single class, which is stored in the word itself.
            let mut single = [Block::from_class(0)];
            let annotation = self.columns.blocks(word, &mut single);
            add(&mut self.sum, annotation, &mut self.scratch);
        }
        // Annotations may contain classes that have died. Each relation cancels the youngest class of the
        // sum and adds older ones only, so the loop ends.
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

    /// Index of an edge in `edges`.
    #[inline(always)]
    fn index(&self, edge: PackedEdge) -> usize {
        let [i, j] = edge.vertices();
        i * self.n_points + j
    }

    /// Computes the annotation of `edge`, and of all edges that it depends on, and returns its word.
    ///
    /// With a stack of its own rather than by recursion: a chain of dependent edges can be as long as there
    /// are edges.
    fn resolve(&mut self, edge: PackedEdge) -> Result<u32> {
        let word = self.edges[self.index(edge)];
        if word & TAG != VIA {
            return Ok(word);
        }
        self.pending.clear();
        self.pending.push(edge);
        while let Some(&edge) = self.pending.last() {
            let index = self.index(edge);
            let word = self.edges[index];
            let [i, j] = edge.vertices();
            let halves = [between(i, word as usize), between(word as usize, j)];
            let words = halves.map(|half| self.edges[self.index(half)]);
            let unknown = (0..2).filter(|&half| words[half] & TAG == VIA);
            let n_pending = self.pending.len();
            self.pending.extend(unknown.map(|half| halves[half]));
            // Both halves are known: the edge is the sum of their annotations.
            if self.pending.len() == n_pending {
                self.edges[index] = self.path_annotation(words)?;
                // The stack can contain an edge several times. Those that are known by now need no second
                // computation, which would store a second column.
                self.pending.pop();
                while let Some(&next) = self.pending.last()
                    && self.edges[self.index(next)] & TAG != VIA
                {
                    self.pending.pop();
                }
            }
        }
        Ok(self.edges[self.index(edge)])
    }

    /// Adds two known annotations, and returns the word of the sum, for which a column is stored if needed.
    fn path_annotation(&mut self, [a, b]: [u32; 2]) -> Result<u32> {
        // The usual cases, without unpacking any column.
        match (a & TAG, b & TAG) {
            (ZERO, _) => return Ok(b),
            (_, ZERO) => return Ok(a),
            _ if a == b => return Ok(ZERO),
            _ => {}
        }
        let mut single = [[Block::from_class(0)]; 2];
        let [single_a, single_b] = &mut single;
        let left = self.columns.blocks(a, single_a);
        let right = self.columns.blocks(b, single_b);
        symmetric_difference(left, right, &mut self.scratch);
        match *self.scratch.as_slice() {
            [] => Ok(ZERO),
            [block] if block.classes.is_power_of_two() => Ok(CLASS | block.youngest()),
            _ => Ok(COLUMN | self.columns.push(&self.scratch)?),
        }
    }
}

/// Packs the edge of two vertices in either order.
#[inline(always)]
fn between(a: usize, b: usize) -> PackedEdge {
    PackedEdge::new(a.min(b), a.max(b))
}

impl Columns {
    /// Stores a column and returns its number.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`] beyond [`MAX_BLOCKS`].
    fn push(&mut self, column: &[Block]) -> Result<u32> {
        if self.blocks.len() + column.len() > MAX_BLOCKS {
            return Err(Error::invalid_distances(format!(
                "cycles of this matrix need more than {} GiB of memory (points without any structure need \
                 the most), expected less; use fewer points, a threshold or dimension 0 only",
                (MAX_BLOCKS * size_of::<Block>()) >> 30
            )));
        }
        self.blocks.extend_from_slice(column);
        self.ends.push(self.blocks.len());
        Ok(self.ends.len() as u32 - 1)
    }

    /// Blocks of a column by its number.
    fn get(&self, column: u32) -> &[Block] {
        let column = column as usize;
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.blocks[start..self.ends[column]]
    }

    /// Blocks of a known annotation; that of a single class is written to `single` first.
    fn blocks<'a>(&'a self, word: u32, single: &'a mut [Block; 1]) -> &'a [Block] {
        let payload = word & !TAG;
        match word & TAG {
            CLASS => {
                *single = [Block::from_class(payload)];
                single
            }
            COLUMN => self.get(payload),
            _ => &[],
        }
    }
}

/// Adds `other` to `sum` over Z/2.
fn add(sum: &mut Vec<Block>, other: &[Block], scratch: &mut Vec<Block>) {
    if other.is_empty() {
        return;
    }
    symmetric_difference(sum, other, scratch);
    std::mem::swap(sum, scratch);
}

/// Writes the sum of two columns over Z/2 to `out`, by merging their sorted blocks.
fn symmetric_difference(mut a: &[Block], mut b: &[Block], out: &mut Vec<Block>) {
    out.clear();
    while let (Some((&x, rest_a)), Some((&y, rest_b))) = (a.split_first(), b.split_first()) {
        // The block with the lower index comes next; both do if the indices are equal.
        let (in_a, in_b) = (x.index <= y.index, y.index <= x.index);
        let classes = if in_a { x.classes } else { 0 } ^ if in_b { y.classes } else { 0 };
        if in_a {
            a = rest_a;
        }
        if in_b {
            b = rest_b;
        }
        // Blocks that cancel are left out: columns never contain empty ones.
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
