//! Detection of collapse: attention whose rows are all nearly equal, so that every penalty is nearly zero.

use crate::config::{CollapseAction, CollapseSpec};

/// Detects layers whose mean distance between attention rows fell far below its largest value so far.
///
/// An absolute threshold would not work: attention is nearly uniform at initialisation, and starting
/// there is no collapse.
#[derive(Debug, Clone)]
pub struct CollapseMonitor {
    spec: CollapseSpec,
    /// Largest mean distance of each layer so far.
    peaks: Vec<f64>,
    /// Layers that were collapsed at the last update.
    collapsed: Vec<usize>,
}

/// Layer whose mean distance between attention rows lies below the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollapsedLayer {
    /// Index of the layer, counted from 0.
    pub layer: usize,
    /// Current mean distance between attention rows.
    pub distance: f64,
    /// Largest mean distance of this layer so far.
    pub peak: f64,
    /// True if the layer was above the threshold at the previous update.
    pub is_new: bool,
}

impl CollapseMonitor {
    /// Creates a monitor that continues from earlier peaks; `peaks` is empty for a new run.
    pub fn new(spec: CollapseSpec, peaks: Vec<f64>) -> Self {
        Self {
            spec,
            peaks,
            collapsed: Vec::new(),
        }
    }

    /// Largest mean distance between attention rows of each layer so far.
    pub fn peaks(&self) -> &[f64] {
        &self.peaks
    }

    /// Adds the mean distances of all layers at a validation; returns the layers below the threshold.
    pub fn update(&mut self, mean_distances: &[f64]) -> Vec<CollapsedLayer> {
        // The number of layers is known only from the first validation on.
        self.peaks.resize(mean_distances.len(), 0.0);
        let mut collapsed = Vec::new();
        for (layer, (&distance, peak)) in mean_distances.iter().zip(&mut self.peaks).enumerate() {
            *peak = peak.max(distance);
            if distance < self.spec.fraction_of_peak * *peak {
                collapsed.push(CollapsedLayer {
                    layer,
                    distance,
                    peak: *peak,
                    is_new: !self.collapsed.contains(&layer),
                });
            }
        }
        self.collapsed = collapsed.iter().map(|layer| layer.layer).collect();
        collapsed
    }

    /// Warning about newly collapsed layers, and the configured action; `None` if there are none or the action is
    /// [`CollapseAction::Off`].
    pub fn alarm(
        &self,
        collapsed: &[CollapsedLayer],
        step: usize,
    ) -> Option<(String, CollapseAction)> {
        // A layer that stays collapsed is reported only once.
        let layers: Vec<String> = collapsed
            .iter()
            .filter(|layer| layer.is_new)
            .map(|layer| {
                format!(
                    "layer {} ({:.2e}, was {:.2e})",
                    layer.layer, layer.distance, layer.peak
                )
            })
            .collect();
        if layers.is_empty() || self.spec.action == CollapseAction::Off {
            return None;
        }
        let message = format!(
            "attention is collapsing at step {step}: the mean distance between attention rows fell below {} times its peak in {}; try normalize = \"spanning_tree\", a one-sided direction, or a smaller weight",
            self.spec.fraction_of_peak,
            layers.join(", ")
        );
        Some((message, self.spec.action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(action: CollapseAction) -> CollapseMonitor {
        let spec = CollapseSpec {
            action,
            fraction_of_peak: 0.1,
        };
        CollapseMonitor::new(spec, Vec::new())
    }

    #[test]
    fn a_fall_is_reported_once_and_a_low_start_is_not() {
        let mut monitor = monitor(CollapseAction::Warn);
        assert_eq!(monitor.update(&[1e-6, 1e-6]), []);
        assert_eq!(monitor.update(&[0.5, 0.2]), []);
        let collapsed = monitor.update(&[0.04, 0.1]);
        assert_eq!(
            (collapsed.len(), collapsed[0].layer, collapsed[0].peak),
            (1, 0, 0.5)
        );
        let (message, _) = monitor.alarm(&collapsed, 7).unwrap();
        assert!(
            message.contains("layer 0 (4.00e-2, was 5.00e-1)"),
            "{message}"
        );
        let still_collapsed = monitor.update(&[0.03, 0.1]);
        assert_eq!(still_collapsed.len(), 1);
        assert_eq!(monitor.alarm(&still_collapsed, 8), None);
        assert_eq!(monitor.update(&[0.3, 0.1]), []);
        assert!(monitor.update(&[0.03, 0.1])[0].is_new);
    }

    #[test]
    fn peaks_are_restored_and_action_off_reports_nothing() {
        let mut first = monitor(CollapseAction::Off);
        first.update(&[0.5]);
        let mut second = CollapseMonitor::new(first.spec, first.peaks().to_vec());
        let collapsed = second.update(&[0.01]);
        assert_eq!(collapsed.len(), 1);
        assert_eq!(second.alarm(&collapsed, 0), None);
    }
}
