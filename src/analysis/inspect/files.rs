//! Files of the report, for people and for other programs.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::diagram_comparisons::{DiagramComparisons, DiagramDistances};
use super::image_pairs::Spread;
use super::inspection::Inspection;
use super::matrix_topology::MatrixTopology;
use super::page::{page, persistent_entropy};
use crate::error::Result;
use crate::report::{Npz, csv_field, encode_diagrams};
use crate::run::OutputDirectory;
use crate::topology::Diagram;

/// Size of the page and time taken by [`write_report`].
#[derive(Debug, Clone, Copy)]
pub struct WrittenReport {
    /// Size of the page in bytes.
    pub page_bytes: usize,
    /// Time to draw the page and to write all files.
    pub elapsed: Duration,
}

/// Writes `report.html`, `diagrams.npz`, `distances.npz`, `summary.csv` and `analysis.json`, beside the files of matrices
/// that the inspection has written into the same directory, and puts all of them in place of an earlier report.
///
/// `title` names the model and `command` is the command line that made the report.
///
/// # Errors
///
/// The errors of [`OutputDirectory`].
pub fn write_report(
    output: OutputDirectory,
    title: &str,
    command: &str,
    inspection: &Inspection,
    comparisons: &DiagramComparisons,
) -> Result<WrittenReport> {
    let started = Instant::now();
    let analysis = json(title, command, inspection, comparisons);
    // The keys of a JSON value are strings, and memory does not refuse a write: this cannot fail.
    let text = |value: &Value| {
        serde_json::to_vec_pretty(value).expect("JSON values can always be written")
    };
    output.write("analysis.json", &text(&analysis))?;
    let meta = json!({ "items": analysis["items"], "settings": analysis["settings"] });
    let diagrams: Vec<Vec<Diagram<f64>>> = inspection
        .matrices
        .iter()
        .map(|matrix| matrix.diagrams.clone())
        .collect();
    let archive = encode_diagrams(&diagrams, &meta.to_string())
        .map_err(|error| error.within("diagrams.npz"))?;
    output.write("diagrams.npz", &archive)?;
    output.write("distances.npz", &distances(inspection, comparisons)?)?;
    output.write("summary.csv", summary(inspection).as_bytes())?;
    let page = page(title, command, inspection, comparisons).to_html();
    output.write("report.html", page.as_bytes())?;
    output.finish()?;
    Ok(WrittenReport {
        page_bytes: page.len(),
        elapsed: started.elapsed(),
    })
}

/// Encodes the pairwise distances as an NPZ archive.
///
/// ```text
/// layers_<metric>_h<dim>   [n_images, n_layers, n_layers]
/// heads_<metric>_h<dim>    [first images, n_layers * n_heads, n_layers * n_heads]
/// ```
fn distances(inspection: &Inspection, comparisons: &DiagramComparisons) -> Result<Vec<u8>> {
    let mut archive = Npz::default();
    let n_layers = inspection.layers.len();
    let n_heads = n_layers * inspection.heads.len();
    for (prefix, images, side) in [
        ("layers", &comparisons.layers, n_layers),
        ("heads", &comparisons.heads, n_heads),
    ] {
        // All images have the same kinds in the same order, so the first one names them.
        let kinds = images.first().map_or(0, Vec::len);
        for kind in 0..kinds {
            let DiagramDistances {
                metric,
                homology_dim,
                ..
            } = images[0][kind];
            let name = format!("{prefix}_{}_h{homology_dim}", metric.name());
            let values = images.iter().flat_map(|kinds| &kinds[kind].values);
            archive.add(&name, &[images.len(), side, side], values.copied())?;
        }
    }
    archive.finish()
}

/// Returns the named summaries of the diagram of one homology dimension.
fn diagram_summaries(matrix: &MatrixTopology, dim: usize) -> [(&'static str, f64); 4] {
    let diagram = &matrix.diagrams[dim];
    [
        ("n_bars", diagram.bars.len() as f64),
        ("total_persistence", diagram.total_persistence()),
        ("largest_persistence", diagram.largest_persistence()),
        ("persistent_entropy", persistent_entropy(matrix, dim)),
    ]
}

/// Writes all summaries as CSV, one number per line.
fn summary(inspection: &Inspection) -> String {
    let mut text = "image,name,layer,head,homology_dim,metric,value\n".to_owned();
    for matrix in &inspection.matrices {
        let index = matrix.index;
        let head = index
            .head
            .map_or("mean".to_owned(), |head| head.to_string());
        let name = csv_field(&inspection.images[index.image].name);
        let start = format!("{},{name},{},{head}", index.image, index.layer);
        let matrix_summaries = [
            ("mean_distance", Some(matrix.mean_distance)),
            ("enclosing_radius", Some(matrix.enclosing_radius)),
            ("row_entropy", matrix.entropy),
        ];
        for (metric, value) in matrix_summaries {
            if let Some(value) = value {
                // Here and below: writing to a `String` cannot fail.
                let _ = writeln!(text, "{start},,{metric},{value}");
            }
        }
        for dim in 0..matrix.diagrams.len() {
            for (metric, value) in diagram_summaries(matrix, dim) {
                let _ = writeln!(text, "{start},{dim},{metric},{value}");
            }
        }
    }
    text
}

/// Returns the settings, images and comparisons between images, for `analysis.json`.
fn json(
    title: &str,
    command: &str,
    inspection: &Inspection,
    comparisons: &DiagramComparisons,
) -> Value {
    let spec = &inspection.spec;
    let items = inspection.matrices.iter().map(|matrix| {
        let index = matrix.index;
        json!({ "image": index.image, "layer": index.layer, "head": index.head })
    });
    let images = inspection.images.iter().map(|image| {
        json!({
            "name": image.name,
            "clip": image.clip,
            "label": image.label,
            "class": (!image.class.is_empty()).then_some(&image.class),
            "prediction": image.prediction,
            "perturbation": image.perturbation.as_ref().map(|perturbation| json!({
                "original_clip": perturbation.original_clip,
                "description": perturbation.description,
            })),
        })
    });
    let between_images = comparisons.images.iter().map(|comparison| {
        let curves = comparison.curves.iter().map(|curve| {
            let column = |value: fn(&Spread) -> f64| -> Vec<f64> {
                curve.by_layer.iter().map(value).collect()
            };
            json!({
                "title": curve.title,
                "n_pairs": curve.n_pairs,
                "least": column(|spread| spread.least),
                "mean": column(|spread| spread.mean),
                "largest": column(|spread| spread.largest),
                "by_head": curve.by_head,
            })
        });
        json!({
            "metric": comparison.metric.name(),
            "homology_dim": comparison.homology_dim,
            "by_layer": curves.collect::<Vec<_>>(),
        })
    });
    json!({
        "model": title,
        "command": command,
        "settings": {
            "source": spec.source_name(),
            "distance": format!("{:?}", spec.distance.metric),
            "exponent": spec.distance.exponent,
            "tokens": format!("{:?}", spec.tokens).to_lowercase(),
            "max_homology_dim": spec.max_homology_dim,
            "precision": spec.precision.name(),
            "layers": inspection.layers,
            "heads": inspection.heads,
            "grid": inspection.layout.grid,
            "n_prefix_tokens": inspection.layout.n_prefix_tokens,
            "n_matrix_files": inspection.n_matrix_files,
            "n_drawn_matrices": inspection.n_shown(),
        },
        "images": images.collect::<Vec<_>>(),
        "items": items.collect::<Vec<_>>(),
        "between_images": between_images.collect::<Vec<_>>(),
    })
}
