//! Axes of drawings made of pixels.

use crate::report::ticks::ticks;

/// Linear map from numbers to pixels, with round numbers as ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// Numbers at both ends of the axis.
    pub(super) range: [f64; 2],
    /// Pixel coordinates of both ends; descending for an axis that points upwards.
    pub(super) pixels: [i32; 2],
}

impl Axis {
    /// Returns the pixel coordinate of a number; numbers outside the range are drawn at its ends.
    pub(super) fn pixel(&self, value: f64) -> i32 {
        let [low, high] = self.range;
        let [from, to] = self.pixels;
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        from + (share * f64::from(to - from)).round() as i32
    }

    /// Returns about `n_wanted` round numbers in the range, and the label of each.
    pub(super) fn ticks(&self, n_wanted: usize) -> Vec<(f64, String)> {
        ticks(self.range, n_wanted)
            .into_iter()
            .map(|tick| (tick.value, tick.label))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(high: f64) -> Vec<String> {
        let axis = Axis {
            range: [0.0, high],
            pixels: [0, 100],
        };
        axis.ticks(5).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_few_round_numbers_at_any_scale() {
        assert_eq!(labels(1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.83), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(1300.0), ["0", "500", "1000"]);
        assert_eq!(labels(3e-6), ["0", "1e-6", "2e-6", "3e-6"]);
        assert_eq!(labels(0.031), ["0", "0.01", "0.02", "0.03"]);
    }

    #[test]
    fn labels_have_at_most_seven_characters() {
        // Drawings leave room for seven.
        for exponent in -30..30 {
            for factor in [1.0, 1.7, 2.5, 3.0, 4.2, 6.0, 7.7, 9.99] {
                let high = factor * 10f64.powi(exponent);
                let labels = labels(high);
                let longest = labels.iter().map(String::len).max();
                assert!(longest <= Some(7), "{high}: {labels:?}");
            }
        }
    }

    #[test]
    fn pixels_stay_within_the_axis() {
        let axis = Axis {
            range: [0.0, 2.0],
            pixels: [500, 100],
        };
        assert_eq!(
            [0.0, 1.0, 2.0, 3.0].map(|v| axis.pixel(v)),
            [500, 300, 100, 100]
        );
    }
}
