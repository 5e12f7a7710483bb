//! The section of the page about components that merge, split, appear and vanish.

use maud::{Markup, html};

use super::comparison::ArmComparisons;
use super::frame_bars::BarMargin;
use super::frame_events::{EventComparison, EventKind};
use super::run_measurement::RunMeasurement;
use crate::report::page::{Column, Table, number};

/// Returns the table of the events of each kind, as means over the runs of each arm.
pub(super) fn events_section(
    margin: BarMargin,
    runs: &[RunMeasurement],
    comparisons: &ArmComparisons,
) -> Markup {
    let mut columns = vec![
        Column::text("Event"),
        Column::number("True frames", "number"),
    ];
    for arm in &comparisons.arms {
        columns.push(Column::number(&*arm.name, "number"));
        columns.push(Column::number(&*arm.name, "of these true"));
    }
    let mut table = Table::new("Events, over all clips", columns);
    let events_of = |run: usize| runs[run].measurement.events.unwrap_or_default();
    for (index, kind) in EventKind::ALL.iter().enumerate() {
        let truth = runs.first().and_then(|run| run.measurement.events);
        let mut row = vec![
            kind.name().to_owned(),
            truth.unwrap_or_default().truth[index].to_string(),
        ];
        for arm in &comparisons.arms {
            let mean = |count: fn(&EventComparison) -> [usize; 4]| {
                let sum: usize = arm
                    .runs
                    .values()
                    .map(|&run| count(&events_of(run))[index])
                    .sum();
                number(sum as f64 / arm.runs.len() as f64)
            };
            row.push(mean(|events| events.predicted));
            row.push(mean(|events| events.found));
        }
        table = table.row(row);
    }
    html! {
        p {
            "A component of a frame is a bar of dimension 0 of its superlevel sets: " (margin.description()) ". "
            "A component goes on in the components of the next frame that it overlaps, or touches if it overlaps none. "
            "Two that go on in one merge; one that goes on in two splits. An event of a prediction is true if the true "
            "frames have one of its kind between the same two frames."
        }
        (table)
    }
}
