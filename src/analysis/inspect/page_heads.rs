//! The section of heads.

use maud::{Markup, html};

use super::compare::Comparisons;
use super::inspection::Inspection;
use super::item::Item;
use super::page_parts::{
    MAX_DRAWN, capitalized, distances, kinds_control, layer_labels, picture_control, when_picture,
};
use crate::report::page::{Control, controls, figure, shown_when};
use crate::report::plot::{Heatmap, Plot};

/// A number of each head.
struct HeadSummary {
    name: String,
    unit: String,
    of: Box<dyn Fn(&Item) -> f64>,
}

fn head_summaries(inspection: &Inspection, unit: &str) -> Vec<HeadSummary> {
    let summary = |name: &str, unit: &str, of: Box<dyn Fn(&Item) -> f64>| HeadSummary {
        name: name.to_owned(),
        unit: unit.to_owned(),
        of,
    };
    let mut found = Vec::new();
    for dim in (0..=inspection.spec.max_homology_dim).rev() {
        found.push(summary(
            &format!("total persistence, H{dim}"),
            unit,
            Box::new(move |item| item.diagrams[dim].total_persistence()),
        ));
        found.push(summary(
            &format!("longest bar, H{dim}"),
            unit,
            Box::new(move |item| item.diagrams[dim].largest_persistence()),
        ));
        found.push(summary(
            &format!("number of bars, H{dim}"),
            "bars",
            Box::new(move |item| item.diagrams[dim].bars.len() as f64),
        ));
    }
    found.push(summary(
        "mean distance",
        unit,
        Box::new(|item| item.mean_distance),
    ));
    if inspection.items.iter().any(|item| item.entropy.is_some()) {
        found.push(summary(
            "entropy of rows",
            "over that of uniform rows",
            Box::new(|item| item.entropy.unwrap_or(f64::NAN)),
        ));
    }
    found
}

pub(super) fn heads(inspection: &Inspection, comparisons: &Comparisons, unit: &str) -> Markup {
    let summaries = head_summaries(inspection, unit);
    let n_drawn = inspection.pictures.len().min(MAX_DRAWN);
    let names = summaries.iter().map(|summary| summary.name.clone());
    let head_labels: Vec<String> = inspection
        .heads
        .iter()
        .map(|head| format!("head {head}"))
        .collect();
    let all_labels: Vec<String> = inspection
        .layers
        .iter()
        .flat_map(|layer| {
            inspection
                .heads
                .iter()
                .map(move |head| format!("{layer}.{head}"))
        })
        .collect();
    let mut bar: Vec<Control> = picture_control("heads_of", inspection)
        .into_iter()
        .collect();
    bar.push(Control::choice("summary", "Number", names));
    let kinds = comparisons.heads.first();
    if let Some(kinds) = kinds.filter(|_| all_labels.len() > 1) {
        bar.push(kinds_control("heads_by", kinds));
    }
    html! {
        (controls(&bar))
        @for picture in 0..n_drawn {
            @for (place, summary) in summaries.iter().enumerate() {
                @let when = when_picture("heads_of", inspection, picture).and("summary", place);
                (shown_when(&when, figure(
                    by_head(inspection, picture, summary, &head_labels),
                    "Each head of each layer by itself.",
                )))
            }
            @for (place, kind) in comparisons.heads.get(picture).into_iter().flatten().enumerate() {
                @let when = when_picture("heads_of", inspection, picture).and("heads_by", place);
                (shown_when(&when, figure(
                    distances(kind, all_labels.clone(), "all heads"),
                    "Heads as layer.head; numbers: distances.npz.",
                )))
            }
            @if picture >= comparisons.heads.len() {
                (shown_when(&when_picture("heads_of", inspection, picture), html! {
                    p.note { "All heads are compared with all for the first " (comparisons.heads.len()) " pictures." }
                }))
            }
        }
    }
}

fn by_head(
    inspection: &Inspection,
    picture: usize,
    summary: &HeadSummary,
    labels: &[String],
) -> Plot {
    let values = (0..inspection.layers.len()).flat_map(|layer| {
        (1..=labels.len()).map(move |head| (summary.of)(inspection.item(picture, layer, head)))
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
