//! The page.

use maud::{Markup, html};

use super::compare::Comparisons;
use super::inspection::{Inspection, MAX_MATRIX_FILES};
use super::item::Item;
use super::page_heads::heads;
use super::page_pairs::pictures;
use super::page_parts::{
    MAX_DRAWN, distances, kinds_control, layer_labels, picture_control, when_picture,
};
use super::viewer::{SCRIPT, STYLE, viewer};
use crate::distance::Metric;
use crate::loss::Source;
use crate::report::page::{
    Column, Control, Page, Section, Table, controls, figure, number, shown_when,
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
