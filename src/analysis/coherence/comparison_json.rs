//! Comparisons for other programs.

use serde_json::{Value, json};

use super::comparison::{Comparisons, Difference};
use crate::statistics::PairedComparison;

impl Comparisons {
    /// All of it, for other programs.
    pub fn to_json(&self) -> Value {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let difference = |found: &Option<Difference>| {
            found.as_ref().map(|difference| {
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
                } = difference.found;
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
                    "equivalence_p_value": equivalence.as_ref().map(|found| found.p_value),
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
        let arms = self.arms.iter().enumerate().map(|(place, arm)| {
            let levels = self.levels[place].iter().map(|level| {
                json!({ "mean": finite(level.mean), "interval": level.interval, "n_clips": level.n_clips })
            });
            let groups = self.groups.iter().zip(&self.by_group[place]).map(|(group, means)| {
                let means = means.iter().map(|&mean| json!(finite(mean))).collect();
                (group.clone(), by_name(means))
            });
            let against_first = self.differences.iter().find(|found| found.arm == place).map(|found| {
                let groups = self.groups.iter().zip(&found.of_groups).map(|(group, of_group)| {
                    (group.clone(), by_name(of_group.iter().map(|d| json!(difference(d))).collect()))
                });
                json!({
                    "seeds": found.seeds,
                    "metrics": by_name(found.of_metrics.iter().map(|d| json!(difference(d))).collect()),
                    "groups": groups.collect::<serde_json::Map<_, _>>(),
                })
            });
            json!({
                "name": arm.name,
                "seeds": arm.runs.keys().collect::<Vec<_>>(),
                "levels": by_name(levels.collect()),
                "groups": groups.collect::<serde_json::Map<_, _>>(),
                "less_the_first": against_first,
            })
        });
        arms.collect()
    }
}
