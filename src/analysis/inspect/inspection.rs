//! All matrices of all pictures, read one batch after the other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::item::{Item, Place, Rows, WholeItem};
use super::pack::pack_cosines;
use super::seen::{Picture, Seen};
use super::spec::InspectSpec;
use crate::error::{Error, Result};
use crate::loss::Source;
use crate::model::TokenLayout;
use crate::nn::{AttentionRows, Heads};
use crate::report::Npz;
use crate::run::write_atomically;
use crate::topology::Point;

/// Shuffles of each layer that say what no structure would give.
pub const N_SHUFFLES: u64 = 4;

/// Pictures whose matrices are kept as files.
pub(super) const MAX_MATRIX_FILES: usize = 8;

/// Bytes of packed matrices on the page, which keeps it below 15 MB.
const PAGE_BYTES: usize = 11_500_000;

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// What was looked for.
    pub spec: InspectSpec,
    /// How tokens lie over each picture.
    pub layout: TokenLayout,
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// The layers that were read.
    pub layers: Vec<usize>,
    /// The heads that were read, beside their mean.
    pub heads: Vec<usize>,
    /// By picture, layer, and mean of the heads first, then head.
    pub items: Vec<Item>,
    /// For each picture and layer the shuffled means of the heads.
    pub shuffled: Vec<Vec<Item>>,
    /// For the page, by item; `None` where the page would be too large.
    pub(super) packed: Vec<Option<String>>,
    /// For the page, by picture and layer; `None` without hidden states, or where the page would be too
    /// large.
    pub(super) cosines: Vec<Option<String>>,
    /// Where matrices are kept.
    directory: PathBuf,
    n_packed_bytes: usize,
    /// Time in distances, persistence, cycles and coordinates, and in files of matrices.
    pub reading: Duration,
}

impl Inspection {
    /// Nothing found yet; the matrices of the first pictures will lie in `directory`, as
    /// `matrices/<picture>.npz`.
    ///
    /// # Errors
    ///
    /// As [`InspectSpec::validate`].
    pub fn new(spec: InspectSpec, directory: PathBuf) -> Result<Self> {
        spec.validate()?;
        Ok(Self {
            spec,
            layout: TokenLayout {
                n_frames: 1,
                n_prefix_tokens: 0,
                grid: [0; 2],
            },
            pictures: Vec::new(),
            layers: Vec::new(),
            heads: Vec::new(),
            items: Vec::new(),
            shuffled: Vec::new(),
            packed: Vec::new(),
            cosines: Vec::new(),
            directory,
            n_packed_bytes: 0,
            reading: Duration::ZERO,
        })
    }

    /// Matrices of each picture.
    pub fn items_per_picture(&self) -> usize {
        self.layers.len() * (1 + self.heads.len())
    }

    /// A matrix by the places of its picture, layer and head in the lists above; head 0 is the mean.
    pub fn item(&self, picture: usize, layer: usize, head: usize) -> &Item {
        &self.items[self.index(picture, layer, head)]
    }

    pub(super) fn index(&self, picture: usize, layer: usize, head: usize) -> usize {
        (picture * self.layers.len() + layer) * (1 + self.heads.len()) + head
    }

    /// Reads what a model made of a batch; `progress` is told how many matrices are done and how many a
    /// picture has.
    ///
    /// # Errors
    ///
    /// As [`AttentionRows::select`] and [`InspectSpec::layers_of`]; [`Error::is_invalid_parameter`] if a
    /// file cannot be written.
    pub fn add(&mut self, seen: Seen, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<()> {
        let started = Instant::now();
        self.layers = self.spec.layers_of(self.spec.n_layers_of(&seen)?)?;
        let n_heads = seen.attention.first().map_or(0, |layer| layer.dims()[1]);
        self.heads = self.spec.heads_of(n_heads)?;
        self.layout = seen.layout;
        let layers = self.layers.iter();
        let layers = layers.map(|&layer| HostLayer::new(&seen, layer, &self.spec));
        let layers: Vec<HostLayer> = layers.collect::<Result<_>>()?;
        let n_batch = seen.pictures.len();
        for (place, picture) in seen.pictures.into_iter().enumerate() {
            let number = self.pictures.len();
            self.pictures.push(picture);
            let places: Vec<(usize, Option<usize>)> = (0..layers.len())
                .flat_map(|layer| {
                    let heads = self.heads.iter().map(move |&head| (layer, Some(head)));
                    std::iter::once((layer, None)).chain(heads)
                })
                .collect();
            let n_done = std::sync::atomic::AtomicUsize::new(0);
            let read = places.par_iter().map(|&(layer, head)| {
                let at = Place {
                    picture: number,
                    layer: self.layers[layer],
                    head,
                };
                let rows = layers[layer].rows(at, [place, n_batch], &self.spec);
                let shuffled = match head {
                    Some(_) => Vec::new(),
                    None => (0..N_SHUFFLES)
                        .map(|draw| rows.shuffled(&self.spec, draw))
                        .collect::<Result<_>>()?,
                };
                let whole = rows.read(&self.spec)?;
                let packed = whole.pack();
                let done = 1 + n_done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                progress(number * places.len() + done, places.len());
                Ok((whole, packed, shuffled))
            });
            let read: Vec<(WholeItem, String, Vec<Item>)> = read.collect::<Result<_>>()?;
            if number < MAX_MATRIX_FILES {
                self.write_matrices(number, &read)?;
            }
            for (whole, packed, shuffled) in read {
                if whole.item.place.head.is_none() {
                    self.shuffled.push(shuffled);
                }
                self.items.push(whole.item);
                self.packed.push(Some(packed));
            }
            let cosines = layers.iter().map(|layer| layer.cosines(place, n_batch));
            self.cosines.extend(cosines);
            self.keep_page_small(number);
        }
        self.reading += started.elapsed();
        Ok(())
    }

    /// Forgets what of a picture goes beyond the size of a page: heads from the last one on, then
    /// likenesses, then means. Means of pictures to come are worth more than heads of this one only from
    /// the second picture on, so the first has all the room it needs.
    fn keep_page_small(&mut self, picture: usize) {
        let items = self.index(picture, 0, 0)..self.items.len();
        let layers = picture * self.layers.len()..self.cosines.len();
        let all = self.packed[items.clone()]
            .iter()
            .chain(&self.cosines[layers.clone()]);
        let mut n_bytes: usize = all.flatten().map(String::len).sum();
        let room = PAGE_BYTES.saturating_sub(self.n_packed_bytes);
        let mut forget = |slot: &mut Option<String>| {
            if n_bytes > room {
                n_bytes -= slot.take().map_or(0, |packed| packed.len());
            }
        };
        let per_layer = 1 + self.heads.len();
        for index in items.clone().rev() {
            if index % per_layer != 0 {
                forget(&mut self.packed[index]);
            }
        }
        self.cosines[layers].iter_mut().rev().for_each(&mut forget);
        self.packed[items].iter_mut().rev().for_each(&mut forget);
        self.n_packed_bytes += n_bytes;
    }

    /// `matrices/<picture>.npz`: `distances` `[n_layers, 1 + n_heads, n_points, n_points]`, the mean of
    /// the heads first, and `attention` `[n_layers, 1 + n_heads, n_tokens, n_tokens]`, as the model gave
    /// it.
    fn write_matrices(
        &self,
        picture: usize,
        read: &[(WholeItem, String, Vec<Item>)],
    ) -> Result<()> {
        let directory = self.directory.join("matrices");
        let path = directory.join(format!("{picture}.npz"));
        let [n_layers, n_views] = [self.layers.len(), 1 + self.heads.len()];
        let encoded = || -> std::result::Result<(), String> {
            let mut archive = Npz::default();
            let n_points = read
                .first()
                .map_or(0, |(whole, ..)| whole.distances.len().isqrt());
            let shape = [n_layers, n_views, n_points, n_points];
            let distances = read.iter().flat_map(|(whole, ..)| &whole.distances);
            archive.add("distances", &shape, distances.map(|&x| x as f32))?;
            let n_tokens = read
                .first()
                .map_or(0, |(whole, ..)| whole.attention.len().isqrt());
            if n_tokens > 0 {
                let shape = [n_layers, n_views, n_tokens, n_tokens];
                let attention = read.iter().flat_map(|(whole, ..)| &whole.attention);
                archive.add("attention", &shape, attention.copied())?;
            }
            let bytes = archive.finish()?;
            std::fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
            write_atomically(&path, &bytes).map_err(|e| e.to_string())
        };
        encoded().map_err(|e| {
            Error::invalid_parameter(format!("{}: cannot be written: {e}", path.display()))
        })
    }
}

/// Diagrams of a picture, by layer and homology dimension, without essential bars.
pub type PictureDiagrams = Vec<Vec<Vec<Point>>>;

/// The diagrams of the means of the heads, by picture, layer and homology dimension, and the numbers of the
/// layers; essential bars are left out.
///
/// # Errors
///
/// As [`Inspection::add`].
pub fn mean_diagrams(
    seen: &Seen,
    spec: &InspectSpec,
) -> Result<(Vec<usize>, Vec<PictureDiagrams>)> {
    spec.validate()?;
    let numbers = spec.layers_of(spec.n_layers_of(seen)?)?;
    let layers = numbers
        .iter()
        .map(|&layer| HostLayer::new(seen, layer, spec));
    let layers: Vec<HostLayer> = layers.collect::<Result<_>>()?;
    let n_batch = seen.pictures.len();
    let pictures = (0..n_batch).into_par_iter().map(|picture| {
        let of_layers = layers.iter().zip(&numbers).map(|(host, &layer)| {
            let place = Place {
                picture,
                layer,
                head: None,
            };
            host.rows(place, [picture, n_batch], spec).points(spec)
        });
        of_layers.collect::<Result<_>>()
    });
    let pictures = pictures.collect::<Result<_>>()?;
    Ok((numbers, pictures))
}

/// A layer of a batch on the host.
struct HostLayer {
    /// Of every head, or of the hidden states: `[n_pictures * n_heads, n_points, n_columns]`.
    rows: Vec<f32>,
    /// `[n_pictures, n_points, n_points]`; empty for hidden states.
    mean_rows: Vec<f32>,
    n_columns: usize,
    n_heads: usize,
    /// `[n_pictures, n_heads, n_tokens, n_tokens]`
    attention: Vec<f32>,
    /// `[n_pictures, n_tokens, d_model]`
    hidden: Vec<f32>,
    n_tokens: usize,
}

impl HostLayer {
    fn new(seen: &Seen, layer: usize, spec: &InspectSpec) -> Result<Self> {
        let n_prefix_tokens = seen.layout.n_prefix_tokens;
        let hidden = match seen.hidden.get(layer) {
            Some(hidden) => on_host(hidden.clone())?,
            None => Vec::new(),
        };
        let n_tokens = seen.layout.n_tokens();
        let mut found = Self {
            rows: Vec::new(),
            mean_rows: Vec::new(),
            n_columns: 0,
            n_heads: 1,
            attention: Vec::new(),
            hidden,
            n_tokens,
        };
        if spec.source == Source::Hidden {
            let [_, n_tokens, d_model] = seen.hidden[layer].dims();
            let first = match spec.tokens {
                crate::nn::Tokens::All => 0,
                crate::nn::Tokens::Patches => n_prefix_tokens,
            };
            let of_pictures = found.hidden.chunks_exact(n_tokens * d_model);
            let points = of_pictures.flat_map(|tokens| &tokens[first * d_model..]);
            found.rows = points.copied().collect();
            found.n_columns = d_model;
            return Ok(found);
        }
        let weights = seen.attention[layer].clone().without_autodiff();
        found.n_heads = weights.dims()[1];
        for (heads, values) in [
            (Heads::Each, &mut found.rows),
            (Heads::Mean, &mut found.mean_rows),
        ] {
            let rows = AttentionRows {
                heads,
                tokens: spec.tokens,
                n_prefix_tokens,
            };
            let rows = rows.select(weights.clone())?;
            found.n_columns = rows.dims()[2];
            *values = on_host(rows)?;
        }
        found.attention = on_host(weights)?;
        Ok(found)
    }

    /// The rows of a picture of the batch.
    fn rows(&self, at: Place, [picture, n_pictures]: [usize; 2], spec: &InspectSpec) -> Rows {
        let (values, index, n_items) = match (at.head, self.mean_rows.is_empty()) {
            (Some(head), _) => (
                &self.rows,
                picture * self.n_heads + head,
                n_pictures * self.n_heads,
            ),
            (None, true) => (&self.rows, picture, n_pictures),
            (None, false) => (&self.mean_rows, picture, n_pictures),
        };
        let size = values.len() / n_items;
        let attention = self.attention_of(picture, at.head);
        Rows::new(
            at,
            &values[index * size..][..size],
            self.n_columns,
            attention,
            spec.source,
        )
    }

    /// As the model gave it, of one head or the mean of all.
    fn attention_of(&self, picture: usize, head: Option<usize>) -> Vec<f32> {
        if self.attention.is_empty() {
            return Vec::new();
        }
        let size = self.n_tokens * self.n_tokens;
        let of_head = |head| &self.attention[(picture * self.n_heads + head) * size..][..size];
        match head {
            Some(head) => of_head(head).to_vec(),
            None => {
                let mut mean = vec![0.0; size];
                for head in 0..self.n_heads {
                    for (sum, x) in mean.iter_mut().zip(of_head(head)) {
                        *sum += x / self.n_heads as f32;
                    }
                }
                mean
            }
        }
    }

    fn cosines(&self, picture: usize, n_pictures: usize) -> Option<String> {
        let size = self.hidden.len() / n_pictures;
        (size > 0).then(|| pack_cosines(&self.hidden[picture * size..][..size], self.n_tokens))
    }
}

fn on_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let values = tensor.without_autodiff().try_into_vec_as();
    values.map_err(|e| Error::invalid_distribution(format!("attention cannot be read: {e}")))
}
