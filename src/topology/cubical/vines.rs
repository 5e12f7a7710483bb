//! Vines: bars of grey images that are the same component or hole from frame to frame.

use super::bars::CubicalBar;
use super::complex::CubicalComplex;
use super::grid::GreyImage;
use crate::error::Result;
use crate::topology::matching::BarPair;

/// Bars of consecutive frames that belong to one component or hole.
///
/// # Example
///
/// ```
/// use burn_topology::topology::vines;
///
/// // A bright thing, and a darker one that vanishes in the third frame.
/// let clip = [0.9, 0.0, 0.6, 0.9, 0.0, 0.5, 0.9, 0.0, 0.0];
/// let vines = vines(&clip, [1, 3], 0.1)?;
/// assert_eq!(vines.iter().map(|vine| vine.bars.len()).collect::<Vec<_>>(), [3, 2]);
/// assert_eq!(vines[1].persistences().collect::<Vec<_>>(), [0.6, 0.5]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Vine {
    /// Homology dimension: 0 for a component, 1 for a hole.
    pub homology_dim: usize,
    /// Frame of the first bar.
    pub first_frame: usize,
    /// One bar for each frame, from the first on.
    pub bars: Vec<CubicalBar<f64>>,
}

impl Vine {
    /// Persistence of the vine at each of its frames; the component that never dies dies at black, 0.
    pub fn persistences(&self) -> impl Iterator<Item = f64> {
        self.bars.iter().map(persistence_above_black)
    }

    /// Name of this vine among all vines of a clip: its kind, and its number among those of its kind.
    pub fn name(vines: &[Self], index: usize) -> String {
        let dim = vines[index].homology_dim;
        let earlier = vines[..index].iter();
        let number = 1 + earlier.filter(|vine| vine.homology_dim == dim).count();
        format!("{} {number}", ["component", "hole"][dim.min(1)])
    }

    /// Bar of a frame; `None` before the first and after the last.
    pub fn bar(&self, frame: usize) -> Option<&CubicalBar<f64>> {
        self.bars.get(frame.checked_sub(self.first_frame)?)
    }
}

/// Persistence of a bar of an image from 0 to 1, whose component that never dies dies at 0.
pub(crate) fn persistence_above_black(bar: &CubicalBar<f64>) -> f64 {
    bar.birth - bar.death.max(0.0)
}

/// Links the bars of consecutive frames by their Betti matching, which asks for the same place.
///
/// Bars shorter than `min_persistence` are left out. The vines of each dimension come in the order of the sum of their
/// persistences, the largest first; components come before holes.
///
/// # Shapes
///
/// - `frames`: `[n_frames, height, width]`, from 0 to 1
///
/// # Errors
///
/// Those of [`GreyImage::new`], and of a negative least persistence.
///
/// # Cost
///
/// That of one Betti matching for each pair of consecutive frames, see [`CubicalComplex::betti_matching`].
///
/// # Example
///
/// ```
/// use burn_topology::topology::vines;
///
/// // Two bright things; a third one appears in the second frame.
/// let clip = [0.9, 0.0, 0.6, 0.0, 0.0, 0.9, 0.0, 0.6, 0.0, 0.3];
/// let first_frames: Vec<usize> = vines(&clip, [1, 5], 0.1)?.iter().map(|vine| vine.first_frame).collect();
/// assert_eq!(first_frames, [0, 0, 1]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
///
/// # Source
///
/// After Cohen-Steiner, Edelsbrunner, Morozov, "Vines and vineyards by updating persistence in linear time", 2006, where
/// bars are followed through a continuous change; here frames are steps, and the matching takes its place.
pub fn vines(frames: &[f64], shape: [usize; 2], min_persistence: f64) -> Result<Vec<Vine>> {
    let size = shape[0] * shape[1];
    let images = frames
        .chunks_exact(size.max(1))
        .map(|frame| GreyImage::new(frame, shape))
        .collect::<Result<Vec<_>>>()?;
    let mut complex = CubicalComplex::default().with_min_persistence(min_persistence)?;
    let mut vines: Vec<Vine> = Vec::new();
    // Vine of each bar of the frame before, by dimension.
    let mut open: [Vec<Option<usize>>; 2] = [Vec::new(), Vec::new()];
    let Some(first) = images.first() else {
        return Ok(vines);
    };
    let is_long = |bar: &CubicalBar<f64>| persistence_above_black(bar) >= min_persistence;
    let begin = |vines: &mut Vec<Vine>, dim: usize, frame: usize, bar: CubicalBar<f64>| {
        // The component that never dies is kept by the complex, however faint it is.
        is_long(&bar).then(|| {
            vines.push(Vine {
                homology_dim: dim,
                first_frame: frame,
                bars: vec![bar],
            });
            vines.len() - 1
        })
    };
    for diagram in complex.image_diagrams(first) {
        let dim = diagram.homology_dim;
        let started = diagram
            .bars
            .iter()
            .map(|bar| begin(&mut vines, dim, 0, *bar));
        open[dim] = started.collect();
    }
    for (frame, pair) in images.windows(2).enumerate() {
        let matching = complex.betti_matching(&pair[0], &pair[1])?;
        for (dim, open) in open.iter_mut().enumerate() {
            let bars = &matching.second[dim].bars;
            let mut next: Vec<Option<usize>> = vec![None; bars.len()];
            for pair in &matching.pairs[dim] {
                if let BarPair::Bars(first, second) = *pair
                    && let Some(vine) = open[first]
                    && is_long(&bars[second])
                {
                    vines[vine].bars.push(bars[second]);
                    next[second] = Some(vine);
                }
            }
            for (vine, bar) in next.iter_mut().zip(bars) {
                if vine.is_none() {
                    *vine = begin(&mut vines, dim, frame + 1, *bar);
                }
            }
            *open = next;
        }
    }
    let weight = |vine: &Vine| vine.persistences().sum::<f64>();
    // Stable, so that equal vines stay in the order of their beginning.
    vines.sort_by(|a, b| {
        let by_dim = a.homology_dim.cmp(&b.homology_dim);
        by_dim.then_with(|| weight(b).total_cmp(&weight(a)))
    });
    Ok(vines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_followed_and_end_where_they_merge() {
        // A bright thing stands still; a darker one comes nearer, overlapping itself, and merges with it.
        let rows = [
            [0.9, 0.9, 0.0, 0.0, 0.0, 0.7, 0.7],
            [0.9, 0.9, 0.0, 0.0, 0.7, 0.7, 0.0],
            [0.9, 0.9, 0.0, 0.7, 0.7, 0.0, 0.0],
            [0.9, 0.9, 0.7, 0.7, 0.0, 0.0, 0.0],
        ];
        let vines = vines(rows.as_flattened(), [1, 7], 0.1).unwrap();
        assert_eq!(vines.len(), 2);
        assert_eq!((vines[0].first_frame, vines[0].bars.len()), (0, 4));
        assert!(vines[0].persistences().all(|x| (x - 0.9).abs() < 1e-12));
        assert_eq!((vines[1].first_frame, vines[1].bars.len()), (0, 3));
        assert!(vines[1].bar(2).is_some() && vines[1].bar(3).is_none());
    }

    #[test]
    fn holes_and_late_components_begin_in_their_frame() {
        let full = [0.8; 9];
        let ring = [0.8, 0.8, 0.8, 0.8, 0.2, 0.8, 0.8, 0.8, 0.8];
        let black = [0.0; 9];
        let frames = [black, full, ring, ring].concat();
        let vines = vines(&frames, [3, 3], 0.1).unwrap();
        let found: Vec<_> = vines
            .iter()
            .map(|vine| (vine.homology_dim, vine.first_frame, vine.bars.len()))
            .collect();
        assert_eq!(found, [(0, 1, 3), (1, 2, 2)]);
        assert!(super::vines(&[], [3, 3], 0.1).unwrap().is_empty());
        assert!(super::vines(&frames, [3, 3], -1.0).is_err());
    }
}
