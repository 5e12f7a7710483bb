//! Parts that several sections of the page share.

use super::diagram_comparisons::DiagramDistances;
use super::inspection::Inspection;
use crate::report::page::{Condition, Control};
use crate::report::plot::{Heatmap, Plot};

/// Number of images that have plots of their own.
pub(super) const MAX_DRAWN: usize = 6;

/// Returns a choice of the image; `None` if there is only one.
pub(super) fn image_control(name: &str, inspection: &Inspection) -> Option<Control> {
    let images = inspection.images.iter().take(MAX_DRAWN);
    let names: Vec<String> = images.map(|image| image.name.clone()).collect();
    (names.len() > 1).then(|| Control::choice(name, "Image", names))
}

/// Returns the condition that an image is chosen in [`image_control`].
pub(super) fn when_image(name: &str, inspection: &Inspection, image: usize) -> Condition {
    // Without a choice of images, no control exists that a condition could mention.
    match inspection.images.len() {
        1 => Condition::always(),
        _ => Condition::equals(name, image),
    }
}

/// Returns the labels of the analysed layers.
pub(super) fn layer_labels(inspection: &Inspection) -> Vec<String> {
    let layers = inspection.layers.iter();
    layers.map(|layer| format!("layer {layer}")).collect()
}

/// Returns a choice of homology dimension and metric.
pub(super) fn metric_control(name: &str, distances: &[DiagramDistances]) -> Control {
    let options = distances
        .iter()
        .map(|distances| format!("H{}, {}", distances.homology_dim, distances.metric.title()));
    Control::choice(name, "Distance", options)
}

/// Returns the heatmap of pairwise distances.
pub(super) fn distance_heatmap(
    distances: &DiagramDistances,
    labels: Vec<String>,
    noun: &str,
) -> Plot {
    let title = format!(
        "{} distance between {noun}, H{}",
        capitalized(distances.metric.title()),
        distances.homology_dim
    );
    let unit = "ground norm L-infinity".to_owned();
    Heatmap::new(
        title,
        unit,
        labels.clone(),
        labels,
        distances.values.clone(),
    )
    .draw()
}

/// Returns the text with its first letter in upper case.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
