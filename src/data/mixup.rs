//! Convex combinations of images and of their classes.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

use super::batch::random_stream;
use super::{MixedLabel, Sample};

/// Keeps the mixing of a step apart from every other use of its random numbers.
const MIXUP_STREAM: u64 = u64::MAX - 1;

/// The random numbers that [`mixup`] of a step draws from.
pub fn mixup_stream(seed: u64, step: usize) -> ChaCha8Rng {
    random_stream(seed, &[step as u64, MIXUP_STREAM])
}

/// Mixes a batch with itself in reverse order, in place: every image becomes `lambda` of itself and
/// `1 - lambda` of its partner. Returns both classes of each.
///
/// One `lambda` for the batch, drawn from the beta distribution `Beta(alpha, alpha)`; `alpha` 0
/// leaves the images as they are and draws nothing.
///
/// # Source
///
/// Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, equation 2; partners as
/// in timm's batch mode.
pub fn mixup(items: &mut [Sample], alpha: f64, random: &mut impl Rng) -> Vec<MixedLabel> {
    let labels: Vec<usize> = items.iter().map(|item| item.label).collect();
    let Ok(beta) = Beta::new(alpha, alpha) else {
        return labels.into_iter().map(MixedLabel::whole).collect();
    };
    let lambda = beta.sample(random);
    let (first, second) = items.split_at_mut(labels.len() / 2);
    for (item, partner) in first.iter_mut().zip(second.iter_mut().rev()) {
        for (a, b) in item.pixels.iter_mut().zip(&mut partner.pixels) {
            let share = lambda as f32;
            (*a, *b) = (
                share * *a + (1.0 - share) * *b,
                share * *b + (1.0 - share) * *a,
            );
        }
    }
    let pairs = labels.iter().zip(labels.iter().rev());
    pairs
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

    fn items() -> Vec<Sample> {
        let item = |label| Sample::new(vec![label as f32, 1.0], label);
        (0..5).map(item).collect()
    }

    #[test]
    fn images_and_classes_are_mixed_alike() {
        let mut mixed = items();
        let labels = mixup(&mut mixed, 0.8, &mut mixup_stream(1, 0));
        for (place, (item, label)) in mixed.iter().zip(&labels).enumerate() {
            assert_eq!((label.label, label.partner), (place, 4 - place));
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
    fn alpha_zero_leaves_the_batch_alone() {
        let mut mixed = items();
        let labels = mixup(&mut mixed, 0.0, &mut mixup_stream(1, 0));
        assert_eq!(mixed, items());
        assert_eq!(labels, (0..5).map(MixedLabel::whole).collect::<Vec<_>>());
    }

    #[test]
    fn lambda_follows_the_beta_distribution_and_differs_from_step_to_step() {
        // Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
        for alpha in [1e-6, 0.2, 1.0, 8.0] {
            let lambdas = (0..4000)
                .map(|step| mixup(&mut items()[..1], alpha, &mut mixup_stream(7, step))[0].lambda);
            let lambdas: Vec<f64> = lambdas.collect();
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
