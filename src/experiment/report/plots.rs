//! What a study has found, as plots.

use std::collections::BTreeMap;

use crate::experiment::collect::{Collected, MetricResult};
use crate::experiment::study::{Study, Variant};
use crate::report::plot::{IntervalPlot, IntervalRow, LinePlot, PlotPoint, Series};

/// Differences from the baselines; `None` where there are none.
pub(super) fn forest(
    study: &Study,
    metric: &str,
    results: &[MetricResult],
) -> Option<IntervalPlot> {
    results.iter().find(|result| result.difference.is_some())?;
    let axis = format!("{} less that of the baseline", spoken(metric));
    let mut plot = IntervalPlot::new(spoken(metric), axis).reference(0.0);
    for (variant, result) in study.variants.iter().zip(results) {
        if let Some(found) = &result.difference {
            let interval = found.interval.map_or([found.mean; 2], |i| [i.low, i.high]);
            plot = plot.row(IntervalRow::new(&*variant.name, found.mean, interval));
            if let Some(equivalence) = &found.equivalence {
                plot = plot.equivalence([-equivalence.margin, equivalence.margin]);
            }
        }
    }
    Some(plot)
}

/// A metric's name in words.
pub(super) fn spoken(metric: &str) -> String {
    metric.replace(['_', '/'], " ")
}

/// A primary metric over the levels of a factor.
pub(super) struct FactorPlots {
    /// The metric and the factor, as a file is named.
    pub(super) name: String,
    /// Means over seeds.
    pub(super) means: LinePlot,
    /// Differences from the baseline, where there are any: lines that are not parallel interact.
    pub(super) differences: Option<LinePlot>,
}

/// For each factor, each primary metric.
pub(super) fn factor_plots(study: &Study, collected: &Collected) -> Vec<FactorPlots> {
    let mut factors: Vec<&String> = study
        .variants
        .iter()
        .flat_map(|variant| variant.levels.keys())
        .collect();
    factors.sort();
    factors.dedup();
    let of_metric = |(metric, results): (&String, &Vec<MetricResult>)| {
        let plots = factors.iter();
        plots
            .map(|factor| plots_over(study, metric, results, factor))
            .collect::<Vec<_>>()
    };
    let primary = study.primary.iter().zip(&collected.results);
    primary.flat_map(of_metric).collect()
}

/// A value and its interval.
type Valued = (f64, Option<[f64; 2]>);

fn plots_over(study: &Study, metric: &str, results: &[MetricResult], factor: &str) -> FactorPlots {
    // What is the same but for this factor is one line.
    let mut lines: BTreeMap<String, Vec<(&Variant, &MetricResult)>> = BTreeMap::new();
    for (variant, result) in study.variants.iter().zip(results) {
        if variant.levels.contains_key(factor) {
            let others = variant.levels.iter().filter(|(name, _)| *name != factor);
            let others = others.map(|(name, level)| format!(" {name}={level}"));
            let line = variant.arm.clone() + &others.collect::<String>();
            lines.entry(line).or_default().push((variant, result));
        }
    }
    let levels: Vec<&str> = lines
        .values()
        .next()
        .map(|of_line| of_line.iter().map(|(v, _)| &*v.levels[factor]).collect())
        .unwrap_or_default();
    // A baseline that has no level is the same at all of them.
    let has_level = |variant: &Variant| variant.levels.contains_key(factor);
    let baselines = study.variants.iter().filter(|v| has_level(v));
    let mut baselines: Vec<usize> = baselines.filter_map(|variant| variant.baseline).collect();
    baselines.sort_unstable();
    baselines.dedup();
    for baseline in baselines {
        let (variant, result) = (&study.variants[baseline], &results[baseline]);
        if !has_level(variant) {
            lines.insert(variant.name.clone(), vec![(variant, result); levels.len()]);
        }
    }
    let levels: Vec<String> = levels.into_iter().map(str::to_owned).collect();
    let of_means = |result: &MetricResult| -> Valued { (result.mean, result.interval) };
    let of_differences = |result: &MetricResult| -> Valued {
        match &result.difference {
            Some(found) => (found.mean, found.interval.map(|i| [i.low, i.high])),
            None => (f64::NAN, None),
        }
    };
    let drawn = |title: String, unit: String, of: &dyn Fn(&MetricResult) -> Valued| {
        let mut plot = LinePlot::new(title, factor, unit).x_names(levels.clone());
        for (line, found) in &lines {
            let points = found.iter().enumerate().map(|(place, (_, result))| {
                let (value, interval) = of(result);
                let point = PlotPoint::new(place as f64, value);
                match interval {
                    Some([low, high]) => point.between(low, high),
                    None => point,
                }
            });
            let points: Vec<PlotPoint> = points.collect();
            if points.iter().any(|point| point.y.is_finite()) {
                plot = plot.series(Series::new(line, points));
            }
        }
        plot
    };
    let has_differences = lines
        .values()
        .flatten()
        .any(|(_, r)| r.difference.is_some());
    FactorPlots {
        name: format!("{metric}_by_{factor}"),
        means: drawn(format!("By {factor}"), spoken(metric), &of_means),
        differences: has_differences.then(|| {
            let title = format!("Less the baseline, by {factor}");
            drawn(
                title,
                format!("difference in {}", spoken(metric)),
                &of_differences,
            )
        }),
    }
}
