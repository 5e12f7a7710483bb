//! The numbers of one clip.

use super::betti::betti_numbers;
use super::encoder::FrozenEncoder;
use super::frames::{Frames, mean};
use super::labels::{flip_rate, flip_rate_to_first, prediction_distance};
use super::metric::{OF_CLASSES, OF_FRAMES};
use super::motion::Motion;
use super::similarity::{mean_squared_error, peak_signal_to_noise, structural_similarity};

/// [`OF_CLASSES`] of one clip; `None` where one is not defined: without a label, or below two frames.
///
/// # Shapes
///
/// - `probabilities`: `[n_frames, n_classes]`
///
/// # Example
///
/// ```
/// use burn_topology::coherence::of_classes;
///
/// let probabilities = [0.9, 0.1, 0.2, 0.8, 0.9, 0.1, 0.9, 0.1];
/// let found = of_classes(&probabilities, 2, Some(0));
/// assert_eq!(found[..3], [Some(0.75), Some(2.0 / 3.0), Some(1.0 / 3.0)]);
/// ```
pub fn of_classes(
    probabilities: &[f64],
    n_classes: usize,
    label: Option<usize>,
) -> [Option<f64>; OF_CLASSES.len()] {
    let classes: Vec<usize> = probabilities
        .chunks_exact(n_classes)
        .map(most_probable)
        .collect();
    let right = label.and_then(|label| {
        let right = classes
            .iter()
            .map(|&class| f64::from(u8::from(class == label)));
        mean(right)
    });
    [
        right,
        flip_rate(&classes),
        flip_rate_to_first(&classes),
        prediction_distance(probabilities, n_classes, 1),
    ]
}

/// Place of the largest number, the first at ties.
pub fn most_probable<T: PartialOrd>(row: &[T]) -> usize {
    let mut best = 0;
    for (place, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = place;
        }
    }
    best
}

/// What is known of true frames, or estimated of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Their motion.
    pub motion: Option<Motion<'a>>,
    /// Components and holes of each.
    pub betti: Option<&'a [[usize; 2]]>,
    /// Frozen features, and the mean of those of many true frames.
    pub encoder: Option<(&'a FrozenEncoder, &'a [f64])>,
}

/// Brightness from which a pixel belongs to something.
pub const FOREGROUND: f32 = 0.3;

/// [`OF_FRAMES`] of one clip against the true frames of the same times; `None` where one is not defined:
/// with too few frames, where it takes something that is not known, or, of `betti_flips`, where the
/// topology of the true frames changes.
///
/// # Panics
///
/// If there are not as many frames of each.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::{Frames, Known, OF_FRAMES, of_frames};
///
/// let pixels: Vec<f32> = (0..5 * 64).map(|k| ((k * k) % 11) as f32 / 11.0).collect();
/// let truth = Frames::new(&pixels, [1, 8, 8]);
/// let frozen = pixels[..64].repeat(5);
/// let found = of_frames(&Frames::new(&frozen, [1, 8, 8]), &truth, &Known::default());
/// let of = |name| found[OF_FRAMES.iter().position(|metric| metric.name == name).unwrap()];
/// // As steady as can be, and not what it should be.
/// assert_eq!((of("flicker"), of("dynamic_degree")), (Some(0.0), Some(0.0)));
/// assert_eq!(of("identification"), Some(0.2));
/// ```
pub fn of_frames(
    found: &Frames<'_>,
    truth: &Frames<'_>,
    known: &Known<'_>,
) -> [Option<f64>; OF_FRAMES.len()] {
    let [_, height, width] = truth.shape();
    let pairs = || found.iter().zip(truth.iter());
    let error = mean(pairs().map(|(a, b)| mean_squared_error(a, b)));
    let features = known
        .encoder
        .map(|(encoder, center)| (encoder.features(found), center));
    let features = features.as_ref();
    let betti: Option<Vec<[usize; 2]>> = known.betti.map(|_| {
        found
            .iter()
            .map(|frame| betti_of(frame, truth.shape()))
            .collect()
    });
    let betti = betti.as_deref().zip(known.betti);
    let flips = |(found, truth): (&[[usize; 2]], &[[usize; 2]])| {
        let is_constant = truth.windows(2).all(|pair| pair[0] == pair[1]);
        let flips = found
            .windows(2)
            .map(|pair| f64::from(u8::from(pair[0] != pair[1])));
        mean(flips).filter(|_| is_constant)
    };
    let excess = |(found, truth): (&[[usize; 2]], &[[usize; 2]])| {
        let gaps = found.iter().zip(truth);
        mean(gaps.map(|(a, b)| (a[0].abs_diff(b[0]) + a[1].abs_diff(b[1])) as f64))
    };
    [
        error,
        error.map(peak_signal_to_noise),
        mean(pairs().map(|(a, b)| structural_similarity(a, b, [height, width]))),
        found.difference_psnr(truth),
        found.flicker(),
        found.second_difference(),
        known.motion.and_then(|motion| found.warp_error(&motion)),
        features.and_then(|(features, center)| FrozenEncoder::consistency(features, center, 1)),
        features
            .and_then(|(features, center)| FrozenEncoder::consistency_to_first(features, center)),
        betti.and_then(flips),
        betti.and_then(excess),
        found.dynamic_degree(truth),
        found.identification(truth),
    ]
}

/// Components and holes of what is at least as bright as [`FOREGROUND`], mean over the channels.
fn betti_of(frame: &[f32], [n_channels, height, width]: [usize; 3]) -> [usize; 2] {
    let size = height * width;
    let is_foreground: Vec<bool> = (0..size)
        .map(|at| {
            let sum: f32 = (0..n_channels)
                .map(|channel| frame[channel * size + at])
                .sum();
            sum >= FOREGROUND * n_channels as f32
        })
        .collect();
    betti_numbers(&is_foreground, [height, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Option<f64>], name: &str) -> Option<f64> {
        let of_frames = OF_FRAMES.iter().position(|metric| metric.name == name);
        values[of_frames.expect("a metric")]
    }

    /// A ring of eight pixels that goes to the right, in frames of 5 by 9.
    fn ring(n_frames: usize, is_broken: impl Fn(usize) -> bool) -> Vec<f32> {
        let frame = |t: usize| {
            let is_open = is_broken(t);
            (0..45).map(move |at| {
                let [row, column] = [at / 9, (at % 9 + 9 - t) % 9];
                let is_on_ring =
                    (1..4).contains(&row) && (1..4).contains(&column) && [row, column] != [2, 2];
                f32::from(u8::from(is_on_ring && !(is_open && row == 1)))
            })
        };
        (0..n_frames).flat_map(frame).collect()
    }

    const SHAPE: [usize; 3] = [1, 5, 9];

    #[test]
    fn of_the_truth_itself_nothing_is_wrong() {
        let pixels = ring(5, |_| false);
        let truth = Frames::new(&pixels, SHAPE);
        let flow: Vec<f32> = [[0.0; 45], [1.0; 45]].concat().repeat(4);
        let is_seen: Vec<bool> = (0..4).flat_map(|_| (0..45).map(|at| at % 9 < 8)).collect();
        let encoder = FrozenEncoder::new(1);
        let center = vec![0.0; encoder.features(&truth)[0].len()];
        let known = Known {
            motion: Some(Motion::new(&flow, &is_seen, [5, 9])),
            betti: Some(&[[1, 1]; 5]),
            encoder: Some((&encoder, &center)),
        };
        let found = of_frames(&truth, &truth, &known);
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
            assert_eq!(of(&found, name), Some(expected), "{name}");
        }
        assert!(found.iter().all(Option::is_some));
        let nothing = of_frames(&truth.from(5), &truth.from(5), &Known::default());
        assert!(nothing.iter().all(Option::is_none));
    }

    #[test]
    fn a_ring_that_opens_in_every_second_frame_flips_and_a_true_merge_is_no_flip() {
        let whole = ring(4, |_| false);
        let broken = ring(4, |t| t % 2 == 1);
        let [whole, broken] = [&whole, &broken].map(|pixels| Frames::new(pixels, SHAPE));
        let known = |betti| Known {
            betti: Some(betti),
            ..Known::default()
        };
        let found = of_frames(&broken, &whole, &known(&[[1, 1]; 4]));
        assert_eq!(of(&found, "betti_flips"), Some(1.0));
        assert_eq!(of(&found, "betti_error"), Some(0.5));
        let found = of_frames(&broken, &whole, &known(&[[2, 1], [2, 1], [1, 1], [1, 1]]));
        assert_eq!(of(&found, "betti_flips"), None);
    }

    #[test]
    fn names_are_each_given_once() {
        let mut names: Vec<&str> = OF_CLASSES
            .iter()
            .chain(&OF_FRAMES)
            .map(|m| m.name)
            .collect();
        names.sort_unstable();
        let n = names.len();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}
