//! Similarity of two frames: mean squared error, PSNR and SSIM.

/// Side of the square window of SSIM, in pixels.
const SSIM_WINDOW: usize = 7;

/// Mean squared error between two frames, in squared pixel values.
///
/// ```text
/// sum_i (a_i - b_i)^2 / n
/// ```
///
/// # Panics
///
/// If the lengths differ.
pub fn mean_squared_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "the two frames differ in size");
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>() / a.len().max(1) as f64
}

/// Peak signal-to-noise ratio of a mean squared error, in decibels, for pixels in `[0, 1]`.
///
/// ```text
/// PSNR = -10 log10(max(MSE, 1e-10))
/// ```
///
/// The bound keeps the result finite for equal frames: it is never above 100 dB.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::peak_signal_to_noise;
///
/// assert_eq!(peak_signal_to_noise(0.01), 20.0);
/// assert_eq!(peak_signal_to_noise(0.0), 100.0);
/// ```
pub fn peak_signal_to_noise(mean_squared_error: f64) -> f64 {
    -10.0 * mean_squared_error.max(1e-10).log10()
}

/// Structural similarity (SSIM) of two frames with pixels in `[0, 1]`: 1 for equal frames, near 0 for
/// unrelated ones.
///
/// ```text
///            (2 m_a m_b + C1) (2 cov_ab + C2)
/// SSIM = ---------------------------------------,  C1 = 0.01^2,  C2 = 0.03^2
///        (m_a^2 + m_b^2 + C1) (var_a + var_b + C2)
/// ```
///
/// The means `m`, sample variances `var` and sample covariance `cov` are those of a window of 7 by 7
/// pixels with uniform weights. The result is the mean over all channels and all windows that lie
/// within the frame. A side of the frame that is shorter than 7 pixels bounds that of the window.
///
/// # Shapes
///
/// - `a`, `b`: `[n_channels, height, width]`
///
/// # Panics
///
/// If the two lengths differ or are not a multiple of `height * width`.
///
/// # Cost
///
/// About 49 operations per pixel, because every window is summed anew.
///
/// # Source
///
/// Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
/// equation 13; windows as in scikit-image.
pub fn structural_similarity(a: &[f32], b: &[f32], [height, width]: [usize; 2]) -> f64 {
    const C1: f64 = 0.01 * 0.01;
    const C2: f64 = 0.03 * 0.03;
    assert_eq!(a.len(), b.len(), "the two frames differ in size");
    assert!(
        height * width > 0 && a.len().is_multiple_of(height * width),
        "the length of a frame is not a multiple of height * width"
    );
    let window = [height, width].map(|side| side.min(SSIM_WINDOW));
    let n = (window[0] * window[1]) as f64;
    // Turns population moments into sample moments. A window of one pixel has no sample covariance; 0
    // reduces SSIM to its comparison of means.
    let sample_correction = if n > 1.0 { n / (n - 1.0) } else { 0.0 };
    let (mut total, mut n_windows) = (0.0, 0);
    let channels = a
        .chunks_exact(height * width)
        .zip(b.chunks_exact(height * width));
    for (a, b) in channels {
        for top in 0..=height - window[0] {
            for left in 0..=width - window[1] {
                // Every window is summed anew: in running sums, rounding errors would grow along a row.
                let mut sums = [0.0; 5];
                for row in top..top + window[0] {
                    let start = row * width + left;
                    let pixels = a[start..start + window[1]].iter().zip(&b[start..]);
                    for (&x, &y) in pixels {
                        let (x, y) = (f64::from(x), f64::from(y));
                        for (sum, part) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                            *sum += part;
                        }
                    }
                }
                let [x, y, xx, yy, xy] = sums.map(|sum| sum / n);
                let variances = sample_correction * ((xx - x * x) + (yy - y * y));
                let covariance = sample_correction * (xy - x * y);
                total += (2.0 * x * y + C1) * (2.0 * covariance + C2)
                    / ((x * x + y * y + C1) * (variances + C2));
                n_windows += 1;
            }
        }
    }
    total / f64::from(n_windows.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns reproducible pixel values in `[0, 1]`.
    fn wave(k: usize, phase: f32) -> f32 {
        0.5 + 0.5 * (0.37 * k as f32 + phase).sin()
    }

    #[test]
    fn similarity_decreases_from_equal_to_inverted() {
        let frame: Vec<f32> = (0..2 * 9 * 10).map(|k| wave(k, 0.0)).collect();
        let other: Vec<f32> = (0..2 * 9 * 10).map(|k| wave(k, 0.3)).collect();
        let opposite: Vec<f32> = frame.iter().map(|x| 1.0 - x).collect();
        assert_eq!(mean_squared_error(&frame, &frame), 0.0);
        assert!((structural_similarity(&frame, &frame, [9, 10]) - 1.0).abs() < 1e-12);
        let ssim = |b: &[f32]| structural_similarity(&frame, b, [9, 10]);
        assert!(ssim(&opposite) < 0.0 && ssim(&opposite) < ssim(&other) && ssim(&other) < 1.0);
    }

    #[test]
    fn ssim_equals_scikit_image() {
        // skimage.metrics.structural_similarity(a, b, data_range=1) with a = arange(64) / 63 as an 8 by 8
        // array and b = a * a.
        let a: Vec<f32> = (0..64).map(|k| k as f32 / 63.0).collect();
        let b: Vec<f32> = a.iter().map(|x| x * x).collect();
        let actual = structural_similarity(&a, &b, [8, 8]);
        assert!((actual - SCIKIT_IMAGE).abs() < 1e-6, "{actual}");
        assert!((mean_squared_error(&a, &b) - 0.032_812_498).abs() < 1e-6);
    }

    const SCIKIT_IMAGE: f64 = 0.871_582_865;

    #[test]
    fn small_frames_fit_in_one_window() {
        for shape in [[1, 1], [1, 5], [3, 2]] {
            let frame: Vec<f32> = (0..shape[0] * shape[1]).map(|k| wave(k, 0.0)).collect();
            let actual = structural_similarity(&frame, &frame, shape);
            assert!((actual - 1.0).abs() < 1e-12, "{shape:?}: {actual}");
        }
    }
}
