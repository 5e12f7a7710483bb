//! What sections of the page have in common.

use super::compare::DiagramDistances;
use super::inspection::Inspection;
use crate::report::page::{Condition, Control};
use crate::report::plot::{Heatmap, Plot};

/// Pictures with plots of their own.
pub(super) const MAX_DRAWN: usize = 6;

pub(super) fn picture_control(name: &str, inspection: &Inspection) -> Option<Control> {
    let pictures = inspection.pictures.iter().take(MAX_DRAWN);
    let names: Vec<String> = pictures.map(|picture| picture.name.clone()).collect();
    (names.len() > 1).then(|| Control::choice(name, "Picture", names))
}

pub(super) fn when_picture(name: &str, inspection: &Inspection, picture: usize) -> Condition {
    match inspection.pictures.len() {
        1 => Condition::always(),
        _ => Condition::of(name, picture),
    }
}

pub(super) fn layer_labels(inspection: &Inspection) -> Vec<String> {
    let layers = inspection.layers.iter();
    layers.map(|layer| format!("layer {layer}")).collect()
}

pub(super) fn kinds_control(name: &str, of: &[DiagramDistances]) -> Control {
    let kinds = of.iter();
    let kinds = kinds.map(|kind| format!("H{}, {}", kind.homology_dim, kind.comparer.title()));
    Control::choice(name, "Compared", kinds)
}

pub(super) fn distances(kind: &DiagramDistances, labels: Vec<String>, of: &str) -> Plot {
    let title = format!(
        "{} distance between {of}, H{}",
        capitalized(kind.comparer.title()),
        kind.homology_dim
    );
    let unit = "ground norm L-infinity".to_owned();
    Heatmap::new(title, unit, labels.clone(), labels, kind.values.clone()).draw()
}

pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
