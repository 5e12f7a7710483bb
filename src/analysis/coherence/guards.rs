//! Guards against degenerate outputs. An output that never changes would be perfectly steady.

use super::suite::Suite;
use crate::data::PredictedFrames;
use crate::mean::mean;
use crate::nn::row_entropy;
use crate::video_metrics::{FRAME_METRICS, cohen_kappa};

/// A check that an output is not degenerate, for instance constant or frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// Name in files.
    pub name: &'static str,
    /// Displayed name.
    pub title: &'static str,
    /// Measured value; `None` if it is not defined.
    pub value: Option<f64>,
    /// Required range, as text.
    pub expected: String,
    /// True if the value is in the range; false if it is not defined.
    pub holds: bool,
}

/// Predicted class of a frame or clip, and its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PredictedClass {
    /// Index of the predicted class.
    pub(super) predicted: usize,
    /// Index of the true class; `None` if unknown.
    pub(super) label: Option<usize>,
}

/// Smallest accepted value of Cohen's kappa. Agreement below it is called slight.
///
/// # Source
///
/// Landis and Koch, "The Measurement of Observer Agreement for Categorical Data", 1977.
const MIN_KAPPA: f64 = 0.2;

/// Smallest accepted effective number of predicted classes.
const MIN_CLASSES: f64 = 1.5;

/// Accepted range of the dynamic degree: change from frame to frame divided by that of the true frames.
const DYNAMIC_DEGREES: [f64; 2] = [0.8, 1.25];

/// Largest value that may be required of the fraction of frames nearest to the true frame of their own time.
const MAX_IDENTIFICATION: f64 = 0.75;

/// Returns the guards of a classifier, from the classes of all frames or clips.
pub(super) fn classifier_guards(classes: &[PredictedClass]) -> Vec<Guard> {
    let labelled: Vec<[usize; 2]> = classes
        .iter()
        .filter_map(|class| Some([class.predicted, class.label?]))
        .collect();
    let n_classes = effective_classes(classes.iter().map(|class| class.predicted));
    let mut guards = vec![Guard {
        name: "effective_classes",
        title: "effective number of predicted classes",
        value: n_classes,
        expected: format!("at least {MIN_CLASSES}"),
        holds: n_classes.is_some_and(|n| n >= MIN_CLASSES),
    }];
    if !labelled.is_empty() {
        let kappa = cohen_kappa(&labelled);
        guards.push(Guard {
            name: "kappa",
            title: "agreement with the labels beyond chance (Cohen's kappa)",
            value: kappa,
            expected: format!("at least {MIN_KAPPA}"),
            holds: kappa.is_some_and(|kappa| kappa >= MIN_KAPPA),
        });
    }
    guards
}

/// Returns the effective number of classes: the exponential of the entropy of their frequencies; `None` without
/// classes.
///
/// ```text
/// exp(-sum_c p_c ln p_c)
/// ```
fn effective_classes(classes: impl Iterator<Item = usize>) -> Option<f64> {
    let mut counts: Vec<usize> = Vec::new();
    for class in classes {
        counts.resize(counts.len().max(class + 1), 0);
        counts[class] += 1;
    }
    let n: usize = counts.iter().sum();
    if n == 0 {
        return None;
    }
    let shares: Vec<f64> = counts
        .iter()
        .map(|&count| count as f64 / n as f64)
        .collect();
    Some(row_entropy(&shares).exp())
}

/// Returns the guards of a frame predictor, from the values of each clip in the order of [`FRAME_METRICS`].
///
/// Clips whose frames have noise or blur of their own are left out: their true frames change more than those of a
/// good output.
pub(super) fn predictor_guards(suite: &Suite, values: &[&[Option<f64>]]) -> Vec<Guard> {
    let guard = |name: &'static str, expected: String, range: [f64; 2]| {
        let position = FRAME_METRICS
            .iter()
            .position(|metric| metric.name == name)
            // The two calls below name metrics of this list.
            .expect("a metric of frames");
        let metric = FRAME_METRICS[position];
        let clips = suite
            .clips
            .iter()
            .zip(values)
            .filter(|(clip, _)| !clip.is_corrupted);
        let value = mean(clips.filter_map(|(_, values)| values[position]));
        let value = value.filter(|value| value.is_finite());
        Guard {
            name: metric.name,
            title: metric.title,
            value,
            expected,
            holds: value.is_some_and(|value| (range[0]..=range[1]).contains(&value)),
        }
    };
    // An output that is frozen or in a wrong order matches about one frame of all by chance.
    let n_predicted = suite
        .spec
        .n_frames
        .saturating_sub(PredictedFrames::N_CONTEXT);
    let twice_chance = 2.0 / n_predicted as f64;
    // The limit keeps the guard within reach where one or two frames are predicted.
    let least = twice_chance.min(MAX_IDENTIFICATION);
    let expected = if twice_chance <= MAX_IDENTIFICATION {
        format!("at least {least:.2}, twice the value by chance")
    } else {
        format!("at least {least:.2}")
    };
    let [low, high] = DYNAMIC_DEGREES;
    vec![
        guard(
            "dynamic_degree",
            format!("{low} to {high}"),
            DYNAMIC_DEGREES,
        ),
        guard("identification", expected, [least, 1.0]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleSpec;

    #[test]
    fn frozen_and_shuffled_classes_are_detected() {
        let class = |predicted, label| PredictedClass { predicted, label };
        let holds = |classes: &[PredictedClass]| -> Vec<bool> {
            classifier_guards(classes)
                .iter()
                .map(|guard| guard.holds)
                .collect()
        };
        let good: Vec<_> = (0..40).map(|k| class(k % 10, Some(k % 10))).collect();
        assert_eq!(holds(&good), [true, true]);
        let frozen: Vec<_> = (0..40).map(|k| class(3, Some(k % 10))).collect();
        assert_eq!(holds(&frozen), [false, false]);
        let shuffled: Vec<_> = (0..40)
            .map(|k| class((k * 7 + 1) % 10, Some(k % 10)))
            .collect();
        assert_eq!(holds(&shuffled), [true, false]);
        // Without labels only the number of classes can be checked.
        assert_eq!(holds(&[class(3, None); 5]), [false]);
        assert_eq!(holds(&[class(3, None), class(4, None)]), [true]);
        assert_eq!(holds(&[]), [false]);
    }

    #[test]
    fn the_text_of_a_limit_is_the_limit() {
        let model = |n_frames| SampleSpec {
            n_frames,
            n_channels: 1,
            height: 16,
            width: 16,
            n_classes: 10,
        };
        for (n_frames, expected) in [
            (10, "at least 0.25, twice the value by chance"),
            (4, "at least 0.75"),
            (3, "at least 0.75"),
        ] {
            let suite = Suite {
                source: String::new(),
                clips: Vec::new(),
                spec: model(n_frames),
                classes: Vec::new(),
                notes: Vec::new(),
            };
            assert_eq!(predictor_guards(&suite, &[])[1].expected, expected);
        }
    }
}
