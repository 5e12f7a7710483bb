//! Resizing of images of bytes, with the same result as Pillow, byte by byte.
//!
//! Published models were trained on images that Pillow resized; no crate rounds as it does.

/// Interpolation filter, by its name in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Nearest pixel.
    Nearest,
    /// Triangle, of width 2.
    Bilinear,
    /// Cubic convolution with `a = -0.5`, of width 4.
    Bicubic,
    /// Windowed sinc, of width 6.
    Lanczos,
}

/// Number of binary places of the weights.
const PRECISION: u32 = 22;

/// Weights of the pixels that a new pixel depends on, along one axis.
struct Taps {
    /// Index of the first of these pixels.
    first: usize,
    /// Weights, scaled by 2^[`PRECISION`].
    weights: Vec<i32>,
}

impl Filter {
    /// Half of the width, in pixels.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// Value at a distance.
    fn value(self, distance: f64) -> f64 {
        let x = distance.abs();
        let sinc = |x: f64| match x {
            0.0 => 1.0,
            _ => (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI),
        };
        match self {
            _ if x >= self.support() => 0.0,
            Self::Nearest => 1.0,
            Self::Bilinear => 1.0 - x,
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
            Self::Lanczos => sinc(x) * sinc(x / 3.0),
        }
    }

    /// Taps of each of `n_to` new pixels. Where the image becomes smaller, the filter becomes wider.
    fn taps(self, n_from: usize, n_to: usize) -> Vec<Taps> {
        let scale = n_from as f64 / n_to as f64;
        let widening = scale.max(1.0);
        let support = self.support() * widening;
        if self == Self::Nearest {
            // Summed up, because another rounding would choose another pixel where two are equally near.
            let mut centre = scale * 0.5;
            let nearest = |_| {
                let first = (centre as usize).min(n_from - 1);
                centre += scale;
                Taps {
                    first,
                    weights: vec![1 << PRECISION],
                }
            };
            return (0..n_to).map(nearest).collect();
        }
        let taps_at = |to: usize| {
            let centre = (to as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(n_from);
            let values: Vec<f64> = (first..end)
                .map(|from| self.value((from as f64 - centre + 0.5) / widening))
                .collect();
            let sum: f64 = values.iter().sum();
            let scaled = |value: &f64| (value / sum * f64::from(1 << PRECISION)).round() as i32;
            Taps {
                first,
                weights: values.iter().map(scaled).collect(),
            }
        };
        (0..n_to).map(taps_at).collect()
    }
}

/// Resizes an image to a height and width that are not 0.
///
/// # Shapes
///
/// - `pixels`: `[from[0], from[1], n_channels]`
/// - returns `[to[0], to[1], n_channels]`
///
/// # Source
///
/// `Resample.c` of Pillow: first along rows, then along columns, with bytes in between.
pub(super) fn resized(
    pixels: &[u8],
    n_channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    filter: Filter,
) -> Vec<u8> {
    let row_len = from[1] * n_channels;
    let narrow = if from[1] == to[1] {
        pixels.to_vec()
    } else {
        let taps = filter.taps(from[1], to[1]);
        let mut narrow = Vec::with_capacity(from[0] * to[1] * n_channels);
        for row in pixels.chunks(row_len) {
            for Taps { first, weights } in &taps {
                narrow.extend((0..n_channels).map(|channel| {
                    let values = row[first * n_channels + channel..]
                        .iter()
                        .step_by(n_channels);
                    weighted(values.zip(weights))
                }));
            }
        }
        narrow
    };
    if from[0] == to[0] {
        return narrow;
    }
    let row_len = to[1] * n_channels;
    let mut resized = Vec::with_capacity(to[0] * row_len);
    for Taps { first, weights } in filter.taps(from[0], to[0]) {
        let rows = &narrow[first * row_len..];
        resized.extend(
            (0..row_len)
                .map(|column| weighted(rows[column..].iter().step_by(row_len).zip(&weights))),
        );
    }
    resized
}

/// Weighted sum, rounded to a byte.
fn weighted<'a>(terms: impl Iterator<Item = (&'a u8, &'a i32)>) -> u8 {
    let half = 1 << (PRECISION - 1);
    let sum = terms.fold(half, |sum, (&pixel, &weight)| {
        sum + i32::from(pixel) * weight
    });
    (sum >> PRECISION).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTERS: [Filter; 4] = [
        Filter::Nearest,
        Filter::Bilinear,
        Filter::Bicubic,
        Filter::Lanczos,
    ];

    #[test]
    fn a_uniform_image_stays_uniform_and_an_image_of_the_same_size_the_same() {
        let uniform = vec![201; 7 * 5 * 3];
        let any: Vec<u8> = (0..7 * 5 * 3).map(|i| (i * 37 % 256) as u8).collect();
        for filter in FILTERS {
            for to in [[3, 11], [20, 2], [7, 1], [1, 5]] {
                let resized = resized(&uniform, 3, [7, 5], to, filter);
                assert!(resized.len() == to[0] * to[1] * 3 && resized.iter().all(|&x| x == 201));
            }
            assert_eq!(resized(&any, 3, [7, 5], [7, 5], filter), any);
        }
    }

    #[test]
    fn sharp_edges_overshoot_within_the_range_of_bytes() {
        let edge = [0, 0, 0, 255, 255, 255];
        let wider = resized(&edge, 1, [1, 6], [1, 12], Filter::Bicubic);
        assert_eq!(wider[..4], [0; 4]);
        assert_eq!(wider[8..], [255; 4]);
        assert!(wider.is_sorted());
    }
}
