//! Mixup: convex combinations of samples and of their labels.

use rand::Rng;
use rand_distr::{Beta, Distribution};

use super::{MixedLabel, Sample};

/// Mixes a batch in place with itself in reverse order, and returns the mixed labels.
///
/// ```text
/// x_i' = lambda x_i + (1 - lambda) x_(n-1-i),  lambda ~ Beta(alpha, alpha), one for the batch
/// ```
///
/// With `alpha` 0 the samples stay unchanged and no random number is drawn.
///
/// # Source
///
/// Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, equation 2; partners as
/// in timm's batch mode.
pub(super) fn mixup(items: &mut [Sample], alpha: f64, random: &mut impl Rng) -> Vec<MixedLabel> {
    let labels: Vec<usize> = items.iter().map(|item| item.label).collect();
    // The distribution does not exist for alpha 0.
    let Ok(beta) = Beta::new(alpha, alpha) else {
        return labels.into_iter().map(MixedLabel::unmixed).collect();
    };
    let lambda = beta.sample(random);
    // Halves are paired from the outside in. In a batch of odd size the middle sample is its own partner
    // and stays unchanged.
    let (first, second) = items.split_at_mut(labels.len() / 2);
    for (item, partner) in first.iter_mut().zip(second.iter_mut().rev()) {
        for (a, b) in item.pixels.iter_mut().zip(&mut partner.pixels) {
            // Both samples are mixed at once, because each needs the original pixels of the other.
            let share = lambda as f32;
            (*a, *b) = (
                share * *a + (1.0 - share) * *b,
                share * *b + (1.0 - share) * *a,
            );
        }
    }
    labels
        .iter()
        .zip(labels.iter().rev())
        .map(|(&label, &partner)| MixedLabel {
            label,
            partner,
            lambda,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random_stream::Stream;

    fn items() -> Vec<Sample> {
        let item = |label| Sample::new(vec![label as f32, 1.0], label);
        (0..5).map(item).collect()
    }

    #[test]
    fn pixels_and_labels_are_mixed_alike() {
        let mut mixed = items();
        let labels = mixup(&mut mixed, 0.8, &mut Stream::Mixup(0).of(1));
        for (index, (item, label)) in mixed.iter().zip(&labels).enumerate() {
            assert_eq!((label.label, label.partner), (index, 4 - index));
            assert!((0.0..=1.0).contains(&label.lambda) && label.lambda == labels[0].lambda);
            let expected =
                label.lambda * label.label as f64 + (1.0 - label.lambda) * label.partner as f64;
            assert!(
                (f64::from(item.pixels[0]) - expected).abs() < 1e-6,
                "{item:?}"
            );
            assert!((item.pixels[1] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn alpha_0_changes_nothing() {
        let mut mixed = items();
        let labels = mixup(&mut mixed, 0.0, &mut Stream::Mixup(0).of(1));
        assert_eq!(mixed, items());
        assert_eq!(labels, (0..5).map(MixedLabel::unmixed).collect::<Vec<_>>());
    }

    #[test]
    fn lambda_follows_the_beta_distribution() {
        // Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
        for alpha in [1e-6, 0.2, 1.0, 8.0] {
            let lambdas: Vec<f64> = (0..4000)
                .map(|step| {
                    mixup(&mut items()[..1], alpha, &mut Stream::Mixup(step).of(7))[0].lambda
                })
                .collect();
            let n = lambdas.len() as f64;
            let mean = lambdas.iter().sum::<f64>() / n;
            let variance = lambdas.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.03, "alpha {alpha}: mean {mean}");
            assert!(
                (variance - expected).abs() < 0.1 * expected,
                "alpha {alpha}: variance {variance}, expected {expected}"
            );
        }
    }
}
