//! Events between two frames: components that merge, split, appear or vanish.

use serde_json::{Value, json};

use crate::topology::{GreyImage, persistent_components};

/// Kind of a change of components from one frame to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Several components become one.
    Merge,
    /// One component becomes several.
    Split,
    /// A component appears where there was none.
    Appear,
    /// A component vanishes.
    Vanish,
}

impl EventKind {
    /// All kinds, in the order of [`EventCounts`].
    pub const ALL: [Self; 4] = [Self::Merge, Self::Split, Self::Appear, Self::Vanish];

    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Split => "split",
            Self::Appear => "appear",
            Self::Vanish => "vanish",
        }
    }
}

/// Number of events of each kind, in the order of [`EventKind::ALL`].
pub type EventCounts = [usize; 4];

/// Events of predicted frames beside those of the true frames, summed over frames and clips.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventComparison {
    /// Events of the true frames.
    pub truth: EventCounts,
    /// Events of the predicted frames.
    pub predicted: EventCounts,
    /// True events that the prediction has between the same frames.
    pub found: EventCounts,
}

impl EventComparison {
    /// Compares the events between consecutive frames.
    pub(super) fn new(predicted: &[EventCounts], truth: &[EventCounts]) -> Self {
        let mut comparison = Self::default();
        for (predicted, truth) in predicted.iter().zip(truth) {
            for kind in 0..EventKind::ALL.len() {
                comparison.truth[kind] += truth[kind];
                comparison.predicted[kind] += predicted[kind];
                comparison.found[kind] += truth[kind].min(predicted[kind]);
            }
        }
        comparison
    }

    /// Numbers of true, predicted and found events by the name of their kind.
    pub(super) fn to_json(self) -> Value {
        let kinds = EventKind::ALL.iter().enumerate().map(|(index, kind)| {
            let counts = json!({
                "truth": self.truth[index],
                "predicted": self.predicted[index],
                "found": self.found[index],
            });
            (kind.name().to_owned(), counts)
        });
        Value::Object(kinds.collect())
    }

    /// Adds the events of another clip.
    pub(super) fn add(&mut self, other: &Self) {
        for kind in 0..EventKind::ALL.len() {
            self.truth[kind] += other.truth[kind];
            self.predicted[kind] += other.predicted[kind];
            self.found[kind] += other.found[kind];
        }
    }
}

/// Bright parts of the components of one frame.
pub(super) struct Cores {
    shape: [usize; 2],
    n_components: usize,
    /// Component of each pixel of at least half the brightness of its peak; `None` elsewhere.
    labels: Vec<Option<usize>>,
}

impl Cores {
    /// Divides a frame into its components of at least a persistence.
    pub(super) fn new(frame: &[f64], shape: [usize; 2], margin: f64) -> Self {
        let image = GreyImage::new(frame, shape).expect("a frame without NaN");
        let components = persistent_components(&image, margin);
        // The component that never dies is born at the brightest pixel, however dark that is.
        let is_black = |peak: usize| frame[peak] < margin;
        let n_components = components
            .peaks
            .iter()
            .filter(|&&peak| !is_black(peak))
            .count();
        let labels = components.labels.iter().zip(frame).map(|(&label, &value)| {
            let peak = components.peaks[label];
            (!is_black(peak) && value >= 0.5 * frame[peak]).then_some(label)
        });
        Self {
            shape,
            n_components,
            labels: labels.collect(),
        }
    }

    /// Components within one pixel of a pixel, in any direction.
    fn around(&self, pixel: usize) -> impl Iterator<Item = usize> {
        let [height, width] = self.shape;
        let [row, column] = [pixel / width, pixel % width];
        let rows = row.saturating_sub(1)..(row + 2).min(height);
        rows.flat_map(move |row| {
            let columns = column.saturating_sub(1)..(column + 2).min(width);
            columns.filter_map(move |column| self.labels[row * width + column])
        })
    }
}

/// Counts the events from one frame to the next.
///
/// A component goes on in those that it overlaps. One that overlaps none, such as a thin stroke that moves by its width,
/// goes on in those that it touches.
pub(super) fn events(first: &Cores, second: &Cores) -> EventCounts {
    let mut links = vec![vec![false; second.n_components]; first.n_components];
    for (a, b) in first.labels.iter().zip(&second.labels) {
        if let (Some(a), Some(b)) = (a, b) {
            links[*a][*b] = true;
        }
    }
    let is_alone_first: Vec<bool> = links.iter().map(|row| !row.contains(&true)).collect();
    let is_alone_second: Vec<bool> = (0..second.n_components)
        .map(|b| !links.iter().any(|row| row[b]))
        .collect();
    for (pixel, a) in first.labels.iter().enumerate() {
        let Some(a) = *a else { continue };
        for b in second.around(pixel) {
            if is_alone_first[a] || is_alone_second[b] {
                links[a][b] = true;
            }
        }
    }
    let [mut merges, mut splits, mut appearances, mut vanishings] = [0; 4];
    for row in &links {
        match row.iter().filter(|&&linked| linked).count() {
            0 => vanishings += 1,
            n => splits += n - 1,
        }
    }
    for b in 0..second.n_components {
        match links.iter().filter(|row| row[b]).count() {
            0 => appearances += 1,
            n => merges += n - 1,
        }
    }
    // In the order of `EventKind::ALL`.
    [merges, splits, appearances, vanishings]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frame of one row, whose letters are grey values from 0 (`a`) in steps of 0.1.
    fn cores(row: &str) -> Cores {
        let values: Vec<f64> = row
            .bytes()
            .map(|letter| 0.1 * f64::from(letter - b'a'))
            .collect();
        Cores::new(&values, [1, values.len()], 0.25)
    }

    #[test]
    fn events_are_told_apart() {
        for (first, second, expected) in [
            ("aajjaaajjaa", "aajjjjjjjaa", [1, 0, 0, 0]),
            ("aajjjjjjjaa", "aajjaaajjaa", [0, 1, 0, 0]),
            ("aajjaaaaaaa", "aajjaaajjaa", [0, 0, 1, 0]),
            ("aajjaaajjaa", "aaaaaaaajja", [0, 0, 0, 1]),
            // Motion by the width of a thing, and a faint spot, are no events.
            ("aajjaaaaaaa", "aaaajjaaaaa", [0; 4]),
            ("aajjaaaaaaa", "aajjaaaccaa", [0; 4]),
            ("aaaaaaaaaaa", "aaaaaaaaaaa", [0; 4]),
            // Two things that move side by side are not mixed up.
            ("jjajjaaaaaa", "ajjajjaaaaa", [0; 4]),
        ] {
            assert_eq!(
                events(&cores(first), &cores(second)),
                expected,
                "{first} {second}"
            );
        }
    }
}
