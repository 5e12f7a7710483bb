//! Results of a run on a split, with the names that they are displayed with.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::Spec;
use crate::evaluate::Evaluation;
use crate::model::Task;
use crate::statistics::ConfusionMatrix;

/// Results of a run on a split.
#[derive(Debug, Clone)]
pub struct EvaluatedRun {
    /// Name of the run.
    pub run: String,
    /// Name of the split.
    pub split: &'static str,
    /// Step of the checkpoint.
    pub step: usize,
    /// Task of the run.
    pub task: Task,
    /// Noun for one entry that the confusion matrix counts: `image`, `clip` or `frame`.
    pub counted_noun: &'static str,
    /// Name of each class.
    pub class_names: Vec<String>,
    /// Metrics and counts.
    pub evaluation: Evaluation,
    /// True if the topology of attention was measured.
    pub has_topology: bool,
}

/// Two classes, the first of which is predicted as the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfusedPair {
    /// True class.
    pub label: usize,
    /// Predicted class, which is another.
    pub predicted: usize,
    /// Number of samples.
    pub count: usize,
    /// Fraction of the samples of the true class.
    pub fraction: f64,
}

impl EvaluatedRun {
    /// Returns the noun for one entry that the confusion matrix of a configuration counts.
    pub fn counted_noun(spec: &Spec, task: Task) -> &'static str {
        match (spec.samples.n_frames, task) {
            (_, Task::ClassifyFrames) => "frame",
            (1, _) => "image",
            _ => "clip",
        }
    }

    /// Name of a class; its number if there is no name.
    pub fn class_name(&self, class: usize) -> String {
        let name = self.class_names.get(class);
        name.map_or_else(|| class.to_string(), String::clone)
    }

    /// Names and values of all metrics of the model's predictions, in the order in which they are shown.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        let evaluation = &self.evaluation;
        let own = evaluation.metrics.iter();
        let mut metrics: Vec<(String, f64)> = own
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        if let Some(confusion) = &evaluation.confusion {
            let named = [
                ("top_5_accuracy", confusion.top_accuracy()),
                ("macro_f1", confusion.macro_f1()),
            ];
            metrics.extend(
                named
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?))),
            );
        }
        metrics.extend(evaluation.coherence.iter().cloned());
        metrics
    }

    /// The pairs of classes that are confused most often, as fractions of the true class; at most `n`.
    pub fn most_confused(&self, n: usize) -> Vec<ConfusedPair> {
        let Some(confusion) = &self.evaluation.confusion else {
            return Vec::new();
        };
        let classes = confusion.by_class();
        let mut pairs: Vec<ConfusedPair> = confusion
            .counts()
            .filter(|(label, predicted, _)| label != predicted)
            .map(|(label, predicted, count)| ConfusedPair {
                label,
                predicted,
                count,
                fraction: count as f64 / classes[label].n_samples as f64,
            })
            .collect();
        // A stable sort: pairs of the same fraction stay in the order of the classes.
        pairs.sort_by(|a, b| b.fraction.total_cmp(&a.fraction));
        pairs.truncate(n);
        pairs
    }

    /// All results as JSON.
    pub fn to_json(&self) -> Value {
        let evaluation = &self.evaluation;
        // JSON has no NaN.
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let metrics: Map<String, Value> = self
            .metrics()
            .into_iter()
            .map(|(name, value)| (name, json!(finite(value))))
            .collect();
        let topology: Option<BTreeMap<String, Option<f64>>> = self.has_topology.then(|| {
            let means = evaluation.monitor.means().into_iter();
            // Added to 0, because a sum of no numbers is -0.
            means
                .map(|(name, value)| (name, finite(value + 0.0)))
                .collect()
        });
        json!({
            "run": self.run,
            "split": self.split,
            "checkpoint_step": self.step,
            "n_samples": evaluation.n_samples,
            "loss": finite(evaluation.loss),
            "loss_unit": self.task.loss_unit(),
            "metrics": metrics,
            "counted": evaluation.confusion.as_ref().map(|_| self.counted_noun),
            "classes": evaluation.confusion.as_ref().map(|confusion| self.classes_json(confusion)),
            "confusion": evaluation.confusion.as_ref().map(|confusion| self.confusion_json(confusion)),
            "topology": topology,
        })
    }

    /// Scores of every class.
    fn classes_json(&self, confusion: &ConfusionMatrix) -> Value {
        let classes = confusion.by_class().into_iter().enumerate();
        let classes = classes.map(|(class, scores)| {
            json!({
                "class": class,
                "name": self.class_name(class),
                "n": scores.n_samples,
                "n_predicted": scores.n_predicted,
                "accuracy": scores.accuracy,
                "precision": scores.precision,
                "f1": scores.f1,
            })
        });
        classes.collect()
    }

    /// Pairs of a true and a predicted class that occur.
    fn confusion_json(&self, confusion: &ConfusionMatrix) -> Value {
        let counts = confusion.counts();
        let counts = counts.map(|(label, predicted, count)| {
            json!({ "label": label, "predicted": predicted, "n": count })
        });
        counts.collect()
    }
}
