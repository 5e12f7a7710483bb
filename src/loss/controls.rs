//! Controls: the same penalty with random edges, with shuffled partners, or on whole distance matrices.
//!
//! A control keeps everything but the topology. An effect that a control shows too is not due to topology.

use crate::error::Result;
use crate::nn::DiagramBatch;
use crate::topology::{Bar, Diagram, DistanceMatrix, Divergence, Edge};

/// Edges whose lengths serve as births and deaths of a diagram.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Activations, Clock, DiagramPenalty, EdgeChoice, TopologyRegularizer};
///
/// # let device = Device::flex();
/// # let scores = || Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// # let attention = vec![softmax(scores(), 3), softmax(scores(), 3)];
/// # let activations = Activations::from_attention(attention, 0);
/// let value = |edges| {
///     let penalty = DiagramPenalty::new(0).with_edges(edges);
///     let topology = TopologyRegularizer::new(vec![penalty.into()])?.forward(&activations, Clock::default())?;
///     Ok::<f64, burn_topology::Error>(topology.terms[0].value)
/// };
/// // The same number of bars, but with the lengths of random edges as births and deaths.
/// assert_ne!(value(EdgeChoice::Critical)?, value(EdgeChoice::Random { seed: 0 })?);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeChoice {
    /// Critical edges of persistent homology.
    Critical,
    /// Control: random edges in place of the critical ones, drawn anew for each step and item.
    ///
    /// Every finite bar keeps its number of edges; the shorter one is the birth. Scales are still those of
    /// the topology.
    ///
    /// # Source
    ///
    /// Moor et al., "Topological Autoencoders", 2020, section 5.1: the comparison with random edges.
    Random {
        /// Seed of the random edges.
        seed: u64,
    },
}

/// Images or clips of a batch that are compared with each other.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{
///     Activations, Clock, DiagramPenalty, ItemPairs, PartnerChoice, TopologyRegularizer,
/// };
///
/// // Two images with different attention, and two layers with equal attention.
/// # let device = Device::flex();
/// let rows = [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]];
/// let other = [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.2, 0.4, 0.4]];
/// let layer = Tensor::<4>::from_data([[rows], [other]], &device);
/// let activations = Activations::from_attention(vec![layer.clone(), layer], 0);
/// let value = |partners| {
///     let penalty = DiagramPenalty::new(0).with_pairs(ItemPairs::layers().with_partners(partners));
///     let topology = TopologyRegularizer::new(vec![penalty.into()])?.forward(&activations, Clock::default())?;
///     Ok::<f64, burn_topology::Error>(topology.terms[0].value)
/// };
/// assert_eq!(value(PartnerChoice::Same)?, 0.0);
/// assert!(value(PartnerChoice::Shuffled { seed: 0 })? > 0.0);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartnerChoice {
    /// Layers or views of the same image, frames of the same clip.
    Same,
    /// Control: the second layer, frame or view comes from another image or clip of the batch.
    ///
    /// All pairs of a step are shifted by the same random offset, so the same diagrams are compared in
    /// other pairs. A batch of one image or clip has no pairs.
    Shuffled {
        /// Seed of the offsets.
        seed: u64,
    },
}

impl PartnerChoice {
    /// Returns the offset from an item to its partner in a batch of `n`; `None` if there is no partner.
    pub(super) fn shift(self, n: usize, step: usize) -> Option<usize> {
        match self {
            Self::Same => Some(0),
            Self::Shuffled { .. } if n < 2 => None,
            Self::Shuffled { seed } => {
                // Seeded by the step, not drawn from one long stream, so that a resumed run gets the same offsets.
                let mut draws = Draws::new(&[seed, step as u64]);
                Some(1 + draws.below(n - 1))
            }
        }
    }
}

/// Random number generator splitmix64, seeded from a few words.
///
/// It is written out here so that the numbers stay the same in every version of every dependency.
pub(super) struct Draws(u64);

impl Draws {
    /// Seeds a generator; the order of the words matters.
    pub(super) fn new(words: &[u64]) -> Self {
        let mut draws = Self(0);
        // Mixing after each word separates (1, 2) from (2, 1) and neighbouring steps from each other.
        for word in words {
            draws.0 ^= word;
            draws.0 = draws.next();
        }
        draws
    }

    /// Returns the next 64 random bits.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// Returns a nearly uniform number below `n`.
    ///
    /// The remainder favours small numbers by at most `n / 2^64`, which is negligible here.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Returns a uniform edge between two different points, the smaller point first.
    fn edge(&mut self, n_points: usize) -> Edge {
        let first = self.below(n_points);
        // An offset of 1 to n - 1 never returns to the first point.
        let second = (first + 1 + self.below(n_points - 1)) % n_points;
        [first.min(second) as u32, first.max(second) as u32]
    }
}

/// Returns the finite bars of a diagram with their edges replaced by random ones.
pub(super) fn random_bars(
    diagram: &Diagram<f64>,
    batch: &DiagramBatch,
    item: usize,
    draws: &mut Draws,
) -> Vec<Bar<f64>> {
    let n_points = batch.n_points(item);
    // A birth in dimension 0 has no edge and stays the constant 0.
    let mut random_end = |edge: Option<Edge>| {
        edge.map(|_| {
            let edge = draws.edge(n_points);
            (batch.distance(item, edge), edge)
        })
    };
    diagram
        .finite()
        .map(|bar| {
            let mut ends = [random_end(bar.birth_edge), random_end(bar.death_edge)];
            // A bar must not die before it is born.
            if let [Some(birth), Some(death)] = ends
                && birth.0 > death.0
            {
                ends.swap(0, 1);
            }
            Bar {
                birth: ends[0].map_or(0.0, |(length, _)| length),
                death: ends[1].map_or(bar.death, |(length, _)| length),
                birth_edge: ends[0].map(|(_, edge)| edge),
                death_edge: ends[1].map(|(_, edge)| edge),
            }
        })
        .collect()
}

/// Mean of `|a - b|^order` over all pairs of points of two distance matrices.
pub(super) fn matrix_difference(
    a: &DistanceMatrix<'_, f64>,
    b: &DistanceMatrix<'_, f64>,
    order: f64,
) -> Result<Divergence> {
    let n_points = a.n_points();
    let n_pairs = n_points * n_points.saturating_sub(1) / 2;
    let pair_weight = 1.0 / n_pairs.max(1) as f64;
    let mut value = 0.0;
    let mut gradients = [0, 1].map(|_| Vec::with_capacity(n_pairs));
    for i in 0..n_points {
        for j in i + 1..n_points {
            let gap = a.get(i, j) - b.get(i, j);
            value += pair_weight * gap.abs().powf(order);
            // At order 1 the slope of |gap| jumps at 0; there it is defined as 0.
            let slope = if gap == 0.0 {
                0.0
            } else {
                pair_weight * order * gap.abs().powf(order - 1.0) * gap.signum()
            };
            let edge = [i as u32, j as u32];
            gradients[0].push((edge, slope));
            gradients[1].push((edge, -slope));
        }
    }
    Ok(Divergence { value, gradients })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_and_partners_are_other_items() {
        let first_draw = |words: &[u64]| Draws::new(words).next();
        assert_eq!(first_draw(&[1, 2]), first_draw(&[1, 2]));
        assert_ne!(first_draw(&[1, 2]), first_draw(&[2, 1]));
        for n in 0..9 {
            assert_eq!(PartnerChoice::Same.shift(n, 3), Some(0));
            let shifts: Vec<Option<usize>> = (0..50)
                .map(|step| PartnerChoice::Shuffled { seed: 7 }.shift(n, step))
                .collect();
            match n {
                0 | 1 => assert!(shifts.iter().all(Option::is_none)),
                // An item is never its own partner, and each other item becomes its partner at some step.
                _ => (1..n).for_each(|shift| assert!(shifts.contains(&Some(shift)))),
            }
            assert!(
                shifts
                    .iter()
                    .flatten()
                    .all(|&shift| (1..n).contains(&shift))
            );
        }
    }

    #[test]
    fn random_edges_cover_all_pairs_of_points() {
        let mut draws = Draws::new(&[3]);
        let mut edges = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let [i, j] = draws.edge(5);
            assert!(i < j && j < 5);
            edges.insert([i, j]);
        }
        assert_eq!(edges.len(), 10);
        assert_eq!(draws.edge(2), [0, 1]);
    }
}
