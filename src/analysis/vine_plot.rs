//! Plots of vines: the persistence of components and holes over the frames of a clip.

use maud::Markup;

use crate::counted::counted;
use crate::report::page::{Condition, figure};
use crate::report::plot::{LinePlot, PlotPoint, Series};
use crate::topology::Vine;

/// Largest number of vines that are drawn, one for each colour.
pub(super) const N_VINES: usize = 6;

/// Draws the persistence of the first vines over the frames; `first_frame` is the number of the first frame.
///
/// The current frame is that of the control `frame`.
pub(super) fn vine_plot(
    vines: &[Vine],
    title: &str,
    first_frame: usize,
    n_frames: usize,
) -> Markup {
    let mut plot = LinePlot::new(
        format!("Components and holes: {title}"),
        "frame",
        "persistence (pixel values)",
    )
    .y_range([0.0, 1.0]);
    for (index, vine) in vines.iter().take(N_VINES).enumerate() {
        let points = vine
            .persistences()
            .enumerate()
            .map(|(offset, persistence)| {
                PlotPoint::new(
                    (first_frame + vine.first_frame + offset) as f64,
                    persistence,
                )
            });
        plot = plot.series(Series::new(Vine::name(vines, index), points.collect()));
    }
    for frame in first_frame..first_frame + n_frames {
        plot = plot.marker(frame as f64, Condition::equals("frame", frame));
    }
    let caption = match vines.len().saturating_sub(N_VINES) {
        0 => String::new(),
        n => format!("{} not drawn.", counted(n, "fainter line")),
    };
    figure(plot.draw(), &caption)
}
