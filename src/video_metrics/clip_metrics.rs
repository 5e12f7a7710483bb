//! All metrics of one clip: their names, units and meaning, and their computation.

use super::betti::betti_numbers;
use super::flip_rate::{flip_rate, flip_rate_to_first, prediction_distance};
use super::frame_features::FrameFeatures;
use super::frames::Frames;
use super::motion::Motion;
use super::similarity::{mean_squared_error, peak_signal_to_noise, structural_similarity};
use crate::mean::mean;

/// Description of one metric of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipMetric {
    /// Name in files and TensorBoard tags.
    pub name: &'static str,
    /// Title in tables and plots.
    pub title: &'static str,
    /// Unit; empty for fractions and other numbers without a unit.
    pub unit: &'static str,
    /// Direction in which the metric improves.
    pub better: Better,
    /// Purpose of the metric.
    pub role: Role,
}

/// Direction in which a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Lower values are better.
    Lower,
    /// Higher values are better.
    Higher,
    /// Values closer to that of the true frames are better.
    LikeTruth,
}

/// Purpose of a metric in a comparison of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Measures the quality of an output.
    Evidence,
    /// Detects a degenerate (constant or frozen) output, for which other metrics mean nothing.
    Guard,
    /// Measures what a penalty may have been trained on: it shows that the penalty works, not that it helps.
    Trained,
}

/// Creates a description of a metric; it keeps the tables below short.
const fn metric(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    better: Better,
    role: Role,
) -> ClipMetric {
    ClipMetric {
        name,
        title,
        unit,
        better,
        role,
    }
}

/// Metrics of classes predicted frame by frame, in the order in which [`class_metrics`] returns them.
pub const CLASS_METRICS: [ClipMetric; 4] = [
    metric(
        "accuracy",
        "fraction of frames classified correctly",
        "",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "flip_rate",
        "flip rate between consecutive frames",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "flip_rate_to_first",
        "flip rate relative to the first frame",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "prediction_distance",
        "distance between predictions of consecutive frames",
        "Jensen-Shannon",
        Better::Lower,
        Role::Evidence,
    ),
];

/// Metrics of predicted frames, in the order in which [`frame_metrics`] returns them.
pub const FRAME_METRICS: [ClipMetric; 13] = [
    metric(
        "mse",
        "mean squared error",
        "squared pixel values",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "psnr",
        "peak signal-to-noise ratio",
        "dB",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "ssim",
        "structural similarity",
        "",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "difference_psnr",
        "PSNR of frame differences",
        "dB",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "flicker",
        "mean change between consecutive frames",
        "pixel values",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "second_difference",
        "second difference in time",
        "pixel values",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "warp_error",
        "warp error along the motion",
        "pixel values",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "feature_consistency",
        "feature similarity to the next frame",
        "cosine",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "feature_consistency_to_first",
        "feature similarity to the first frame",
        "cosine",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "betti_flips",
        "flips of Betti numbers that should be constant",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "betti_error",
        "mean error of the Betti numbers",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "dynamic_degree",
        "change relative to the true frames",
        "",
        Better::LikeTruth,
        Role::Guard,
    ),
    metric(
        "identification",
        "fraction of frames nearest to the true frame of their own time",
        "",
        Better::Higher,
        Role::Guard,
    ),
];

/// Computes the [`CLASS_METRICS`] of one clip; `None` for a metric that needs a missing label or more
/// frames.
///
/// ```text
/// accuracy = mean over t of [c_t == label],  c_t = most probable class of frame t
/// ```
///
/// See [`flip_rate`], [`flip_rate_to_first`] and [`prediction_distance`] (of consecutive frames) for the
/// others.
///
/// # Shapes
///
/// - `probabilities`: `[n_frames, n_classes]`
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::class_metrics;
///
/// let probabilities = [0.9, 0.1, 0.2, 0.8, 0.9, 0.1, 0.9, 0.1];
/// let values = class_metrics(&probabilities, 2, Some(0));
/// assert_eq!(values[..3], [Some(0.75), Some(2.0 / 3.0), Some(1.0 / 3.0)]);
/// ```
pub fn class_metrics(
    probabilities: &[f64],
    n_classes: usize,
    label: Option<usize>,
) -> [Option<f64>; CLASS_METRICS.len()] {
    let classes: Vec<usize> = probabilities
        .chunks_exact(n_classes)
        .map(most_probable)
        .collect();
    let accuracy = label.and_then(|label| {
        let is_correct = classes
            .iter()
            .map(|&class| f64::from(u8::from(class == label)));
        mean(is_correct)
    });
    // In the order of `CLASS_METRICS`.
    [
        accuracy,
        flip_rate(&classes),
        flip_rate_to_first(&classes),
        prediction_distance(probabilities, n_classes, 1),
    ]
}

/// Index of the largest value of a row; the first of several equal ones.
pub fn most_probable<T: PartialOrd>(row: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

/// References for the metrics of predicted frames, beside the true frames themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct GroundTruth<'a> {
    /// Motion of the true frames, known or estimated; without it there is no warp error.
    pub motion: Option<Motion<'a>>,
    /// Numbers of components and holes of each true frame: `[n_frames]`; without them there are no Betti
    /// metrics.
    pub betti: Option<&'a [[usize; 2]]>,
}

/// Brightness in `[0, 1]` from which a pixel belongs to the foreground.
// The masks of generated clips are cut at the same brightness, so their Betti numbers can be compared.
pub const FOREGROUND_THRESHOLD: f32 = 0.3;

/// Computes the [`FRAME_METRICS`] of the frames predicted for one clip against the true frames; `None`
/// for a metric that is not defined.
///
/// ```text
/// mse          = mean over t of MSE(x_t, y_t),  y the true frames;   psnr = PSNR(mse)
/// ssim         = mean over t of SSIM(x_t, y_t)
/// betti_flips  = fraction of consecutive frames whose Betti numbers differ
/// betti_error  = mean over t of (|b0(x_t) - b0(y_t)| + |b1(x_t) - b1(y_t)|)
/// ```
///
/// The Betti numbers of a predicted frame are those of its pixels of at least
/// [`FOREGROUND_THRESHOLD`]. The other metrics are methods of [`Frames`] and [`FrameFeatures`].
///
/// A metric is not defined if there are too few frames, or if it needs a part of `ground_truth` or the
/// `features` of the predicted frames and they are absent. `betti_flips` is not defined either if the Betti
/// numbers of the true frames change.
///
/// # Panics
///
/// If `predicted` and `truth` differ in shape or length.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::{FRAME_METRICS, Frames, GroundTruth, frame_metrics};
///
/// let pixels: Vec<f32> = (0..5 * 64).map(|k| ((k * k) % 11) as f32 / 11.0).collect();
/// let truth = Frames::new(&pixels, [1, 8, 8]);
/// let frozen = pixels[..64].repeat(5);
/// let values = frame_metrics(&Frames::new(&frozen, [1, 8, 8]), &truth, &GroundTruth::default(), None);
/// let value = |name| values[FRAME_METRICS.iter().position(|metric| metric.name == name).unwrap()];
/// // Frozen frames are perfectly steady; the two guards detect them.
/// assert_eq!(value("flicker"), Some(0.0));
/// assert_eq!((value("dynamic_degree"), value("identification")), (Some(0.0), Some(0.2)));
/// ```
pub fn frame_metrics(
    predicted: &Frames<'_>,
    truth: &Frames<'_>,
    ground_truth: &GroundTruth<'_>,
    features: Option<FrameFeatures<'_>>,
) -> [Option<f64>; FRAME_METRICS.len()] {
    let [_, height, width] = truth.shape();
    let pairs = || predicted.iter().zip(truth.iter());
    let error = mean(pairs().map(|(a, b)| mean_squared_error(a, b)));
    // Computed once, because two metrics use them.
    let all_betti_numbers = ground_truth.betti.map(|expected| BettiNumbers {
        actual: predicted
            .iter()
            .map(|frame| foreground_betti_numbers(frame, truth.shape()))
            .collect(),
        expected,
    });
    let betti = all_betti_numbers.as_ref();
    // In the order of `FRAME_METRICS`.
    [
        error,
        // PSNR of the mean error: in a mean of PSNRs a single perfect frame, with 100 dB, would dominate.
        error.map(peak_signal_to_noise),
        mean(pairs().map(|(a, b)| structural_similarity(a, b, [height, width]))),
        predicted.difference_psnr(truth),
        predicted.flicker(),
        predicted.second_difference(),
        ground_truth
            .motion
            .and_then(|motion| predicted.warp_error(&motion)),
        features.and_then(|features| features.consistency(1)),
        features.and_then(|features| features.consistency_to_first()),
        betti.and_then(BettiNumbers::flips),
        betti.and_then(BettiNumbers::error),
        predicted.dynamic_degree(truth),
        predicted.identification(truth),
    ]
}

/// Numbers of components and holes of predicted frames, beside those of the true frames.
struct BettiNumbers<'a> {
    actual: Vec<[usize; 2]>,
    expected: &'a [[usize; 2]],
}

impl BettiNumbers<'_> {
    /// Fraction of consecutive frames whose Betti numbers differ; `None` below two frames or if the true
    /// ones change, because a change is then no error.
    fn flips(&self) -> Option<f64> {
        let is_constant = self.expected.windows(2).all(|pair| pair[0] == pair[1]);
        let flips = self
            .actual
            .windows(2)
            .map(|pair| f64::from(u8::from(pair[0] != pair[1])));
        mean(flips).filter(|_| is_constant)
    }

    /// Mean absolute error of the Betti numbers, summed over both dimensions.
    fn error(&self) -> Option<f64> {
        let pairs = self.actual.iter().zip(self.expected);
        mean(pairs.map(|(a, b)| (a[0].abs_diff(b[0]) + a[1].abs_diff(b[1])) as f64))
    }
}

/// Numbers of components and holes of the pixels whose mean over the channels is at least
/// [`FOREGROUND_THRESHOLD`].
fn foreground_betti_numbers(frame: &[f32], [n_channels, height, width]: [usize; 3]) -> [usize; 2] {
    let size = height * width;
    let is_foreground: Vec<bool> = (0..size)
        .map(|pixel| {
            // Channels are averaged, so the threshold is the same for grey and colour frames.
            let sum: f32 = (0..n_channels)
                .map(|channel| frame[channel * size + pixel])
                .sum();
            sum >= FOREGROUND_THRESHOLD * n_channels as f32
        })
        .collect();
    betti_numbers(&is_foreground, [height, width])
}

#[cfg(test)]
mod tests {
    use super::super::random_filters::RandomFilters;
    use super::*;

    fn value(values: &[Option<f64>], name: &str) -> Option<f64> {
        let index = FRAME_METRICS.iter().position(|metric| metric.name == name);
        values[index.expect("a metric")]
    }

    /// A ring of eight pixels that moves to the right, in frames of 5 by 9; broken frames lack its top row.
    fn ring(n_frames: usize, is_broken: impl Fn(usize) -> bool) -> Vec<f32> {
        let frame = |t: usize| {
            let is_open = is_broken(t);
            (0..45).map(move |pixel| {
                let [row, column] = [pixel / 9, (pixel % 9 + 9 - t) % 9];
                let is_on_ring =
                    (1..4).contains(&row) && (1..4).contains(&column) && [row, column] != [2, 2];
                f32::from(u8::from(is_on_ring && !(is_open && row == 1)))
            })
        };
        (0..n_frames).flat_map(frame).collect()
    }

    const SHAPE: [usize; 3] = [1, 5, 9];

    #[test]
    fn true_frames_have_perfect_metrics() {
        let pixels = ring(5, |_| false);
        let truth = Frames::new(&pixels, SHAPE);
        let flow: Vec<f32> = [[0.0; 45], [1.0; 45]].concat().repeat(4);
        let is_visible: Vec<bool> = (0..4)
            .flat_map(|_| (0..45).map(|pixel| pixel % 9 < 8))
            .collect();
        let features = RandomFilters::new(1).features(&truth);
        let features = FrameFeatures {
            center: &vec![0.0; features[0].len()],
            features: &features,
        };
        let ground_truth = GroundTruth {
            motion: Some(Motion::new(&flow, &is_visible, [5, 9])),
            betti: Some(&[[1, 1]; 5]),
        };
        let values = frame_metrics(&truth, &truth, &ground_truth, Some(features));
        for (name, expected) in [
            ("mse", 0.0),
            ("psnr", 100.0),
            ("difference_psnr", 100.0),
            ("second_difference", truth.second_difference().unwrap()),
            ("warp_error", 0.0),
            ("betti_flips", 0.0),
            ("betti_error", 0.0),
            ("dynamic_degree", 1.0),
            ("identification", 1.0),
        ] {
            assert_eq!(value(&values, name), Some(expected), "{name}");
        }
        assert!(values.iter().all(Option::is_some));
        let nothing = frame_metrics(
            &truth.starting_at(5),
            &truth.starting_at(5),
            &GroundTruth::default(),
            None,
        );
        assert!(nothing.iter().all(Option::is_none));
    }

    #[test]
    fn betti_flips_ignore_clips_whose_topology_truly_changes() {
        let whole = ring(4, |_| false);
        let broken = ring(4, |t| t % 2 == 1);
        let [whole, broken] = [&whole, &broken].map(|pixels| Frames::new(pixels, SHAPE));
        let with_betti = |betti| GroundTruth {
            betti: Some(betti),
            motion: None,
        };
        let values = frame_metrics(&broken, &whole, &with_betti(&[[1, 1]; 4]), None);
        assert_eq!(value(&values, "betti_flips"), Some(1.0));
        assert_eq!(value(&values, "betti_error"), Some(0.5));
        let values = frame_metrics(
            &broken,
            &whole,
            &with_betti(&[[2, 1], [2, 1], [1, 1], [1, 1]]),
            None,
        );
        assert_eq!(value(&values, "betti_flips"), None);
    }

    #[test]
    fn metric_names_are_unique() {
        let mut names: Vec<&str> = CLASS_METRICS
            .iter()
            .chain(&FRAME_METRICS)
            .map(|m| m.name)
            .collect();
        names.sort_unstable();
        let n = names.len();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}
