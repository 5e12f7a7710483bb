//! Analysis of every matrix of all images, one batch after another.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;

use super::cost::{Counts, InspectionProgress, MAX_PAIRED, Sample, WorkClock, n_shuffles};
use super::forward_pass::{ForwardPass, InspectedImage};
use super::host_layer::HostLayer;
use super::inspected_model::InspectedModel;
use super::inspection_set::InspectionSet;
use super::layer_batch::{AnalyzedMatrix, Batch, LayerBatch};
use super::matrix_files::{MatrixFiles, MatrixShape};
use super::matrix_topology::{MatrixTopology, ShuffledDistances};
use super::page_room::PageRoom;
use super::spec::{InspectSpec, Precision};
use crate::distance::DistanceElement;
use crate::error::Result;
use crate::evaluate::{INSPECTION_BATCH, batch_ranges, size_or};
use crate::loss::Source;
use crate::model::TokenLayout;
use crate::report::NpzNumber;

/// Number of matrices for each thread that are analysed before their distances are written and dropped.
const MATRICES_PER_THREAD: usize = 2;

/// Topology of all matrices that have been analysed so far.
#[derive(Debug)]
pub struct Inspection {
    /// Settings of the analysis.
    pub spec: InspectSpec,
    /// Arrangement of the tokens of an image.
    pub layout: TokenLayout,
    /// Images, in the order in which they were added.
    pub images: Vec<InspectedImage>,
    /// Indices of the analysed layers.
    pub layers: Vec<usize>,
    /// Indices of the heads that are analysed in addition to their mean.
    pub heads: Vec<usize>,
    /// Topology by image, then layer, then head; the mean of the heads comes before the first head.
    pub matrices: Vec<MatrixTopology>,
    /// Distances between the mean of the heads and its shuffled copies, by image and layer; empty for perturbed images
    /// and for those after the first 32.
    pub shuffled: Vec<Vec<ShuffledDistances>>,
    /// Number of the first images whose matrices are written to files.
    pub n_matrix_files: usize,
    /// Data of each matrix for the page; `None` where the page would become too large.
    pub(super) packed: Vec<Option<String>>,
    /// Cosines of hidden states for the page, by image and layer; `None` without hidden states, or where the page
    /// would become too large.
    pub(super) cosines: Vec<Option<String>>,
    /// Directory of the report.
    directory: PathBuf,
    room: PageRoom,
    /// Started once the first layer has been read.
    clock: Option<WorkClock>,
    /// Time spent on distances, persistence, shuffled copies, data of the page, and the files of matrices.
    pub elapsed: Duration,
}

/// Results of some layers of one image, in the order of [`Inspection::matrices`].
#[derive(Default)]
struct ImageResults {
    matrices: Vec<MatrixTopology>,
    packed: Vec<Option<String>>,
    shuffled: Vec<Vec<ShuffledDistances>>,
    cosines: Vec<Option<String>>,
}

impl Inspection {
    /// Creates an inspection without images. The matrices of the first images will be written to
    /// `<directory>/matrices/<image>.npz`, where the directory is that of a new report,
    /// [`OutputDirectory::path`](crate::run::OutputDirectory::path).
    ///
    /// # Errors
    ///
    /// The errors of [`InspectSpec::validate`].
    pub fn new(spec: InspectSpec, directory: PathBuf) -> Result<Self> {
        spec.validate()?;
        Ok(Self {
            spec,
            layout: TokenLayout {
                n_frames: 1,
                n_prefix_tokens: 0,
                grid: [0; 2],
            },
            images: Vec::new(),
            layers: Vec::new(),
            heads: Vec::new(),
            matrices: Vec::new(),
            shuffled: Vec::new(),
            n_matrix_files: 0,
            packed: Vec::new(),
            cosines: Vec::new(),
            directory,
            room: PageRoom::default(),
            clock: None,
            elapsed: Duration::ZERO,
        })
    }

    /// Returns the number of matrices of each image.
    pub fn matrices_per_image(&self) -> usize {
        self.layers.len() * (1 + self.heads.len())
    }

    /// Returns the topology of a matrix, by positions in [`Self::images`] and [`Self::layers`]; `head` is 0 for the
    /// mean of the heads, and one more than the position in [`Self::heads`] otherwise.
    pub fn matrix(&self, image: usize, layer: usize, head: usize) -> &MatrixTopology {
        &self.matrices[self.index(image, layer, head)]
    }

    /// Returns the number of shuffled copies with which each layer is compared: 4, or 1 of more than 512 points.
    pub fn n_shuffles(&self) -> usize {
        n_shuffles(self.spec.n_points(self.layout))
    }

    /// Returns the number of matrices whose complexes are drawn on the page.
    pub fn n_shown(&self) -> usize {
        self.packed.iter().flatten().count()
    }

    pub(super) fn index(&self, image: usize, layer: usize, head: usize) -> usize {
        (image * self.layers.len() + layer) * (1 + self.heads.len()) + head
    }

    /// Runs a model on all items of a set, batch by batch, and analyses the matrices; returns the time of the forward
    /// passes.
    ///
    /// `batch_size` is the number of items per forward pass, 1 if `None`. `progress` is called by several threads, for
    /// the first time before the analysis starts, with an estimate of the time that everything will take.
    ///
    /// # Errors
    ///
    /// The errors of [`InspectedModel::forward_batch`] and [`Self::add`].
    pub fn add_set(
        &mut self,
        model: &InspectedModel,
        set: &InspectionSet,
        batch_size: Option<NonZeroUsize>,
        progress: &(dyn Fn(InspectionProgress) + Sync),
    ) -> Result<Duration> {
        let n_items = set.items.len();
        let mut model_time = Duration::ZERO;
        for range in batch_ranges(n_items, size_or(batch_size, INSPECTION_BATCH)) {
            let n_batch = range.len();
            let started = Instant::now();
            let pass = model.forward_batch(set, range)?;
            let time = started.elapsed();
            model_time += time;
            // A clip has several images, one per frame.
            let n_images = n_items * pass.images.len() / n_batch;
            self.add_timed(pass, n_images, time, progress)?;
        }
        Ok(model_time)
    }

    /// Analyses the matrices of a batch, one of all batches, which together have `n_images` images.
    ///
    /// `progress` is called as in [`Self::add_set`].
    ///
    /// # Errors
    ///
    /// The errors of [`AttentionRows::select`](crate::nn::AttentionRows::select) and [`InspectSpec::layer_indices`];
    /// [`Error::is_file_error`](crate::Error::is_file_error) if a file cannot be written.
    pub fn add(
        &mut self,
        forward_pass: ForwardPass,
        n_images: usize,
        progress: &(dyn Fn(InspectionProgress) + Sync),
    ) -> Result<()> {
        self.add_timed(forward_pass, n_images, Duration::ZERO, progress)
    }

    /// [`Self::add`] with the time of the forward pass.
    fn add_timed(
        &mut self,
        forward_pass: ForwardPass,
        n_images: usize,
        time: Duration,
        progress: &(dyn Fn(InspectionProgress) + Sync),
    ) -> Result<()> {
        let started = Instant::now();
        match self.spec.precision {
            Precision::F32 => self.add_in::<f32>(forward_pass, n_images, time, progress)?,
            Precision::F64 => self.add_in::<f64>(forward_pass, n_images, time, progress)?,
        }
        self.elapsed += started.elapsed();
        Ok(())
    }

    /// [`Self::add`] in one precision. Layers are analysed a few at a time, so that no more of them lie in memory.
    fn add_in<T: DistanceElement + NpzNumber>(
        &mut self,
        forward_pass: ForwardPass,
        n_images: usize,
        time: Duration,
        progress: &(dyn Fn(InspectionProgress) + Sync),
    ) -> Result<()> {
        // The same in every batch: they depend only on the settings and the model.
        self.layers = self
            .spec
            .layer_indices(self.spec.n_layers(&forward_pass)?)?;
        let attention = forward_pass.attention.first();
        let n_heads = attention.map_or(0, |layer| layer.dims()[1]);
        self.heads = self.spec.head_indices(n_heads)?;
        let ForwardPass {
            images,
            layout,
            attention,
            hidden,
        } = forward_pass;
        self.layout = layout;
        let batch = Batch {
            first: self.images.len(),
            is_shuffled: (self.images.len()..)
                .zip(&images)
                .map(|(index, image)| index < MAX_PAIRED && image.perturbation.is_none())
                .collect(),
            plan: self.room.plan(
                n_images.saturating_sub(self.images.len()),
                [self.layers.len(), self.heads.len()],
                [self.spec.n_points(layout), layout.n_tokens()],
            ),
        };
        self.images.extend(images);
        if let Some(clock) = &self.clock {
            progress(clock.add(0, 0, batch.n_images()));
        }
        // Tensors of layers that are not analysed are dropped at once, the others after their layer.
        let mut tensors = self.chosen_layers(attention, hidden);
        let mut files = self.create_files::<T>(&batch, n_images, &tensors)?;
        let mut results: Vec<ImageResults> = (0..batch.n_images())
            .map(|_| ImageResults::default())
            .collect();
        let n_needed = MATRICES_PER_THREAD * rayon::current_num_threads();
        let layers_at_a_time = n_needed.div_ceil(batch.n_images() * (1 + self.heads.len()));
        for start in (0..self.layers.len()).step_by(layers_at_a_time) {
            let positions = start..self.layers.len().min(start + layers_at_a_time);
            let read = |position: usize| {
                let (attention, hidden) = std::mem::take(&mut tensors[position]);
                HostLayer::new(self.layers[position], attention, hidden, layout, &self.spec)
            };
            let layers = LayerBatch {
                layers: positions.map(read).collect::<Result<_>>()?,
                spec: &self.spec,
                batch: &batch,
                heads: &self.heads,
                start,
            };
            if self.clock.is_none() {
                let sample = Sample {
                    forward_pass: time.as_secs_f64() / batch.n_images() as f64,
                    ..layers.sample::<T>(self.matrices_per_image())?
                };
                let clock = self.new_clock(sample, n_images, batch.n_images());
                progress(clock.add(0, 0, 0));
                self.clock = Some(clock);
            }
            let report = |n_matrices: usize, n_shuffles: usize| {
                if let Some(clock) = &self.clock {
                    progress(clock.add(n_matrices, n_shuffles, 0));
                }
            };
            let analyzed = layers.analyze::<T>(&|| report(1, 0))?;
            for (in_batch, (results, matrices)) in results.iter_mut().zip(analyzed).enumerate() {
                let shuffled = layers.shuffled(in_batch, &matrices, &|| report(0, 1))?;
                results.shuffled.extend(shuffled);
                results.cosines.extend(layers.cosines(in_batch));
                for AnalyzedMatrix { data, packed } in matrices {
                    files.extend(in_batch, &data.distances)?;
                    results.matrices.push(data.topology);
                    results.packed.push(packed);
                }
            }
        }
        files.finish()?;
        results.into_iter().for_each(|results| self.append(results));
        Ok(())
    }

    /// Returns attention and hidden states of the chosen layers.
    fn chosen_layers(
        &self,
        attention: Vec<Tensor<4>>,
        hidden: Vec<Tensor<3>>,
    ) -> Vec<(Option<Tensor<4>>, Option<Tensor<3>>)> {
        let is_needed = self.spec.source != Source::Hidden;
        let chosen = |layer: &usize| {
            let attention = attention.get(*layer).filter(|_| is_needed).cloned();
            (attention, hidden.get(*layer).cloned())
        };
        self.layers.iter().map(chosen).collect()
    }

    /// Creates the files for the matrices of a batch, with their attention.
    fn create_files<T: NpzNumber>(
        &mut self,
        batch: &Batch,
        n_images: usize,
        tensors: &[(Option<Tensor<4>>, Option<Tensor<3>>)],
    ) -> Result<MatrixFiles> {
        self.n_matrix_files = self.matrix_shape().files(n_images, size_of::<T>()).0;
        let n_files = self.n_matrix_files.saturating_sub(batch.first);
        let attention: Vec<Tensor<4>> = tensors
            .iter()
            .filter_map(|(layer, _)| layer.clone())
            .collect();
        MatrixFiles::create::<T>(
            &self.directory,
            batch.first,
            n_files.min(batch.n_images()),
            self.matrix_shape(),
            &attention,
            &self.heads,
        )
    }

    fn matrix_shape(&self) -> MatrixShape {
        MatrixShape {
            n_layers: self.layers.len(),
            n_views: 1 + self.heads.len(),
            n_points: self.spec.n_points(self.layout),
            n_tokens: match self.spec.source {
                Source::Hidden => 0,
                Source::Attention | Source::DoubleSoftmax => self.layout.n_tokens(),
            },
        }
    }

    /// Starts the clock after the forward pass of the first `n_passed` of all images.
    fn new_clock(&self, sample: Sample, n_images: usize, n_passed: usize) -> WorkClock {
        let counts = Counts {
            n_images,
            n_layers: self.layers.len(),
            n_heads: self.heads.len(),
        };
        let n_points = self.spec.n_points(self.layout);
        let n_bytes = self.spec.precision.n_bytes();
        let (_, n_file_bytes) = self.matrix_shape().files(n_images, n_bytes);
        WorkClock::new(sample, counts, n_passed, n_points, n_file_bytes, &self.spec)
    }

    /// Appends the results of an image; what the page has no room for is dropped: single heads first, then cosines.
    fn append(&mut self, mut results: ImageResults) {
        let n_views = 1 + self.heads.len();
        let (means, heads): (Vec<usize>, Vec<usize>) =
            (0..results.packed.len()).partition(|index| index % n_views == 0);
        for index in means {
            results.packed[index] = self.room.take(results.packed[index].take());
        }
        for cosines in &mut results.cosines {
            *cosines = self.room.take(cosines.take());
        }
        for index in heads {
            results.packed[index] = self.room.take(results.packed[index].take());
        }
        self.matrices.extend(results.matrices);
        self.packed.extend(results.packed);
        self.shuffled.extend(results.shuffled);
        self.cosines.extend(results.cosines);
    }
}
