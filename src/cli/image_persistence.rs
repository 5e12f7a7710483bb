//! `persistence --input image` and `--input volume`: diagrams of grey images, and of a volume.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Failure;
use super::persistence_output::{Output, progress_bar, summarize};
use crate::analysis::{ImagePersistence, read_grey_images};
use crate::choice::word;
use crate::data::{Matrices, MatrixValues};
use crate::report::encode_cubical_diagrams;
use crate::topology::{Construction, CubicalBar, Filtration};

/// Options of `persistence` that only images and volumes have.
#[derive(Debug, Args)]
pub(super) struct ImageArguments {
    /// With --input image or volume: which pixels enter the filtration first [default: superlevel].
    #[arg(long, value_enum)]
    filtration: Option<ImageFiltration>,
    /// With --input image or volume: number of neighbours with which a pixel of the foreground is connected, 8 or 4 in an
    /// image, 26 or 6 in a volume; holes have the other one [default: 8 or 26].
    #[arg(long, value_name = "NUMBER")]
    connectivity: Option<usize>,
    /// With --input image or volume: leave out finite bars that are shorter, in the units of the pixels [default: 0].
    #[arg(long, value_name = "PERSISTENCE", allow_negative_numbers = true)]
    min_persistence: Option<f64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ImageFiltration {
    /// Bright pixels first: bright things are components.
    Superlevel,
    /// Dark pixels first: dark things are components.
    Sublevel,
}

impl ImageArguments {
    /// Refuses the options for an input that has no pixels.
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        let given = [
            ("--filtration", self.filtration.is_some()),
            ("--connectivity", self.connectivity.is_some()),
            ("--min-persistence", self.min_persistence.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((option, _)) => Err(Failure::Error(format!(
                "{option} is an option for pixels, expected --input image or --input volume with it"
            ))),
        }
    }

    /// Construction that connects the foreground as asked.
    fn construction(&self, is_volume: bool) -> Result<Construction, Failure> {
        let choices = if is_volume { [26, 6] } else { [8, 4] };
        match self.connectivity.unwrap_or(choices[0]) {
            n if n == choices[0] => Ok(Construction::TopCells),
            n if n == choices[1] => Ok(Construction::Vertices),
            n => Err(Failure::Error(format!(
                "--connectivity is {n}, expected {} or {} for {}",
                choices[0],
                choices[1],
                if is_volume { "a volume" } else { "an image" }
            ))),
        }
    }

    /// Computes the diagrams of the images in a file, or of its volume.
    pub(super) fn diagrams(
        &self,
        file: &Path,
        max_homology_dim: usize,
        is_volume: bool,
    ) -> Result<Output, Failure> {
        let persistence = ImagePersistence {
            filtration: match self.filtration {
                None | Some(ImageFiltration::Superlevel) => Filtration::Superlevel,
                Some(ImageFiltration::Sublevel) => Filtration::Sublevel,
            },
            construction: self.construction(is_volume)?,
            max_homology_dim,
            min_persistence: self.min_persistence.unwrap_or(0.0),
            is_volume,
        };
        let images = read_grey_images(file, is_volume)?;
        let n_items = if is_volume { 1 } else { images.shape[0] };
        let bar = progress_bar(n_items, "images");
        let result = persistence.diagrams(&images, |n_done| bar.set_position(n_done as u64));
        bar.finish_and_clear();
        let diagrams = result.map_err(|error| error.within(file.display()))?;
        let description = description(file, persistence, &images);
        let text = description.to_string();
        let [_, height, width] = images.shape;
        let archive = if is_volume {
            encode_cubical_diagrams(&diagrams, images.shape, &text)?
        } else {
            encode_cubical_diagrams(&diagrams, [height, width], &text)?
        };
        let dimensions = (0..=max_homology_dim).map(|dim| {
            let bars = diagrams.iter().flat_map(move |item| &item[dim].bars);
            summarize(dim, diagrams.len(), bars.map(CubicalBar::persistence))
        });
        Ok(Output {
            archive,
            dimensions: dimensions.collect(),
            description,
        })
    }
}

/// Description of the input, which is stored with the diagrams.
fn description(file: &Path, persistence: ImagePersistence, images: &Matrices) -> Value {
    let [n_images, height, width] = images.shape;
    let (input, n_items) = if persistence.is_volume {
        ("volume", "n_frames")
    } else {
        ("image", "n_images")
    };
    let mut description = json!({
        "program": concat!("burn-topology ", env!("CARGO_PKG_VERSION")),
        "file": file,
        "dtype": match images.values {
            MatrixValues::F32(_) => "float32",
            MatrixValues::F64(_) => "float64",
        },
        "input": input,
        "height": height,
        "width": width,
        "max_homology_dim": persistence.max_homology_dim,
        "filtration": word(&persistence.filtration),
        "construction": word(&persistence.construction),
        "min_persistence": persistence.min_persistence,
        "births_and_deaths": match persistence.filtration {
            Filtration::Superlevel => "negated values of pixels",
            Filtration::Sublevel => "values of pixels",
        },
    });
    description[n_items] = json!(n_images);
    description
}
