//! Whether the other numbers mean anything: a frozen output is perfectly steady.

use super::reading::mean;
use super::suite::Suite;
use crate::coherence::{OF_FRAMES, cohen_kappa};
use crate::data::JudgedFrames;

/// A condition on an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// As files spell it.
    pub name: &'static str,
    /// As people read it.
    pub title: &'static str,
    /// What was found; `None` if it cannot be told.
    pub value: Option<f64>,
    /// What it should be.
    pub expected: String,
    /// Whether it is; not if it cannot be told.
    pub holds: bool,
}

/// Agreement with the labels that is called slight below it.
///
/// # Source
///
/// Landis and Koch, "The Measurement of Observer Agreement for Categorical Data", 1977.
const LEAST_KAPPA: f64 = 0.2;

/// Least number of classes that an output tells apart, in effect.
const LEAST_CLASSES: f64 = 1.5;

/// Changes of a good output, over those of the true frames.
const DEGREES: [f64; 2] = [0.8, 1.25];

/// Classes of frames or clips, and the true ones where they are known.
pub(super) fn of_classifier(classes: &[(usize, Option<usize>)]) -> Vec<Guard> {
    let labelled: Vec<[usize; 2]> = classes
        .iter()
        .filter_map(|&(found, label)| Some([found, label?]))
        .collect();
    let n_classes = effective_classes(classes.iter().map(|&(found, _)| found));
    let mut guards = vec![Guard {
        name: "effective_classes",
        title: "classes told, in effect",
        value: n_classes,
        expected: format!("at least {LEAST_CLASSES}"),
        holds: n_classes.is_some_and(|n| n >= LEAST_CLASSES),
    }];
    if !labelled.is_empty() {
        let kappa = cohen_kappa(&labelled);
        guards.push(Guard {
            name: "kappa",
            title: "agreement with the labels beyond chance",
            value: kappa,
            expected: format!("at least {LEAST_KAPPA}"),
            holds: kappa.is_some_and(|kappa| kappa >= LEAST_KAPPA),
        });
    }
    guards
}

/// The number of equally frequent classes that have the entropy of these.
fn effective_classes(classes: impl Iterator<Item = usize>) -> Option<f64> {
    let mut counts: Vec<usize> = Vec::new();
    for class in classes {
        counts.resize(counts.len().max(class + 1), 0);
        counts[class] += 1;
    }
    let n: usize = counts.iter().sum();
    let shares = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| count as f64 / n as f64);
    let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
    (n > 0).then(|| entropy.exp())
}

/// Of values in the order of [`OF_FRAMES`], by clip. Clips with noise or blur of their own do not count:
/// their true frames change by more than a good output.
pub(super) fn of_predictor(suite: &Suite, values: &[&[Option<f64>]]) -> Vec<Guard> {
    let of = |name: &'static str, expected: String, range: [f64; 2]| {
        let place = OF_FRAMES.iter().position(|metric| metric.name == name);
        let metric = OF_FRAMES[place.expect("a metric of frames")];
        let clips = suite
            .clips
            .iter()
            .zip(values)
            .filter(|(clip, _)| !clip.is_corrupted);
        let value = mean(clips.map(|(_, values)| values[place.expect("a metric of frames")]));
        let value = Some(value).filter(|value| value.is_finite());
        Guard {
            name: metric.name,
            title: metric.title,
            value,
            expected,
            holds: value.is_some_and(|value| (range[0]..=range[1]).contains(&value)),
        }
    };
    // A frozen output, or one in a wrong order, names one frame of all.
    let n_judged = suite.spec.n_frames.saturating_sub(JudgedFrames::N_GIVEN);
    let least = (2.0 / n_judged as f64).min(0.75);
    let [low, high] = DEGREES;
    vec![
        of("dynamic_degree", format!("{low} to {high}"), DEGREES),
        of(
            "identification",
            format!("at least {least:.2}, twice chance"),
            [least, 1.0],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_and_shuffled_classes_are_caught() {
        let holds = |classes: &[(usize, Option<usize>)]| -> Vec<bool> {
            of_classifier(classes)
                .iter()
                .map(|guard| guard.holds)
                .collect()
        };
        let good: Vec<_> = (0..40).map(|k| (k % 10, Some(k % 10))).collect();
        assert_eq!(holds(&good), [true, true]);
        let frozen: Vec<_> = (0..40).map(|k| (3, Some(k % 10))).collect();
        assert_eq!(holds(&frozen), [false, false]);
        let shuffled: Vec<_> = (0..40).map(|k| ((k * 7 + 1) % 10, Some(k % 10))).collect();
        assert_eq!(holds(&shuffled), [true, false]);
        // Without labels only the number of classes can be told.
        assert_eq!(holds(&[(3, None); 5]), [false]);
        assert_eq!(holds(&[(3, None), (4, None)]), [true]);
        assert_eq!(holds(&[]), [false]);
    }
}
