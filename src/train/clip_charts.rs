//! TensorBoard images of the first validation clip: how it plays, and its components and holes.

use std::io;

use super::charts::UNIT;
use crate::data::{Sample, SampleSpec};
use crate::evaluate::Evaluation;
use crate::report::{ClipPanel, EncodedImage, VinePanel, clip_animation, vine_chart};
use crate::run::EventWriter;
use crate::topology::vines;
use crate::video_metrics::Frames;

/// Logs animations of the first clip, one per layer: its frames, the predicted frames if there are any, and the
/// diagram of each frame.
pub(super) fn clip(
    events: &mut EventWriter,
    clip: &Sample,
    spec: SampleSpec,
    validation: &Evaluation,
    step: usize,
) -> io::Result<()> {
    let shape = [spec.n_channels, spec.height, spec.width];
    let mut panels = vec![ClipPanel {
        title: "clip",
        pixels: &clip.pixels,
        first_frame: 0,
        captions: &[],
    }];
    if !validation.first_prediction.is_empty() {
        panels.push(ClipPanel {
            title: "predicted",
            pixels: &validation.first_prediction,
            // The first frame has no prediction.
            first_frame: 1,
            captions: &[],
        });
    }
    if !validation.first_prediction.is_empty() {
        let chart = clip_vines(clip, shape, &validation.first_prediction);
        events.image(
            "clip/vines",
            [chart.width, chart.height],
            &chart.bytes,
            step,
        )?;
    }
    for (layer, snapshot) in validation.monitor.snapshots().iter().enumerate() {
        let title = format!("layer {layer}, step {step}");
        let animation = clip_animation(&panels, shape, &snapshot.first_diagrams, &title, UNIT);
        let tag = format!("clip/layer{layer:02}");
        events.image(
            &tag,
            [animation.width, animation.height],
            &animation.bytes,
            step,
        )?;
    }
    Ok(())
}

/// Persistence from which components and holes of frames are drawn.
const MIN_PERSISTENCE: f64 = 0.1;

/// Draws the components and holes of a clip over its frames, and those of the frames that a model predicts.
fn clip_vines(clip: &Sample, shape: [usize; 3], predicted: &[f32]) -> EncodedImage {
    let [_, height, width] = shape;
    let n_frames = clip.pixels.len() / shape.iter().product::<usize>().max(1);
    let [clip, predicted] = [&clip.pixels[..], predicted].map(|pixels| {
        let grey = Frames::new(pixels, shape).grey().concat();
        // Pixels of clips and of predictions are numbers from 0 to 1; of others, nothing is drawn.
        vines(&grey, [height, width], MIN_PERSISTENCE).unwrap_or_default()
    });
    vine_chart(
        &[
            VinePanel {
                title: "clip",
                vines: &clip,
                first_frame: 0,
            },
            VinePanel {
                title: "predicted",
                vines: &predicted,
                // The first frame has no prediction.
                first_frame: 1,
            },
        ],
        n_frames,
    )
}
