//! Lunes of edges in a growing graph, and their connected components, as bit sets.

/// Neighbourhoods of all vertices, and the lune of the present edge.
///
/// The lune of an edge is the set of common neighbours of its two vertices. With bit sets it is the AND of
/// two rows, 64 vertices per instruction.
///
/// The methods take the number of words of a bit set as the constant `W` where it is small, so that loops
/// over the words are unrolled; `W = 0` stands for any number, read from the field.
#[derive(Debug, Default, Clone)]
pub(super) struct Lunes {
    /// Number of 64-bit words per bit set.
    n_words: usize,
    /// Neighbours of each vertex, one bit set after the other.
    rows: Vec<u64>,
    /// Vertices of the lune that belong to no component visited so far.
    rest: Vec<u64>,
    /// Vertices of the present component whose neighbours are still to be visited.
    frontier: Vec<u64>,
}

impl Lunes {
    /// Starts a graph without edges, and returns the number of words of its bit sets.
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

    /// Number of words per bit set, a constant unless `W` is 0.
    #[inline(always)]
    fn width<const W: usize>(&self) -> usize {
        if W == 0 { self.n_words } else { W }
    }

    /// Inserts the edge of `i` and `j` into the graph.
    #[inline(always)]
    pub(super) fn connect<const W: usize>(&mut self, [i, j]: [usize; 2]) {
        let width = self.width::<W>();
        self.rows[i * width + j / 64] |= 1 << (j % 64);
        self.rows[j * width + i / 64] |= 1 << (i % 64);
    }

    /// Computes the lune of `i` and `j`, and returns its lowest vertex; `None` if it is empty.
    #[inline(always)]
    pub(super) fn intersect<const W: usize>(&mut self, [i, j]: [usize; 2]) -> Option<usize> {
        let width = self.width::<W>();
        let (row_i, row_j) = (
            &self.rows[i * width..][..width],
            &self.rows[j * width..][..width],
        );
        let mut any = 0;
        for ((word, a), b) in self.rest[..width].iter_mut().zip(row_i).zip(row_j) {
            *word = a & b;
            any |= *word;
        }
        // One test for all words; an early return within the loop would keep it from being vectorised.
        if any == 0 {
            return None;
        }
        lowest_vertex(&self.rest[..width])
    }

    /// Removes the connected component of `vertex` from the lune, and returns the lowest vertex that is left;
    /// `None` if the lune has no other component.
    ///
    /// A graph search in which all unvisited neighbours of a vertex are found by one AND per word.
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
                // Unvisited neighbours move from the rest to the frontier.
                *ahead |= *word & neighbours;
                *word &= !neighbours;
                any_left |= *word;
                any_ahead |= *ahead;
            }
            // The whole lune is visited: the usual end, since most lunes are connected. The vertices that
            // are still in the frontier cannot reach anything else.
            if any_left == 0 {
                return None;
            }
            // The component is visited, and something is left over.
            if any_ahead == 0 {
                return lowest_vertex(rest);
            }
            let base = frontier.iter().position(|&word| word != 0)?;
            visited = base * 64 + frontier[base].trailing_zeros() as usize;
            // Clears the lowest bit that is set.
            frontier[base] &= frontier[base] - 1;
        }
    }
}

/// Lowest vertex of a bit set; `None` if it is empty.
#[inline(always)]
fn lowest_vertex(words: &[u64]) -> Option<usize> {
    let (base, word) = words.iter().enumerate().find(|(_, word)| **word != 0)?;
    Some(base * 64 + word.trailing_zeros() as usize)
}
