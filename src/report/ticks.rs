//! Round numbers along an axis, and their labels.

/// Largest absolute value of an end of an axis, so that the length of the axis is finite.
const LARGEST: f64 = 1e300;
/// Smallest length of an axis as a fraction of its largest number: below, rounding would make ticks equal.
const SMALLEST_RELATIVE_LENGTH: f64 = 1e-9;

/// Round number on an axis, and its label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// Returns the smallest range that contains all finite values and is wide enough for ticks; `[0, 1]` without any.
pub(super) fn range_of(values: impl IntoIterator<Item = f64>) -> [f64; 2] {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let [low, high] = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    });
    if low > high {
        return [0.0, 1.0];
    }
    wide_enough([low, high])
}

/// Returns the range in ascending order and finite, widened around its middle if it is too narrow for ticks.
pub(super) fn wide_enough(range: [f64; 2]) -> [f64; 2] {
    let [a, b] = range.map(|end| {
        if end.is_nan() {
            0.0
        } else {
            end.clamp(-LARGEST, LARGEST)
        }
    });
    let [low, high] = [a.min(b), a.max(b)];
    let size = low.abs().max(high.abs());
    if high - low > (size * SMALLEST_RELATIVE_LENGTH).max(1.0 / LARGEST) {
        return [low, high];
    }
    // Numbers near 0 are rounding errors: an axis as short as they are would magnify them.
    let half = if size > 1e-12 { 0.5 * size } else { 0.5 };
    [low - half, high + half]
}

/// Returns the smallest distance between ticks: 1 if all numbers are whole, such as layers, otherwise 0.
pub(super) fn smallest_step(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut finite = values.into_iter().filter(|value| value.is_finite());
    if finite.all(|value| value.fract() == 0.0) {
        1.0
    } else {
        0.0
    }
}

/// Returns about `n_wanted` round numbers in the range.
pub(super) fn ticks(range: [f64; 2], n_wanted: usize) -> Vec<Tick> {
    ticks_apart(range, n_wanted, 0.0)
}

/// Returns at most about `n_wanted` round numbers in the range, at least `smallest_step` apart.
pub(super) fn ticks_apart(range: [f64; 2], n_wanted: usize, smallest_step: f64) -> Vec<Tick> {
    let [low, high] = wide_enough(range);
    let rough = (high - low) / n_wanted.max(1) as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * magnitude)
        .into_iter()
        // Tolerances here and below: a division such as 0.6 / 0.2 may miss a whole number by one rounding.
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(rough)
        .max(smallest_step);
    let first = (low / step * (1.0 - 1e-12)).ceil() as i64;
    let last = (high / step * (1.0 + 1e-12)).floor() as i64;
    let size = low.abs().max(high.abs());
    (first..=last)
        .map(|k| k as f64 * step)
        .map(|value| Tick {
            value,
            label: label(value, step, size),
        })
        .collect()
}

/// Returns the label of a number on an axis with ticks `step` apart and a largest absolute value of `size`.
///
/// Minus signs are hyphens, as in tables and files, and in the exponents that Rust writes.
fn label(value: f64, step: f64, size: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value < 0.0 {
        return format!("-{}", label(-value, step, size));
    }
    // The logarithm of a power of ten may be rounded down to just below a whole number.
    let exponent = |x: f64| (x * (1.0 + 1e-9)).log10().floor();
    if !(1e-5..1e5).contains(&step) || size >= 1e7 {
        let digits = (exponent(value) - exponent(step)).clamp(0.0, 9.0) as usize;
        return format!("{value:.digits$e}").replace(".0e", "e");
    }
    let decimals = (-exponent(step)).max(0.0) as usize;
    format!("{value:.decimals$}")
}

/// Formats a number with enough decimals to distinguish hundredths of the range.
pub(super) fn number(value: f64, range: [f64; 2]) -> String {
    let [low, high] = wide_enough(range);
    let step = 10f64.powf(((high - low) / 100.0).log10().floor());
    let size = low.abs().max(high.abs());
    if value.is_finite() {
        label(value, step.max(size * 1e-6), size)
    } else if value.is_nan() {
        "unknown".to_owned()
    } else if value > 0.0 {
        "∞".to_owned()
    } else {
        "-∞".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_distinct_and_inside_the_range() {
        let ends = [
            0.0,
            -0.3,
            1.0,
            7.0,
            1e-7,
            1e-300,
            123_456.7,
            1e16,
            -1e16,
            1e308,
            -1e308,
            5e-324,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        for low in ends {
            for high in ends {
                let [from, to] = wide_enough([low, high]);
                let ticks = ticks([low, high], 5);
                assert!((2..=12).contains(&ticks.len()), "{low} {high}: {ticks:?}");
                let slack = (to - from) * 1e-6;
                let inside = |t: &Tick| (from - slack..=to + slack).contains(&t.value);
                assert!(ticks.iter().all(inside), "{low} {high}: {ticks:?}");
                assert!(
                    ticks.windows(2).all(|pair| pair[0].label != pair[1].label),
                    "{low} {high}: {ticks:?}"
                );
            }
        }
    }

    #[test]
    fn whole_numbers_have_ticks_at_whole_numbers() {
        let labels = |values: &[f64]| -> Vec<String> {
            let step = smallest_step(values.iter().copied());
            let ticks = ticks_apart(range_of(values.iter().copied()), 8, step);
            ticks.into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(labels(&[0.0, 1.0]), ["0", "1"]);
        assert_eq!(labels(&[0.0, 1.0, 3.0, f64::NAN]), ["0", "1", "2", "3"]);
        assert_eq!(labels(&[0.0, 11.0]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(&[0.0, 0.5]).len(), 6);
    }

    #[test]
    fn ranges_of_extreme_numbers_are_wide_enough() {
        assert_eq!(range_of([]), [0.0, 1.0]);
        assert_eq!(range_of([f64::NAN, f64::INFINITY]), [0.0, 1.0]);
        assert_eq!(range_of([4.0]), [2.0, 6.0]);
        assert_eq!(range_of([0.0, 0.0]), [-0.5, 0.5]);
        assert_eq!(range_of([3.0, f64::NAN, -1.0]), [-1.0, 3.0]);
    }

    #[test]
    fn numbers_have_decimals_that_suit_the_range() {
        assert_eq!(number(0.123456, [0.0, 1.0]), "0.12");
        assert_eq!(number(12.3456, [0.0, 100.0]), "12");
        assert_eq!(number(0.0678, [0.0, 0.0823]), "0.0678");
        assert_eq!(number(0.000_678, [0.0, 0.000_823]), "6.78e-4");
        assert_eq!(number(f64::NAN, [0.0, 1.0]), "unknown");
        assert_eq!(number(f64::NEG_INFINITY, [0.0, 1.0]), "-∞");
        // One minus sign in front and in exponents, as in tables and files; the fonts of images have no other.
        assert_eq!(number(-0.000_678, [-0.000_823, 0.0]), "-6.78e-4");
    }
}
