//! Features of frames from a fixed, untrained encoder.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::frames::Frames;
use crate::mean::mean;

/// Number of filters of each of the two layers.
const N_FILTERS: [usize; 2] = [16, 32];

/// Side of a square filter, in pixels.
const SIDE: usize = 3;

/// Seed of the filters; changing it would make results incomparable with earlier ones.
const FILTER_SEED: u64 = 0;

/// Encoder with two layers of fixed random filters; its features are moments over the frame.
///
/// ```text
/// h1 = relu(conv3x3(x - 0.5)),  h2 = relu(conv3x3(mean_pool2x2(h1)))
/// features = (mean, standard deviation) over the frame of each of the 32 planes of h2
/// ```
///
/// Random filters respond to edges, corners and blobs. They fit any image and are the same for every
/// model that is evaluated: unlike features of the model itself they take no part in its training. They
/// measure roughly whether two images look alike, not what the images show.
///
/// # Source
///
/// Saxe et al., "On Random Weights and Unsupervised Feature Learning", 2011. Consistency as in Huang et
/// al., "VBench", 2024, there with features of DINO and CLIP.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::{Frames, FrozenEncoder};
///
/// let encoder = FrozenEncoder::new(1);
/// let pixels: Vec<f32> = (0..2 * 64).map(|k| ((k * k) % 7) as f32 / 7.0).collect();
/// let features = encoder.features(&Frames::new(&pixels, [1, 8, 8]));
/// let center = vec![0.0; features[0].len()];
/// // Two equal frames have the largest possible consistency, 1.
/// let still = [features[0].clone(), features[0].clone()];
/// let consistency = FrozenEncoder::consistency(&still, &center, 1).unwrap();
/// assert!((consistency - 1.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone)]
pub struct FrozenEncoder {
    n_channels: usize,
    /// Filters of each layer: `[n_filters, n_input_planes, SIDE, SIDE]`.
    filters: [Vec<f32>; 2],
}

impl FrozenEncoder {
    /// Creates the encoder of frames with `n_channels` channels.
    pub fn new(n_channels: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(FILTER_SEED);
        let n_inputs = [n_channels, N_FILTERS[0]];
        // Both layers draw from one stream, so their order is part of the result.
        let filters = [0, 1].map(|layer| {
            let n_weights = n_inputs[layer] * SIDE * SIDE;
            // He initialisation: the rectified responses keep their variance from layer to layer.
            let scale = (2.0 / n_weights as f32).sqrt();
            (0..N_FILTERS[layer] * n_weights)
                .map(|_| {
                    let weight: f32 = StandardNormal.sample(&mut random);
                    scale * weight
                })
                .collect()
        });
        Self {
            n_channels,
            filters,
        }
    }

    /// Computes the features of every frame: `[n_frames][2 * 32]`, mean and standard deviation of each
    /// filter of the second layer.
    ///
    /// # Panics
    ///
    /// If the frames have a number of channels other than that of the encoder.
    ///
    /// # Cost
    ///
    /// About 1,300 multiplications per pixel for one channel.
    pub fn features(&self, frames: &Frames<'_>) -> Vec<Vec<f64>> {
        let [n_channels, height, width] = frames.shape();
        assert_eq!(
            n_channels, self.n_channels,
            "the frames do not have the number of channels of the encoder"
        );
        let frame_features = |frame: &[f32]| {
            let centred: Vec<f32> = frame.iter().map(|pixel| pixel - 0.5).collect();
            let first = convolve(&centred, [height, width], &self.filters[0], N_FILTERS[0]);
            let Pooled {
                planes: pooled,
                size,
            } = mean_pool(&first, [height, width]);
            let second = convolve(&pooled, size, &self.filters[1], N_FILTERS[1]);
            let planes = second.chunks_exact(size[0] * size[1]);
            planes.flat_map(mean_and_deviation).collect()
        };
        frames.iter().map(frame_features).collect()
    }

    /// Mean cosine similarity between the features of frames `gap` apart, measured from `center`: 1 for
    /// equal frames; `None` without such a pair.
    ///
    /// ```text
    /// mean over t of cos(f_t - center, f_(t+gap) - center)
    /// ```
    ///
    /// Features of all images point in roughly the same direction. Measured from their mean over many
    /// images they distinguish images.
    pub fn consistency(features: &[Vec<f64>], center: &[f64], gap: usize) -> Option<f64> {
        let pairs = features.iter().zip(features.iter().skip(gap));
        mean(pairs.map(|(a, b)| cosine(a, b, center)))
    }

    /// Mean cosine similarity between the features of the first frame and of each later frame, measured
    /// from `center`; `None` below two frames.
    ///
    /// ```text
    /// mean over t > 1 of cos(f_1 - center, f_t - center)
    /// ```
    pub fn consistency_to_first(features: &[Vec<f64>], center: &[f64]) -> Option<f64> {
        let (first, later) = features.split_first()?;
        mean(later.iter().map(|other| cosine(first, other, center)))
    }
}

/// Cosine similarity of two feature vectors measured from `center`.
fn cosine(a: &[f64], b: &[f64], center: &[f64]) -> f64 {
    let mut sums = [0.0; 3];
    for ((a, b), center) in a.iter().zip(b).zip(center) {
        let (a, b) = (a - center, b - center);
        for (sum, part) in sums.iter_mut().zip([a * b, a * a, b * b]) {
            *sum += part;
        }
    }
    let norm = (sums[1] * sums[2]).sqrt();
    // The cosine is undefined if a vector lies at the center: 1 if both do, because they are equal then.
    if norm > 0.0 {
        sums[0] / norm
    } else {
        f64::from(u8::from(sums[1] == sums[2]))
    }
}

/// Convolves planes with each of `n` filters and rectifies the responses; zero padding.
fn convolve(planes: &[f32], [height, width]: [usize; 2], filters: &[f32], n: usize) -> Vec<f32> {
    let size = height * width;
    let mut output = vec![0.0f32; n * size];
    let per_filter = filters.len() / n;
    for (output, filter) in output
        .chunks_exact_mut(size)
        .zip(filters.chunks_exact(per_filter))
    {
        for (plane, kernel) in planes
            .chunks_exact(size)
            .zip(filter.chunks_exact(SIDE * SIDE))
        {
            // Weight by weight over whole rows, rather than pixel by pixel: the inner loop then runs over
            // consecutive numbers, and needs no test for the border.
            for (index, weight) in kernel.iter().enumerate() {
                let rows = Overlap::new(index / SIDE, height);
                let columns = Overlap::new(index % SIDE, width);
                for (row, source) in rows.outputs.zip(rows.first_input..) {
                    let output = &mut output[row * width..][columns.outputs.clone()];
                    let source = &plane[source * width + columns.first_input..];
                    for (output, pixel) in output.iter_mut().zip(source) {
                        *output += weight * pixel;
                    }
                }
            }
        }
        output.iter_mut().for_each(|value| *value = value.max(0.0));
    }
    output
}

/// Part of an axis on which a shifted pixel lies within the frame.
struct Overlap {
    /// Positions of the output that receive an input.
    outputs: Range<usize>,
    /// Position of the input that the first of these outputs receives.
    first_input: usize,
}

impl Overlap {
    /// Overlap of an axis with itself, shifted by the column or row `index` of a filter of side 3.
    fn new(index: usize, extent: usize) -> Self {
        let (outputs, first_input) = match index {
            0 => (1.min(extent)..extent, 0),
            1 => (0..extent, 0),
            _ => (0..extent.saturating_sub(1), 1.min(extent)),
        };
        Self {
            outputs,
            first_input,
        }
    }
}

/// Planes after pooling, with their size.
struct Pooled {
    planes: Vec<f32>,
    /// `[height, width]`
    size: [usize; 2],
}

/// Means over squares of two by two pixels; a last odd row or column is averaged by itself.
fn mean_pool(planes: &[f32], [height, width]: [usize; 2]) -> Pooled {
    let size = [height.div_ceil(2), width.div_ceil(2)];
    let mut output = Vec::with_capacity(planes.len() / 4 + 1);
    for plane in planes.chunks_exact(height * width) {
        for row in 0..size[0] {
            for column in 0..size[1] {
                let rows = 2 * row..(2 * row + 2).min(height);
                let columns = 2 * column..(2 * column + 2).min(width);
                let n = (rows.len() * columns.len()) as f32;
                let sum: f32 = rows
                    .map(|row| plane[row * width..][columns.clone()].iter().sum::<f32>())
                    .sum();
                output.push(sum / n);
            }
        }
    }
    Pooled {
        planes: output,
        size,
    }
}

/// Mean and population standard deviation of a plane.
fn mean_and_deviation(plane: &[f32]) -> [f64; 2] {
    let n = plane.len() as f64;
    let mean = plane.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let squares = plane.iter().map(|&x| (f64::from(x) - mean).powi(2));
    [mean, (squares.sum::<f64>() / n).sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bright square in a dark frame of 12 by 12.
    fn square([row, column]: [usize; 2], side: usize) -> Vec<f32> {
        let is_inside = |position: usize, start: usize| (start..start + side).contains(&position);
        (0..144)
            .map(|pixel| {
                f32::from(u8::from(
                    is_inside(pixel / 12, row) && is_inside(pixel % 12, column),
                ))
            })
            .collect()
    }

    #[test]
    fn moving_an_object_changes_features_less_than_replacing_it() {
        let encoder = FrozenEncoder::new(1);
        let pixels = [square([2, 2], 3), square([6, 5], 3), square([2, 2], 7)].concat();
        let features = encoder.features(&Frames::new(&pixels, [1, 12, 12]));
        let n = features[0].len();
        assert_eq!(n, 2 * N_FILTERS[1]);
        let center: Vec<f64> = (0..n)
            .map(|k| features.iter().map(|f| f[k]).sum::<f64>() / 3.0)
            .collect();
        let moved = FrozenEncoder::consistency(&features[..2], &center, 1).unwrap();
        let exchanged = FrozenEncoder::consistency(&features, &center, 2).unwrap();
        assert!(moved > 0.5 && exchanged < 0.0, "{moved} {exchanged}");
        let to_first = FrozenEncoder::consistency_to_first(&features, &center).unwrap();
        assert!((to_first - 0.5 * (moved + exchanged)).abs() < 1e-12);
        assert_eq!(FrozenEncoder::consistency(&features, &center, 3), None);
    }

    #[test]
    fn convolution_equals_the_direct_sum() {
        let image: Vec<f32> = (0..15).map(|k| ((k * 7) % 5) as f32).collect();
        let kernel: Vec<f32> = (0..9).map(|k| k as f32 - 3.0).collect();
        let actual = convolve(&image, [3, 5], &kernel, 1);
        for row in 0..3i64 {
            for column in 0..5i64 {
                let mut sum = 0.0;
                for (index, weight) in kernel.iter().enumerate() {
                    let source = [row + index as i64 / 3 - 1, column + index as i64 % 3 - 1];
                    if (0..3).contains(&source[0]) && (0..5).contains(&source[1]) {
                        sum += weight * image[(source[0] * 5 + source[1]) as usize];
                    }
                }
                assert_eq!(actual[(row * 5 + column) as usize], sum.max(0.0));
            }
        }
        // A frame of a single pixel meets only the middle of the kernel.
        assert_eq!(convolve(&[2.0], [1, 1], &kernel, 1), [2.0]);
        assert_eq!(mean_pool(&image, [3, 5]).size, [2, 3]);
    }
}
