//! The section on distances between images, compared with shuffled rows.

use maud::{Markup, html};

use super::cost::MAX_HEAD_PAIRS;
use super::diagram_comparisons::{DiagramComparisons, ImageComparison};
use super::image_pairs::{PairCurve, Spread};
use super::inspection::Inspection;
use super::page_parts::{capitalized, layer_labels};
use crate::counted::counted;
use crate::report::page::{Condition, Control, controls, figure, shown_when};
use crate::report::plot::{Heatmap, LinePlot, Plot, PlotPoint, Series};

/// Returns the plots of the distances between images.
pub(super) fn images(
    inspection: &Inspection,
    comparisons: &DiagramComparisons,
    unit: &str,
) -> Markup {
    let names = comparisons.images.iter().map(|comparison| {
        format!(
            "H{}, {}",
            comparison.homology_dim,
            comparison.metric.title()
        )
    });
    let is_perturbed = inspection
        .images
        .iter()
        .any(|image| image.perturbation.is_some());
    html! {
        p {
            "Distance between the diagrams of two images in each layer. For comparison, each image is also compared \
             with " (counted(inspection.n_shuffles(), "copy")) " of itself in which the entries of every row are shuffled. Shuffling keeps \
             how concentrated each row is, and makes any likeness between two tokens a matter of chance. "
            @if inspection.images.len() == 1 { "There is only one image here, so only this comparison is drawn." }
        }
        @if is_perturbed {
            p {
                "An attack changes pixels so that the model makes errors; no pixel changes by more than a given \
                 fraction of the range of pixels (epsilon). A random change moves every pixel up or down by epsilon, \
                 at random. The effect of an attack on the topology is the part that exceeds the effect of the random \
                 change."
            }
        }
        (controls(&[Control::choice("images_metric", "Distance", names)]))
        @for (index, comparison) in comparisons.images.iter().enumerate() {
            (shown_when(&Condition::equals("images_metric", index), comparison_plots(inspection, comparison, unit)))
        }
    }
}

/// Returns the plots for one metric and homology dimension.
fn comparison_plots(inspection: &Inspection, comparison: &ImageComparison, unit: &str) -> Markup {
    let ImageComparison {
        metric,
        homology_dim: dim,
        curves,
    } = comparison;
    let metric = capitalized(metric.title());
    let title = format!("{metric} distance between images, H{dim}");
    let title_by_head = format!("{metric} distance by head, H{dim}");
    // The comparison with shuffled rows comes last.
    let pairs = &curves[..curves.len() - 1];
    let largest = pairs
        .iter()
        .flat_map(|curve| &curve.by_head)
        .copied()
        .fold(0.0, f64::max);
    html! {
        (figure(
            pair_plot(inspection, &title, curves, unit),
            "For the mean of the heads. Lines are means over pairs; bands reach from the smallest to the largest \
             distance.",
        ))
        // Shuffled rows are often so far away that they flatten the other curves.
        @if pairs.len() > 1 {
            (figure(
                pair_plot(inspection, &format!("{title}, without shuffled rows"), pairs, unit),
                "The same distances without shuffled rows, on a finer scale.",
            ))
        }
        @for curve in pairs.iter().filter(|curve| !curve.by_head.is_empty()) {
            (figure(
                head_heatmap(inspection, &title_by_head, curve, [0.0, largest]),
                &format!(
                    "Distance between the diagrams of the same head on two images, mean of up to {MAX_HEAD_PAIRS} \
                     pairs. All kinds of pairs have the same colour scale."
                ),
            ))
        }
    }
}

/// Returns the line plot with one curve for each kind of pair.
fn pair_plot(inspection: &Inspection, title: &str, curves: &[PairCurve], unit: &str) -> Plot {
    let mut plot = LinePlot::new(title, "layer", unit);
    for curve in curves {
        let points = inspection.layers.iter().zip(&curve.by_layer);
        let points = points.map(|(layer, spread)| {
            let Spread {
                least,
                mean,
                largest,
            } = *spread;
            PlotPoint::new(*layer as f64, mean).with_interval(least, largest)
        });
        let label = match curve.n_pairs {
            1 => curve.title.clone(),
            n => format!("{} ({n})", curve.title),
        };
        plot = plot.series(Series::new(label, points.collect()));
    }
    plot.draw()
}

/// Returns the heatmap of distances, layers by heads.
fn head_heatmap(inspection: &Inspection, title: &str, curve: &PairCurve, range: [f64; 2]) -> Plot {
    let heads = inspection.heads.iter();
    Heatmap {
        range: Some(range),
        ..Heatmap::new(
            title,
            &*curve.title,
            layer_labels(inspection),
            heads.map(|head| format!("head {head}")).collect(),
            curve.by_head.clone(),
        )
    }
    .draw()
}
