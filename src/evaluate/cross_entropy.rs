//! Cross-entropy with soft targets, the task loss of classifiers.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

/// Mean cross-entropy between target probabilities and class scores, in nats.
///
/// ```text
/// loss = -mean over rows i of sum over classes c of targets[i, c] * log_softmax(logits[i])[c]
/// ```
///
/// With one-hot targets this is the usual cross-entropy. With the targets of
/// [`soft_targets`](crate::data::soft_targets) it is the cross-entropy with label smoothing and mixup.
///
/// # Shapes
///
/// - `logits`, `targets`: `[batch_size, n_classes]`; rows of `targets` sum to 1
/// - output: `[1]`
pub fn soft_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    // Not the logarithm of `softmax`, which is -inf where a probability rounds to 0.
    (log_softmax(logits, 1) * targets)
        .sum_dim(1)
        .squeeze_dim::<1>(1)
        .mean()
        .neg()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::nn::loss::CrossEntropyLossConfig;
    use burn::prelude::*;
    use burn::tensor::Distribution;

    use super::*;
    use crate::data::{MixedLabel, soft_targets};

    #[test]
    fn loss_equals_cross_entropy_of_burn() {
        let device = Device::flex();
        let logits = Tensor::random([6, 5], Distribution::Normal(0.0, 3.0), &device);
        let classes = [0, 4, 2, 2, 1, 3];
        let labels = classes.map(MixedLabel::unmixed);
        for smoothing in [0.0, 0.1, 0.5] {
            let targets = soft_targets(&labels, 5, smoothing, &device);
            let actual = soft_cross_entropy(logits.clone(), targets).into_scalar::<f64>();
            let reference = CrossEntropyLossConfig::new()
                .with_smoothing((smoothing > 0.0).then_some(smoothing as f32))
                .init(&device);
            let expected = reference
                .forward(
                    logits.clone(),
                    Tensor::from_ints(classes.map(|class| class as i64), &device),
                )
                .into_scalar::<f64>();
            assert!(
                (actual - expected).abs() <= 1e-6 * expected,
                "smoothing {smoothing}: {actual}, expected {expected}"
            );
        }
    }

    #[test]
    fn mixed_targets_have_the_mixed_loss() {
        let device = Device::flex();
        let logits: Tensor<2> = Tensor::random([1, 5], Distribution::Normal(0.0, 3.0), &device);
        let loss = |label| {
            let targets = soft_targets(&[label], 5, 0.0, &device);
            soft_cross_entropy(logits.clone(), targets).into_scalar::<f64>()
        };
        let mixed = loss(MixedLabel {
            label: 1,
            partner: 3,
            lambda: 0.7,
        });
        let expected = 0.7 * loss(MixedLabel::unmixed(1)) + 0.3 * loss(MixedLabel::unmixed(3));
        assert!(
            (mixed - expected).abs() <= 1e-6 * expected,
            "{mixed}, expected {expected}"
        );
    }
}
