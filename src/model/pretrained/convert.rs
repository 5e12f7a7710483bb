//! Numbers of a file to those of a parameter, and back.

use super::entry::{Entry, Form};
use super::family::Family;
use super::layout::Layout;
use super::preprocessing::Preprocessing;
use super::tensor_file::{HostTensor, Tensors};
use crate::model::position::{Resampling, resample};
use crate::model::{NetworkConfig, TokenLayout, VideoPositions};

/// Shapes that the tensors of an entry must have, of the shape of the parameter, where the file is that of
/// `layout`.
pub(super) fn expected_shapes(entry: &Entry, ours: &[usize], layout: &Layout) -> Vec<Vec<usize>> {
    let shape = match (entry.form, ours) {
        (Form::Transposed, &[n_rows, n_columns]) => vec![n_columns, n_rows],
        (Form::Joined, &[n_rows, n_columns]) => vec![n_columns / entry.theirs.len(), n_rows],
        (Form::Biases, &[n]) => vec![n / entry.theirs.len()],
        (Form::QueryAndValueBiases, &[n]) => vec![n / 3],
        (Form::Tubelet { n_frames }, &[n_out, n_in, height, width]) => {
            vec![n_out, n_in / n_frames, n_frames, height, width]
        }
        (Form::Positions, &[one, _, d_model]) => {
            let n_places = n_grids(&layout.config) * n_patches(layout.tokens());
            vec![one, layout.n_positioned + n_places, d_model]
        }
        (Form::Frames, &[one, _, d_model]) => vec![one, layout.config.n_frames(), d_model],
        _ => ours.to_vec(),
    };
    vec![shape; entry.theirs.len()]
}

/// Whether a model may go without the tensors of an entry.
pub(super) fn is_optional(entry: &Entry) -> bool {
    matches!(entry.form, Form::Biases | Form::QueryAndValueBiases)
}

fn n_patches(tokens: TokenLayout) -> usize {
    tokens.grid[0] * tokens.grid[1]
}

/// Grids of patches in the position embedding: one, or one for each time step.
fn n_grids(config: &NetworkConfig) -> usize {
    match config {
        NetworkConfig::Video(config) if config.positions == VideoPositions::Each => {
            config.token_layout().n_frames
        }
        _ => 1,
    }
}

/// The parameter of an entry whose tensors were found to fit; `target` is the model that is made, which may
/// take images of another size or other clips than that of the file.
pub(super) fn to_ours(
    entry: &Entry,
    theirs: &[&HostTensor],
    shape: Vec<usize>,
    layout: &Layout,
    target: &NetworkConfig,
) -> HostTensor {
    let values = match entry.form {
        Form::Same => theirs[0].values.clone(),
        Form::Transposed | Form::Joined => {
            let parts: Vec<Vec<f32>> = theirs
                .iter()
                .map(|part| transposed(&part.values, part.shape[1]))
                .collect();
            let width = shape[1] / parts.len();
            let rows = 0..shape[0];
            rows.flat_map(|row| {
                parts
                    .iter()
                    .flat_map(move |part| &part[row * width..][..width])
            })
            .copied()
            .collect()
        }
        Form::Biases if theirs.is_empty() => vec![0.0; shape[0]],
        Form::QueryAndValueBiases if theirs.is_empty() => vec![0.0; shape[0]],
        Form::Biases => theirs
            .iter()
            .flat_map(|part| &part.values)
            .copied()
            .collect(),
        Form::QueryAndValueBiases => {
            let zeros = vec![0.0; shape[0] / 3];
            [&theirs[0].values[..], &zeros, &theirs[1].values].concat()
        }
        Form::Tubelet { n_frames } => {
            let [n_out, n_in, height, width] = [shape[0], shape[1], shape[2], shape[3]];
            let axes = [n_out, n_in / n_frames, n_frames];
            swapped(&theirs[0].values, axes, height * width)
        }
        Form::Positions => positions(&theirs[0].values, layout, target, shape[2]),
        Form::Frames => {
            let n_frames = [layout.config.n_frames(), target.n_frames()];
            let [from, to] = n_frames.map(|n| [1, n]);
            resample(&theirs[0].values, shape[2], from, to, Resampling::Nearest)
        }
    };
    HostTensor { shape, values }
}

/// The tensors of an entry.
pub(super) fn to_theirs(entry: &Entry, ours: &HostTensor, layout: &Layout) -> Vec<HostTensor> {
    let shapes = expected_shapes(entry, &ours.shape, layout);
    let n_parts = entry.theirs.len();
    let parts: Vec<Vec<f32>> = match entry.form {
        Form::Same | Form::Frames => vec![ours.values.clone()],
        Form::Transposed | Form::Joined => {
            let rows = transposed(&ours.values, ours.shape[1]);
            rows.chunks(rows.len() / n_parts)
                .map(<[f32]>::to_vec)
                .collect()
        }
        Form::Biases => {
            let parts = ours.values.chunks(ours.values.len() / n_parts);
            parts.map(<[f32]>::to_vec).collect()
        }
        Form::QueryAndValueBiases => {
            let third = ours.values.len() / 3;
            vec![
                ours.values[..third].to_vec(),
                ours.values[2 * third..].to_vec(),
            ]
        }
        Form::Tubelet { n_frames } => {
            let [n_out, n_in, height, width] =
                [ours.shape[0], ours.shape[1], ours.shape[2], ours.shape[3]];
            let axes = [n_out, n_frames, n_in / n_frames];
            vec![swapped(&ours.values, axes, height * width)]
        }
        Form::Positions => {
            let d_model = ours.shape[2];
            let n_prefix_tokens = layout.prefix_tokens_total();
            let (prefix, places) = ours.values.split_at(n_prefix_tokens * d_model);
            vec![[&prefix[..layout.n_positioned * d_model], places].concat()]
        }
    };
    let tensors = shapes.into_iter().zip(parts);
    tensors
        .map(|(shape, values)| HostTensor { shape, values })
        .collect()
}

/// Columns one after the other.
fn transposed(values: &[f32], n_columns: usize) -> Vec<f32> {
    let column = |column| values.iter().skip(column).step_by(n_columns);
    (0..n_columns).flat_map(column).copied().collect()
}

/// The second and third axis exchanged, of vectors of this length.
fn swapped(values: &[f32], [n_outer, n_second, n_third]: [usize; 3], length: usize) -> Vec<f32> {
    let mut output = Vec::with_capacity(values.len());
    for outer in 0..n_outer {
        for third in 0..n_third {
            for second in 0..n_second {
                let place = (outer * n_second + second) * n_third + third;
                output.extend(&values[place * length..][..length]);
            }
        }
    }
    output
}

/// The embeddings at the places of the target; tokens without one in the file get 0.
fn positions(values: &[f32], layout: &Layout, target: &NetworkConfig, d_model: usize) -> Vec<f32> {
    let how = match layout.family {
        Family::Timm | Family::Dinov2WithRegisters => Resampling::BicubicAntialiased,
        Family::Timesformer => Resampling::Nearest,
        _ => Resampling::Bicubic,
    };
    let (prefix, places) = values.split_at(layout.n_positioned * d_model);
    let mut output = prefix.to_vec();
    output.resize(layout.prefix_tokens_total() * d_model, 0.0);
    let grid = layout.tokens().grid;
    let per_grid = grid[0] * grid[1] * d_model;
    for places in places.chunks(per_grid) {
        output.extend(resample(
            places,
            d_model,
            grid,
            target.token_layout().grid,
            how,
        ));
    }
    output
}

impl Layout {
    /// Tokens before the first patch of an image or clip, with or without a position embedding.
    pub(super) fn prefix_tokens_total(&self) -> usize {
        match &self.config {
            NetworkConfig::Vit(config) => config.token_layout().n_prefix_tokens,
            NetworkConfig::Video(config) => config.n_clip_tokens(),
            NetworkConfig::LinearProbe(_) => 0,
        }
    }

    /// Adds to tokens that have no position embedding in the file what training may have put there.
    pub(super) fn settle_positions(&self, ours: &mut Tensors) {
        let Some(positions) = ours.get("pos_embed").cloned() else {
            return;
        };
        let d_model = positions.shape[2];
        let mut first = 0;
        for name in self.prefix_tokens() {
            let token = ours.get_mut(name).expect("a token of the model");
            for (row, token) in token.values.chunks_mut(d_model).enumerate() {
                if first + row >= self.n_positioned {
                    let position = &positions.values[(first + row) * d_model..][..d_model];
                    token
                        .iter_mut()
                        .zip(position)
                        .for_each(|(sum, x)| *sum += x);
                }
            }
            first += token.shape[1];
        }
    }
}

/// Of a ViViT that was made here: the embeddings of its places and of its time steps become those of each
/// place at each step.
pub(super) fn join_time(ours: &mut Tensors, layout: &Layout) {
    if layout.family != Family::Vivit {
        return;
    }
    let Some(time) = ours.remove("time_embed") else {
        return;
    };
    let positions = ours.get_mut("pos_embed").expect("position embeddings");
    let d_model = positions.shape[2];
    let n_before = layout.prefix_tokens_total() * d_model;
    let (prefix, places) = positions.values.split_at(n_before);
    let mut values = prefix.to_vec();
    for step in time.values.chunks(d_model) {
        let sums = places.iter().zip(step.iter().cycle());
        values.extend(sums.map(|(place, step)| place + step));
    }
    positions.shape[1] = values.len() / d_model;
    positions.values = values;
}

/// Makes a projection of pixels that were shifted and scaled channel by channel, as a file wants them, one
/// of pixels in [-1, 1], as all models here take them.
pub(super) fn take_in_normalisation(ours: &mut Tensors, preprocessing: &Preprocessing) {
    change_projection(ours, preprocessing.n_channels(), |channel| {
        let (mean, std) = preprocessing.channel(channel);
        (0.5 / std, (0.5 - mean) / std)
    });
}

/// The reverse.
pub(super) fn take_out_normalisation(ours: &mut Tensors, preprocessing: &Preprocessing) {
    change_projection(ours, preprocessing.n_channels(), |channel| {
        let (mean, std) = preprocessing.channel(channel);
        (2.0 * std, 2.0 * mean - 1.0)
    });
}

/// Weights `w` become `scale w`, and the bias grows by `shift` times the sum of `w`, channel by channel.
fn change_projection(
    ours: &mut Tensors,
    n_channels: usize,
    of_channel: impl Fn(usize) -> (f64, f64),
) {
    let weight = ours
        .get_mut("patch_embed.proj.weight")
        .expect("a projection");
    let [n_out, n_in, height, width] = [0, 1, 2, 3].map(|axis| weight.shape[axis]);
    let mut growth = vec![0.0_f64; n_out];
    let planes = weight.values.chunks_mut(height * width).enumerate();
    for (index, plane) in planes {
        let (scale, shift) = of_channel(index % n_in % n_channels);
        for value in plane {
            growth[index / n_in] += shift * f64::from(*value);
            *value = (scale * f64::from(*value)) as f32;
        }
    }
    let bias = ours.get_mut("patch_embed.proj.bias").expect("a projection");
    for (bias, growth) in bias.values.iter_mut().zip(growth) {
        *bias = (f64::from(*bias) + growth) as f32;
    }
}
