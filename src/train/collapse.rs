//! A watch over collapse: attention whose rows are all alike makes every penalty zero.

use crate::config::{CollapseAction, CollapseSpec};

/// Compares each layer's mean distance between attention rows with the largest it has had.
///
/// An absolute threshold would not do: attention is nearly uniform at initialisation, and must be
/// free to start there.
#[derive(Debug, Clone)]
pub struct CollapseWatch {
    spec: CollapseSpec,
    peaks: Vec<f64>,
    low: Vec<usize>,
}

/// A layer whose distances have fallen below the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowLayer {
    /// The layer, counted from 0.
    pub layer: usize,
    /// Its mean distance between attention rows.
    pub distance: f64,
    /// The largest it has had.
    pub peak: f64,
    /// Whether it was not below the threshold the last time.
    pub is_new: bool,
}

impl CollapseWatch {
    /// A watch that goes on from earlier peaks; there are none at the start.
    pub fn new(spec: CollapseSpec, peaks: Vec<f64>) -> Self {
        Self {
            spec,
            peaks,
            low: Vec::new(),
        }
    }

    /// Largest mean distance that each layer has had.
    pub fn peaks(&self) -> &[f64] {
        &self.peaks
    }

    /// Takes in the mean distance of every layer at a validation; returns the layers below.
    pub fn look(&mut self, mean_distances: &[f64]) -> Vec<LowLayer> {
        self.peaks.resize(mean_distances.len(), 0.0);
        let mut found = Vec::new();
        for (layer, (&distance, peak)) in mean_distances.iter().zip(&mut self.peaks).enumerate() {
            *peak = peak.max(distance);
            if distance < self.spec.fraction_of_peak * *peak {
                found.push(LowLayer {
                    layer,
                    distance,
                    peak: *peak,
                    is_new: !self.low.contains(&layer),
                });
            }
        }
        self.low = found.iter().map(|low| low.layer).collect();
        found
    }

    /// What to tell of layers that are newly low, and whether to stop; `None` if there are none or
    /// nobody wants to know.
    pub fn alarm(&self, low: &[LowLayer], step: usize) -> Option<(String, CollapseAction)> {
        let new = low.iter().filter(|low| low.is_new);
        let layers: Vec<String> = new
            .map(|low| {
                format!(
                    "layer {} ({:.2e}, was {:.2e})",
                    low.layer, low.distance, low.peak
                )
            })
            .collect();
        if layers.is_empty() || self.spec.action == CollapseAction::Off {
            return None;
        }
        let message = format!(
            "attention is collapsing at step {step}: mean distance between its rows below {} of its peak in {}; try normalize = \"spanning_tree\", a one-sided direction, or a smaller weight",
            self.spec.fraction_of_peak,
            layers.join(", ")
        );
        Some((message, self.spec.action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(action: CollapseAction) -> CollapseWatch {
        let spec = CollapseSpec {
            action,
            fraction_of_peak: 0.1,
        };
        CollapseWatch::new(spec, Vec::new())
    }

    #[test]
    fn a_low_start_is_no_alarm_a_fall_is_and_is_told_once() {
        let mut watch = watch(CollapseAction::Warn);
        assert_eq!(watch.look(&[1e-6, 1e-6]), []);
        assert_eq!(watch.look(&[0.5, 0.2]), []);
        let low = watch.look(&[0.04, 0.1]);
        assert_eq!((low.len(), low[0].layer, low[0].peak), (1, 0, 0.5));
        let (message, _) = watch.alarm(&low, 7).unwrap();
        assert!(
            message.contains("layer 0 (4.00e-2, was 5.00e-1)"),
            "{message}"
        );
        let still_low = watch.look(&[0.03, 0.1]);
        assert_eq!(still_low.len(), 1);
        assert_eq!(watch.alarm(&still_low, 8), None);
        assert_eq!(watch.look(&[0.3, 0.1]), []);
        assert!(watch.look(&[0.03, 0.1])[0].is_new);
    }

    #[test]
    fn peaks_are_carried_over_and_nobody_is_told_if_off() {
        let mut first = watch(CollapseAction::Off);
        first.look(&[0.5]);
        let mut second = CollapseWatch::new(first.spec, first.peaks().to_vec());
        let low = second.look(&[0.01]);
        assert_eq!(low.len(), 1);
        assert_eq!(second.alarm(&low, 0), None);
    }
}
