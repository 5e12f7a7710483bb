//! The part of the page that is drawn while it is looked at.

use maud::{Markup, PreEscaped, html};
use serde_json::json;

use super::inspection::Inspection;
use super::pack::N_STOPS;
use crate::loss::Source;
use crate::nn::Tokens;
use crate::report::page::{Control, PixelImage, Steps, controls};
use crate::report::plot::VIRIDIS;

pub(super) const STYLE: &str = include_str!("viewer.css");
pub(super) const SCRIPT: &str = include_str!("viewer.js");

const MILLISECONDS_PER_STOP: u32 = 60;
/// Width of the pictures where no script draws over them.
const PICTURE_WIDTH: u32 = 320;

/// The pictures with the complex over them, the points in space, and the bars, with their data.
pub(super) fn viewer(inspection: &Inspection, unit: &str) -> Markup {
    let pictures = inspection.pictures.iter();
    let names = pictures.map(|picture| match &*picture.said {
        "" => picture.name.clone(),
        said => format!("{}: {said}", picture.name),
    });
    let layers = inspection.layers.iter().map(|layer| layer.to_string());
    let first = match inspection.spec.source {
        Source::Hidden => "tokens",
        Source::Attention | Source::DoubleSoftmax => "mean",
    };
    let heads = inspection.heads.iter().map(|head| head.to_string());
    let heads: Vec<String> = std::iter::once(first.to_owned()).chain(heads).collect();
    let n_dims = 1 + inspection.spec.max_homology_dim;
    let overlays = ["1-skeleton", "attention of a token", "likeness to a token"];
    let n_overlays = match inspection.cosines.iter().any(Option::is_some) {
        true => 3,
        false => 2,
    };
    let mut bar = Vec::new();
    let mut choice = |name, label, options: Vec<String>| {
        if options.len() > 1 {
            bar.push(Control::choice(name, label, options));
        }
    };
    choice("picture", "Picture", names.collect());
    choice("layer", "Layer", layers.collect());
    choice("head", "Head", heads);
    let overlays = overlays[..n_overlays].iter();
    choice(
        "over",
        "Drawn",
        overlays.map(|name| (*name).to_owned()).collect(),
    );
    // Cycles first: they are what one comes to see.
    let dims = (0..n_dims).map(|dim| format!("H{}", dim_of(dim, n_dims)));
    choice("bars", "Bars", dims.collect());
    bar.push(Control::range("scale", "Scale", Steps::Fixed(N_STOPS)).played(MILLISECONDS_PER_STOP));
    html! {
        (controls(&bar))
        div.looking id="looking" {
            noscript { p.missing { "What follows is drawn by a script." } }
            p.state id="state" {}
            p.state id="chosen" aria-live="polite" { "No bar is chosen." }
            (drawing("over_picture", "The picture with the patch grid as the model sees it, and the 1-skeleton at \
                the scale over it: components in colours, triangles faint, isolated vertices as rings. Click a \
                patch, or move with the arrow keys, to choose a token."))
            (drawing("in_space", "The same points in space by classical multidimensional scaling: near where their \
                distances are small. Drag, or use the arrow keys, to turn."))
            (drawing("as_bars", "The bars, birth to death; the line is the scale. Choose one by clicking, or with the \
                up and down keys: its birth edge (orange, solid), death edge (blue, dashed) and a cycle (green) are \
                drawn above. Escape lets go."))
            (drawing("as_points", "Births (across) and deaths (up) of the same bars; those that never die lie at the \
                top. Click one to choose it."))
        }
        p.note {
            "Stops of the scale run from before the shortest edge to the last birth or death, closer together where \
             births and deaths crowd; an edge enters at the first stop that reaches it. The cycle of a bar is its \
             birth edge, closed by the shortest path of earlier edges: one of many that represent its class, and \
             not always the tightest. Unit: " (unit) "."
        }
        div hidden id="pictures" {
            @for picture in &inspection.pictures {
                (PixelImage {
                    pixels: &picture.pixels,
                    shape: picture.shape,
                    alt: &picture.name,
                    width: PICTURE_WIDTH,
                })
            }
        }
        (data(inspection))
    }
}

/// Homology dimension of an option.
fn dim_of(option: usize, n_dims: usize) -> usize {
    match (option, n_dims) {
        (0, 2..) => 1,
        (1, 2..) => 0,
        _ => option,
    }
}

fn drawing(id: &str, text: &str) -> Markup {
    html! {
        figure {
            canvas id=(id) tabindex="0" role="img" aria-label=(text) {}
            figcaption { (text) }
        }
    }
}

fn data(inspection: &Inspection) -> Markup {
    let n_dims = 1 + inspection.spec.max_homology_dim;
    let dims: Vec<usize> = (0..n_dims).map(|option| dim_of(option, n_dims)).collect();
    let setup = json!({
        "grid": inspection.layout.grid,
        "prefix": inspection.layout.n_prefix_tokens,
        "allTokens": inspection.spec.tokens == Tokens::All,
        "layers": inspection.layers.len(),
        "views": 1 + inspection.heads.len(),
        "stops": N_STOPS,
        "dims": dims,
        "colors": VIRIDIS,
    });
    // Only base64 and JSON of numbers and of the words above: nothing that could end the element.
    html! {
        script type="application/json" id="setup" { (PreEscaped(setup.to_string())) }
        @for (index, packed) in inspection.packed.iter().enumerate() {
            @if let Some(packed) = packed {
                script type="text/plain" data-item=(index) { (PreEscaped(packed)) }
            }
        }
        @for (index, packed) in inspection.cosines.iter().enumerate() {
            @if let Some(packed) = packed {
                script type="text/plain" data-cosines=(index) { (PreEscaped(packed)) }
            }
        }
    }
}
