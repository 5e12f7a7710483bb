//! Conversion between the tensors of a file and the parameters of a model.

use super::family::Family;
use super::layout::Layout;
use super::mapping::{Conversion, ParameterMapping};
use super::tensor_file::{HostTensor, Tensors};
use crate::model::position::{Resampling, resample};
use crate::model::{NetworkConfig, PixelStatistics, TokenLayout, VideoPositions};

/// Shapes that the tensors of a mapping must have, from the shape of the parameter.
pub(super) fn expected_shapes(
    mapping: &ParameterMapping,
    parameter_shape: &[usize],
    layout: &Layout,
) -> Vec<Vec<usize>> {
    let n_tensors = mapping.tensors.len();
    let shape = match (mapping.conversion, parameter_shape) {
        (Conversion::Transposed, &[n_rows, n_columns]) => vec![n_columns, n_rows],
        (Conversion::JoinedTransposed, &[n_rows, n_columns]) => vec![n_columns / n_tensors, n_rows],
        (Conversion::Biases, &[n]) => vec![n / n_tensors],
        (Conversion::QueryAndValueBiases, &[n]) => vec![n / 3],
        (Conversion::TubeletKernel { n_frames }, &[n_out, n_in, height, width]) => {
            vec![n_out, n_in / n_frames, n_frames, height, width]
        }
        (Conversion::Positions, &[one, _, d_model]) => {
            let n_patches = n_grids(&layout.config) * n_patches(layout.token_layout());
            vec![one, layout.n_positioned_prefix_tokens + n_patches, d_model]
        }
        (Conversion::Frames, &[one, _, d_model]) => vec![one, layout.config.n_frames(), d_model],
        _ => parameter_shape.to_vec(),
    };
    vec![shape; n_tensors]
}

/// True if a file may lack the tensors of a mapping.
pub(super) fn is_optional(mapping: &ParameterMapping) -> bool {
    matches!(
        mapping.conversion,
        Conversion::Biases | Conversion::QueryAndValueBiases
    )
}

/// Number of patches of one image or frame.
fn n_patches(tokens: TokenLayout) -> usize {
    tokens.grid[0] * tokens.grid[1]
}

/// Number of grids of patches in the position embedding: one, or one for each time step.
fn n_grids(config: &NetworkConfig) -> usize {
    match config {
        NetworkConfig::Video(config) if config.positions == VideoPositions::PerToken => {
            config.token_layout().n_frames
        }
        _ => 1,
    }
}

/// Converts the tensors of a mapping, whose shapes were checked, to the parameter.
///
/// `layout` is that of the file, and `target` the configuration of the new model, which may have another size
/// of images or another number of frames.
pub(super) fn to_parameter(
    mapping: &ParameterMapping,
    tensors: &[&HostTensor],
    shape: Vec<usize>,
    layout: &Layout,
    target: &NetworkConfig,
) -> HostTensor {
    let values = match mapping.conversion {
        Conversion::Unchanged => tensors[0].values.clone(),
        Conversion::Transposed | Conversion::JoinedTransposed => {
            let parts: Vec<Vec<f32>> = tensors
                .iter()
                .map(|part| transposed(&part.values, part.shape[1]))
                .collect();
            let width = shape[1] / parts.len();
            (0..shape[0])
                .flat_map(|row| {
                    parts
                        .iter()
                        .flat_map(move |part| &part[row * width..][..width])
                })
                .copied()
                .collect()
        }
        // A layer without a bias computes the same as one with a bias of 0.
        Conversion::Biases | Conversion::QueryAndValueBiases if tensors.is_empty() => {
            vec![0.0; shape[0]]
        }
        Conversion::Biases => tensors
            .iter()
            .flat_map(|part| &part.values)
            .copied()
            .collect(),
        Conversion::QueryAndValueBiases => {
            let zeros = vec![0.0; shape[0] / 3];
            [&tensors[0].values[..], &zeros, &tensors[1].values].concat()
        }
        Conversion::TubeletKernel { n_frames } => {
            let [n_out, n_in, height, width] = [shape[0], shape[1], shape[2], shape[3]];
            let axes = [n_out, n_in / n_frames, n_frames];
            swapped(&tensors[0].values, axes, height * width)
        }
        Conversion::Positions => positions(&tensors[0].values, layout, target, shape[2]),
        Conversion::Frames => {
            // Frames are interpolated like a grid with a single row.
            let from = [1, layout.config.n_frames()];
            let to = [1, target.n_frames()];
            resample(&tensors[0].values, shape[2], from, to, Resampling::Nearest)
        }
    };
    HostTensor { shape, values }
}

/// Converts a parameter to the tensors of its mapping, the inverse of [`to_parameter`].
pub(super) fn to_tensors(
    mapping: &ParameterMapping,
    parameter: &HostTensor,
    layout: &Layout,
) -> Vec<HostTensor> {
    let HostTensor { shape, values } = parameter;
    let n_parts = mapping.tensors.len();
    let parts: Vec<Vec<f32>> = match mapping.conversion {
        Conversion::Unchanged | Conversion::Frames => vec![values.clone()],
        Conversion::Transposed | Conversion::JoinedTransposed => {
            let rows = transposed(values, shape[1]);
            // The transposed rows are those of queries, then keys, then values: pieces of equal size.
            rows.chunks(rows.len() / n_parts)
                .map(<[f32]>::to_vec)
                .collect()
        }
        Conversion::Biases => {
            let parts = values.chunks(values.len() / n_parts);
            parts.map(<[f32]>::to_vec).collect()
        }
        Conversion::QueryAndValueBiases => {
            // The bias of the keys is left out even if training changed it: softmax cancels it.
            let third = values.len() / 3;
            vec![values[..third].to_vec(), values[2 * third..].to_vec()]
        }
        Conversion::TubeletKernel { n_frames } => {
            let [n_out, n_in, height, width] = [shape[0], shape[1], shape[2], shape[3]];
            let axes = [n_out, n_frames, n_in / n_frames];
            vec![swapped(values, axes, height * width)]
        }
        Conversion::Positions => {
            let d_model = shape[2];
            let (prefix, patches) = values.split_at(layout.n_prefix_tokens() * d_model);
            let positioned = &prefix[..layout.n_positioned_prefix_tokens * d_model];
            vec![[positioned, patches].concat()]
        }
    };
    expected_shapes(mapping, shape, layout)
        .into_iter()
        .zip(parts)
        .map(|(shape, values)| HostTensor { shape, values })
        .collect()
}

/// Transposes a matrix `[n_rows, n_columns]` in row-major order.
fn transposed(values: &[f32], n_columns: usize) -> Vec<f32> {
    let column = |column| values.iter().skip(column).step_by(n_columns);
    (0..n_columns).flat_map(column).copied().collect()
}

/// Exchanges the second and third axis of an array.
///
/// # Shapes
///
/// - `values`: `[n_outer, n_second, n_third, length]`
/// - returns `[n_outer, n_third, n_second, length]`
fn swapped(values: &[f32], [n_outer, n_second, n_third]: [usize; 3], length: usize) -> Vec<f32> {
    let mut output = Vec::with_capacity(values.len());
    for outer in 0..n_outer {
        for third in 0..n_third {
            for second in 0..n_second {
                let index = (outer * n_second + second) * n_third + third;
                output.extend(&values[index * length..][..length]);
            }
        }
    }
    output
}

/// Interpolates position embeddings to the grid of the target; prefix tokens without one in the file get 0.
///
/// # Shapes
///
/// - `values`: `[n_positioned_prefix_tokens + n_grids * n_patches, d_model]`
/// - returns `[n_prefix_tokens + n_grids * n_target_patches, d_model]`
fn positions(values: &[f32], layout: &Layout, target: &NetworkConfig, d_model: usize) -> Vec<f32> {
    // Each library interpolates in its own way.
    let resampling = match layout.family {
        Family::Timm if layout.is_dinov2_of_authors && layout.n_prefix_tokens() == 1 => {
            Resampling::BicubicOffset
        }
        Family::Timm | Family::Dinov2WithRegisters => Resampling::BicubicAntialiased,
        Family::Timesformer => Resampling::Nearest,
        _ => Resampling::Bicubic,
    };
    let (prefix, grids) = values.split_at(layout.n_positioned_prefix_tokens * d_model);
    let mut output = prefix.to_vec();
    output.resize(layout.n_prefix_tokens() * d_model, 0.0);
    let from = layout.token_layout().grid;
    let to = target.token_layout().grid;
    for grid in grids.chunks(from[0] * from[1] * d_model) {
        output.extend(resample(grid, d_model, from, to, resampling));
    }
    output
}

/// Adds position embeddings to prefix tokens that have none in the file, in which they would be lost.
///
/// They are 0 after loading, but training may have changed them.
pub(super) fn fold_positions_into_tokens(parameters: &mut Tensors, layout: &Layout) {
    let Some(positions) = parameters.get("pos_embed").cloned() else {
        return;
    };
    let d_model = positions.shape[2];
    let mut first = 0;
    for name in layout.prefix_token_names() {
        // `prefix_token_names` lists only tokens that the configuration, and so the model, has.
        let token = parameters.get_mut(name).expect("a token of the model");
        for (row, token) in token.values.chunks_mut(d_model).enumerate() {
            if first + row >= layout.n_positioned_prefix_tokens {
                let position = &positions.values[(first + row) * d_model..][..d_model];
                for (sum, x) in token.iter_mut().zip(position) {
                    *sum += x;
                }
            }
        }
        first += token.shape[1];
    }
}

/// Replaces position and time embeddings by their sums, one for each patch at each time step.
///
/// A ViViT of this crate may have separate embeddings, one of transformers has not. Other models are left
/// unchanged.
pub(super) fn merge_time_embedding(parameters: &mut Tensors, layout: &Layout) {
    if layout.family != Family::Vivit {
        return;
    }
    let Some(time) = parameters.remove("time_embed") else {
        return;
    };
    let positions = parameters
        .get_mut("pos_embed")
        .expect("position embeddings");
    let d_model = positions.shape[2];
    let (prefix, patches) = positions
        .values
        .split_at(layout.n_prefix_tokens() * d_model);
    let mut values = prefix.to_vec();
    for step in time.values.chunks(d_model) {
        // The embedding of the time step is repeated for every patch.
        let sums = patches.iter().zip(step.iter().cycle());
        values.extend(sums.map(|(patch, step)| patch + step));
    }
    positions.shape[1] = values.len() / d_model;
    positions.values = values;
}

/// Changes the projection of patches from pixels that are normalised by `from` to pixels that are normalised by `to`.
///
/// What the model computes stays the same up to rounding; equal statistics change nothing.
///
/// ```text
/// x = scale y + shift          x: normalised by `from`; y: by `to`
/// w (scale y + shift) + b = (scale w) y + (b + shift sum w)
/// ```
pub(super) fn change_statistics(
    parameters: &mut Tensors,
    from: &PixelStatistics,
    to: &PixelStatistics,
) {
    let [scales, shifts] = to.change_to(from);
    let weight = parameters
        .get_mut("patch_embed.proj.weight")
        .expect("a projection");
    let [n_out, n_in, height, width] = [0, 1, 2, 3].map(|axis| weight.shape[axis]);
    // In double precision, so that a change and its inverse change the weights by rounding only.
    let mut bias_changes = vec![0.0_f64; n_out];
    for (index, plane) in weight.values.chunks_mut(height * width).enumerate() {
        // Input channels of a tubelet are frame-major, so the channel of a pixel is the innermost index.
        let channel = index % n_in % scales.len();
        for value in plane {
            // The shift acts on the weight from before scaling, so this line comes first.
            bias_changes[index / n_in] += shifts[channel] * f64::from(*value);
            *value = (scales[channel] * f64::from(*value)) as f32;
        }
    }
    let bias = parameters
        .get_mut("patch_embed.proj.bias")
        .expect("a projection");
    for (bias, change) in bias.values.iter_mut().zip(bias_changes) {
        *bias = (f64::from(*bias) + change) as f32;
    }
}
