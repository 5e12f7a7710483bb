//! What is said of the frames of a clip, and whether it stays.

use super::frames::mean;

/// Share of the frames whose class is not that of the frame before. `None` below two frames.
///
/// # Source
///
/// Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
/// Perturbations", 2019, section 4.2: the flip probability.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::flip_rate;
///
/// assert_eq!(flip_rate(&[7, 7, 1, 7, 7]), Some(0.5));
/// assert_eq!(flip_rate(&[7]), None);
/// ```
pub fn flip_rate(classes: &[usize]) -> Option<f64> {
    let pairs = classes.windows(2);
    mean(pairs.map(|pair| f64::from(u8::from(pair[0] != pair[1]))))
}

/// Share of the later frames whose class is not that of the first. `None` below two frames.
///
/// # Source
///
/// As [`flip_rate`]: what is counted for sequences of noise.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::flip_rate_to_first;
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

/// Jensen-Shannon distance between the class probabilities of frames `gap` apart, mean over such pairs:
/// 0 to `sqrt(ln 2)`. `None` if there is no pair.
///
/// # Shapes
///
/// - `probabilities`: `[n_frames, n_classes]`
///
/// # Panics
///
/// If the last frame is not whole.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::prediction_distance;
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
        "{} probabilities of {n_classes} classes",
        probabilities.len()
    );
    let frames = probabilities.chunks_exact(n_classes);
    let pairs = frames.clone().zip(frames.skip(gap));
    mean(pairs.map(|(p, q)| jensen_shannon(p, q)))
}

/// By relative entropies to the mean; rounding below 0 is 0.
fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    let term = |x: f64, mean: f64| match x > 0.0 {
        true => x * (x / mean).ln(),
        false => 0.0,
    };
    let terms = p.iter().zip(q).map(|(&p, &q)| {
        let mean = 0.5 * (p + q);
        0.5 * (term(p, mean) + term(q, mean))
    });
    terms.sum::<f64>().max(0.0).sqrt()
}

/// Agreement of classes with the true ones, beyond what the same frequencies agree by chance: 1 for
/// perfect agreement, 0 for an output that does not depend on what is shown, as a constant one. `None`
/// of nothing, or where all classes are one and the same.
///
/// # Shapes
///
/// - `pairs`: found and true class
///
/// # Source
///
/// Cohen, "A Coefficient of Agreement for Nominal Scales", 1960.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::cohen_kappa;
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
        .filter(|[found, expected]| found == expected)
        .count() as f64
        / n;
    let mut counts = vec![[0.0; 2]; n_classes];
    for pair in pairs {
        for (side, &class) in pair.iter().enumerate() {
            counts[class][side] += 1.0;
        }
    }
    let by_chance: f64 = counts.iter().map(|[a, b]| a * b / (n * n)).sum();
    (by_chance < 1.0).then(|| (agreement - by_chance) / (1.0 - by_chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_are_those_that_were_made() {
        assert_eq!(flip_rate(&[3; 9]), Some(0.0));
        assert_eq!(flip_rate(&[3, 4, 3, 4]), Some(1.0));
        assert_eq!(flip_rate_to_first(&[3, 4, 3, 4]), Some(2.0 / 3.0));
        assert_eq!((flip_rate(&[]), flip_rate_to_first(&[])), (None, None));
        assert_eq!(flip_rate_to_first(&[1]), None);
    }

    #[test]
    fn distances_are_those_of_scipy() {
        // scipy.spatial.distance.jensenshannon([.7, .2, .1], [.1, .3, .6])
        let found = prediction_distance(&[0.7, 0.2, 0.1, 0.1, 0.3, 0.6], 3, 1).unwrap();
        assert!((found - 0.480_255_648_487_462_7).abs() < 1e-12, "{found}");
        assert_eq!(prediction_distance(&[0.5, 0.5], 2, 1), None);
        assert_eq!(prediction_distance(&[0.5; 8], 2, 9), None);
    }

    #[test]
    fn agreement_is_that_of_scikit_learn() {
        // sklearn.metrics.cohen_kappa_score([0, 1, 2, 2, 1], [0, 1, 1, 2, 0])
        let pairs = [[0, 0], [1, 1], [2, 1], [2, 2], [1, 0]];
        let found = cohen_kappa(&pairs).unwrap();
        assert!((found - 0.411_764_705_882).abs() < 1e-9, "{found}");
        // The right classes in a wrong order.
        let shuffled: Vec<[usize; 2]> = (0..10).map(|k| [(k + 1) % 10, k]).collect();
        assert!(cohen_kappa(&shuffled).unwrap() < 0.0);
        assert_eq!((cohen_kappa(&[]), cohen_kappa(&[[4, 4]; 3])), (None, None));
    }
}
