//! What could explain an effect away: the same penalty on other entries, or between other partners.

use crate::error::Result;
use crate::nn::DiagramBatch;
use crate::topology::{Bar, Diagram, DistanceMatrix, Divergence, Edge};

/// Which distances are the births and deaths of a diagram.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Activations, Clock, Edges, TopologyPenalty, TopologyRegularizer};
///
/// # let device = Device::flex();
/// # let scores = || Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// # let attention = vec![softmax(scores(), 3), softmax(scores(), 3)];
/// # let activations = Activations::of_attention(attention, 0);
/// let value = |edges| {
///     let penalty = TopologyPenalty { edges, ..TopologyPenalty::new(0) };
///     let topology = TopologyRegularizer::new(vec![penalty])?.forward(&activations, Clock::default())?;
///     Ok::<f64, burn_topology::Error>(topology.terms[0].value)
/// };
/// // As many bars, but of any distances instead of those that make the topology.
/// assert_ne!(value(Edges::Critical)?, value(Edges::Random { seed: 0 })?);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// Those that make the topology.
    Critical,
    /// A control: for every finite bar edges drawn at random, the shorter one its birth where it has one;
    /// others at each step and in each item. Scales stay those of the topology.
    ///
    /// # Source
    ///
    /// Moor et al., "Topological Autoencoders", 2020, section 5.1: the comparison with random edges.
    Random {
        /// Seed of the draws.
        seed: u64,
    },
}

/// Who is compared with whom.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, Partners, TopologyPenalty, TopologyRegularizer};
///
/// // Two images; in both layers the attention of the second is that of the first, moved on by a token.
/// # let device = Device::flex();
/// let rows = [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]];
/// let other = [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.2, 0.4, 0.4]];
/// let layer = Tensor::<4>::from_data([[rows], [other]], &device);
/// let activations = Activations::of_attention(vec![layer.clone(), layer], 0);
/// let value = |partners| {
///     let penalty = TopologyPenalty { partners, ..TopologyPenalty::new(0) };
///     let topology = TopologyRegularizer::new(vec![penalty])?.forward(&activations, Clock::default())?;
///     Ok::<f64, burn_topology::Error>(topology.terms[0].value)
/// };
/// assert_eq!(value(Partners::Same)?, 0.0);
/// assert!(value(Partners::Shuffled { seed: 0 })? > 0.0);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partners {
    /// Layers of the same image, frames of the same clip.
    Same,
    /// A control: the later layer or frame is that of another image or clip of the batch, another one at
    /// each step. The same diagrams are compared, with other partners; a batch of one has none.
    Shuffled {
        /// Seed of the choice.
        seed: u64,
    },
}

impl Partners {
    /// How many places on in a batch of `n` the partner is.
    pub(super) fn shift(self, n: usize, step: usize) -> Option<usize> {
        match self {
            Self::Same => Some(0),
            Self::Shuffled { .. } if n < 2 => None,
            Self::Shuffled { seed } => {
                let mut draws = Draws::new(&[seed, step as u64]);
                Some(1 + draws.below(n - 1))
            }
        }
    }
}

/// Independent numbers from a few words: splitmix64.
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(words: &[u64]) -> Self {
        let mut draws = Self(0);
        for word in words {
            draws.0 ^= word;
            draws.0 = draws.next();
        }
        draws
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// Below `n`, nearly evenly: `n` is small beside 2^64.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Two different points, the smaller first.
    fn edge(&mut self, n_points: usize) -> Edge {
        let first = self.below(n_points);
        let second = (first + 1 + self.below(n_points - 1)) % n_points;
        [first.min(second) as u32, first.max(second) as u32]
    }
}

/// The finite bars of a diagram of an item, with random edges for theirs.
pub(super) fn random_bars(
    diagram: &Diagram<f64>,
    batch: &DiagramBatch,
    item: usize,
    draws: &mut Draws,
) -> Vec<Bar<f64>> {
    let n_points = batch.n_points();
    let mut drawn = |edge: Option<Edge>| {
        edge.map(|_| {
            let edge = draws.edge(n_points);
            (batch.distance(item, edge), edge)
        })
    };
    let bars = diagram.finite().map(|bar| {
        let mut ends = [drawn(bar.birth_edge), drawn(bar.death_edge)];
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
    });
    bars.collect()
}

/// The control of all: how much two matrices differ entry by entry, mean of `|a - b|^order` over the pairs
/// of points.
pub(super) fn matrix_difference(
    a: &DistanceMatrix<'_, f64>,
    b: &DistanceMatrix<'_, f64>,
    order: f64,
) -> Result<Divergence> {
    let n_points = a.n_points();
    let n_pairs = n_points * n_points.saturating_sub(1) / 2;
    let share = 1.0 / n_pairs.max(1) as f64;
    let mut value = 0.0;
    let mut gradients = [0, 1].map(|_| Vec::with_capacity(n_pairs));
    for i in 0..n_points {
        for j in i + 1..n_points {
            let gap = a.get(i, j) - b.get(i, j);
            value += share * gap.abs().powf(order);
            let slope = match gap == 0.0 {
                true => 0.0,
                false => share * order * gap.abs().powf(order - 1.0) * gap.signum(),
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
    fn draws_repeat_and_partners_are_others() {
        let of = |words: &[u64]| Draws::new(words).next();
        assert_eq!(of(&[1, 2]), of(&[1, 2]));
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        for n in 0..9 {
            assert_eq!(Partners::Same.shift(n, 3), Some(0));
            let shifts: Vec<Option<usize>> = (0..50)
                .map(|step| Partners::Shuffled { seed: 7 }.shift(n, step))
                .collect();
            match n {
                0 | 1 => assert!(shifts.iter().all(Option::is_none)),
                // Never with itself, and with each of the others some time.
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
    fn edges_join_two_points_and_all_of_them_come() {
        let mut draws = Draws::new(&[3]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let [i, j] = draws.edge(5);
            assert!(i < j && j < 5);
            seen.insert([i, j]);
        }
        assert_eq!(seen.len(), 10);
        assert_eq!(draws.edge(2), [0, 1]);
    }
}
