//! Bars as the device returns them, and the diagrams that the host makes of them.
//!
//! Each matrix of `n` points has a row of words: a head, then the edges of its tree and their lengths (`n - 1` words each),
//! then those of the births and of the deaths in dimension 1 (`births` words each). Lengths are bits of 32-bit numbers.

use super::kernels::{INFINITY, Room};
use crate::topology::{Bar, Diagram, Edge};

/// Words of the head: each kernel writes a mark, which tells that it ran.
pub(super) const MARK_OF_DISTANCES: usize = 0;
pub(super) const MARK_OF_LUNES: usize = 1;
pub(super) const MARK_OF_ORDER: usize = 2;
pub(super) const MARK_OF_PAIRS: usize = 3;
/// Number of edges of the tree.
pub(super) const N_TREE: usize = 4;
/// Number of births in dimension 1.
pub(super) const N_BIRTHS: usize = 5;
/// The list that was too short; 0 if none was.
pub(super) const OVERFLOW: usize = 6;
/// Not 0 if a distance is NaN.
pub(super) const INVALID: usize = 7;
/// First word after the head.
pub(super) const TREE: usize = 8;

/// What the device is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BarLayout {
    /// Number of points of each matrix, at least 2.
    pub(super) n_points: usize,
    /// Largest homology dimension, 0 or 1.
    pub(super) max_homology_dim: usize,
}

impl BarLayout {
    /// Number of words of one matrix.
    pub(super) fn width(self) -> usize {
        let tree = 2 * (self.n_points - 1);
        match self.max_homology_dim {
            0 => TREE + tree,
            _ => TREE + tree + 4 * Room::new(self.n_points).births,
        }
    }

    /// Marks that the kernels have to leave.
    fn marks(self, has_rows: bool) -> impl Iterator<Item = usize> {
        let distances = has_rows.then_some(MARK_OF_DISTANCES);
        let lunes = (self.max_homology_dim > 0).then_some([MARK_OF_LUNES, MARK_OF_ORDER]);
        distances
            .into_iter()
            .chain(lunes.into_iter().flatten())
            .chain([MARK_OF_PAIRS])
    }
}

/// What became of one item on the device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeviceItem {
    /// Diagrams by homology dimension.
    Diagrams(Vec<Diagram<f64>>),
    /// The item has more classes or relations than the device has room for.
    NoRoom,
    /// The device met an entry or a distance that it cannot compute with.
    NotComputable,
    /// A kernel did not run, and the words are not its result.
    DidNotRun,
}

/// Makes the diagrams of one item of its words.
pub(super) fn unpack(words: &[u32], layout: BarLayout, has_rows: bool, mark: u32) -> DeviceItem {
    let n_edges = layout.n_points - 1;
    if layout.marks(has_rows).any(|at| words[at] != mark) {
        return DeviceItem::DidNotRun;
    }
    if words[INVALID] != 0 {
        return DeviceItem::NotComputable;
    }
    let list = |start: usize, n: usize, room: usize| {
        let (edges, lengths) = (&words[start..][..n], &words[start + room..][..n]);
        edges.iter().copied().zip(lengths.iter().copied())
    };
    let n_tree = words[N_TREE] as usize;
    if n_tree > n_edges {
        return DeviceItem::DidNotRun;
    }
    let mut tree: Vec<(u32, u32)> = list(TREE, n_tree, n_edges)
        .map(|(edge, length)| (length, edge))
        .collect();
    // Prim's algorithm finds the edges in another order than that of the filtration.
    tree.sort_unstable();
    let mut diagrams = vec![components(layout.n_points, &tree)];
    if layout.max_homology_dim > 0 {
        if words[OVERFLOW] != 0 {
            return DeviceItem::NoRoom;
        }
        let room = Room::new(layout.n_points).births;
        let n_births = words[N_BIRTHS] as usize;
        if n_births > room {
            return DeviceItem::DidNotRun;
        }
        let births_at = TREE + 2 * n_edges;
        let births = list(births_at, n_births, room);
        let deaths = list(births_at + 2 * room, n_births, room);
        diagrams.push(cycles(births.zip(deaths)));
    }
    DeviceItem::Diagrams(diagrams)
}

/// Diagram of dimension 0, from the lengths and edges of the tree in the order of the filtration.
fn components(n_points: usize, tree: &[(u32, u32)]) -> Diagram<f64> {
    let bar = |death, death_edge| Bar {
        birth: 0.0,
        death,
        birth_edge: None,
        death_edge,
    };
    // Duplicate points are joined at 0, without a bar.
    let finite = tree.iter().filter(|(length, _)| *length > 0);
    let finite = finite.map(|&(length, edge)| bar(number(length), Some(vertices(edge))));
    let essential = (tree.len()..n_points).map(|_| bar(f64::INFINITY, None));
    Diagram {
        homology_dim: 0,
        bars: finite.chain(essential).collect(),
    }
}

/// Diagram of dimension 1, from the edges and lengths of births and deaths; an edge of 0 is no death.
fn cycles(classes: impl Iterator<Item = ((u32, u32), (u32, u32))>) -> Diagram<f64> {
    let bars = classes.map(|((birth_edge, birth), (death_edge, death))| {
        let is_essential = death_edge == 0;
        Bar {
            birth: number(birth),
            death: number(if is_essential { INFINITY } else { death }),
            birth_edge: Some(vertices(birth_edge)),
            death_edge: (!is_essential).then(|| vertices(death_edge)),
        }
    });
    let (finite, essential): (Vec<Bar<f64>>, Vec<Bar<f64>>) = bars
        .filter(|bar| bar.birth < bar.death)
        .partition(|bar| !bar.is_essential());
    Diagram {
        homology_dim: 1,
        bars: finite.into_iter().chain(essential).collect(),
    }
}

fn number(bits: u32) -> f64 {
    f64::from(f32::from_bits(bits))
}

fn vertices(edge: u32) -> Edge {
    [edge >> 16, edge & 0xffff]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_kernels_that_did_not_run_are_no_bars() {
        let layout = BarLayout {
            n_points: 3,
            max_homology_dim: 1,
        };
        let mark = 7;
        let mut words = vec![0; layout.width()];
        assert_eq!(unpack(&words, layout, true, mark), DeviceItem::DidNotRun);
        words[..4].fill(mark);
        assert!(matches!(
            unpack(&words, layout, true, mark),
            DeviceItem::Diagrams(_)
        ));
        for missing in 0..4 {
            let mut words = words.clone();
            words[missing] = mark - 1;
            assert_eq!(unpack(&words, layout, true, mark), DeviceItem::DidNotRun);
        }
        // Poisoned words with the right marks are refused too, instead of being read beyond their end.
        let mut poisoned = vec![u32::MAX; layout.width()];
        poisoned[..4].fill(mark);
        poisoned[INVALID] = 0;
        assert_eq!(unpack(&poisoned, layout, true, mark), DeviceItem::DidNotRun);
    }
}
