//! Confusion matrix of a classifier, and the scores by class that follow from it.

use std::collections::BTreeMap;

use crate::mean::mean;

/// Number of samples for every pair of a true and a predicted class.
///
/// Only pairs that occur take memory, so that thousands of classes are no problem.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::ConfusionMatrix;
///
/// let mut matrix = ConfusionMatrix::new(3);
/// for (label, scores) in [(0, [2.0, 1.0, 0.0]), (0, [0.0, 2.0, 1.0]), (1, [0.0, 2.0, 1.0])] {
///     matrix.add(label, &scores);
/// }
/// assert_eq!(matrix.count(0, 1), 1);
/// assert_eq!(matrix.accuracy(), Some(2.0 / 3.0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    n_classes: usize,
    counts: BTreeMap<(usize, usize), usize>,
    n_samples: usize,
    n_in_top: usize,
}

/// Scores of one class.
///
/// A score without samples to compute it from is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Number of samples of this class.
    pub n_samples: usize,
    /// Number of samples for which this class was predicted.
    pub n_predicted: usize,
    /// Fraction of the samples of this class for which it was predicted; also called recall.
    pub accuracy: Option<f64>,
    /// Fraction of the predictions of this class that are right.
    pub precision: Option<f64>,
    /// Harmonic mean of accuracy and precision, 0 if no prediction of this class is right.
    pub f1: Option<f64>,
}

impl ConfusionMatrix {
    /// Number of most probable classes among which the true one counts as found by [`Self::top_accuracy`].
    pub const TOP: usize = 5;

    /// Creates an empty matrix.
    pub fn new(n_classes: usize) -> Self {
        Self {
            n_classes,
            counts: BTreeMap::new(),
            n_samples: 0,
            n_in_top: 0,
        }
    }

    /// Adds a sample of class `label` with a score for every class; the class with the highest score is predicted, and
    /// the first one of several equal scores.
    pub fn add(&mut self, label: usize, scores: &[f32]) {
        let mut predicted = 0;
        for (class, score) in scores.iter().enumerate() {
            if *score > scores[predicted] {
                predicted = class;
            }
        }
        *self.counts.entry((label, predicted)).or_default() += 1;
        self.n_samples += 1;
        let is_before = |(class, score): (usize, &f32)| {
            *score > scores[label] || (*score == scores[label] && class < label)
        };
        let n_before = scores
            .iter()
            .enumerate()
            .filter(|pair| is_before(*pair))
            .count();
        self.n_in_top += usize::from(n_before < Self::TOP);
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Number of samples of a class for which another, or the same, was predicted.
    pub fn count(&self, label: usize, predicted: usize) -> usize {
        self.counts.get(&(label, predicted)).copied().unwrap_or(0)
    }

    /// Iterates over the pairs that occur, in their order: true class, predicted class, number of samples.
    pub fn counts(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let counts = self.counts.iter();
        counts.map(|(&(label, predicted), &count)| (label, predicted, count))
    }

    /// Fraction of the samples whose class was predicted; `None` without samples.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self
            .counts()
            .filter(|(label, predicted, _)| label == predicted);
        let n_right: usize = right.map(|(.., count)| count).sum();
        ratio(n_right, self.n_samples)
    }

    /// Fraction of the samples whose class is among the five with the highest scores; `None` without samples, and with
    /// at most five classes, where it is always 1.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::ConfusionMatrix;
    ///
    /// let mut matrix = ConfusionMatrix::new(6);
    /// matrix.add(4, &[0.6, 0.5, 0.4, 0.3, 0.2, 0.1]);
    /// matrix.add(5, &[0.6, 0.5, 0.4, 0.3, 0.2, 0.1]);
    /// assert_eq!(matrix.top_accuracy(), Some(0.5));
    /// assert_eq!(ConfusionMatrix::new(5).top_accuracy(), None);
    /// ```
    pub fn top_accuracy(&self) -> Option<f64> {
        if self.n_classes <= Self::TOP {
            return None;
        }
        ratio(self.n_in_top, self.n_samples)
    }

    /// Scores of every class, in the order of the classes.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::ConfusionMatrix;
    ///
    /// let mut matrix = ConfusionMatrix::new(2);
    /// matrix.add(0, &[1.0, 0.0]);
    /// matrix.add(0, &[0.0, 1.0]);
    /// let scores = matrix.by_class();
    /// assert_eq!((scores[0].accuracy, scores[0].precision), (Some(0.5), Some(1.0)));
    /// assert_eq!((scores[1].accuracy, scores[1].precision), (None, Some(0.0)));
    /// ```
    pub fn by_class(&self) -> Vec<ClassScores> {
        let mut n_samples = vec![0; self.n_classes];
        let mut n_predicted = vec![0; self.n_classes];
        for (label, predicted, count) in self.counts() {
            n_samples[label] += count;
            n_predicted[predicted] += count;
        }
        (0..self.n_classes)
            .map(|class| {
                let n_right = self.count(class, class);
                let [n_samples, n_predicted] = [n_samples[class], n_predicted[class]];
                ClassScores {
                    n_samples,
                    n_predicted,
                    accuracy: ratio(n_right, n_samples),
                    precision: ratio(n_right, n_predicted),
                    // 2 p r / (p + r), which is also defined where one of them is not.
                    f1: ratio(2 * n_right, n_samples + n_predicted),
                }
            })
            .collect()
    }

    /// Mean of F1 over the classes that have a sample or a prediction; `None` without samples.
    ///
    /// # Source
    ///
    /// Opitz and Burst, "Macro F1 and Macro F1", 2019: the mean of the F1 scores, not the F1 of the means.
    pub fn macro_f1(&self) -> Option<f64> {
        mean(self.by_class().iter().filter_map(|class| class.f1))
    }
}

/// Quotient of two numbers; `None` if the second is 0.
fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Matrix of pairs of a label and a prediction.
    fn matrix(n_classes: usize, pairs: &[(usize, usize)]) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(n_classes);
        for &(label, predicted) in pairs {
            let mut scores = vec![0.0; n_classes];
            scores[predicted] = 1.0;
            matrix.add(label, &scores);
        }
        matrix
    }

    #[test]
    fn scores_are_those_of_scikit_learn() {
        // `precision_recall_fscore_support` and `f1_score(average="macro")` of scikit-learn for the same pairs.
        let pairs = [(0, 0), (0, 1), (1, 1), (1, 1), (2, 0), (2, 2), (2, 2)];
        let matrix = matrix(3, &pairs);
        let scores = matrix.by_class();
        assert_eq!(
            scores.iter().map(|s| s.n_samples).collect::<Vec<_>>(),
            [2, 2, 3]
        );
        let f1: Vec<f64> = scores.iter().filter_map(|scores| scores.f1).collect();
        for (found, expected) in f1.iter().zip([0.5, 0.8, 0.8]) {
            assert!((found - expected).abs() < 1e-12, "{f1:?}");
        }
        assert_eq!(matrix.macro_f1(), Some(0.7000000000000001));
        assert_eq!(matrix.accuracy(), Some(5.0 / 7.0));
    }

    #[test]
    fn classes_without_samples_have_no_score_and_do_not_lower_the_mean() {
        let matrix = matrix(4, &[(0, 0), (1, 1)]);
        let scores = matrix.by_class();
        assert_eq!((scores[2].accuracy, scores[2].f1), (None, None));
        assert_eq!(matrix.macro_f1(), Some(1.0));
        assert_eq!(ConfusionMatrix::new(3).macro_f1(), None);
        assert_eq!(ConfusionMatrix::new(3).accuracy(), None);
    }

    #[test]
    fn equal_scores_are_ordered_by_class() {
        let mut matrix = ConfusionMatrix::new(7);
        for label in 0..7 {
            matrix.add(label, &[0.5; 7]);
        }
        assert_eq!(
            matrix.counts().map(|(_, predicted, _)| predicted).max(),
            Some(0)
        );
        assert_eq!(matrix.top_accuracy(), Some(5.0 / 7.0));
    }
}
