//! The section of pairs of pictures, and the null.

use maud::{Markup, html};

use super::compare::{Comparer, Comparisons};
use super::inspection::{Inspection, N_SHUFFLES};
use super::page_parts::{capitalized, layer_labels};
use super::pairs::{MAX_HEAD_PAIRS, PairCurve};
use crate::report::page::{Condition, Control, controls, figure, shown_when};
use crate::report::plot::{Heatmap, LinePlot, Plot, PlotPoint, Series};

pub(super) fn pictures(inspection: &Inspection, comparisons: &Comparisons, unit: &str) -> Markup {
    let kinds = comparisons.pictures.iter();
    let names = kinds.map(|(comparer, dim, _)| format!("H{dim}, {}", comparer.title()));
    let is_changed = inspection
        .pictures
        .iter()
        .any(|picture| picture.change.is_some());
    html! {
        p {
            "How far the diagrams of two pictures lie apart in each layer, beside what no structure would give: each \
             picture against itself with the entries of every row shuffled (" (N_SHUFFLES) " times), which keeps how \
             concentrated the rows are and leaves no token like another but by chance. "
            @if inspection.pictures.len() == 1 { "There is one picture here, so the null stands alone." }
        }
        @if is_changed {
            p {
                "An attack moves pixels so that the model errs, none by more than a share of the range of pixels; a \
                 random change moves every pixel by that share, up or down by chance. What an attack does to the \
                 topology is what it does beyond the random change."
            }
        }
        (controls(&[Control::choice("pictures_by", "Compared", names)]))
        @for (place, (comparer, dim, curves)) in comparisons.pictures.iter().enumerate() {
            (shown_when(&Condition::of("pictures_by", place), of_kind(inspection, *comparer, *dim, curves, unit)))
        }
    }
}

/// The null comes last.
fn of_kind(
    inspection: &Inspection,
    comparer: Comparer,
    dim: usize,
    curves: &[PairCurve],
    unit: &str,
) -> Markup {
    let measure = capitalized(comparer.title());
    let title = format!("{measure} distance between pictures, H{dim}");
    let title_by_head = format!("{measure} distance by head, H{dim}");
    let pairs = &curves[..curves.len() - 1];
    let of_heads = pairs.iter().flat_map(|curve| &curve.by_head);
    let largest = of_heads.copied().fold(0.0, f64::max);
    html! {
        (figure(
            pair_plot(inspection, &title, curves, unit),
            "Of the means of the heads. Means over pairs; bands from the least to the largest.",
        ))
        @if pairs.len() > 1 {
            (figure(
                pair_plot(inspection, &format!("{title}, without shuffled rows"), pairs, unit),
                "The same, on a scale of their own.",
            ))
        }
        @for curve in pairs.iter().filter(|curve| !curve.by_head.is_empty()) {
            (figure(
                by_head(inspection, &title_by_head, curve, [0.0, largest]),
                &format!(
                    "Each head against itself on the other picture, the mean of up to {MAX_HEAD_PAIRS} pairs. The \
                     colours mean the same for all kinds of pairs."
                ),
            ))
        }
    }
}

fn pair_plot(inspection: &Inspection, title: &str, curves: &[PairCurve], unit: &str) -> Plot {
    let mut plot = LinePlot::new(title, "layer", unit);
    for curve in curves {
        let points = inspection.layers.iter().zip(&curve.by_layer);
        let points = points.map(|(layer, [low, mean, high])| {
            PlotPoint::new(*layer as f64, *mean).between(*low, *high)
        });
        let label = match curve.n_pairs {
            1 => curve.title.clone(),
            n => format!("{} ({n})", curve.title),
        };
        plot = plot.series(Series::new(label, points.collect()));
    }
    plot.draw()
}

fn by_head(inspection: &Inspection, title: &str, curve: &PairCurve, range: [f64; 2]) -> Plot {
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
