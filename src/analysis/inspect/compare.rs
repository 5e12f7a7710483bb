//! Distances between the diagrams of layers, heads and pictures.

use rayon::prelude::*;

use super::inspection::Inspection;
use super::item::Item;
use super::pairs::{PairCurve, pair_curves};
use crate::error::Result;
use crate::topology::{GroundNorm, Point, bottleneck, wasserstein};

/// Homology dimensions whose diagrams are compared.
pub(super) const N_COMPARED_DIMS: usize = 2;

/// Pictures of which all heads are compared with all.
pub(super) const MAX_HEAD_PICTURES: usize = 2;

/// What diagrams are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparer {
    /// 2-Wasserstein, ground norm L-infinity.
    Wasserstein,
    /// Bottleneck, ground norm L-infinity.
    Bottleneck,
}

impl Comparer {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Wasserstein, Self::Bottleneck];

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Wasserstein => "2-Wasserstein",
            Self::Bottleneck => "bottleneck",
        }
    }

    /// For files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasserstein => "wasserstein",
            Self::Bottleneck => "bottleneck",
        }
    }

    pub(super) fn distance(self, first: &[Point], second: &[Point]) -> Result<f64> {
        let matching = match self {
            Self::Wasserstein => wasserstein(first, second, 2.0, GroundNorm::Infinity),
            Self::Bottleneck => bottleneck(first, second, GroundNorm::Infinity),
        };
        matching.map(|matching| matching.distance)
    }
}

/// All distances between some diagrams of one dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagramDistances {
    /// By what.
    pub comparer: Comparer,
    /// Of which dimension.
    pub homology_dim: usize,
    /// `[n_diagrams, n_diagrams]`
    pub values: Vec<f64>,
}

/// All comparisons; essential bars are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparisons {
    /// By picture: layers, each by the mean of its heads.
    pub layers: Vec<Vec<DiagramDistances>>,
    /// By picture, of the first ones: the heads of all layers, layer by layer; empty without heads.
    pub heads: Vec<Vec<DiagramDistances>>,
    /// By comparer and homology dimension, as in the matrices: pairs of pictures, and the null.
    pub pictures: Vec<(Comparer, usize, Vec<PairCurve>)>,
}

impl Comparisons {
    /// Compares; `progress` is told how many matrices of distances are done, and of how many.
    ///
    /// # Errors
    ///
    /// As [`wasserstein`].
    pub fn new(inspection: &Inspection, progress: &mut dyn FnMut(usize, usize)) -> Result<Self> {
        let n_dims = N_COMPARED_DIMS.min(1 + inspection.spec.max_homology_dim);
        let kinds: Vec<(Comparer, usize)> = Comparer::ALL
            .into_iter()
            .flat_map(|comparer| (0..n_dims).map(move |dim| (comparer, dim)))
            .collect();
        let n_pictures = inspection.pictures.len();
        let n_head_pictures = match inspection.heads.is_empty() {
            true => 0,
            false => n_pictures.min(MAX_HEAD_PICTURES),
        };
        let total = kinds.len() * (n_pictures + n_head_pictures + 1);
        let mut n_done = 0;
        let mut done = || {
            n_done += 1;
            progress(n_done, total);
        };
        let n_layers = inspection.layers.len();
        let mut all = |items: &[&Item]| {
            let of_kind = kinds.iter().map(|&(comparer, homology_dim)| {
                let values = all_distances(items, comparer, homology_dim)?;
                done();
                Ok(DiagramDistances {
                    comparer,
                    homology_dim,
                    values,
                })
            });
            of_kind.collect::<Result<Vec<_>>>()
        };
        let means = |picture: usize| -> Vec<&Item> {
            let layers = 0..n_layers;
            layers
                .map(|layer| inspection.item(picture, layer, 0))
                .collect()
        };
        let heads = |picture: usize| -> Vec<&Item> {
            let items = (0..n_layers)
                .flat_map(|layer| (1..=inspection.heads.len()).map(move |head| (layer, head)));
            items
                .map(|(layer, head)| inspection.item(picture, layer, head))
                .collect()
        };
        let layers = (0..n_pictures).map(|picture| all(&means(picture)));
        let layers = layers.collect::<Result<_>>()?;
        let heads = (0..n_head_pictures).map(|picture| all(&heads(picture)));
        let heads = heads.collect::<Result<_>>()?;
        let mut pictures = Vec::new();
        for &(comparer, dim) in &kinds {
            let curves = pair_curves(inspection, comparer, dim)?;
            pictures.push((comparer, dim, curves));
            done();
        }
        Ok(Self {
            layers,
            heads,
            pictures,
        })
    }
}

fn all_distances(items: &[&Item], comparer: Comparer, dim: usize) -> Result<Vec<f64>> {
    let points: Vec<Vec<Point>> = items.iter().map(|item| item.points(dim)).collect();
    let n = points.len();
    let rows = (0..n).into_par_iter().map(|i| {
        let row = (0..i).map(|j| comparer.distance(&points[i], &points[j]));
        row.collect::<Result<Vec<f64>>>()
    });
    let rows: Vec<Vec<f64>> = rows.collect::<Result<_>>()?;
    let mut values = vec![0.0; n * n];
    for (i, row) in rows.into_iter().enumerate() {
        for (j, value) in row.into_iter().enumerate() {
            values[i * n + j] = value;
            values[j * n + i] = value;
        }
    }
    Ok(values)
}
