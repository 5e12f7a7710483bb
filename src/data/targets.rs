//! Target probabilities of a classifier, with mixed labels and label smoothing.

use burn::prelude::*;

/// Label of a sample, or of two samples that were mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixedLabel {
    /// Label of the sample itself.
    pub label: usize,
    /// Label of the sample mixed into it.
    pub partner: usize,
    /// Share of the sample itself, in `[0, 1]`.
    pub lambda: f64,
}

impl MixedLabel {
    /// Label of a sample that is not mixed with another.
    pub fn unmixed(label: usize) -> Self {
        Self {
            label,
            partner: label,
            lambda: 1.0,
        }
    }
}

/// Computes target probabilities with label smoothing: one row for each label, each with the sum 1.
///
/// ```text
/// target[k] = s / n_classes + (1 - s) (lambda [k == label] + (1 - lambda) [k == partner])
/// ```
///
/// Here `s` is `label_smoothing`, as in PyTorch and timm.
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
        // Added rather than assigned, because the two labels may be the same class.
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
    fn targets_contain_both_labels_and_the_smoothing() {
        let labels = [
            MixedLabel::unmixed(2),
            MixedLabel {
                label: 0,
                partner: 3,
                lambda: 0.75,
            },
        ];
        let targets = soft_targets(&labels, 4, 0.2, &Device::flex());
        let expected = [0.05, 0.05, 0.85, 0.05, 0.65, 0.05, 0.05, 0.25];
        let actual: Vec<f32> = targets.try_into_vec_as().unwrap();
        for (actual, expected) in actual.iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-6, "{actual} {expected}");
        }
    }
}
