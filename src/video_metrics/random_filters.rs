//! Features of frames from fixed random filters.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::frames::Frames;

/// Number of filters of each of the two layers.
const N_FILTERS: [usize; 2] = [16, 32];

/// Side of a square filter, in pixels.
const SIDE: usize = 3;

/// Seed of the filters; changing it would make results incomparable with earlier ones.
const FILTER_SEED: u64 = 0;

/// Two layers of fixed random filters, whose features are moments over the frame.
///
/// ```text
/// h1 = relu(conv3x3(x - 0.5)),  h2 = relu(conv3x3(mean_pool2x2(h1)))
/// features = (mean, standard deviation) over the frame of each of the 32 planes of h2
/// ```
///
/// Random filters respond to edges, corners and blobs. They fit any image and are the same for every
/// model that is evaluated: unlike features of the model itself they take no part in its training. They
/// measure roughly whether two images look alike, not what the images show. A pretrained model measures
/// more of that.
///
/// # Source
///
/// Saxe et al., "On Random Weights and Unsupervised Feature Learning", 2011.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::{Frames, RandomFilters};
///
/// let filters = RandomFilters::new(1);
/// let pixels: Vec<f32> = (0..2 * 64).map(|k| ((k * k) % 7) as f32 / 7.0).collect();
/// let features = filters.features(&Frames::new(&pixels, [1, 8, 8]));
/// assert_eq!((features.len(), features[0].len()), (2, 64));
/// ```
#[derive(Debug, Clone)]
pub struct RandomFilters {
    n_channels: usize,
    /// Filters of each layer: `[n_filters, n_input_planes, SIDE, SIDE]`.
    filters: [Vec<f32>; 2],
}

impl RandomFilters {
    /// Creates the filters for frames with `n_channels` channels.
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
    /// If the frames have another number of channels than the filters.
    ///
    /// # Cost
    ///
    /// About 1,300 multiplications per pixel for one channel.
    pub fn features(&self, frames: &Frames<'_>) -> Vec<Vec<f64>> {
        let [n_channels, height, width] = frames.shape();
        assert_eq!(
            n_channels, self.n_channels,
            "the frames do not have the number of channels of the filters"
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
