//! Plots of the results of a study: differences from the baseline, and metrics over the levels of factors.

use std::collections::BTreeMap;

use crate::experiment::collect::{MetricResult, StudyResults};
use crate::experiment::study::{Study, Variant};
use crate::report::plot::{IntervalPlot, IntervalRow, LinePlot, PlotPoint, Series};
use crate::train::readable_metric;

/// Returns a forest plot of the differences from the baselines; `None` if no variant has been compared yet.
pub(super) fn forest_plot(
    study: &Study,
    metric: &str,
    results: &[MetricResult],
) -> Option<IntervalPlot> {
    results.iter().find(|result| result.difference.is_some())?;
    let title = readable_metric(metric);
    let mut plot = IntervalPlot::new(title, "difference from the baseline").reference(0.0);
    for (variant, result) in study.variants.iter().zip(results) {
        if let Some(difference) = &result.difference {
            let interval = difference
                .interval
                .map_or([f64::NAN; 2], |i| [i.low, i.high]);
            plot = plot.row(IntervalRow::new(&*variant.name, difference.mean, interval));
            if let Some(equivalence) = &difference.equivalence {
                plot = plot.equivalence([-equivalence.margin, equivalence.margin]);
            }
        }
    }
    Some(plot)
}

/// Plots of one primary metric over the levels of one factor.
pub(super) struct FactorPlots {
    /// Name of the file without its ending, made of the metric and the factor.
    pub(super) name: String,
    /// Plot of the means over seeds.
    pub(super) means: LinePlot,
    /// Plot of the differences from the baseline, if any variant has been compared.
    ///
    /// Lines that are not parallel show an interaction of the factor with the others.
    pub(super) differences: Option<LinePlot>,
}

/// Returns the plots of every primary metric over every factor.
pub(super) fn factor_plots(study: &Study, collected: &StudyResults) -> Vec<FactorPlots> {
    let mut factors: Vec<&String> = study
        .variants
        .iter()
        .flat_map(|variant| variant.levels.keys())
        .collect();
    factors.sort();
    factors.dedup();
    let mut plots = Vec::new();
    for (metric, results) in study.primary.iter().zip(&collected.results) {
        for factor in &factors {
            plots.push(plots_over(study, metric, results, factor));
        }
    }
    plots
}

/// Number that a result contributes to a line, and its interval.
struct Estimate {
    value: f64,
    interval: Option<[f64; 2]>,
}

impl Estimate {
    /// Mean of a variant over seeds.
    fn from_mean(result: &MetricResult) -> Self {
        Self {
            value: result.mean,
            interval: result.interval,
        }
    }

    /// Difference of a variant from its baseline; NaN if there is none.
    fn from_difference(result: &MetricResult) -> Self {
        let comparison = result.difference.as_ref();
        Self {
            value: comparison.map_or(f64::NAN, |comparison| comparison.mean),
            interval: comparison
                .and_then(|comparison| comparison.interval)
                .map(|interval| [interval.low, interval.high]),
        }
    }
}

/// Results by line of a plot, in the order of the levels on its horizontal axis.
type Lines<'a> = BTreeMap<String, Vec<&'a MetricResult>>;

fn plots_over(study: &Study, metric: &str, results: &[MetricResult], factor: &str) -> FactorPlots {
    let (levels, lines) = levels_and_lines(study, results, factor);
    let name = readable_metric(metric);
    let has_differences = lines
        .values()
        .flatten()
        .any(|result| result.difference.is_some());
    FactorPlots {
        name: format!("{metric}_by_{factor}"),
        means: draw(
            LinePlot::new(format!("By {factor}"), factor, &*name).x_names(levels.clone()),
            &lines,
            Estimate::from_mean,
        ),
        differences: has_differences.then(|| {
            let title = format!("Difference from the baseline, by {factor}");
            let axis = format!("difference in {name}");
            draw(
                LinePlot::new(title, factor, axis).x_names(levels),
                &lines,
                Estimate::from_difference,
            )
        }),
    }
}

/// Returns the levels of a factor, and for each line of the plots its results at these levels.
fn levels_and_lines<'a>(
    study: &Study,
    results: &'a [MetricResult],
    factor: &str,
) -> (Vec<String>, Lines<'a>) {
    // Variants that differ in this factor only are one line.
    let mut lines: BTreeMap<String, Vec<(&Variant, &MetricResult)>> = BTreeMap::new();
    for (variant, result) in study.variants.iter().zip(results) {
        if variant.levels.contains_key(factor) {
            let other_levels: String = variant
                .levels
                .iter()
                .filter(|(name, _)| *name != factor)
                .map(|(name, level)| format!(" {name}={level}"))
                .collect();
            let line = variant.arm.clone() + &other_levels;
            lines.entry(line).or_default().push((variant, result));
        }
    }
    // Every line has all levels, in the order of the study file.
    let levels: Vec<String> = lines.values().next().map_or(Vec::new(), |line| {
        line.iter()
            .map(|(variant, _)| variant.levels[factor].clone())
            .collect()
    });
    let mut lines: Lines<'a> = lines
        .into_iter()
        .map(|(name, line)| (name, line.into_iter().map(|(_, result)| result).collect()))
        .collect();
    // A baseline in which the factor is not varied has one result, which is drawn at every level.
    let has_level = |variant: &Variant| variant.levels.contains_key(factor);
    let mut baselines: Vec<usize> = study
        .variants
        .iter()
        .filter(|variant| has_level(variant))
        .filter_map(|variant| variant.baseline)
        .collect();
    baselines.sort_unstable();
    baselines.dedup();
    for baseline in baselines {
        let variant = &study.variants[baseline];
        if !has_level(variant) {
            lines.insert(variant.name.clone(), vec![&results[baseline]; levels.len()]);
        }
    }
    (levels, lines)
}

/// Adds a series for each line to a plot, except for lines without any finite value.
fn draw(
    mut plot: LinePlot,
    lines: &Lines<'_>,
    estimate: impl Fn(&MetricResult) -> Estimate,
) -> LinePlot {
    for (name, results) in lines {
        let points: Vec<PlotPoint> = results
            .iter()
            .enumerate()
            .map(|(level, result)| {
                let Estimate { value, interval } = estimate(result);
                let point = PlotPoint::new(level as f64, value);
                match interval {
                    Some([low, high]) => point.with_interval(low, high),
                    None => point,
                }
            })
            .collect();
        if points.iter().any(|point| point.y.is_finite()) {
            plot = plot.series(Series::new(name, points));
        }
    }
    plot
}
