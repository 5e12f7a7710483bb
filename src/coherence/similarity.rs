//! How alike two frames are.

/// Side of the window that structure is compared in, in pixels.
const SSIM_WINDOW: usize = 7;

/// Mean squared difference of two frames.
///
/// # Units
///
/// Of the square of the pixels.
///
/// # Panics
///
/// If the lengths differ.
pub fn mean_squared_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "frames differ in size");
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>() / a.len().max(1) as f64
}

/// Peak signal-to-noise ratio of a mean squared error of pixels in `[0, 1]`; errors below 1e-10 count as
/// that, so that nothing is above 100.
///
/// # Units
///
/// Decibels.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::peak_signal_to_noise;
///
/// assert_eq!(peak_signal_to_noise(0.01), 20.0);
/// assert_eq!(peak_signal_to_noise(0.0), 100.0);
/// ```
pub fn peak_signal_to_noise(mean_squared_error: f64) -> f64 {
    -10.0 * mean_squared_error.max(1e-10).log10()
}

/// Structural similarity of two frames with pixels in `[0, 1]`: 1 for equal frames, near 0 for
/// unrelated ones.
///
/// Mean over the channels and all windows of 7 by 7 pixels, or the whole of a smaller frame, that lie
/// within the frame, with uniform weights and sample covariances.
///
/// # Shapes
///
/// - `a`, `b`: `[n_channels, height, width]`
///
/// # Panics
///
/// If the lengths do not fit the shape.
///
/// # Cost
///
/// O(49) for each pixel.
///
/// # Source
///
/// Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
/// equation 13; windows as in scikit-image.
pub fn structural_similarity(a: &[f32], b: &[f32], [height, width]: [usize; 2]) -> f64 {
    const C1: f64 = 0.01 * 0.01;
    const C2: f64 = 0.03 * 0.03;
    assert_eq!(a.len(), b.len(), "frames differ in size");
    assert!(
        height * width > 0 && a.len().is_multiple_of(height * width),
        "frames are not whole"
    );
    let window = [height, width].map(|side| side.min(SSIM_WINDOW));
    let n = (window[0] * window[1]) as f64;
    // Of one pixel there is no sample covariance, and no structure.
    let of_sample = if n > 1.0 { n / (n - 1.0) } else { 0.0 };
    let (mut total, mut n_windows) = (0.0, 0);
    let channels = a.chunks_exact(height * width);
    for (a, b) in channels.zip(b.chunks_exact(height * width)) {
        for top in 0..=height - window[0] {
            for left in 0..=width - window[1] {
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
                let variances = of_sample * ((xx - x * x) + (yy - y * y));
                let covariance = of_sample * (xy - x * y);
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

    /// Numbers that anyone can make again.
    fn wave(k: usize, phase: f32) -> f32 {
        0.5 + 0.5 * (0.37 * k as f32 + phase).sin()
    }

    #[test]
    fn equal_frames_are_alike_and_others_less() {
        let frame: Vec<f32> = (0..2 * 9 * 10).map(|k| wave(k, 0.0)).collect();
        let other: Vec<f32> = (0..2 * 9 * 10).map(|k| wave(k, 0.3)).collect();
        let opposite: Vec<f32> = frame.iter().map(|x| 1.0 - x).collect();
        assert_eq!(mean_squared_error(&frame, &frame), 0.0);
        assert!((structural_similarity(&frame, &frame, [9, 10]) - 1.0).abs() < 1e-12);
        let of = |b: &[f32]| structural_similarity(&frame, b, [9, 10]);
        assert!(of(&opposite) < 0.0 && of(&opposite) < of(&other) && of(&other) < 1.0);
    }

    #[test]
    fn values_of_scikit_image_are_reproduced() {
        // skimage.metrics.structural_similarity(a, b, data_range=1), a = arange(64) / 63 as 8 by 8,
        // b = a * a.
        let a: Vec<f32> = (0..64).map(|k| k as f32 / 63.0).collect();
        let b: Vec<f32> = a.iter().map(|x| x * x).collect();
        let found = structural_similarity(&a, &b, [8, 8]);
        assert!((found - SCIKIT_IMAGE).abs() < 1e-6, "{found}");
        assert!((mean_squared_error(&a, &b) - 0.032_812_498).abs() < 1e-6);
    }

    const SCIKIT_IMAGE: f64 = 0.871_582_865;

    #[test]
    fn small_frames_are_one_window() {
        for shape in [[1, 1], [1, 5], [3, 2]] {
            let frame: Vec<f32> = (0..shape[0] * shape[1]).map(|k| wave(k, 0.0)).collect();
            let found = structural_similarity(&frame, &frame, shape);
            assert!((found - 1.0).abs() < 1e-12, "{shape:?}: {found}");
        }
    }
}
