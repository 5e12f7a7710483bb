//! Betti matching: bars of two images that belong to the same place.

use super::bars::CubicalDiagram;
use super::forest::ElderForest;
use super::grid::GreyImage;
use super::lattice::{EdgeId, Lattice};
use super::planar::PlanarComplex;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::real::Real;
use crate::topology::diagram_distance::pair_gradient;
use crate::topology::matched_cost::MatchedCost;
use crate::topology::matching::{BarPair, GroundNorm};
use crate::topology::wasserstein::length_power;

/// Diagrams of two images, with the bars matched that belong to the same component or hole.
///
/// The union of the two filtrations, that of the brighter of two pixels for superlevel sets and of the darker one for
/// sublevel sets, contains both images. A bar of one image is matched with a bar of the other if both persist in the
/// union as the same class: in dimension 0 until one edge ends both components, in dimension 1 until one pixel fills
/// both holes. A Wasserstein distance compares births and deaths alone, and may match bars of different places.
///
/// All cells enter in a total order, by value and then by position, as in the diagrams of one image. With
/// [`Construction::Vertices`](super::Construction::Vertices) the pairs are those of the authors' program, ties included.
///
/// Sources: N. Stucki et al., [Topologically faithful image segmentation via induced matching of persistence
/// barcodes](https://arxiv.org/abs/2211.15272) (2023); N. Stucki et al., [Efficient Betti matching enables
/// topology-aware 3D segmentation via persistent homology](https://arxiv.org/abs/2407.04683) (2024).
///
/// # Example
///
/// ```
/// use burn_topology::topology::{BarPair, CubicalComplex, GreyImage};
///
/// // Two bright pixels. In the second image, the right one is missing and another one lies further to the left.
/// let first = [0.0, 0.9, 0.0, 0.0, 0.0, 0.8, 0.0];
/// let second = [0.8, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0];
/// let [first, second] = [&first, &second].map(|values| GreyImage::new(values, [1, 7]));
/// let matching = CubicalComplex::default().betti_matching(&first?, &second?)?;
/// // The bars of 0.8 are equal but lie far apart. Only the components that never die are matched.
/// let pairs = [BarPair::FirstToDiagonal(0), BarPair::Bars(1, 1), BarPair::SecondToDiagonal(0)];
/// assert_eq!(matching.pairs[0], pairs);
/// assert!(matching.pairs[1].is_empty());
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BettiMatching<T> {
    /// Diagrams of the first image, by homology dimension.
    pub first: [CubicalDiagram<T>; 2],
    /// Diagrams of the second image, by homology dimension.
    pub second: [CubicalDiagram<T>; 2],
    /// Pairs of bars by homology dimension, as indices of bars in their diagrams.
    ///
    /// Every bar of either diagram belongs to exactly one pair, with a bar or with the diagonal. The bars of the first
    /// diagram come first, in their order; then follow, in their order, the other bars of the second diagram.
    pub pairs: [Vec<BarPair<usize>>; 2],
}

impl<T: Real> BettiMatching<T> {
    /// Computes the sum over all pairs of one dimension of their lengths, raised to a power, and its gradient.
    ///
    /// With the order 2 and [`GroundNorm::L2`] it is half of the Betti matching loss of the source, but for the pair of
    /// components that never die, of which only the births are compared here.
    ///
    /// # Gradient
    ///
    /// With respect to [`CubicalDiagram::points`] of either diagram; [`CubicalDiagram::pixel_gradient`] takes it to
    /// pixels. The matching is held constant. A pair of length 0 has gradient 0.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the order is not finite and at least 1.
    ///
    /// # Panics
    ///
    /// If the dimension is above 1.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::{CubicalComplex, GreyImage, GroundNorm};
    ///
    /// let [first, second] = [[0.9, 0.2, 0.8], [0.9, 0.3, 0.8]];
    /// let [first, second] = [&first, &second].map(|values| GreyImage::new(values, [1, 3]));
    /// let matching = CubicalComplex::default().betti_matching(&first?, &second?)?;
    /// let cost = matching.value_and_gradient(0, 1.0, GroundNorm::L2)?;
    /// assert!((cost.value - 0.1_f64).abs() < 1e-12);
    /// // The first image would come closer if its pixel 1 were brighter.
    /// assert_eq!(matching.first[0].pixel_gradient(&cost.first), [(1, -1.0)]);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn value_and_gradient(
        &self,
        homology_dim: usize,
        order: f64,
        ground_norm: GroundNorm,
    ) -> Result<MatchedCost> {
        // Written so that NaN fails.
        if !(order.is_finite() && order >= 1.0) {
            return Err(Error::invalid_parameter(format!(
                "order of a Betti matching is {order}, expected a finite number of at least 1"
            )));
        }
        let first = self.first[homology_dim].points();
        let second = self.second[homology_dim].points();
        let mut cost = MatchedCost::constant(0.0, &first, &second);
        for pair in &self.pairs[homology_dim] {
            let gradient = pair_gradient(pair.points(&first, &second), ground_norm);
            if gradient.length == 0.0 {
                continue;
            }
            cost.value += length_power(gradient.length, order);
            let outer = order * length_power(gradient.length, order - 1.0);
            let scaled = |part: f64| if part == 0.0 { 0.0 } else { outer * part };
            if let Some(i) = pair.first() {
                cost.first[i] = gradient.first.map(scaled);
            }
            if let Some(j) = pair.second() {
                cost.second[j] = gradient.second.map(scaled);
            }
        }
        Ok(cost)
    }
}

/// Buffers of Betti matchings.
#[derive(Debug, Clone)]
pub(super) struct Matcher<T: Real> {
    /// The two images.
    sides: [Side<T>; 2],
    /// The union of both filtrations.
    union: PlanarComplex<T>,
    union_values: Vec<T>,
}

/// One of the two images of a matching.
#[derive(Debug, Clone)]
struct Side<T: Real> {
    complex: PlanarComplex<T>,
    /// Components of the image, or holes of the union, while they are followed.
    forest: ElderForest,
    /// Index of the bar that is born with each vertex, or [`NO_BAR`].
    bar_of_vertex: Vec<u32>,
    /// Edge with which each hole is born, in the order of the bars.
    hole_edges: Vec<EdgeId>,
    /// Index of the bar that dies with each face in the union, or [`NO_BAR`].
    bar_of_union_face: Vec<u32>,
}

/// Stands for no bar; the indices of bars are much smaller.
const NO_BAR: u32 = u32::MAX;

impl<T: Real> Default for Matcher<T> {
    fn default() -> Self {
        Self {
            sides: [Side::default(), Side::default()],
            union: PlanarComplex::default(),
            union_values: Vec::new(),
        }
    }
}

impl<T: Real> Default for Side<T> {
    fn default() -> Self {
        Self {
            complex: PlanarComplex::default(),
            forest: ElderForest::default(),
            bar_of_vertex: Vec::new(),
            hole_edges: Vec::new(),
            bar_of_union_face: Vec::new(),
        }
    }
}

impl<T: Real> Side<T> {
    /// Computes the diagrams of an image, and which cells its bars belong to.
    fn diagrams(
        &mut self,
        image: &GreyImage<'_, T>,
        settings: &Settings<T>,
    ) -> [CubicalDiagram<T>; 2] {
        let mut vertices = Vec::new();
        self.hole_edges.clear();
        let diagrams = self
            .complex
            .diagrams(image, settings, |dim, pair| match dim {
                0 => vertices.push(pair.cell),
                _ => self.hole_edges.push(pair.edge),
            });
        self.bar_of_vertex.clear();
        self.bar_of_vertex
            .resize(self.complex.lattice.n_vertices(), NO_BAR);
        for (bar, vertex) in vertices.into_iter().enumerate() {
            self.bar_of_vertex[vertex] = bar as u32;
        }
        diagrams
    }

    /// Finds for each hole of the image the face that fills it in the union.
    fn follow_holes(&mut self, union: &Lattice<T>) {
        self.complex.collect_edges_with_faces();
        union.reset_faces(&mut self.forest);
        self.bar_of_union_face.clear();
        self.bar_of_union_face.resize(union.n_faces(), NO_BAR);
        let mut holes = self.hole_edges.iter().enumerate().rev().peekable();
        for &(_, edge) in self.complex.edges().iter().rev() {
            let is_elder = |a, b| union.is_elder_face(a, b);
            let face = self.forest.merge(union.sides(edge), is_elder);
            if let Some((bar, _)) = holes.next_if(|(_, hole)| **hole == edge)
                && let Some(face) = face
            {
                self.bar_of_union_face[face] = bar as u32;
            }
        }
    }
}

impl<T: Real> Matcher<T> {
    /// Computes the matching of two images of one shape.
    pub(super) fn matching(
        &mut self,
        images: [&GreyImage<'_, T>; 2],
        settings: &Settings<T>,
    ) -> Result<BettiMatching<T>> {
        let [first, second] = &mut self.sides;
        let first = first.diagrams(images[0], settings);
        let second = second.diagrams(images[1], settings);
        let mut matched = [Vec::new(), Vec::new()];
        if !images[0].values().is_empty() {
            let earlier = |(a, b): (&T, &T)| {
                let is_first =
                    settings.filtration.ascending(*a) <= settings.filtration.ascending(*b);
                if is_first { *a } else { *b }
            };
            self.union_values.clear();
            let values = images[0].values().iter().zip(images[1].values());
            self.union_values.extend(values.map(earlier));
            let union = GreyImage::new(&self.union_values, images[0].shape())?;
            self.union.pair(&union, settings);
            matched = [self.matched_components(), self.matched_holes()];
            // The components that never die come last in their diagrams.
            matched[0].push([first[0].bars.len() - 1, second[0].bars.len() - 1]);
        }
        let n_bars = |dim: usize| [&first, &second].map(|diagrams| diagrams[dim].bars.len());
        let pairs = [0, 1].map(|dim| complete(&matched[dim], n_bars(dim)));
        Ok(BettiMatching {
            first,
            second,
            pairs,
        })
    }

    /// Pairs of bars whose components die with the same edge of the union.
    fn matched_components(&mut self) -> Vec<[usize; 2]> {
        for side in &mut self.sides {
            side.complex.lattice.reset_vertices(&mut side.forest);
        }
        self.union.collect_edges_with_vertices();
        let mut ends_of_bars = self.union.components.iter().peekable();
        let mut matched = Vec::new();
        for &(_, edge) in self.union.edges() {
            let bars = self.sides.each_mut().map(|side| {
                let lattice = &side.complex.lattice;
                let is_elder = |a, b| lattice.is_elder_vertex(a, b);
                let dead = side.forest.merge(lattice.ends(edge), is_elder);
                dead.map_or(NO_BAR, |vertex| side.bar_of_vertex[vertex])
            });
            let is_end_of_bar = ends_of_bars.next_if(|pair| pair.edge == edge).is_some();
            if is_end_of_bar && !bars.contains(&NO_BAR) {
                matched.push(bars.map(|bar| bar as usize));
            }
        }
        matched
    }

    /// Pairs of bars whose holes are filled by the same face of the union.
    fn matched_holes(&mut self) -> Vec<[usize; 2]> {
        for side in &mut self.sides {
            side.follow_holes(&self.union.lattice);
        }
        let bars = |face: usize| {
            self.sides
                .each_ref()
                .map(|side| side.bar_of_union_face[face])
        };
        let bars = self.union.holes.iter().map(|hole| bars(hole.cell));
        bars.filter(|bars| !bars.contains(&NO_BAR))
            .map(|bars| bars.map(|bar| bar as usize))
            .collect()
    }
}

/// Adds the bars that are matched with the diagonal, and puts all pairs in order.
fn complete(matched: &[[usize; 2]], [n_first, n_second]: [usize; 2]) -> Vec<BarPair<usize>> {
    let mut partners = vec![None; n_first];
    let mut is_alone = vec![true; n_second];
    for &[i, j] in matched {
        partners[i] = Some(j);
        is_alone[j] = false;
    }
    let first = partners
        .into_iter()
        .enumerate()
        .map(|(i, partner)| match partner {
            Some(j) => BarPair::Bars(i, j),
            None => BarPair::FirstToDiagonal(i),
        });
    let alone = (0..n_second).filter(|&j| is_alone[j]);
    first.chain(alone.map(BarPair::SecondToDiagonal)).collect()
}
