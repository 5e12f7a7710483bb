//! Components that merge by the elder rule.

/// Disjoint sets of cells, each represented by its eldest cell.
///
/// The usual union by size would need a second array for the eldest cell of each set. Linking younger to elder roots
/// needs none, and halving the paths keeps them short.
#[derive(Debug, Default, Clone)]
pub(super) struct ElderForest {
    /// Parent of each cell; a root, the eldest cell of its set, is its own parent.
    parents: Vec<u32>,
}

impl ElderForest {
    /// Starts with `n` sets of one cell each.
    pub(super) fn reset(&mut self, n: usize) {
        self.parents.clear();
        self.parents.extend(0..n as u32);
    }

    /// Puts a cell that is a set of its own into the set of another cell, which must be older.
    #[inline]
    pub(super) fn attach(&mut self, cell: usize, elder: usize) {
        self.parents[cell] = elder as u32;
    }

    /// Eldest cell of the set of a cell.
    #[inline]
    pub(super) fn find(&mut self, cell: usize) -> usize {
        let mut cell = cell as u32;
        loop {
            let parent = self.parents[cell as usize];
            let grandparent = self.parents[parent as usize];
            if parent == grandparent {
                return parent as usize;
            }
            self.parents[cell as usize] = grandparent;
            cell = grandparent;
        }
    }

    /// Merges the sets of two cells; returns the cell whose set dies, `None` if both are in one set already.
    ///
    /// `is_elder(a, b)` says whether the cell `a` is older than `b`.
    #[inline]
    pub(super) fn merge(
        &mut self,
        [a, b]: [usize; 2],
        is_elder: impl Fn(usize, usize) -> bool,
    ) -> Option<usize> {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return None;
        }
        let (elder, younger) = if is_elder(a, b) { (a, b) } else { (b, a) };
        self.parents[younger] = elder as u32;
        Some(younger)
    }
}
