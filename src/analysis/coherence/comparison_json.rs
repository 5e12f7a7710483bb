//! Comparisons of arms as JSON.

use serde_json::{Value, json};

use super::comparison::ArmComparisons;
use super::metric_tables::Difference;
use crate::statistics::PairedComparison;

impl ArmComparisons {
    /// Returns the comparisons as a JSON array with one object for each arm.
    pub fn to_json(&self) -> Value {
        // JSON has no NaN, so a mean that is not defined is `null`.
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let difference = |difference: &Option<Difference>| {
            difference.as_ref().map(|difference| {
                let PairedComparison {
                    n_seeds,
                    n_units,
                    mean,
                    interval,
                    p_value,
                    smallest_p_value,
                    effect_size,
                    n_seeds_for_80_percent_power,
                    ref equivalence,
                } = difference.comparison;
                json!({
                    "n_pairs": n_seeds,
                    "n_clips": n_units,
                    "mean": mean,
                    "interval": interval.map(|interval| [interval.low, interval.high]),
                    "p_value": p_value,
                    "smallest_p_value": smallest_p_value,
                    "adjusted_p_value": difference.adjusted_p_value,
                    "effect_size": effect_size.map(|size| size.d_z),
                    "corrected_effect_size": effect_size.and_then(|size| size.corrected),
                    "n_seeds_for_80_percent_power": n_seeds_for_80_percent_power,
                    "equivalence_p_value": equivalence.as_ref().map(|test| test.p_value),
                })
            })
        };
        let by_name = |values: Vec<Value>| -> Value {
            let named = self
                .metrics
                .iter()
                .map(|metric| metric.name.to_owned())
                .zip(values);
            Value::Object(named.collect())
        };
        let arms = self.arms.iter().enumerate().map(|(index, arm)| {
            let means = self.means[index].iter().map(|mean| {
                json!({ "mean": finite(mean.mean), "interval": mean.interval, "n_clips": mean.n_clips })
            });
            let groups = self.groups.iter().zip(&self.by_group[index]).map(|(group, means)| {
                let means = means.iter().map(|&mean| json!(finite(mean))).collect();
                (group.clone(), by_name(means))
            });
            // The first arm is not compared with itself, so its entry is `null`.
            let against_first = self.differences.iter().find(|differences| differences.arm == index).map(|differences| {
                let groups = self.groups.iter().zip(&differences.by_group).map(|(group, by_metric)| {
                    (group.clone(), by_name(by_metric.iter().map(|d| json!(difference(d))).collect()))
                });
                json!({
                    "seeds": differences.seeds,
                    "metrics": by_name(differences.by_metric.iter().map(|d| json!(difference(d))).collect()),
                    "groups": groups.collect::<serde_json::Map<_, _>>(),
                })
            });
            json!({
                "name": arm.name,
                "seeds": arm.runs.keys().collect::<Vec<_>>(),
                "means": by_name(means.collect()),
                "groups": groups.collect::<serde_json::Map<_, _>>(),
                "difference_from_first": against_first,
            })
        });
        arms.collect()
    }
}
