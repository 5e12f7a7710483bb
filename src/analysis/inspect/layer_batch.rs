//! Analysis of some layers of a batch of images, matrix by matrix in parallel.

use std::time::Instant;

use rayon::prelude::*;

use super::cost::{Sample, n_shuffles};
use super::diagram_metric::compared_kinds;
use super::host_layer::HostLayer;
use super::matrix_topology::{MatrixData, ShuffledDistances};
use super::page_data::{pack, pack_cosines};
use super::page_room::ImagePlan;
use super::spec::InspectSpec;
use crate::distance::DistanceElement;
use crate::error::Result;

/// Images of a batch, and what is computed of them.
pub(super) struct Batch {
    /// Index of the first image.
    pub(super) first: usize,
    /// For each image: true if it is compared with its shuffled copies.
    pub(super) is_shuffled: Vec<bool>,
    /// Parts of each image that are shown on the page.
    pub(super) plan: ImagePlan,
}

impl Batch {
    /// Number of images.
    pub(super) fn n_images(&self) -> usize {
        self.is_shuffled.len()
    }
}

/// Some consecutive layers of a batch of images, in host memory.
pub(super) struct LayerBatch<'a> {
    pub(super) spec: &'a InspectSpec,
    pub(super) batch: &'a Batch,
    /// Indices of the heads that are analysed in addition to their mean.
    pub(super) heads: &'a [usize],
    /// Position of the first layer among those that are analysed.
    pub(super) start: usize,
    pub(super) layers: Vec<HostLayer>,
}

/// Matrix with everything that is derived from it.
pub(super) struct AnalyzedMatrix<T> {
    pub(super) data: MatrixData<T>,
    /// Data for the page; `None` if the matrix is not shown.
    pub(super) packed: Option<String>,
}

impl LayerBatch<'_> {
    /// Number of matrices of each layer: the mean of the heads, and the single heads.
    fn n_views(&self) -> usize {
        1 + self.heads.len()
    }

    /// Analyses all matrices; returns those of each image by layer, then head. `report` is called after each of them.
    pub(super) fn analyze<T: DistanceElement>(
        &self,
        report: &(dyn Fn() + Sync),
    ) -> Result<Vec<Vec<AnalyzedMatrix<T>>>> {
        let n_views = self.n_views();
        let per_image = self.layers.len() * n_views;
        let mut analyzed = (0..self.batch.n_images() * per_image)
            .into_par_iter()
            // A matrix takes long enough to be a task of its own.
            .with_max_len(1)
            .map(|task| {
                let (in_batch, task) = (task / per_image, task % per_image);
                let (position, view) = (task / n_views, task % n_views);
                let layer = &self.layers[position];
                let view = view.checked_sub(1);
                let head = view.map(|view| self.heads[view]);
                let rows = layer.rows::<T>(self.batch.first + in_batch, in_batch, head);
                let data = rows.analyze(self.spec)?;
                let packed = if self.batch.plan.shows_matrix(self.start + position, view) {
                    Some(pack(&data, &layer.attention_of(in_batch, head)?))
                } else {
                    None
                };
                report();
                Ok(AnalyzedMatrix { data, packed })
            })
            .collect::<Result<Vec<_>>>()?
            .into_iter();
        let of_image = |_| analyzed.by_ref().take(per_image).collect();
        Ok((0..self.batch.n_images()).map(of_image).collect())
    }

    /// Returns the distances between the mean of the heads of each layer and its shuffled copies, for one image, whose
    /// matrices are given; empty for images that are not compared with copies. `report` is called after each copy.
    pub(super) fn shuffled<T: DistanceElement>(
        &self,
        in_batch: usize,
        matrices: &[AnalyzedMatrix<T>],
        report: &(dyn Fn() + Sync),
    ) -> Result<Vec<Vec<ShuffledDistances>>> {
        if !self.batch.is_shuffled[in_batch] {
            return Ok(vec![Vec::new(); self.layers.len()]);
        }
        let n_copies = n_shuffles(matrices[0].data.distances.len().isqrt());
        let distances = (0..self.layers.len() * n_copies)
            .into_par_iter()
            .with_max_len(1)
            .map(|task| {
                let (layer, draw) = (task / n_copies, task % n_copies);
                let image = self.batch.first + in_batch;
                let rows = self.layers[layer].rows::<T>(image, in_batch, None);
                let original = &matrices[layer * self.n_views()].data.topology;
                let distances = rows.distances_to_shuffled(self.spec, draw as u64, original)?;
                report();
                Ok(distances)
            })
            .collect::<Result<Vec<_>>>()?;
        let of_layer = |copies: &[Vec<f64>]| {
            let kinds = compared_kinds(self.spec.max_homology_dim).into_iter();
            let of_kind = |(kind, (metric, homology_dim))| ShuffledDistances {
                metric,
                homology_dim,
                values: copies
                    .iter()
                    .map(|by_kind: &Vec<f64>| by_kind[kind])
                    .collect(),
            };
            kinds.enumerate().map(of_kind).collect()
        };
        Ok(distances.chunks_exact(n_copies).map(of_layer).collect())
    }

    /// Returns the cosines of the hidden states of one image, by layer; `None` where they are not shown.
    pub(super) fn cosines(&self, in_batch: usize) -> Vec<Option<String>> {
        let layers = self.layers.par_iter().enumerate();
        let cosines = layers.map(|(position, layer)| {
            let hidden = layer.hidden_of(in_batch);
            let is_shown = self.batch.plan.shows_cosines(self.start + position);
            (is_shown && !hidden.is_empty()).then(|| pack_cosines(hidden, layer.n_tokens()))
        });
        cosines.collect()
    }

    /// Measures how long the first matrix takes on one thread, in an inspection of `n_matrices` of each image.
    pub(super) fn sample<T: DistanceElement>(&self, n_matrices: usize) -> Result<Sample> {
        let layer = &self.layers[0];
        let seconds = |started: Instant| started.elapsed().as_secs_f64();
        let started = Instant::now();
        let rows = layer.rows::<T>(0, 0, None);
        let mean = rows.analyze(self.spec)?;
        let analysis = seconds(started);
        let started = Instant::now();
        let n_shown = self.batch.plan.n_matrices();
        if n_shown > 0 {
            pack(&mean, &layer.attention_of(0, None)?);
        }
        let packing = seconds(started) * n_shown as f64 / n_matrices as f64;
        let started = Instant::now();
        rows.distances_to_shuffled(self.spec, 0, &mean.topology)?;
        let shuffle = seconds(started);
        // The mean and a single head stand for all that are compared.
        let head = self.heads.last().copied();
        let other = layer.rows::<T>(0, 0, head).analyze(self.spec)?.topology;
        let kinds = compared_kinds(self.spec.max_homology_dim);
        let started = Instant::now();
        for &(metric, dim) in &kinds {
            metric.distance(&mean.topology.points(dim), &other.points(dim))?;
        }
        Ok(Sample {
            matrix: analysis + packing,
            shuffle,
            comparison: seconds(started) / kinds.len() as f64,
            forward_pass: 0.0,
        })
    }
}
