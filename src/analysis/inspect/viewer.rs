//! The interactive part of the page, which a script draws from data in the page.

use maud::{Markup, PreEscaped, html};
use serde_json::json;

use super::inspection::Inspection;
use super::page_data::{MAX_CYCLES, MAX_EDGES, N_STOPS};
use crate::loss::Source;
use crate::nn::Tokens;
use crate::report::page::{Control, PixelImage, Steps, controls};
use crate::report::plot::VIRIDIS;

/// Style sheet of the viewer.
pub(super) const STYLE: &str = include_str!("viewer.css");
/// Script of the viewer.
pub(super) const SCRIPT: &str = include_str!("viewer.js");

/// Time between two positions of the diameter slider while it plays.
const MILLISECONDS_PER_STOP: u32 = 60;
/// Width of the images without the script, in pixels.
const IMAGE_WIDTH: u32 = 320;

/// Returns the controls, canvases and data: the complex on the image, the points in space, the bars and the diagram.
pub(super) fn viewer(inspection: &Inspection, unit: &str) -> Markup {
    html! {
        (controls(&viewer_controls(inspection)))
        div.viewer id="viewer" {
            noscript { p.missing { "The drawings below need JavaScript." } }
            p.state id="state" {}
            p.state id="selected" aria-live="polite" { "No bar is selected." }
            (drawing("over_image", "Image with its grid of patches and the 1-skeleton at the chosen diameter. Components \
                have different colours, triangles are faint, isolated vertices are rings. Click a patch or use the \
                arrow keys to select a token."))
            (drawing("in_space", "The same points in three dimensions, by classical multidimensional scaling: close \
                points have a small distance. Drag or use the arrow keys to rotate."))
            (drawing("as_bars", "Bars from birth to death; the vertical line is the chosen diameter. Click a bar or use the up \
                and down keys to select it. Its birth edge (orange, solid), death edge (blue, dashed) and \
                representative cycle (green) are then drawn above. Escape clears the selection."))
            (drawing("as_points", "Persistence diagram of the same bars: births on the horizontal axis, deaths on the \
                vertical axis, essential bars at the top. Click a point to select it."))
        }
        p.note {
            "The diameter runs from below the shortest edge to the largest birth or death. Its steps are smaller where \
             births and deaths are dense, and an edge appears at the first step that reaches its length. The \
             representative cycle of a bar is its birth edge, closed by the shortest path of earlier edges. It is one of \
             many cycles of the same homology class, and not always the shortest; it is shown for the " (MAX_CYCLES)
            " longest bars. Of a complex with more than " (MAX_EDGES) " edges only the minimum spanning tree is drawn. Unit \
             of lengths: " (unit) "."
        }
        div hidden id="images" {
            @for image in &inspection.images {
                (PixelImage {
                    pixels: &image.pixels,
                    shape: image.shape,
                    alt: &image.name,
                    width: IMAGE_WIDTH,
                })
            }
        }
        (data(inspection))
    }
}

/// Returns the choices of the matrix, the overlay and the bars, and the slider of diameters. Choices with one option
/// are left out.
fn viewer_controls(inspection: &Inspection) -> Vec<Control> {
    let names = inspection.images.iter().map(|image| {
        if image.prediction.is_empty() {
            image.name.clone()
        } else {
            format!("{}: {}", image.name, image.prediction)
        }
    });
    let layers = inspection.layers.iter().map(|layer| layer.to_string());
    // Hidden states have no heads; their only matrix stands where the mean of the heads is otherwise.
    let first = match inspection.spec.source {
        Source::Hidden => "tokens",
        Source::Attention | Source::DoubleSoftmax => "mean",
    };
    let heads = inspection.heads.iter().map(|head| head.to_string());
    let heads: Vec<String> = std::iter::once(first.to_owned()).chain(heads).collect();
    let n_dims = 1 + inspection.spec.max_homology_dim;
    let overlays = [
        "1-skeleton",
        "attention of a token",
        "similarity to a token",
    ];
    let has_cosines = inspection.cosines.iter().any(Option::is_some);
    let n_overlays = if has_cosines { 3 } else { 2 };
    let mut bar = Vec::new();
    let mut add_choice = |name, label, options: Vec<String>| {
        if options.len() > 1 {
            bar.push(Control::choice(name, label, options));
        }
    };
    add_choice("image", "Image", names.collect());
    add_choice("layer", "Layer", layers.collect());
    add_choice("head", "Head", heads);
    let overlays = overlays[..n_overlays].iter();
    add_choice(
        "overlay",
        "Overlay",
        overlays.map(|name| (*name).to_owned()).collect(),
    );
    // Cycles come first because they are the most informative.
    let dims = (0..n_dims).map(|option| format!("H{}", dim_of_option(option, n_dims)));
    add_choice("bars", "Bars", dims.collect());
    bar.push(
        Control::range("diameter", "Diameter", Steps::Fixed(N_STOPS))
            .with_play_button(MILLISECONDS_PER_STOP),
    );
    bar
}

/// Returns the homology dimension of an option of the choice of bars: 1 and 0 are swapped.
fn dim_of_option(option: usize, n_dims: usize) -> usize {
    match (option, n_dims) {
        (0, 2..) => 1,
        (1, 2..) => 0,
        _ => option,
    }
}

/// Returns a canvas that can be focused, with its description as label and caption.
fn drawing(id: &str, text: &str) -> Markup {
    html! {
        figure {
            canvas id=(id) tabindex="0" role="img" aria-label=(text) {}
            figcaption { (text) }
        }
    }
}

/// Returns the data for the script: settings as JSON, matrices and cosines as base64.
fn data(inspection: &Inspection) -> Markup {
    let n_dims = 1 + inspection.spec.max_homology_dim;
    let dims: Vec<usize> = (0..n_dims)
        .map(|option| dim_of_option(option, n_dims))
        .collect();
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
    // Base64 and JSON of numbers and fixed names contain nothing that could end the script element.
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
