//! Distances between the diagrams of two pictures, layer by layer and head by head, and a null.

use rayon::prelude::*;

use super::compare::Comparer;
use super::inspection::{Inspection, N_SHUFFLES};
use super::item::Item;
use super::seen::Picture;
use crate::error::Result;

/// Pictures that are compared with each other.
const MAX_PAIRED: usize = 32;

/// Pairs of which the heads are compared too.
pub(super) const MAX_HEAD_PAIRS: usize = 8;

/// How far apart pictures are in each layer.
#[derive(Debug, Clone, PartialEq)]
pub struct PairCurve {
    /// Which pairs.
    pub title: String,
    /// Number of pairs.
    pub n_pairs: usize,
    /// By layer: least, mean and largest distance between the diagrams of the means of the heads.
    pub by_layer: Vec<[f64; 3]>,
    /// `[n_layers, n_heads]`: mean distance of a head from itself on the other picture, over the first pairs; empty
    /// for the null, and without heads.
    pub by_head: Vec<f64>,
}

/// Pairs of pictures by what they have in common, and every picture that was not changed with its own shuffles.
pub(super) fn pair_curves(
    inspection: &Inspection,
    comparer: Comparer,
    dim: usize,
) -> Result<Vec<PairCurve>> {
    let pictures = &inspection.pictures[..inspection.pictures.len().min(MAX_PAIRED)];
    let n_layers = inspection.layers.len();
    let distance = |a: &Item, b: &Item| comparer.distance(&a.points(dim), &b.points(dim));
    let mut curves = Vec::new();
    for (title, pairs) in kinds(pictures) {
        let by_layer = (0..n_layers).map(|layer| {
            let distances = pairs.par_iter().map(|&(i, j)| {
                distance(inspection.item(i, layer, 0), inspection.item(j, layer, 0))
            });
            Ok(spread(&distances.collect::<Result<Vec<f64>>>()?))
        });
        let by_layer = by_layer.collect::<Result<_>>()?;
        let of_heads = &pairs[..pairs.len().min(MAX_HEAD_PAIRS)];
        let places: Vec<(usize, usize)> = (0..n_layers)
            .flat_map(|layer| (1..=inspection.heads.len()).map(move |head| (layer, head)))
            .collect();
        let by_head = places.par_iter().map(|&(layer, head)| {
            let distances = of_heads.iter().map(|&(i, j)| {
                distance(
                    inspection.item(i, layer, head),
                    inspection.item(j, layer, head),
                )
            });
            let distances: Vec<f64> = distances.collect::<Result<_>>()?;
            Ok(distances.iter().sum::<f64>() / distances.len() as f64)
        });
        curves.push(PairCurve {
            title,
            n_pairs: pairs.len(),
            by_layer,
            by_head: by_head.collect::<Result<_>>()?,
        });
    }
    let unchanged: Vec<usize> = (0..pictures.len())
        .filter(|&picture| pictures[picture].change.is_none())
        .collect();
    let by_layer = (0..n_layers).map(|layer| {
        let distances = unchanged.par_iter().map(|&picture| {
            let shuffles = inspection.shuffled[picture * n_layers + layer].iter();
            let whole = inspection.item(picture, layer, 0);
            let distances = shuffles.map(|shuffled| distance(whole, shuffled));
            distances.collect::<Result<Vec<f64>>>()
        });
        let distances: Vec<Vec<f64>> = distances.collect::<Result<_>>()?;
        Ok(spread(&distances.concat()))
    });
    curves.push(PairCurve {
        title: "a picture and its rows shuffled".to_owned(),
        n_pairs: unchanged.len() * N_SHUFFLES as usize,
        by_layer: by_layer.collect::<Result<_>>()?,
        by_head: Vec::new(),
    });
    Ok(curves)
}

/// All pairs by their kind: changes in their order first. A picture that was changed is compared with itself alone.
fn kinds(pictures: &[Picture]) -> Vec<(String, Vec<(usize, usize)>)> {
    let changes = pictures
        .iter()
        .filter_map(|picture| picture.change.as_ref());
    let mut titles: Vec<String> = Vec::new();
    for title in changes.map(|change| changed_by(&change.by)) {
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    let others = [
        "a frame and the next",
        "frames further apart",
        "pictures of one class",
        "pictures of two classes",
        "two pictures",
    ];
    titles.extend(others.map(str::to_owned));
    let mut kinds: Vec<(String, Vec<(usize, usize)>)> = titles
        .into_iter()
        .map(|title| (title, Vec::new()))
        .collect();
    for j in 0..pictures.len() {
        for i in 0..j {
            let Some(title) = kind(pictures, i, j) else {
                continue;
            };
            if let Some((_, pairs)) = kinds.iter_mut().find(|(name, _)| *name == title) {
                pairs.push((i, j));
            }
        }
    }
    kinds.retain(|(_, pairs)| !pairs.is_empty());
    kinds
}

fn changed_by(by: &str) -> String {
    format!("before and after {by}")
}

/// What two pictures have in common, the first before the second.
fn kind(pictures: &[Picture], i: usize, j: usize) -> Option<String> {
    let [a, b] = [&pictures[i], &pictures[j]];
    let frame = |of: usize| {
        let before = pictures[..of].iter();
        before
            .filter(|other| other.clip == pictures[of].clip)
            .count()
    };
    let title = match (&a.change, &b.change) {
        (None, Some(change)) if change.of == a.clip && frame(i) == frame(j) => {
            return Some(changed_by(&change.by));
        }
        (None, None) if a.clip == b.clip && j == i + 1 => "a frame and the next",
        (None, None) if a.clip == b.clip => "frames further apart",
        (None, None) => match (a.label, b.label) {
            (Some(a), Some(b)) if a == b => "pictures of one class",
            (Some(_), Some(_)) => "pictures of two classes",
            _ => "two pictures",
        },
        _ => return None,
    };
    Some(title.to_owned())
}

/// Least, mean and largest.
fn spread(values: &[f64]) -> [f64; 3] {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [
        least,
        values.iter().sum::<f64>() / values.len() as f64,
        largest,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::seen::Change;
    use super::*;

    fn picture(clip: usize, label: Option<usize>, of: Option<usize>) -> Picture {
        Picture {
            name: String::new(),
            pixels: Vec::new(),
            shape: [1, 0, 0],
            label,
            said: String::new(),
            clip,
            change: of.map(|of| Change {
                of,
                by: "PGD".to_owned(),
            }),
        }
    }

    #[test]
    fn a_changed_picture_is_paired_with_itself_alone() {
        let pictures = [
            picture(0, Some(3), None),
            picture(1, Some(3), Some(0)),
            picture(2, Some(4), None),
            picture(3, Some(4), Some(2)),
            picture(4, Some(3), None),
        ];
        let expected = [
            ("before and after PGD", vec![(0, 1), (2, 3)]),
            ("pictures of one class", vec![(0, 4)]),
            ("pictures of two classes", vec![(0, 2), (2, 4)]),
        ];
        assert_eq!(
            kinds(&pictures),
            expected.map(|(title, pairs)| (title.to_owned(), pairs))
        );
    }

    #[test]
    fn frames_of_a_changed_clip_are_paired_one_by_one() {
        let clip = |clip, of| [picture(clip, None, of), picture(clip, None, of)];
        let pictures = [clip(0, None), clip(1, Some(0))].concat();
        let expected = [
            ("before and after PGD", vec![(0, 2), (1, 3)]),
            ("a frame and the next", vec![(0, 1)]),
        ];
        assert_eq!(
            kinds(&pictures),
            expected.map(|(title, pairs)| (title.to_owned(), pairs))
        );
    }
}
