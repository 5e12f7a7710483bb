//! The page of an inspection.

use maud::{Markup, html};

use super::diagram_comparisons::DiagramComparisons;
use super::inspection::Inspection;
use super::matrix_topology::MatrixTopology;
use super::page_heads::heads;
use super::page_images::images;
use super::page_parts::{
    MAX_DRAWN, distance_heatmap, image_control, layer_labels, metric_control, when_image,
};
use super::viewer::{SCRIPT, STYLE, viewer};
use crate::counted::counted;
use crate::distance::RowMetric;
use crate::loss::Source;
use crate::nn::Tokens;
use crate::report::page::{
    Column, Control, Page, Section, Table, controls, figure, number, shown_when,
};
use crate::report::plot::{Heatmap, LinePlot, Plot, PlotPoint, Series};
use crate::topology::DiagramSummary;

/// Number of diameters at which Betti numbers are drawn.
const N_BETTI: usize = 72;

/// Builds the page with all its sections.
pub(super) fn page(
    title: &str,
    command: &str,
    inspection: &Inspection,
    comparisons: &DiagramComparisons,
) -> Page {
    let unit = unit(inspection);
    let layout = &inspection.layout;
    let points = match inspection.spec.tokens {
        Tokens::Patches => counted(layout.n_tokens() - layout.n_prefix_tokens, "patch"),
        Tokens::All => counted(layout.n_tokens(), "token"),
    };
    let lead = format!(
        "{}, {}, {} between {points}: {unit}.",
        counted(inspection.images.len(), "image"),
        counted(inspection.layers.len(), "layer"),
        counted(inspection.matrices.len(), "distance matrix"),
    );
    let mut page = Page::new(format!("Attention topology of {title}"), lead)
        .with_style_and_script(STYLE, SCRIPT)
        .section(Section::new(
            "Simplicial complex on the image",
            viewer(inspection, &unit),
        ))
        .section(Section::new("By layer", by_layer(inspection)));
    if inspection.layers.len() > 1 {
        page = page.section(Section::new(
            "Distances between layers",
            layer_distances(inspection, comparisons),
        ));
    }
    if !inspection.heads.is_empty() {
        page = page.section(Section::new("Heads", heads(inspection, comparisons, &unit)));
    }
    page.section(Section::new(
        "Distances between images",
        images(inspection, comparisons, &unit),
    ))
    .section(Section::new(
        "Settings and files",
        settings_and_files(command, inspection, &unit),
    ))
}

/// Returns the name of the row distance, as the unit of lengths.
fn unit(inspection: &Inspection) -> String {
    let spec = &inspection.spec;
    let metric = match spec.distance.metric {
        RowMetric::JensenShannon => "Jensen-Shannon distance",
        RowMetric::Hellinger => "Hellinger distance",
        RowMetric::TotalVariation => "total variation distance",
        RowMetric::Cosine => "cosine distance",
        RowMetric::Euclidean => "Euclidean distance",
        RowMetric::Attention => "1 - max(a_ij, a_ji)",
    };
    let rows = match spec.source {
        Source::Attention => "attention rows",
        Source::DoubleSoftmax => "the softmax of attention rows",
        Source::Hidden => "hidden states",
    };
    match spec.distance.exponent {
        1.0 => format!("{metric} of {rows}"),
        exponent => format!("{metric} to the power {exponent} of {rows}"),
    }
}

/// Returns the Betti numbers and summaries of the mean of the heads, by layer.
fn by_layer(inspection: &Inspection) -> Markup {
    let n_drawn = inspection.images.len().min(MAX_DRAWN);
    html! {
        @if let Some(control) = image_control("layer_image", inspection) { (controls(&[control])) }
        @for image in 0..n_drawn {
            (shown_when(&when_image("layer_image", inspection, image), html! {
                @for dim in 0..=inspection.spec.max_homology_dim {
                    (figure(betti(inspection, image, dim), match dim {
                        0 => "Number of connected components at each diameter, for the mean of the heads.",
                        1 => "Number of cycles at each diameter, for the mean of the heads.",
                        _ => "Number of voids at each diameter, for the mean of the heads.",
                    }))
                }
                (figure(summaries(inspection, image), "For the mean of the heads of each layer: total persistence of \
                    each dimension and mean distance between two tokens, each divided by its largest value. The \
                    numbers are in summary.csv."))
            }))
        }
    }
}

/// Returns the heatmap of Betti numbers, one row for each layer.
fn betti(inspection: &Inspection, image: usize, dim: usize) -> Plot {
    let matrices: Vec<&MatrixTopology> = (0..inspection.layers.len())
        .map(|layer| inspection.matrix(image, layer, 0))
        .collect();
    // Beyond the last death the Betti numbers are constant.
    let bars = matrices.iter().flat_map(|matrix| &matrix.diagrams);
    let deaths = bars.flat_map(|diagram| diagram.finite().map(|bar| bar.death));
    let largest = deaths.fold(0.0, f64::max);
    // The middle of each cell of the heatmap.
    let diameter = |k: usize| largest * (k as f64 + 0.5) / N_BETTI as f64;
    let values = matrices
        .iter()
        .flat_map(|matrix| (0..N_BETTI).map(move |k| matrix.betti(dim, diameter(k)) as f64));
    let labels = (0..N_BETTI).map(|k| number(diameter(k)));
    let title = format!("Betti number {dim} by layer and diameter");
    let unit = "Betti number".to_owned();
    Heatmap::new(
        title,
        unit,
        layer_labels(inspection),
        labels.collect(),
        values.collect(),
    )
    .draw()
}

/// Returns the line plot of summaries, each divided by its largest value so that they share an axis.
fn summaries(inspection: &Inspection, image: usize) -> Plot {
    let series = |label: String, summary: &dyn Fn(&MatrixTopology) -> f64| {
        let layers = inspection.layers.iter().enumerate();
        let values: Vec<(f64, f64)> = layers
            .map(|(position, layer)| {
                (
                    *layer as f64,
                    summary(inspection.matrix(image, position, 0)),
                )
            })
            .collect();
        let largest = values.iter().fold(0.0_f64, |most, (_, y)| most.max(*y));
        // A line of zeros is divided by 1 and stays at 0.
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let points = values
            .into_iter()
            .map(|(x, y)| PlotPoint::new(x, y / scale));
        Series::new(
            format!("{label} (1 is {})", number(scale)),
            points.collect(),
        )
    };
    let mut plot = LinePlot::new(
        "Summaries by layer",
        "layer",
        "fraction of the largest value",
    );
    for dim in 0..=inspection.spec.max_homology_dim {
        plot = plot.series(series(
            format!("total persistence, H{dim}"),
            &move |matrix| matrix.diagrams[dim].total_persistence(),
        ));
    }
    plot.series(series("mean distance".to_owned(), &|matrix| {
        matrix.mean_distance
    }))
    // A fixed range makes the plots of different images comparable.
    .y_range([0.0, 1.0])
    .draw()
}

/// Returns the heatmaps of the distances between layers.
fn layer_distances(inspection: &Inspection, comparisons: &DiagramComparisons) -> Markup {
    let mut bar: Vec<Control> = image_control("distance_image", inspection)
        .into_iter()
        .collect();
    // There is at least one image: without any, no layers would be known.
    bar.push(metric_control("layers_metric", &comparisons.layers[0]));
    html! {
        (controls(&bar))
        @for (image, kinds) in comparisons.layers.iter().enumerate().take(MAX_DRAWN) {
            @for (index, kind) in kinds.iter().enumerate() {
                @let labels = layer_labels(inspection);
                @let when = when_image("distance_image", inspection, image).and("layers_metric", index);
                (shown_when(&when, figure(distance_heatmap(kind, labels, "layers"), "Distances between the \
                    diagrams of the means of the heads, without essential bars. A block along the diagonal stands \
                    for consecutive layers of similar topology.")))
            }
        }
    }
}

/// Returns the tables of the settings and of the files of the report.
fn settings_and_files(command: &str, inspection: &Inspection, unit: &str) -> Markup {
    let spec = &inspection.spec;
    let [rows, columns] = inspection.layout.grid;
    let settings = [
        ("Command", command.to_owned()),
        ("Distance", unit.to_owned()),
        (
            "Tokens",
            format!(
                "{rows} by {columns} patch tokens and {}; points are {}",
                counted(inspection.layout.n_prefix_tokens, "prefix token"),
                match spec.tokens {
                    Tokens::Patches => "the patch tokens",
                    Tokens::All => "all tokens",
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
            "Precision",
            format!(
                "distances and diagrams in {}, from attention in f32",
                spec.precision.name()
            ),
        ),
        (
            "Heads",
            match inspection.heads.len() {
                0 => "the mean of all heads".to_owned(),
                n => format!("the mean of all heads, and {}", counted(n, "single head")),
            },
        ),
    ];
    let mut table = Table::new(
        "Settings",
        vec![Column::text("Setting"), Column::text("Value")],
    );
    for (setting, value) in settings {
        table = table.row([setting.to_owned(), value]);
    }
    let files = [
        (
            "diagrams.npz",
            "all diagrams with their critical edges: arrays dgm0, offsets0, ...; meta_json describes the items",
        ),
        ("distances.npz", "distances between diagrams, by image"),
        ("matrices/", "distance matrices and attention"),
        (
            "summary.csv",
            "summaries of each diagram, one number per line",
        ),
        (
            "analysis.json",
            "settings, images, items and distances between images",
        ),
    ];
    let mut file_table = Table::new(
        "Files beside this page",
        vec![Column::text("File"), Column::text("Contents")],
    );
    for (file, contents) in files {
        let contents = match (file, inspection.n_matrix_files) {
            // Left out where they would be too large.
            ("matrices/", 0) => continue,
            ("matrices/", n) if n < inspection.images.len() => {
                format!("{contents} of the first {}", counted(n, "image"))
            }
            _ => contents.to_owned(),
        };
        file_table = file_table.row([file.to_owned(), contents]);
    }
    html! { (table) (file_table) }
}

/// Returns the persistent entropy of the finite bars, in nats; NaN without finite bars.
pub(super) fn persistent_entropy(matrix: &MatrixTopology, dim: usize) -> f64 {
    DiagramSummary::PersistentEntropy
        .value_and_gradient(&matrix.points(dim))
        .map_or(f64::NAN, |summary| summary.value)
}
