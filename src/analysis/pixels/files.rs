//! Files of an analysis of pixels.

use serde_json::{Value, json};

use super::bars::{PixelBars, ShownImage};
use super::page::page;
use crate::error::Result;
use crate::run::OutputDirectory;

/// Writes `report.html` and `bars.json`.
///
/// # Errors
///
/// The errors of [`OutputDirectory`].
pub fn write_report(output: OutputDirectory, command: &str, bars: &PixelBars) -> Result<()> {
    let json = json!({
        "command": command,
        "min_persistence": bars.min_persistence,
        "images": bars.images.iter().map(image_json).collect::<Vec<_>>(),
    });
    output.write("bars.json", format!("{json:#}\n").as_bytes())?;
    output.write("report.html", page(command, bars).to_html().as_bytes())?;
    output.finish()
}

/// Bars and vines of one image or clip.
fn image_json(image: &ShownImage) -> Value {
    let [_, width] = image.shape;
    let place = |pixel: usize| [pixel / width, pixel % width];
    let bars = image.bars.iter().map(|bar| {
        json!({
            "homology_dim": bar.homology_dim,
            "birth": bar.birth,
            "death": bar.death,
            "birth_pixel": place(bar.birth_pixel),
            "death_pixel": bar.death_pixel.map(place),
            "n_pixels": bar.region.len(),
        })
    });
    let vines = image.vines.iter().map(|vine| {
        json!({
            "homology_dim": vine.homology_dim,
            "first_frame": vine.first_frame,
            "births": vine.bars.iter().map(|bar| bar.birth).collect::<Vec<_>>(),
            "deaths": vine.bars.iter().map(|bar| bar.death.max(0.0)).collect::<Vec<_>>(),
            "birth_pixels": vine.bars.iter().map(|bar| place(bar.birth_pixel)).collect::<Vec<_>>(),
        })
    });
    json!({
        "file": image.name,
        "height": image.shape[0],
        "width": width,
        "n_frames": image.n_frames(),
        "bars_of_first_frame": bars.collect::<Vec<_>>(),
        "n_left_out": image.n_left_out,
        "vines": vines.collect::<Vec<_>>(),
    })
}
