//! Predicted and true frames on the host, and their diagrams.

use std::sync::OnceLock;

use burn::prelude::*;
use burn::tensor::DType;
use rayon::prelude::*;

use super::activations::PredictedFrames;
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::fused::read_values;
use crate::topology::{
    BettiMatching, Construction, CubicalComplex, CubicalDiagram, Filtration, GreyImage, Point,
    Volume,
};

/// Values of predicted and true frames on the host, clamped to the range from 0 to 1.
pub(super) struct HostFrames {
    /// Numbers of clips, frames, rows and columns.
    pub(super) shape: [usize; 4],
    pub(super) prediction: Frames,
    /// `None` if no truth was passed.
    pub(super) truth: Option<Frames>,
    /// True for pixels of the prediction within the range, which receive gradients.
    pub(super) is_within: Vec<bool>,
}

/// Frames of all clips, and their diagrams once they are needed.
pub(super) struct Frames {
    values: Vec<f64>,
    shape: [usize; 4],
    superlevel: OnceLock<Vec<[Bars; 2]>>,
    sublevel: OnceLock<Vec<[Bars; 2]>>,
}

/// Bars of one diagram, whose births lie below their deaths; the component that never dies is among them.
#[derive(Debug, Clone, Default)]
pub(super) struct Bars {
    /// Births and deaths, negated for superlevel sets.
    pub(super) points: Vec<Point>,
    /// Pixels of births and deaths; `None` for an end of the range.
    pub(super) pixels: Vec<[Option<usize>; 2]>,
}

impl HostFrames {
    /// Copies frames to the host.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if prediction and truth differ in shape, [`Error::is_invalid_image`] if a value is NaN,
    /// [`Error::is_device_error`] if the frames cannot be read from their device.
    pub(super) fn read(frames: &PredictedFrames) -> Result<Self> {
        let shape = frames.prediction.dims();
        let mut prediction = read(&frames.prediction, "prediction")?;
        let is_within = prediction.iter().map(|x| (0.0..=1.0).contains(x)).collect();
        clamp(&mut prediction);
        let truth = match &frames.truth {
            None => None,
            Some(truth) if truth.dims() != shape => {
                return Err(Error::invalid_parameter(format!(
                    "predicted frames have the shape {shape:?} and true frames {:?}, expected the same shape",
                    truth.dims()
                )));
            }
            Some(truth) => {
                let mut values = read(truth, "truth")?;
                clamp(&mut values);
                Some(Frames::new(values, shape))
            }
        };
        Ok(Self {
            shape,
            prediction: Frames::new(prediction, shape),
            truth,
            is_within,
        })
    }

    /// Number of pixels of a frame.
    pub(super) fn n_pixels(&self) -> usize {
        self.shape[2] * self.shape[3]
    }

    /// True frames, or an error that says how to pass them.
    pub(super) fn required_truth(&self) -> Result<&Frames> {
        self.truth.as_ref().ok_or_else(|| {
            Error::invalid_parameter(
                "a penalty compares predicted frames with true ones, but no true frames were passed; pass them to \
                 `Activations::from_frames`",
            )
        })
    }
}

impl Frames {
    fn new(values: Vec<f64>, shape: [usize; 4]) -> Self {
        Self {
            values,
            shape,
            superlevel: OnceLock::new(),
            sublevel: OnceLock::new(),
        }
    }

    /// Value of a pixel, as an index into the values of all clips.
    pub(super) fn value(&self, pixel: usize) -> f64 {
        self.values[pixel]
    }

    /// Diagrams of all frames, clip by clip, in the dimensions 0 and 1; computed once for all penalties.
    pub(super) fn diagrams(&self, filtration: Filtration) -> &[[Bars; 2]] {
        let known = match filtration {
            Filtration::Superlevel => &self.superlevel,
            Filtration::Sublevel => &self.sublevel,
        };
        known.get_or_init(|| {
            let [n_clips, n_frames, ..] = self.shape;
            let complex = CubicalComplex::new(filtration, Construction::TopCells);
            (0..n_clips * n_frames)
                .into_par_iter()
                .map_init(
                    || complex.clone(),
                    |complex, frame| {
                        complex
                            .image_diagrams(&self.image(frame))
                            .map(|diagram| Bars::new(&diagram))
                    },
                )
                .collect()
        })
    }

    /// Diagram of a clip as a volume; its pixels count from the first of the clip.
    pub(super) fn volume_diagram(
        &self,
        complex: &mut CubicalComplex<f64>,
        clip: usize,
        homology_dim: usize,
    ) -> Result<Bars> {
        let [_, n_frames, height, width] = self.shape;
        let size = n_frames * height * width;
        let volume = Volume::new(
            &self.values[clip * size..][..size],
            [n_frames, height, width],
        )?;
        let diagrams = complex.volume_diagrams(&volume, homology_dim)?;
        Ok(Bars::new(&diagrams[homology_dim]))
    }

    /// One frame, counted over all clips.
    fn image(&self, frame: usize) -> GreyImage<'_, f64> {
        let [_, _, height, width] = self.shape;
        let values = &self.values[frame * height * width..][..height * width];
        // Values were checked when they were read.
        GreyImage::new(values, [height, width]).expect("a checked image")
    }
}

/// Betti matching of two frames, each counted over all clips of its side.
pub(super) fn betti_matching(
    complex: &mut CubicalComplex<f64>,
    [first, second]: [(&Frames, usize); 2],
) -> Result<BettiMatching<f64>> {
    complex.betti_matching(&first.0.image(first.1), &second.0.image(second.1))
}

impl Bars {
    /// Takes the bars of a diagram, of which the essential ones die at the end of the range from 0 to 1.
    fn new(diagram: &CubicalDiagram<f64>) -> Self {
        // Negated for superlevel sets, which end at 0.
        let end = match diagram.filtration {
            Filtration::Superlevel => 0.0,
            Filtration::Sublevel => 1.0,
        };
        let points = diagram
            .points()
            .into_iter()
            .map(|[birth, death]| [birth, death.min(end)]);
        let pixels = diagram
            .bars
            .iter()
            .map(|bar| [Some(bar.birth_pixel), bar.death_pixel]);
        Self {
            points: points.collect(),
            pixels: pixels.collect(),
        }
    }

    /// Keeps the bars of at least a persistence.
    pub(super) fn at_least(&self, min_persistence: f64) -> Self {
        let both = self.points.iter().zip(&self.pixels);
        let (points, pixels) = both
            .filter(|([birth, death], _)| death - birth >= min_persistence)
            .unzip();
        Self { points, pixels }
    }
}

/// Reads frames, and refuses NaN.
fn read(frames: &Tensor<4>, what: &str) -> Result<Vec<f64>> {
    let frames = match frames.dtype() {
        DType::F64 | DType::F32 => frames.clone(),
        _ => frames.clone().cast(DType::F32),
    };
    let [_, n_frames, height, width] = frames.dims();
    let values: Vec<f64> = read_values(frames.without_autodiff())
        .map_err(|error| error.within(format_args!("{what} cannot be read")))?;
    match values.iter().position(|x| x.is_nan()) {
        None => Ok(values),
        Some(k) => Err(Error::invalid_image(format!(
            "{what}: pixel in clip {}, frame {}, row {}, column {} is NaN, expected numbers; the model's output is not \
             finite ({} in all)",
            k / (n_frames * height * width),
            k / (height * width) % n_frames,
            k / width % height,
            k % width,
            counted(values.iter().filter(|x| x.is_nan()).count(), "such pixel")
        ))),
    }
}

/// Clamps values to the range from 0 to 1.
fn clamp(values: &mut [f64]) {
    for value in values {
        *value = value.clamp(0.0, 1.0);
    }
}
