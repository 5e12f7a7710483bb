//! The page of an analysis of pixels.

use maud::{Markup, html};

use super::bars::{PixelBars, ShownBar, ShownImage};
use crate::analysis::vine_plot::{N_VINES, vine_plot};
use crate::counted::counted;
use crate::report::page::{
    Column, Condition, Control, MarkedImage, MarkedRegion, Page, PixelImage, Section, Steps, Table,
    controls, figure, number, shown_when, side_by_side,
};
use crate::topology::Vine;

/// Width of an image on the page, in pixels.
const IMAGE_WIDTH: u32 = 384;

/// Time between two frames while a clip plays.
const MILLISECONDS_PER_FRAME: u32 = 450;

/// Builds the page with one section for images and one for clips.
pub(super) fn page(command: &str, bars: &PixelBars) -> Page {
    let lead = format!(
        "{}; bars of at least a persistence of {} of the superlevel sets: bright components (H0) and their holes (H1).",
        counted(bars.images.len(), "file"),
        number(bars.min_persistence)
    );
    let mut page = Page::new("Components and holes of images", lead);
    let (clips, images): (Vec<&ShownImage>, Vec<&ShownImage>) =
        bars.images.iter().partition(|image| image.n_frames() > 1);
    if !images.is_empty() {
        page = page.section(Section::new("Bars over the image", images_section(&images)));
    }
    if !clips.is_empty() {
        page = page.section(Section::new("Bars over the frames", clips_section(&clips)));
    }
    page.section(Section::new("Command", html! { p { code { (command) } } }))
}

/// Images with all critical pixels, or with the region of one bar.
fn images_section(images: &[&ShownImage]) -> Markup {
    let names = images.iter().map(|image| &*image.name);
    let n_steps = images.iter().map(|image| image.bars.len() + 1).collect();
    let control = "image".to_owned();
    html! {
        p {
            "At 0 the slider shows all bars: a circle at the pixel where a component or hole begins, a cross where it ends. "
            "At any other position it shows one bar, the longest first, with its component just before it ends, or its hole "
            "when it has just begun."
        }
        (controls(&[
            Control::choice("image", "Image", names),
            Control::range("bar", "Bar", Steps::ByChoice { control, n_steps }),
        ]))
        @for (index, image) in images.iter().enumerate() {
            (shown_when(&Condition::equals("image", index), one_image(image)))
        }
    }
}

fn one_image(image: &ShownImage) -> Markup {
    let mut regions: Vec<MarkedRegion> = image
        .bars
        .iter()
        .map(|bar| marked(bar, Vec::new(), Condition::equals("bar", 0)))
        .collect();
    regions.extend(
        image.bars.iter().enumerate().map(|(index, bar)| {
            marked(bar, bar.region.clone(), Condition::equals("bar", index + 1))
        }),
    );
    let pixels = grey(&image.pixels);
    let [height, width] = image.shape;
    let marked = MarkedImage {
        image: PixelImage {
            pixels: &pixels,
            shape: [1, height, width],
            alt: &format!("{} with its bars", image.name),
            width: IMAGE_WIDTH,
        },
        regions: &regions,
    };
    let left_out = match image.n_left_out {
        0 => String::new(),
        n => format!("; {} not shown", counted(n, "shorter bar")),
    };
    let caption = format!(
        "{}, {height} by {width} pixels, {}{left_out}",
        image.name,
        counted(image.bars.len(), "bar")
    );
    side_by_side([figure(marked, &caption), html! { (bar_table(image)) }])
}

/// Region and critical pixels of one bar; the colour is that of the dimension.
fn marked(bar: &ShownBar, pixels: Vec<usize>, when: Condition) -> MarkedRegion {
    MarkedRegion {
        pixels,
        birth: Some(bar.birth_pixel),
        death: bar.death_pixel,
        style: bar.homology_dim,
        when,
    }
}

/// Table of the bars of an image.
fn bar_table(image: &ShownImage) -> Table {
    let [_, width] = image.shape;
    let place = |pixel: usize| format!("{}, {}", pixel / width, pixel % width);
    let columns = vec![
        Column::number("Bar", ""),
        Column::text("Dimension"),
        Column::number("Birth", "grey value"),
        Column::text("at row, column"),
        Column::number("Death", "grey value"),
        Column::text("at row, column"),
        Column::number("Persistence", ""),
        Column::number("Region", "pixels"),
    ];
    let rows = image.bars.iter().enumerate();
    rows.fold(Table::new("Bars", columns), |table, (index, bar)| {
        table.row([
            (index + 1).to_string(),
            ["H0, component", "H1, hole"][bar.homology_dim.min(1)].to_owned(),
            number(bar.birth),
            place(bar.birth_pixel),
            number(bar.death),
            bar.death_pixel
                .map_or_else(|| "never ends".to_owned(), place),
            number(bar.persistence()),
            bar.region.len().to_string(),
        ])
    })
}

/// Clips that play beside the bars that are linked over their frames.
fn clips_section(clips: &[&ShownImage]) -> Markup {
    let names = clips.iter().map(|clip| &*clip.name);
    let n_steps = clips.iter().map(|clip| clip.n_frames()).collect();
    let frames = Control::range(
        "frame",
        "Frame",
        Steps::ByChoice {
            control: "clip".to_owned(),
            n_steps,
        },
    );
    html! {
        p {
            "A line is one component or hole whose bars are linked from frame to frame by their Betti matching, which asks for "
            "the same place. Its colour is also that of the circle around the pixel where it begins in each frame."
        }
        (controls(&[
            Control::choice("clip", "Clip", names),
            frames.with_play_button(MILLISECONDS_PER_FRAME),
        ]))
        @for (index, clip) in clips.iter().enumerate() {
            (shown_when(&Condition::equals("clip", index), one_clip(clip)))
        }
    }
}

fn one_clip(clip: &ShownImage) -> Markup {
    let [height, width] = clip.shape;
    let frames = clip.pixels.chunks_exact(height * width).enumerate();
    let images = frames.map(|(frame, values)| {
        let shown = clip.vines.iter().take(N_VINES).enumerate();
        let regions: Vec<MarkedRegion> = shown
            .filter_map(|(style, vine)| {
                let bar = vine.bar(frame)?;
                Some(MarkedRegion {
                    pixels: Vec::new(),
                    birth: Some(bar.birth_pixel),
                    death: None,
                    style,
                    when: Condition::always(),
                })
            })
            .collect();
        let pixels = grey(values);
        let marked = MarkedImage {
            image: PixelImage {
                pixels: &pixels,
                shape: [1, height, width],
                alt: &format!("frame {frame} of {}", clip.name),
                width: IMAGE_WIDTH,
            },
            regions: &regions,
        };
        shown_when(&Condition::equals("frame", frame), marked)
    });
    let images: Vec<Markup> = images.collect();
    let names: Vec<String> = (0..clip.vines.len().min(N_VINES))
        .map(|index| Vine::name(&clip.vines, index))
        .collect();
    let caption = format!("{}: {}", clip.name, names.join(", "));
    html! {
        (side_by_side([
            figure(html! { @for image in &images { (image) } }, &caption),
            vine_plot(&clip.vines, &clip.name, 0, clip.n_frames()),
        ]))
    }
}

/// Grey values in the precision of drawings.
fn grey(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
