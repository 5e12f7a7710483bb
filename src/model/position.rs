//! Sinusoidal position embeddings, and interpolation of learned ones to another grid of patches.

use burn::module::Param;
use burn::prelude::*;

/// Interpolation of position embeddings; each published library has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resampling {
    /// Cubic convolution over the four nearest grid points, with `a = -0.75`.
    Bicubic,
    /// The same over a new grid that counts a tenth of a point more, as in the code of DINOv2's authors.
    BicubicOffset,
    /// Cubic convolution with `a = -0.5`, and a wider kernel where the new grid is coarser.
    BicubicAntialiased,
    /// Copies the embedding of the grid point `floor(i n_from / n_to)`.
    Nearest,
}

/// Sinusoidal position embedding, which is not learned: `[1, n_tokens, d_model]`.
///
/// ```text
/// e[t, 2 i]     = sin(t / 10000^(2 i / d_model))        t: index of the token
/// e[t, 2 i + 1] = cos(t / 10000^(2 i / d_model))
/// ```
///
/// # Source
///
/// Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
pub(super) fn sinusoidal(n_tokens: usize, d_model: usize, device: &Device) -> Param<Tensor<3>> {
    let table = sines(n_tokens, d_model, 10_000.0, device);
    // A `Param` because the field may also hold a learned embedding; this one stays constant.
    Param::from_tensor(table).set_require_grad(false)
}

/// Sines and cosines of the index of a token, as in [`sinusoidal`] with another longest period (over 2 pi):
/// `[1, n_tokens, d_model]`.
pub(super) fn sines(n_tokens: usize, d_model: usize, period: f64, device: &Device) -> Tensor<3> {
    let value = |token: usize, channel: usize| {
        let exponent = (2 * (channel / 2)) as f64 / d_model as f64;
        let angle = token as f64 / period.powf(exponent);
        match channel % 2 {
            0 => angle.sin() as f32,
            _ => angle.cos() as f32,
        }
    };
    let values: Vec<f32> = (0..n_tokens)
        .flat_map(|token| (0..d_model).map(move |channel| value(token, channel)))
        .collect();
    Tensor::from_data(TensorData::new(values, [1, n_tokens, d_model]), device)
}

/// Interpolates embeddings from one grid of patches to another, separably over columns and rows.
///
/// # Shapes
///
/// - `embeddings`: `[from[0], from[1], d_model]` in row-major order
/// - returns `[to[0], to[1], d_model]`
///
/// # Source
///
/// Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981; edges, constants and the
/// wider kernel as in PyTorch's `interpolate(mode="bicubic", align_corners=False)`.
pub(super) fn resample(
    embeddings: &[f32],
    d_model: usize,
    from: [usize; 2],
    to: [usize; 2],
    resampling: Resampling,
) -> Vec<f32> {
    if from == to {
        return embeddings.to_vec();
    }
    let column_taps = taps(from[1], to[1], resampling);
    let row_taps = taps(from[0], to[0], resampling);
    // First over columns, in double precision: `[from[0], to[1], d_model]`.
    let mut horizontal = vec![0.0_f64; from[0] * to[1] * d_model];
    for row in 0..from[0] {
        for (column, taps) in column_taps.iter().enumerate() {
            let target = &mut horizontal[(row * to[1] + column) * d_model..][..d_model];
            for &Tap { index, weight } in taps {
                let source = &embeddings[(row * from[1] + index) * d_model..][..d_model];
                for (sum, &value) in target.iter_mut().zip(source) {
                    *sum += weight * f64::from(value);
                }
            }
        }
    }
    let width = to[1] * d_model;
    let mut output = Vec::with_capacity(to[0] * width);
    for taps in &row_taps {
        output.extend((0..width).map(|column| {
            let term = |tap: &Tap| tap.weight * horizontal[tap.index * width + column];
            taps.iter().map(term).sum::<f64>() as f32
        }));
    }
    output
}

/// One term of an interpolated value: the index of a source point and its weight.
struct Tap {
    index: usize,
    weight: f64,
}

/// Taps of every new grid point along one axis: `[n_to, n_taps]`.
fn taps(n_from: usize, n_to: usize, resampling: Resampling) -> Vec<Vec<Tap>> {
    let scale = n_from as f64 / n_to as f64;
    let taps_at = |target: usize| match resampling {
        Resampling::Nearest => vec![Tap {
            index: ((target as f64 * scale) as usize).min(n_from - 1),
            weight: 1.0,
        }],
        Resampling::Bicubic | Resampling::BicubicOffset => {
            let scale = match resampling {
                Resampling::BicubicOffset => n_from as f64 / (n_to as f64 + 0.1),
                _ => scale,
            };
            // Grid points are centres of cells, as with `align_corners=False`.
            let centre = (target as f64 + 0.5) * scale - 0.5;
            let first = centre.floor();
            let tap = |offset: i32| {
                let source = first + f64::from(offset);
                Tap {
                    // Beyond the border, the outermost point is repeated.
                    index: source.clamp(0.0, (n_from - 1) as f64) as usize,
                    weight: cubic(source - centre, -0.75),
                }
            };
            (-1..=2).map(tap).collect()
        }
        Resampling::BicubicAntialiased => {
            let widening = scale.max(1.0);
            let centre = (target as f64 + 0.5) * scale;
            let start = (centre - 2.0 * widening + 0.5).max(0.0) as usize;
            let end = ((centre + 2.0 * widening + 0.5) as usize).min(n_from);
            let weight = |source| cubic((source as f64 - centre + 0.5) / widening, -0.5);
            // Beyond the border, the kernel is cut off and its weights are normalised.
            let sum: f64 = (start..end).map(weight).sum();
            let tap = |index| Tap {
                index,
                weight: weight(index) / sum,
            };
            (start..end).map(tap).collect()
        }
    };
    (0..n_to).map(taps_at).collect()
}

/// Kernel of cubic convolution.
///
/// ```text
/// k(x) = (a + 2) |x|^3 - (a + 3) |x|^2 + 1          for |x| <= 1
///      = a |x|^3 - 5 a |x|^2 + 8 a |x| - 4 a        for 1 < |x| < 2, otherwise 0
/// ```
fn cubic(distance: f64, a: f64) -> f64 {
    let x = distance.abs();
    match x {
        _ if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_grid_is_sampled_as_by_scale_factors_in_pytorch() {
        let grid = [0.0, 0.37, 1.48, 3.33, 0.92, 4.25, 3.32, 3.13, 3.68];
        // `interpolate(grid, scale_factor=((n + 0.1) / 3, (m + 0.1) / 3), mode="bicubic")` of torch 2.15.0.
        let smaller = [0.548605, 1.461149, 3.271418, 3.41915];
        let larger = [
            -0.307621, -0.101413, 0.295772, 0.909357, 1.346697, 2.182227, 1.267013, 0.444996,
            1.903051, 3.450815, 3.894501, 2.765201, 1.656795, 3.037694, 4.598556, 3.329378,
            3.252917, 3.212296, 3.458802, 3.692151,
        ];
        for (to, expected) in [([2, 2], &smaller[..]), ([4, 5], &larger[..])] {
            let actual = resample(&grid, 1, [3, 3], to, Resampling::BicubicOffset);
            assert_eq!(actual.len(), expected.len());
            for (actual, expected) in actual.iter().zip(expected) {
                assert!((actual - expected).abs() < 1e-5, "{actual} {expected}");
            }
        }
    }
}
