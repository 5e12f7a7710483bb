//! Bars of grey images with the regions that they stand for.

use std::path::Path;

use crate::analysis::grey_images::read_grey_images;
use crate::data::MatrixValues;
use crate::error::{Error, Result};
use crate::topology::{CubicalComplex, GreyImage, Vine, persistence_above_black, vines};

/// Largest height and width of an image that is shown, in pixels.
const MAX_SIDE: usize = 1024;

/// Largest number of frames of a clip that is shown.
const MAX_FRAMES: usize = 256;

/// Largest number of bars of an image that are shown, the longest.
const MAX_BARS: usize = 40;

/// Bars of the images and clips of an analysis.
#[derive(Debug, Clone)]
pub struct PixelBars {
    /// Images and clips, in the order of the files.
    pub images: Vec<ShownImage>,
    /// Least persistence of the bars.
    pub min_persistence: f64,
}

/// Image, or clip with several frames, and its bars.
#[derive(Debug, Clone)]
pub struct ShownImage {
    /// Name of the file.
    pub name: String,
    /// Pixels from 0 to 1, `[n_frames, height, width]`.
    pub pixels: Vec<f64>,
    /// Height and width.
    pub shape: [usize; 2],
    /// Bars of the first frame, the longest first.
    pub bars: Vec<ShownBar>,
    /// Number of shorter bars that are not among them.
    pub n_left_out: usize,
    /// Bars that are linked over the frames; empty for an image.
    pub vines: Vec<Vine>,
}

/// Bar of an image with the pixels that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownBar {
    /// Homology dimension: 0 for a component, 1 for a hole.
    pub homology_dim: usize,
    /// Grey value at which the component or hole begins.
    pub birth: f64,
    /// Grey value at which it ends; 0, black, for the component that never ends.
    pub death: f64,
    /// Pixel at which it begins.
    pub birth_pixel: usize,
    /// Pixel at which it ends; `None` for the component that never ends.
    pub death_pixel: Option<usize>,
    /// Pixels of the component just before it ends, or of the hole when it has just begun, in ascending order.
    pub region: Vec<usize>,
}

impl ShownBar {
    /// Difference between birth and death.
    pub fn persistence(&self) -> f64 {
        self.birth - self.death
    }
}

impl ShownImage {
    /// Number of frames; 1 for an image.
    pub fn n_frames(&self) -> usize {
        self.pixels.len() / (self.shape[0] * self.shape[1]).max(1)
    }
}

impl PixelBars {
    /// Reads images and clips (stacks in `.npy` files), and computes their bars of at least a persistence.
    ///
    /// `progress` is called with the number of files done.
    ///
    /// # Errors
    ///
    /// Those of [`read_grey_images`]; [`Error::is_invalid_image`] if an image has a side of more than 1,024 pixels or none
    /// at all, a clip more than 256 frames, or a pixel a value outside of 0 to 1;
    /// [`Error::is_invalid_parameter`] if the least persistence is negative.
    pub fn of_files(
        files: &[impl AsRef<Path>],
        min_persistence: f64,
        mut progress: impl FnMut(usize),
    ) -> Result<Self> {
        let mut images = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            let file = file.as_ref();
            let image = shown_image(file, min_persistence);
            images.push(image.map_err(|error| match error.to_string() {
                // Readers name the file themselves.
                message if message.starts_with(&file.display().to_string()) => error,
                _ => error.within(file.display()),
            })?);
            progress(index + 1);
        }
        Ok(Self {
            images,
            min_persistence,
        })
    }
}

/// Reads one file and computes its bars.
fn shown_image(file: &Path, min_persistence: f64) -> Result<ShownImage> {
    let read = read_grey_images(file, false)?;
    let [n_frames, height, width] = read.shape;
    if height.max(width) > MAX_SIDE || height.min(width) == 0 || n_frames == 0 {
        return Err(Error::invalid_image(format!(
            "{} of {height} x {width} pixels, expected sides of 1 to {MAX_SIDE} pixels; scale or cut it",
            if n_frames == 1 { "an image" } else { "frames" }
        )));
    }
    if n_frames > MAX_FRAMES {
        return Err(Error::invalid_image(format!(
            "the clip has {n_frames} frames, expected at most {MAX_FRAMES}; cut it into parts"
        )));
    }
    let pixels = match read.values {
        MatrixValues::F32(values) => values.into_iter().map(f64::from).collect(),
        MatrixValues::F64(values) => values,
    };
    // NaN is in no range.
    if let Some(k) = pixels.iter().position(|x| !(0.0..=1.0).contains(x)) {
        let pixel = k % (height * width);
        return Err(Error::invalid_image(format!(
            "pixel in frame {}, row {}, column {} is {}, expected grey values from 0 to 1; divide by the largest",
            k / (height * width),
            pixel / width,
            pixel % width,
            pixels[k]
        )));
    }
    let shape = [height, width];
    let mut bars = shown_bars(&pixels[..height * width], shape, min_persistence)?;
    let n_left_out = bars.len().saturating_sub(MAX_BARS);
    bars.truncate(MAX_BARS);
    let values = &pixels[..height * width];
    for bar in &mut bars {
        bar.region = region(bar, values, shape);
    }
    Ok(ShownImage {
        name: file.display().to_string(),
        vines: match n_frames {
            1 => Vec::new(),
            _ => vines(&pixels, shape, min_persistence)?,
        },
        pixels,
        shape,
        bars,
        n_left_out,
    })
}

/// Bars of an image, the longest first, without their regions.
fn shown_bars(values: &[f64], shape: [usize; 2], min_persistence: f64) -> Result<Vec<ShownBar>> {
    let mut complex = CubicalComplex::default().with_min_persistence(min_persistence)?;
    let diagrams = complex.image_diagrams(&GreyImage::new(values, shape)?);
    let bars = diagrams.iter().flat_map(|diagram| &diagram.bars).zip(
        diagrams
            .iter()
            .flat_map(|diagram| vec![diagram.homology_dim; diagram.bars.len()]),
    );
    let mut shown: Vec<ShownBar> = bars
        .filter(|(bar, _)| persistence_above_black(bar) >= min_persistence)
        .map(|(bar, homology_dim)| ShownBar {
            homology_dim,
            birth: bar.birth,
            death: bar.death.max(0.0),
            birth_pixel: bar.birth_pixel,
            death_pixel: bar.death_pixel,
            region: Vec::new(),
        })
        .collect();
    // Stable, so that equal bars keep the order of the diagram.
    shown.sort_by(|a, b| b.persistence().total_cmp(&a.persistence()));
    Ok(shown)
}

/// Pixels of a component just before it ends, or of a hole when it has just begun, in ascending order.
fn region(bar: &ShownBar, values: &[f64], shape: [usize; 2]) -> Vec<usize> {
    match (bar.homology_dim, bar.death_pixel) {
        // Brighter than the pixel at which it joins an elder component; the last one is what is not black.
        (0, _) => flood(bar.birth_pixel, shape, true, |pixel| {
            values[pixel] > bar.death
        }),
        // A hole is darker than the pixel that closes it, and ends at its darkest pixel.
        (_, Some(death_pixel)) => {
            flood(death_pixel, shape, false, |pixel| values[pixel] < bar.birth)
        }
        (_, None) => Vec::new(),
    }
}

/// Pixels connected with a pixel, with eight neighbours or with four, in ascending order.
fn flood(
    start: usize,
    [height, width]: [usize; 2],
    is_diagonal: bool,
    is_inside: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let mut is_found = vec![false; height * width];
    let mut stack = Vec::new();
    if is_inside(start) {
        is_found[start] = true;
        stack.push(start);
    }
    while let Some(pixel) = stack.pop() {
        let [row, column] = [pixel / width, pixel % width];
        for next_row in row.saturating_sub(1)..(row + 2).min(height) {
            for next_column in column.saturating_sub(1)..(column + 2).min(width) {
                let next = next_row * width + next_column;
                let shares_side = next_row == row || next_column == column;
                if (is_diagonal || shares_side) && !is_found[next] && is_inside(next) {
                    is_found[next] = true;
                    stack.push(next);
                }
            }
        }
    }
    (0..height * width)
        .filter(|&pixel| is_found[pixel])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_the_component_and_the_hole() {
        // A ring around a dark pixel, and a spot that is joined to it at 0.2.
        #[rustfmt::skip]
        let values = [
            0.9, 0.9, 0.9, 0.0, 0.0,
            0.9, 0.1, 0.8, 0.2, 0.7,
            0.9, 0.9, 0.9, 0.0, 0.0,
        ];
        let shape = [3, 5];
        let bars = shown_bars(&values, shape, 0.1).unwrap();
        let of = |dim: usize, k: usize| {
            let mut bars = bars.iter().filter(|bar| bar.homology_dim == dim);
            region(bars.nth(k).unwrap(), &values, shape)
        };
        assert_eq!(of(0, 0), [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(of(0, 1), [9]);
        assert_eq!(of(1, 0), [6]);
        assert_eq!(bars.len(), 3);
    }
}
