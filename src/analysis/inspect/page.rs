//! The page.

use maud::{Markup, html};

use super::compare::{Comparer, Comparisons, PairCurve};
use super::inspection::{Inspection, MAX_MATRIX_FILES, N_SHUFFLES};
use super::item::Item;
use super::page_heads::heads;
use super::page_parts::{
    MAX_DRAWN, capitalized, distances, kinds_control, layer_labels, picture_control, when_picture,
};
use super::viewer::{SCRIPT, STYLE, viewer};
use crate::distance::Metric;
use crate::loss::Source;
use crate::report::page::{
    Column, Condition, Control, Page, Section, Table, controls, figure, number, shown_when,
};
use crate::report::plot::{Heatmap, LinePlot, Plot, PlotPoint, Series};
use crate::topology::DiagramSummary;

/// Diameters at which Betti numbers are drawn.
const N_BETTI: usize = 72;

/// The page.
pub(super) fn page(
    title: &str,
    command: &str,
    inspection: &Inspection,
    comparisons: &Comparisons,
) -> Page {
    let unit = unit(inspection);
    let n_pictures = inspection.pictures.len();
    let lead = format!(
        "{n_pictures} picture{}, {} layer{}, {} matrices of {} tokens: {}.",
        if n_pictures == 1 { "" } else { "s" },
        inspection.layers.len(),
        if inspection.layers.len() == 1 {
            ""
        } else {
            "s"
        },
        inspection.items.len(),
        inspection.layout.n_tokens(),
        unit,
    );
    let mut page = Page::new(format!("Inside {title}"), lead)
        .drawn_by(STYLE, SCRIPT)
        .section(Section::new(
            "The complex over the picture",
            viewer(inspection, &unit),
        ))
        .section(Section::new("Through the depth", depth(inspection)));
    if inspection.layers.len() > 1 {
        page = page.section(Section::new(
            "Between layers",
            layers(inspection, comparisons),
        ));
    }
    if !inspection.heads.is_empty() {
        page = page.section(Section::new("Heads", heads(inspection, comparisons, &unit)));
    }
    page.section(Section::new(
        "Between pictures, and a null",
        pictures(inspection, comparisons, &unit),
    ))
    .section(Section::new(
        "What was done",
        done(command, inspection, &unit),
    ))
}

/// What distances are measured in.
fn unit(inspection: &Inspection) -> String {
    let spec = &inspection.spec;
    let metric = match spec.distance.metric {
        Metric::JensenShannon => "Jensen-Shannon distance",
        Metric::Hellinger => "Hellinger distance",
        Metric::Cosine => "cosine distance",
        Metric::Euclidean => "Euclidean distance",
        Metric::Attention => "1 - max(a_ij, a_ji)",
    };
    let of = match spec.source {
        Source::Attention => "rows of attention",
        Source::DoubleSoftmax => "the softmax of rows of attention",
        Source::Hidden => "hidden states",
    };
    match spec.distance.exponent {
        1.0 => format!("{metric} of {of}"),
        exponent => format!("{metric} to the power {exponent} of {of}"),
    }
}

/// Betti curves and summaries of the means of the heads.
fn depth(inspection: &Inspection) -> Markup {
    let n_drawn = inspection.pictures.len().min(MAX_DRAWN);
    html! {
        @if let Some(control) = picture_control("depth", inspection) { (controls(&[control])) }
        @for picture in 0..n_drawn {
            (shown_when(&when_picture("depth", inspection, picture), html! {
                @for dim in 0..=inspection.spec.max_homology_dim {
                    (figure(betti(inspection, picture, dim), match dim {
                        0 => "Components at each diameter, of the mean of the heads: how the tokens of a layer \
                              come together.",
                        1 => "Cycles that are open at each diameter.",
                        _ => "Voids that are open at each diameter.",
                    }))
                }
                (figure(summaries(inspection, picture), "Of the mean of the heads of each layer: the sum of all \
                    finite persistences in each dimension, and the mean distance of two tokens, each over its \
                    largest. Numbers: summary.csv."))
            }))
        }
    }
}

fn betti(inspection: &Inspection, picture: usize, dim: usize) -> Plot {
    let items: Vec<&Item> = (0..inspection.layers.len())
        .map(|layer| inspection.item(picture, layer, 0))
        .collect();
    // Beyond the last death nothing changes.
    let bars = items.iter().flat_map(|item| &item.diagrams);
    let deaths = bars.flat_map(|diagram| diagram.finite().map(|bar| bar.death));
    let largest = deaths.fold(0.0, f64::max);
    let diameter = |k: usize| largest * (k as f64 + 0.5) / N_BETTI as f64;
    let values = items
        .iter()
        .flat_map(|item| (0..N_BETTI).map(move |k| item.betti(dim, diameter(k)) as f64));
    let labels = (0..N_BETTI).map(|k| number(diameter(k)));
    let title = format!("Betti number {dim} by layer and diameter");
    let unit = "number of classes alive".to_owned();
    Heatmap::new(
        title,
        unit,
        layer_labels(inspection),
        labels.collect(),
        values.collect(),
    )
    .draw()
}

fn summaries(inspection: &Inspection, picture: usize) -> Plot {
    let layers = inspection.layers.iter().enumerate();
    let series = |label: String, of: &dyn Fn(&Item) -> f64| {
        let values = layers
            .clone()
            .map(|(place, layer)| (*layer as f64, of(inspection.item(picture, place, 0))));
        let values: Vec<(f64, f64)> = values.collect();
        let largest = values.iter().fold(0.0_f64, |most, (_, y)| most.max(*y));
        let scale = match largest > 0.0 {
            true => largest,
            false => 1.0,
        };
        let points = values
            .into_iter()
            .map(|(x, y)| PlotPoint::new(x, y / scale));
        Series::new(
            format!("{label} (1 is {})", number(scale)),
            points.collect(),
        )
    };
    let mut plot = LinePlot::new("Summaries by layer", "layer", "over the largest");
    for dim in 0..=inspection.spec.max_homology_dim {
        plot = plot.series(series(format!("total persistence, H{dim}"), &move |item| {
            item.diagrams[dim].total_persistence()
        }));
    }
    plot.series(series("mean distance".to_owned(), &|item| {
        item.mean_distance
    }))
    .y_range([0.0, 1.0])
    .draw()
}

fn layers(inspection: &Inspection, comparisons: &Comparisons) -> Markup {
    let mut bar: Vec<Control> = picture_control("between", inspection).into_iter().collect();
    bar.push(kinds_control("layers_by", &comparisons.layers[0]));
    html! {
        (controls(&bar))
        @for (picture, kinds) in comparisons.layers.iter().enumerate().take(MAX_DRAWN) {
            @for (place, kind) in kinds.iter().enumerate() {
                @let labels = layer_labels(inspection);
                @let when = when_picture("between", inspection, picture).and("layers_by", place);
                (shown_when(&when, figure(distances(kind, labels, "layers"), "Between the diagrams of the \
                    means of the heads; bars that never die are left out. A block along the diagonal is a run of \
                    layers of like topology.")))
            }
        }
    }
}

fn pictures(inspection: &Inspection, comparisons: &Comparisons, unit: &str) -> Markup {
    let kinds = comparisons.pictures.iter();
    let names = kinds.map(|(comparer, dim, _)| format!("H{dim}, {}", comparer.title()));
    html! {
        p {
            "How far the diagrams of two pictures lie apart in each layer, beside what no structure would give: each \
             picture against itself with the entries of every row shuffled (" (N_SHUFFLES) " times), which keeps how \
             concentrated the rows are and leaves no token like another but by chance. "
            @if inspection.pictures.len() == 1 { "There is one picture here, so the null stands alone." }
        }
        (controls(&[Control::choice("pictures_by", "Compared", names)]))
        @for (place, (comparer, dim, curves)) in comparisons.pictures.iter().enumerate() {
            (shown_when(&Condition::of("pictures_by", place), figure(
                pair_plot(inspection, *comparer, *dim, curves, unit),
                "Means over pairs; bands from the least to the largest.",
            )))
        }
    }
}

fn pair_plot(
    inspection: &Inspection,
    comparer: Comparer,
    dim: usize,
    curves: &[PairCurve],
    unit: &str,
) -> Plot {
    let title = format!(
        "{} distance between pictures, H{dim}",
        capitalized(comparer.title())
    );
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

fn done(command: &str, inspection: &Inspection, unit: &str) -> Markup {
    let spec = &inspection.spec;
    let [rows, columns] = inspection.layout.grid;
    let settings = [
        ("Command", command.to_owned()),
        ("Distance", unit.to_owned()),
        (
            "Tokens",
            format!(
                "{rows} by {columns} patches and {} before them; points are {}",
                inspection.layout.n_prefix_tokens,
                match spec.tokens {
                    crate::nn::Tokens::Patches => "the patches",
                    crate::nn::Tokens::All => "all",
                }
            ),
        ),
        (
            "Homology",
            format!(
                "Vietoris-Rips, coefficients in Z/2, dimensions 0 to {}",
                spec.max_homology_dim
            ),
        ),
        (
            "Heads",
            match inspection.heads.len() {
                0 => "their mean".to_owned(),
                n => format!("their mean, and {n} by themselves"),
            },
        ),
    ];
    let mut table = Table::new(
        "Settings",
        vec![Column::text("What"), Column::text("Set to")],
    );
    for (what, value) in settings {
        table = table.row([what.to_owned(), value]);
    }
    let files = [
        (
            "diagrams.npz",
            "all diagrams: dgm0, dgm1, ..., offsets, critical edges; meta_json names the items",
        ),
        ("distances.npz", "the heatmaps of distances, by picture"),
        ("matrices/", "distance matrices and attention"),
        ("summary.csv", "numbers of each diagram, in long form"),
        (
            "analysis.json",
            "settings, pictures, summaries and comparisons",
        ),
    ];
    let mut beside = Table::new(
        "Files beside this page",
        vec![Column::text("File"), Column::text("Holds")],
    );
    for (file, holds) in files {
        let holds = match file {
            "matrices/" => format!("{holds} of the first {MAX_MATRIX_FILES} pictures"),
            _ => holds.to_owned(),
        };
        beside = beside.row([file.to_owned(), holds]);
    }
    html! { (table) (beside) }
}

/// Persistent entropy of the finite bars, in nats.
pub(super) fn persistent_entropy(item: &Item, dim: usize) -> f64 {
    let found = DiagramSummary::PersistentEntropy.value_and_gradient(&item.points(dim));
    found.map_or(f64::NAN, |summary| summary.value)
}
