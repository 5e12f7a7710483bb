//! Metrics of frames by their bars: Betti numbers with a margin, and events.

use super::frame_events::{Cores, EventComparison, EventCounts, events};
use super::suite::Suite;
use crate::mean::mean;
use crate::topology::{CubicalComplex, GreyImage, persistence_above_black};
use crate::video_metrics::{Better, ClipMetric, Frames, Role};

/// Metrics of predicted frames by their bars, in a fixed order.
pub const FRAME_BAR_METRICS: [ClipMetric; 4] = [
    bar_metric(
        "betti_flips_by_bars",
        "flips of Betti numbers that should be constant, by bars",
    ),
    bar_metric(
        "betti_error_by_bars",
        "mean error of the Betti numbers, by bars",
    ),
    bar_metric(
        "missed_events",
        "missing events (merge, split, appear, vanish) for each pair of frames",
    ),
    bar_metric(
        "false_events",
        "false events (merge, split, appear, vanish) for each pair of frames",
    ),
];

const fn bar_metric(name: &'static str, title: &'static str) -> ClipMetric {
    ClipMetric {
        name,
        title,
        unit: "",
        better: Better::Lower,
        role: Role::Evidence,
    }
}

/// Persistence from which a bar of a frame counts, and how well it does on true frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarMargin {
    /// Least persistence of the bars that count, in pixel values.
    pub margin: f64,
    /// Fraction of the true frames whose numbers of bars are their known Betti numbers.
    pub accuracy: f64,
    /// Number of true frames.
    pub n_frames: usize,
}

/// Margins that are tried, in steps of this size up to a persistence of 0.75.
const MARGIN_STEP: f64 = 0.025;
const N_MARGINS: usize = 30;

impl BarMargin {
    /// Finds the margin at which the bars of the true frames agree best with their known Betti numbers.
    ///
    /// Of margins that are equally good, the middle one is taken. `None` if no Betti numbers are known, as for clips from
    /// files.
    pub fn calibrated(suite: &Suite) -> Option<Self> {
        let shape = [suite.spec.n_channels, suite.spec.height, suite.spec.width];
        let mut complex = CubicalComplex::default();
        let mut n_right = [0_usize; N_MARGINS];
        let mut n_frames = 0;
        for clip in &suite.clips {
            let Some(truth) = &clip.sample.truth else {
                continue;
            };
            let frames = Frames::new(&clip.sample.pixels, shape);
            for (frame, expected) in frames.grey().iter().zip(&truth.betti) {
                let bars = persistences(&mut complex, frame, shape);
                n_frames += 1;
                for (index, n_right) in n_right.iter_mut().enumerate() {
                    *n_right += usize::from(betti_numbers(&bars, margin_at(index)) == *expected);
                }
            }
        }
        let best = n_right.into_iter().max().filter(|_| n_frames > 0)?;
        let equally_good: Vec<usize> = (0..N_MARGINS)
            .filter(|&index| n_right[index] == best)
            .collect();
        Some(Self {
            margin: margin_at(equally_good[equally_good.len() / 2]),
            accuracy: best as f64 / n_frames as f64,
            n_frames,
        })
    }

    /// Says what the margin is and how it was found.
    pub fn description(&self) -> String {
        format!(
            "bars count from a persistence of {:.3}, at which the Betti numbers of {:.1} % of {} true frames are right",
            self.margin,
            100.0 * self.accuracy,
            self.n_frames
        )
    }
}

fn margin_at(index: usize) -> f64 {
    MARGIN_STEP * (index + 1) as f64
}

/// Betti numbers by bars, and events, of the frames of one clip.
pub(super) struct FrameBars {
    betti: Vec<[usize; 2]>,
    /// Events between consecutive frames.
    events: Vec<EventCounts>,
}

impl FrameBars {
    /// Computes the bars of frames.
    pub(super) fn new(frames: &Frames<'_>, margin: f64) -> Self {
        let shape = frames.shape();
        let mut complex = CubicalComplex::default();
        let frames = frames.grey();
        let betti = frames.iter().map(|frame| {
            let bars = persistences(&mut complex, frame, shape);
            betti_numbers(&bars, margin)
        });
        let betti = betti.collect();
        let cores: Vec<Cores> = frames
            .iter()
            .map(|frame| Cores::new(frame, [shape[1], shape[2]], margin))
            .collect();
        Self {
            betti,
            events: cores
                .windows(2)
                .map(|pair| events(&pair[0], &pair[1]))
                .collect(),
        }
    }

    /// Compares the events with those of the true frames.
    pub(super) fn compare(&self, truth: &Self) -> EventComparison {
        EventComparison::new(&self.events, &truth.events)
    }

    /// Computes the [`FRAME_BAR_METRICS`] against the true frames; `expected` are their known Betti numbers.
    ///
    /// ```text
    /// betti_flips_by_bars  fraction of consecutive frames whose Betti numbers differ; only where the true ones are constant
    /// betti_error_by_bars  mean over t of (|b0(x_t) - b0(y_t)| + |b1(x_t) - b1(y_t)|),  y the true frames
    /// missed_events        mean over pairs of frames of the number of true events that the prediction does not have there
    /// false_events         mean over pairs of frames of the number of predicted events that are not true there
    /// ```
    pub(super) fn metrics(&self, truth: &Self, expected: &[[usize; 2]]) -> Vec<Option<f64>> {
        let is_constant = expected.windows(2).all(|pair| pair[0] == pair[1]);
        let flips = self
            .betti
            .windows(2)
            .map(|pair| f64::from(u8::from(pair[0] != pair[1])));
        let errors = self.betti.iter().zip(expected);
        let errors = errors.map(|(a, b)| (a[0].abs_diff(b[0]) + a[1].abs_diff(b[1])) as f64);
        let comparison = self.compare(truth);
        let n_pairs = self.events.len();
        let sum = |counts: EventCounts| counts.iter().sum::<usize>();
        let for_each_pair = |n: usize| (n_pairs > 0).then(|| n as f64 / n_pairs as f64);
        let n_found = sum(comparison.found);
        // In the order of `FRAME_BAR_METRICS`.
        vec![
            mean(flips).filter(|_| is_constant),
            mean(errors),
            for_each_pair(sum(comparison.truth) - n_found),
            for_each_pair(sum(comparison.predicted) - n_found),
        ]
    }
}

/// Persistences of the bars of a frame, by homology dimension; the component that never dies dies at black.
fn persistences(
    complex: &mut CubicalComplex<f64>,
    frame: &[f64],
    [_, height, width]: [usize; 3],
) -> [Vec<f64>; 2] {
    // Pixels of clips and of predictions are numbers from 0 to 1.
    let image = GreyImage::new(frame, [height, width]).expect("a frame without NaN");
    complex.image_diagrams(&image).map(|diagram| {
        let bars = diagram.bars.iter();
        bars.map(persistence_above_black).collect()
    })
}

/// Numbers of components and of holes whose persistence is at least the margin.
fn betti_numbers(persistences: &[Vec<f64>; 2], margin: f64) -> [usize; 2] {
    persistences.each_ref().map(|bars| {
        bars.iter()
            .filter(|&&persistence| persistence >= margin)
            .count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleSpec;

    /// Frames of one row, whose letters are grey values from 0 (`a`) in steps of 0.1.
    fn bars(rows: &[&str]) -> FrameBars {
        let pixels: Vec<f32> = rows
            .concat()
            .bytes()
            .map(|letter| 0.1 * f32::from(letter - b'a'))
            .collect();
        FrameBars::new(&Frames::new(&pixels, [1, 1, rows[0].len()]), 0.25)
    }

    #[test]
    fn metrics_of_known_frames() {
        let truth = bars(&["jjaaaaa", "jjaaaaa", "jjaaajj"]);
        let predicted = bars(&["jjaaaaa", "jjaajja", "jjaaaaa"]);
        let expected = [[1, 0], [1, 0], [2, 0]];
        let metrics = predicted.metrics(&truth, &expected);
        // One component too many in the second frame, and one too few in the third.
        let third = 2.0 / 3.0;
        assert_eq!(metrics, [None, Some(third), Some(0.5), Some(1.0)]);
        assert_eq!(predicted.metrics(&predicted, &[[1, 0]; 3])[0], Some(1.0));
        let comparison = predicted.compare(&truth);
        assert_eq!(comparison.truth, [0, 0, 1, 0]);
        assert_eq!(comparison.predicted, [0, 0, 1, 1]);
        assert_eq!(comparison.found, [0; 4]);
        assert_eq!(truth.compare(&truth).found, [0, 0, 1, 0]);
    }

    #[test]
    fn the_margin_suits_the_true_frames() {
        let spec = SampleSpec {
            n_frames: 8,
            n_channels: 1,
            height: 16,
            width: 16,
            n_classes: 10,
        };
        let suite = Suite::builtin(spec, 100).unwrap();
        let margin = BarMargin::calibrated(&suite).unwrap();
        assert_eq!(margin.n_frames, 800);
        // Clips under noise, blurred and behind a bar are among them.
        assert!(margin.accuracy > 0.6, "{}", margin.description());
        let events_of = |group: &str| {
            let mut sum = EventComparison::default();
            for clip in suite.clips.iter().filter(|clip| clip.group == group) {
                let bars = FrameBars::new(
                    &Frames::new(&clip.sample.pixels, [1, 16, 16]),
                    margin.margin,
                );
                sum.add(&bars.compare(&bars));
            }
            sum.truth
        };
        let [merge, split, appear, constant] =
            ["merge", "split", "appear", "constant"].map(events_of);
        let all = format!(
            "{} {merge:?} {split:?} {appear:?} {constant:?}",
            margin.description()
        );
        // Ten clips of each kind.
        assert!(merge[0] >= 8 && split[1] >= 8 && appear[2] >= 8, "{all}");
        assert!(constant.iter().sum::<usize>() <= 10, "{all}");
        let mut without = suite.clone();
        for clip in &mut without.clips {
            clip.sample.truth = None;
        }
        assert_eq!(BarMargin::calibrated(&without), None);
    }
}
