//! The growing graph as bit sets, and the components of lunes.

/// Neighbourhoods of all vertices, and the lune looked at last.
///
/// The lune of an edge is the set of common neighbours of its ends. The methods take the number of
/// words of a bit set as `W` where it is small, so that loops over them unroll; `W = 0` reads it
/// from the field.
#[derive(Debug, Default, Clone)]
pub(super) struct Lunes {
    n_words: usize,
    rows: Vec<u64>,
    /// Vertices of the lune that no component found so far contains.
    rest: Vec<u64>,
    /// Vertices reached in the present component whose neighbours are still to be visited.
    frontier: Vec<u64>,
}

impl Lunes {
    /// Starts a graph without edges; returns the number of words of its bit sets.
    pub(super) fn reset(&mut self, n_points: usize) -> usize {
        self.n_words = n_points.div_ceil(64);
        self.rows.clear();
        self.rows.resize(n_points * self.n_words, 0);
        for set in [&mut self.rest, &mut self.frontier] {
            set.clear();
            set.resize(self.n_words, 0);
        }
        self.n_words
    }

    #[inline(always)]
    fn width<const W: usize>(&self) -> usize {
        if W == 0 { self.n_words } else { W }
    }

    #[inline(always)]
    pub(super) fn connect<const W: usize>(&mut self, [i, j]: [usize; 2]) {
        let width = self.width::<W>();
        self.rows[i * width + j / 64] |= 1 << (j % 64);
        self.rows[j * width + i / 64] |= 1 << (i % 64);
    }

    /// Takes the lune of `i` and `j`; its lowest vertex, if there is one.
    #[inline(always)]
    pub(super) fn intersect<const W: usize>(&mut self, [i, j]: [usize; 2]) -> Option<usize> {
        let width = self.width::<W>();
        let (of_i, of_j) = (
            &self.rows[i * width..][..width],
            &self.rows[j * width..][..width],
        );
        let mut any = 0;
        for ((word, a), b) in self.rest[..width].iter_mut().zip(of_i).zip(of_j) {
            *word = a & b;
            any |= *word;
        }
        if any == 0 {
            return None;
        }
        lowest_vertex(&self.rest[..width])
    }

    /// Removes the component of `vertex` from the lune; the lowest vertex left, if there is one.
    #[inline(always)]
    pub(super) fn next_component<const W: usize>(&mut self, vertex: usize) -> Option<usize> {
        let width = self.width::<W>();
        let (rest, frontier) = (&mut self.rest[..width], &mut self.frontier[..width]);
        rest[vertex / 64] &= !(1 << (vertex % 64));
        frontier.fill(0);
        let mut visited = vertex;
        loop {
            let row = &self.rows[visited * width..][..width];
            let (mut any_left, mut any_ahead) = (0, 0);
            for ((word, ahead), neighbours) in rest.iter_mut().zip(frontier.iter_mut()).zip(row) {
                *ahead |= *word & neighbours;
                *word &= !neighbours;
                any_left |= *word;
                any_ahead |= *ahead;
            }
            if any_left == 0 {
                return None;
            }
            if any_ahead == 0 {
                return lowest_vertex(rest);
            }
            let base = frontier.iter().position(|&word| word != 0)?;
            visited = base * 64 + frontier[base].trailing_zeros() as usize;
            frontier[base] &= frontier[base] - 1;
        }
    }
}

#[inline(always)]
fn lowest_vertex(words: &[u64]) -> Option<usize> {
    let (base, word) = words.iter().enumerate().find(|(_, word)| **word != 0)?;
    Some(base * 64 + word.trailing_zeros() as usize)
}
