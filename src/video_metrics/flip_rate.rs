//! Metrics of the classes predicted for the frames of a clip: flip rates, distance between predictions,
//! and agreement with the labels.

use crate::mean::mean;

/// Fraction of frames whose predicted class differs from that of the frame before; `None` below two
/// frames.
///
/// ```text
/// sum_(t>1) [c_t != c_(t-1)] / (T - 1)
/// ```
///
/// # Source
///
/// Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
/// Perturbations", 2019, section 4.2: the flip probability.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::flip_rate;
///
/// assert_eq!(flip_rate(&[7, 7, 1, 7, 7]), Some(0.5));
/// assert_eq!(flip_rate(&[7]), None);
/// ```
pub fn flip_rate(classes: &[usize]) -> Option<f64> {
    let pairs = classes.windows(2);
    mean(pairs.map(|pair| f64::from(u8::from(pair[0] != pair[1]))))
}

/// Fraction of the later frames whose predicted class differs from that of the first frame; `None`
/// below two frames.
///
/// ```text
/// sum_(t>1) [c_t != c_1] / (T - 1)
/// ```
///
/// # Source
///
/// The flip probability that the paper cited at [`flip_rate`] uses for sequences of noise.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::flip_rate_to_first;
///
/// assert_eq!(flip_rate_to_first(&[7, 7, 1, 1, 1]), Some(0.75));
/// ```
pub fn flip_rate_to_first(classes: &[usize]) -> Option<f64> {
    let (first, later) = classes.split_first()?;
    mean(
        later
            .iter()
            .map(|class| f64::from(u8::from(class != first))),
    )
}

/// Mean Jensen-Shannon distance between the class probabilities of frames `gap` apart, from 0 to
/// `sqrt(ln 2)`; `None` without such a pair.
///
/// ```text
/// d(p, q) = sqrt((KL(p || m) + KL(q || m)) / 2),  m = (p + q) / 2,  KL(p || m) = sum_k p_k ln(p_k / m_k)
/// mean over t of d(p_t, p_(t+gap))
/// ```
///
/// # Shapes
///
/// - `probabilities`: `[n_frames, n_classes]`
///
/// # Panics
///
/// If the number of probabilities is not a multiple of `n_classes`.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::prediction_distance;
///
/// // Certain of one class, then of the other, then of the first again.
/// let probabilities = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
/// let furthest = std::f64::consts::LN_2.sqrt();
/// assert!((prediction_distance(&probabilities, 2, 1).unwrap() - furthest).abs() < 1e-12);
/// assert_eq!(prediction_distance(&probabilities, 2, 2), Some(0.0));
/// ```
pub fn prediction_distance(probabilities: &[f64], n_classes: usize, gap: usize) -> Option<f64> {
    assert!(
        n_classes > 0 && probabilities.len().is_multiple_of(n_classes),
        "{} probabilities, expected a multiple of the number of classes, which is {n_classes}",
        probabilities.len()
    );
    let frames = probabilities.chunks_exact(n_classes);
    let pairs = frames.clone().zip(frames.skip(gap));
    mean(pairs.map(|(p, q)| jensen_shannon(p, q)))
}

/// Jensen-Shannon distance of two distributions, natural logarithm.
fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    // The limit of x ln x at 0.
    let term = |x: f64, mean: f64| if x > 0.0 { x * (x / mean).ln() } else { 0.0 };
    let terms = p.iter().zip(q).map(|(&p, &q)| {
        let mean = 0.5 * (p + q);
        0.5 * (term(p, mean) + term(q, mean))
    });
    // Rounding can make the sum of nearly equal distributions slightly negative.
    terms.sum::<f64>().max(0.0).sqrt()
}

/// Cohen's kappa: agreement of predicted classes with labels beyond chance; `None` without pairs or if
/// only one class occurs at all.
///
/// ```text
/// kappa = (p_agree - p_chance) / (1 - p_chance)
/// p_chance = sum_k (share of class k in the predictions) * (share of class k in the labels)
/// ```
///
/// It is 1 for perfect agreement and 0 for an output that does not depend on the input, such as a
/// constant one.
///
/// # Shapes
///
/// - `pairs`: predicted class and label of each frame
///
/// # Source
///
/// Cohen, "A Coefficient of Agreement for Nominal Scales", 1960.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::cohen_kappa;
///
/// assert_eq!(cohen_kappa(&[[0, 0], [1, 1], [2, 2]]), Some(1.0));
/// // Frozen: always the same class.
/// assert_eq!(cohen_kappa(&[[0, 0], [0, 1], [0, 2]]), Some(0.0));
/// ```
pub fn cohen_kappa(pairs: &[[usize; 2]]) -> Option<f64> {
    let n_classes = pairs.iter().flatten().max()? + 1;
    let n = pairs.len() as f64;
    let agreement = pairs
        .iter()
        .filter(|[predicted, label]| predicted == label)
        .count() as f64
        / n;
    let mut counts = vec![[0.0; 2]; n_classes];
    for pair in pairs {
        for (side, &class) in pair.iter().enumerate() {
            counts[class][side] += 1.0;
        }
    }
    let chance: f64 = counts.iter().map(|[a, b]| a * b / (n * n)).sum();
    // With one class on both sides chance agreement is 1, and kappa would be 0 / 0.
    (chance < 1.0).then(|| (agreement - chance) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flip_rates_count_changes_of_class() {
        assert_eq!(flip_rate(&[3; 9]), Some(0.0));
        assert_eq!(flip_rate(&[3, 4, 3, 4]), Some(1.0));
        assert_eq!(flip_rate_to_first(&[3, 4, 3, 4]), Some(2.0 / 3.0));
        assert_eq!((flip_rate(&[]), flip_rate_to_first(&[])), (None, None));
        assert_eq!(flip_rate_to_first(&[1]), None);
    }

    #[test]
    fn prediction_distance_equals_scipy() {
        // scipy.spatial.distance.jensenshannon([.7, .2, .1], [.1, .3, .6])
        let actual = prediction_distance(&[0.7, 0.2, 0.1, 0.1, 0.3, 0.6], 3, 1).unwrap();
        assert!((actual - 0.480_255_648_487_462_7).abs() < 1e-12, "{actual}");
        assert_eq!(prediction_distance(&[0.5, 0.5], 2, 1), None);
        assert_eq!(prediction_distance(&[0.5; 8], 2, 9), None);
    }

    #[test]
    fn kappa_equals_scikit_learn() {
        // sklearn.metrics.cohen_kappa_score([0, 1, 2, 2, 1], [0, 1, 1, 2, 0])
        let pairs = [[0, 0], [1, 1], [2, 1], [2, 2], [1, 0]];
        let actual = cohen_kappa(&pairs).unwrap();
        assert!((actual - 0.411_764_705_882).abs() < 1e-9, "{actual}");
        // All classes occur, in the wrong order.
        let shuffled: Vec<[usize; 2]> = (0..10).map(|k| [(k + 1) % 10, k]).collect();
        assert!(cohen_kappa(&shuffled).unwrap() < 0.0);
        assert_eq!((cohen_kappa(&[]), cohen_kappa(&[[4, 4]; 3])), (None, None));
    }
}
