//! The section on single heads.

use maud::{Markup, html};

use super::diagram_comparisons::DiagramComparisons;
use super::inspection::Inspection;
use super::matrix_topology::MatrixTopology;
use super::page_parts::{
    MAX_DRAWN, capitalized, distance_heatmap, image_control, layer_labels, metric_control,
    when_image,
};
use crate::counted::counted;
use crate::report::page::{Control, controls, figure, shown_when};
use crate::report::plot::{Heatmap, Plot};

/// A number that is drawn for every head.
struct HeadSummary {
    name: String,
    unit: String,
    value: Box<dyn Fn(&MatrixTopology) -> f64>,
}

/// Returns the numbers that are drawn for each head; those of the highest homology dimension come first.
fn head_summaries(inspection: &Inspection, unit: &str) -> Vec<HeadSummary> {
    let summary =
        |name: &str, unit: &str, value: Box<dyn Fn(&MatrixTopology) -> f64>| HeadSummary {
            name: name.to_owned(),
            unit: unit.to_owned(),
            value,
        };
    let mut summaries = Vec::new();
    for dim in (0..=inspection.spec.max_homology_dim).rev() {
        summaries.push(summary(
            &format!("total persistence, H{dim}"),
            unit,
            Box::new(move |matrix| matrix.diagrams[dim].total_persistence()),
        ));
        summaries.push(summary(
            &format!("longest bar, H{dim}"),
            unit,
            Box::new(move |matrix| matrix.diagrams[dim].largest_persistence()),
        ));
        summaries.push(summary(
            &format!("number of bars, H{dim}"),
            "bars",
            Box::new(move |matrix| matrix.diagrams[dim].bars.len() as f64),
        ));
    }
    summaries.push(summary(
        "mean distance",
        unit,
        Box::new(|matrix| matrix.mean_distance),
    ));
    let has_entropy = inspection
        .matrices
        .iter()
        .any(|matrix| matrix.entropy.is_some());
    if has_entropy {
        summaries.push(summary(
            "entropy of attention rows",
            "fraction of the entropy of uniform rows",
            Box::new(|matrix| matrix.entropy.unwrap_or(f64::NAN)),
        ));
    }
    summaries
}

/// Returns the plots of single heads and of the distances between them.
pub(super) fn heads(
    inspection: &Inspection,
    comparisons: &DiagramComparisons,
    unit: &str,
) -> Markup {
    let summaries = head_summaries(inspection, unit);
    let n_drawn = inspection.images.len().min(MAX_DRAWN);
    let names = summaries.iter().map(|summary| summary.name.clone());
    let head_labels: Vec<String> = inspection
        .heads
        .iter()
        .map(|head| format!("head {head}"))
        .collect();
    let layer_and_head_labels: Vec<String> = inspection
        .layers
        .iter()
        .flat_map(|layer| {
            inspection
                .heads
                .iter()
                .map(move |head| format!("{layer}.{head}"))
        })
        .collect();
    let mut bar: Vec<Control> = image_control("heads_image", inspection)
        .into_iter()
        .collect();
    bar.push(Control::choice("summary", "Number", names));
    // All images have the same kinds, so those of the first one are the options.
    let kinds = comparisons.heads.first();
    // A single head of a single layer has no other to be compared with.
    if let Some(kinds) = kinds.filter(|_| layer_and_head_labels.len() > 1) {
        bar.push(metric_control("heads_metric", kinds));
    }
    html! {
        (controls(&bar))
        @for image in 0..n_drawn {
            @for (index, summary) in summaries.iter().enumerate() {
                @let when = when_image("heads_image", inspection, image).and("summary", index);
                (shown_when(&when, figure(
                    summary_heatmap(inspection, image, summary, &head_labels),
                    "One cell for each head of each layer.",
                )))
            }
            @for (index, kind) in comparisons.heads.get(image).into_iter().flatten().enumerate() {
                @let when = when_image("heads_image", inspection, image).and("heads_metric", index);
                (shown_when(&when, figure(
                    distance_heatmap(kind, layer_and_head_labels.clone(), "all heads"),
                    "Labels are layer.head. The numbers are in distances.npz.",
                )))
            }
            @if image >= comparisons.heads.len() {
                (shown_when(&when_image("heads_image", inspection, image), html! {
                    p.note {
                        "Distances between all heads are computed only for the first "
                        (counted(comparisons.heads.len(), "image")) "."
                    }
                }))
            }
        }
    }
}

/// Returns the heatmap of one number, layers by heads.
fn summary_heatmap(
    inspection: &Inspection,
    image: usize,
    summary: &HeadSummary,
    labels: &[String],
) -> Plot {
    let values = (0..inspection.layers.len()).flat_map(|layer| {
        (1..=labels.len()).map(move |head| (summary.value)(inspection.matrix(image, layer, head)))
    });
    let title = capitalized(&summary.name);
    Heatmap::new(
        title,
        &*summary.unit,
        layer_labels(inspection),
        labels.to_vec(),
        values.collect(),
    )
    .draw()
}
