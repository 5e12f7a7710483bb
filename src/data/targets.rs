//! What a classifier should answer, as one row of probabilities for each image.

use burn::prelude::*;

/// The class of an image, or of two images that were mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixedLabel {
    /// Class of the image itself.
    pub label: usize,
    /// Class of the image mixed into it.
    pub partner: usize,
    /// Share of the image itself, a fraction.
    pub lambda: f64,
}

impl MixedLabel {
    /// The class of an image that is not mixed.
    pub fn whole(label: usize) -> Self {
        Self {
            label,
            partner: label,
            lambda: 1.0,
        }
    }
}

/// Target rows: each class has its share, and `label_smoothing` of the row is spread evenly.
///
/// The class of an unmixed image gets `1 - s + s / n_classes` and every other class
/// `s / n_classes`, where `s` is `label_smoothing`; as in PyTorch and timm. Rows sum to 1.
///
/// # Shapes
///
/// - output: `[n_labels, n_classes]`
///
/// # Panics
///
/// If a label is not below `n_classes`.
///
/// # Source
///
/// Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
/// section 7.
pub fn soft_targets(
    labels: &[MixedLabel],
    n_classes: usize,
    label_smoothing: f64,
    device: &Device,
) -> Tensor<2> {
    let off = label_smoothing / n_classes as f64;
    let mut rows = vec![off; labels.len() * n_classes];
    for (row, label) in rows.chunks_exact_mut(n_classes).zip(labels) {
        row[label.label] += (1.0 - label_smoothing) * label.lambda;
        row[label.partner] += (1.0 - label_smoothing) * (1.0 - label.lambda);
    }
    let rows: Vec<f32> = rows.into_iter().map(|value| value as f32).collect();
    Tensor::from_data(TensorData::new(rows, [labels.len(), n_classes]), device)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_both_classes_and_the_smoothing() {
        let labels = [
            MixedLabel::whole(2),
            MixedLabel {
                label: 0,
                partner: 3,
                lambda: 0.75,
            },
        ];
        let targets = soft_targets(&labels, 4, 0.2, &Device::flex());
        let expected = [0.05, 0.05, 0.85, 0.05, 0.65, 0.05, 0.05, 0.25];
        let found: Vec<f32> = targets.try_into_vec_as().unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
