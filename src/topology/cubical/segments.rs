//! Components of an image that persist, and the pixels that belong to each.

use super::forest::ElderForest;
use super::grid::GreyImage;
use crate::real::Real;

/// Division of an image into its components of at least a persistence.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GreyImage, persistent_components};
///
/// // Two peaks, and between them a shoulder that is no component of its own.
/// let image = GreyImage::new(&[0.9, 0.1, 0.5, 0.4, 0.8], [1, 5])?;
/// let components = persistent_components(&image, 0.25);
/// assert_eq!(components.peaks, [0, 4]);
/// assert_eq!(components.labels, [0, 0, 1, 1, 1]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentComponents {
    /// Brightest pixel of each component, the brightest component first.
    pub peaks: Vec<usize>,
    /// Component that each pixel belongs to, as an index into the peaks; the background belongs to one as well.
    pub labels: Vec<usize>,
}

/// Divides an image into its bright components of at least a persistence, of which it has one for each such bar.
///
/// Pixels enter in descending order. A pixel joins the neighbour (of eight) with the brightest peak, and brings the others
/// together with it if their persistence up to there is too small. The number of components is the number of bars of
/// dimension 0 of that persistence, the essential one included; ties are broken by position.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GreyImage, persistent_components};
///
/// let image = GreyImage::new(&[0.9, 0.1, 0.5, 0.4, 0.8], [1, 5])?;
/// let n_components = |least| persistent_components(&image, least).peaks.len();
/// // The peak of 0.5 has the persistence 0.1.
/// assert_eq!([0.05, 0.25, 1.0].map(n_components), [3, 2, 1]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
///
/// # Source
///
/// Chazal, Guibas, Oudot, Skraba, "Persistence-based clustering in Riemannian manifolds" (ToMATo), 2013.
///
/// # Cost
///
/// O(n log n) for n pixels.
pub fn persistent_components<T: Real>(
    image: &GreyImage<'_, T>,
    min_persistence: T,
) -> PersistentComponents {
    let values = image.values();
    let [height, width] = image.shape();
    let mut order: Vec<usize> = (0..values.len()).collect();
    // Stable: equal pixels stay in the order of their positions. Images have no NaN.
    order.sort_by(|&a, &b| {
        values[b]
            .partial_cmp(&values[a])
            .expect("numbers without NaN")
    });
    let mut rank = vec![0; values.len()];
    for (place, &pixel) in order.iter().enumerate() {
        rank[pixel] = place;
    }
    let mut forest = ElderForest::default();
    forest.reset(values.len());
    for &pixel in &order {
        let [row, column] = [pixel / width, pixel % width];
        let rows = row.saturating_sub(1)..(row + 2).min(height);
        let earlier = rows.flat_map(|row| {
            let columns = column.saturating_sub(1)..(column + 2).min(width);
            columns.map(move |column| row * width + column)
        });
        let earlier = earlier.filter(|&neighbour| rank[neighbour] < rank[pixel]);
        let mut roots: Vec<usize> = earlier.map(|neighbour| forest.find(neighbour)).collect();
        roots.sort_by_key(|&root| rank[root]);
        roots.dedup();
        let Some((&brightest, others)) = roots.split_first() else {
            continue;
        };
        forest.attach(pixel, brightest);
        for &other in others {
            if values[other] - values[pixel] < min_persistence {
                forest.attach(other, brightest);
            }
        }
    }
    let mut peaks: Vec<usize> = (0..values.len())
        .filter(|&pixel| forest.find(pixel) == pixel)
        .collect();
    peaks.sort_by_key(|&peak| rank[peak]);
    let mut label_of = vec![0; values.len()];
    for (label, &peak) in peaks.iter().enumerate() {
        label_of[peak] = label;
    }
    let labels = (0..values.len()).map(|pixel| label_of[forest.find(pixel)]);
    PersistentComponents {
        labels: labels.collect(),
        peaks,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topology::CubicalComplex;

    proptest! {
        #[test]
        fn there_is_a_component_for_each_bar(
            width in 1_usize..8,
            // Few values, so that there are ties and plateaus.
            steps in prop::collection::vec(0_u8..6, 1..40),
            margin in 0_u8..5,
        ) {
            let height = steps.len().div_ceil(width);
            let mut values: Vec<f64> = steps.iter().map(|&step| f64::from(step)).collect();
            values.resize(height * width, 0.0);
            let image = GreyImage::new(&values, [height, width]).unwrap();
            // Bars of persistence 0 are left out of diagrams.
            let margin = f64::from(margin) + 0.5;
            let [diagram, _] = CubicalComplex::default().image_diagrams(&image);
            let mut births: Vec<usize> = diagram
                .bars
                .iter()
                .filter(|bar| bar.persistence() >= margin)
                .map(|bar| bar.birth_pixel)
                .collect();
            births.sort_unstable();
            let components = persistent_components(&image, margin);
            let mut peaks = components.peaks.clone();
            peaks.sort_unstable();
            prop_assert_eq!(peaks.len(), births.len());
            let mut levels = [peaks, births].map(|pixels| {
                let mut levels: Vec<u8> = pixels.iter().map(|&pixel| values[pixel] as u8).collect();
                levels.sort_unstable();
                levels
            });
            prop_assert_eq!(levels[0].clone(), std::mem::take(&mut levels[1]));
            for (label, &peak) in components.peaks.iter().enumerate() {
                prop_assert_eq!(components.labels[peak], label);
            }
        }
    }
}
