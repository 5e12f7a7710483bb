//! Features of frames that no training has touched.

use rand_distr::{Distribution, StandardNormal};

use super::frames::{Frames, mean};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Filters of the two layers.
const N_FILTERS: [usize; 2] = [16, 32];

/// Pixels of a filter, along a side.
const SIDE: usize = 3;

/// Names the filters; changing it would make results incomparable.
const FILTER_SEED: u64 = 0;

/// Two layers of random filters, whose features are means and spreads over the frame.
///
/// Random filters see edges, corners and blobs, hold for any picture and are the same for every model
/// that is judged: they take no part in its training, as the model's own features would. Whether two
/// pictures look alike they tell roughly; what is in them they do not.
///
/// # Source
///
/// Saxe et al., "On Random Weights and Unsupervised Feature Learning", 2011. Consistency as in Huang et
/// al., "VBench", 2024, there with features of DINO and CLIP.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::{Frames, FrozenEncoder};
///
/// let encoder = FrozenEncoder::new(1);
/// let pixels: Vec<f32> = (0..2 * 64).map(|k| ((k * k) % 7) as f32 / 7.0).collect();
/// let features = encoder.features(&Frames::new(&pixels, [1, 8, 8]));
/// let center = vec![0.0; features[0].len()];
/// // A clip is as like itself as can be, whatever the frames are measured from.
/// let still = [features[0].clone(), features[0].clone()];
/// let found = FrozenEncoder::consistency(&still, &center, 1).unwrap();
/// assert!((found - 1.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone)]
pub struct FrozenEncoder {
    n_channels: usize,
    filters: [Vec<f32>; 2],
}

impl FrozenEncoder {
    /// The encoder of frames with so many channels.
    pub fn new(n_channels: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(FILTER_SEED);
        let n_inputs = [n_channels, N_FILTERS[0]];
        let filters = [0, 1].map(|layer| {
            let n_weights = n_inputs[layer] * SIDE * SIDE;
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

    /// Features of every frame: mean and standard deviation over the frame of each filter of the second
    /// layer.
    ///
    /// # Panics
    ///
    /// If the frames have another number of channels.
    ///
    /// # Cost
    ///
    /// About 1,300 multiplications for each pixel.
    pub fn features(&self, frames: &Frames<'_>) -> Vec<Vec<f64>> {
        let [n_channels, height, width] = frames.shape();
        assert_eq!(n_channels, self.n_channels, "channels of the frames");
        let of_frame = |frame: &[f32]| {
            let centred: Vec<f32> = frame.iter().map(|pixel| pixel - 0.5).collect();
            let first = filtered(&centred, [height, width], &self.filters[0], N_FILTERS[0]);
            let (pooled, size) = halved(&first, [height, width]);
            let second = filtered(&pooled, size, &self.filters[1], N_FILTERS[1]);
            let planes = second.chunks_exact(size[0] * size[1]);
            planes.flat_map(mean_and_spread).collect()
        };
        frames.iter().map(of_frame).collect()
    }

    /// Cosine between the features of frames `gap` apart, measured from `center`, mean over such pairs:
    /// 1 for equal frames. `None` without a pair.
    ///
    /// Features of all pictures point roughly the same way; from their mean over many pictures they
    /// tell them apart.
    pub fn consistency(features: &[Vec<f64>], center: &[f64], gap: usize) -> Option<f64> {
        let pairs = features.iter().zip(features.iter().skip(gap));
        mean(pairs.map(|(a, b)| cosine(a, b, center)))
    }

    /// The same between the first frame and each later one. `None` below two frames.
    pub fn consistency_to_first(features: &[Vec<f64>], center: &[f64]) -> Option<f64> {
        let (first, later) = features.split_first()?;
        mean(later.iter().map(|other| cosine(first, other, center)))
    }
}

fn cosine(a: &[f64], b: &[f64], center: &[f64]) -> f64 {
    let mut sums = [0.0; 3];
    for ((a, b), center) in a.iter().zip(b).zip(center) {
        let (a, b) = (a - center, b - center);
        for (sum, part) in sums.iter_mut().zip([a * b, a * a, b * b]) {
            *sum += part;
        }
    }
    let norm = (sums[1] * sums[2]).sqrt();
    // Two features at the center are equal.
    if norm > 0.0 {
        sums[0] / norm
    } else {
        f64::from(u8::from(sums[1] == sums[2]))
    }
}

/// Planes of the rectified responses to each filter, zero outside of the frame.
fn filtered(planes: &[f32], [height, width]: [usize; 2], filters: &[f32], n: usize) -> Vec<f32> {
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
            for (place, weight) in kernel.iter().enumerate() {
                // The part of the frame whose shifted pixel lies in it.
                let (rows, from_row) = overlap(place / SIDE, height);
                let (columns, from_column) = overlap(place % SIDE, width);
                for (row, source) in rows.zip(from_row..) {
                    let output = &mut output[row * width..][columns.clone()];
                    let source = &plane[source * width + from_column..];
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

/// Where a shift by one pixel back (0), none (1) or one ahead (2) stays inside, and where it begins to
/// read.
fn overlap(shift: usize, extent: usize) -> (std::ops::Range<usize>, usize) {
    match shift {
        0 => (1.min(extent)..extent, 0),
        1 => (0..extent, 0),
        _ => (0..extent.saturating_sub(1), 1.min(extent)),
    }
}

/// Means over squares of two by two pixels; a last odd row or column is a square of its own.
fn halved(planes: &[f32], [height, width]: [usize; 2]) -> (Vec<f32>, [usize; 2]) {
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
    (output, size)
}

fn mean_and_spread(plane: &[f32]) -> [f64; 2] {
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
        let is_inside = |place: usize, start: usize| (start..start + side).contains(&place);
        (0..144)
            .map(|at| {
                f32::from(u8::from(
                    is_inside(at / 12, row) && is_inside(at % 12, column),
                ))
            })
            .collect()
    }

    #[test]
    fn moving_a_thing_changes_less_than_exchanging_it() {
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
    fn filters_are_laid_over_every_pixel() {
        let picture: Vec<f32> = (0..15).map(|k| ((k * 7) % 5) as f32).collect();
        let kernel: Vec<f32> = (0..9).map(|k| k as f32 - 3.0).collect();
        let found = filtered(&picture, [3, 5], &kernel, 1);
        for row in 0..3i64 {
            for column in 0..5i64 {
                let mut sum = 0.0;
                for (place, weight) in kernel.iter().enumerate() {
                    let at = [row + place as i64 / 3 - 1, column + place as i64 % 3 - 1];
                    if (0..3).contains(&at[0]) && (0..5).contains(&at[1]) {
                        sum += weight * picture[(at[0] * 5 + at[1]) as usize];
                    }
                }
                assert_eq!(found[(row * 5 + column) as usize], sum.max(0.0));
            }
        }
        // Frames of a single pixel too.
        assert_eq!(filtered(&[2.0], [1, 1], &kernel, 1), [2.0]);
        assert_eq!(halved(&picture, [3, 5]).1, [2, 3]);
    }
}
