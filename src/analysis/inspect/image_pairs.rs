//! Distances between the diagrams of two images, layer by layer and head by head, and their null distribution.

use rayon::prelude::*;

use super::cost::{MAX_HEAD_PAIRS, MAX_PAIRED};
use super::diagram_metric::DiagramMetric;
use super::forward_pass::InspectedImage;
use super::inspection::Inspection;
use super::matrix_topology::{MatrixTopology, ShuffledDistances};
use crate::error::Result;
use crate::mean::mean;

/// Distances between the images of one kind of pair, by layer and by head.
#[derive(Debug, Clone, PartialEq)]
pub struct PairCurve {
    /// Displayed name of the kind of pair.
    pub title: String,
    /// Number of pairs.
    pub n_pairs: usize,
    /// Distances between the diagrams of the means of the heads, by layer.
    pub by_layer: Vec<Spread>,
    /// Mean distance between the diagrams of the same head, `[n_layers, n_heads]`, over the first pairs; empty for
    /// shuffled rows and without heads.
    pub by_head: Vec<f64>,
}

/// Smallest, mean and largest of some distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Smallest distance.
    pub least: f64,
    /// Mean distance.
    pub mean: f64,
    /// Largest distance.
    pub largest: f64,
}

impl Spread {
    fn new(values: &[f64]) -> Self {
        Self {
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            mean: mean(values.iter().copied()).unwrap_or(f64::NAN),
            largest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// Pairs of images, as positions in the list of images, that are related in the same way.
#[derive(Debug, PartialEq)]
struct PairKind {
    title: String,
    pairs: Vec<(usize, usize)>,
}

/// Computes the distances for every kind of pair; the last curve compares each unperturbed image with its own
/// shuffled rows. Calls `add` with numbers of distances that are done.
pub(super) fn pair_curves(
    inspection: &Inspection,
    metric: DiagramMetric,
    dim: usize,
    add: &(dyn Fn(usize) + Sync),
) -> Result<Vec<PairCurve>> {
    // The number of pairs grows with the square of the number of images.
    let images = &inspection.images[..inspection.images.len().min(MAX_PAIRED)];
    let mut curves = pair_kinds(images)
        .into_iter()
        .map(|kind| pair_curve(inspection, metric, dim, kind, add))
        .collect::<Result<Vec<_>>>()?;
    curves.push(shuffled_curve(inspection, metric, dim, images));
    Ok(curves)
}

fn distance(
    metric: DiagramMetric,
    dim: usize,
    a: &MatrixTopology,
    b: &MatrixTopology,
) -> Result<f64> {
    metric.distance(&a.points(dim), &b.points(dim))
}

/// Returns the distances for one kind of pair.
fn pair_curve(
    inspection: &Inspection,
    metric: DiagramMetric,
    dim: usize,
    PairKind { title, pairs }: PairKind,
    add: &(dyn Fn(usize) + Sync),
) -> Result<PairCurve> {
    let n_layers = inspection.layers.len();
    let between = |(i, j): (usize, usize), layer: usize, head: usize| {
        distance(
            metric,
            dim,
            inspection.matrix(i, layer, head),
            inspection.matrix(j, layer, head),
        )
    };
    let by_layer = (0..n_layers)
        .map(|layer| {
            let distances: Vec<f64> = pairs
                .par_iter()
                .map(|&pair| between(pair, layer, 0))
                .collect::<Result<_>>()?;
            add(distances.len());
            Ok(Spread::new(&distances))
        })
        .collect::<Result<_>>()?;
    // Not empty, so that the mean below is defined: kinds without pairs were left out.
    let head_pairs = &pairs[..pairs.len().min(MAX_HEAD_PAIRS)];
    let layers_and_heads: Vec<(usize, usize)> = (0..n_layers)
        .flat_map(|layer| (1..=inspection.heads.len()).map(move |head| (layer, head)))
        .collect();
    let by_head = layers_and_heads
        .par_iter()
        .map(|&(layer, head)| {
            let distances: Vec<f64> = head_pairs
                .iter()
                .map(|&pair| between(pair, layer, head))
                .collect::<Result<_>>()?;
            add(distances.len());
            Ok(mean(distances).unwrap_or(f64::NAN))
        })
        .collect::<Result<_>>()?;
    Ok(PairCurve {
        title,
        n_pairs: pairs.len(),
        by_layer,
        by_head,
    })
}

/// Returns the distances between each unperturbed image and its shuffled copies.
fn shuffled_curve(
    inspection: &Inspection,
    metric: DiagramMetric,
    dim: usize,
    images: &[InspectedImage],
) -> PairCurve {
    let n_layers = inspection.layers.len();
    let unperturbed: Vec<usize> = (0..images.len())
        .filter(|&image| images[image].perturbation.is_none())
        .collect();
    let is_wanted = |kind: &&ShuffledDistances| (kind.metric, kind.homology_dim) == (metric, dim);
    let by_layer = (0..n_layers).map(|layer| {
        let by_image = unperturbed
            .iter()
            .map(|image| &inspection.shuffled[image * n_layers + layer]);
        let kinds = by_image.flat_map(|kinds| kinds.iter().find(is_wanted));
        let distances: Vec<f64> = kinds.flat_map(|kind| kind.values.iter().copied()).collect();
        Spread::new(&distances)
    });
    PairCurve {
        title: "an image and its shuffled rows".to_owned(),
        n_pairs: unperturbed.len() * inspection.n_shuffles(),
        by_layer: by_layer.collect(),
        by_head: Vec::new(),
    }
}

/// Groups all pairs by kind, perturbations first in the order of the images. A perturbed image is paired only with
/// its original.
fn pair_kinds(images: &[InspectedImage]) -> Vec<PairKind> {
    // The order of the titles is that of the curves in the report.
    let mut titles: Vec<String> = Vec::new();
    let perturbations = images
        .iter()
        .filter_map(|image| image.perturbation.as_ref());
    for title in perturbations.map(|perturbation| before_and_after(&perturbation.description)) {
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    let others = [
        "a frame and the next",
        "frames further apart",
        "images of one class",
        "images of two classes",
        "two images",
    ];
    titles.extend(others.map(str::to_owned));
    let mut kinds: Vec<PairKind> = titles
        .into_iter()
        .map(|title| PairKind {
            title,
            pairs: Vec::new(),
        })
        .collect();
    for j in 0..images.len() {
        for i in 0..j {
            let Some(title) = pair_title(images, i, j) else {
                continue;
            };
            if let Some(kind) = kinds.iter_mut().find(|kind| kind.title == title) {
                kind.pairs.push((i, j));
            }
        }
    }
    kinds.retain(|kind| !kind.pairs.is_empty());
    kinds
}

fn before_and_after(perturbation: &str) -> String {
    format!("before and after {perturbation}")
}

/// Returns the kind of the pair of images `i < j`; `None` if they are not compared.
fn pair_title(images: &[InspectedImage], i: usize, j: usize) -> Option<String> {
    let (a, b) = (&images[i], &images[j]);
    let frame_in_clip = |index: usize| {
        images[..index]
            .iter()
            .filter(|other| other.clip == images[index].clip)
            .count()
    };
    // An original comes before its perturbed copies, so it can only be the first of a pair.
    let title = match (&a.perturbation, &b.perturbation) {
        (None, Some(perturbation))
            if perturbation.original_clip == a.clip && frame_in_clip(i) == frame_in_clip(j) =>
        {
            return Some(before_and_after(&perturbation.description));
        }
        (None, None) if a.clip == b.clip && j == i + 1 => "a frame and the next",
        (None, None) if a.clip == b.clip => "frames further apart",
        (None, None) => match (a.label, b.label) {
            (Some(a), Some(b)) if a == b => "images of one class",
            (Some(_), Some(_)) => "images of two classes",
            _ => "two images",
        },
        // Two perturbed images, or one with the original of another.
        _ => return None,
    };
    Some(title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::forward_pass::AppliedPerturbation;
    use super::*;

    fn image(clip: usize, label: Option<usize>, original: Option<usize>) -> InspectedImage {
        InspectedImage {
            name: String::new(),
            pixels: Vec::new(),
            shape: [1, 0, 0],
            label,
            class: String::new(),
            prediction: String::new(),
            clip,
            perturbation: original.map(|original_clip| AppliedPerturbation {
                original_clip,
                description: "PGD".to_owned(),
            }),
        }
    }

    fn kind(title: &str, pairs: &[(usize, usize)]) -> PairKind {
        PairKind {
            title: title.to_owned(),
            pairs: pairs.to_vec(),
        }
    }

    #[test]
    fn a_perturbed_image_is_paired_only_with_its_original() {
        let images = [
            image(0, Some(3), None),
            image(1, Some(3), Some(0)),
            image(2, Some(4), None),
            image(3, Some(4), Some(2)),
            image(4, Some(3), None),
        ];
        assert_eq!(
            pair_kinds(&images),
            [
                kind("before and after PGD", &[(0, 1), (2, 3)]),
                kind("images of one class", &[(0, 4)]),
                kind("images of two classes", &[(0, 2), (2, 4)]),
            ]
        );
    }

    #[test]
    fn frames_of_a_perturbed_clip_are_paired_one_by_one() {
        let clip = |clip, original| [image(clip, None, original), image(clip, None, original)];
        let images = [clip(0, None), clip(1, Some(0))].concat();
        assert_eq!(
            pair_kinds(&images),
            [
                kind("before and after PGD", &[(0, 2), (1, 3)]),
                kind("a frame and the next", &[(0, 1)]),
            ]
        );
    }
}
