//! Annotations: which classes of dimension 1 a path along an edge carries.
//!
//! Every edge of the growing complex carries an element of the vector space over Z/2 spanned by
//! the classes born so far; the sum along a cycle names its homology class. An edge whose lune is
//! not empty is homologous to the two-edge path through any vertex of the lune, so it stores only
//! that vertex, and its annotation is worked out when a critical cell asks for it.

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

/// Annotations of all edges of one complex, and the relations found between classes.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    n_points: usize,
    edges: Vec<u32>,
    columns: Vec<u32>,
    column_ends: Vec<usize>,
    /// `relations[c]`: a sum of classes that is zero, whose youngest class is `c`.
    relations: Vec<Option<Vec<u32>>>,
    pending: Vec<usize>,
    sum: Vec<u32>,
    scratch: Vec<u32>,
}

impl Annotations {
    pub(super) fn reset(&mut self, n_points: usize) {
        self.n_points = n_points;
        self.edges.clear();
        self.edges.resize(n_points * n_points, ZERO);
        self.columns.clear();
        self.column_ends.clear();
        self.column_ends.push(0);
        self.relations.clear();
    }

    /// The edge gives birth to a class; returns its number.
    pub(super) fn give_birth(&mut self, edge: usize) -> usize {
        let class = self.relations.len();
        self.edges[edge] = CLASS | class as u32;
        self.relations.push(None);
        class
    }

    /// The edge is homologous to the path through `vertex`.
    pub(super) fn follow(&mut self, edge: usize, vertex: usize) {
        self.edges[edge] = VIA | vertex as u32;
    }

    /// Imposes that the paths from `i` to `j` through `first` and `second` are homologous.
    ///
    /// Returns the class that dies by it: the youngest in the sum, by the elder rule.
    pub(super) fn identify(
        &mut self,
        [i, j]: [usize; 2],
        first: usize,
        second: usize,
    ) -> Option<usize> {
        self.sum.clear();
        for edge in [
            self.index(i, first),
            self.index(first, j),
            self.index(i, second),
            self.index(second, j),
        ] {
            self.resolve(edge);
            let annotation = entries(&self.edges, &self.columns, &self.column_ends, edge);
            add(&mut self.sum, annotation.as_slice(), &mut self.scratch);
        }
        while let Some(&youngest) = self.sum.last() {
            let Some(relation) = &self.relations[youngest as usize] else {
                self.relations[youngest as usize] = Some(self.sum.clone());
                return Some(youngest as usize);
            };
            add(&mut self.sum, relation, &mut self.scratch);
        }
        None
    }

    fn index(&self, a: usize, b: usize) -> usize {
        a.min(b) * self.n_points + a.max(b)
    }

    /// Works out the annotation of `edge` and of all it rests on; a stack, since chains of edges
    /// can be as long as there are edges.
    fn resolve(&mut self, edge: usize) {
        self.pending.push(edge);
        while let Some(&edge) = self.pending.last() {
            let word = self.edges[edge];
            if word & TAG != VIA {
                self.pending.pop();
                continue;
            }
            let (i, j) = (edge / self.n_points, edge % self.n_points);
            let via = word as usize;
            let halves = [self.index(i, via), self.index(via, j)];
            match halves
                .into_iter()
                .find(|&half| self.edges[half] & TAG == VIA)
            {
                Some(half) => self.pending.push(half),
                None => {
                    self.edges[edge] = self.path_annotation(halves);
                    self.pending.pop();
                }
            }
        }
    }

    /// The sum of two known annotations, stored and named by the word an edge keeps.
    fn path_annotation(&mut self, [first, second]: [usize; 2]) -> u32 {
        let (a, b) = (self.edges[first], self.edges[second]);
        match (a & TAG, b & TAG) {
            (ZERO, _) => return b,
            (_, ZERO) => return a,
            _ if a == b => return ZERO,
            _ => {}
        }
        let left = entries(&self.edges, &self.columns, &self.column_ends, first);
        let right = entries(&self.edges, &self.columns, &self.column_ends, second);
        symmetric_difference(left.as_slice(), right.as_slice(), &mut self.scratch);
        match *self.scratch.as_slice() {
            [] => ZERO,
            [class] => CLASS | class,
            _ => {
                self.columns.extend_from_slice(&self.scratch);
                self.column_ends.push(self.columns.len());
                COLUMN | (self.column_ends.len() - 2) as u32
            }
        }
    }
}

/// The classes of an annotation, in ascending order.
enum Classes<'a> {
    One([u32; 1]),
    Many(&'a [u32]),
}

impl Classes<'_> {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(class) => class,
            Self::Many(classes) => classes,
        }
    }
}

fn entries<'a>(edges: &[u32], columns: &'a [u32], ends: &[usize], edge: usize) -> Classes<'a> {
    let word = edges[edge];
    let payload = (word & !TAG) as usize;
    match word & TAG {
        CLASS => Classes::One([payload as u32]),
        COLUMN => Classes::Many(&columns[ends[payload]..ends[payload + 1]]),
        _ => Classes::Many(&[]),
    }
}

/// `sum += other` over Z/2.
fn add(sum: &mut Vec<u32>, other: &[u32], scratch: &mut Vec<u32>) {
    if other.is_empty() {
        return;
    }
    symmetric_difference(sum, other, scratch);
    std::mem::swap(sum, scratch);
}

fn symmetric_difference(mut a: &[u32], mut b: &[u32], out: &mut Vec<u32>) {
    out.clear();
    while let (Some((&x, rest_a)), Some((&y, rest_b))) = (a.split_first(), b.split_first()) {
        if x <= y {
            a = rest_a;
        }
        if y <= x {
            b = rest_b;
        }
        if x != y {
            out.push(x.min(y));
        }
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
}
