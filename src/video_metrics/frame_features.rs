//! Similarity of the features of frames over time.

use crate::mean::mean;

/// Features of the frames of a clip, and the point from which they are measured.
///
/// Features of all images point in roughly the same direction. Measured from their mean over many images they
/// distinguish images.
///
/// # Source
///
/// Huang et al., "VBench", 2024, there with features of DINO and CLIP.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::FrameFeatures;
///
/// // The second frame equals the first, and the third is its opposite.
/// let features = [vec![1.0, 0.0], vec![1.0, 0.0], vec![-1.0, 0.0]];
/// let features = FrameFeatures { features: &features, center: &[0.0, 0.0] };
/// assert_eq!(features.consistency(1), Some(0.0));
/// assert_eq!(features.consistency_to_first(), Some(0.0));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FrameFeatures<'a> {
    /// Features of each frame, in the order of time: `[n_frames][n_features]`.
    pub features: &'a [Vec<f64>],
    /// Mean of the features over many true frames: `[n_features]`.
    pub center: &'a [f64],
}

impl FrameFeatures<'_> {
    /// Mean cosine similarity between the features of frames `gap` apart, measured from the center: 1 for equal
    /// frames; `None` without such a pair.
    ///
    /// ```text
    /// mean over t of cos(f_t - center, f_(t+gap) - center)
    /// ```
    pub fn consistency(&self, gap: usize) -> Option<f64> {
        let pairs = self.features.iter().zip(self.features.iter().skip(gap));
        mean(pairs.map(|(a, b)| cosine(a, b, self.center)))
    }

    /// Mean cosine similarity between the features of the first frame and of each later frame, measured from the
    /// center; `None` below two frames.
    ///
    /// ```text
    /// mean over t > 1 of cos(f_1 - center, f_t - center)
    /// ```
    pub fn consistency_to_first(&self) -> Option<f64> {
        let (first, later) = self.features.split_first()?;
        mean(later.iter().map(|other| cosine(first, other, self.center)))
    }
}

/// Cosine similarity of two feature vectors measured from `center`.
fn cosine(a: &[f64], b: &[f64], center: &[f64]) -> f64 {
    let mut sums = [0.0; 3];
    for ((a, b), center) in a.iter().zip(b).zip(center) {
        let (a, b) = (a - center, b - center);
        for (sum, part) in sums.iter_mut().zip([a * b, a * a, b * b]) {
            *sum += part;
        }
    }
    let norm = (sums[1] * sums[2]).sqrt();
    // The cosine is undefined if a vector lies at the center: 1 if both do, because they are equal then.
    if norm > 0.0 {
        sums[0] / norm
    } else {
        f64::from(u8::from(sums[1] == sums[2]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::Frames;
    use super::super::random_filters::RandomFilters;
    use super::*;

    /// A bright square in a dark frame of 12 by 12.
    fn square([row, column]: [usize; 2], side: usize) -> Vec<f32> {
        let is_inside = |position: usize, start: usize| (start..start + side).contains(&position);
        (0..144)
            .map(|pixel| {
                f32::from(u8::from(
                    is_inside(pixel / 12, row) && is_inside(pixel % 12, column),
                ))
            })
            .collect()
    }

    #[test]
    fn moving_an_object_changes_features_less_than_replacing_it() {
        let pixels = [square([2, 2], 3), square([6, 5], 3), square([2, 2], 7)].concat();
        let features = RandomFilters::new(1).features(&Frames::new(&pixels, [1, 12, 12]));
        let n = features[0].len();
        let center: Vec<f64> = (0..n)
            .map(|k| features.iter().map(|f| f[k]).sum::<f64>() / 3.0)
            .collect();
        let of = |frames| FrameFeatures {
            features: frames,
            center: &center,
        };
        let moved = of(&features[..2]).consistency(1).unwrap();
        let exchanged = of(&features[..]).consistency(2).unwrap();
        assert!(moved > 0.5 && exchanged < 0.0, "{moved} {exchanged}");
        let to_first = of(&features).consistency_to_first().unwrap();
        assert!((to_first - 0.5 * (moved + exchanged)).abs() < 1e-12);
        assert_eq!(of(&features).consistency(3), None);
    }
}
