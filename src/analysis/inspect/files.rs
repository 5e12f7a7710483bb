//! What lies beside the page: numbers for other programs.

use std::fmt::{Display, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::compare::{Comparisons, DiagramDistances};
use super::inspection::Inspection;
use super::item::Item;
use super::page::{page, persistent_entropy};
use crate::report::{Npz, csv_field, encode_diagrams};
use crate::run::write_atomically;
use crate::topology::Diagram;

/// What was written.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// Bytes of the page.
    pub page_bytes: usize,
    /// Time it took to draw the page and to write everything.
    pub writing: Duration,
}

/// Writes `report.html`, `diagrams.npz`, `distances.npz`, `summary.csv` and `analysis.json`.
///
/// # Errors
///
/// One sentence if a file cannot be written.
pub fn write_report(
    directory: &Path,
    [title, command]: [&str; 2],
    inspection: &Inspection,
    comparisons: &Comparisons,
) -> Result<Written, String> {
    let started = Instant::now();
    std::fs::create_dir_all(directory).map_err(cannot_write(directory))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        write_atomically(&path, bytes).map_err(cannot_write(&path))
    };
    let analysis = json(title, command, inspection, comparisons);
    let text = |value: &Value| serde_json::to_vec_pretty(value).expect("numbers can be written");
    write("analysis.json", &text(&analysis))?;
    let meta = json!({ "items": analysis["items"], "settings": analysis["settings"] });
    let diagrams: Vec<Vec<Diagram<f64>>> = inspection
        .items
        .iter()
        .map(|item| item.diagrams.clone())
        .collect();
    let in_diagrams = |error| format!("{}: {error}", directory.join("diagrams.npz").display());
    let archive = encode_diagrams(&diagrams, &meta.to_string()).map_err(in_diagrams)?;
    write("diagrams.npz", &archive)?;
    write("distances.npz", &distances(inspection, comparisons)?)?;
    write("summary.csv", summary(inspection).as_bytes())?;
    let page = page(title, command, inspection, comparisons).to_html();
    write("report.html", page.as_bytes())?;
    Ok(Written {
        page_bytes: page.len(),
        writing: started.elapsed(),
    })
}

fn cannot_write<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: cannot be written: {error}", path.display())
}

/// `layers_wasserstein_h0` and the like: `[n_pictures, n_layers, n_layers]`; `heads_...`: of the first
/// pictures, `[n_pictures, n_layers * n_heads, n_layers * n_heads]`.
fn distances(inspection: &Inspection, comparisons: &Comparisons) -> Result<Vec<u8>, String> {
    let mut archive = Npz::default();
    let n_layers = inspection.layers.len();
    let sides = [n_layers, n_layers * inspection.heads.len()];
    let all = [
        ("layers", &comparisons.layers),
        ("heads", &comparisons.heads),
    ];
    for ((of, pictures), side) in all.into_iter().zip(sides) {
        let kinds = pictures.first().map_or(0, Vec::len);
        for kind in 0..kinds {
            let DiagramDistances {
                comparer,
                homology_dim,
                ..
            } = pictures[0][kind];
            let name = format!("{of}_{}_h{homology_dim}", comparer.name());
            let values = pictures.iter().flat_map(|kinds| &kinds[kind].values);
            archive.add(&name, &[pictures.len(), side, side], values.copied())?;
        }
    }
    archive.finish()
}

/// By name, the numbers of an item's diagram of a dimension.
fn numbers(item: &Item, dim: usize) -> [(&'static str, f64); 4] {
    let diagram = &item.diagrams[dim];
    [
        ("n_bars", diagram.bars.len() as f64),
        ("total_persistence", diagram.total_persistence()),
        ("largest_persistence", diagram.largest_persistence()),
        ("persistent_entropy", persistent_entropy(item, dim)),
    ]
}

/// Long form: one number a line.
fn summary(inspection: &Inspection) -> String {
    let mut text = "picture,name,layer,head,homology_dim,metric,value\n".to_owned();
    for item in &inspection.items {
        let place = item.place;
        let head = place
            .head
            .map_or("mean".to_owned(), |head| head.to_string());
        let name = csv_field(&inspection.pictures[place.picture].name);
        let start = format!("{},{name},{},{head}", place.picture, place.layer);
        let whole = [
            ("mean_distance", Some(item.mean_distance)),
            ("enclosing_radius", Some(item.enclosing_radius)),
            ("row_entropy", item.entropy),
        ];
        for (metric, value) in whole {
            if let Some(value) = value {
                let _ = writeln!(text, "{start},,{metric},{value}");
            }
        }
        for dim in 0..item.diagrams.len() {
            for (metric, value) in numbers(item, dim) {
                let _ = writeln!(text, "{start},{dim},{metric},{value}");
            }
        }
    }
    text
}

fn json(title: &str, command: &str, inspection: &Inspection, comparisons: &Comparisons) -> Value {
    let spec = &inspection.spec;
    let items = inspection.items.iter().map(|item| {
        let place = item.place;
        json!({ "picture": place.picture, "layer": place.layer, "head": place.head })
    });
    let pictures = inspection.pictures.iter().map(|picture| {
        json!({
            "name": picture.name,
            "clip": picture.clip,
            "label": picture.label,
            "said": picture.said,
            "change": picture.change.as_ref().map(|change| json!({ "of": change.of, "by": change.by })),
        })
    });
    let compared = comparisons.pictures.iter().map(|(comparer, dim, curves)| {
        let curves = curves.iter().map(|curve| {
            let column = |place: usize| -> Vec<f64> {
                curve.by_layer.iter().map(|spread| spread[place]).collect()
            };
            json!({
                "title": curve.title,
                "n_pairs": curve.n_pairs,
                "least": column(0),
                "mean": column(1),
                "largest": column(2),
                "by_head": curve.by_head,
            })
        });
        json!({
            "comparer": comparer.name(),
            "homology_dim": dim,
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
            "layers": inspection.layers,
            "heads": inspection.heads,
            "grid": inspection.layout.grid,
            "n_prefix_tokens": inspection.layout.n_prefix_tokens,
        },
        "pictures": pictures.collect::<Vec<_>>(),
        "items": items.collect::<Vec<_>>(),
        "between_pictures": compared.collect::<Vec<_>>(),
    })
}
