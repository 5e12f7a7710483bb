//! Analysis of every matrix of all images, one batch after another.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::forward_pass::{ForwardPass, InspectedImage};
use super::inspected_model::InspectedModel;
use super::inspection_set::InspectionSet;
use super::matrix_topology::{MatrixData, MatrixIndex, MatrixRows, MatrixTopology};
use super::page_data::pack_cosines;
use super::spec::InspectSpec;
use crate::error::{Error, Result};
use crate::evaluate::{INSPECTION_BATCH, batch_ranges, size_or};
use crate::fused::read_values;
use crate::loss::Source;
use crate::model::TokenLayout;
use crate::nn::{AttentionRows, Heads, Tokens};
use crate::report::Npz;
use crate::run::write_atomically;
use crate::topology::Point;

/// Number of shuffled copies of each layer. They show the distances that rows without common structure would have.
pub const N_SHUFFLES: u64 = 4;

/// Number of images whose matrices are written to files.
pub(super) const MAX_MATRIX_FILES: usize = 8;

/// Budget for the packed matrices on the page, in bytes. It keeps the page below 15 MB.
const PAGE_BYTES: usize = 11_500_000;

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
    /// Topology of the shuffled copies of the mean of the heads, by image and layer, then copy.
    pub shuffled: Vec<Vec<MatrixTopology>>,
    /// Data of each matrix for the page; `None` where the page would become too large.
    pub(super) packed: Vec<Option<String>>,
    /// Cosines of hidden states for the page, by image and layer; `None` without hidden states, or where the page
    /// would become too large.
    pub(super) cosines: Vec<Option<String>>,
    /// Directory of the report.
    directory: PathBuf,
    n_packed_bytes: usize,
    /// Time spent on distances, persistence, cycles, coordinates and the files of matrices.
    pub elapsed: Duration,
}

/// A matrix with everything that is derived from it.
struct AnalyzedMatrix {
    data: MatrixData,
    packed: String,
    /// Topology of the shuffled copies; empty for single heads.
    shuffled: Vec<MatrixTopology>,
}

impl Inspection {
    /// Creates an inspection without images. The matrices of the first images will be written to
    /// `<directory>/matrices/<image>.npz`.
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
            packed: Vec::new(),
            cosines: Vec::new(),
            directory,
            n_packed_bytes: 0,
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

    pub(super) fn index(&self, image: usize, layer: usize, head: usize) -> usize {
        (image * self.layers.len() + layer) * (1 + self.heads.len()) + head
    }

    /// Runs a model on all items of a set, batch by batch, and analyses the matrices; returns the time of the forward
    /// passes.
    ///
    /// `batch_size` is the number of items per forward pass, 4 if `None`. `progress` is called with the number of
    /// matrices done and their total number, by several threads.
    ///
    /// # Errors
    ///
    /// The errors of [`InspectedModel::forward_batch`] and [`Self::add`].
    pub fn add_set(
        &mut self,
        model: &InspectedModel,
        set: &InspectionSet,
        batch_size: Option<NonZeroUsize>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Duration> {
        let n_items = set.items.len();
        let mut model_time = Duration::ZERO;
        for range in batch_ranges(n_items, size_or(batch_size, INSPECTION_BATCH)) {
            let n_batch = range.len();
            let started = Instant::now();
            let pass = model.forward_batch(set, range)?;
            model_time += started.elapsed();
            // A clip has several images, one per frame.
            let n_images = n_items * pass.images.len() / n_batch;
            self.add(pass, &|n_done, per_image| {
                progress(n_done, n_images * per_image);
            })?;
        }
        Ok(model_time)
    }

    /// Analyses the matrices of a batch. `progress` is called with the number of matrices done, over all batches,
    /// and the number of matrices of each image.
    ///
    /// # Errors
    ///
    /// The errors of [`AttentionRows::select`] and [`InspectSpec::layer_indices`];
    /// [`Error::is_file_error`] if a file cannot be written.
    pub fn add(
        &mut self,
        forward_pass: ForwardPass,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<()> {
        let started = Instant::now();
        // The same in every batch: they depend only on the settings and the model.
        let n_layers = self.spec.n_layers(&forward_pass)?;
        self.layers = self.spec.layer_indices(n_layers)?;
        let attention = forward_pass.attention.first();
        let n_heads = attention.map_or(0, |layer| layer.dims()[1]);
        self.heads = self.spec.head_indices(n_heads)?;
        self.layout = forward_pass.layout;
        let layers = self
            .layers
            .iter()
            .map(|&layer| HostLayer::new(&forward_pass, layer, &self.spec))
            .collect::<Result<Vec<_>>>()?;
        let n_batch = forward_pass.images.len();
        for (in_batch, image) in forward_pass.images.into_iter().enumerate() {
            let image_index = self.images.len();
            self.images.push(image);
            let matrices = self.analyze_image(&layers, image_index, in_batch, n_batch, progress)?;
            if image_index < MAX_MATRIX_FILES {
                self.write_matrices(image_index, &matrices)?;
            }
            for matrix in matrices {
                if matrix.data.topology.index.head.is_none() {
                    self.shuffled.push(matrix.shuffled);
                }
                self.matrices.push(matrix.data.topology);
                self.packed.push(Some(matrix.packed));
            }
            let cosines = layers.iter().map(|layer| layer.cosines(in_batch, n_batch));
            self.cosines.extend(cosines);
            self.keep_page_small(image_index);
        }
        self.elapsed += started.elapsed();
        Ok(())
    }

    /// Analyses the matrices of one image in parallel, in the order of [`Self::matrices`].
    fn analyze_image(
        &self,
        layers: &[HostLayer],
        image_index: usize,
        in_batch: usize,
        n_batch: usize,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<AnalyzedMatrix>> {
        let layers_and_heads: Vec<(usize, Option<usize>)> = (0..layers.len())
            .flat_map(|layer| {
                let heads = self.heads.iter().map(move |&head| (layer, Some(head)));
                std::iter::once((layer, None)).chain(heads)
            })
            .collect();
        let n_matrices = layers_and_heads.len();
        let n_done = AtomicUsize::new(0);
        layers_and_heads
            .par_iter()
            .map(|&(layer, head)| {
                let index = MatrixIndex {
                    image: image_index,
                    layer: self.layers[layer],
                    head,
                };
                let rows = layers[layer].rows(index, in_batch, n_batch, self.spec.source);
                let shuffled = match head {
                    Some(_) => Vec::new(),
                    // Only the mean of the heads is compared with shuffled rows.
                    None => (0..N_SHUFFLES)
                        .map(|draw| rows.shuffled(&self.spec, draw))
                        .collect::<Result<_>>()?,
                };
                let data = rows.analyze(&self.spec)?;
                let packed = data.pack();
                // Relaxed: the number is only displayed.
                let done = 1 + n_done.fetch_add(1, Ordering::Relaxed);
                progress(image_index * n_matrices + done, n_matrices);
                Ok(AnalyzedMatrix {
                    data,
                    packed,
                    shuffled,
                })
            })
            .collect()
    }

    /// Drops data of an image that would make the page too large: heads from the last one on, then cosines, then
    /// means of heads.
    ///
    /// Only what the images before have left over is available, so the first image gets all the room it needs.
    fn keep_page_small(&mut self, image: usize) {
        let matrices = self.index(image, 0, 0)..self.matrices.len();
        let layers = image * self.layers.len()..self.cosines.len();
        let all = self.packed[matrices.clone()]
            .iter()
            .chain(&self.cosines[layers.clone()]);
        let mut n_bytes: usize = all.flatten().map(String::len).sum();
        let room = PAGE_BYTES.saturating_sub(self.n_packed_bytes);
        let mut drop_if_needed = |slot: &mut Option<String>| {
            if n_bytes > room {
                n_bytes -= slot.take().map_or(0, |packed| packed.len());
            }
        };
        let per_layer = 1 + self.heads.len();
        for index in matrices.clone().rev() {
            // The mean of the heads comes first in each layer and is kept for now.
            if index % per_layer != 0 {
                drop_if_needed(&mut self.packed[index]);
            }
        }
        self.cosines[layers]
            .iter_mut()
            .rev()
            .for_each(&mut drop_if_needed);
        // If anything is dropped here, all single heads are gone, and only means are left.
        self.packed[matrices]
            .iter_mut()
            .rev()
            .for_each(&mut drop_if_needed);
        self.n_packed_bytes += n_bytes;
    }

    /// Writes `matrices/<image>.npz` with `distances`, `[n_layers, 1 + n_heads, n_points, n_points]`, and
    /// `attention`, `[n_layers, 1 + n_heads, n_tokens, n_tokens]`, unchanged; the mean of the heads comes first.
    ///
    /// Only a file of an older inspection is replaced, which its array of distances tells from other files.
    fn write_matrices(&self, image: usize, matrices: &[AnalyzedMatrix]) -> Result<()> {
        let directory = self.directory.join("matrices");
        let path = directory.join(format!("{image}.npz"));
        let (n_layers, n_views) = (self.layers.len(), 1 + self.heads.len());
        let first = matrices.first().map(|matrix| &matrix.data);
        let refused = |error: std::io::Error| Error::file(error.to_string()).caused_by(error);
        let write = || -> Result<()> {
            if path.exists() && !Npz::has_array(&path, "distances") {
                return Err(Error::file(
                    "this file is not of an older report, expected no such file; pass another directory",
                ));
            }
            let mut archive = Npz::default();
            let n_points = first.map_or(0, |data| data.distances.len().isqrt());
            let shape = [n_layers, n_views, n_points, n_points];
            let distances = matrices.iter().flat_map(|matrix| &matrix.data.distances);
            // Single precision is that of the attention, and takes half the space.
            archive.add("distances", &shape, distances.map(|&x| x as f32))?;
            let n_tokens = first.map_or(0, |data| data.attention.len().isqrt());
            if n_tokens > 0 {
                let shape = [n_layers, n_views, n_tokens, n_tokens];
                let attention = matrices.iter().flat_map(|matrix| &matrix.data.attention);
                archive.add("attention", &shape, attention.copied())?;
            }
            let bytes = archive.finish()?;
            std::fs::create_dir_all(&directory).map_err(refused)?;
            write_atomically(&path, &bytes).map_err(refused)
        };
        write().map_err(|error| error.within(format_args!("{}: cannot be written", path.display())))
    }
}

/// Births and deaths of the finite bars of one image, by layer and homology dimension.
pub type ImageDiagrams = Vec<Vec<Vec<Point>>>;

/// Diagrams of the mean of the heads, for all images of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadMeanDiagrams {
    /// Indices of the layers.
    pub layers: Vec<usize>,
    /// Diagrams of each image.
    pub images: Vec<ImageDiagrams>,
}

/// Computes the diagrams of the mean of the heads of every chosen layer; essential bars are left out.
///
/// # Errors
///
/// The errors of [`Inspection::add`].
pub fn head_mean_diagrams(
    forward_pass: &ForwardPass,
    spec: &InspectSpec,
) -> Result<HeadMeanDiagrams> {
    spec.validate()?;
    let layers = spec.layer_indices(spec.n_layers(forward_pass)?)?;
    let host_layers = layers
        .iter()
        .map(|&layer| HostLayer::new(forward_pass, layer, spec))
        .collect::<Result<Vec<_>>>()?;
    let n_batch = forward_pass.images.len();
    let images = (0..n_batch)
        .into_par_iter()
        .map(|image| {
            let by_layer = host_layers.iter().zip(&layers).map(|(host, &layer)| {
                let index = MatrixIndex {
                    image,
                    layer,
                    head: None,
                };
                host.rows(index, image, n_batch, spec.source).points(spec)
            });
            by_layer.collect::<Result<_>>()
        })
        .collect::<Result<_>>()?;
    Ok(HeadMeanDiagrams { layers, images })
}

/// Rows, attention and hidden states of one layer of a batch, in host memory.
struct HostLayer {
    /// Rows of every head, or of the hidden states: `[n_images * n_heads, n_points, n_columns]`.
    rows: Vec<f32>,
    /// Rows of the mean of the heads, `[n_images, n_points, n_points]`; empty for hidden states.
    mean_rows: Vec<f32>,
    /// Length of a row.
    n_columns: usize,
    /// Number of heads; 1 for hidden states.
    n_heads: usize,
    /// Attention between all tokens, `[n_images, n_heads, n_tokens, n_tokens]`; empty for hidden states.
    attention: Vec<f32>,
    /// Hidden states, `[n_images, n_tokens, d_model]`; empty if the model does not return them.
    hidden: Vec<f32>,
    n_tokens: usize,
}

impl HostLayer {
    fn new(forward_pass: &ForwardPass, layer: usize, spec: &InspectSpec) -> Result<Self> {
        let n_prefix_tokens = forward_pass.layout.n_prefix_tokens;
        // Read for every source, because the page can show cosines of hidden states.
        let hidden = match forward_pass.hidden.get(layer) {
            Some(hidden) => read_to_host(hidden.clone())?,
            None => Vec::new(),
        };
        let mut host = Self {
            rows: Vec::new(),
            mean_rows: Vec::new(),
            n_columns: 0,
            n_heads: 1,
            attention: Vec::new(),
            hidden,
            n_tokens: forward_pass.layout.n_tokens(),
        };
        if spec.source == Source::Hidden {
            let [_, n_tokens, d_model] = forward_pass.hidden[layer].dims();
            let first = match spec.tokens {
                Tokens::All => 0,
                Tokens::Patches => n_prefix_tokens,
            };
            let by_image = host.hidden.chunks_exact(n_tokens * d_model);
            let points = by_image.flat_map(|tokens| &tokens[first * d_model..]);
            host.rows = points.copied().collect();
            host.n_columns = d_model;
            return Ok(host);
        }
        let weights = forward_pass.attention[layer].clone().without_autodiff();
        host.n_heads = weights.dims()[1];
        for (heads, values) in [
            (Heads::Each, &mut host.rows),
            (Heads::Mean, &mut host.mean_rows),
        ] {
            let rows = AttentionRows {
                heads,
                tokens: spec.tokens,
                n_prefix_tokens,
            }
            .select(weights.clone())?;
            host.n_columns = rows.dims()[2];
            *values = read_to_host(rows)?;
        }
        host.attention = read_to_host(weights)?;
        Ok(host)
    }

    /// Returns the rows of one matrix of the image at position `in_batch` of the batch.
    fn rows(
        &self,
        index: MatrixIndex,
        in_batch: usize,
        n_batch: usize,
        source: Source,
    ) -> MatrixRows {
        // Hidden states have one matrix per image, stored in `rows`.
        let (values, position, n_matrices) = match (index.head, self.mean_rows.is_empty()) {
            (Some(head), _) => (
                &self.rows,
                in_batch * self.n_heads + head,
                n_batch * self.n_heads,
            ),
            (None, true) => (&self.rows, in_batch, n_batch),
            (None, false) => (&self.mean_rows, in_batch, n_batch),
        };
        let size = values.len() / n_matrices;
        MatrixRows::new(
            index,
            &values[position * size..][..size],
            self.n_columns,
            self.attention_of(in_batch, index.head),
            source,
        )
    }

    /// Returns the attention of one image as the model returned it, of one head or the mean of all.
    fn attention_of(&self, in_batch: usize, head: Option<usize>) -> Vec<f32> {
        if self.attention.is_empty() {
            return Vec::new();
        }
        let size = self.n_tokens * self.n_tokens;
        let by_head = |head| &self.attention[(in_batch * self.n_heads + head) * size..][..size];
        match head {
            Some(head) => by_head(head).to_vec(),
            None => {
                let mut mean = vec![0.0; size];
                for head in 0..self.n_heads {
                    for (sum, x) in mean.iter_mut().zip(by_head(head)) {
                        *sum += x / self.n_heads as f32;
                    }
                }
                mean
            }
        }
    }

    /// Returns the packed cosines of the hidden states of one image; `None` without hidden states.
    fn cosines(&self, in_batch: usize, n_batch: usize) -> Option<String> {
        let size = self.hidden.len() / n_batch;
        (size > 0).then(|| pack_cosines(&self.hidden[in_batch * size..][..size], self.n_tokens))
    }
}

fn read_to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    read_values(tensor.without_autodiff())
        .map_err(|error| error.within("attention or hidden states cannot be read from the device"))
}
